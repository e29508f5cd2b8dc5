"""Which package of the system a file belongs to, and its version: asked of dpkg, rpm, pkgutil."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

_SECONDS = 2.0


def package_of(path: Path) -> str:
    """``openssl 3.0.15``; "" when the system's package manager doesn't know the file."""
    for manager, ask in (("dpkg-query", _debian), ("rpm", _rpm), ("pkgutil", _macos)):
        if program := shutil.which(manager):
            for candidate in dict.fromkeys((path, path.resolve())):
                if found := ask(program, candidate):
                    return found
    return ""


def _debian(program: str, path: Path) -> str:
    owner = output(program, "--search", str(path)).partition(":")[0].partition(",")[0]
    if not owner:
        return ""
    return output(program, "--show", "--showformat=${Package} ${Version}", owner)


def _rpm(program: str, path: Path) -> str:
    return output(program, "--query", "--queryformat=%{NAME} %{VERSION}", "--file", str(path))


def _macos(program: str, path: Path) -> str:
    for line in output(program, "--file-info", str(path)).splitlines():
        if line.startswith("pkg-version:"):
            return line.partition(":")[2].strip()
    return ""


def output(*command: str) -> str:
    """What a program prints; "" when it fails, or takes too long."""
    try:
        done = subprocess.run(  # noqa: S603 - a program of the system, and no shell
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=_SECONDS,
            check=False,
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.decode("utf-8", "replace").strip() if done.returncode == 0 else ""

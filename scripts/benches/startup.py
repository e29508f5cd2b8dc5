"""How long igc takes to start, beside Python doing nothing and openssl."""

from __future__ import annotations

import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from result import Result

ROUNDS = 21
PYTHON = Path(sys.executable)
IGC = PYTHON.with_name("igc")


def version() -> Iterator[Result]:
    """igc --version."""
    yield from _compare("start-version", [IGC, "--version"])


def help_text() -> Iterator[Result]:
    """igc --help."""
    yield from _compare("start-help", [IGC, "--help"])


def _compare(name: str, ours: list[str | Path]) -> Iterator[Result]:
    peers: dict[str, list[str | Path]] = {"python -c pass": [PYTHON, "-c", "pass"]}
    if openssl := shutil.which("openssl"):
        peers["openssl version"] = [openssl, "version"]
    igc, *others = _medians([ours, *peers.values()])
    for peer_name, milliseconds in zip(peers, others, strict=True):
        yield Result(f"{name}/{peer_name.split()[0]}", igc, milliseconds, peer_name, "ms")


def _medians(commands: list[list[str | Path]]) -> list[float]:
    """Median milliseconds of each command, in turns so that a busy moment hits them all."""
    times: list[list[float]] = [[] for _ in commands]
    for turn in range(ROUNDS + 1):
        for command, spent in zip(commands, times, strict=True):
            start = time.perf_counter()
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)  # noqa: S603 - ours
            if turn:  # the first one warms the caches
                spent.append(time.perf_counter() - start)
    return [round(statistics.median(spent) * 1000, 2) for spent in times]

"""A wheel as its users meet it: installed from PyPI's side in an empty venv, then used."""

from __future__ import annotations

import os
from pathlib import Path

from running import ReleaseError, output


def install_and_use(python: Path, wheel: Path, version: str, folder: Path) -> str:
    """Install a wheel and its dependencies with one Python, run ``igc``; which Python it was.

    ReleaseError when something fails.
    """
    named = output([str(python), "-c", "import platform; print(platform.python_version())"])
    venv = folder / f"venv-{named}"
    output([str(python), "-m", "venv", str(venv)])
    output([str(venv / "bin/pip"), "--disable-pip-version-check", "install", "-q", str(wheel)])
    clean = {
        name: value for name, value in os.environ.items() if not name.startswith(("IGC_", "PYTHON"))
    }
    clean |= {"IGC_CONFIG_DIR": str(folder / "config"), "IGC_DATA_DIR": str(folder / "data")}
    igc = str(venv / "bin/igc")
    if version not in (said := output([igc, "--version"], env=clean)):
        raise ReleaseError(f"the installed igc says {said!r}, not {version}")
    output([igc, "demo"], env=clean)
    return f"Python {named}"

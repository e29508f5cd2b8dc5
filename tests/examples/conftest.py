"""For the tests of the examples: igcsante as a wheel, in an environment of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LEFT_OUT = shutil.ignore_patterns(
    ".*", "__pycache__", "*.egg-info", "build", "dist", "tests", "examples"
)


@pytest.fixture(scope="session")
def examples() -> Path:
    return ROOT / "examples"


@pytest.fixture(scope="session")
def clean_environ() -> dict[str, str]:
    """The environment of a command that must not notice that a test starts it."""
    unwanted = ("PYTHON", "PYTEST_", "HYPOTHESIS", "COV_")
    return {name: value for name, value in os.environ.items() if not name.startswith(unwanted)}


@pytest.fixture(scope="session")
def wheel_python(tmp_path_factory: pytest.TempPathFactory, clean_environ: dict[str, str]) -> Path:
    """A Python with igcsante from a wheel; its dependencies are those of the development set."""
    folder = tmp_path_factory.mktemp("wheel")
    shutil.copytree(ROOT, folder / "source", ignore=LEFT_OUT)
    pip = (sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet")
    offline = ("--no-deps", "--no-index")
    build = (*pip, "wheel", *offline, "--no-build-isolation", "-w", folder, folder / "source")
    subprocess.run(build, check=True, env=clean_environ)
    environment = folder / "environment"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", environment], check=True)
    python = environment / "bin" / "python"
    place = {"base": str(environment), "platbase": str(environment)}
    site = Path(sysconfig.get_path("purelib", "venv", vars=place))
    (site / "development.pth").write_text(sysconfig.get_path("purelib") + "\n")
    (wheel,) = folder.glob("igcsante-*.whl")
    install = (*pip, f"--python={python}", "install", *offline, wheel)
    subprocess.run(install, check=True, env=clean_environ)
    told = subprocess.run(
        [python, "-c", "import igcsante; print(igcsante.__file__)"],
        cwd=folder,
        env=clean_environ,
        check=True,
        capture_output=True,
        text=True,
    )
    assert Path(told.stdout.strip()).is_relative_to(site)
    return python

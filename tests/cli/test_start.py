"""Start-up: what each kind of command loads, and nothing else."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterable

import pytest

SOAP = ("zeep", "lxml", "requests")
# Runs igc as its script does, and says which of the named modules were loaded.
LOADED = """
import sys
from igcsante.cli.entry import main
names, sys.argv = sys.argv[1].split(","), ["igc", *sys.argv[2:]]
try:
    main()
finally:
    print("loaded:", *(name for name in names if name in sys.modules), file=sys.__stderr__)
"""
# For igc --help: what costs more than the page itself.
COSTLY = (
    "click",
    "gettext",
    "typing",
    "re",
    "inspect",
    "dataclasses",
    "pathlib",
    "json",
    "logging",
)
WITHOUT_SOAP = [
    ("readers",),
    ("card", "id"),
    ("check", "--offline", "absent.pem"),
    ("inspect", "absent.pem"),
    ("crl", "list"),
    ("trust", "list"),
    ("policy", "list"),
    ("config", "show"),
    ("orders",),
    ("sim", "card", "list"),
    ("help", "json"),
    ("completion", "bash"),
]


def loaded(arguments: Iterable[str], names: Iterable[str], **variables: str) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", LOADED, ",".join(names), *arguments],
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "Traceback" not in done.stderr, done.stderr
    return done.stderr.splitlines()[-1].removeprefix("loaded:").split()


@pytest.mark.parametrize("language", ["en", "fr"])
@pytest.mark.parametrize("arguments", [("--version",), ("--help",), ("-h",)], ids=" ".join)
def test_the_front_page_takes_nothing_that_costs(arguments: tuple[str, ...], language: str) -> None:
    assert loaded(arguments, COSTLY, IGC_LANG=language) == []


@pytest.mark.parametrize("arguments", WITHOUT_SOAP, ids=" ".join)
def test_commands_without_soap_load_none(arguments: tuple[str, ...]) -> None:
    assert loaded(arguments, (*SOAP, "igcsante.ws.soap")) == []


@pytest.mark.parametrize(
    "variables",
    [{}, {"COLUMNS": "40"}, {"COLUMNS": "72"}, {"COLUMNS": "300"}, {"IGC_LANG": "fr"}],
    ids=str,
)
def test_the_front_page_is_the_one_of_the_tree(variables: dict[str, str]) -> None:
    def told(*arguments: str) -> str:
        command = [sys.executable, "-m", "igcsante.cli.entry", *arguments]
        environment = {**os.environ, **variables}
        return subprocess.run(
            command, env=environment, capture_output=True, text=True, check=True
        ).stdout

    page = told("--help")
    assert page == told("help")
    width = min(int(variables.get("COLUMNS", 80)), 80)
    assert max(map(len, page.splitlines())) <= width


def test_a_closed_or_full_output_is_told() -> None:
    done = subprocess.run(
        ["sh", "-c", f"{sys.executable} -m igcsante.cli.entry --help >/dev/full"],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert "can't be written" in done.stderr and "Traceback" not in done.stderr
    done = subprocess.run(
        ["sh", "-c", f"{sys.executable} -m igcsante.cli.entry --version >&-"],
        capture_output=True,
        text=True,
    )
    assert done.returncode != 0 and "Traceback" not in done.stderr


def test_an_output_that_has_few_letters_gets_the_page_all_the_same() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "igcsante.cli.entry", "--help"],
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "Usage: igc" in done.stdout and "Commands:" in done.stdout

"""Start-up: help imports nothing heavy, and what needs no reader works without pyscard."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from e2e_support import IGC, Machine

HEAVY = ("zeep", "requests", "lxml", "smartcard", "cryptography", "igcsante.testing")
HELP = [
    ("--help",),
    ("--version",),
    ("help", "exit-codes"),
    ("card", "--help"),
    ("check", "--help"),
    ("order", "--help"),
    ("export", "--help"),
    ("demo", "--help"),
    ("sim", "run", "--help"),
    ("sim", "platform", "--help"),
]
# Runs a command line and says which of the modules it loaded.
LOADED = """
import sys
from igcsante.cli.main import run
code = run(sys.argv[2:])
heavy = sys.argv[1].split(",")
print("loaded:", [name for name in heavy if name in sys.modules])
sys.exit(code)
"""


@pytest.mark.parametrize("arguments", HELP, ids=" ".join)
def test_help_loads_nothing_heavy(machine: Machine, arguments: tuple[str, ...]) -> None:
    told = machine.run(sys.executable, "-c", LOADED, ",".join(HEAVY), *arguments)
    assert told.code == 0
    assert told.out.splitlines()[-1] == "loaded: []"


def test_card_commands_load_no_web_service(machine: Machine) -> None:
    told = machine.run(sys.executable, "-c", LOADED, "zeep,requests,lxml,igcsante.ws", "readers")
    assert told.out.splitlines()[-1] == "loaded: []"


def test_packages_load_nothing_heavy(machine: Machine) -> None:
    script = (
        "import sys, igcsante, igcsante.card, igcsante.certs, igcsante.ws, igcsante.testing\n"
        f"print([name for name in {HEAVY[:4]} if name in sys.modules])"
    )
    assert machine.run(sys.executable, "-c", script).out == "[]\n"


@pytest.fixture
def without_pyscard(machine: Machine, tmp_path: Path) -> Machine:
    """A machine where ``import smartcard`` fails, as without libpcsclite."""
    package = tmp_path / "shim" / "smartcard"
    package.mkdir(parents=True)
    message = "libpcsclite.so.1: cannot open shared object file"
    (package / "__init__.py").write_text(f"raise ImportError({message!r})\n")
    machine.variables["PYTHONPATH"] = str(package.parent)
    return machine


def test_without_pyscard_everything_imports(without_pyscard: Machine) -> None:
    script = (
        "import igcsante.testing, igcsante.testing.world, igcsante.testing.demo, igcsante.card\n"
        "import igcsante.card.session, igcsante.card.readers, igcsante.cli.main\n"
        "try:\n    import smartcard\nexcept ImportError:\n    print('absent')"
    )
    assert without_pyscard.run(sys.executable, "-c", script).out == "absent\n"


def test_without_pyscard_the_demo_runs(without_pyscard: Machine) -> None:
    told = without_pyscard.igc("demo", "--card", "cps4", "--json")
    assert told.code == 0, told.err
    assert told.lines[-1]["step"] == "signatures"


@pytest.mark.parametrize("command", [("readers",), ("card", "id")], ids=" ".join)
def test_without_pyscard_readers_say_what_to_install(
    without_pyscard: Machine, command: tuple[str, ...]
) -> None:
    told = without_pyscard.igc(*command, "--json")
    assert (told.code, told.error["code"]) == (3, "card.pcsc.unavailable")
    assert "pyscard is not installed" in told.said and "apt install" in told.said


def test_without_a_pcsc_service_readers_say_so(machine: Machine) -> None:
    pytest.importorskip("smartcard", reason="pyscard is not installed")
    machine.variables["PCSCLITE_CSOCK_NAME"] = str(machine.folder / "nothing")
    told = machine.igc("readers", "--json")
    assert (told.code, told.error["code"]) == (3, "card.pcsc.unavailable")
    assert "pcscd" in told.said


def test_module_and_script_are_the_same_command(machine: Machine) -> None:
    script = Path(IGC[0]).with_name("igc")
    if not script.exists():
        pytest.skip("igcsante is not installed as a command")
    assert machine.run(script, "--version").out == machine.igc("--version").out

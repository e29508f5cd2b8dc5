"""``--wsdl`` and ``--mapping`` reach the commands that talk to the platform."""

from __future__ import annotations

import json
import shutil

import pytest

from igcsante.card import readers
from igcsante.cli import ask, main
from igcsante.testing.cards import SimulatedReader
from igcsante.testing.world import SimulatedWorld
from igcsante.ws.contract.mapping import contract_file


@pytest.fixture(scope="module")
def world():
    with SimulatedWorld() as running:
        (running.directory / "config.toml").write_text(running.profile_toml())
        yield running


@pytest.fixture
def igc(world, monkeypatch, capsys, tmp_path):
    monkeypatch.setenv("IGC_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("IGC_CONFIG_DIR", str(world.directory))
    monkeypatch.setenv("PIN", "1234")
    reader = SimulatedReader("First", world.card("cps3"))
    monkeypatch.setattr(readers, "system_readers", lambda: [reader])

    def call(*arguments):
        code = main.run(["--profile", "sim", *map(str, arguments)])
        out, err = capsys.readouterr()
        return code, out, err

    return call


@pytest.fixture
def contract(tmp_path):
    """A copy of the mock's contract."""
    for name in ("pfc-mock.wsdl", "pfc-mock.xsd", "mapping.toml"):
        shutil.copy(contract_file(name), tmp_path / name)
    return tmp_path / "pfc-mock.wsdl", tmp_path / "mapping.toml"


def test_a_contract_of_ones_own_is_what_a_command_speaks(igc, contract):
    wsdl, mapping = contract
    options = ("--wsdl", wsdl, "--mapping", mapping, "--pin-source", "env:PIN")
    code, out, err = igc("habilitations", *options, "--json")
    assert code == 0, err
    assert {json.loads(line)["offre"] for line in out.splitlines()} >= {"ORG"}

    mapping.write_text(mapping.read_text().replace('offre = "offre"', 'offre = "oeuvre"'))
    code, _, err = igc("habilitations", *options)
    assert code == 12
    assert "oeuvre" in err


def test_a_mistake_in_a_mapping_is_told_before_the_pin_is_asked_for(igc, contract, monkeypatch):
    wsdl, mapping = contract
    mapping.write_text(mapping.read_text().replace("format = 1", "format = 9"))
    monkeypatch.setattr(ask, "secret_at_hand", lambda *_: pytest.fail("the PIN was asked for"))
    code, _, err = igc("habilitations", "--wsdl", wsdl, "--mapping", mapping)
    assert code == 2
    assert "mapping.toml" in err


ELSEWHERE = ("--platform", "https://pfc.example/real/path")
COMMANDS = [
    ("habilitations",),
    ("order", "--usage", "AUTH_CLI", "--structure", "10B0999003", "--service", "s",
     "--email", "a@b.fr", "--out", "certs"),
    ("ws", "dry-run", "order_product"),
]  # fmt: skip


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command[0])
@pytest.mark.parametrize("named", [(), ("--wsdl",), ("--mapping",)], ids=str)
def test_another_platform_is_never_spoken_to_in_the_words_of_the_mock(
    igc, contract, monkeypatch, tmp_path, command, named
):
    """Neither without a contract nor with half of one; the card and the PIN are left alone."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(readers, "system_readers", lambda: pytest.fail("the card was used"))
    monkeypatch.setattr(ask, "secret_at_hand", lambda *_: pytest.fail("the PIN was asked for"))
    files = dict(zip(("--wsdl", "--mapping"), contract, strict=True))
    options = [part for flag in named for part in (flag, files[flag])]
    code, out, err = igc(*ELSEWHERE, *command, *options)
    assert (code, out) == (2, "")
    assert "no WSDL and mapping file are named for pfc.example; nothing was sent" in err
    assert str(contract_file("mapping.toml")) in "".join(err.split("\n"))
    assert not (tmp_path / "certs").exists()


def test_the_contract_of_another_platform_is_named(igc, contract):
    """Both files, or the mock's own mapping for a mock that runs elsewhere."""
    wsdl, mapping = contract
    for options in (
        ("--wsdl", wsdl, "--mapping", mapping),
        ("--mapping", contract_file("mapping.toml")),
    ):
        code, out, err = igc(*ELSEWHERE, "ws", "dry-run", "order_product", *options)
        assert code == 0, err
        assert "POST /real/path" in out


@pytest.mark.parametrize("options", [(), ("--json",)])
def test_a_dry_run_begins_by_saying_that_its_contract_is_the_mocks(igc, contract, options):
    wsdl, mapping = contract
    sentence = "This is the contract of igcsante's own mock, not the ANS's."
    code, _, err = igc("ws", "dry-run", "order_product", *options)
    assert code == 0 and err.startswith(sentence)
    own = ("--wsdl", wsdl, "--mapping", mapping)
    assert sentence not in igc("ws", "dry-run", "order_product", *own, *options)[2]

"""``--trace``, ``igc card record`` and ``igc sim run --replay``, on both generations."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from e2e_support import (
    ORDER,
    WITHDRAWAL,
    Insert,
    Machine,
    both_generations,
    igc,
    newer_generation,
    serving,
)
from test_e2e_secrets import pin_found

from igcsante.card import readers
from igcsante.card.recording import Recording
from igcsante.errors import PcscUnavailableError
from igcsante.testing.cards import ReplayedCard, SimulatedReader
from igcsante.testing.cards.pcscd import _driver, _program

PIN = "7391"


@both_generations
def test_a_trace_tells_each_exchange_and_no_pin(
    inserted: Insert, generation: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = inserted(generation, pin=PIN)
    monkeypatch.setenv("E2E_PIN", PIN)
    plain, traced = igc("card", "id"), igc("card", "id", "--trace")
    assert traced.out == plain.out and "SELECT EF.ODF (3F0000015031)" in traced.err
    held.sent.clear()
    told = igc("--profile", "sim", "--trace", *ORDER, *WITHDRAWAL)
    assert told.code == 0
    assert f"#{len(held.sent)} " in told.err and f"#{len(held.sent) + 1} " not in told.err
    assert "04 ** ** ** **" in told.err
    assert not pin_found(PIN, told.err.encode())
    assert PIN.encode().hex(" ").upper() not in told.err


@both_generations
def test_a_recorded_command_runs_again_without_the_card(
    inserted: Insert, home: Path, generation: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = inserted(generation)
    told = igc("card", "record", "info.jsonl", "--", "igc", "card", "info", "--json")
    assert told.code == 0
    assert f"Recorded {len(held.sent)} exchanges in info.jsonl" in told.said
    reader = SimulatedReader("Simulated reader", ReplayedCard(home / "info.jsonl"))
    monkeypatch.setattr(readers, "system_readers", lambda: [reader])
    assert igc("card", "info", "--json").lines == told.lines
    other = igc("card", "certs")
    assert other.code == 1 and "the recording has no answer to" in other.said


def test_a_failed_command_is_recorded_with_its_exit_code(
    inserted: Insert, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inserted("cps3", pin=PIN)
    monkeypatch.setenv("E2E_PIN", "9137")
    command = ("--profile", "sim", "habilitations", "--pin-source", "env:E2E_PIN")
    assert igc("card", "record", "wrong.jsonl", "--", *command).code == 4
    content = (home / "wrong.jsonl").read_text()
    assert "********" in content and "39313337" not in content
    assert Recording.load(home / "wrong.jsonl").exchanges[-1].sw == 0x63C2


def test_nothing_is_recorded_of_a_command_without_card(inserted: Insert, home: Path) -> None:
    inserted("cps3")
    told = igc("card", "record", "none.jsonl", "--", "trust", "list")
    assert told.code == 0 and "Nothing was recorded" in told.said
    assert not (home / "none.jsonl").exists()


def test_a_recording_replaces_no_file(inserted: Insert, home: Path) -> None:
    held = inserted("cps3")
    (home / "mine").write_text("precious")
    assert igc("card", "record", "mine", "--", "card", "id").code == 1
    assert held.sent == [] and (home / "mine").read_text() == "precious"


@newer_generation
def test_a_recording_is_played_to_any_program(
    inserted: Insert, home: Path, machine: Machine, generation: str
) -> None:
    pytest.importorskip("smartcard", reason="pyscard is not installed")
    try:
        _program(), _driver()
    except PcscUnavailableError as error:
        pytest.skip(error.message)
    inserted(generation)
    told = igc("card", "record", "id.jsonl", "--", "card", "id")
    shutil.copy(home / "id.jsonl", machine.folder)
    with serving(machine, "sim", "run", "--replay", "id.jsonl", "--pcscd") as (process, line):
        assert (line["card"], line["pin"]) == ("id.jsonl", "")
        machine.variables.update(line["environment"])
        assert machine.igc("card", "id").out == told.out
        assert machine.igc("card", "id").out == told.out, "again from its start"
        refused = machine.igc("card", "certs")
        assert refused.code == 1 and "6F00" in refused.said
        process.terminate()
        assert process.stderr is not None
        assert "the recording has no answer to" in process.stderr.read()


def test_replaying_what_is_no_recording_is_refused(home: Path) -> None:
    (home / "noise").write_text("noise")
    told = igc("sim", "run", "--replay", "noise")
    assert told.code == 2 and "not a recording of a card (line 1)" in told.said

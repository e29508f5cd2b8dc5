"""Recordings: what is kept, what never is, and files that are none."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from igcsante.card.monitor import Exchange, Link
from igcsante.card.recording import Recorder, Recording
from igcsante.errors import IgcError, StorageError, UsageError

LINK = Link("Lecteur « été »", bytes.fromhex("3BAC00402A001225006480000310009000"), "T=0")
SELECT_SERIAL = ("00A40904043F00D003", "6110")
SELECT_DATA = ("00A40904063F000001D107", "6110")
READ = ("00B0000004", "DEADBEEF9000")
VERIFY = ("0020000104" + "**" * 4, "9000")


def exchange(command: str, answer: str, link: Link = LINK) -> Exchange:
    raw = bytes.fromhex(answer)
    masked = bytes.fromhex(command.replace("*", "")) + b"*" * (command.count("*") // 2)
    return Exchange(masked, raw[:-2], int.from_bytes(raw[-2:]), link)


def recorded(*exchanges: tuple[str, str], include_private: bool = False) -> Recording:
    recorder = Recorder(include_private=include_private)
    for command, answer in exchanges:
        recorder(exchange(command, answer))
    return recorder.recording()


def answers(recording: Recording) -> list[str]:
    return [exchange.response_text for exchange in recording.exchanges]


def test_a_file_gives_back_what_was_recorded(tmp_path: Path) -> None:
    recording = recorded(SELECT_SERIAL, READ, VERIFY, SELECT_DATA, READ)
    path = tmp_path / "new" / "session.jsonl"
    recording.save(path)
    assert Recording.load(path) == recording
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with pytest.raises(StorageError, match="already there"):
        recording.save(path)


def test_a_person_can_read_it() -> None:
    first, *lines = map(
        json.loads, recorded(SELECT_SERIAL, VERIFY).to_bytes().decode().split("\n")[:-1]
    )
    assert first["reader"] == LINK.reader_name and first["protocol"] == "T=0"
    assert lines == [
        {"command": "00A40904043F00D003", "response": "", "sw": "6110"},
        {"command": "0020000104********", "response": "", "sw": "9000"},
    ]


@pytest.mark.parametrize("pin_command", [VERIFY, ("01200001", "9000"), ("002C0201", "9000")])
def test_what_is_read_after_the_pin_is_left_out(pin_command: tuple[str, str]) -> None:
    session = (SELECT_DATA, READ, pin_command, SELECT_DATA, READ)
    assert answers(recorded(*session)) == ["", "DEADBEEF", "", "", "********"]
    assert answers(recorded(*session, include_private=True))[-1] == "DEADBEEF"


def test_a_pin_typed_on_the_reader_counts() -> None:
    recorder = Recorder()
    for command, answer in (("", "9000"), SELECT_DATA, READ):
        recorder(exchange(command, answer))
    assert answers(recorder.recording()) == ["", "********"]


def test_what_a_read_leaves_to_fetch_is_left_out_too() -> None:
    session = (VERIFY, SELECT_DATA, ("00B0000004", "6104"), ("00C0000004", "DEADBEEF9000"))
    assert answers(recorded(*session))[-1] == "********"


def test_a_refused_pin_opens_nothing() -> None:
    wrong = (VERIFY[0], "63C2")
    assert answers(recorded(wrong, SELECT_DATA, READ))[-1] == "DEADBEEF"


def test_directory_files_and_certificates_are_kept() -> None:
    session = (VERIFY, SELECT_SERIAL, READ, ("0084000008", "01020304050607089000"))
    assert answers(recorded(*session))[-2:] == ["DEADBEEF", "0102030405060708"]


def test_one_recording_is_of_one_card() -> None:
    recorder = Recorder()
    with pytest.raises(UsageError, match="did not talk"):
        recorder.recording()
    for name in ("A", "B"):
        recorder(exchange(*READ, Link(name, LINK.atr, "T=0")))
    with pytest.raises(UsageError, match="several cards: A, B"):
        recorder.recording()


FIRST = recorded(READ).to_bytes().split(b"\n")[0].decode()
WRONG = {
    "": 1,
    "{}": 1,
    "[]": 1,
    "\udcff": 1,
    FIRST.replace("T=0", "T=2"): 1,
    FIRST.replace("recording 1", "recording 2"): 1,
    FIRST + "\n\n": 2,
    FIRST + '\n{"command": "00B0", "response": "", "sw": "9000"}': 2,
    FIRST + '\n{"command": "00B0000000", "response": "", "sw": "90"}': 2,
    FIRST + '\n{"command": "00B0000000", "response": "0G", "sw": "9000"}': 2,
    FIRST + '\n{"command": "00B0000000", "response": "**00", "sw": "9000"}': 2,
    FIRST + '\n{"command": "00B0000000", "response": "%s", "sw": "9000"}' % ("00" * 257): 2,
    FIRST + '\n{"command": 1, "response": "", "sw": "9000"}': 2,
    FIRST + "\n" + "[" * 100_000: 2,
}


@pytest.mark.parametrize(("text", "line"), WRONG.items(), ids=range(len(WRONG)))
def test_what_is_no_recording_is_refused_with_its_line(text: str, line: int) -> None:
    with pytest.raises(UsageError, match=rf"not a recording of a card \(line {line}\)"):
        Recording.parse(text.encode("utf-8", "surrogateescape"))


@settings(max_examples=200)
@given(st.data())
def test_a_damaged_recording_is_read_or_refused(data: st.DataObject) -> None:
    whole = bytearray(recorded(SELECT_SERIAL, READ, VERIFY).to_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    try:
        Recording.parse(bytes(whole))
    except IgcError as error:
        assert "not a recording" in error.message

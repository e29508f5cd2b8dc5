"""One card and several programs at once, through a real pcscd: everyone gets right answers."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pcsc_support import (
    FIRST,
    SECOND,
    VERIFY,
    Card,
    Program,
    ProgramError,
    Service,
    each_generation,
    finished,
    igc,
    pcscd,
)

from igcsante.testing.cards import Fault

SELECT, ENVIRONMENT = 0xA4, 0x22
OURS = {"cps3": "00A40404088025000001FF0100", "cps4": "01A4040C088025000001FF0100"}


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    with pcscd() as running:
        yield running


@pytest.fixture
def card(service: Service, name: str) -> Iterator[Card]:
    card = Card(name)
    with card.inserted(service):
        yield card


@pytest.fixture
def one(service: Service) -> Iterator[Program]:
    with Program(service) as program:
        yield program


@pytest.fixture
def other(service: Service) -> Iterator[Program]:
    with Program(service) as program:
        yield program


def holds(card: Card, info: dict[str, Any]) -> bool:
    profile = card.profile
    told = (info["serial"], info["national_id"])
    return told == (profile.serial, str(profile.national_id)) and len(info["certificates"]) == 2


def failure(program: Program, what: str, *arguments: str) -> dict[str, Any]:
    with pytest.raises(ProgramError) as caught:
        program.do(what, *arguments)
    return caught.value.error


# -- politeness ------------------------------------------------------------------------------


@each_generation
def test_a_card_that_is_open_is_free_for_others_between_two_sequences(
    card: Card, one: Program, other: Program
) -> None:
    one.do("open", FIRST)
    other.do("open", FIRST)
    assert one.do("tries") == other.do("tries") == 3
    one.do("verify")
    assert holds(card, other.do("info"))
    assert one.do("sign") == 256
    other.do("close")
    assert one.do("sign", "signature") == 256, "whoever leaves, leaves the card as it is"
    assert card.pins_sent == 1


@each_generation
def test_no_program_gets_into_the_sequence_of_another(
    card: Card, one: Program, other: Program
) -> None:
    """The other one starts between MSE and signature, where a SELECT would spoil both."""
    one.do("open", FIRST)
    other.do("open", FIRST)
    one.do("verify")
    for _ in range(3):
        started: list[bytes] = []

        def start(command: bytes, started: list[bytes] = started) -> None:
            if command[1] == ENVIRONMENT and not started:
                started.append(command)
                other.start("tries")

        card.before = start
        assert one.do("sign") == 256
        assert other.result() == 3
        assert started


@each_generation
def test_a_pin_and_its_signature_can_be_one_sequence(
    card: Card, one: Program, other: Program
) -> None:
    """A program that opens a CPS4 selects its application, and with it the PIN is forgotten."""
    one.do("open", FIRST)

    def start(command: bytes) -> None:
        if command[1] == VERIFY and len(command) > 5:
            other.start("open", FIRST)

    card.before = start
    assert one.do("verify_and_sign") == 256
    assert other.result() == card.profile.serial
    assert card.pins_sent == 1


@each_generation
def test_whole_commands_run_side_by_side(service: Service, card: Card, tmp_path: Path) -> None:
    commands(service, card, tmp_path)


@pytest.mark.long
@each_generation
def test_whole_commands_run_side_by_side_again_and_again(
    service: Service, card: Card, tmp_path: Path
) -> None:
    for count in range(40):
        (tmp_path / str(count)).mkdir()
        commands(service, card, tmp_path / str(count))


def commands(service: Service, card: Card, folder: Path) -> None:
    """``card info``, ``pin status`` and ``card sign`` at once, each in its process."""
    sent = card.pins_sent
    (folder / "file").write_bytes(b"ordonnance")
    pin = ("--pin-source", "env:IGC_TEST_PIN")
    started = [
        igc(service, "card", "sign", folder / "file", "--raw", *pin, "--json"),
        igc(service, "card", "info", "--json"),
        igc(service, "card", "pin", "status", "--json"),
    ]
    signed, info, status = [finished(process) for process in started]
    assert [code for code, _ in (signed, info, status)] == [0, 0, 0], (signed, info, status)
    assert info[1][0]["holder"]["national_id"] == str(card.profile.national_id)
    assert status[1][0]["pin"]["tries_left"] == 3
    assert (folder / "file.sig").stat().st_size == 256
    assert card.pins_sent == sent + 1


# -- another application ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "status"), [("cps3", 0x6E00), ("cps3", 0x6A86), ("cps4", 0x6881), ("cps4", 0x6985)]
)
def test_another_application_is_left_and_the_command_replayed_once(
    service: Service, name: str, status: int, one: Program
) -> None:
    card = Card(name)
    with card.inserted(service) as inserted:
        one.do("open", FIRST)
        assert one.do("tries") == 3
        usual = len(card.sent)
        assert one.do("tries") == 3
        sequence = card.sent[usual:]
        del card.sent[:]
        inserted.inject(Fault(1, "elsewhere", status=status))
        assert one.do("tries") == 3
    assert card.sent[0] == sequence[0]
    assert card.sent[-len(sequence) :] == sequence
    between = [command.hex().upper() for command in card.sent[1 : -len(sequence)]]
    assert OURS[name] in between
    assert len(between) == (4 if status == 0x6985 else 1)


@pytest.mark.parametrize("name", ["cps3"])
def test_a_program_that_reads_the_cps2ter_part_disturbs_nobody(
    card: Card, one: Program, other: Program
) -> None:
    one.do("open", FIRST)
    one.do("verify")
    other.do("connect", FIRST)
    for _ in range(3):
        assert other.do("transmit", "A0A40000023F00")[:2] == "9F"
        del card.sent[:]
        assert one.do("sign") == 256
        assert sum(command.hex().upper() == OURS["cps3"] for command in card.sent) == 1
    assert card.pins_sent == 0


# -- a reset -----------------------------------------------------------------------------------


@each_generation
def test_a_reset_by_another_program_loses_the_pin_and_nothing_else(
    card: Card, one: Program, other: Program
) -> None:
    one.do("open", FIRST)
    one.do("verify")
    before = one.do("info")
    other.do("connect", FIRST)
    other.do("reset")
    assert holds(card, one.do("info")) and one.do("info") == before
    assert one.do("tries") == 3
    error = failure(one, "sign")
    assert (error["code"], error["exit_code"]) == ("card.pin.required", 5)
    assert "reset" in error["advice"]
    assert failure(one, "verify")["code"] == "card.pin.refused"
    assert card.pins_sent == 1
    one.do("close")
    one.do("open", FIRST)
    one.do("verify")
    assert one.do("sign") == 256
    assert card.pins_sent == 2


# As PIN source: another program resets the card after its counter was read.
RESET = """
from smartcard.System import readers
from smartcard.scard import SCARD_RESET_CARD, SCARD_SHARE_SHARED
connection = readers()[0].createConnection()
connection.connect(mode=SCARD_SHARE_SHARED, disposition=SCARD_RESET_CARD)
connection.disconnect()
print("1234")
"""


@each_generation
def test_a_reset_while_the_pin_is_asked_for_is_survived(
    service: Service, card: Card, tmp_path: Path
) -> None:
    (tmp_path / "file").write_bytes(b"ordonnance")
    (tmp_path / "reset.py").write_text(RESET)
    source = f"cmd:{sys.executable} {shlex.quote(str(tmp_path / 'reset.py'))}"
    command = ("card", "sign", tmp_path / "file", "--pin-source", source, "--json")
    assert finished(igc(service, *command))[0] == 0
    assert card.pins_sent == 1


# -- a program that shares with nobody -----------------------------------------------------------


@pytest.mark.parametrize("name", ["cps3"])
def test_a_card_that_another_program_holds_alone_is_said_to_be_in_use(
    service: Service, card: Card, other: Program
) -> None:
    other.do("connect", FIRST, "exclusive")
    for choice in ((), ("--reader", card.profile.serial)):
        code, lines = finished(igc(service, "card", "info", "--json", *choice))
        error = lines[-1]["error"]
        assert (code, error["code"]) == (3, "card.busy")
        assert "another program holds the card" in error["message"]
        assert "close the other program" in error["advice"]
    code, lines = finished(igc(service, "readers", "--json"))
    assert (code, lines[0]["card_present"], lines[0]["atr"]) == (0, True, None)
    assert card.sent == []
    other.do("disconnect")
    assert finished(igc(service, "card", "id", "--json"))[0] == 0


# -- two readers ---------------------------------------------------------------------------------


def test_two_cards_at_once_chosen_by_reader_or_serial(
    service: Service, one: Program, other: Program
) -> None:
    first, second = Card("cps3"), Card("cps4")
    with first.inserted(service), second.inserted(service, 1):
        for name, card in (("00 00", first), (second.profile.serial, second), (SECOND, second)):
            one.do("open", name)
            other.do("open", first.profile.serial)
            one.start("verify_and_sign")
            assert holds(first, other.do("info"))
            assert one.result() == 256
            assert holds(card, one.do("info"))
            one.do("close")
            other.do("close")
        error = failure(one, "open", "00000000")
        assert (error["code"], error["exit_code"]) == ("card.absent", 3)
    assert (first.pins_sent, second.pins_sent) == (1, 2)

"""Cards that leave or talk nonsense, and both protocols, through a real pcscd."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from pcsc_support import (
    FIRST,
    GET_RESPONSE,
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

T0, T1 = 1, 2


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    with pcscd() as running:
        yield running


@pytest.fixture
def program(service: Service) -> Iterator[Program]:
    with Program(service) as program:
        yield program


def attempt(program: Program, what: str) -> Any:
    """What it gives, or the code of its error."""
    try:
        return program.do(what)
    except ProgramError as failed:
        return failed.error["code"]


@each_generation
@pytest.mark.parametrize("at", [pytest.param(1, marks=pytest.mark.long), 6])
def test_a_card_pulled_out_in_a_command_is_removed(service: Service, name: str, at: int) -> None:
    card = Card(name)
    with card.inserted(service) as inserted:
        inserted.inject(Fault(at, "remove"))
        code, lines = finished(igc(service, "card", "info", "--json"))
    error = lines[-1]["error"]
    assert (code, error["code"]) == (3, "card.removed")
    assert "the card was removed" in error["message"] and "insert it" in error["advice"]
    assert len(card.sent) == at - 1


@each_generation
def test_nonsense_at_an_exchange_is_an_error_and_passes(
    service: Service, name: str, program: Program
) -> None:
    """The same faults as in a simulated reader, told by a real one."""
    with Card(name).inserted(service) as inserted:
        program.do("open", FIRST)
        whole = program.do("info")
        for kind, expected in (
            ("status", "card.status"),
            ("oversized", "card.protocol"),
            ("endless", "card.protocol"),
            ("garbage", "card.protocol"),
            ("truncated", None),
            ("slow", whole),
        ):
            program.do("close")
            program.do("open", FIRST)
            inserted.inject(Fault(3, kind, seconds=0.6))  # longer than pcscd's look at the card
            told = attempt(program, "info")
            assert told in ((whole, "card.protocol") if expected is None else (expected,)), kind
            inserted.inject()
        program.do("close")
        program.do("open", FIRST)
        assert program.do("info") == whole


@each_generation
def test_a_card_that_forgets_its_pin_by_itself_gets_it_once(
    service: Service, name: str, program: Program
) -> None:
    card = Card(name)
    with card.inserted(service) as inserted:
        program.do("open", FIRST)
        program.do("verify")
        inserted.inject(Fault(1, "reset"))
        assert attempt(program, "sign") == "card.pin.required"
        assert attempt(program, "verify") == "card.pin.refused"
        assert program.do("tries") == 3
    assert card.pins_sent == 1


@pytest.mark.parametrize(("name", "protocol"), [("cps3", T0), ("cps4", T1), ("cps4-rc-t0", T0)])
def test_both_protocols_from_the_atr_to_the_signature(
    service: Service, program: Program, name: str, protocol: int
) -> None:
    changes = {"variant": "release-candidate-t0"} if name == "cps4-rc-t0" else {}
    card = Card(name[:4], **changes)
    with card.inserted(service):
        assert program.do("connect", FIRST) == protocol
        program.do("disconnect")
        program.do("open", FIRST)
        assert program.do("info")["national_id"] == str(card.profile.national_id)
        assert program.do("verify_and_sign") == 256
    fetched = [command for command in card.sent if command[1] == GET_RESPONSE]
    assert bool(fetched) == (protocol == T0), "only T=0 needs GET RESPONSE for data and answer"


def is_true(told: Any, whole: dict[str, Any]) -> bool:
    """Whether all of it is right; the size of an object may be unknown."""
    if not isinstance(told, dict):
        return False
    sizes = dict(whole["objects"])
    known = all(size in (None, sizes[label]) for label, size in told["objects"])
    return (
        known
        and len(told["objects"]) == len(sizes)
        and whole == {**told, "objects": whole["objects"]}
    )


@pytest.mark.long
@each_generation
@pytest.mark.parametrize(
    "kind", ["truncated", "garbage", "status", "reset", "oversized", "endless"]
)
def test_a_fault_at_any_exchange_gives_the_truth_or_an_error(
    service: Service, name: str, program: Program, kind: str
) -> None:
    card = Card(name)
    with card.inserted(service) as inserted:
        program.do("open", FIRST)
        whole = program.do("info")
        count = len(card.sent)
        program.do("close")
        for exchange in range(1, count):
            program.do("open", FIRST)
            inserted.inject(Fault(exchange, kind))
            told = attempt(program, "info")
            assert is_true(told, whole) or str(told).startswith("card."), (kind, exchange, told)
            inserted.inject()
            program.do("close")
    assert not any(command[1] == VERIFY and len(command) > 5 for command in card.sent)


@pytest.mark.long
@each_generation
def test_a_card_pulled_out_at_any_exchange(service: Service, name: str) -> None:
    whole = Card(name)
    with whole.inserted(service):
        assert finished(igc(service, "card", "info", "--json"))[0] == 0
    for exchange in range(1, len(whole.sent) + 1):
        test_a_card_pulled_out_in_a_command_is_removed(service, name, exchange)

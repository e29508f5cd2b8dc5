"""The PC/SC service is killed in the middle of things, and started again."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from pcsc_support import (
    FIRST,
    SECOND,
    SECONDS,
    VERIFY,
    Card,
    Program,
    ProgramError,
    Service,
    Watch,
    each_generation,
    finished,
    igc,
    pcscd,
)

PLUGGED = [(FIRST, "plugged"), (SECOND, "plugged")]
PIN = ("--pin-source", "env:IGC_TEST_PIN")


@pytest.fixture
def service() -> Iterator[Service]:
    with pcscd() as running:
        yield running


def crashing_at(exchange: int, name: str, service: Service) -> Card:
    """A card at whose ``exchange``-th command the service dies, before it is answered."""
    card = Card(name)

    def crash(_: bytes) -> None:
        if len(card.sent) + 1 == exchange:
            service.crash()

    card.before = crash
    return card


def assert_unavailable(told: tuple[int, list[dict[str, Any]]]) -> None:
    code, lines = told
    error = lines[-1]["error"]
    assert (code, error["code"]) == (3, "card.pcsc.unavailable"), error
    assert "PC/SC service" in error["message"] and "pcscd" in error["advice"]


@each_generation
def test_service_that_dies_in_a_command_is_named_and_the_next_command_works(
    service: Service, name: str
) -> None:
    with crashing_at(7, name, service).inserted(service):
        assert_unavailable(finished(igc(service, "card", "info", "--json")))
    assert_unavailable(finished(igc(service, "card", "info", "--json")))
    service.restart()
    with Card(name).inserted(service):
        assert finished(igc(service, "card", "info", "--json"))[0] == 0


@each_generation
def test_service_that_dies_with_the_pin_on_its_way(
    service: Service, name: str, tmp_path: Path
) -> None:
    card = Card(name)

    def crash(command: bytes) -> None:
        if command[1] == VERIFY and len(command) > 5:
            service.crash()

    card.before = crash
    (tmp_path / "file").write_bytes(b"ordonnance")
    with card.inserted(service):
        told = finished(igc(service, "card", "sign", tmp_path / "file", *PIN, "--json"))
    assert_unavailable(told)
    assert card.pins_sent == 1
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_program_goes_on_with_the_service_that_comes_after(service: Service) -> None:
    with Program(service) as program:
        with Card("cps3").inserted(service):
            program.do("open", FIRST)
            service.crash()
            with pytest.raises(ProgramError) as caught:
                program.do("tries")
            assert caught.value.error["code"] == "card.pcsc.unavailable"
            program.do("close")
        service.restart()
        with Card("cps3").inserted(service):
            program.do("open", FIRST)
            assert program.do("tries") == 3


@pytest.mark.long
@each_generation
def test_service_that_dies_at_any_exchange(service: Service, name: str) -> None:
    whole = Card(name)
    with whole.inserted(service):
        assert finished(igc(service, "card", "info", "--json"))[0] == 0
    for exchange in range(1, len(whole.sent) + 1):
        with crashing_at(exchange, name, service).inserted(service):
            assert_unavailable(finished(igc(service, "card", "info", "--json")))
        service.restart()


def test_watch_says_that_the_service_died(service: Service) -> None:
    with Watch(service) as watch:
        assert watch.told(2) == PLUGGED
        service.crash()
        error = watch.line()
        assert_unavailable((watch.process.wait(SECONDS), [error]))


def test_watch_goes_on_with_a_service_that_was_restarted(service: Service) -> None:
    with Watch(service) as watch:
        assert watch.told(2) == PLUGGED
        with ExitStack() as while_stopped:  # it shall look when the new service is there
            with Card("cps3").inserted(service):
                assert watch.told(1) == [(FIRST, "inserted")]
                while_stopped.enter_context(watch.stopped())
                service.crash()
            service.restart()
        gone = [(FIRST, "removed"), (FIRST, "unplugged"), (SECOND, "unplugged")]
        assert watch.told(5) == gone + PLUGGED
        with Card("cps4").inserted(service, 1):
            assert watch.told(1) == [(SECOND, "inserted")]
        assert watch.told(1) == [(SECOND, "removed")]
        watch.process.send_signal(signal.SIGINT)
        assert watch.process.wait(SECONDS) == 130

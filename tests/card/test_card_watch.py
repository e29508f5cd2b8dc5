"""Cards that come and go in real PC/SC readers, as the library and the command tell of them."""

# ruff: noqa: N802 - PC/SC's names

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from contextlib import AbstractContextManager

import pytest
from processes import started
from simulated import held

from igcsante.card import watch
from igcsante.cli import main
from igcsante.errors import PcscUnavailableError, TimeoutExceededError
from igcsante.testing.cards import PrivatePcscd, VpcdCard

SECONDS = 20  # for what must happen; nothing waits that long unless it failed
FIRST, SECOND = "Virtual PCD 00 00", "Virtual PCD 00 01"
IGC = (sys.executable, "-m", "igcsante.cli.main")


def igc(service: PrivatePcscd, *arguments: str) -> AbstractContextManager[subprocess.Popen[str]]:
    return started(
        [*IGC, "readers", *arguments],
        env={**os.environ, **service.environment()},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_hot_plug_is_told_as_it_happens(service: PrivatePcscd) -> None:
    with igc(service, "--watch", "--json") as command:
        assert command.stdout is not None
        told = (json.loads(line) for line in command.stdout)
        assert [(next(told)["reader"], "plugged") for _ in range(2)] == [
            (FIRST, "plugged"),
            (SECOND, "plugged"),
        ]
        for name, port, reader in (("cps3", 0, FIRST), ("cps4", 1, SECOND), ("cps4", 0, FIRST)):
            with VpcdCard(held(name).card, service.ports[port]):
                inserted = next(told)
                assert (inserted["reader"], inserted["change"]) == (reader, "inserted")
                assert inserted["generation"] == name.upper()
            removed = next(told)
            assert (removed["reader"], removed["change"]) == (reader, "removed")
        command.send_signal(signal.SIGINT)
        assert command.wait(SECONDS) == 130


@pytest.mark.parametrize("choice", ["00 01", "99700401"])
def test_a_card_is_waited_for(service: PrivatePcscd, choice: str) -> None:
    """By the reader, or by its serial number: the other card is not the one."""
    with igc(service, "--wait", str(SECONDS), "--reader", choice, "--json") as command:
        with (
            VpcdCard(held("cps3").card, service.ports[0]) as first,
            VpcdCard(held("cps4").card, service.ports[1]),
        ):
            first.wait_powered(SECONDS)
            out, _ = command.communicate(timeout=SECONDS)
        assert command.returncode == 0
        told = json.loads(out)
        assert (told["generation"], told["reader"]) == ("CPS4", SECOND)


def test_a_card_that_does_not_come_in_time_is_said(service: PrivatePcscd) -> None:
    with igc(service, "--wait", "0", "--json") as command:
        out, _ = command.communicate(timeout=SECONDS)
        error = json.loads(out)["error"]
        assert (command.returncode, error["code"]) == (13, TimeoutExceededError.code)
        assert "within 0 s" in error["message"] and error["advice"] == "insert the card"


# -- readers, which no virtual one can be: PC/SC itself is made up ----------------------------


class MadeUpPcsc:
    """smartcard.scard with readers that come and go: one step for each look at them."""

    SCARD_STATE_UNAWARE, SCARD_STATE_CHANGED = 0, 2
    SCARD_STATE_EMPTY, SCARD_STATE_PRESENT = 0x10, 0x20

    def __init__(self, *steps: dict[str, int] | int) -> None:
        """A step is the readers and their states, or an error code."""
        self._steps = iter(steps)
        self._now: dict[str, int] | int = next(self._steps)
        self._looks = 0
        self._ended = threading.Event()

    def SCardEstablishContext(self, _: int) -> tuple[int, int]:
        if self._now == GONE_FOR_GOOD:
            return self._now, 0
        if isinstance(self._now, int):
            self._now = next(self._steps)
        return 0, 7

    def SCardListReaders(self, *_: object) -> tuple[int, list[str]]:
        if isinstance(self._now, int):
            return self._now, []
        return (0, list(self._now)) if self._now else (0x8010002E, [])

    def SCardGetStatusChange(
        self, _: int, __: int, states: list[tuple[str, int]]
    ) -> tuple[int, list[tuple[str, int, list[int]]]]:
        *cards, (plug_and_play, _) = states
        if isinstance(self._now, dict) and any(self._now[name] != old for name, old in cards):
            return 0, [
                *((name, self._now[name] | 2, list(ATR)) for name, _ in cards),
                (plug_and_play, 0, []),
            ]
        following = next(self._steps, None)
        if following is None:
            self._ended.wait(SECONDS)
            return 0x80100002, []
        self._now = following
        if isinstance(following, int):
            return following, []
        return 0, [*((name, old, []) for name, old in cards), (plug_and_play, 2, [])]

    def SCardCancel(self, _: int) -> None:
        self._ended.set()

    def SCardReleaseContext(self, _: int) -> None:
        pass


ATR = bytes.fromhex("3BAC00402A001225006480000310009000")
EMPTY, CARD = 0x10, 0x20
NO_SERVICE, GONE_FOR_GOOD = 0x80100013, 0x8010001D


def watched(monkeypatch: pytest.MonkeyPatch, count: int, *steps: dict[str, int] | int) -> list[str]:
    pcsc = MadeUpPcsc(*steps)
    monkeypatch.setattr(watch, "_scard", lambda: pcsc)
    with watch.ReaderWatch() as changes:
        events = [changes.next(SECONDS) for _ in range(count)]
    return [f"{event.reader} {event.change}" for event in events if event]


def test_readers_that_come_and_go_are_told_with_their_cards(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    told = watched(monkeypatch, 6, {}, {"A": EMPTY}, {"A": EMPTY, "B": CARD}, {"A": EMPTY}, {})
    assert told == [
        "A plugged", "B plugged", "B inserted", "B removed", "B unplugged", "A unplugged",
    ]  # fmt: skip


def test_a_service_that_stops_is_replaced_or_said_to_be_gone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    here = {"A": CARD}
    seen = ["A plugged", "A inserted"]
    told = watched(monkeypatch, 6, here, NO_SERVICE, here)
    assert told == [*seen, "A removed", "A unplugged", *seen]
    for gone in (GONE_FOR_GOOD, 0x80100001):  # no service, and an error that isn't its death
        with pytest.raises(PcscUnavailableError):
            watched(monkeypatch, 3, here, gone)
    with pytest.raises(PcscUnavailableError):  # a service that dies at each question
        watched(monkeypatch, 5, here, NO_SERVICE, NO_SERVICE, NO_SERVICE, here)


def test_whatever_goes_wrong_while_watching_is_told_and_not_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class _SurpriseError(Exception):
        pass

    def surprise(*_: object) -> None:
        raise _SurpriseError

    monkeypatch.setattr(MadeUpPcsc, "SCardGetStatusChange", surprise)
    with pytest.raises(_SurpriseError):
        watched(monkeypatch, 3, {"A": CARD})


@pytest.mark.parametrize("words", [("--wait", "abc"), ("--wait", "-1"), ("--wait", "nan")])
def test_a_wait_is_a_number_of_seconds(
    capsys: pytest.CaptureFixture[str], words: tuple[str, ...]
) -> None:
    assert main.run(["readers", *words]) == 2
    assert "is no number of seconds" in capsys.readouterr().err


def test_watching_does_not_wait(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(["readers", "--watch", "--wait", "3"]) == 2
    assert "--wait doesn't go with it" in capsys.readouterr().err

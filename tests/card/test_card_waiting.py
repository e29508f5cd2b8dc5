"""Another program has the card: the wait is told, bounded, and ends at once with Ctrl-C."""

# ruff: noqa: N802 - pyscard's names

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
from processes import started
from simulated import held

from igcsante.card import readers, waiting
from igcsante.card.readers import open_card
from igcsante.card.transport import PcscTransport
from igcsante.cli import main
from igcsante.errors import CardBusyError, CardError
from igcsante.testing.cards import PrivatePcscd, SimulatedReader, VpcdCard
from igcsante.testing.cards.reader import SimulatedConnection

SECONDS = 30  # for what must happen; nothing waits that long unless it failed
OTHER_PROGRAM = """
import sys
from smartcard import scard
from smartcard.System import readers
connection = readers()[0].createConnection()
connection.connect(mode=2, disposition=0)
assert scard.SCardBeginTransaction(connection.component.hcard) == 0
print("has it", flush=True)
sys.stdin.readline()
"""


class Shared(SimulatedReader):
    """A reader whose transactions wait until ``free`` is set, as PC/SC's do."""

    def __init__(self) -> None:
        super().__init__("Simulated reader", held("cps3").card)
        self.free = threading.Event()
        self.released = threading.Event()

    def createConnection(self) -> SimulatedConnection:
        connection = super().createConnection()
        begin, release = connection.begin_transaction, connection.release

        def waiting_begin() -> None:
            assert self.free.wait(SECONDS)
            begin()

        def told_release() -> None:
            release()
            self.released.set()

        connection.begin_transaction = waiting_begin  # type: ignore[method-assign]
        connection.release = told_release  # type: ignore[method-assign]
        return connection


@pytest.fixture
def reader(monkeypatch: pytest.MonkeyPatch) -> Iterator[Shared]:
    monkeypatch.setattr(waiting, "TOLD_SECONDS", 0.01)
    reader = Shared()
    yield reader
    reader.free.set()


def test_a_wait_is_told_once_and_ends_with_the_card(reader: Shared) -> None:
    told: list[str] = []

    def tell(name: str) -> None:
        told.append(name)
        reader.free.set()

    with open_card(readers=[reader], waiting=tell) as card:
        assert str(card.national_id()) == "899700990031"
    assert told == ["Simulated reader"]


def test_a_card_that_is_free_is_not_waited_for() -> None:
    told: list[str] = []
    with open_card(readers=[held("cps3").reader], waiting=told.append) as card:
        card.national_id()
    assert told == []


def test_the_wait_has_an_end(reader: Shared, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "MOST_SECONDS", 0.02)
    with pytest.raises(CardBusyError, match="another program has been using the card"):
        open_card(readers=[reader])
    assert not reader.released.is_set(), "PC/SC still holds up that call"
    reader.free.set()
    assert reader.released.wait(SECONDS), "a transaction that came too late must not last"


@pytest.mark.parametrize("call", ["connect", "begin_transaction"])
def test_an_interruption_ends_the_wait(reader: Shared, call: str) -> None:
    transport: Any = None

    def interrupted(_: str) -> None:
        raise KeyboardInterrupt

    if call == "connect":
        connection = SimulatedReader("R", held("cps3").card).createConnection()
        released, free = threading.Event(), threading.Event()
        connect, release = connection.connect, connection.release
        connection.connect = lambda **how: (free.wait(SECONDS), connect(**how))[1]  # type: ignore[method-assign]
        connection.release = lambda: (release(), released.set())[0]  # type: ignore[func-returns-value,method-assign]
        with pytest.raises(KeyboardInterrupt):
            PcscTransport(connection, "R", interrupted)
        assert not released.is_set()
        free.set()
        assert released.wait(SECONDS)
        return
    transport = PcscTransport(reader.createConnection(), "R", interrupted)
    with pytest.raises(KeyboardInterrupt), transport.transaction():
        pass
    with pytest.raises(CardError, match="closed"):
        transport.transmit(b"\x00")
    transport.close()
    assert not reader.released.is_set()
    reader.free.set()
    assert reader.released.wait(SECONDS)


def test_what_the_call_raises_is_raised() -> None:
    class _Error(Exception):
        pass

    def fail() -> None:
        raise _Error

    with pytest.raises(_Error):
        waiting.patiently(fail, "R", given_up=lambda: lambda: None)


def test_the_command_line_tells_of_the_wait(
    reader: Shared, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(waiting, "MOST_SECONDS", 0.02)
    monkeypatch.setattr(readers, "system_readers", lambda: [reader])
    assert main.run(["card", "id"]) == 3
    said = capsys.readouterr().err
    assert "Simulated reader: another program is using the card; waiting…" in said
    assert "close the other program" in said


@pytest.mark.parametrize("options", [(), ("--reader", "99700301")])
def test_ctrl_c_ends_a_command_while_another_program_has_the_card(
    service: PrivatePcscd, options: tuple[str, ...]
) -> None:
    environment = {**os.environ, **service.environment(), "IGC_CARD_CACHE": "never"}
    pipe = subprocess.PIPE
    with VpcdCard(held("cps3").card, service.port) as inserted:
        inserted.wait_powered(SECONDS)
        with started(
            [sys.executable, "-c", OTHER_PROGRAM],
            stdin=pipe,
            stdout=pipe,
            text=True,
            env=environment,
        ) as other:
            assert other.stdout and other.stdin
            assert other.stdout.readline() == "has it\n"
            with started(
                [sys.executable, "-m", "igcsante.cli.main", "card", "id", *options],
                stderr=pipe,
                text=True,
                env=environment,
            ) as command:
                assert command.stderr
                assert "another program is using the card" in command.stderr.readline()
                command.send_signal(signal.SIGINT)
                _, said = command.communicate(timeout=SECONDS)
            assert (command.returncode, said.strip()) == (130, "Interrupted.")
            assert other.poll() is None, "it is the command that gave up"
            with suppress(BrokenPipeError):
                other.stdin.write("\n")
                other.stdin.flush()

"""Real PC/SC for tests: a pcscd of their own, cards in it, and other programs that use them.

A :class:`Program` is another process, which does what the test tells it and nothing else: as
an igcsante program (``open``, ``info``, ``verify``, ``sign``) or as any other PC/SC program
(``connect``, ``transmit``, ``reset``). Run as a script, this file is that process.
"""

from __future__ import annotations

import json
import os
import queue
import selectors
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pytest

from igcsante.errors import IgcError, PcscUnavailableError
from igcsante.secret import Secret
from igcsante.testing.cards import (
    CardMaterial,
    PrivatePcscd,
    SimulatedCard,
    VpcdCard,
    load_profile,
)
from igcsante.testing.pki import SimulatedPki

SECONDS = 30  # for what must happen; nothing waits that long unless it failed
FIRST, SECOND = "Virtual PCD 00 00", "Virtual PCD 00 01"
PIN = "1234"
IGC = (sys.executable, "-m", "igcsante.cli.main")
VERIFY, GET_RESPONSE = 0x20, 0xC0

# The CPS4 forgets more than the CPS3 when others use it: it alone is in the quick run.
each_generation = pytest.mark.parametrize(
    "name", ["cps4", pytest.param("cps3", marks=pytest.mark.long)]
)


# -- the cards and their readers -----------------------------------------------------------


class Service(PrivatePcscd):
    """A private pcscd, and a program that tells when a reader is empty."""

    watcher: Program

    def wait_empty(self, reader: str) -> None:
        """Wait until PC/SC knows: of a card that another one follows at once it never does."""
        with suppress(ProgramError):  # a service that is dead knows of no card
            self.watcher.do("wait_empty", reader)


@contextmanager
def pcscd() -> Iterator[Service]:
    """A private pcscd; the test is skipped where it can't be had."""
    pytest.importorskip("smartcard", reason="pyscard is not installed")
    with ExitStack() as stack:
        try:
            service = stack.enter_context(Service())
        except PcscUnavailableError as missing:
            pytest.skip(str(missing))
        service.watcher = stack.enter_context(Program(service))
        yield service


@cache
def _pki() -> SimulatedPki:
    return SimulatedPki.create(at=datetime.now(UTC), base_url="http://127.0.0.1:9")


@cache
def _material(name: str) -> CardMaterial:
    return _pki().issue_card(load_profile(name), datetime.now(UTC))


class Card:
    """A simulated card, and every command that reached it over all its insertions.

    ``before`` is called with each command before the card sees it.
    """

    def __init__(self, name: str, **changes: Any) -> None:
        self.profile = replace(load_profile(name), **changes)
        self.card = SimulatedCard(self.profile, _material(name))
        self.sent: list[bytes] = []
        self.before: Callable[[bytes], None] = lambda _: None
        transmit = self.card.transmit

        def recorded(command: bytes) -> bytes:
            self.before(command)
            self.sent.append(command)
            return transmit(command)

        self.card.transmit = recorded  # type: ignore[method-assign]

    @property
    def pins_sent(self) -> int:
        """How many VERIFY commands carried a PIN (ISO/IEC 7816-4 §11.5.6)."""
        return sum(command[1] == VERIFY and len(command) > 5 for command in self.sent)

    @contextmanager
    def inserted(self, service: Service, reader: int = 0) -> Iterator[VpcdCard]:
        """The card is in that reader, and PC/SC knows; at the end too."""
        with VpcdCard(self.card, service.ports[reader]) as inserted:
            inserted.wait_powered(SECONDS)
            yield inserted
        service.wait_empty((FIRST, SECOND)[reader])


def environment(service: PrivatePcscd) -> dict[str, str]:
    return {**os.environ, **service.environment(), "IGC_TEST_PIN": PIN, "IGC_CARD_CACHE": "never"}


def igc(service: PrivatePcscd, *arguments: str | Path) -> subprocess.Popen[str]:
    """A command line in a process of its own, without a terminal."""
    return subprocess.Popen(
        [*IGC, *map(str, arguments)],
        env=environment(service),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finished(process: subprocess.Popen[str]) -> tuple[int, list[dict[str, Any]]]:
    """Its exit code and the JSON lines that it printed."""
    with process:
        try:
            out, err = process.communicate(timeout=SECONDS)
        except BaseException:
            process.kill()
            raise
    assert "Traceback" not in err, err
    return process.returncode, [json.loads(line) for line in out.splitlines()]


def next_line(process: subprocess.Popen[str]) -> str:
    """The next line that a process prints, empty at its end; fails after SECONDS."""
    assert process.stdout is not None
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        assert selector.select(SECONDS), "nothing was printed"
    return process.stdout.readline()


class Watch:
    """``igc readers --watch --json`` in a process, for the time of a ``with`` block."""

    def __init__(self, service: PrivatePcscd) -> None:
        self.process = igc(service, "readers", "--watch", "--json")
        self._lines: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._lines.put(line)

    def line(self) -> dict[str, Any]:
        """The next line that it prints; fails after SECONDS."""
        line: dict[str, Any] = json.loads(self._lines.get(timeout=SECONDS))
        return line

    def told(self, count: int) -> list[tuple[str, str]]:
        """Reader and change of the next events."""
        lines = [self.line() for _ in range(count)]
        return [(line["reader"], line["change"]) for line in lines]

    @contextmanager
    def stopped(self) -> Iterator[None]:
        """The process stands still: every thread of it, which is later than the signal."""
        self.process.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, self.process.pid, os.WSTOPPED)
        yield
        self.process.send_signal(signal.SIGCONT)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait(SECONDS)
        self._thread.join(SECONDS)
        for stream in (self.process.stdout, self.process.stderr):
            assert stream is not None
            stream.close()


class ProgramError(Exception):
    """What a program was asked failed: ``error`` is the IgcError's fields, or a PC/SC code."""

    def __init__(self, error: dict[str, Any]) -> None:
        super().__init__(str(error))
        self.error = error


class Program:
    """Another process that uses PC/SC. Use it in a ``with`` statement."""

    def __init__(self, service: PrivatePcscd) -> None:
        self._process = subprocess.Popen(
            [sys.executable, __file__],
            env=environment(service),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            bufsize=1,
        )

    def do(self, what: str, *arguments: str) -> Any:
        """Do it and give its result. Raises ProgramError."""
        self.start(what, *arguments)
        return self.result()

    def start(self, what: str, *arguments: str) -> None:
        """Let it begin, without waiting for it."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps([what, *arguments]) + "\n")

    def result(self) -> Any:
        """Wait for what was started."""
        told = json.loads(next_line(self._process))
        if "error" in told:
            raise ProgramError(told["error"])
        return told["result"]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if kind is not None:
            self._process.kill()
        with self._process:
            assert self._process.stdin is not None
            with suppress(BrokenPipeError):
                self._process.stdin.close()
            try:
                self._process.wait(SECONDS)
            finally:
                self._process.kill()


# -- within the other process --------------------------------------------------------------


class _PcscError(Exception):
    def __init__(self, hresult: int) -> None:
        super().__init__(f"{hresult:08X}")
        self.hresult = hresult


def _succeeded(answer: Any) -> Any:
    if answer[0]:
        raise _PcscError(answer[0])
    return answer


class _Work:
    def __init__(self) -> None:
        self.card: Any = None
        self.connection: Any = None

    # as a program made with igcsante

    def open(self, reader: str) -> str:
        from igcsante.card.readers import open_card

        self.card = open_card(reader)
        return str(self.card.serial)

    def close(self) -> None:
        self.card.close()

    def info(self) -> dict[str, Any]:
        certificates = [found.certificate.serial_number for found in self.card.certificates()]
        return {
            "serial": self.card.serial,
            "national_id": str(self.card.national_id()),
            "label": self.card.label(),
            "certificates": certificates,
            "objects": [[f.label, f.size] for f in self.card.objects.list()],
        }

    def tries(self) -> int:
        return int(self.card.pin_status().tries_left)

    def verify(self, pin: str = PIN) -> None:
        self.card.verify_pin(Secret(pin))

    def sign(self, purpose: str = "authentication") -> int:
        """The length of a signature that fits the card's certificate: the key checks that."""
        from cryptography.hazmat.primitives import hashes
        from cryptography.hazmat.primitives.asymmetric import padding

        key = self.card.credential(purpose).private_key
        return len(key.sign(b"ordonnance", padding.PKCS1v15(), hashes.SHA256()))

    def verify_and_sign(self, purpose: str = "authentication") -> int:
        """As one sequence, that no other program gets into."""
        with self.card.transaction():
            self.verify()
            return self.sign(purpose)

    # as any other PC/SC program

    def connect(self, reader: str, mode: str = "shared") -> int:
        from smartcard import scard
        from smartcard.System import readers

        (found,) = [known for known in readers() if str(known) == reader]
        self.connection = found.createConnection()
        modes = {"shared": scard.SCARD_SHARE_SHARED, "exclusive": scard.SCARD_SHARE_EXCLUSIVE}
        self.connection.connect(mode=modes[mode], disposition=scard.SCARD_LEAVE_CARD)
        return int(self.connection.getProtocol())

    def transmit(self, command: str) -> str:
        data, sw1, sw2 = self.connection.transmit(list(bytes.fromhex(command)))
        return bytes([*data, sw1, sw2]).hex().upper()

    def reset(self) -> None:
        """SCARD_RESET_CARD."""
        from smartcard import scard

        self.connection.reconnect(mode=scard.SCARD_SHARE_SHARED, disposition=scard.SCARD_RESET_CARD)

    def disconnect(self) -> None:
        self.connection.disconnect()

    def wait_empty(self, reader: str) -> None:
        from smartcard import scard

        context = _succeeded(scard.SCardEstablishContext(scard.SCARD_SCOPE_USER))[1]
        state = scard.SCARD_STATE_UNAWARE
        while not state & scard.SCARD_STATE_EMPTY:
            ((_, state, _),) = _succeeded(
                scard.SCardGetStatusChange(context, SECONDS * 1000, [(reader, state)])
            )[1]
        scard.SCardReleaseContext(context)


def _main() -> None:
    work = _Work()
    for line in sys.stdin:
        what, *arguments = json.loads(line)
        try:
            told = {"result": getattr(work, what)(*arguments)}
        except IgcError as error:
            told = {"error": error.to_dict()}
        except Exception as error:
            code = getattr(error, "hresult", None)
            if code is None:
                raise
            told = {"error": {"code": f"{code & 0xFFFFFFFF:08X}"}}
        print(json.dumps(told), flush=True)


if __name__ == "__main__":
    _main()

"""What the end-to-end tests share: a card in a reader, the command line, processes."""

from __future__ import annotations

import contextlib
import functools
import io
import json
import os
import selectors
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from igcsante.cli.main import run
from igcsante.testing.cards import CardMaterial, SimulatedCard, SimulatedReader, load_profile
from igcsante.testing.world import SimulatedWorld

REPOSITORY = Path(__file__).parents[2]
IGC = (sys.executable, "-m", "igcsante.cli.main")
SECONDS = 60  # how long a test waits before it gives up: never how long something may take

PIN = "1234"
CODE = "un code de révocation"
P12_PASSWORD = "un mot de passe"
ORDER = (
    *("order", "--usage", "AUTH_CLI", "--structure", "10B0999003", "--service", "e2e"),
    *("--email", "certificats@ch-simulation.example", "--pin-source", "env:E2E_PIN"),
)
WITHDRAWAL = (
    *("--revocation-code-source", "env:E2E_CODE", "--p12-password-source", "env:E2E_P12"),
    "--accept-cgu",
)
RETRIEVAL = (*WITHDRAWAL, "--pin-source", "env:E2E_PIN")
REVOCATION = ("--revocation-code-source", "env:E2E_CODE", "--pin-source", "env:E2E_PIN", "--yes")
SECRETS = {"E2E_PIN": PIN, "E2E_CODE": CODE, "E2E_P12": P12_PASSWORD}

both_generations = pytest.mark.parametrize("generation", ["cps3", "cps4"])
# For what takes seconds, and has shorter tests with both.
newer_generation = pytest.mark.parametrize(
    "generation", [pytest.param("cps3", marks=pytest.mark.long), "cps4"]
)


# -- in process ----------------------------------------------------------------------------


@dataclass(frozen=True)
class Told:
    """What a command did: exit code, standard output, standard error."""

    code: int
    out: str
    err: str

    @property
    def said(self) -> str:
        """Standard error, as if it had one endless line."""
        return " ".join(self.err.split())

    @property
    def lines(self) -> list[dict[str, Any]]:
        """The JSON objects of the standard output."""
        return [json.loads(line) for line in self.out.splitlines()]

    @property
    def error(self) -> dict[str, Any]:
        """The error that ``--json`` ends with."""
        error: dict[str, Any] = self.lines[-1]["error"]
        return error


def igc(*arguments: str | Path) -> Told:
    """Run a command line in this process."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = run([str(argument) for argument in arguments])
    told = Told(code, out.getvalue(), err.getvalue())
    assert "Traceback" not in told.err and "unexpected" not in told.err, told.err
    return told


@dataclass
class CardInReader:
    """A simulated card in a simulated reader, and every command that reached it."""

    card: SimulatedCard
    reader: SimulatedReader
    sent: list[bytes] = field(default_factory=list)

    def __post_init__(self) -> None:
        transmit = self.card.transmit

        def recorded(command: bytes) -> bytes:
            self.sent.append(command)
            return transmit(command)

        self.card.transmit = recorded  # type: ignore[method-assign]

    @property
    def pins_sent(self) -> int:
        """How many VERIFY commands carried a PIN (ISO/IEC 7816-4 §11.5.6)."""
        return sum(command[1] == 0x20 and len(command) > 5 for command in self.sent)

    @property
    def signatures(self) -> int:
        """INTERNAL AUTHENTICATE, and PSO: COMPUTE DIGITAL SIGNATURE or DECIPHER."""
        return sum(
            command[1] == 0x88
            or (command[1] == 0x2A and command[2:4] in (b"\x9e\x9a", b"\x80\x86"))
            for command in self.sent
            if not command[0] & 0x10  # the beginning of a chain
        )


Insert = Callable[..., CardInReader]  # the fixture ``inserted``


def insert(world: SimulatedWorld, name: str, **changes: Any) -> CardInReader:
    """A new card of the profile ``name``, with ``changes``, in a reader of its own."""
    profile = replace(load_profile(name), **changes)
    card = SimulatedCard(profile, _material(world, name))
    return CardInReader(card, SimulatedReader("Simulated reader", card))


@functools.cache
def _material(world: SimulatedWorld, name: str) -> CardMaterial:
    return world.card_material(load_profile(name))


class Outage:
    """The ``number``-th request (from 1) fails; with ``lasting`` all later ones too."""

    def __init__(self, number: int, kind: str, *, lasting: bool = False) -> None:
        self.requests = 0
        self._number, self._kind, self._lasting = number, kind, lasting

    def take(self) -> str | None:
        self.requests += 1
        hit = self.requests == self._number or (self._lasting and self.requests > self._number)
        return self._kind if hit else None


@contextmanager
def outage(
    world: SimulatedWorld, number: int, kind: str, *, lasting: bool = False
) -> Iterator[Outage]:
    """The platform of ``world`` with an outage, and in order again afterwards."""
    usual = world.platform.faults
    world.platform.faults = plan = Outage(number, kind, lasting=lasting)
    try:
        yield plan
    finally:
        world.platform.faults = usual


def configure(folder: Path, world: SimulatedWorld) -> None:
    """Write the world's profile, ``sim``, into the config.toml of ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    profile = world.profile_toml()
    for name in ("anchors", "clock.json"):
        profile = profile.replace(f'"{name}"', f'"{world.directory / name}"')
    (folder / "config.toml").write_text(profile)


# -- other processes -----------------------------------------------------------------------


@dataclass
class Machine:
    """A folder of configuration and data, and commands started with it."""

    folder: Path
    variables: dict[str, str] = field(default_factory=dict)

    def environment(self, **more: str) -> dict[str, str]:
        return {
            **os.environ,
            "IGC_CONFIG_DIR": str(self.folder / "config"),
            "IGC_DATA_DIR": str(self.folder / "data"),
            **SECRETS,
            **self.variables,
            **more,
        }

    def start(self, *command: str | Path, **variables: str) -> subprocess.Popen[str]:
        """A process without a terminal; its output is read as UTF-8 whatever its locale."""
        return subprocess.Popen(
            [str(word) for word in command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=self.environment(**variables),
            cwd=self.folder,
            encoding="utf-8",
            errors="backslashreplace",
        )

    def run(self, *command: str | Path, **variables: str) -> Told:
        process = self.start(*command, **variables)
        with process:
            try:
                out, err = process.communicate(timeout=SECONDS)
            except BaseException:
                process.kill()
                raise
        assert "Traceback" not in err, err
        return Told(process.returncode, out, err)

    def igc(self, *arguments: str | Path, **variables: str) -> Told:
        return self.run(*IGC, *arguments, **variables)


@contextmanager
def serving(
    machine: Machine, *arguments: str
) -> Iterator[tuple[subprocess.Popen[str], dict[str, Any]]]:
    """An ``igc sim`` command in the background, and the JSON line with which it is ready."""
    with machine.start(*IGC, *arguments, "--json") as process:
        try:
            yield process, json.loads(next_line(process) or stopped(process))
        finally:
            stop(process)


def next_line(process: subprocess.Popen[str]) -> str:
    """The next line that a process prints, empty at its end; fails after SECONDS."""
    assert process.stdout is not None
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        assert selector.select(SECONDS), "nothing was printed"
    return process.stdout.readline()


def stop(process: subprocess.Popen[str], number: int = signal.SIGTERM) -> Told:
    """End a process with a signal: its exit code and what it still said."""
    if process.poll() is None:
        process.send_signal(number)
    try:
        out, err = process.communicate(timeout=SECONDS)
    except (subprocess.TimeoutExpired, ValueError):
        process.kill()
        process.wait()
        raise
    return Told(process.returncode, out, err)


def stopped(process: subprocess.Popen[str]) -> str:
    raise AssertionError(f"it ended: {process.communicate(timeout=SECONDS)}")


@contextmanager
def free_ports(count: int) -> Iterator[list[int]]:
    """Ports that nobody has, kept from other runs of these tests until the end.

    Below the ephemeral range, and reserved by an abstract socket name, which the kernel
    drops with this process.
    """
    with ExitStack() as reservations:
        ports: list[int] = []
        start = 15000 + os.getpid() % 4000
        for port in range(start, start + 1000):
            holder = reservations.enter_context(socket.socket(socket.AF_UNIX))
            with contextlib.suppress(OSError), socket.socket() as probe:
                holder.bind(f"\0igcsante-e2e-{port}")
                probe.bind(("127.0.0.1", port))
                ports.append(port)
            if len(ports) == count:
                break
        yield ports


def openssl(*arguments: str | Path, fails: bool = False) -> str:
    """What ``openssl`` says, on both outputs; it must succeed, or fail."""
    command = [shutil.which("openssl") or "openssl", *map(str, arguments)]
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=SECONDS
    )
    assert bool(done.returncode) == fails, done.stdout + done.stderr
    return done.stdout + done.stderr


def files_of(folder: Path) -> set[str]:
    """The names of the files under a folder, without the journal's."""
    return {
        path.name
        for path in folder.rglob("*")
        if path.is_file() and not path.name.startswith("journal.sqlite")
    }

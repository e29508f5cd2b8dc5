"""Every command of ``igc`` that talks to a card, as data: its words, and what it needs.

A command that isn't here, nor in ``WITHOUT_CARD``, fails test_e2e_removed_card.
"""

from __future__ import annotations

import os
import re
import shutil
import zlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click
import pytest
from e2e_support import (
    ORDER,
    RETRIEVAL,
    REVOCATION,
    WITHDRAWAL,
    CardInReader,
    Told,
    igc,
    insert,
)

from igcsante.card import readers
from igcsante.cli.main import igc as root_command
from igcsante.testing.cards import Fault, SimulatedReader
from igcsante.testing.cards.image import PIN_REFERENCE, PUK_REFERENCE
from igcsante.testing.cards.reader import ConnectionEvent, SimulatedConnection
from igcsante.testing.world import SimulatedWorld

# Profile and changes: what a card and the protocol it is spoken to with can be.
CARDS: dict[str, tuple[str, dict[str, Any]]] = {
    "cps3": ("cps3", {}),
    "cps3-contactless": ("cps3-contactless", {}),
    "cps4": ("cps4", {}),
    "cps4-rc": ("cps4", {"variant": "release-candidate"}),
    "cps4-rc-t0": ("cps4", {"variant": "release-candidate-t0"}),
}
CONTACTLESS = "cps3-contactless"
_QUICK_CARDS = ("cps3", CONTACTLESS, "cps4")
_SLOW = ("status", "order", "orders sync", "retrieve", "renew", "revoke")
NEW_PIN = "4826"
Words = tuple[str, ...]
VERIFY, CHANGE, RESET = 0x20, 0x24, 0x2C  # ISO/IEC 7816-4: what carries a PIN
_SECRET = (VERIFY, VERIFY + 1, CHANGE, RESET)
JSON = ("--json",)
MOST_EXCHANGES = 1000
RECORD = "record.jsonl"

_PIN = ("--pin-source", "env:E2E_PIN")
_NEW_PIN = ("--new-pin-source", "env:E2E_NEW_PIN", "--yes")
_SIM = ("--profile", "sim")
_DOCUMENT = "document.txt"
_CONTENT = b"un document\n"

NO_PIN_HERE = "card.incapable", "contactless reader has no PIN"
NO_PERSON_HERE = "card.incapable", "no authentication certificate"
NO_SIGNATURE_HERE = "card.incapable", "no signature certificate"


@dataclass(frozen=True)
class CardCommand:
    """A command line. ``name``: its path in the tree of commands.

    ``earlier`` are command lines that make what it works on, by another card; ``refusal`` is
    what a card in a contactless reader gives (code, words); ``only`` the cards that it is for.
    """

    name: str
    words: Words
    earlier: tuple[Words, ...] = ()
    refusal: tuple[str, str] | None = None
    only: tuple[str, ...] = tuple(CARDS)
    by_serial: bool = False

    @property
    def id(self) -> str:
        """A name for reports of tests, without spaces."""
        words = [word for word in self.words if ":" not in word and "{" not in word]
        shown = words[words.index(self.name.split()[-1]) - self.name.count(" ") :][:5]
        return "_".join(shown) + "_by_serial" * self.by_serial


def _card(*words: str, refusal: tuple[str, str] | None = None, **more: Any) -> CardCommand:
    name = " ".join(words[: 3 if words[1] == "pin" else 2])
    return CardCommand(name, words, refusal=refusal, **more)


def _platform(name: str, *words: str, earlier: tuple[Words, ...] = ()) -> CardCommand:
    """Those of _SLOW get to the card just as ``habilitations`` does, which has all cards."""
    cards = _QUICK_CARDS if name in _SLOW else tuple(CARDS)
    return CardCommand(name, (*_SIM, *words), earlier, refusal=NO_PIN_HERE, only=cards)


_ORDERED = (*_SIM, *ORDER, "--order-only")
_ISSUED = (*_SIM, *ORDER, *WITHDRAWAL)
_SIGN = ("card", "sign", _DOCUMENT, *_PIN)
CARD_COMMANDS = (
    CardCommand("readers", ("readers",)),
    _card("card", "id", refusal=NO_PERSON_HERE),
    _card("card", "info"),
    _card("card", "info", "--trace"),
    _card("card", "info", by_serial=True),
    _card("card", "certs"),
    _card("card", "certs", "--out", "out"),
    _card("card", "objects"),
    _card("card", "objects", "--read", "CPS_INFO_PS", only=("cps3", "cps4", "cps4-rc-t0")),
    _card("card", "objects", "--read", "CPS_ACTIVITY_01_PS", *_PIN, only=("cps3", "cps4")),
    _card("card", "objects", "--cps2ter", *_PIN, refusal=NO_PIN_HERE),
    _card("card", "activities", *_PIN),
    _card("card", "export", "out"),
    _card("card", "export", "out", *_PIN, refusal=NO_PIN_HERE),
    _card("card", "record", RECORD, "--", "card", "activities", *_PIN),
    _card("card", "pin", "status", refusal=NO_PIN_HERE),
    _card("card", "pin", "verify", *_PIN, refusal=NO_PIN_HERE),
    _card("card", "pin", "change", *_PIN, *_NEW_PIN, refusal=NO_PIN_HERE),
    _card(
        *("card", "pin", "unblock", "--puk-source", "env:E2E_PUK"), *_NEW_PIN, refusal=NO_PIN_HERE
    ),
    _card(*_SIGN, refusal=NO_SIGNATURE_HERE),
    _card(*_SIGN, "--raw", refusal=NO_SIGNATURE_HERE),
    _card(*_SIGN, "--raw", "--key", "authentication", refusal=NO_PERSON_HERE),
    _card("card", "sign", _DOCUMENT, "--raw", "--key", "technical", only=(CONTACTLESS,)),
    _card(*_SIGN, "--scheme", "pss-sha256", only=("cps4", "cps4-rc", "cps4-rc-t0")),
    _card("card", "random", "20"),
    _card("card", "tls-check", "{server}", "--anchors", "{anchors}", *_PIN, refusal=NO_PIN_HERE),
    CardCommand("check", (*_SIM, "check", "--card", "--revocation", "off")),
    _platform("habilitations", "habilitations", *_PIN),
    _platform("order", *ORDER, *WITHDRAWAL, "--out", "out"),
    _platform("retrieve", "retrieve", "1", *RETRIEVAL, earlier=(_ORDERED,)),
    _platform("orders sync", "orders", "sync", *_PIN, earlier=(_ORDERED,)),
    _platform("status", "status", *_PIN),
    _platform("renew", "renew", "1", "--early", *RETRIEVAL, earlier=(_ISSUED,)),
    _platform("revoke", "revoke", "1", *REVOCATION, earlier=(_ISSUED,)),
)
# Commands that never reach a card in a reader. igc demo brings its own: its job is tested
# by itself. Nor is there one for igc orders wait and settle, which ask as igc orders sync does,
# but only for what the platform is at work on, or what is in doubt. igc doctor and setup tell
# of a card that is gone as one of their findings: tests/doctor and tests/setup.
WITHOUT_CARD = {
    *("inspect", "export", "orders list", "orders show", "help", "demo"),
    *("bundle make", "bundle check"),
    *("trust list", "trust show", "trust import", "trust fetch", "trust remove"),
    *("crl update", "crl list", "crl show", "crl index", "crl export"),
    *("policy list", "policy show", "orders wait", "orders settle"),
    *("ws check-mapping", "ws describe", "ws dry-run"),
    *("card cache clear", "sim run", "sim platform"),
    *("sim card list", "sim card show", "sim card new"),
    *(
        f"config {verb}"
        for verb in ("edit", "get", "keys", "path", "profiles", "set", "show", "unset")
    ),
    *("completion", "doctor", "setup"),
    *("sim settings", "sim clock", "sim mails", "sim fail", "sim decide"),
}


def cases(*, quick: bool = False) -> list[Any]:
    """Each command with each card that it is for, as parameters of a test.

    ``quick``: without what takes half a second each time, and without the cards that differ
    from another by their ATR and protocol only.
    """
    return [
        pytest.param(command, card, id=f"{command.id}-{card}")
        for command in CARD_COMMANDS
        for card in command.only
        if not quick or (card in _QUICK_CARDS and command.name not in _SLOW)
    ]


def sample(count: int, seed: str) -> list[int]:
    """The first and last exchange of ``count``, and one between that ``seed`` chooses."""
    chosen = 1 + zlib.crc32(seed.encode()) % count if count else 0
    return sorted({1, chosen, count} - {0}) if count else []


def commands_of(group: click.Command = root_command, path: str = "") -> Iterator[str]:
    """The paths of all commands that there are."""
    if not isinstance(group, click.Group):
        yield path
        return
    context = click.Context(group)
    for name in group.list_commands(context):
        inner = group.get_command(context, name)
        assert inner is not None
        yield from commands_of(inner, f"{path} {name}".strip())


# -- running them --------------------------------------------------------------------------


@dataclass
class Line:
    """What a program sent to the card's reader, and where its transactions began."""

    commands: list[bytes] = field(default_factory=list)
    starts: list[int] = field(default_factory=list)  # the exchange, from 1, that came first

    def tap(self, reader: SimulatedReader) -> None:
        connect = reader.createConnection

        def tapped() -> SimulatedConnection:
            connection = connect()
            connection.addObserver(self)
            begin = connection.begin_transaction

            def began() -> None:
                begin()
                self.starts.append(len(self.commands) + 1)

            connection.begin_transaction = began  # type: ignore[method-assign]
            return connection

        reader.createConnection = tapped  # type: ignore[method-assign]

    def update(self, _: SimulatedConnection, event: ConnectionEvent) -> None:
        """Called by the connection for every step."""
        if event.type == "command" and event.args:
            self.commands.append(bytes(event.args[0]))
            assert len(self.commands) < MOST_EXCHANGES, "it never ends"


@dataclass(frozen=True)
class Run:
    """What a command did: its words, the card that it had, and the files that it left."""

    told: Told
    held: CardInReader
    line: Line
    files: dict[str, bytes]

    @property
    def exchanges(self) -> int:
        return len(self.line.commands)

    @property
    def secrets_sent(self) -> Counter[int]:
        """How often each instruction that carries a PIN was sent with one."""
        return Counter(raw[1] for raw in self.line.commands if raw[1] in _SECRET and len(raw) > 5)

    @property
    def tries(self) -> tuple[int, int]:
        """Tries left of PIN and PUK, as the card has them; those of a card without stay whole."""
        pins = self.held.card._pins
        return pins.get(PIN_REFERENCE).tries_left, pins.get(PUK_REFERENCE).tries_left

    @property
    def answer(self) -> tuple[int, str, dict[str, bytes]]:
        """What a person or program gets of it, whenever it was asked."""
        return self.told.code, _INSTANT.sub("", self.told.out), self.files


_INSTANT = re.compile(r'"at": "[^"]+"')


class Bench:
    """Runs commands, each with a new card, in a folder that holds nothing else."""

    def __init__(self, world: SimulatedWorld, home: Path, patch: pytest.MonkeyPatch) -> None:
        self._world, self._home, self._patch = world, home, patch
        self._changing = (home, home.parent / "data")
        self._made: dict[CardCommand, Path] = {}
        patch.setenv("E2E_PUK", "12345678")
        patch.setenv("E2E_NEW_PIN", NEW_PIN)

    def run(
        self,
        command: CardCommand,
        card: str,
        *faults: Fault,
        options: Words = (),
        changes: dict[str, Any] | None = None,
        earlier: dict[str, Any] | None = None,
    ) -> Run:
        """Run ``command`` with ``options`` before its name, ``faults`` being those of its card.

        ``changes`` are of the card's profile, ``earlier`` those of the card that made what
        ``command`` works on, the same unless told.
        """
        self._make(command, earlier or changes or {})
        name, variant = CARDS[card]
        held = self._insert(name, {**variant, **(changes or {})})
        held.reader.inject(*faults)
        line = Line()
        line.tap(held.reader)
        before = set(self._files())
        words = [self._filled(word) for word in command.words]
        if command.by_serial:
            words += ["--reader", held.card.profile.serial]
        told = igc(*options, *words)
        files = {str(path): path.read_bytes() for path in self._files() if path not in before}
        if told.code == 0:
            self._made.pop(command, None)
        return Run(told, held, line, files)

    def _make(self, command: CardCommand, changes: dict[str, Any]) -> None:
        """Leave nothing but what ``command`` works on."""
        made = self._made.get(command)
        if made is None:
            self._restore(None)
            for words in command.earlier:
                self._insert("cps3", changes)
                told = igc(*words)
                assert told.code == 0, told.err
            made = self._made[command] = self._home.parent / f"made-{len(self._made)}"
            shutil.rmtree(made, ignore_errors=True)
            for folder in self._changing:
                if folder.is_dir():
                    shutil.copytree(folder, made / folder.name)
        self._restore(made)

    def _restore(self, made: Path | None) -> None:
        for folder in self._changing:
            shutil.rmtree(folder, ignore_errors=True)
            if made and (made / folder.name).is_dir():
                shutil.copytree(made / folder.name, folder)
        self._home.mkdir(exist_ok=True)
        os.chdir(self._home)
        (self._home / _DOCUMENT).write_bytes(_CONTENT)

    def _insert(self, name: str, changes: dict[str, Any]) -> CardInReader:
        held = insert(self._world, name, **changes)
        self._patch.setattr(readers, "system_readers", lambda: [held.reader])
        return held

    def _files(self) -> Iterator[Path]:
        return (path.relative_to(self._home) for path in self._home.rglob("*") if path.is_file())

    def _filled(self, word: str) -> str:
        server = self._world.endpoint.split("/")[2]
        return word.format(server=server, anchors=self._world.directory / "anchors")

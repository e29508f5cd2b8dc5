"""Which programs may hold a reader: what PC/SC says of it, and which processes use PC/SC.

PC/SC tells whether a card is held alone or shared (SCardGetStatusChange, PC/SC part 5 §3.2.5),
and not by whom. Under Linux the programs that have its library loaded, or a USB device open,
are found in proc(5), as far as their owner lets us look.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

_EXCLUSIVE, _IN_USE = 0x80, 0x100  # SCARD_STATE_EXCLUSIVE, SCARD_STATE_INUSE
_PROCESSES = Path("/proc")
_LIBRARY = "libpcsclite"
_USB = "/dev/bus/usb/"
_SERVICE = "pcscd"
_SOCKET_VARIABLE = "PCSCLITE_CSOCK_NAME"  # pcsc-lite: which service a program talks to


class Sharing(StrEnum):
    """How a card is held."""

    FREE = "free"
    SHARED = "shared"
    EXCLUSIVE = "exclusive"


def sharing(names: Iterable[str]) -> dict[str, Sharing]:
    """How the card in each of these readers is held; nothing of those PC/SC doesn't know."""
    try:
        from smartcard import scard
    except ImportError:
        return {}
    result, context = scard.SCardEstablishContext(scard.SCARD_SCOPE_USER)
    if result:
        return {}
    try:
        found = {}
        for name in names:
            asked = [(name, scard.SCARD_STATE_UNAWARE)]
            result, states = scard.SCardGetStatusChange(context, 0, asked)
            if not result:
                found[name] = _sharing(states[0][1])
        return found
    finally:
        scard.SCardReleaseContext(context)


def _sharing(state: int) -> Sharing:
    if state & _EXCLUSIVE:
        return Sharing.EXCLUSIVE
    return Sharing.SHARED if state & _IN_USE else Sharing.FREE


@dataclass(frozen=True)
class Program:
    """A process: ``direct`` when it has a USB device open itself, past PC/SC."""

    name: str
    pid: int
    direct: bool


@dataclass(frozen=True)
class Programs:
    """The programs that were found, and how many processes could not be looked into."""

    found: tuple[Program, ...]
    hidden: int


def programs() -> Programs | None:
    """The programs that use our PC/SC service or a USB device, this one left out.

    None but under Linux.
    """
    if not sys.platform.startswith("linux") or not _PROCESSES.is_dir():
        return None
    found, hidden = [], 0
    for folder in _PROCESSES.iterdir():
        if not folder.name.isdecimal() or int(folder.name) == os.getpid():
            continue
        try:
            program = _program(folder)
        except (FileNotFoundError, ProcessLookupError):  # it has ended
            continue
        except OSError:
            hidden += 1
            continue
        if program and program.name != _SERVICE:
            found.append(program)
    return Programs(tuple(sorted(found, key=lambda program: program.pid)), hidden)


def _program(folder: Path) -> Program | None:
    """A process that may hold a reader, None for another; its name only is told."""
    uses = _LIBRARY in (folder / "maps").read_text("utf-8", "replace") and _is_of_our_service(
        folder
    )
    direct = any(_target(entry).startswith(_USB) for entry in (folder / "fd").iterdir())
    if not uses and not direct:
        return None
    return Program(_name(folder), int(folder.name), direct)


def _is_of_our_service(folder: Path) -> bool:
    """Whether the program was started to talk to the same socket as we are."""
    start = f"{_SOCKET_VARIABLE}=".encode()
    variables = (folder / "environ").read_bytes().split(b"\0")
    theirs = next((v.removeprefix(start) for v in variables if v.startswith(start)), b"")
    return os.fsdecode(theirs) == os.environ.get(_SOCKET_VARIABLE, "")


def _name(folder: Path) -> str:
    """Of an interpreter, the name of the script or module that it runs: a command line may hold
    anything else."""
    name = (folder / "comm").read_text("utf-8", "replace").strip()
    if not name.startswith("python"):
        return name
    words = (folder / "cmdline").read_text("utf-8", "replace").split("\0")[1:]
    for word, following in zip(words, [*words[1:], ""], strict=True):
        if word == "-m":
            return following or name
        if word == "-c" or not word:
            return name
        if not word.startswith("-"):
            return Path(word).name
    return name


def _target(entry: Path) -> str:
    try:
        return str(entry.readlink())
    except FileNotFoundError:  # closed meanwhile
        return ""

"""What tells who somebody is, in text that is to be pasted in a ticket.

Such a value is a :class:`Masked` text: wherever it goes, in a message, in JSON, in a log, it
reads as its mask. Only :func:`revealed` gives the value back, for a person who asked for it.
Checks put nothing of a card's holder in a message but through these functions; texts of others
(errors, settings) go through :func:`foreign` and :func:`told`. Of what others may have chosen
(folders, hosts, profiles) only the names that everybody has are shown.
"""

from __future__ import annotations

import contextlib
import getpass
import re
from collections.abc import Callable
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

from ..config import BUILT_IN, KEYS
from ..config.document import TOP_LEVEL
from ..errors import IgcError
from ..extras import EXTRAS
from ..hosts import is_loopback
from ..messages import Message, reason_of
from ..text import did_you_mean, printable

MASK = "***"
_IN_PARENTHESES = re.compile(r"\([^()]*\)")
# National identifiers, serial and card numbers, and what may be one: six digits or more.
_LONG_NUMBER = re.compile(r"(?<![\w/-])[\w/-]*(?:\d[\w/-]*){6,}")
_HOME_OF = re.compile(r"~[\w.-]+|(?<=/home/)[^/\s'\"]+|(?<=/Users/)[^/\s'\"]+")
_PATH = re.compile(r"(?<![\w.:/*~-])~?/[^\s'\":,;()]+")
_LINE_AND_COLUMN = re.compile(r"(?::\d+)*$")
_OPTION_OR_VARIABLE = re.compile(r"--[a-z][a-z0-9-]*|IGC_[A-Z0-9_]+")
_DATE_OR_FEW_DIGITS = re.compile(r"\d{4}-\d\d-\d\d[\d:.TZ UC-]*|[\d.,]{1,5}")
# Below these the system keeps its things, and no person.
_OF_THE_SYSTEM = re.compile(r"/(?:usr|lib|lib64|bin|etc|run|proc|dev|sys|opt/santesocial)(?:/|$)")
_COMMON = {
    *("/", "~", "tmp", "var", "srv", "opt", "mnt", "media", "home", "root", "Users", "private"),
    *(".config", ".cache", ".local", "share", "Library", "Application Support", "Caches"),
    *("AppData", "Local", "Roaming", "igcsante", "config", "data", "cache", "crl", "ocsp"),
    *("cards", "trust", "sim", "config.toml", "profile.toml", "journal.sqlite", "pcscd.comm"),
}
_SUFFIXES = {".toml", ".wsdl", ".pem", ".cer", ".crt", ".der", ".crl", ".json", ".so", ".dll"}
_WORDS = (*KEYS, *TOP_LEVEL)
_OURS = (*_WORDS, *EXTRAS)
_PUBLIC_HOST = re.compile(r"(?:[A-Za-z0-9-]+\.)*esante\.gouv\.fr")  # the ANS's
_PUBLIC_PROFILES = (*BUILT_IN, "sim")


class Masked(str):
    """``shown`` wherever it goes; :attr:`value` is what it stands for."""

    value: str

    def __new__(cls, shown: str, value: str) -> Self:
        masked = super().__new__(cls, shown)
        masked.value = value
        return masked

    def __reduce__(self) -> str:
        raise TypeError("a masked text is not written anywhere but as its mask")


def identity(value: str) -> str:
    """A name, an identifier, a number of a person, a card or a structure."""
    return Masked(MASK, printable(value))


def place(path: Path | str) -> str:
    """A path, of which only the names that everybody has are shown.

    >>> place("/srv/Dr Martin/igc/journal.sqlite:3")
    '/srv/***/journal.sqlite:3'
    """
    text = printable(str(path))
    return Masked(_veiled_path(text), text)


def host(name: str) -> str:
    """``host`` or ``host:port``: the host is shown when it is the ANS's, or this machine.

    >>> host("proxy.house.local:3128")
    '***:3128'
    """
    text = printable(name)
    bare, colon, port = text.rpartition(":")
    if not port.isdecimal():
        bare, colon, port = text, "", ""
    public = _PUBLIC_HOST.fullmatch(bare) is not None
    shown = bare if public or is_loopback(bare.strip("[]")) else MASK
    return Masked(f"{shown}{colon}{port}", text)


def profile(name: str) -> str:
    """The name of a profile: a person's own may be their name."""
    return name if name in _PUBLIC_PROFILES else identity(name)


def reader(name: str) -> str:
    """The name of a reader, without its serial number.

    >>> reader("Maker Model 2 [CCID Interface] (00112233) 00 00")
    'Maker Model 2 [CCID Interface] (***) 00 00'
    """
    text = printable(name)
    return Masked(_LONG_NUMBER.sub(MASK, _IN_PARENTHESES.sub(f"({MASK})", text)), text)


def foreign(text: str) -> str:
    """A text that others wrote: numbers, homes and paths masked.

    Of a message it is the values that are masked, so that it can still be translated: all of
    them, but words of ours such as the key of a configuration.
    """
    if isinstance(text, Masked):
        return text
    if isinstance(text, Message) and text.values:
        return _with_values(text, _value)
    plain = printable(text)
    shown = _free(plain)
    return text if isinstance(text, Message) and shown == text else Masked(shown, plain)


def told(error: BaseException) -> str:
    """What an error says, but for its values, which may name a card or a person.

    What is not a message of ours is told by its code or kind.
    """
    if isinstance(error, IgcError):
        if isinstance(error.message, Message):
            return foreign(error.message)
        return Masked(error.code, printable(error.in_one_line))
    if isinstance(error, OSError) and error.strerror:
        return foreign(reason_of(error))
    return Masked(type(error).__name__, printable(f"{type(error).__name__}: {error}"))


def revealed(text: str) -> str:
    """The text with what its masks stand for."""
    if isinstance(text, Masked):
        return text.value
    return _with_values(text, lambda _, part: revealed(part)) if isinstance(text, Message) else text


def _with_values(message: Message, change: Callable[[str, str], str]) -> Message:
    """The message with each text among its values changed: ``change(name, value)``."""
    values = {
        name: change(name, value) if isinstance(value, str) else value
        for name, value in message.values.items()
    }
    arguments = message.__getnewargs__()
    return type(message)(arguments[0], values, *arguments[2:])


def _value(name: str, text: str) -> str:
    """A value of a message of others."""
    if isinstance(text, Message | Masked):
        return foreign(text)
    text = printable(text)
    if _is_of_ours(text) or _DATE_OR_FEW_DIGITS.fullmatch(text):
        return text
    if name == "key" and did_you_mean(text, _WORDS):  # one that is misspelt
        return text
    if "://" in text:
        return _address(text)
    if host(text) == text:  # the ANS's, or this machine
        return text
    if "/" in text or "\\" in text:
        return place(text)
    return identity(text)


def _address(url: str) -> str:
    """An address, as far as its scheme and a host that everybody knows."""
    try:
        parts = urlsplit(url)
        where = host(parts.netloc)
    except ValueError:
        where = MASK
    public = where != MASK and not where.startswith(f"{MASK}:")
    return Masked(f"{parts.scheme}://{where}", url) if public else identity(url)


def _is_of_ours(text: str) -> bool:
    words = text.split(", ")
    return all(word in _OURS or bool(_OPTION_OR_VARIABLE.fullmatch(word)) for word in words)


def _free(text: str) -> str:
    """Without long numbers, homes, and what paths tell."""
    text = _PATH.sub(lambda found: _veiled_path(found[0]), text)
    return _LONG_NUMBER.sub(MASK, _without_person(text))


def _veiled_path(text: str) -> str:
    place_in_file = _LINE_AND_COLUMN.search(text)
    tail = place_in_file[0] if place_in_file else ""
    text = _without_person(text.removesuffix(tail))
    if _OF_THE_SYSTEM.match(text):
        return text + tail
    path = Path(text)
    shown: list[str] = []
    for part in path.parts:
        if part in _COMMON or part == path.anchor:
            shown.append(part)
        elif shown[-1:] != [MASK]:
            shown.append(MASK)
    if shown[-1:] == [MASK] and path.suffix in _SUFFIXES:
        shown[-1] = MASK + path.suffix
    return str(Path(*shown)) + tail


def _without_person(text: str) -> str:
    home, names = _person()
    if home:
        text = re.sub(rf"{re.escape(home)}(?![\w.-])", "~", text)
    text = _HOME_OF.sub(lambda found: "~" + MASK if found[0].startswith("~") else MASK, text)
    for name in names:
        text = re.sub(rf"(?<![\w.-]){re.escape(name)}(?![\w-])", MASK, text)
    return text


def _person() -> tuple[str, tuple[str, ...]]:
    """The home folder of whoever runs this, and the names that they go by."""
    names = set()
    try:
        home = str(Path.home())
        names.add(Path(home).name)
    except RuntimeError:
        home = ""
    with contextlib.suppress(OSError, KeyError):  # a number without a name, in some containers
        names.add(getpass.getuser())
    everybodys = {"", "root", "home", "Users", "var", "data", "tmp"}
    return ("" if home == "/" else home), tuple(sorted(names - everybodys))

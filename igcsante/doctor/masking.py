"""What tells who somebody is, in text that is to be pasted in a ticket.

Such a value is a :class:`Masked` text: wherever it goes, in a message, in JSON, in a log, it
reads as its mask. Only :func:`revealed` gives the value back, for a person who asked for it.
Checks put nothing of a card's holder in a message but through these functions; texts of others
(errors, settings) go through :func:`foreign`.
"""

from __future__ import annotations

import contextlib
import getpass
import re
from collections.abc import Callable
from pathlib import Path
from typing import Self

from ..errors import IgcError
from ..messages import Message
from ..text import printable

MASK = "***"
_IN_PARENTHESES = re.compile(r"\([^()]*\)")
# National identifiers, serial and card numbers, and what may be one: six digits or more.
_LONG_NUMBER = re.compile(r"(?<![\w/-])[\w/-]*(?:\d[\w/-]*){6,}")
_HOME_OF = re.compile(r"~[\w.-]+|(?<=/home/)[^/\s'\"]+|(?<=/Users/)[^/\s'\"]+")


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
    """A path, without the name of the person whose machine it is."""
    text = printable(str(path))
    return Masked(_without_person(text), text)


def reader(name: str) -> str:
    """The name of a reader, without its serial number.

    >>> reader("Maker Model 2 [CCID Interface] (00112233) 00 00")
    'Maker Model 2 [CCID Interface] (***) 00 00'
    """
    text = printable(name)
    return Masked(_LONG_NUMBER.sub(MASK, _IN_PARENTHESES.sub(f"({MASK})", text)), text)


def foreign(text: str) -> str:
    """A text that others wrote, such as a value of the configuration: numbers and homes masked.

    Of a message it is the values that are masked, so that it can still be translated.
    """
    if isinstance(text, Masked):
        return text
    if isinstance(text, Message):
        return _with_values(text, foreign)
    text = printable(text)
    return Masked(_LONG_NUMBER.sub(MASK, _without_person(text)), text)


def told(error: BaseException) -> str:
    """An error by its code or kind: its message may name a card or a person, so it is masked."""
    if isinstance(error, IgcError):
        return Masked(error.code, printable(error.in_one_line))
    if isinstance(error, OSError) and error.strerror:
        return printable(error.strerror)
    return Masked(type(error).__name__, printable(f"{type(error).__name__}: {error}"))


def revealed(text: str) -> str:
    """The text with what its masks stand for."""
    if isinstance(text, Masked):
        return text.value
    return _with_values(text, revealed) if isinstance(text, Message) else text


def _with_values(message: Message, change: Callable[[str], str]) -> Message:
    """The message with each text among its values changed."""
    values = {
        name: change(value) if isinstance(value, str) else value
        for name, value in message.values.items()
    }
    arguments = message.__getnewargs__()
    return type(message)(arguments[0], values, *arguments[2:])


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

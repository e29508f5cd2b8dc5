"""Where the keys and values of a TOML document are: tomllib reads values and no places.

It finds its way through a document that tomllib has read (TOML 1.0.0), so it need not judge
one; in anything else it stops and tells what it found so far. Work is linear in the text.
"""

from __future__ import annotations

import contextlib
import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass

Path = tuple[str | int, ...]
"""Keys from the top; in an array of tables, the table's index."""

MAX_NESTING = 8  # inline tables that are looked into; ours have two
MAX_PARTS = 32  # of a dotted key; ours have three

_STRING = re.compile(
    r'"""(?:[^"\\]|\\[\s\S]|"{1,2}(?!"))*+"{3,5}'
    r"|'''(?:[^']|'{1,2}(?!'))*+'{3,5}"
    r'|"(?:[^"\\\n]|\\.)*+"'
    r"|'[^'\n]*+'"
)
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_GAP = re.compile(r"(?:[ \t\r\n]+|#[^\n]*)*+")
_BLANK = re.compile(r"[ \t]*+")
_SCALAR = re.compile(r"[^,}#\r\n]*+")
_INSIDE = re.compile(r"#[^\n]*|[^\"'#\[\]{}]+|[\[\]{}]")


@dataclass(frozen=True)
class Place:
    """Offsets of a key, and of its value: ``text[start:end]``; a table has none."""

    key: int
    start: int = -1
    end: int = -1


def line_and_column(text: str, offset: int) -> tuple[int, int]:
    """Both from 1, as editors count."""
    return text.count("\n", 0, offset) + 1, offset - text.rfind("\n", 0, offset)


def positions(text: str) -> dict[Path, Place]:
    """The place of every table and of every key, also of those in inline tables."""
    finder = _Finder(text)
    with contextlib.suppress(_LostError, tomllib.TOMLDecodeError):
        finder.document()
    return finder.places


class _LostError(Exception):
    """Not what TOML has here."""


class _Finder:
    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._tables: dict[Path, int] = {}  # arrays of tables: how many so far
        self.places: dict[Path, Place] = {}

    def document(self) -> None:
        table: Path = ()
        while True:
            self._skip(_GAP)
            if self._at >= len(self._text):
                return
            if self._text[self._at] == "[":
                table = self._header()
            else:
                self._pair(table, MAX_NESTING)

    def _header(self) -> Path:
        array = self._text.startswith("[[", self._at)
        self._at += 2 if array else 1
        path: Path = ()
        keys = list(self._dotted_key())
        for number, (name, offset) in enumerate(keys, 1):
            path += (name,)
            self.places.setdefault(path, Place(offset))
            if array and number == len(keys):
                self._tables[path] = self._tables.get(path, -1) + 1
            if path in self._tables:
                path += (self._tables[path],)
                self.places.setdefault(path, Place(offset))
        self._expect("]]" if array else "]")
        return path

    def _pair(self, table: Path, depth: int) -> None:
        """``key = value``; in an inline table that is looked into, those of the table too."""
        path = table
        offset = self._at
        for name, offset in self._dotted_key():
            path += (name,)
            self.places.setdefault(path, Place(offset))
        self._expect("=")
        self._skip(_BLANK)
        start = self._at
        if depth and self._text.startswith("{", start):
            self._inline_table(path, depth - 1)
        else:
            self._value()
        self.places[path] = Place(offset, start, self._at)

    def _inline_table(self, path: Path, depth: int) -> None:
        self._expect("{")
        while True:
            self._skip(_GAP)
            if self._text.startswith("}", self._at):
                break
            self._pair(path, depth)
            self._skip(_GAP)
            if self._text.startswith(",", self._at):
                self._at += 1
        self._expect("}")

    def _dotted_key(self) -> Iterator[tuple[str, int]]:
        for _ in range(MAX_PARTS):
            self._skip(_BLANK)
            offset = self._at
            if bare := _BARE_KEY.match(self._text, offset):
                self._at = bare.end()
                yield bare.group(), offset
            elif quoted := _STRING.match(self._text, offset):
                self._at = quoted.end()
                yield tomllib.loads("k = " + quoted.group())["k"], offset
            else:
                raise _LostError
            self._skip(_BLANK)
            if not self._text.startswith(".", self._at):
                return
            self._at += 1
        raise _LostError

    def _value(self) -> None:
        """Past a value. An array is not looked into: its brackets are counted."""
        if string := _STRING.match(self._text, self._at):
            self._at = string.end()
        elif self._text.startswith(("[", "{"), self._at):
            self._brackets()
        else:
            scalar = _SCALAR.match(self._text, self._at)
            self._at += len(scalar.group().rstrip()) if scalar else 0

    def _brackets(self) -> None:
        open_ones = 0
        while True:
            part = _STRING.match(self._text, self._at) or _INSIDE.match(self._text, self._at)
            if part is None:
                raise _LostError
            self._at = part.end()
            if part.group() in ("[", "{"):
                open_ones += 1
            elif part.group() in ("]", "}"):
                open_ones -= 1
                if not open_ones:
                    return

    def _skip(self, pattern: re.Pattern[str]) -> None:
        if gap := pattern.match(self._text, self._at):
            self._at = gap.end()

    def _expect(self, token: str) -> None:
        self._skip(_BLANK)
        if not self._text.startswith(token, self._at):
            raise _LostError
        self._at += len(token)

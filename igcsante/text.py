"""Text of others: what a certificate, a file name or a server says, made fit to print;
what a user typed, put right."""

from __future__ import annotations

import re
from collections.abc import Iterable

from .messages import Message, tr

_NO_BREAK_SPACE = "\xa0"


def printable(text: str) -> str:
    """The text on one line, without what a terminal would obey: control characters, ESC,
    line ends and direction overrides become spaces. A message stays one: its values change.
    No-break spaces stay, or French lines would end before their punctuation.

    >>> printable("a\\x1b[31mb\\nc")
    'a [31mb c'
    """
    if isinstance(text, Message):
        return text.with_texts(printable)
    if text.isprintable():
        return text.strip()
    kept = (char if char.isprintable() or char == _NO_BREAK_SPACE else " " for char in text)
    return "".join(kept).strip()


_FORMULA = re.compile(r"(^|;\s*)(?=[=+\-@＝＋－＠])")


def spreadsheet_cell(text: str) -> str:
    """:func:`printable` text that no spreadsheet takes for a formula (OWASP, CSV Injection).

    An apostrophe is put before what would start one; after a semicolon too, where those that
    read a table in French end a cell.

    >>> spreadsheet_cell("=1+1"), spreadsheet_cell("a;@b"), spreadsheet_cell("a=b")
    ("'=1+1", "a;'@b", 'a=b')
    """
    return _FORMULA.sub(r"\1'", printable(text))


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """A question that names the nearest of the known words, or nothing when none is near.

    >>> did_you_mean("strikt", ["default", "strict"])
    "did you mean 'strict'?"
    """
    from difflib import get_close_matches  # for the few that err: it costs a start 5 ms

    near = get_close_matches(word, list(known), 1)
    return tr("did you mean {near!r}?", near=near[0]) if near else ""

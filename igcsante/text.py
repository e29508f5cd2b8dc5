"""Text of others: what a certificate, a file name or a server says, made fit to print;
what a user typed, put right."""

from __future__ import annotations

from collections.abc import Iterable


def printable(text: str) -> str:
    """The text on one line, without what a terminal would obey: control characters, ESC,
    line ends and direction overrides become spaces.

    >>> printable("a\\x1b[31mb\\nc")
    'a [31mb c'
    """
    if text.isprintable():
        return text.strip()
    return "".join(char if char.isprintable() else " " for char in text).strip()


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """A question that names the nearest of the known words, or nothing when none is near.

    >>> did_you_mean("strikt", ["default", "strict"])
    "did you mean 'strict'?"
    """
    from difflib import get_close_matches  # for the few that err: it costs a start 5 ms

    near = get_close_matches(word, list(known), 1)
    return f"did you mean {near[0]!r}?" if near else ""

"""Foreign text: what a certificate, a file name or a server says, made fit to print."""

from __future__ import annotations


def printable(text: str) -> str:
    """The text on one line, without what a terminal would obey: control characters, ESC,
    line ends and direction overrides become spaces.

    >>> printable("a\\x1b[31mb\\nc")
    'a [31mb c'
    """
    return "".join(char if char.isprintable() else " " for char in text).strip()

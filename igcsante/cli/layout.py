"""How a page of help is laid out: lines no wider than the terminal, columns that line up.

Used before click is loaded too, for ``igc --help``: it imports nothing that costs.
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False  # as typing has it, without its cost
if TYPE_CHECKING:
    from collections.abc import Sequence

NARROWEST, WIDEST = 40, 100
_PAGE = 78  # as click has it
_LEFT = 30  # the widest left column, else the right one goes below
_EXAMPLE = 46  # the same, beside an example
_SMALLEST_RIGHT = 24
GROUPS = {  # commands with commands of their own; a test compares
    *(("bundle",), ("card",), ("card", "cache"), ("card", "pin"), ("config",), ("crl",)),
    *(("orders",), ("policy",), ("sim",), ("sim", "card"), ("trust",), ("ws",)),
}


def columns(widest: int = WIDEST) -> int:
    """The width to write in: COLUMNS, else the terminal's, else 80; from 40 to ``widest``."""
    given = os.environ.get("COLUMNS", "")
    found = int(given) if given.isascii() and given.isdigit() else 0
    for stream in (sys.__stdout__, sys.__stderr__):
        if not found and stream is not None:
            try:
                found = os.get_terminal_size(stream.fileno()).columns
            except (OSError, ValueError):
                found = 0
    return max(NARROWEST, min(found or 80, widest))


def page_width() -> int:
    """The width of a page of help."""
    return columns(_PAGE + 2) - 2


def wrap(text: str, width: int) -> list[str]:
    """Lines of at most ``width`` where words allow; a command such as ``igc card`` isn't cut."""
    lines: list[str] = []
    one_line = whole_commands(" ".join(text.splitlines()))
    for word in filter(None, one_line.split(" ")):  # not at U+00A0
        if lines and len(lines[-1]) + 1 + len(word) <= width:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    return [line.replace("\0", " ") for line in lines]


def whole_commands(text: str) -> str:
    """The text with NUL for the spaces within ``igc …``, so that it is copied as it is typed."""
    units: list[str] = []
    for word in text.split(" "):
        if units and _goes_on(units[-1], word):
            units[-1] += f"\0{word}"
        else:
            units.append(word)
    return " ".join(units)


def _goes_on(before: str, word: str) -> bool:
    """Whether a word belongs to the command that ends so far with ``before``."""
    parts = before.split("\0")
    if parts[0].lstrip("(`'\"«\u00a0") != "igc" or not word or before[-1] in ",.;:)`'\"":
        return False
    if len(parts) == 1 or (tuple(parts[1:]) in GROUPS and word[0].islower()):
        return True
    bare = word.rstrip(",.;:)`'\"…")
    return word.startswith("-") or bare.isupper() or bare.isdigit()


def paragraph(text: str, width: int, indent: int = 2) -> list[str]:
    """Indented lines."""
    return [" " * indent + line for line in wrap(text, width - indent)]


def definitions(
    rows: Sequence[tuple[str, str]], width: int, widest: int = _LEFT, indent: int = 2
) -> list[str]:
    """Names on the left, what they mean on the right; below a name that is too wide."""
    lefts = [len(left) for left, right in rows if right]
    left_width = max((length for length in lefts if length <= widest), default=0) or 4
    if width - indent - left_width - 2 < _SMALLEST_RIGHT:
        left_width = 4
    lines: list[str] = []
    for left, right in rows:
        wrapped = wrap(right, width - indent - left_width - 2) if right else []
        if wrapped and len(left) <= left_width:
            lines.append(f"{'':{indent}}{left:{left_width}}  {wrapped.pop(0)}")
        else:
            lines += [f"{'':{indent}}{line}" for line in _left_lines(left, width - indent)]
        lines += [f"{'':{indent + left_width + 2}}{line}" for line in wrapped]
    return lines


def _left_lines(left: str, width: int) -> list[str]:
    """A name; one with more choices than fit, ``--as [pem|der|…]``, goes on below."""
    lines = [left]
    while len(lines[-1]) > width and "|" in lines[-1][:width]:
        cut = lines[-1].rindex("|", 0, width) + 1
        lines[-1:] = [lines[-1][:cut], f"    {lines[-1][cut:]}"]
    return lines


def examples(rows: Sequence[tuple[str, str]], width: int) -> list[str]:
    """As :func:`definitions`, where the left is a command."""
    return definitions(rows, width, _EXAMPLE)

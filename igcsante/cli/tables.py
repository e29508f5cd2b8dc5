"""How a table stands on a terminal: its widest columns give way, and no word is cut.

A last cell that holds a longer word, such as an address, goes on a line of its own. Where the
columns don't fit at all, each row becomes a block of lines, a column's heading before each.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import zip_longest

from .layout import wrap

Cells = Sequence[Sequence[str]]

_GAP = 2  # between columns
_HANG = 2  # where a first cell goes on below: else it would look like another row
_BELOW = 4  # where a last cell stands on a line of its own
_NARROW = 12  # text in a column that is narrower is a ladder


def table(cells: Cells, room: int) -> list[list[str]]:
    """The lines of each row, the headings being one; none when they don't fit in ``room``.

    Columns with nothing in them give way before a last cell does.
    """
    columns = list(zip(*cells, strict=True))
    filled = [column for column in columns if any(column[1:])]
    for several, whole in ((columns, True), (filled, True), (columns, False)):
        if widths := _widths(several, room, whole=whole):
            return [_lines(row, widths, room) for row in zip(*several, strict=True)]
    return []


def pairs(rows: Sequence[tuple[str, str]], room: int) -> Iterator[tuple[str, str]]:
    """Names, as wide as the widest, and what they stand for, which may go on in further lines."""
    width = max((len(name) for name, _ in rows), default=0)
    for name, value in rows:
        for number, line in enumerate(_fitted(value, max(room - width - _GAP, _NARROW))):
            yield ("" if number else name).ljust(width), line


def _widths(columns: Cells, room: int, *, whole: bool) -> list[int]:
    """How wide each column may be; none when they don't fit, with the ``whole`` of the last one."""
    if not columns:
        return []
    *others, last = columns
    least = [_least(column, 0 if number else _HANG) for number, column in enumerate(others)]
    room -= _GAP * len(others)
    if not whole:
        spare = max(room - sum(least), len(last[0]))
        last = [cell for cell in last if _longest_word(cell) <= spare]
    least.append(_least(last, 0))
    if sum(least) > room:
        return []
    widths = [min(max(map(len, column)), room) for column in (*others, last)]
    while sum(widths) > room:
        _, widest = max((width, i) for i, width in enumerate(widths) if width > least[i])
        widths[widest] -= 1
    return widths


def _least(column: Sequence[str], hang: int) -> int:
    """How narrow a column can be: as its longest word, and not a ladder."""
    words = (_longest_word(cell) + (hang if " " in cell else 0) for cell in column)
    return max(*words, 0, min(_NARROW, max(map(len, column), default=0)))


def _longest_word(cell: str) -> int:
    return max(map(len, wrap(cell, 1)), default=0)


def _lines(row: Sequence[str], widths: Sequence[int], room: int) -> list[str]:
    """A row."""
    if _longest_word(row[-1]) > widths[-1]:
        below = wrap(row[-1], room - _BELOW)
        return [*_lines((*row[:-1], ""), widths, room), *(" " * _BELOW + line for line in below)]
    first, *others = map(_fitted, row, widths)
    if len(first) > 1:
        begin, *more = wrap(row[0], widths[0] - _HANG)
        first = [begin, *(" " * _HANG + line for line in more)]
    return [
        (" " * _GAP).join(map(str.ljust, line, widths)).rstrip()
        for line in zip_longest(first, *others, fillvalue="")
    ]


def _fitted(text: str, width: int) -> list[str]:
    """The text as it is where it fits, else in lines."""
    return [text] if len(text) <= width else wrap(text, width)

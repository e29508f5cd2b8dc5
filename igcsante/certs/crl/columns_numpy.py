"""The inner loops of :mod:`.scan` and :mod:`.index_writer` with numpy (extra ``[fast]``).

For lists that are long enough to pay for its import; what comes out is the same, octet for
octet.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator

import numpy as np

from ..x509 import der
from ..x509.der import GENERALIZED_TIME, UTC_TIME
from .columns import Columns
from .record import RECORD, SERIAL

_LONGEST_HEAD = 2 + 2 + SERIAL + 1  # up to the tag of the date
_NONE = 0xFF  # for two octets that are not two digits, or out of range
_PART = 1024 * 1024 // RECORD  # records put in order at once


def _two_digits(first: int, last: int) -> np.ndarray:
    """By two octets, as 16 bits of this machine: the digits of first..last, one in each half."""
    table = np.full(1 << 16, _NONE, np.uint8)
    for number in range(first, last + 1):
        table[np.frombuffer(b"%02d" % number, np.uint16)] = number // 10 << 4 | number % 10
    return table


_YEAR = _two_digits(0, 99)
_AFTER_YEAR = [
    _two_digits(first, last) for first, last in ((1, 12), (1, 31), (0, 23), (0, 59), (0, 59))
]


class NumpyColumns(Columns):
    """:class:`.columns.Columns` over one array of rows."""

    def __init__(self, block: bytes, size: int) -> None:
        super().__init__(block, size)
        self._rows = np.frombuffer(block, np.uint8).reshape(-1, size)

    def _are(self, offset: int, expected: bytes) -> bool:
        return all(
            bool((self._rows[:, place] == octet).all())
            for place, octet in enumerate(expected, offset)
        )

    def _serials(self, length: int, made: bytearray) -> None:
        serials = self._rows[:, 4 : 4 + length]
        records = np.frombuffer(made, np.uint8).reshape(-1, RECORD)
        records[:, SERIAL - length : SERIAL] = serials
        negative = serials[:, 0] >= 0x80
        if negative.any():
            records[negative, : SERIAL - length] = 0xFF

    def _dates(self, offset: int, digits: int, made: bytearray) -> bool:
        records = np.frombuffer(made, np.uint8).reshape(-1, RECORD)
        pairs = np.ascontiguousarray(self._rows[:, offset : offset + digits]).view(np.uint16)
        tables = [*[_YEAR] * (digits // 2 - 5), *_AFTER_YEAR]
        for place, table in enumerate(tables, SERIAL + 7 - len(tables)):
            found = table[pairs[:, place - SERIAL - 7]]
            if (found == _NONE).any():
                return False
            records[:, place] = found
        if digits == 12:  # RFC 5280 §4.1.2.5.1
            records[:, SERIAL] = np.where(records[:, SERIAL + 1] >= 0x50, 0x19, 0x20)
        return True


def walk(octets: bytes, offset: int, limit: int, end: int, by_size: dict[int, list[bytes]]) -> int:
    """Take entries from ``offset`` on; gives the offset of what follows, maybe ``offset``.

    All places that look like the beginning of an entry are found at once; as far as each is
    where the one before ends, they are the beginnings.
    """
    around = np.frombuffer(octets, np.uint8)[offset : min(limit + 0x80 + 2, end)]
    places = min(limit - offset, len(around) - _LONGEST_HEAD)
    if places <= 0:
        return offset
    heads = (around[:places] == der.SEQUENCE) & (around[2 : places + 2] == der.INTEGER)
    starts = np.flatnonzero(heads & (around[1 : places + 1] < 0x80))
    starts = starts[around[starts + 3] <= SERIAL]
    dates = around[starts + 4 + around[starts + 3]]
    starts = starts[(dates == UTC_TIME) | (dates == GENERALIZED_TIME)]
    ends = starts + 2 + around[starts + 1]
    apart = np.flatnonzero(ends[:-1] != starts[1:])
    count = int(apart[0]) + 1 if len(apart) else len(starts)
    while count and ends[count - 1] > len(around):
        count -= 1
    if not count or starts[0] != 0:
        return offset
    starts, sizes = starts[:count], ends[:count] - starts[:count]
    found, first = np.unique(sizes, return_index=True)
    for size in found[np.argsort(first)].tolist():
        rows = np.lib.stride_tricks.sliding_window_view(around, size)[starts[sizes == size]]
        by_size.setdefault(size, []).append(rows.tobytes())
    return offset + int(ends[count - 1])


def pages(blocks: Iterable[bytearray], count: int) -> tuple[int, Iterator[memoryview]]:
    """How many records there are, and each page of them; ``count`` pages, a power of two."""
    found = bytearray()
    for block in blocks:
        found += block
    rows = np.frombuffer(found, np.uint32).reshape(-1, RECORD // 4)  # moved faster than octets
    ends = np.frombuffer(found, np.uint8).reshape(-1, RECORD)[:, SERIAL - 8 : SERIAL]
    folded = np.ascontiguousarray(ends).view(np.uint64)[:, 0]
    if sys.byteorder == "little":
        folded = folded.byteswap()
    folded ^= folded >> np.uint64(32)
    folded ^= folded >> np.uint64(16)
    numbers = (folded & np.uint64(count - 1)).astype(np.uint16)
    order = np.argsort(numbers, kind="stable")
    return len(rows), _in_order(rows, order, np.bincount(numbers, minlength=count))


def _in_order(rows: np.ndarray, order: np.ndarray, sizes: np.ndarray) -> Iterator[memoryview]:
    part, first, start = memoryview(b""), 0, 0
    for end, size in zip(np.cumsum(sizes).tolist(), sizes.tolist(), strict=True):
        if end * RECORD > start * RECORD + len(part):
            start = end - size
            part = memoryview(rows.take(order[start : max(start + _PART, end)], axis=0).tobytes())
        first = (end - size - start) * RECORD
        yield part[first : first + size * RECORD]

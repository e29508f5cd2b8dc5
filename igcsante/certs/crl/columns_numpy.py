"""The inner loops of :mod:`.scan` and :mod:`.index` with numpy (extra ``[fast]``).

For lists that are long enough to pay for its import; what comes out is the same, octet for
octet.
"""

from __future__ import annotations

import numpy as np

from ..x509 import der
from .columns import GENERALIZED_TIME, RECORD, SERIAL, UTC_TIME, Columns

_LONGEST_HEAD = 2 + 2 + SERIAL + 1  # up to the tag of the date
_FIRST = np.array((0x01, 0x01, 0x00, 0x00, 0x00), np.uint8)  # from months to seconds, as
_LAST = np.array((0x12, 0x31, 0x23, 0x59, 0x59), np.uint8)  # digits: in the order of numbers


class NumpyColumns(Columns):
    """:class:`.columns.Columns` over one array of rows."""

    def __init__(self, block: bytes, size: int) -> None:
        super().__init__(block, size)
        self._rows = np.frombuffer(block, np.uint8).reshape(-1, size)

    def _are(self, offset: int, expected: bytes) -> bool:
        found = self._rows[:, offset : offset + len(expected)]
        return bool((found == np.frombuffer(expected, np.uint8)).all())

    def _serials(self, length: int, made: bytearray) -> None:
        serials = self._rows[:, 4 : 4 + length]
        records = np.frombuffer(made, np.uint8).reshape(-1, RECORD)
        records[:, SERIAL - length : SERIAL] = serials
        negative = serials[:, 0] >= 0x80
        if negative.any():
            records[negative, : SERIAL - length] = 0xFF

    def _dates(self, offset: int, digits: int, made: bytearray) -> bool:
        found = self._rows[:, offset : offset + digits] - np.uint8(0x30)
        if (found > 9).any():
            return False
        pairs = (found[:, 0::2] << 4) | found[:, 1::2]
        told = pairs[:, -5:]
        if (told < _FIRST).any() or (told > _LAST).any():
            return False
        records = np.frombuffer(made, np.uint8).reshape(-1, RECORD)
        if digits == 12:
            records[:, SERIAL] = np.where(pairs[:, 0] >= 0x50, 0x19, 0x20)
            records[:, SERIAL + 1 : SERIAL + 7] = pairs
        else:
            records[:, SERIAL : SERIAL + 7] = pairs
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


def partition(block: bytearray, numbers: memoryview, buckets: list[bytearray]) -> None:
    """Add each record of a block to the bucket of its number (16 bits), in order."""
    keys = np.frombuffer(numbers, np.uint16)
    order = np.argsort(keys, kind="stable")
    ordered = memoryview(np.frombuffer(block, f"V{RECORD}")[order].tobytes())
    first = 0
    for bucket, count in zip(buckets, np.bincount(keys).tolist(), strict=False):
        bucket += ordered[first : first + count * RECORD]
        first += count * RECORD

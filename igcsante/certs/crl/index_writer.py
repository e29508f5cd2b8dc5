"""The index of a list, made: its records put in pages, each with its MAC (:mod:`.index`)."""

from __future__ import annotations

import operator
import sys
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache

from . import scan
from .index import LENGTH, MAGIC, PAGE, Buffer, Header, header_mac, page_key, page_mac
from .record import RECORD, RECORDS, SERIAL

_OCTETS_PER_PAGE = 4 * 1024  # of the list, at most on average: some 60 to 120 entries
_MAX_PAGES = 1 << 16
_FEW_PAGES = 2048  # are filled at once, more in two steps: that keeps to the caches
_GROUP = 256
_PART = 16384 * RECORD
_LOW = 0 if sys.byteorder == "little" else 1
_WRITE = 1024 * 1024  # octets handed on at once


@dataclass(frozen=True)
class Records:
    """The records of a list, page after page; the ``pages`` can be gone through once."""

    pages: Iterable[Buffer] = ()
    page_count: int = 0
    entries: int = 0

    @classmethod
    def of(cls, octets: bytes, outline: scan.Outline) -> Records:
        """Raises UnreadableError, or NotIndexableError for a list that is read another way."""
        length = outline.end - outline.start
        count = _page_count(length)
        blocks = scan.records(octets, outline.start, outline.end)
        numpy = scan.with_numpy(length)
        entries, pages = (numpy.pages if numpy else _pages)(blocks, count)
        return cls(pages, count, entries)

    def index(self, header: Header, secret: bytes) -> Iterator[bytes]:
        """The octets of the index file. ``secret`` is the user's key."""
        told = header.to_bytes()
        yield b"".join((MAGIC, LENGTH.pack(len(told)), told, header_mac(secret, told)))
        key = page_key(secret, told)
        directory, first, waiting, size = bytearray(), 0, [], 0
        for number, page in enumerate(self.pages):
            count = len(page) // RECORD
            directory += PAGE.pack(first, count, page_mac(key, (number, first, count), page))
            first += count
            waiting.append(page)
            size += len(page)
            if size > _WRITE:
                yield b"".join(waiting)
                waiting, size = [], 0
        yield b"".join(waiting)
        yield bytes(directory)


def _pages(blocks: Iterable[bytearray], count: int) -> tuple[int, list[bytearray]]:
    """How many records there are, and the pages of them."""
    in_group = count if count <= _FEW_PAGES else _GROUP
    groups = [bytearray() for _ in range(count // in_group)]
    for block in blocks:
        if len(groups) == 1:
            groups[0] += block
        else:
            _partition(block, _groups(block, count), groups)
    pages: list[bytearray] = []
    for place, group in enumerate(groups):
        groups[place] = bytearray()  # memory is given back on the way
        found = [bytearray() for _ in range(in_group)]
        for start in range(0, len(group), _PART):
            part = group[start : start + _PART]
            _partition(part, _places(part, in_group), found)
        pages += found
    return sum(map(len, pages)) // RECORD, pages


def _page_count(octets: int) -> int:
    count = 1
    while count < _MAX_PAGES and octets > count * _OCTETS_PER_PAGE:
        count *= 2
    return count


def _folded(block: bytearray, half: int, mask: int) -> bytes:
    """The higher (0) or lower (1) octet of each record's page number, by columns."""
    folded = 0
    for place in range(SERIAL - 8 + half, SERIAL, 2):
        folded ^= int.from_bytes(block[place::RECORD])
    return folded.to_bytes(len(block) // RECORD).translate(_masked(mask))


@cache
def _masked(mask: int) -> bytes:
    return bytes(octet & mask for octet in range(256))


def _groups(block: bytearray, count: int) -> memoryview:
    """The group of each record's page, in 16 bits; ``count`` is that of all the pages."""
    numbers = bytearray(len(block) // RECORD * 2)
    mask = (count - 1) >> 8
    numbers[_LOW::2] = _folded(block, 0, mask)
    return memoryview(numbers).cast("H")


def _places(block: bytearray, count: int) -> memoryview:
    """The place of each record's page in its group of ``count`` pages, in 16 bits."""
    numbers = bytearray(len(block) // RECORD * 2)
    for place, half, mask in ((1 - _LOW, 0, (count - 1) >> 8), (_LOW, 1, (count - 1) & 0xFF)):
        numbers[place::2] = _folded(block, half, mask)
    return memoryview(numbers).cast("H")


def _partition(block: bytearray, numbers: memoryview, buckets: list[bytearray]) -> None:
    """Add each record of a block to the bucket of its number, in order."""
    chosen = map(buckets.__getitem__, numbers.tolist())
    found = map(operator.itemgetter(0), RECORDS.iter_unpack(block))
    deque(map(operator.iadd, chosen, found), 0)  # a loop that runs without the interpreter

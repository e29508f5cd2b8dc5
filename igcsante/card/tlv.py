"""Bounded BER-TLV reading, as ISO/IEC 7816-4 §5.2.2 and annex E use it.

The bytes come from a card: depth, lengths and counts are limited, an indefinite length is
refused, and filler (00 or FF) between and after the objects is passed over.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ..errors import CardError
from ..messages import tr

MAX_BYTES = 0x10000
MAX_OBJECTS = 256
_MAX_TAG_BYTES = 3
_MAX_LENGTH_BYTES = 3
_FILLERS = (0x00, 0xFF)


@dataclass(frozen=True)
class Tlv:
    """A data object: ``tag`` with its leading bytes (``0xBF8101``), ``value``, ``raw`` bytes."""

    tag: int
    value: bytes
    raw: bytes

    def children(self) -> tuple[Tlv, ...]:
        """The objects in the value. Raises CardError when it isn't made of objects."""
        return parse(self.value)

    def child(self, tag: int) -> Tlv | None:
        """The first object in the value with that tag."""
        return find(self.children(), tag)


def parse(data: bytes) -> tuple[Tlv, ...]:
    """The objects that ``data`` is made of. Raises CardError when it is cut or too large."""
    if len(data) > MAX_BYTES:
        raise CardError(
            tr(
                "BER-TLV data of {count:,} bytes: the limit is {max_bytes:,}",
                count=len(data),
                max_bytes=MAX_BYTES,
            )
        )
    objects = []
    for found in _objects(data):
        objects.append(found)
        if len(objects) > MAX_OBJECTS:
            raise CardError(
                tr("more than {max_objects} BER-TLV objects in a row", max_objects=MAX_OBJECTS)
            )
    return tuple(objects)


def find(objects: tuple[Tlv, ...], tag: int) -> Tlv | None:
    """The first object with that tag."""
    return next((found for found in objects if found.tag == tag), None)


def object_length(data: bytes) -> int:
    """Length in bytes, header included, of the object that ``data`` begins.

    The object itself may be longer than ``data``. Raises CardError.
    """
    _, position = _read_tag(data, 0)
    length, position = _read_length(data, position)
    return position + length


def _objects(data: bytes) -> Iterator[Tlv]:
    position = 0
    while position < len(data):
        if data[position] in _FILLERS:
            position += 1
            continue
        start = position
        tag, position = _read_tag(data, position)
        length, position = _read_length(data, position)
        if length > len(data) - position:
            raise CardError(tr("a BER-TLV object is cut short"))
        yield Tlv(tag, data[position : position + length], data[start : position + length])
        position += length


def _read_tag(data: bytes, position: int) -> tuple[int, int]:
    tag = _byte(data, position)
    position += 1
    if tag & 0x1F == 0x1F:
        for _ in range(_MAX_TAG_BYTES - 1):
            following = _byte(data, position)
            tag = tag << 8 | following
            position += 1
            if not following & 0x80:
                break
        else:
            raise CardError(tr("a BER-TLV tag is too long"))
    return tag, position


def _read_length(data: bytes, position: int) -> tuple[int, int]:
    first = _byte(data, position)
    position += 1
    if first < 0x80:
        return first, position
    count = first & 0x7F
    if not 1 <= count <= _MAX_LENGTH_BYTES:
        raise CardError(tr("a BER-TLV length is indefinite or too long"))
    _byte(data, position + count - 1)
    return int.from_bytes(data[position : position + count], "big"), position + count


def _byte(data: bytes, position: int) -> int:
    if position >= len(data):
        raise CardError(tr("a BER-TLV object is cut short"))
    return data[position]

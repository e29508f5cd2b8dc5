"""The entries of a CRL, read in one pass without building an object for each (RFC 5280 §5.1).

A long list is a few shapes repeated a million times. Entries of one length are gathered in
blocks and checked and turned into records column by column: the n-th octets of all of them
are one slice. A block that has another shape than those known here is read entry by entry.
What comes out are the records of :mod:`.record`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from types import ModuleType

from ...errors import UnreadableError
from ...messages import tr
from ..x509 import der
from ..x509.certificate_list import revoked_certificates
from .columns import REASON_CODES, Columns
from .record import SERIAL

MAX_ENTRY = 64 * 1024
WORTH_NUMPY = 10_000_000  # octets of entries; below, its import costs more than it saves

_BLOCK = 128 * 1024  # octets of entries that are turned into records at once: fits the caches
_STRETCH = 512  # entries looked at together for one length
_WORTHWHILE = 1024  # octets: after a shorter stretch, the list is rather a mixed one, and
_WALK = 256  # so many entries are read one by one before looking for another

_REASON = bytes.fromhex("551d15")
_INVALIDITY_DATE = bytes.fromhex("551d18")
_CERTIFICATE_ISSUER = bytes.fromhex("551d1d")


class NotIndexableError(Exception):
    """A CRL that is read another way: entries of other issuers, or serials over 20 octets."""


class _UnexpectedError(ValueError):
    """Octets that are no entry of a CRL."""


@dataclass(frozen=True)
class Outline:
    """A CRL but for its entries: ``header`` is the CRL without them, ``start`` and ``end``
    say where their octets are (both 0 when it has none)."""

    header: bytes
    start: int
    end: int


def outline(octets: bytes) -> Outline:
    """Find the entries of a CRL, without reading them. Raises UnreadableError."""
    try:
        return _outline(octets)
    except ValueError as error:
        raise UnreadableError(tr("not a CRL that can be read: {error}", error=error)) from None


def _outline(octets: bytes) -> Outline:
    tag, start, end = der.element(octets)
    outer = der.children(octets, start, end, 4)
    if tag != der.SEQUENCE or end != len(octets) or len(outer) != 3:
        raise ValueError("not a signed structure")
    signed_tag, _, start, end = outer[0]
    if signed_tag != der.SEQUENCE:
        raise ValueError("no TBSCertList")
    place = revoked_certificates(octets, start, end)
    if place is None:
        return Outline(octets, 0, 0)
    offset, first, stop = place
    signed = der.encoded(der.SEQUENCE, octets[start:offset] + octets[stop:end])
    return Outline(
        der.encoded(der.SEQUENCE, signed + octets[outer[1][1] : outer[2][3]]), first, stop
    )


def records(octets: bytes, start: int, end: int) -> Iterator[bytearray]:
    """The entries in [start, end) as records, in blocks; not in the order of the list.

    Raises UnreadableError for what is no entry or has a critical extension that isn't
    processed, NotIndexableError for entries that a record can't express.
    """
    numpy = with_numpy(end - start)
    walk, columns = (numpy.walk, numpy.NumpyColumns) if numpy else (_walk, Columns)
    try:
        for block, size in _blocks(octets, start, end, walk):
            yield columns(block, size).records() or _by_shape(block, size)
    except _UnexpectedError as error:
        raise UnreadableError(
            tr("an entry of the CRL can't be read: {error}", error=error)
        ) from None


def with_numpy(octets: int) -> ModuleType | None:
    """:mod:`.columns_numpy`, when a list of so many octets is worth it and numpy is there."""
    if octets < WORTH_NUMPY:
        return None
    try:
        from . import columns_numpy
    except ImportError:
        return None
    return columns_numpy


# -- blocks of entries of one length -------------------------------------------------

BySize = dict[int, list[bytes]]


def _blocks(
    octets: bytes, start: int, end: int, walk: Callable[[bytes, int, int, int, BySize], int]
) -> Iterator[tuple[bytes, int]]:
    """Entries end to end, all of the same size, as (their octets, size)."""
    offset = start
    while offset < end:
        limit = min(offset + _BLOCK, end)
        by_size: BySize = {}
        while offset < limit:
            before = offset
            offset = _stretch(octets, offset, limit, end, by_size)
            if offset - before < _WORTHWHILE:
                offset = walk(octets, offset, limit, end, by_size)
            if offset - before < _WORTHWHILE:
                offset = _walk(octets, offset, limit, end, by_size)
        for size, found in by_size.items():
            yield b"".join(found), size


def _stretch(octets: bytes, offset: int, limit: int, end: int, by_size: BySize) -> int:
    """Take the entries from ``offset`` on that are as long as the first; gives what follows.

    The first says where the second begins, and so on: as long as each of them begins with
    the same two octets, their boundaries are where equal steps lead.
    """
    if offset + 2 > end or octets[offset] != der.SEQUENCE or octets[offset + 1] & 0x80:
        return offset
    size = octets[offset + 1] + 2
    count = min(_STRETCH, (end - offset) // size, -(-(limit - offset) // size))
    stop = offset + count * size
    for column in (0, 1):
        heads = octets[offset + column : stop : size]
        count = min(count, len(heads) - len(heads.lstrip(heads[:1])))
    stop = offset + count * size
    if count:
        by_size.setdefault(size, []).append(octets[offset:stop])
    return stop


def _walk(octets: bytes, offset: int, limit: int, end: int, by_size: BySize) -> int:
    """Take entries one by one, a few at most; gives the offset of what follows."""
    left = _WALK
    try:
        while offset < limit and left:
            left -= 1
            size = octets[offset + 1]
            size = size + 2 if size < 0x80 else _long_size(octets, offset)
            stop = offset + size
            try:
                by_size[size].append(octets[offset:stop])
            except KeyError:
                by_size[size] = [octets[offset:stop]]
            offset = stop
    except IndexError:
        raise _UnexpectedError(tr("it is truncated")) from None
    if offset > end:
        raise _UnexpectedError(tr("it is longer than the list"))
    return offset


def _long_size(octets: bytes, offset: int) -> int:
    try:
        size = der.element(octets, offset)[2] - offset
    except ValueError as error:
        raise _UnexpectedError(str(error)) from None
    if size > MAX_ENTRY:
        raise _UnexpectedError(tr("it is longer than {max_entry:,} octets", max_entry=MAX_ENTRY))
    return size


def _by_shape(block: bytes, size: int) -> bytearray:
    """The records of entries of which some differ from the first: sorted by their shape first."""
    shapes: dict[tuple[int, ...], list[bytes]] = {}
    for offset in range(0, len(block), size):
        entry = block[offset : offset + size]
        length = entry[3] if size > 4 else 0
        kind = entry[4 + length] if 4 + length < size else 0
        shapes.setdefault((length, kind), []).append(entry)
    made = bytearray()
    for entries in shapes.values():
        found = Columns(b"".join(entries), size).records()
        if found is None:
            found = bytearray().join(map(_record, entries))
        made += found
    return made


# -- any entry, one by one -----------------------------------------------------------


def _record(entry: bytes) -> bytes:
    """The record of one entry. Raises NotIndexableError or _UnexpectedError."""
    try:
        tag, start, end = der.element(entry)
        fields = der.children(entry, start, end, 4)
        if tag != der.SEQUENCE or not 2 <= len(fields) <= 3 or fields[0][0] != der.INTEGER:
            raise ValueError("it has not the fields of one")
        reason = 0
        if len(fields) == 3:
            if fields[2][0] != der.SEQUENCE:
                raise ValueError("its extensions are none")
            reason = _reason(entry, fields[2][2], fields[2][3])
        _, _, start, end = fields[0]
        serial = int.from_bytes(entry[start:end], signed=True)
        if start == end:
            raise ValueError("its serial number is empty")
        tag, _, start, end = fields[1]
        date = instant(tag, entry[start:end])
    except ValueError as error:
        raise _UnexpectedError(str(error)) from None
    try:
        number = serial.to_bytes(SERIAL, signed=True)
    except OverflowError:
        raise NotIndexableError(tr("a serial number is longer than 20 octets")) from None
    return number + bytes.fromhex(date.strftime("%Y%m%d%H%M%S").zfill(14)) + bytes((reason,))


def _reason(entry: bytes, start: int, end: int) -> int:
    """The reason code plus one, 0 when there is none, out of the extensions in [start, end)."""
    code, seen = 0, set()
    for tag, _, first, last in der.children(entry, start, end, 16):
        fields = der.children(entry, first, last, 4)
        critical = len(fields) == 3 and fields[1][0] == 0x01
        if tag != der.SEQUENCE or [field[0] for field in fields[:1]] != [der.OID]:
            raise ValueError("an extension is none")
        if len(fields) != 2 + critical or fields[-1][0] != der.OCTET_STRING:
            raise ValueError("an extension is none")
        oid, value = entry[fields[0][2] : fields[0][3]], entry[fields[-1][2] : fields[-1][3]]
        if oid in seen:
            raise ValueError("an extension is there twice")
        seen.add(oid)
        if oid == _CERTIFICATE_ISSUER:
            raise NotIndexableError(tr("an entry names its issuer"))
        if oid == _REASON:
            code = _reason_code(value) + 1
        elif oid != _INVALIDITY_DATE and critical and entry[fields[1][2]] != 0:
            raise ValueError(f"it has a critical extension ({oid.hex()}) that is not processed")
        end_of_last = last
    if not seen or end_of_last != end:
        raise ValueError("it has too many extensions, or none where some should be")
    return code


def _reason_code(value: bytes) -> int:
    if len(value) != 3 or value[:2] != b"\x0a\x01" or value[2] not in REASON_CODES:
        raise ValueError("an unknown reason")
    return value[2]


_DATE = re.compile(rb"(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z")


def instant(tag: int, content: bytes) -> datetime:
    """A Time of RFC 5280 §4.1.2.5 (UTCTime or GeneralizedTime, to the second, Z).

    Raises ValueError.
    """
    if tag == der.UTC_TIME and len(content) == 13 and content[:1].isdigit():
        content = (b"19" if content[:1] >= b"5" else b"20") + content
    elif tag != der.GENERALIZED_TIME:
        raise ValueError("its date is none")
    matched = _DATE.fullmatch(content)
    if matched is None:
        raise ValueError("its date is none")
    year, month, day, hour, minute, second = map(int, matched.groups())
    return datetime(year, month, day, hour, minute, second, tzinfo=UTC)

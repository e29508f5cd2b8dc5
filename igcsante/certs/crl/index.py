"""A CRL that was verified once, as a file in which one serial number is found at once.

The records of :mod:`.scan` lie in pages, each in the page that its serial number folds
to. Opening reads the header alone, a look-up one page, whatever the length of the list::

    magic (8) | length of the header (4) | header (JSON) | its MAC (32)
    for each page: first record (4), number of records (4), MAC (16)
    records, page after page

The header names the SHA-256 of the CRL and of the key that signed it, and holds the CRL
without its entries. Its MAC is made with a key of the user's, that of a page with a key
derived from that and from the header, over its number, place and records: what was changed, cut,
moved or comes from another list's index is not believed. Numbers are little-endian.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import mmap
import operator
import sys
from collections import deque
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from datetime import datetime
from functools import cache
from pathlib import Path
from struct import Struct

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from ...errors import UnreadableError
from ..x509.certificate_list import REMOVED, Crl, Revocation
from ..x509.names import PARSE_ERRORS, comparable
from ..x509.signatures import KEY_ERRORS
from . import scan
from .columns import RECORD, SERIAL

MAGIC = b"IGCCRL1\n"
MAX_HEADER = 1024 * 1024
_OCTETS_PER_PAGE = 4 * 1024  # of the list, at most on average: some 60 to 120 entries
_MAX_PAGES = 1 << 16
_MAC = 32
_PAGE_MAC = 16
_LENGTH = Struct("<I")
_PAGE = Struct("<II16s")
_PLACE = Struct("<III")
_RECORD = Struct(f"{RECORD}s")
_FEW_PAGES = 2048  # are filled at once, more in two steps: that keeps to the caches
_GROUP = 256
_PART = 16384 * RECORD
_LOW = 0 if sys.byteorder == "little" else 1
_WRITE = 1024 * 1024  # octets handed on at once

_REASONS = dict(
    enumerate(
        (
            *(None, "unspecified", "keyCompromise", "cACompromise", "affiliationChanged"),
            *("superseded", "cessationOfOperation", "certificateHold", None, "removeFromCRL"),
            *("privilegeWithdrawn", "aACompromise"),
        )
    )
)


@dataclass(frozen=True)
class Header:
    """What an index says of its list.

    ``outline``: the CRL without its entries, DER. ``sha256``: of the whole CRL; ``key``: of
    the SubjectPublicKeyInfo that it was verified with. ``pages`` is 0 for a list that is
    kept as it is, to be read in memory. Instants are ISO 8601.
    """

    sha256: str
    key: str
    outline: str
    size: int
    entries: int
    pages: int
    source: str = ""
    etag: str | None = None
    last_modified: str | None = None
    fetched_at: str | None = None

    def to_bytes(self) -> bytes:
        return json.dumps(asdict(self), sort_keys=True).encode()

    @classmethod
    def from_bytes(cls, octets: bytes) -> Header:
        return cls(**json.loads(octets))


def key_fingerprint(key: PublicKeyTypes) -> str:
    """SHA-256 of the SubjectPublicKeyInfo. Raises ValueError or UnsupportedAlgorithm."""
    octets = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(octets).hexdigest()


# -- making one ------------------------------------------------------------------------


@dataclass
class Records:
    """The records of a list, by page."""

    pages: list[bytearray] = field(default_factory=list)

    @classmethod
    def of(cls, octets: bytes, outline: scan.Outline) -> Records:
        """Raises UnreadableError, or NotIndexableError for a list that is read another way."""
        count = _page_count(outline.end - outline.start)
        in_group = count if count <= _FEW_PAGES else _GROUP
        numpy = scan.with_numpy(outline.end - outline.start)
        partition = numpy.partition if numpy else _partition
        groups = [bytearray() for _ in range(count // in_group)]
        for block in scan.records(octets, outline.start, outline.end):
            if len(groups) == 1:
                groups[0] += block
            else:
                partition(block, _groups(block, count), groups)
        pages: list[bytearray] = []
        for place, group in enumerate(groups):
            groups[place] = bytearray()  # memory is given back on the way
            found = [bytearray() for _ in range(in_group)]
            for start in range(0, len(group), _PART):
                part = group[start : start + _PART]
                partition(part, _places(part, in_group), found)
            pages += found
        return cls(pages)

    def __len__(self) -> int:
        return sum(map(len, self.pages)) // RECORD

    def index(self, header: Header, secret: bytes) -> Iterator[bytes]:
        """The octets of the index file. ``secret`` is the user's key."""
        told = header.to_bytes()
        yield b"".join((MAGIC, _LENGTH.pack(len(told)), told, _header_mac(secret, told)))
        maker = _page_mac_maker(secret, told)
        directory, first = bytearray(), 0
        for number, page in enumerate(self.pages):
            count = len(page) // RECORD
            mac = _page_mac(maker, (number, first, count), page)
            directory += _PAGE.pack(first, count, mac)
            first += count
        yield bytes(directory)
        step = max(1, _WRITE * len(self.pages) // max(1, first * RECORD))
        for start in range(0, len(self.pages), step):
            yield b"".join(self.pages[start : start + step])


def _page_count(octets: int) -> int:
    count = 1
    while count < _MAX_PAGES and octets > count * _OCTETS_PER_PAGE:
        count *= 2
    return count


def _page_number(serial: bytes, count: int) -> int:
    """The last four pairs of octets, folded by exclusive or: even for counters and chance."""
    folded = int.from_bytes(serial[SERIAL - 8 :])
    folded ^= folded >> 32
    folded ^= folded >> 16
    return folded & (count - 1)


def _folded(block: bytearray, half: int, mask: int) -> bytes:
    """The higher (0) or lower (1) octet of :func:`_page_number` of each record, by columns."""
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
    found = map(operator.itemgetter(0), _RECORD.iter_unpack(block))
    deque(map(operator.iadd, chosen, found), 0)  # a loop that runs without the interpreter


# -- using one -------------------------------------------------------------------------


class IndexedCrl(Crl):
    """A verified CRL of which only the header and single pages are read.

    Of several entries for one serial number the earliest revocation counts, whatever their
    order in the list.
    """

    def __init__(self, path: Path, secret: bytes) -> None:
        """Open an index. Raises UnreadableError when it is not one that was made with
        ``secret``, whole and unchanged; OSError when there is no such file.
        """
        with path.open("rb") as stream:
            try:
                self._file = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)
            except ValueError:
                raise _not_believed(path) from None
        self._path = path
        told = self._read_header(secret)
        self.header = Header.from_bytes(told)
        super().__init__(bytes.fromhex(self.header.outline), self.header.source)
        self._directory = len(MAGIC) + _LENGTH.size + len(told) + _MAC
        self._records = self._directory + self.header.pages * _PAGE.size
        if len(self._file) != self._records + self.header.entries * self.is_complete * RECORD:
            raise _not_believed(path)
        self._mac_maker = _page_mac_maker(secret, told)

    def _read_header(self, secret: bytes) -> bytes:
        start = len(MAGIC) + _LENGTH.size
        if len(self._file) < start or self._file[: len(MAGIC)] != MAGIC:
            raise _not_believed(self._path)
        (length,) = _LENGTH.unpack_from(self._file, len(MAGIC))
        if length > MAX_HEADER:
            raise _not_believed(self._path)
        told = self._file[start : start + length]
        mac = self._file[start + length : start + length + _MAC]
        if not hmac.compare_digest(mac, _header_mac(secret, told)):
            raise _not_believed(self._path)
        return told

    @property
    def is_complete(self) -> bool:
        """Whether the entries are in the index; else they are read from the list itself."""
        return self.header.pages > 0

    @property
    def sha256(self) -> str:  # of the list, not of its outline
        return self.header.sha256

    def __len__(self) -> int:
        return self.header.entries

    def signed_by(self, key: PublicKeyTypes) -> bool:
        """Whether the signature was verified with ``key`` when the index was made."""
        try:
            return key_fingerprint(key) == self.header.key
        except KEY_ERRORS:
            return False

    def lookup(self, serial: int, certificate_issuer: x509.Name | None = None) -> Revocation | None:
        if certificate_issuer is not None and not self._is_issuer(certificate_issuer):
            return None
        try:
            wanted = serial.to_bytes(SERIAL, signed=True)
        except OverflowError:  # longer than every one of the list
            return None
        page = self._page(_page_number(wanted, self.header.pages))
        found = []
        at = page.find(wanted)
        while at >= 0:
            if at % RECORD == 0:
                found.append(_revocation(serial, page[at + SERIAL : at + RECORD]))
            at = page.find(wanted, at + 1)
        if len(found) > 1:
            found.sort(key=lambda entry: (entry.reason == REMOVED, entry.date))
        return found[0] if found else None

    def _is_issuer(self, name: x509.Name) -> bool:
        try:
            return comparable(name) == comparable(self.issuer)
        except PARSE_ERRORS as error:
            raise UnreadableError(f"the name of an issuer can't be read: {error}") from None

    def __iter__(self) -> Iterator[Revocation]:
        """All the entries, page after page. Raises UnreadableError."""
        for number in range(self.header.pages):
            for (record,) in _RECORD.iter_unpack(self._page(number)):
                yield _revocation(int.from_bytes(record[:SERIAL], signed=True), record[SERIAL:])

    def _page(self, number: int) -> bytes:
        place = self._directory + number * _PAGE.size
        first, count, mac = _PAGE.unpack_from(self._file, place)
        start = self._records + first * RECORD
        page = self._file[start : start + count * RECORD]
        if not hmac.compare_digest(mac, _page_mac(self._mac_maker, (number, first, count), page)):
            raise _not_believed(self._path)
        return page


def _revocation(serial: int, told: bytes) -> Revocation:
    digits = told[:7].hex()
    try:
        date = datetime.fromisoformat(f"{digits[:8]}T{digits[8:]}Z")
    except ValueError:
        raise UnreadableError(f"an entry of the CRL has no date: {digits}") from None
    return Revocation(serial, date, _REASONS[told[7]])


# -- what makes it believed --------------------------------------------------------------


def _header_mac(secret: bytes, told: bytes) -> bytes:
    return hmac.digest(secret, b"header" + told, "sha256")


def _page_mac_maker(secret: bytes, told: bytes) -> hmac.HMAC:
    return hmac.new(hmac.digest(secret, b"pages" + told, "sha256"), digestmod="sha256")


def _page_mac(maker: hmac.HMAC, place: tuple[int, int, int], page: bytes | bytearray) -> bytes:
    mac = maker.copy()
    mac.update(_PLACE.pack(*place))
    mac.update(page)
    return mac.digest()[:_PAGE_MAC]


def _not_believed(path: Path) -> UnreadableError:
    return UnreadableError(
        f"{path}: not an index that igcsante made, or changed since; it is not used",
        advice="fetch the list again with `igc crl update`",
        path=str(path),
    )

"""A CRL that was verified once, as a file in which one serial number is found at once.

The records (:mod:`.record`) lie in pages, each in the page that its serial number folds
to. Opening reads the header alone, a look-up one page, whatever the length of the list::

    magic (8) | length of the header (4) | header (JSON) | its MAC (32)
    records, page after page
    for each page: first record (4), number of records (4), MAC (16)

The header names the SHA-256 of the CRL and of the key that signed it, and holds the CRL
without its entries. Its MAC (keyed BLAKE2b, RFC 7693) is made with a key of the user's, that of
a page with a key derived from that and from the header, over its number, place and records: what
was changed, cut, moved or comes from another list's index is not believed. Numbers are
little-endian. :mod:`.index_writer` makes one.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import mmap
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from struct import Struct

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from ...errors import UnreadableError
from ...messages import tr
from ..x509.certificate_list import REMOVED, Crl, Revocation
from ..x509.names import PARSE_ERRORS, comparable
from ..x509.signatures import KEY_ERRORS
from .record import RECORD, RECORDS, SERIAL, revocation

MAGIC = b"IGCCRL2\n"
LENGTH = Struct("<I")
PAGE = Struct("<II16s")
_MAX_HEADER = 1024 * 1024
_HEADER_MAC = 32
_PAGE_MAC = 16
_PLACE = Struct("<III")

Buffer = bytes | bytearray | memoryview


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


class IndexedCrl(Crl):
    """A verified CRL of which only the header and single pages are read.

    Of several entries for one serial number the earliest revocation counts, whatever their
    order in the list. A page that isn't believed is passed over: the list itself is read in
    its place, when there is a way to.
    """

    def __init__(
        self, path: Path, secret: bytes, read_list: Callable[[], Crl] | None = None
    ) -> None:
        """Open an index. Raises UnreadableError when its header is not one that was made with
        ``secret``, or its length is another; OSError when there is no such file.

        ``read_list`` reads the list of this SHA-256, and raises UnreadableError or
        FileNotFoundError.
        """
        self._read_list = read_list
        with path.open("rb") as stream:
            try:
                self._file = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)
            except ValueError:
                raise _not_believed(path) from None
        self._path = path
        told = self._read_header(secret)
        self.header = Header.from_bytes(told)
        super().__init__(bytes.fromhex(self.header.outline), self.header.source)
        self._records = len(MAGIC) + LENGTH.size + len(told) + _HEADER_MAC
        self._directory = self._records + self.header.entries * self.is_complete * RECORD
        if len(self._file) != self._directory + self.header.pages * PAGE.size:
            raise _not_believed(path)
        self._page_key = page_key(secret, told)

    def _read_header(self, secret: bytes) -> bytes:
        start = len(MAGIC) + LENGTH.size
        if len(self._file) < start or self._file[: len(MAGIC)] != MAGIC:
            raise _not_believed(self._path)
        (length,) = LENGTH.unpack_from(self._file, len(MAGIC))
        if length > _MAX_HEADER:
            raise _not_believed(self._path)
        told = self._file[start : start + length]
        mac = self._file[start + length : start + length + _HEADER_MAC]
        if not hmac.compare_digest(mac, header_mac(secret, told)):
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
        try:
            page = self._page(page_number(wanted, self.header.pages))
        except UnreadableError:
            if self._whole_list is None:
                raise
            return self._whole_list.lookup(serial, certificate_issuer)
        found = []
        at = page.find(wanted)
        while at >= 0:
            if at % RECORD == 0:
                found.append(revocation(page[at : at + RECORD]))
            at = page.find(wanted, at + 1)
        if len(found) > 1:
            found.sort(key=lambda entry: (entry.reason == REMOVED, entry.date))
        return found[0] if found else None

    @property
    def is_whole(self) -> bool:
        """Whether each page is as it was made."""
        try:
            for number in range(self.header.pages):
                self._page(number)
        except UnreadableError:
            return False
        return True

    @cached_property
    def _whole_list(self) -> Crl | None:
        try:
            return self._read_list() if self._read_list else None
        except FileNotFoundError:  # replaced since
            raise _not_believed(self._path) from None

    def _is_issuer(self, name: x509.Name) -> bool:
        try:
            return comparable(name) == comparable(self.issuer)
        except PARSE_ERRORS as error:
            raise UnreadableError(
                tr("the name of an issuer can't be read: {error}", error=error)
            ) from None

    def __iter__(self) -> Iterator[Revocation]:
        """All the entries, page after page. Raises UnreadableError."""
        for number in range(self.header.pages):
            for (record,) in RECORDS.iter_unpack(self._page(number)):
                yield revocation(record)

    def _page(self, number: int) -> bytes:
        place = self._directory + number * PAGE.size
        first, count, mac = PAGE.unpack_from(self._file, place)
        start = self._records + first * RECORD
        page = self._file[start : start + count * RECORD]
        if not hmac.compare_digest(mac, page_mac(self._page_key, (number, first, count), page)):
            raise _not_believed(self._path)
        return page


def page_number(serial: bytes, count: int) -> int:
    """The last four pairs of octets, folded by exclusive or: even for counters and chance."""
    folded = int.from_bytes(serial[SERIAL - 8 :])
    folded ^= folded >> 32
    folded ^= folded >> 16
    return folded & (count - 1)


# -- what makes it believed --------------------------------------------------------------


def header_mac(secret: bytes, told: bytes) -> bytes:
    return _mac(secret, told, b"header")


def page_key(secret: bytes, told: bytes) -> bytes:
    """The key of the pages' MACs, for one header."""
    return _mac(secret, told, b"pages")


def page_mac(
    key: bytes, place: tuple[int, int, int], page: bytes | bytearray | memoryview
) -> bytes:
    """``place``: number of the page, its first record, how many."""
    told = hashlib.blake2b(page, key=key, salt=_PLACE.pack(*place), digest_size=_PAGE_MAC)
    return told.digest()


def _mac(secret: bytes, told: bytes, purpose: bytes) -> bytes:
    return hashlib.blake2b(told, key=secret, person=purpose, digest_size=_HEADER_MAC).digest()


def _not_believed(path: Path) -> UnreadableError:
    return UnreadableError(
        tr("{path}: not an index that igcsante made, or changed since; it is not used", path=path),
        advice=tr("`igc crl update` makes it anew, and so does `igc crl index` with the list"),
        path=str(path),
    )

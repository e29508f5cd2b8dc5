"""The card's application, read as little as its questions need: ODF → CDF, PrKDF, AODF, DODF.

Each file is read at most once and only when something in it is asked for: a real card takes
about a tenth of a second an exchange. File identifiers other than EF.DIR, EF.ODF,
EF.TokenInfo, EF.SN and EF_ACTUA come from the card (card.md §3, §12).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import TypeVar

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from ..certs.x509 import partial
from ..certs.x509.partial import Beginning
from ..errors import CardError, CardIncapableError, CardStatusError, CardUnsupportedError
from ..messages import tr
from . import pkcs15, tlv
from .apdu import SW_FILE_NOT_FOUND
from .cache import CachedFiles, CardCache
from .generation import MASTER_FILE, Generation
from .pkcs15 import CertificateEntry, DataEntry, Path, PinEntry, PrivateKeyEntry

_EF_SN = bytes.fromhex("3F00D003")
_EF_DIR = bytes.fromhex("3F002F00")
_EF_ACTUA = bytes.fromhex("3F00D010")
_EF_ACTUA_BYTES = 20  # EC 12, then two instants of 9 bytes each (card.md §15)
_ODF, _TOKEN_INFO = bytes.fromhex("5031"), bytes.fromhex("5032")
_SERIAL_PREFIX = bytes.fromhex("5A0A8025000001")
_SERIAL_BYTES = 12

_T = TypeVar("_T")


class CardDirectory:
    """What the card's directory files say. Everything is read on first use.

    Any attribute may raise CardError, and the errors of the transport.
    """

    def __init__(self, generation: Generation, cache: CardCache | None = None) -> None:
        self._generation = generation
        kept = None
        if cache:
            kept = CachedFiles(generation, cache, lambda: self.serial, lambda: self.journal)
        self._files: CachedFiles | Generation = kept or generation
        self._certificates: dict[CertificateEntry, x509.Certificate] = {}
        self._beginnings: dict[CertificateEntry, bytes] = {}

    def close(self) -> None:
        """Keep what was read for the next time, if that is wanted. Never fails."""
        if isinstance(self._files, CachedFiles):
            self._files.save()

    @cached_property
    def serial(self) -> str:
        """The 8 digits of EF.SN. Raises CardUnsupportedError for another issuer's card."""
        content = self._generation.read_object(_EF_SN, lambda _: _SERIAL_BYTES)
        digits = content[len(_SERIAL_PREFIX) : -1].hex()
        if len(content) != _SERIAL_BYTES or not content.startswith(_SERIAL_PREFIX):
            raise CardUnsupportedError(tr("the card's serial number is not that of a CPx card"))
        if not digits.isdecimal():
            raise CardError(tr("the card's serial number is not decimal"))
        return digits

    @cached_property
    def journal(self) -> bytes | None:
        """The object in EF_ACTUA, None when the file holds something else.

        How long the file is isn't asked for. Raises CardStatusError when there is no such file.
        """
        try:
            found = self._generation.read_object(_EF_ACTUA, _journal_length)
        except CardStatusError as error:
            if error.status_word == SW_FILE_NOT_FOUND:
                raise
            return None
        except CardError as error:
            if error.code != CardError.code:
                raise
            return None
        return found if len(found) == _EF_ACTUA_BYTES else None

    @cached_property
    def application(self) -> bytes:
        """The absolute path of the PKCS#15 application, from EF.DIR.

        Raises CardUnsupportedError.
        """
        applications = pkcs15.parse_applications(self._files.read_file(_EF_DIR))
        if self._generation.application_aid not in applications:
            raise CardUnsupportedError(tr("the card lists no CPx application in its EF.DIR"))
        path = applications[self._generation.application_aid]
        if path is None:
            raise CardUnsupportedError(
                tr("the card's EF.DIR gives no path for the CPx application")
            )
        return Path(path).absolute(MASTER_FILE)

    @cached_property
    def token_label(self) -> str:
        return pkcs15.parse_token_label(self._files.read_file(self.application + _TOKEN_INFO))

    @cached_property
    def certificates(self) -> tuple[CertificateEntry, ...]:
        """What the CDF lists."""
        return self._entries("CDF", pkcs15.parse_cdf)

    @cached_property
    def private_keys(self) -> tuple[PrivateKeyEntry, ...]:
        """What the PrKDF lists."""
        return self._entries("PrKDF", pkcs15.parse_prkdf)

    @cached_property
    def pins(self) -> tuple[PinEntry, ...]:
        """What the AODF lists, PUK included."""
        if not self._generation.has_pin:
            raise CardIncapableError(
                tr("a card in a contactless reader has no PIN"),
                advice=tr("insert it in a contact reader, chip first"),
            )
        return self._entries("AODF", pkcs15.parse_aodf)

    @cached_property
    def data_objects(self) -> tuple[DataEntry, ...]:
        """What the DODF lists; none when the card has no DODF."""
        if "DODF" not in self._odf:
            return ()
        return self._entries("DODF", pkcs15.parse_dodf)

    def user_pin(self) -> PinEntry:
        """The holder's PIN: the first that neither unblocks nor is an officer's (card.md §5)."""
        for pin in self.pins:
            if not pin.flags & {"unblocking_pin", "so_pin"}:
                return pin
        raise CardError(tr("the card has no PIN for its holder"))

    def private_key(self, identifier: bytes) -> PrivateKeyEntry:
        """The key that belongs to the certificate of that ID."""
        for key in self.private_keys:
            if key.id == identifier:
                return key
        raise CardError(tr("the card has no private key for this certificate"))

    def key_directory(self, key: PrivateKeyEntry) -> bytes:
        """The directory that must be current when the key is used."""
        return key.path.absolute(self.application) if key.path.file else self.application

    def certificate(self, entry: CertificateEntry) -> x509.Certificate:
        """The certificate of an entry of the CDF."""
        if entry not in self._certificates:
            path = entry.path.absolute(self.application)
            if entry.path.offset or entry.path.length is not None:
                content = self._files.read_file(path)[entry.path.offset :]
                content = content[: entry.path.length]
            else:
                start = self._beginnings.get(entry, b"")
                content = self._files.read_object(path, start=start)
            self._certificates[entry] = _certificate(content, entry.label)
        return self._certificates[entry]

    def was_read(self, entry: CertificateEntry) -> bool:
        """Whether the whole certificate is at hand."""
        return entry in self._certificates

    def beginning(self, entry: CertificateEntry) -> Beginning:
        """What a certificate says before its key; it is read no further than that."""
        if entry.path.offset or entry.path.length is not None:
            return partial.parse_beginning(self.certificate(entry).public_bytes(Encoding.DER))
        if entry not in self._beginnings:
            path = entry.path.absolute(self.application)
            self._beginnings[entry] = self._files.read_object(path, partial.subject_end)
        return partial.parse_beginning(self._beginnings[entry])

    @cached_property
    def _odf(self) -> dict[str, tuple[Path, ...]]:
        return pkcs15.parse_odf(self._files.read_file(self.application + _ODF))

    def _entries(self, name: str, parse: Callable[[bytes], tuple[_T, ...]]) -> tuple[_T, ...]:
        paths = self._odf.get(name, ())
        if not paths:
            raise CardError(tr("the card has no {name}", name=name))
        entries: tuple[_T, ...] = ()
        for path in dict.fromkeys(path.absolute(self.application) for path in paths):
            entries += parse(self._files.read_file(path))
        return entries


def _journal_length(part: bytes) -> int:
    return tlv.object_length(part) if part else _EF_ACTUA_BYTES


def _certificate(content: bytes, label: str) -> x509.Certificate:
    try:
        return x509.load_der_x509_certificate(content)
    except ValueError:
        raise CardError(
            tr("the certificate {label!r} of the card can't be read", label=label)
        ) from None

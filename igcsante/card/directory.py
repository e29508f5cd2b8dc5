"""The card's application, read as little as its questions need: EF.DIR → ODF → CDF, PrKDF, AODF.

Each file is read at most once and only when something in it is asked for: a real card takes
about a tenth of a second an exchange. File identifiers other than EF.DIR, EF.ODF,
EF.TokenInfo and EF.SN come from the card (card.md §3, §12).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import TypeVar

from cryptography import x509

from ..errors import CardError, CardUnsupportedError
from . import pkcs15
from .generation import Generation
from .pkcs15 import CertificateEntry, Path, PinEntry, PrivateKeyEntry

_EF_SN = bytes.fromhex("3F00D003")
_EF_DIR = bytes.fromhex("3F002F00")
_ODF, _TOKEN_INFO = bytes.fromhex("5031"), bytes.fromhex("5032")
_CONTACT_APPLICATION = bytes.fromhex("E828BD080F8025000001FF0010")
_SERIAL_PREFIX = bytes.fromhex("5A0A8025000001")
_SERIAL_BYTES = 12

_T = TypeVar("_T")


class CardDirectory:
    """What the card's directory files say. Everything is read on first use.

    Any attribute may raise CardError, and the errors of the transport.
    """

    def __init__(self, generation: Generation) -> None:
        self._generation = generation
        self._certificates: dict[CertificateEntry, x509.Certificate] = {}

    @cached_property
    def serial(self) -> str:
        """The 8 digits of EF.SN. Raises CardUnsupportedError for another issuer's card."""
        content = self._generation.read_file(_EF_SN)
        digits = content[len(_SERIAL_PREFIX) : -1].hex()
        if len(content) != _SERIAL_BYTES or not content.startswith(_SERIAL_PREFIX):
            raise CardUnsupportedError("the card's serial number is not that of a CPx card")
        if not digits.isdecimal():
            raise CardError("the card's serial number is not decimal")
        return digits

    @cached_property
    def application(self) -> bytes:
        """The absolute path of the PKCS#15 application. Raises CardUnsupportedError."""
        applications = pkcs15.parse_applications(self._generation.read_file(_EF_DIR))
        if _CONTACT_APPLICATION not in applications:
            raise CardUnsupportedError("the card lists no CPx application in its EF.DIR")
        path = applications[_CONTACT_APPLICATION]
        if path is None:
            raise CardUnsupportedError("the card's EF.DIR gives no path for the CPx application")
        return Path(path).absolute(bytes.fromhex("3F00"))

    @cached_property
    def token_label(self) -> str:
        return pkcs15.parse_token_label(self._generation.read_file(self.application + _TOKEN_INFO))

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
        return self._entries("AODF", pkcs15.parse_aodf)

    def user_pin(self) -> PinEntry:
        """The holder's PIN: the first that neither unblocks nor is an officer's (card.md §5)."""
        for pin in self.pins:
            if not pin.flags & {"unblocking_pin", "so_pin"}:
                return pin
        raise CardError("the card has no PIN for its holder")

    def private_key(self, identifier: bytes) -> PrivateKeyEntry:
        """The key that belongs to the certificate of that ID."""
        for key in self.private_keys:
            if key.id == identifier:
                return key
        raise CardError("the card has no private key for this certificate")

    def key_directory(self, key: PrivateKeyEntry) -> bytes:
        """The directory that must be current when the key is used."""
        return key.path.absolute(self.application) if key.path.file else self.application

    def certificate(self, entry: CertificateEntry) -> x509.Certificate:
        """The certificate of an entry of the CDF."""
        if entry not in self._certificates:
            path = entry.path.absolute(self.application)
            if entry.path.offset or entry.path.length is not None:
                content = self._generation.read_file(path)[entry.path.offset :]
                content = content[: entry.path.length]
            else:
                content = self._generation.read_file(path, one_object=True)
            self._certificates[entry] = _certificate(content, entry.label)
        return self._certificates[entry]

    @cached_property
    def _odf(self) -> dict[str, tuple[Path, ...]]:
        return pkcs15.parse_odf(self._generation.read_file(self.application + _ODF))

    def _entries(self, name: str, parse: Callable[[bytes], tuple[_T, ...]]) -> tuple[_T, ...]:
        paths = self._odf.get(name, ())
        if not paths:
            raise CardError(f"the card has no {name}")
        entries: tuple[_T, ...] = ()
        for path in dict.fromkeys(path.absolute(self.application) for path in paths):
            entries += parse(self._generation.read_file(path))
        return entries


def _certificate(content: bytes, label: str) -> x509.Certificate:
    try:
        return x509.load_der_x509_certificate(content)
    except ValueError:
        raise CardError(f"the certificate {label!r} of the card can't be read") from None

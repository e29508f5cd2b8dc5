"""The directory files of a card: PKCS#15 v1.1 / ISO/IEC 7816-15, as CPx cards hold them.

Only what a file says is read here; :mod:`igcsante.card.directory` walks them. What the
standard calls an extension, and records of kinds that we don't use, are passed over
(card.md §11, §15).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeVar

from ..errors import CardError
from ..messages import tr
from . import asn1, tlv

MAX_PATH_BYTES = 32
MAX_LABEL_CHARACTERS = 255
MAX_FILES_OF_A_KIND = 8

# -- what the rest of the package works with ---------------------------------------------


@dataclass(frozen=True)
class Path:
    """Where a value is: a file path (absolute, or relative to the application) and a part.

    ``offset`` and ``length`` are in bytes; ``length`` None means the whole file.
    """

    file: bytes
    offset: int = 0
    length: int | None = None

    def absolute(self, directory: bytes) -> bytes:
        """The path from 3F00 down, ``directory`` being the application's."""
        if self.file.startswith(b"\x3f\x00"):
            return self.file
        return directory + self.file


@dataclass(frozen=True)
class CertificateEntry:
    """A record of the CDF. ``id`` is also that of the private key."""

    label: str
    id: bytes
    path: Path


@dataclass(frozen=True)
class PrivateKeyEntry:
    """A record of the PrKDF: an RSA key. ``usage`` in PKCS#15 names, ``reference`` one byte."""

    label: str
    id: bytes
    reference: int
    usage: frozenset[str]
    path: Path
    auth_id: bytes | None


@dataclass(frozen=True)
class DataEntry:
    """A record of the DODF. ``private``: the PIN guards it."""

    label: str
    application: str
    path: Path
    private: bool
    modifiable: bool


@dataclass(frozen=True)
class PinEntry:
    """A PIN record of the AODF. Lengths in characters; ``type`` and ``flags`` in our names."""

    label: str
    auth_id: bytes
    reference: int
    flags: frozenset[str]
    type: str
    min_length: int
    max_length: int
    stored_length: int
    pad_char: bytes


DIRECTORIES = {0xA0: "PrKDF", 0xA1: "PuKDF", 0xA4: "CDF", 0xA7: "DODF", 0xA8: "AODF"}


def parse_applications(data: bytes) -> dict[bytes, bytes | None]:
    """EF.DIR (ISO/IEC 7816-4 §8.2.1.1): each application's AID and its path, None without."""
    applications: dict[bytes, bytes | None] = {}
    for template in tlv.parse(data):
        if template.tag != 0x61:
            continue
        aid, path = template.child(0x4F), template.child(0x51)
        if aid:
            applications[aid.value] = _checked_path(path.value) if path else None
    return applications


def parse_odf(data: bytes) -> dict[str, tuple[Path, ...]]:
    """EF.ODF: the paths of each kind of directory file, by the names of ``DIRECTORIES``."""
    return _reading("ODF", lambda: _odf(data))


def parse_cdf(data: bytes) -> tuple[CertificateEntry, ...]:
    """The X.509 certificates that a CDF names."""
    return tuple(_reading("CDF", lambda: list(map(_certificate_entry, _records(data)))))


def parse_prkdf(data: bytes) -> tuple[PrivateKeyEntry, ...]:
    """The RSA private keys that a PrKDF names."""
    return tuple(_reading("PrKDF", lambda: list(map(_key_entry, _records(data)))))


def parse_aodf(data: bytes) -> tuple[PinEntry, ...]:
    """The PINs (and PUKs) that an AODF names."""
    return tuple(_reading("AODF", lambda: list(map(_pin_entry, _records(data)))))


def parse_dodf(data: bytes) -> tuple[DataEntry, ...]:
    """The data objects that a DODF names, those whose value is in a file."""
    return tuple(_reading("DODF", lambda: list(map(_data_entry, _records(data)))))


def parse_token_label(data: bytes) -> str:
    """The label in EF.TokenInfo (CIAInfo), empty without one."""

    def label() -> str:
        record = next(_records(data), None)
        if record is None:
            raise ValueError("no record")
        return _text(asn1.TokenInfo.load(record)["label"].native)

    return _reading("TokenInfo", label)


# -- from ASN.1 to those ---------------------------------------------------------------------

_SEQUENCE = 0x30
_T = TypeVar("_T")


def _reading(name: str, read: Callable[[], _T]) -> _T:
    """What ``read`` gives; whatever asn1crypto finds wrong becomes a CardError."""
    try:
        return read()
    except (ValueError, TypeError, LookupError, ArithmeticError, RecursionError):
        raise CardError(tr("the card's {name} can't be read", name=name)) from None


def _records(data: bytes) -> Iterator[bytes]:
    """DER of the SEQUENCE records; other kinds of record have context tags."""
    return (found.raw for found in tlv.parse(data) if found.tag == _SEQUENCE)


def _odf(data: bytes) -> dict[str, tuple[Path, ...]]:
    paths: dict[str, tuple[Path, ...]] = {}
    for entry in tlv.parse(data):
        name = DIRECTORIES.get(entry.tag)
        if name:
            found = tuple(_path(asn1.Path.load(der)) for der in _records(entry.value))
            paths[name] = paths.get(name, ()) + found
            if len(paths[name]) > MAX_FILES_OF_A_KIND:
                raise ValueError("too many directory files")
    return paths


def _certificate_entry(der: bytes) -> CertificateEntry:
    record = asn1.CertificateObject.load(der)
    return CertificateEntry(
        label=_text(record["common"]["label"].native),
        id=record["certificate"]["id"].native,
        path=_path(record["type"]["value"]),
    )


def _key_entry(der: bytes) -> PrivateKeyEntry:
    record = asn1.PrivateKeyObject.load(der)
    return PrivateKeyEntry(
        label=_text(record["common"]["label"].native),
        id=record["key"]["id"].native,
        reference=_reference(record["key"]["key_reference"].native),
        usage=frozenset(record["key"]["usage"].native),
        path=_path(record["type"]["value"]),
        auth_id=record["common"]["auth_id"].native,
    )


def _data_entry(der: bytes) -> DataEntry:
    record = asn1.DataObject.load(der)
    flags = record["common"]["flags"].native or set()
    return DataEntry(
        label=_text(record["common"]["label"].native),
        application=_text(record["data"]["application"].native),
        path=_path(record["value"]),
        private="private" in flags or record["common"]["auth_id"].native is not None,
        modifiable="modifiable" in flags,
    )


def _pin_entry(der: bytes) -> PinEntry:
    record = asn1.PinObject.load(der)
    attributes = record["type"]
    stored = attributes["stored_length"].native
    most = attributes["max_length"].native
    return PinEntry(
        label=_text(record["common"]["label"].native),
        auth_id=record["authentication"]["auth_id"].native,
        reference=_reference(attributes["reference"].native),
        flags=frozenset(attributes["flags"].native),
        type=attributes["type"].native,
        min_length=attributes["min_length"].native,
        max_length=stored if most is None else most,
        stored_length=stored,
        pad_char=attributes["pad_char"].native or b"\xff",
    )


def _path(path: asn1.Path) -> Path:
    offset, length = path["index"].native or 0, path["length"].native
    if offset < 0 or (length is not None and length <= 0):
        raise ValueError("negative offset")
    return Path(_checked_path(path["ef_id_or_path"].native, may_be_empty=True), offset, length)


def _checked_path(path: bytes, *, may_be_empty: bool = False) -> bytes:
    if len(path) % 2 or len(path) > MAX_PATH_BYTES or not (path or may_be_empty):
        raise CardError(tr("{path!r} is no file path", path=path[:MAX_PATH_BYTES].hex().upper()))
    return path


def _reference(value: int | None) -> int:
    """One byte, whichever way its INTEGER was made: 0200 81 and 01 81 are both 81."""
    if value is None or not -0x80 <= value <= 0xFF:
        raise ValueError("not a reference")
    return value & 0xFF


def _text(value: str | None) -> str:
    return (value or "")[:MAX_LABEL_CHARACTERS].strip()

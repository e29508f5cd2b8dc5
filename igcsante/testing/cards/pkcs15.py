"""PKCS#15 directory files of a CPx card, in DER (PKCS#15 v1.1 §6, ISO/IEC 7816-15).

The encoders give, for the same values, the very bytes that the official middleware was
seen to accept (facts sheet card.md §15).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .der import bit_string, integer, octets, tlv, utf8

SEQUENCE = 0x30
ALPHANUMERIC_PIN = 1  # PinType ascii-numeric

# Bits of PKCS#15 BIT STRINGs, most significant first.
PRIVATE, MODIFIABLE = 0, 1  # CommonObjectFlags
ENCRYPT, DECRYPT, SIGN, UNWRAP, VERIFY, NON_REPUDIATION = 0, 1, 2, 5, 6, 9  # KeyUsageFlags
SENSITIVE, ALWAYS_SENSITIVE, NEVER_EXTRACTABLE, LOCAL = 0, 2, 3, 4  # KeyAccessFlags
INITIALIZED, UNBLOCKING_PIN, SO_PIN = 4, 6, 7  # PinFlags
LOGIN_REQUIRED, RANDOM_GENERATOR = 1, 2  # TokenFlags

COMPUTE_SIGNATURE, DECIPHER, HASH = 1, 5, 6  # Operations

# PKCS#11 v2.40 mechanisms, and their object identifiers.
CKM_RSA_PKCS, CKM_SHA1_RSA_PKCS, CKM_SHA256_RSA_PKCS = 0x01, 0x06, 0x40
CKM_SHA_1, CKM_SHA256 = 0x220, 0x250
_OBJECT_IDENTIFIERS = {
    CKM_RSA_PKCS: bytes.fromhex("2A864886F70D010101"),
    CKM_SHA1_RSA_PKCS: bytes.fromhex("2A864886F70D010105"),
    CKM_SHA256_RSA_PKCS: bytes.fromhex("2A864886F70D01010B"),
    CKM_SHA_1: bytes.fromhex("2B0E03021A"),
    CKM_SHA256: bytes.fromhex("608648016503040201"),
}

_ODF_TAGS = {"aodf": 0xA8, "prkdf": 0xA0, "pukdf": 0xA1, "cdf": 0xA4, "dodf": 0xA7}


@dataclass(frozen=True)
class Pin:
    """An AODF entry: ``length`` digits exactly; ``unblocked_by`` the PUK's authId."""

    label: str
    auth_id: bytes
    reference: int
    length: int
    flags: tuple[int, ...] = (INITIALIZED,)
    unblocked_by: bytes = b""


@dataclass(frozen=True)
class Key:
    """A PrKDF or PuKDF entry of an RSA-2048 key."""

    label: str
    identifier: bytes
    reference: int
    usage: tuple[int, ...]
    path: bytes
    access: tuple[int, ...]
    auth_id: bytes = b""


@dataclass(frozen=True)
class Certificate:
    """A CDF entry: an X.509 certificate in a file of its own."""

    label: str
    identifier: bytes
    path: bytes


@dataclass(frozen=True)
class Algorithm:
    """What TokenInfo tells of one: PKCS#11 mechanism, operation, reference in MSE."""

    mechanism: int
    operation: int
    reference: int


@dataclass(frozen=True)
class DataObject:
    """A DODF entry; ``auth_id`` is set when the PIN guards it."""

    label: str
    path: bytes
    modifiable: bool = False
    auth_id: bytes = b""


def token_info(manufacturer: str, label: str, algorithms: Sequence[Algorithm] = ()) -> bytes:
    """EF.TokenInfo: ``label`` is what PKCS#11 shows as the token's name."""
    supported = [_algorithm(number, item) for number, item in enumerate(algorithms, 1)]
    return tlv(
        SEQUENCE,
        tlv(0x02, b"\x00"),
        utf8(manufacturer),
        tlv(0x80, label.encode()),
        bit_string(LOGIN_REQUIRED, RANDOM_GENERATOR),
        tlv(0xA2, *supported) if supported else b"",
    )


def object_directory(paths: dict[str, bytes]) -> bytes:
    """EF.ODF from the paths of ``aodf``, ``prkdf``, ``pukdf``, ``cdf``, ``dodf``."""
    return b"".join(
        tlv(tag, _path(paths[name])) for name, tag in _ODF_TAGS.items() if name in paths
    )


def authentication_directory(pins: list[Pin]) -> bytes:
    """EF.AODF."""
    return b"".join(_pin(pin) for pin in pins)


def key_directory(keys: list[Key]) -> bytes:
    """EF.PrKDF, or EF.PuKDF."""
    return b"".join(_key(key) for key in keys)


def certificate_directory(certificates: list[Certificate]) -> bytes:
    """EF.CDF."""
    return b"".join(
        tlv(
            SEQUENCE,
            _common(certificate.label),
            tlv(SEQUENCE, octets(certificate.identifier)),
            tlv(0xA1, tlv(SEQUENCE, _path(certificate.path))),
        )
        for certificate in certificates
    )


def data_directory(objects: list[DataObject]) -> bytes:
    """EF.DODF; the application name of every object is CPS."""
    return b"".join(
        tlv(
            SEQUENCE,
            _common(entry.label, *((MODIFIABLE,) if entry.modifiable else ()), auth=entry.auth_id),
            tlv(SEQUENCE, utf8("CPS")),
            tlv(0xA1, _path(entry.path)),
        )
        for entry in objects
    )


def _algorithm(number: int, algorithm: Algorithm) -> bytes:
    return tlv(
        SEQUENCE,
        integer(number),
        integer(algorithm.mechanism),
        tlv(0x05),  # no parameters
        bit_string(algorithm.operation),
        tlv(0x06, _OBJECT_IDENTIFIERS[algorithm.mechanism]),
        integer(algorithm.reference),
    )


def _pin(pin: Pin) -> bytes:
    changeable = () if SO_PIN in pin.flags else (MODIFIABLE,)
    return tlv(
        SEQUENCE,
        _common(pin.label, *changeable, auth=pin.unblocked_by, private=True),
        tlv(SEQUENCE, octets(pin.auth_id)),
        tlv(
            0xA1,
            tlv(
                SEQUENCE,
                bit_string(*pin.flags),
                tlv(0x0A, bytes([ALPHANUMERIC_PIN])),
                integer(pin.length) * 3,  # minimum, stored, maximum
                tlv(0x80, bytes([pin.reference])),
                octets(b"\xff"),  # padChar, unused: no needs-padding flag
            ),
        ),
    )


def _key(key: Key) -> bytes:
    return tlv(
        SEQUENCE,
        _common(key.label, auth=key.auth_id),
        tlv(
            SEQUENCE,
            octets(key.identifier),
            bit_string(*key.usage),
            tlv(0x01, b"\xff"),  # native
            bit_string(*key.access),
            integer(key.reference),
        ),
        tlv(0xA1, tlv(SEQUENCE, _path(key.path), integer(2048))),
    )


def _common(label: str, *flags: int, auth: bytes = b"", private: bool = False) -> bytes:
    """CommonObjectAttributes; what an authId guards is private."""
    bits = (PRIVATE, *flags) if private or auth else flags
    return tlv(SEQUENCE, utf8(label), bit_string(*bits), octets(auth) if auth else b"")


def _path(path: bytes) -> bytes:
    return tlv(SEQUENCE, octets(path))

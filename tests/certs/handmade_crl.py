"""CRLs written octet by octet: shapes that no builder makes, and long lists in no time."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from igcsante.certs.x509 import der

ECDSA_SHA256 = bytes.fromhex("300a06082a8648ce3d040302")
UTC_TIME, GENERALIZED_TIME, ENUMERATED = 0x17, 0x18, 0x0A
REASON, INVALIDITY_DATE, CERTIFICATE_ISSUER = "551d15", "551d18", "551d1d"
UNKNOWN = "2a03040506"


def sequence(*parts: bytes) -> bytes:
    return der.encoded(der.SEQUENCE, b"".join(parts))


def integer(value: int) -> bytes:
    size = (value + (value < 0)).bit_length() // 8 + 1
    return der.encoded(der.INTEGER, value.to_bytes(size, signed=True))


def time(moment: dt.datetime, *, generalized: bool = False) -> bytes:
    if generalized:
        text = f"{moment.year:04d}" + moment.strftime("%m%d%H%M%SZ")
        return der.encoded(GENERALIZED_TIME, text.encode())
    return der.encoded(UTC_TIME, moment.strftime("%y%m%d%H%M%SZ").encode())


def extension(oid: str, value: bytes, critical: bool = False) -> bytes:
    flag = b"\x01\x01\xff" if critical else b""
    identifier = der.encoded(der.OID, bytes.fromhex(oid))
    return sequence(identifier, flag, der.encoded(der.OCTET_STRING, value))


def reason(code: int, critical: bool = False) -> bytes:
    return extension(REASON, bytes((ENUMERATED, 1, code)), critical)


def entry(serial: int, date: bytes, *extensions: bytes) -> bytes:
    return sequence(integer(serial), date, *([sequence(*extensions)] if extensions else []))


def crl(
    issuer: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    entries: Iterable[bytes] | None,
    *,
    number: int | None = 1,
    this_update: dt.datetime,
    next_update: dt.datetime,
    extensions: Iterable[tuple[x509.ExtensionType, bool]] = (),
) -> bytes:
    """DER of a CRL; without revokedCertificates when ``entries`` is None."""
    told: list[tuple[Any, bool]] = list(extensions)
    if number is not None:
        told.append((x509.CRLNumber(number), False))
    written = [extension(_oid(value), value.public_bytes(), critical) for value, critical in told]
    signed = sequence(
        integer(1),
        ECDSA_SHA256,
        issuer.public_bytes(),
        time(this_update),
        time(next_update),
        b"" if entries is None else sequence(*entries),
        der.encoded(0xA0, sequence(*written)) if written else b"",
    )
    signature = key.sign(signed, ec.ECDSA(hashes.SHA256()))
    return sequence(signed, ECDSA_SHA256, der.encoded(der.BIT_STRING, b"\0" + signature))


def _oid(value: Any) -> str:
    first, second, *others = map(int, value.oid.dotted_string.split("."))
    octets = [40 * first + second]
    for arc in others:
        groups = [arc & 0x7F]
        while arc := arc >> 7:
            groups.append(arc & 0x7F | 0x80)
        octets += reversed(groups)
    return bytes(octets).hex()

"""Certificates and files for cards that the tests make up."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

UPN = x509.ObjectIdentifier("1.3.6.1.4.1.311.20.2.3")
CARD_NUMBER = x509.ObjectIdentifier("1.2.250.1.71.1.2.3")


@cache
def key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 2048)


def authentication_certificate(
    common_name: str = "899700735741", upn: str | None = "8.99700735741@carte-cps.fr"
) -> bytes:
    """DER shaped like a card's authentication certificate (card.md §4.2)."""
    subject = x509.Name(
        [
            x509.RelativeDistinguishedName([x509.NameAttribute(NameOID.COUNTRY_NAME, "FR")]),
            x509.RelativeDistinguishedName([x509.NameAttribute(NameOID.TITLE, "Médecin")]),
            x509.RelativeDistinguishedName(
                [
                    x509.NameAttribute(NameOID.SURNAME, "DOC0073574"),
                    x509.NameAttribute(NameOID.GIVEN_NAME, "KIT"),
                    x509.NameAttribute(NameOID.COMMON_NAME, common_name),
                ]
            ),
        ]
    )
    usage = dict.fromkeys(
        (
            "content_commitment",
            "key_encipherment",
            "data_encipherment",
            "key_agreement",
            "key_cert_sign",
            "crl_sign",
            "encipher_only",
            "decipher_only",
        ),
        False,
    )
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "TEST")]))
        .public_key(key().public_key())
        .serial_number(1)
        .not_valid_before(datetime(2026, 1, 1, tzinfo=UTC))
        .not_valid_after(datetime(2029, 1, 1, tzinfo=UTC))
        .add_extension(x509.KeyUsage(digital_signature=True, **usage), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
        .add_extension(
            x509.UnrecognizedExtension(CARD_NUMBER, b"\x13\x158025000001/2500634598"),
            critical=False,
        )
    )
    if upn:
        value = b"\x0c" + bytes((len(upn),)) + upn.encode()
        name = x509.OtherName(UPN, value)
        builder = builder.add_extension(x509.SubjectAlternativeName([name]), critical=False)
    return builder.sign(key(), hashes.SHA256()).public_bytes(Encoding.DER)


def der(tag: int, *parts: bytes) -> bytes:
    content = b"".join(parts)
    assert len(content) < 256
    length = bytes((len(content),)) if len(content) < 128 else bytes((0x81, len(content)))
    return bytes((tag,)) + length + content


def pin_object(
    *,
    least: int = 4,
    most: int | None = 4,
    stored: int = 4,
    flags: str = "0308",
    reference: int = 1,
    kind: int = 1,
    extra: bytes = b"",
) -> bytes:
    """A record of the AODF."""
    return der(
        0x30,
        der(0x30, der(0x0C, b"PIN"), der(0x03, b"\x06\xc0")),
        der(0x30, der(0x04, b"\x01")),
        der(
            0xA1,
            der(
                0x30,
                der(0x03, bytes.fromhex(flags)),
                der(0x0A, bytes((kind,))),
                der(0x02, bytes((least,))),
                der(0x02, bytes((stored,))),
                der(0x02, bytes((most,))) if most is not None else b"",
                der(0x80, bytes((reference,))),
                der(0x04, b"\xff"),
                extra,
            ),
        ),
    )

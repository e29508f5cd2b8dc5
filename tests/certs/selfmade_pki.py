"""A PKI made on the spot for the tests of certificates: every field can be made wrong."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier

START = dt.datetime(2025, 1, 1, tzinfo=dt.UTC)
AT = dt.datetime(2025, 6, 1, 12, tzinfo=dt.UTC)
END = dt.datetime(2028, 1, 1, tzinfo=dt.UTC)
DAY = dt.timedelta(days=1)

CLIENT = (ExtendedKeyUsageOID.CLIENT_AUTH,)
Extension = tuple[x509.ExtensionType, bool]


@lru_cache(maxsize=64)
def ec_key(label: str) -> ec.EllipticCurvePrivateKey:
    """One key per label: cheap to make, so that each CA has its own."""
    return ec.generate_private_key(ec.SECP256R1())


@lru_cache(maxsize=4)
def rsa_key(label: str, bits: int = 2048) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, bits)


def name(common_name: str, organisation: str = "TESTS") -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.COUNTRY_NAME, "FR"),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, organisation),
            x509.NameAttribute(NameOID.COMMON_NAME, common_name),
        ]
    )


def usages(*which: str) -> x509.KeyUsage:
    every = [
        *("digital_signature", "content_commitment", "key_encipherment", "data_encipherment"),
        *("key_agreement", "key_cert_sign", "crl_sign", "encipher_only", "decipher_only"),
    ]
    assert set(which) <= set(every)
    return x509.KeyUsage(**{usage: usage in which for usage in every})


def key_id(key: Any) -> bytes:
    return x509.SubjectKeyIdentifier.from_public_key(key.public_key()).digest


def certificate(
    subject: x509.Name,
    key: Any,
    issuer: x509.Name,
    issuer_key: Any,
    *,
    extensions: Iterable[Extension] = (),
    serial: int | None = None,
    not_before: dt.datetime = START,
    not_after: dt.datetime = END,
    algorithm: hashes.HashAlgorithm | None = None,
    authority_key_id: bytes | None = None,
    key_ids: bool = True,
) -> x509.Certificate:
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(serial or x509.random_serial_number())
        .not_valid_before(not_before)
        .not_valid_after(not_after)
    )
    if key_ids:
        aki = authority_key_id or key_id(issuer_key)
        builder = builder.add_extension(x509.SubjectKeyIdentifier(key_id(key)), False)
        builder = builder.add_extension(x509.AuthorityKeyIdentifier(aki, None, None), False)
    for value, critical in extensions:
        builder = builder.add_extension(value, critical)
    return builder.sign(issuer_key, algorithm or hashes.SHA256())


@dataclass
class Authority:
    """A CA: its key, its certificate, and what it signs."""

    subject: x509.Name
    key: Any
    certificate: x509.Certificate

    @classmethod
    def root(cls, common_name: str = "ROOT", *, key: Any = None, **options: Any) -> Authority:
        key = key or ec_key(common_name)
        subject = options.pop("subject", name(common_name))
        made = certificate(subject, key, subject, key, **{"extensions": ca_extensions(), **options})
        return cls(subject, key, made)

    def authority(self, common_name: str, *, key: Any = None, **options: Any) -> Authority:
        """A CA under this one."""
        key = key or ec_key(common_name)
        subject = options.pop("subject", name(common_name))
        made = certificate(
            subject,
            key,
            self.subject,
            self.key,
            **{"extensions": ca_extensions(path_length=0), **options},
        )
        return Authority(subject, key, made)

    def leaf(self, common_name: str = "leaf", *, key: Any = None, **options: Any):
        subject = options.pop("subject", name(common_name))
        defaults = {"extensions": leaf_extensions(options.pop("crl_urls", ()))}
        return certificate(
            subject, key or ec_key("leaf"), self.subject, self.key, **{**defaults, **options}
        )

    def crl(
        self,
        revoked: Sequence[int | x509.RevokedCertificate] = (),
        *,
        number: int | None = 1,
        this_update: dt.datetime = AT - DAY,
        next_update: dt.datetime | None = AT + 5 * DAY,
        extensions: Iterable[Extension] = (),
        key: Any = None,
        algorithm: hashes.HashAlgorithm | None = None,
        key_ids: bool = True,
    ) -> bytes:
        """DER of a CRL of this CA."""
        from cryptography.hazmat.primitives.serialization import Encoding

        key = key or self.key
        builder = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(self.subject)
            .last_update(this_update)
            .next_update(next_update or this_update + DAY)
        )
        if key_ids:
            aki = x509.AuthorityKeyIdentifier(key_id(key), None, None)
            builder = builder.add_extension(aki, False)
        if number is not None:
            builder = builder.add_extension(x509.CRLNumber(number), False)
        for value, critical in extensions:
            builder = builder.add_extension(value, critical)
        for item in revoked:
            entry = item if isinstance(item, x509.RevokedCertificate) else revoked_entry(item)
            builder = builder.add_revoked_certificate(entry)
        return builder.sign(key, algorithm or hashes.SHA256()).public_bytes(Encoding.DER)


def ca_extensions(
    path_length: int | None = None, *, ca: bool = True, usage: x509.KeyUsage | None = None
) -> list[Extension]:
    return [
        (x509.BasicConstraints(ca, path_length), True),
        (usage or usages("key_cert_sign", "crl_sign"), True),
    ]


def leaf_extensions(crl_urls: Sequence[str] = ()) -> list[Extension]:
    made: list[Extension] = [
        (x509.BasicConstraints(False, None), False),
        (usages("digital_signature"), True),
        (x509.ExtendedKeyUsage(CLIENT), False),
    ]
    if crl_urls:
        made.append((distribution_points(crl_urls), False))
    return made


def distribution_points(urls: Sequence[str]) -> x509.CRLDistributionPoints:
    return x509.CRLDistributionPoints(
        [
            x509.DistributionPoint([x509.UniformResourceIdentifier(url)], None, None, None)
            for url in urls
        ]
    )


def revoked_entry(
    serial: int,
    date: dt.datetime = AT - 2 * DAY,
    *extensions: Extension,
) -> x509.RevokedCertificate:
    builder = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(date)
    for value, critical in extensions:
        builder = builder.add_extension(value, critical)
    return builder.build()


def unknown_extension(critical: bool, oid: str = "1.2.3.4.5.6") -> Extension:
    return x509.UnrecognizedExtension(ObjectIdentifier(oid), b"\x05\x00"), critical

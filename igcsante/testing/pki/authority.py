"""One simulated authority: its key, its certificate, what it signs.

Its CRL is a function of what is revoked and of the time: two calls at the same time give
the same bytes, and its number only grows (RFC 5280 §5.2.3). Dates and shape as observed:
intermediates every midnight for six days, roots every month for 45 days, AKI and number
only (facts sheet pki.md §4). No delta CRL of the ANS was ever seen: ours, for a day, adds to
the list of the last midnight what was revoked since.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding

from .extensions import crl_distribution_point, key_usage, policies
from .hierarchy import AuthorityName
from .revocations import Revocation

PUBLIC_EXPONENT = 65537
LIFETIME_YEARS = 20
ANY_POLICY = x509.ObjectIdentifier("2.5.29.32.0")
CRL_LIFETIME = timedelta(days=6)
ROOT_CRL_LIFETIME = timedelta(days=45)
DELTA_LIFETIME = timedelta(days=1)

AuthorityKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey


@dataclass(frozen=True)
class Authority:
    """A certificate authority with its key. ``delta_urls``: where its delta CRLs are."""

    name: AuthorityName
    certificate: x509.Certificate
    private_key: AuthorityKey
    delta_urls: tuple[str, ...] = ()

    @property
    def serial_prefix(self) -> bytes:
        """The 8 bytes that start every serial number it gives (constant per CA, pki.md §3)."""
        digest = _key_identifier(self.private_key).digest
        return bytes([0x10 | digest[0] & 0x6F]) + digest[1:8]

    def issued(self, serial: int) -> bool:
        """Whether it is the one that gave this serial number."""
        return serial >> 64 == int.from_bytes(self.serial_prefix, "big")

    def new_serial(self) -> int:
        """A serial number of 16 bytes: the constant prefix, then 64 random bits."""
        return int.from_bytes(self.serial_prefix + secrets.token_bytes(8), "big")

    def sign(self, builder: x509.CertificateBuilder) -> x509.Certificate:
        """``builder`` with issuer, AKI and signature (SHA-256)."""
        return (
            builder.issuer_name(self.certificate.subject)
            .add_extension(_authority_key(self.private_key), critical=False)
            .sign(self.private_key, hashes.SHA256())
        )

    def crl(self, revocations: Sequence[Revocation], at: datetime) -> bytes:
        """The CRL in force at ``at``, DER; revocations later than ``at`` are not in it yet."""
        known = [item for item in revocations if item.date <= at]
        lifetime = ROOT_CRL_LIFETIME if self.name.is_root else CRL_LIFETIME
        return self._signed_list(known, self._number(known, at), self._period(at), lifetime)

    def delta_crl(self, revocations: Sequence[Revocation], at: datetime) -> bytes:
        """The delta CRL in force at ``at``, DER: what the CRL has and its period's first had not.

        Its number is that of the CRL made at the same time (RFC 5280 §5.2.4).
        """
        known = [item for item in revocations if item.date <= at]
        period = self._period(at)
        base = [item for item in known if item.date <= period]
        return self._signed_list(
            [item for item in known if item.date > period],
            self._number(known, at),
            period,
            DELTA_LIFETIME,
            base_number=self._number(base, period),
        )

    def _period(self, at: datetime) -> datetime:
        """When the last regular CRL was made: at midnight, of the first of the month for a root."""
        midnight = at.replace(hour=0, minute=0, second=0, microsecond=0)
        return midnight.replace(day=1) if self.name.is_root else midnight

    def _number(self, known: Sequence[Revocation], at: datetime) -> int:
        """One more with each period and each revocation."""
        start, period = self.certificate.not_valid_before_utc, self._period(at)
        months = (period.year - start.year) * 12 + period.month - start.month
        return 1 + (months if self.name.is_root else (period - start).days) + len(known)

    def _signed_list(
        self,
        entries: Sequence[Revocation],
        number: int,
        period: datetime,
        lifetime: timedelta,
        base_number: int | None = None,
    ) -> bytes:
        this_update = max([period, *(item.date for item in entries)])
        builder = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(self.certificate.subject)
            .last_update(this_update)
            .next_update(this_update + lifetime)
            .add_extension(_authority_key(self.private_key), critical=False)
            .add_extension(x509.CRLNumber(number), critical=False)
        )
        if base_number is not None:
            builder = builder.add_extension(x509.DeltaCRLIndicator(base_number), critical=True)
        for item in entries:
            builder = builder.add_revoked_certificate(item.entry())
        return builder.sign(self.private_key, hashes.SHA256()).public_bytes(Encoding.DER)


def root_authority(name: AuthorityName, key: AuthorityKey, start: datetime) -> Authority:
    """A self-signed root, valid 20 years from ``start``."""
    builder = _authority_builder(name, key, start, _years_after(start, LIFETIME_YEARS))
    certificate = (
        builder.issuer_name(name.subject)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(_authority_key(key), critical=False)
        .sign(key, hashes.SHA256())
    )
    return Authority(name, certificate, key)


def intermediate_authority(
    name: AuthorityName, key: AuthorityKey, root: Authority, base_url: str
) -> Authority:
    """An intermediate under ``root``, valid as long, less a day."""
    start = root.certificate.not_valid_before_utc
    end = root.certificate.not_valid_after_utc - timedelta(days=1)
    builder = (
        _authority_builder(name, key, start, end)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(crl_distribution_point(root.name, base_url), critical=False)
    )
    return Authority(name, root.sign(builder), key)


def _authority_builder(
    name: AuthorityName, key: AuthorityKey, start: datetime, end: datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(name.subject)
        .public_key(key.public_key())
        .serial_number(int.from_bytes(b"\x11\x20" + secrets.token_bytes(16), "big"))
        .not_valid_before(start)
        .not_valid_after(end)
        .add_extension(key_usage("key_cert_sign", "crl_sign"), critical=True)
        .add_extension(policies(ANY_POLICY), critical=False)
        .add_extension(_key_identifier(key), critical=False)
    )


def _years_after(moment: datetime, years: int) -> datetime:
    return moment.replace(year=moment.year + years)


def _key_identifier(key: AuthorityKey) -> x509.SubjectKeyIdentifier:
    return x509.SubjectKeyIdentifier.from_public_key(key.public_key())


def _authority_key(key: AuthorityKey) -> x509.AuthorityKeyIdentifier:
    return x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key())

"""What looks wrong with a certificate, a request, a list or a key, and how sure that is.

Each piece of advice says what it rests on, by the marks of the facts sheet pki.md: printed by
the ANS, observed in real certificates, told by others, inferred, or a public standard.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes

from ...instants import shown
from ...messages import joined, plural, tr
from ..anchors import pinned_entry
from ..nomenclatures import PRODUCTION_POLICY_USAGES, TEST_POLICY
from ..policy import ANY_POLICY
from ..profile import CertificateProfile
from ..profile_checks import CUT
from ..x509 import names
from ..x509.certificate_list import Crl
from ..x509.signatures import KEY_ERRORS, AlgorithmPolicy
from .objects import PrivateKey

SOON = timedelta(days=30)
INSI_NAMES = ("INSI-AUTO", "INSI-MANU")  # pki.md §3, secondary

_LEGACY_POLICIES = {"1.2.250.1.71.3.7.4", "1.2.250.1.71.3.7.8.0.0.0.1"}  # pki.md §3.1
_KNOWN_POLICIES = {*PRODUCTION_POLICY_USAGES, TEST_POLICY, ANY_POLICY, *_LEGACY_POLICIES}


class Level(StrEnum):
    """How bad it is. Worst first."""

    PROBLEM = "problem"
    WARNING = "warning"
    NOTE = "note"


class Basis(StrEnum):
    """What a piece of advice rests on."""

    OFFICIAL = "official"
    OBSERVED = "observed"
    SECONDARY = "secondary"
    INFERRED = "inferred"
    STANDARD = "standard"


@dataclass(frozen=True)
class Advice:
    """A stable ``code`` for programs, a ``message`` for people; no ``basis`` for plain facts."""

    code: str
    level: Level
    message: str
    basis: Basis | None = None

    def to_dict(self) -> dict[str, str | None]:
        return {
            "code": self.code,
            "level": str(self.level),
            "message": self.message,
            "basis": str(self.basis) if self.basis else None,
        }


def about_certificate(
    certificate: x509.Certificate,
    profile: CertificateProfile,
    at: datetime,
    *,
    world: str | None = None,
) -> tuple[Advice, ...]:
    """What to know before using it at the time ``at``; ``world`` is the one that is expected."""
    found = [
        *_validity(profile.not_before, profile.not_after, at),
        *_world(certificate, profile, world),
        *_as_decoded(profile),
        *_issuer(certificate, profile),
        *_algorithms(certificate),
        *_names(profile),
        *_policies(profile),
        *_publication(certificate, profile),
    ]
    return _worst_first(found)


def about_request(request: x509.CertificateSigningRequest) -> tuple[Advice, ...]:
    """What to know before sending a certificate request."""
    found = list(_algorithms(request))
    try:
        valid = request.is_signature_valid
    except KEY_ERRORS:
        valid = False
    if not valid:
        message = tr("its signature is not that of its own key: no authority will take it")
        found.append(Advice("signature.bad", Level.PROBLEM, message, Basis.STANDARD))
    return _worst_first(found)


def about_key(key: PrivateKey, mode: int | None) -> tuple[Advice, ...]:
    """What to know of a private key in a file with that mode (POSIX), None where there is none."""
    found = []
    if not key.encrypted and mode is not None and mode & 0o077:
        message = tr(
            "readable by others than its owner (mode {mode:04o}): chmod 600", mode=mode & 0o777
        )
        found.append(Advice("key.readable", Level.PROBLEM, message))
    if key.algorithm and key.algorithm.startswith("RSA "):
        bits = int(key.algorithm.removeprefix("RSA "))
        if bits < AlgorithmPolicy().minimum_rsa_bits:
            found.append(_weak(tr("an RSA key of {bits} bits", bits=bits)))
    return _worst_first(found)


def about_crl(crl: Crl, at: datetime) -> tuple[Advice, ...]:
    """What to know before using a revocation list at the time ``at``."""
    found = []
    if crl.problem:
        found.append(Advice("crl.unusable", Level.PROBLEM, crl.problem, Basis.STANDARD))
    if weakness := crl.weakness(AlgorithmPolicy()):
        found.append(_weak(weakness))
    if crl.this_update > at:
        message = tr(
            "made later than {at}: it says nothing of that time", at=shown(at, seconds=True)
        )
        found.append(Advice("crl.later", Level.PROBLEM, message, Basis.STANDARD))
    if crl.next_update is None:
        message = tr("it doesn't say until when it holds")
        found.append(Advice("crl.no_end", Level.WARNING, message, Basis.STANDARD))
    elif crl.next_update < at:
        message = tr("outdated since {next_update}", next_update=shown(crl.next_update))
        found.append(Advice("crl.outdated", Level.PROBLEM, message, Basis.STANDARD))
    return _worst_first(found)


# -- certificates ----------------------------------------------------------------------------


def _validity(start: datetime, end: datetime, at: datetime) -> Iterator[Advice]:
    if at > end:
        message = tr("expired on {end}, {at} ago", end=shown(end), at=_days(at - end))
        yield Advice("validity.expired", Level.PROBLEM, message)
    elif at < start:
        message = tr(
            "not valid before {start}, in {start_2}", start=shown(start), start_2=_days(start - at)
        )
        yield Advice("validity.not_yet", Level.PROBLEM, message)
    elif end - at <= SOON:
        message = tr(
            "expires on {end}, in {end_2}: time to order the next one",
            end=shown(end),
            end_2=_days(end - at),
        )
        yield Advice("validity.soon", Level.WARNING, message)


def _world(
    certificate: x509.Certificate, profile: CertificateProfile, expected: str | None
) -> Iterator[Advice]:
    if expected and profile.world != expected:
        what = {"test": tr("a TEST certificate"), "production": tr("a production certificate")}
        told = what.get(profile.world, tr("a certificate of no known world"))
        message = tr(
            "by what it says itself, {told} where one of {expected} is expected",
            told=told,
            expected=expected,
        )
        yield Advice("world.other", Level.PROBLEM, message, Basis.OBSERVED)
    elif expected and pinned_entry(certificate) is None:
        message = tr(
            "by what it says itself, it is of {expected}: igc check --world verifies that",
            expected=expected,
        )
        yield Advice("world.claimed", Level.NOTE, message)
    if profile.world == "test" and expected in (None, "test"):
        message = tr("a TEST certificate: it has no place in production")
        yield Advice("world.test", Level.NOTE, message, Basis.OBSERVED)
    if profile.hierarchy == "IGC-CPS":
        message = tr("issued by the legacy IGC-CPS, which is inactive since January 2021")
        yield Advice("hierarchy.legacy", Level.WARNING, message, Basis.OFFICIAL)


def _as_decoded(profile: CertificateProfile) -> Iterator[Advice]:
    for conflict in profile.conflicts:
        yield Advice("profile.conflict", Level.PROBLEM, conflict, Basis.OBSERVED)
    for warning in profile.warnings:
        if warning == CUT:
            yield Advice("name.cut", Level.NOTE, warning, Basis.INFERRED)
        elif warning not in profile.conflicts:
            yield Advice("profile.warning", Level.WARNING, warning)


def _issuer(certificate: x509.Certificate, profile: CertificateProfile) -> Iterator[Advice]:
    if profile.hierarchy != "IGC-SANTE":
        return
    units = names.issuer_attributes(certificate).get(names.UNIT, ())
    if "RECETTE" in units:
        message = tr(
            "issued by an internal test authority of the ANS (OU=RECETTE), not by the public "
            "TEST one"
        )
        yield Advice(
            "issuer.internal",
            Level.WARNING,
            message,
            Basis.OBSERVED,
        )
    if not profile.authority:
        return
    pin = pinned_entry(certificate)
    if pin is not None:
        basis = Basis.OFFICIAL if pin.source == "official" else Basis.OBSERVED
        yield Advice(
            "anchor.pinned", Level.NOTE, tr("its fingerprint is that of {pin}", pin=pin.name), basis
        )
    else:
        missing = tr("; not all of TEST are known") if profile.world == "test" else ""
        message = tr(
            "an authority of that name, with none of the known fingerprints{missing}",
            missing=missing,
        )
        yield Advice("anchor.unknown", Level.WARNING, message)


def _algorithms(signed: x509.Certificate | x509.CertificateSigningRequest) -> Iterator[Advice]:
    policy = AlgorithmPolicy()
    try:
        key: PublicKeyTypes | None = signed.public_key()
        algorithm: hashes.HashAlgorithm | None = signed.signature_hash_algorithm
    except KEY_ERRORS as error:
        message = tr("its key or signature is of a kind that is not read: {error}", error=error)
        yield Advice("algorithm.unknown", Level.PROBLEM, message)
        return
    for weakness in (key and policy.key_weakness(key), policy.hash_weakness(algorithm)):
        if weakness:
            yield _weak(weakness)


def _weak(weakness: str) -> Advice:
    message = tr(
        "{weakness}: not believed any more, unless a policy says so (legacy)", weakness=weakness
    )
    return Advice("algorithm.weak", Level.PROBLEM, message)


def _names(profile: CertificateProfile) -> Iterator[Advice]:
    if profile.authority:
        return
    if profile.usage == "AUTH_CLI":
        yield from _insi(profile.common_name)
    alternative = profile.dns_names or profile.emails or profile.upn
    if profile.usage == "AUTH" and not profile.upn:
        message = tr("no user principal name, unlike every such certificate that was seen")
        yield Advice("name.no_upn", Level.WARNING, message, Basis.OBSERVED)
    elif profile.usage in ("AUTH_CLI", "SIGN", "CONF") and not alternative:
        message = tr(
            "no subjectAltName, as usual for it; verifiers made for the web refuse it (such as "
            "the default one of Python's cryptography)"
        )
        yield Advice("name.no_san", Level.NOTE, message, Basis.OBSERVED)


def _insi(common_name: str) -> Iterator[Advice]:
    """The rule is told by a third party only (pki.md §3), so nothing here is certain."""
    wanted = joined(tr(" or "), INSI_NAMES)
    if common_name in INSI_NAMES:
        message = tr("the INSi service is said to want this very CN ({wanted})", wanted=wanted)
        yield Advice("name.insi", Level.NOTE, message, Basis.SECONDARY)
    elif "INSI" in common_name.upper():
        message = tr(
            "the INSi service is said to want exactly {wanted} for CN, else DESIR_560",
            wanted=wanted,
        )
        yield Advice("name.insi", Level.WARNING, message, Basis.SECONDARY)
    else:
        message = tr(
            "not for the INSi service, which is said to want {wanted} for CN", wanted=wanted
        )
        yield Advice("name.insi", Level.NOTE, message, Basis.SECONDARY)


def _policies(profile: CertificateProfile) -> Iterator[Advice]:
    if profile.hierarchy == "other":
        return
    if not profile.policies:
        message = tr("it states no certificate policy, unlike all that were seen")
        yield Advice("policy.none", Level.WARNING, message, Basis.OBSERVED)
    for policy in profile.policies:
        if policy in _KNOWN_POLICIES:
            continue
        if profile.world == "production" and profile.is_person:
            message = tr(
                "policy {policy}: those of production persons and cards are not public",
                policy=policy,
            )
            yield Advice("policy.unknown", Level.NOTE, message, Basis.OBSERVED)
        else:
            message = tr("policy {policy} is none of those that were seen", policy=policy)
            yield Advice("policy.unknown", Level.WARNING, message, Basis.OBSERVED)


def _publication(certificate: x509.Certificate, profile: CertificateProfile) -> Iterator[Advice]:
    try:
        is_root = certificate.subject == certificate.issuer
    except names.PARSE_ERRORS:
        is_root = False
    if not is_root and not profile.crl_urls and not profile.ocsp_url:
        message = tr("it says nowhere whether it is revoked: a check needs its CRL given")
        yield Advice("revocation.unpublished", Level.WARNING, message)


def _days(span: timedelta) -> str:
    return plural("{count} day", "{count} days", span.days)


def _worst_first(found: list[Advice]) -> tuple[Advice, ...]:
    order = list(Level)
    return tuple(sorted(found, key=lambda advice: order.index(advice.level)))

"""From a certificate up to an anchor, and what is wrong on the way (RFC 5280 §6.1).

Issuers are found by full name and key identifier, never by common name alone: the ANS has
several CAs of the same CN, and re-keyed ones (pki.md §1.2, §1.3). Every reason is
collected. Name constraints and policy constraints are not processed yet, so a certificate
that has them is invalid here rather than accepted unread.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeVar

from cryptography import x509
from cryptography.x509.oid import ExtensionOID

from ..errors import UnreadableError
from ..instants import iso
from . import names, profile
from .anchors import TrustStore
from .signatures import KEY_ERRORS, AlgorithmPolicy, Signed
from .verdict import Reason

_PROCESSED = {
    ExtensionOID.BASIC_CONSTRAINTS,
    ExtensionOID.KEY_USAGE,
    ExtensionOID.EXTENDED_KEY_USAGE,
    ExtensionOID.SUBJECT_ALTERNATIVE_NAME,
    ExtensionOID.CERTIFICATE_POLICIES,
    ExtensionOID.CRL_DISTRIBUTION_POINTS,
    ExtensionOID.AUTHORITY_KEY_IDENTIFIER,
    ExtensionOID.SUBJECT_KEY_IDENTIFIER,
}
_Kind = TypeVar("_Kind", bound=x509.ExtensionType)
_CONSTRAINING = {  # unread, they would let through what a CA forbids
    ExtensionOID.NAME_CONSTRAINTS: "name constraints",
    ExtensionOID.POLICY_CONSTRAINTS: "policy constraints",
    ExtensionOID.INHIBIT_ANY_POLICY: "an inhibition of any policy",
}


@dataclass(frozen=True)
class ChainPolicy:
    """What a chain must satisfy. ``max_length`` counts certificates, both ends included."""

    algorithms: AlgorithmPolicy = field(default_factory=AlgorithmPolicy)
    max_length: int = 8
    max_candidates: int = 32


@dataclass(frozen=True)
class Chain:
    """Certificates from the leaf to the anchor, or as far as they go, and what is wrong.

    ``valid`` when nothing is.
    """

    certificates: tuple[x509.Certificate, ...]
    reasons: tuple[Reason, ...] = ()

    @property
    def valid(self) -> bool:
        return not self.reasons


def build_chain(
    leaf: x509.Certificate,
    store: TrustStore,
    untrusted: Iterable[x509.Certificate] = (),
    *,
    at: datetime,
    policy: ChainPolicy | None = None,
) -> Chain:
    """The first valid chain from ``leaf`` to a root of ``store``; else the least wrong one.

    ``at`` is timezone-aware. Never raises: a certificate that can't be read is a reason.
    """
    policy = policy or ChainPolicy()
    pool = by_subject((*store.roots, *store.intermediates, *untrusted))
    best: Chain | None = None
    for tried, path in enumerate(_paths((leaf,), pool, frozenset(store.roots), policy), 1):
        chain = Chain(path, tuple(_reasons(path, store, pool, at, policy)))
        if chain.valid:
            return chain
        if best is None or _wrongness(chain, store) < _wrongness(best, store):
            best = chain
        if tried >= policy.max_candidates:
            break
    return best or Chain((leaf,), (_no_issuer(leaf, pool),))


def issuers_of(certificate: x509.Certificate, store: TrustStore) -> tuple[x509.Certificate, ...]:
    """What to show beside a certificate: its issuers as far as they are known, roots left out.

    Nothing is verified: whoever receives the chain does that.
    """
    pool = by_subject((*store.roots, *store.intermediates))
    path = next(_paths((certificate,), pool, frozenset(store.roots), ChainPolicy()))
    return tuple(item for item in path[1:] if item not in store.roots)


def _wrongness(chain: Chain, store: TrustStore) -> tuple[bool, int, int]:
    return (chain.certificates[-1] not in store.roots, len(chain.reasons), -len(chain.certificates))


# -- finding issuers -------------------------------------------------------------------------


Pool = dict[x509.Name, list[x509.Certificate]]


def by_subject(certificates: Iterable[x509.Certificate]) -> Pool:
    """Certificates by subject name; those whose name can't be read are left out."""
    pool: Pool = {}
    for certificate in dict.fromkeys(certificates):
        with contextlib.suppress(*names.PARSE_ERRORS):
            pool.setdefault(certificate.subject, []).append(certificate)
    return pool


def _paths(
    path: tuple[x509.Certificate, ...],
    pool: Pool,
    roots: frozenset[x509.Certificate],
    policy: ChainPolicy,
) -> Iterator[tuple[x509.Certificate, ...]]:
    """Paths that reach a root, or stop where no further issuer is known; depth first."""
    last = path[-1]
    if last in roots:
        yield path
        return
    issuers = [issuer for issuer in issuer_candidates(last, pool) if issuer not in path]
    if not issuers or len(path) >= policy.max_length:
        yield path
        return
    for issuer in issuers:
        yield from _paths((*path, issuer), pool, roots, policy)


def issuer_candidates(certificate: x509.Certificate, pool: Pool) -> list[x509.Certificate]:
    """Those of ``pool`` that bear the issuer's name, and its key as far as it is told."""
    try:
        name, key_id = certificate.issuer, _authority_key_id(certificate)
    except names.PARSE_ERRORS:
        return []
    return bearers(name, key_id, pool)


def bearers(name: x509.Name, key_id: bytes | None, pool: Pool) -> list[x509.Certificate]:
    """Those of the subject ``name`` and, where both tell a key identifier, of ``key_id``."""
    return [item for item in pool.get(name, ()) if _may_have_key(item, key_id)]


def _may_have_key(certificate: x509.Certificate, key_id: bytes | None) -> bool:
    try:
        own = _subject_key_id(certificate)
    except names.PARSE_ERRORS:
        return False
    return key_id is None or own is None or own == key_id


def _no_issuer(certificate: x509.Certificate, pool: Pool) -> Reason:
    try:
        issuer = certificate.issuer
        shown = names.display(issuer)
        namesakes = [item for item in pool.get(issuer, ()) if item != certificate]
        self_issued = issuer == certificate.subject
    except names.PARSE_ERRORS:
        return Reason("chain.unreadable", "its names can't be read")
    if self_issued and not namesakes:
        return Reason("chain.untrusted", f"{shown} is self-issued and not among the anchors")
    more = " (a certificate of that name is known, with another key)" if namesakes else ""
    return Reason("chain.issuer_missing", f"no certificate of the issuer {shown}{more}")


# -- checking a path ---------------------------------------------------------------------------


def _reasons(
    path: tuple[x509.Certificate, ...],
    store: TrustStore,
    pool: Pool,
    at: datetime,
    policy: ChainPolicy,
) -> Iterator[Reason]:
    yield from _leaf_profile(path[0])
    for index, certificate in enumerate(path):
        who = names.label(certificate)
        try:
            yield from _own_reasons(certificate, who, at, policy)
            if index:
                yield from _issuer_reasons(path, index, who)
            if index + 1 < len(path):
                yield from _signature_reasons(certificate, path[index + 1], who, policy)
        except KEY_ERRORS as error:
            yield Reason("chain.unreadable", f"{who}: can't be read: {error}")
    if path[-1] not in store.roots:
        too_long = len(path) >= policy.max_length and issuer_candidates(path[-1], pool)
        yield (
            Reason("chain.too_long", f"no anchor within {policy.max_length} certificates")
            if too_long
            else _no_issuer(path[-1], pool)
        )


def _leaf_profile(leaf: x509.Certificate) -> Iterator[Reason]:
    try:
        decoded = profile.decode(leaf)
    except UnreadableError as error:
        yield Reason("chain.unreadable", error.message)
        return
    if decoded.hierarchy == "IGC-SANTE":
        for conflict in decoded.conflicts:
            yield Reason("profile.conflict", conflict)


def _own_reasons(
    certificate: x509.Certificate, who: str, at: datetime, policy: ChainPolicy
) -> Iterator[Reason]:
    if at < certificate.not_valid_before_utc:
        since = iso(certificate.not_valid_before_utc)
        yield Reason("validity.not_yet", f"{who}: not valid before {since}")
    if at > certificate.not_valid_after_utc:
        until = iso(certificate.not_valid_after_utc)
        yield Reason("validity.expired", f"{who}: expired on {until}")
    if weakness := policy.algorithms.key_weakness(certificate.public_key()):
        yield Reason("algorithm.weak", f"{who}: {weakness} is not accepted")
    for extension in certificate.extensions:
        oid = extension.oid
        if oid in _CONSTRAINING:
            yield Reason(
                "extension.unprocessed", f"{who}: has {_CONSTRAINING[oid]}, not processed yet"
            )
        elif extension.critical and oid not in _PROCESSED:
            yield Reason(
                "extension.unprocessed",
                f"{who}: has a critical extension {oid.dotted_string} that is not processed",
            )


def _issuer_reasons(path: tuple[x509.Certificate, ...], index: int, who: str) -> Iterator[Reason]:
    """RFC 5280 §6.1.4 (k) to (n), for the anchor too."""
    issuer = path[index]
    constraints = _extension(issuer, x509.BasicConstraints)
    if constraints is None or not constraints.ca:
        yield Reason("constraints.not_ca", f"{who}: is not a CA, yet issued a certificate")
    elif constraints.path_length is not None:
        below = sum(item.subject != item.issuer for item in path[1:index])
        if below > constraints.path_length:
            yield Reason(
                "constraints.path_length",
                f"{who}: allows {constraints.path_length} CAs below it, there are {below}",
            )
    usage = _extension(issuer, x509.KeyUsage)
    if usage is not None and not usage.key_cert_sign:
        yield Reason("usage.cert_sign", f"{who}: its key may not sign certificates")


def _signature_reasons(
    certificate: x509.Certificate, issuer: x509.Certificate, who: str, policy: ChainPolicy
) -> Iterator[Reason]:
    signed = Signed.of_certificate(certificate)
    if weakness := policy.algorithms.hash_weakness(signed.hash_algorithm):
        yield Reason("algorithm.weak", f"{who}: {weakness} is not accepted")
    if not signed.verifies_with(issuer.public_key()):
        yield Reason("signature.bad", f"{who}: its signature is not its issuer's")


# -- extensions ----------------------------------------------------------------------------------


def _extension(certificate: x509.Certificate, kind: type[_Kind]) -> _Kind | None:
    try:
        return certificate.extensions.get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return None


def _authority_key_id(certificate: x509.Certificate) -> bytes | None:
    found = _extension(certificate, x509.AuthorityKeyIdentifier)
    return found.key_identifier if found else None


def _subject_key_id(certificate: x509.Certificate) -> bytes | None:
    found = _extension(certificate, x509.SubjectKeyIdentifier)
    return found.digest if found else None

"""Whether a certificate is revoked, told from CRLs (RFC 5280 §6.3).

A CRL counts when it is published where the certificate says, covers it (:mod:`.crl.scope`),
and bears the signature of a key that is believed (:mod:`.crl.signers`). Of each scope the
newest tells, with its delta CRL (:mod:`.crl.choice`). Good means that the lists together
cover every reason; an outdated list is no proof, but what it said about a revocation is kept.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Protocol

from cryptography import x509

from ..errors import IgcError, UnreadableError
from ..instants import iso
from .anchors import TrustStore
from .crl.choice import Authenticated, Telling, choose
from .crl.scope import (
    ALL_REASONS,
    Scope,
    crl_issuers,
    implied_point,
    is_issued_under,
    out_of_scope,
    told_reasons,
)
from .crl.signers import CIRCULAR, Asking, CrlSigners, may_sign_crls
from .policy import Policy
from .verdict import Evidence, Kind, Reason, RevocationStatus
from .x509 import names
from .x509.certificate_list import Revocation, RevocationList
from .x509.extensions import uris
from .x509.signatures import KEY_ERRORS, public_key_octets


class RevocationSource(Protocol):
    """What tells the status of a certificate under a given issuer. Never raises."""

    def status(
        self, certificate: x509.Certificate, issuer: x509.Certificate, at: datetime
    ) -> RevocationStatus: ...


class ListStore(Protocol):
    """Where lists are kept, by issuer; may raise IgcError."""

    def find(self, issuer: x509.Name) -> tuple[RevocationList, ...]: ...


@dataclass(frozen=True)
class ScopedLists:
    """The lists that tell of the certificates of one issuer in one scope, best first.

    Asked by serial number, so that a list of serials needs no certificate.
    """

    issuer: x509.Certificate
    scope: Scope
    lists: tuple[Telling, ...]
    refusals: tuple[Reason, ...] = ()

    def status(self, serial: int, certificate: x509.Certificate | None = None) -> RevocationStatus:
        """Of the certificate with this serial number; itself, when at hand, for messages.

        Every list is asked, also when those before cover all reasons: a revocation in any
        of them is one. Never raises: what can't be told is ``unknown`` or ``stale``.
        """
        who = _Who(serial, certificate)
        covered: frozenset[x509.ReasonFlags] = frozenset()
        used: list[Telling] = []
        outdated: list[tuple[Telling, Revocation | None]] = []
        problems: list[Reason] = []
        for telling, issuer in zip(self.lists, self._issuers, strict=True):
            if telling.reasons <= covered and not telling.freshness.usable:
                continue
            try:
                entry = telling.entry(serial, issuer)
            except UnreadableError as error:
                problems.append(Reason("revocation.crl_unusable", error.message))
                continue
            if not telling.freshness.usable:
                outdated.append((telling, entry))
            elif entry is not None:
                return _revoked(who, entry, (*used, telling))
            elif self._vouches_for_itself(telling, certificate):
                problems.append(_circular(who))
            else:
                used.append(telling)
                covered |= telling.reasons
        if covered == ALL_REASONS:
            return RevocationStatus(
                Kind.GOOD, evidence=_evidence(used), notices=_notices(who, used)
            )
        with_outdated = covered.union(*(telling.reasons for telling, _ in outdated))
        if outdated and (with_outdated == ALL_REASONS or any(entry for _, entry in outdated)):
            return _stale(who, outdated, used)
        return _untold(who, problems, self.refusals, covered)

    def have_entry(self, serial: int) -> bool:
        """Whether any list says something of it, usable or not. Raises UnreadableError."""
        for telling, issuer in zip(self.lists, self._issuers, strict=True):
            if telling.entry(serial, issuer) is not None:
                return True
        return False

    @cached_property
    def _issuers(self) -> tuple[x509.Name | None, ...]:
        """The name under which each list has the issuer's entries; None for its own."""
        name = self.issuer.subject
        own = names.comparable(name)
        return tuple(
            None if names.comparable(telling.listing.issuer) == own else name
            for telling in self.lists
        )

    def _vouches_for_itself(self, telling: Telling, certificate: x509.Certificate | None) -> bool:
        """Whether a list that doesn't name the certificate is signed with its own key."""
        if certificate is None or (telling.signer == self.issuer and not self.scope.is_ca):
            return False
        try:
            return public_key_octets(certificate) == telling.signer_key
        except KEY_ERRORS:
            return True


class CrlSource:
    """Status from a set of CRLs. Each signature is checked once, however many are asked.

    ``crl_store`` keeps more of them, by issuer.
    """

    def __init__(
        self,
        crls: Iterable[RevocationList],
        store: TrustStore,
        untrusted: Iterable[x509.Certificate] = (),
        policy: Policy | None = None,
        *,
        crl_store: ListStore | None = None,
    ) -> None:
        self._policy = policy or Policy()
        self._crl_store = crl_store
        self._crls: dict[names.Comparable, list[RevocationList]] = {}
        self._signers = CrlSigners(store, untrusted, self._policy, self._status)
        self._at: datetime | None = None
        self._scoped: dict[tuple[x509.Certificate, Scope], ScopedLists] = {}
        self._kept: dict[names.Comparable, tuple[RevocationList, ...]] = {}
        self.add(crls)

    def add(self, crls: Iterable[RevocationList]) -> None:
        """Take more CRLs, complete or delta, into account."""
        for crl in crls:
            self._crls.setdefault(names.comparable(crl.issuer), []).append(crl)
        self._scoped.clear()

    def status(
        self, certificate: x509.Certificate, issuer: x509.Certificate, at: datetime
    ) -> RevocationStatus:
        """Never raises: what can't be told is ``unknown`` or ``stale``, with reasons."""
        return self._status(certificate, issuer, at, ())

    def lists(
        self, issuer: x509.Certificate, at: datetime, scope: Scope | None = None
    ) -> ScopedLists:
        """What tells of the serial numbers of an issuer, found once for all of them."""
        return self._lists(issuer, at, scope or Scope(), ())

    def delta_urls(
        self, certificate: x509.Certificate, issuer: x509.Certificate, at: datetime
    ) -> tuple[str, ...]:
        """Where the lists that tell of a certificate say that their delta CRLs are."""
        try:
            lists = self.lists(issuer, at, Scope.of(certificate)).lists
        except names.PARSE_ERRORS:
            return ()
        return tuple(
            url
            for telling in lists
            for point in telling.listing.freshest
            for url in uris(point.full_name)
        )

    def _status(
        self,
        certificate: x509.Certificate,
        issuer: x509.Certificate,
        at: datetime,
        asking: Asking,
    ) -> RevocationStatus:
        try:
            scope = Scope.of(certificate)
            if _may_list_itself(certificate, scope, issuer):
                asking = (*asking, certificate)
        except names.PARSE_ERRORS as error:
            message = f"{names.label(certificate)}: can't be read: {error}"
            return RevocationStatus(Kind.UNKNOWN, (Reason("revocation.unreadable", message),))
        lists = self._lists(issuer, at, scope, asking)
        return lists.status(names.serial_number(certificate), certificate)

    def _lists(
        self, issuer: x509.Certificate, at: datetime, scope: Scope, asking: Asking
    ) -> ScopedLists:
        if asking:  # what holds while a signer is in doubt is not kept
            return self._found(issuer, at, scope, asking)
        if at != self._at:
            self._at = at
            self._scoped.clear()
            self._kept.clear()
        known = (issuer, scope)
        if known not in self._scoped:
            self._scoped[known] = self._found(issuer, at, scope, asking)
        return self._scoped[known]

    def _found(
        self, issuer: x509.Certificate, at: datetime, scope: Scope, asking: Asking
    ) -> ScopedLists:
        """RFC 5280 §6.3.3: point by point, then the lists under the issuer's own name."""
        found: dict[str, Authenticated] = {}
        deltas: dict[str, tuple[RevocationList, x509.Certificate]] = {}
        refusals: list[Reason] = []
        for point in (*scope.points, implied_point(issuer.subject)):
            known, unreadable = self._known(crl_issuers(point, issuer.subject))
            refusals += unreadable
            for listing in known:
                refusal = out_of_scope(listing, point, scope, issuer.subject)
                signer = None
                if refusal is None:
                    signer, refusal = self._believed(listing, issuer, at, asking)
                if signer is None:
                    refusals.append(_unusable(listing, refusal or ""))
                elif listing.base_number is not None:
                    deltas[listing.sha256] = listing, signer
                else:
                    reasons = told_reasons(point, listing.idp)
                    if listing.sha256 in found:
                        reasons |= found[listing.sha256].reasons
                    found[listing.sha256] = Authenticated(listing, signer, reasons)
        if not found:
            refusals += [_unusable(delta, _ONLY_DELTA) for delta, _ in deltas.values()]
        lists = choose(found.values(), deltas.values(), at, self._policy.revocation)
        none = Reason("revocation.no_crl", f"no CRL of {names.display(issuer.subject)}")
        return ScopedLists(
            issuer, scope, lists, tuple(dict.fromkeys(refusals)) or (() if lists else (none,))
        )

    def _known(self, issuers: Iterable[x509.Name]) -> tuple[list[RevocationList], list[Reason]]:
        lists: list[RevocationList] = []
        problems: list[Reason] = []
        for issuer in issuers:
            lists += self._crls.get(names.comparable(issuer), [])
            try:
                lists += self._kept_lists(issuer)
            except IgcError as error:
                problems.append(Reason("revocation.crl_unusable", error.message))
        return lists, problems

    def _kept_lists(self, issuer: x509.Name) -> tuple[RevocationList, ...]:
        """What the store has, looked for once for each instant that is asked about."""
        if self._crl_store is None:
            return ()
        known = names.comparable(issuer)
        if known not in self._kept:
            self._kept[known] = self._crl_store.find(issuer)
        return self._kept[known]

    def _believed(
        self, listing: RevocationList, issuer: x509.Certificate, at: datetime, asking: Asking
    ) -> tuple[x509.Certificate | None, str]:
        """Who signed a list that may be used at ``at``, or None and why it may not."""
        if at < listing.this_update:
            return None, f"it was made later, on {iso(listing.this_update)}"
        if listing.problem:
            return None, listing.problem
        if weakness := listing.weakness(self._policy.algorithms):
            return None, f"{weakness} is not accepted"
        return self._signers.signer(listing, issuer, at, asking)


def _may_list_itself(certificate: x509.Certificate, scope: Scope, issuer: x509.Certificate) -> bool:
    """Whether it may sign the lists that tell of it: it bears their issuer's name."""
    if not may_sign_crls(certificate):
        return False
    points = (*scope.points, implied_point(issuer.subject))
    return any(is_issued_under(certificate.subject, point, issuer.subject) for point in points)


_ONLY_DELTA = "it is a delta CRL, which only completes another one"


@dataclass(frozen=True)
class _Who:
    """A certificate's name in messages, worked out only when one is written."""

    serial: int
    certificate: x509.Certificate | None

    def __str__(self) -> str:
        return names.label(self.certificate) if self.certificate else f"serial {self.serial:x}"


def _unusable(listing: RevocationList, why: str) -> Reason:
    message = f"the CRL of {names.display(listing.issuer)} can't be used: {why}"
    return Reason("revocation.crl_unusable", message)


def _revoked(who: _Who, entry: Revocation, lists: Iterable[Telling]) -> RevocationStatus:
    lists = tuple(lists)
    why = f" ({entry.reason})" if entry.reason else ""
    reason = Reason("revocation.revoked", f"{who}: revoked on {iso(entry.date)}{why}")
    return RevocationStatus(
        Kind.REVOKED,
        (reason,),
        revoked_on=entry.date,
        revocation_reason=entry.reason,
        evidence=_evidence(lists),
        notices=_notices(who, lists),
    )


def _stale(
    who: _Who, outdated: list[tuple[Telling, Revocation | None]], used: list[Telling]
) -> RevocationStatus:
    reasons = []
    for telling, entry in outdated:
        message = f"{who}: its CRL {telling.freshness.why}"
        if entry:
            message += f"; that outdated list already says revoked on {iso(entry.date)}"
        reasons.append(Reason("revocation.stale", message))
    found = next((entry for _, entry in outdated if entry), None)
    return RevocationStatus(
        Kind.STALE,
        tuple(reasons),
        revoked_on=found.date if found else None,
        revocation_reason=found.reason if found else None,
        evidence=_evidence([*used, *(telling for telling, _ in outdated)]),
        notices=_notices(who, used),
    )


def _untold(
    who: _Who,
    problems: list[Reason],
    refusals: tuple[Reason, ...],
    covered: frozenset[x509.ReasonFlags],
) -> RevocationStatus:
    reasons = [*problems, *refusals]
    if covered:
        missing = ", ".join(sorted(reason.value for reason in ALL_REASONS - covered))
        message = f"{who}: no list that can be used tells of the reasons {missing}"
        reasons.append(Reason("revocation.reasons_uncovered", message))
    return RevocationStatus(Kind.UNKNOWN, tuple(dict.fromkeys(reasons)))


def _circular(who: _Who) -> Reason:
    message = f"{who}: a CRL is signed with its own key, which can't vouch for itself"
    return Reason(CIRCULAR, message)


def _evidence(lists: Iterable[Telling]) -> tuple[Evidence, ...]:
    return tuple(item for telling in lists for item in telling.evidence)


def _notices(who: _Who, lists: Iterable[Telling]) -> tuple[Reason, ...]:
    return tuple(notice for telling in lists for notice in _notices_of(who, telling))


def _notices_of(who: _Who, telling: Telling) -> Iterator[Reason]:
    yield from telling.notices
    if not telling.freshness.fresh:
        message = f"{who}: its CRL {telling.freshness.why}, and counts within its grace"
        yield Reason("revocation.grace", message)

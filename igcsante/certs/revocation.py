"""Whether a certificate is revoked, told from CRLs (RFC 5280 §6.3).

A CRL counts when it is published where the certificate says, covers it (:mod:`.crl.scope`),
and bears the signature of a key that is believed (:mod:`.crl.signers`). Of each scope the
newest tells, with its delta CRL (:mod:`.crl.choice`). Good means that the lists together
cover every reason; an outdated list is no proof, but what it said about a revocation is kept.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from cryptography import x509

from ..errors import IgcError, UnreadableError
from ..instants import shown
from ..messages import tr
from .anchors import TrustStore
from .crl.choice import Authenticated, choose
from .crl.scope import (
    Scope,
    crl_issuers,
    implied_point,
    is_issued_under,
    out_of_scope,
    told_reasons,
)
from .crl.scoped import ScopedLists, SerialLists, unreadable, unusable
from .crl.signers import Asking, CrlSigners, may_sign_crls
from .policy import Policy
from .verdict import Kind, Reason, RevocationStatus
from .x509 import names
from .x509.certificate_list import RevocationList
from .x509.extensions import uris


class RevocationSource(Protocol):
    """What tells the status of a certificate under a given issuer. Never raises."""

    def status(
        self, certificate: x509.Certificate, issuer: x509.Certificate, at: datetime
    ) -> RevocationStatus: ...


class CheckSource(RevocationSource, Protocol):
    """One that can also be asked for what it has, fetching nothing: None when that is nothing."""

    def at_hand(
        self, certificate: x509.Certificate, issuer: x509.Certificate, at: datetime
    ) -> RevocationStatus | None: ...

    def of_serial(
        self, serial: int, issuer: x509.Certificate, at: datetime
    ) -> RevocationStatus | None: ...


class ListStore(Protocol):
    """Where lists are kept, by issuer, and what is wrong with those that can't be read; may
    raise IgcError.
    """

    def kept(
        self, issuer: x509.Name
    ) -> tuple[tuple[RevocationList, ...], tuple[UnreadableError, ...]]: ...


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
        self._of_serials: dict[x509.Certificate, SerialLists] = {}
        self._kept: dict[names.Comparable, _Kept] = {}
        self.add(crls)

    def add(self, crls: Iterable[RevocationList]) -> None:
        """Take more CRLs, complete or delta, into account."""
        for crl in crls:
            self._crls.setdefault(names.comparable(crl.issuer), []).append(crl)
        self._forget()

    def status(
        self, certificate: x509.Certificate, issuer: x509.Certificate, at: datetime
    ) -> RevocationStatus:
        """Never raises: what can't be told is ``unknown`` or ``stale``, with reasons."""
        return self._status(certificate, issuer, at, ())

    def at_hand(
        self, certificate: x509.Certificate, issuer: x509.Certificate, at: datetime
    ) -> RevocationStatus:
        """The same: nothing is fetched here."""
        return self.status(certificate, issuer, at)

    def of_serial(self, serial: int, issuer: x509.Certificate, at: datetime) -> RevocationStatus:
        """Of a number whose certificate nobody has. Never raises."""
        return self.serials(issuer, at).status(serial)

    def lists(self, issuer: x509.Certificate, at: datetime, scope: Scope) -> ScopedLists:
        """What tells of an issuer's certificates in a scope, found once for all of them."""
        return self._lists(issuer, at, scope, ())

    def serials(self, issuer: x509.Certificate, at: datetime) -> SerialLists:
        """What tells of an issuer's serial numbers, found once for all of them."""
        self._turn_to(at)
        if issuer not in self._of_serials:
            leaves, authorities = (
                self._lists(issuer, at, Scope(is_ca, unseen=True), ()) for is_ca in (False, True)
            )
            same = (leaves.lists, leaves.refusals) == (authorities.lists, authorities.refusals)
            self._of_serials[issuer] = SerialLists((leaves,) if same else (leaves, authorities))
        return self._of_serials[issuer]

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
            message = tr(
                "{certificate}: can't be read: {error}",
                certificate=names.label(certificate),
                error=error,
            )
            return RevocationStatus(Kind.UNKNOWN, (Reason("revocation.unreadable", message),))
        lists = self._lists(issuer, at, scope, asking)
        return lists.status(names.serial_number(certificate), certificate)

    def _lists(
        self, issuer: x509.Certificate, at: datetime, scope: Scope, asking: Asking
    ) -> ScopedLists:
        if asking:  # what holds while a signer is in doubt is not kept
            return self._found(issuer, at, scope, asking)
        self._turn_to(at)
        known = (issuer, scope)
        if known not in self._scoped:
            self._scoped[known] = self._found(issuer, at, scope, asking)
        return self._scoped[known]

    def _turn_to(self, at: datetime) -> None:
        if at != self._at:
            self._at = at
            self._forget()
            self._kept.clear()

    def _forget(self) -> None:
        self._scoped.clear()
        self._of_serials.clear()

    def _found(
        self, issuer: x509.Certificate, at: datetime, scope: Scope, asking: Asking
    ) -> ScopedLists:
        """RFC 5280 §6.3.3: point by point, then the lists under the issuer's own name."""
        found: dict[str, Authenticated] = {}
        deltas: dict[str, tuple[RevocationList, x509.Certificate]] = {}
        refusals: list[Reason] = []
        unread: list[Reason] = []
        for point in (*scope.points, implied_point(issuer.subject)):
            known, problems, damaged = self._known(crl_issuers(point, issuer.subject))
            refusals += problems
            unread += damaged
            for listing in known:
                refusal = out_of_scope(listing, point, scope, issuer.subject)
                signer = None
                if refusal is None:
                    signer, refusal = self._believed(listing, issuer, at, asking)
                if signer is None:
                    refusals.append(unusable(listing, refusal or ""))
                elif listing.base_number is not None:
                    deltas[listing.sha256] = listing, signer
                else:
                    reasons = told_reasons(point, listing.idp, scope)
                    if scope.unseen and not reasons:
                        refusals.append(unusable(listing, _OF_A_PART))
                    if listing.sha256 in found:
                        reasons |= found[listing.sha256].reasons
                    found[listing.sha256] = Authenticated(listing, signer, reasons)
        if not found:
            refusals += [unusable(delta, _ONLY_DELTA) for delta, _ in deltas.values()]
        lists = choose(found.values(), deltas.values(), at, self._policy.revocation)
        none = Reason(
            "revocation.no_crl", tr("no CRL of {subject}", subject=names.display(issuer.subject))
        )
        return ScopedLists(
            issuer,
            scope,
            lists,
            tuple(dict.fromkeys(refusals)) or (() if lists else (none,)),
            tuple(dict.fromkeys(unread)),
        )

    def _known(
        self, issuers: Iterable[x509.Name]
    ) -> tuple[list[RevocationList], list[Reason], list[Reason]]:
        """The lists of these issuers, why there are no kept ones, and which can't be read."""
        lists: list[RevocationList] = []
        problems: list[Reason] = []
        unread: list[Reason] = []
        for issuer in issuers:
            lists += self._crls.get(names.comparable(issuer), [])
            try:
                kept = self._kept_lists(issuer)
                lists += kept.lists
                unread += kept.unread
            except IgcError as error:
                problems.append(Reason("revocation.crl_unusable", error.message))
        return lists, problems, unread

    def _kept_lists(self, issuer: x509.Name) -> _Kept:
        """What the store has, looked for once for each instant that is asked about."""
        if self._crl_store is None:
            return _Kept()
        known = names.comparable(issuer)
        if known not in self._kept:
            found, damaged = self._crl_store.kept(issuer)
            self._kept[known] = _Kept(found, tuple(map(unreadable, damaged)))
        return self._kept[known]

    def _believed(
        self, listing: RevocationList, issuer: x509.Certificate, at: datetime, asking: Asking
    ) -> tuple[x509.Certificate | None, str]:
        """Who signed a list that may be used at ``at``, or None and why it may not."""
        if at < listing.this_update:
            return None, tr(
                "it was made later, on {this_update}",
                this_update=shown(listing.this_update, seconds=True),
            )
        if listing.problem:
            return None, listing.problem
        if weakness := listing.weakness(self._policy.algorithms):
            return None, tr("{weakness} is not accepted", weakness=weakness)
        return self._signers.signer(listing, issuer, at, asking)


def _may_list_itself(certificate: x509.Certificate, scope: Scope, issuer: x509.Certificate) -> bool:
    """Whether it may sign the lists that tell of it: it bears their issuer's name."""
    if not may_sign_crls(certificate):
        return False
    points = (*scope.points, implied_point(issuer.subject))
    return any(is_issued_under(certificate.subject, point, issuer.subject) for point in points)


_ONLY_DELTA = tr("it is a delta CRL, which only completes another one")
_OF_A_PART = tr("it is for a part of the certificates, and in which one is, no serial number tells")


@dataclass(frozen=True)
class _Kept:
    """What a store has of an issuer, and what it can't read."""

    lists: tuple[RevocationList, ...] = ()
    unread: tuple[Reason, ...] = ()

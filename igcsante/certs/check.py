"""The check: chain, then revocation of every certificate of it but the anchor, by a policy.

The journey of design §2.3. The policy says how much proof of non-revocation is asked of the
leaf and of its CAs, and from which sources; what it lets pass is a notice of the verdict.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime

from cryptography import x509

from ..errors import UsageError
from ..messages import tr
from .anchors import TrustStore
from .chain import ChainBuilder
from .policy import Policy, Requirement, Source
from .published import Fetcher, PublishedCrlSource
from .revocation import CheckSource, CrlSource, ListStore
from .verdict import Kind, Reason, RevocationStatus, SerialVerdict, Verdict
from .x509 import names
from .x509.certificate_list import RevocationList

_WORST_FIRST = (Kind.REVOKED, Kind.UNKNOWN, Kind.STALE, Kind.GOOD)


class Checker:
    """Checks certificates against one set of anchors, lists and policy.

    A list is fetched, and its signature verified, once for all of them. Not for several
    threads at a time. ``lists`` are those that are at hand.
    """

    def __init__(
        self,
        store: TrustStore,
        *,
        untrusted: Iterable[x509.Certificate] = (),
        crls: Iterable[RevocationList] = (),
        crl_store: ListStore | None = None,
        sources: Mapping[Source, CheckSource] | None = None,
        fetcher: Fetcher | None = None,
        policy: Policy | None = None,
    ) -> None:
        """``untrusted`` certificates may complete a chain; ``crls`` are given lists and
        ``crl_store`` keeps more; ``sources`` are others than CRLs. Without ``fetcher``, or
        when the policy forbids it, no list is fetched.

        Raises UsageError when the store has no root.
        """
        if not store.roots:
            raise UsageError(
                tr("no trust anchor is known, so no certificate can be checked"),
                advice=tr("import the ANS's with `igc trust import`, or give --anchors"),
            )
        self._policy = policy or Policy()
        untrusted = tuple(untrusted)
        self._chains = ChainBuilder(store, untrusted, self._policy)
        self.lists = lists = CrlSource(crls, store, untrusted, self._policy, crl_store=crl_store)
        fetched = PublishedCrlSource(lists, fetcher) if fetcher and self._policy.fetch else lists
        available: dict[Source, CheckSource] = {Source.CRL: fetched, **(sources or {})}
        wanted = self._policy.revocation.sources
        self._sources = tuple(available[source] for source in wanted if source in available)

    def check(self, certificate: x509.Certificate, *, at: datetime) -> Verdict:
        """Whether ``certificate`` is to be believed at ``at`` (timezone-aware).

        Raises UsageError for a naive ``at``, and nothing else: whatever is wrong with the
        certificate is in the verdict.
        """
        if at.tzinfo is None:
            raise UsageError(tr("the time of a check has a time zone"))
        chain = self._chains.build(certificate, at)
        if not chain.valid:
            return Verdict(
                Kind.INVALID,
                certificate,
                at,
                chain.reasons,
                chain.certificates,
                policy=self._policy.name,
            )
        statuses = self._statuses(chain.certificates, at)
        kind, reasons, notices = self._weighed(statuses)
        return Verdict(
            kind=kind,
            certificate=certificate,
            at=at,
            reasons=reasons,
            chain=chain.certificates,
            statuses=statuses,
            policy=self._policy.name,
            notices=notices,
        )

    def check_serial(self, serial: int, issuer: x509.Certificate, *, at: datetime) -> SerialVerdict:
        """The same of a serial number of which one has no certificate: by what is at hand.

        The issuer's own chain must be valid too, and its world accepted. Where the policy asks
        for what only the certificate tells, none is good: unknown at best. Raises UsageError
        for a naive ``at``.
        """
        if at.tzinfo is None:
            raise UsageError(tr("the time of a check has a time zone"))
        chain = self._chains.build_unseen(issuer, at)
        name, above = self._policy.name, chain.certificates
        if not chain.valid:
            return SerialVerdict(Kind.INVALID, serial, at, chain.reasons, above, policy=name)
        statuses = self._statuses(above, at, depth=1)
        if self._requirement(0) is Requirement.OFF:
            own = _not_looked_at(f"serial {serial:x}")
        else:
            told = (source.of_serial(serial, issuer, at) for source in self._sources)
            own = _together([item for item in told if item], f"serial {serial:x}")
        kind, reasons, notices = self._weighed((own, *statuses))
        if chain.unanswered:
            kind = min(kind, Kind.UNKNOWN, key=_WORST_FIRST.index)
            reasons = (*reasons, *chain.unanswered)
        return SerialVerdict(kind, serial, at, reasons, above, (own, *statuses), name, notices)

    def _weighed(
        self, statuses: tuple[RevocationStatus, ...]
    ) -> tuple[Kind, tuple[Reason, ...], tuple[Reason, ...]]:
        """The worst kind, and all the reasons and notices."""
        weighed = [weigh(status, self._requirement(depth)) for depth, status in enumerate(statuses)]
        kinds = {kind for kind, _, _ in weighed} or {Kind.GOOD}
        by_severity = sorted(weighed, key=lambda item: _WORST_FIRST.index(item[0]))
        return (
            next(kind for kind in _WORST_FIRST if kind in kinds),
            _distinct(reasons for _, reasons, _ in by_severity),
            _distinct(notices for _, _, notices in weighed),
        )

    def _statuses(
        self, chain: tuple[x509.Certificate, ...], at: datetime, depth: int = 0
    ) -> tuple[RevocationStatus, ...]:
        """In the order of the chain, which starts ``depth`` above the leaf. CAs are asked about
        first: who signs the lists that tell of a leaf is told by the lists above them.
        """
        downwards = [
            self._status(depth + place, chain[place], chain[place + 1], at)
            for place in reversed(range(len(chain) - 1))
        ]
        return tuple(reversed(downwards))

    def _requirement(self, depth: int) -> Requirement:
        return self._policy.revocation.cas if depth else self._policy.revocation.leaf

    def _status(
        self, depth: int, certificate: x509.Certificate, issuer: x509.Certificate, at: datetime
    ) -> RevocationStatus:
        """What the sources tell, in the policy's order, until one can.

        Those after it have nothing to fetch; that they know of a revocation counts.
        """
        if self._requirement(depth) is Requirement.OFF:
            return _not_looked_at(names.label(certificate))
        told: list[RevocationStatus] = []
        settled = False
        for source in self._sources:
            if settled:
                known = source.at_hand(certificate, issuer, at)
                told += [known] if known and _tells_of_a_revocation(known) else []
                continue
            status = source.status(certificate, issuer, at)
            told.append(status)
            if status.kind is Kind.REVOKED:
                break
            settled = _settles(status)
        return _together(told, names.label(certificate))


def _together(told: list[RevocationStatus], who: str) -> RevocationStatus:
    if told:
        return combined(told)
    message = tr("{who}: none of the policy's sources is at hand", who=who)
    return RevocationStatus(Kind.UNKNOWN, (Reason("revocation.no_source", message),))


def _not_looked_at(who: str) -> RevocationStatus:
    reason = Reason("revocation.off", tr("{who}: its revocation is not looked at", who=who))
    return RevocationStatus(Kind.UNKNOWN, (reason,))


def weigh(
    status: RevocationStatus, requirement: Requirement
) -> tuple[Kind, tuple[Reason, ...], tuple[Reason, ...]]:
    """What a status means to a requirement: its part of the verdict, reasons and notices.

    ``prefer`` lets pass what can't be told, but no revocation, be it told by an outdated list.
    """
    if requirement is Requirement.OFF:
        return Kind.GOOD, (), status.reasons
    if requirement is Requirement.PREFER and status.kind in (Kind.UNKNOWN, Kind.STALE):
        if status.revoked_on is None:
            return Kind.GOOD, (), (*status.notices, *status.reasons)
        return Kind.REVOKED, status.reasons, status.notices
    return status.kind, status.reasons, status.notices


def combined(told: Iterable[RevocationStatus]) -> RevocationStatus:
    """One status out of those of several sources; the reasons of all unless it is good.

    A revocation that any source tells of is not undone by another's good.
    """
    best, *others = sorted(told, key=_standing)
    if best.kind is Kind.GOOD:
        return best
    return replace(best, reasons=_distinct(status.reasons for status in (best, *others)))


_STANDING = (Kind.REVOKED, Kind.GOOD, Kind.STALE, Kind.UNKNOWN)


def _standing(status: RevocationStatus) -> tuple[bool, int, bool]:
    return (
        status.revoked_on is None,
        _STANDING.index(status.kind),
        bool(status.notices),
    )


def _settles(status: RevocationStatus) -> bool:
    """Whether no other source needs to be asked: good, without anything let pass."""
    return status.kind is Kind.GOOD and not status.notices


def _tells_of_a_revocation(status: RevocationStatus) -> bool:
    return status.kind is Kind.REVOKED or status.revoked_on is not None


def check(
    certificate: x509.Certificate,
    store: TrustStore,
    *,
    untrusted: Iterable[x509.Certificate] = (),
    crls: Iterable[RevocationList] = (),
    fetcher: Fetcher | None = None,
    at: datetime,
    policy: Policy | None = None,
) -> Verdict:
    """Check one certificate: see :class:`Checker`, which does many. Raises UsageError."""
    checker = Checker(store, untrusted=untrusted, crls=crls, fetcher=fetcher, policy=policy)
    return checker.check(certificate, at=at)


def _distinct(groups: Iterable[Iterable[Reason]]) -> tuple[Reason, ...]:
    return tuple(dict.fromkeys(reason for group in groups for reason in group))

"""What the lists of one issuer tell together, asked by serial number (RFC 5280 §6.3.3).

Good means that lists which may be used cover every reason, for certificates of both kinds where
nobody knows which one is asked about; a revocation in any of them is one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property

from cryptography import x509

from ...errors import UnreadableError
from ...instants import shown
from ...messages import tr
from ..verdict import Evidence, Kind, Reason, RevocationStatus
from ..x509 import names
from ..x509.certificate_list import Revocation, RevocationList
from ..x509.signatures import KEY_ERRORS, public_key_octets
from .choice import Telling
from .scope import ALL_REASONS, Scope
from .signers import CIRCULAR


@dataclass(frozen=True)
class ScopedLists:
    """The lists that tell of the certificates of one issuer in one scope, best first.

    Asked by serial number, so that a list of serials needs no certificate. ``unread`` tells of
    lists that can't be read: they may name anyone, so that nobody is good.
    """

    issuer: x509.Certificate
    scope: Scope
    lists: tuple[Telling, ...]
    refusals: tuple[Reason, ...] = ()
    unread: tuple[Reason, ...] = ()

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
        unread = list(self.unread)
        for telling, issuer in zip(self.lists, self._issuers, strict=True):
            if covered and telling.reasons <= covered and not telling.freshness.usable:
                continue
            try:
                entry = telling.entry(serial, issuer)
            except UnreadableError as error:
                unread.append(unreadable(error))
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
        if covered == ALL_REASONS and not unread:
            return RevocationStatus(
                Kind.GOOD, evidence=_evidence(used), notices=_notices(who, used)
            )
        with_outdated = covered.union(*(telling.reasons for telling, _ in outdated))
        if outdated and (with_outdated == ALL_REASONS or any(entry for _, entry in outdated)):
            return _stale(who, outdated, used)
        return _untold(who, [*unread, *problems], self.refusals, covered)

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


@dataclass(frozen=True)
class SerialLists:
    """The lists that tell of an issuer's serial numbers whose certificates nobody has.

    Such a number may be a leaf's or a CA's, so that it is good only as either.
    """

    kinds: tuple[ScopedLists, ...]

    def status(self, serial: int) -> RevocationStatus:
        """Revoked when any list names it. Never raises."""
        told = sorted((lists.status(serial) for lists in self.kinds), key=_worst_first)
        worst = told[0]
        if worst.kind is Kind.REVOKED:
            return worst
        alike = [status for status in told if status.kind is worst.kind]
        return replace(
            worst,
            reasons=tuple(dict.fromkeys(each for status in told for each in status.reasons)),
            evidence=tuple(dict.fromkeys(each for status in alike for each in status.evidence)),
            notices=tuple(dict.fromkeys(each for status in alike for each in status.notices)),
        )


@dataclass(frozen=True)
class _Who:
    """A certificate's name in messages, worked out only when one is written."""

    serial: int
    certificate: x509.Certificate | None

    def __str__(self) -> str:
        return names.label(self.certificate) if self.certificate else f"serial {self.serial:x}"


_WORST_FIRST = (Kind.REVOKED, Kind.UNKNOWN, Kind.STALE, Kind.GOOD)


def _worst_first(status: RevocationStatus) -> tuple[bool, bool, int]:
    """Revoked, then what an outdated list says of a revocation, then the rest."""
    return (
        status.kind is not Kind.REVOKED,
        status.revoked_on is None,
        _WORST_FIRST.index(status.kind),
    )


def unusable(listing: RevocationList, why: str) -> Reason:
    message = tr(
        "the CRL of {issuer} can't be used: {why}", issuer=names.display(listing.issuer), why=why
    )
    return Reason("revocation.crl_unusable", message)


def _revoked(who: _Who, entry: Revocation, lists: Iterable[Telling]) -> RevocationStatus:
    lists = tuple(lists)
    why = f" ({entry.reason})" if entry.reason else ""
    reason = Reason(
        "revocation.revoked",
        tr("{who}: revoked on {date}{why}", who=who, date=shown(entry.date, seconds=True), why=why),
    )
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
        why = telling.freshness.why
        message = tr("{who}: its CRL {why}", who=who, why=why)
        if entry:
            message = tr(
                "{who}: its CRL {why}; that outdated list already says revoked on {date}",
                who=who,
                why=why,
                date=shown(entry.date, seconds=True),
            )
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
    if covered and covered != ALL_REASONS:
        missing = ", ".join(sorted(reason.value for reason in ALL_REASONS - covered))
        message = tr(
            "{who}: no list that can be used tells of the reasons {missing}",
            who=who,
            missing=missing,
        )
        reasons.append(Reason("revocation.reasons_uncovered", message))
    return RevocationStatus(Kind.UNKNOWN, tuple(dict.fromkeys(reasons)))


def _circular(who: _Who) -> Reason:
    message = tr("{who}: a CRL is signed with its own key, which can't vouch for itself", who=who)
    return Reason(CIRCULAR, message)


def _evidence(lists: Iterable[Telling]) -> tuple[Evidence, ...]:
    return tuple(item for telling in lists for item in telling.evidence)


def _notices(who: _Who, lists: Iterable[Telling]) -> tuple[Reason, ...]:
    return tuple(notice for telling in lists for notice in _notices_of(who, telling))


def _notices_of(who: _Who, telling: Telling) -> Iterator[Reason]:
    yield from telling.notices
    if not telling.freshness.fresh:
        message = tr(
            "{who}: its CRL {why}, and counts within its grace", who=who, why=telling.freshness.why
        )
        yield Reason("revocation.grace", message)


def unreadable(error: UnreadableError) -> Reason:
    return Reason("revocation.crl_unusable", error.in_one_line)

"""Of the CRLs that may be believed, those that tell: the newest of each scope, with its delta.

RFC 5280 §5.2.3 (numbers only grow) and §5.2.4, §6.3.3 (c) (which delta CRL completes which
complete one). A list that was passed over is asked for revocations all the same, unless the one
that tells was made after it: no order of lists, and no number, makes a revocation go unseen.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property

from cryptography import x509

from ...messages import tr
from ..freshness import Freshness, freshness
from ..policy import RevocationPolicy
from ..verdict import Evidence, Reason
from ..x509 import names
from ..x509.certificate_list import REMOVED, Revocation, RevocationList
from ..x509.signatures import public_key_octets

_Scope = tuple[names.Comparable, bytes]
_Signed = tuple[RevocationList, x509.Certificate]


@dataclass(frozen=True)
class Authenticated:
    """A list that may be used, who signed it, and for which reasons it would name someone."""

    listing: RevocationList
    signer: x509.Certificate
    reasons: frozenset[x509.ReasonFlags]


@dataclass(frozen=True)
class Telling:
    """A complete list, with the delta CRL that completes it, if any.

    ``later`` are lists of the same scope, deltas too, that are as new or newer but don't tell:
    outdated, numbered backwards, not to be combined. ``peers`` are complete ones that are as new
    as ``listing`` and were made before the delta. Their revocations count; ``notices`` say why
    the rest doesn't. A delta CRL that completes none is a ``listing`` that covers no reasons.
    """

    listing: RevocationList
    signer: x509.Certificate
    reasons: frozenset[x509.ReasonFlags]
    freshness: Freshness
    delta: RevocationList | None = None
    later: tuple[RevocationList, ...] = ()
    peers: tuple[RevocationList, ...] = ()
    notices: tuple[Reason, ...] = ()

    def entry(self, serial: int, issuer: x509.Name | None) -> Revocation | None:
        """The revocation of an issuer's serial number; None issuer: the list's own.

        Raises UnreadableError.
        """
        for newer in self.later:
            if found := _revocation(newer, serial, issuer):
                return found
        if self.delta is not None and (found := self.delta.lookup(serial, issuer)):
            return None if found.reason == REMOVED else found
        for listing in (self.listing, *self.peers):
            if found := _revocation(listing, serial, issuer):
                return found
        return None

    @cached_property
    def evidence(self) -> tuple[Evidence, ...]:
        lists = (*self._together, *self.later, *self.peers)
        return tuple(_evidence(item) for item in lists)

    @property
    def _together(self) -> tuple[RevocationList, ...]:
        """The list and its delta, which may well be empty."""
        return (self.listing,) if self.delta is None else (self.listing, self.delta)

    @cached_property
    def signer_key(self) -> bytes:
        return public_key_octets(self.signer)

    @property
    def made(self) -> datetime:
        """As of when it tells."""
        return max(listing.this_update for listing in self._together)

    @property
    def rank(self) -> tuple[bool, bool, datetime, int, str]:
        """Usable before outdated, then the newest; of equal ones always the same."""
        return (
            self.freshness.fresh,
            self.freshness.usable,
            self.made,
            self.listing.number or 0,
            self.listing.sha256,
        )


def choose(
    found: Iterable[Authenticated],
    deltas: Iterable[tuple[RevocationList, x509.Certificate]],
    at: datetime,
    policy: RevocationPolicy,
) -> tuple[Telling, ...]:
    """One of each scope, best first. The ``deltas`` come with who signed them.

    A delta CRL of a scope that has no complete list tells, alone, of revocations only.
    """
    scopes: dict[_Scope, list[Authenticated]] = {}
    for item in found:
        scopes.setdefault(_scope(item.listing), []).append(item)
    changes: dict[_Scope, list[_Signed]] = {}
    for delta, signer in deltas:
        changes.setdefault(_scope(delta), []).append((delta, signer))
    chosen = [
        _newest(items, tuple(changes.pop(scope, ())), at, policy) for scope, items in scopes.items()
    ]
    for alone in changes.values():
        chosen += [
            Telling(delta, signer, frozenset(), _freshness(delta, at, policy))
            for delta, signer in alone
        ]
    return tuple(sorted(chosen, key=lambda telling: telling.rank, reverse=True))


def _newest(
    items: list[Authenticated],
    deltas: tuple[_Signed, ...],
    at: datetime,
    policy: RevocationPolicy,
) -> Telling:
    backwards = list(_numbered_backwards(item.listing for item in items))
    telling = max(
        (_completed(item, deltas, at, policy) for item in items if item.listing not in backwards),
        key=lambda candidate: candidate.rank,
    )
    others = [
        item.listing
        for item in items
        if item.listing is not telling.listing and not _is_older(item.listing, telling.listing)
    ]
    later = [listing for listing in others if listing.this_update > telling.made]
    passed_over = [delta for delta, _ in deltas if _may_add(delta, telling)]
    return replace(
        telling,
        later=_ordered((*later, *passed_over)),
        peers=_ordered(listing for listing in others if listing not in later),
        notices=tuple(_backwards_notice(listing) for listing in later if listing in backwards),
    )


def _may_add(delta: RevocationList, telling: Telling) -> bool:
    """Whether a delta CRL may know of what the lists that tell don't: by its date or number."""
    if delta is telling.delta:
        return False
    tells = telling.listing if telling.delta is None else telling.delta
    newest = max(telling.listing, tells, key=lambda item: item.this_update)
    return not _is_older(delta, newest) or _number_gap(delta, tells) > 0


def _is_older(listing: RevocationList, other: RevocationList) -> bool:
    """By the date, else by the number."""
    if listing.this_update != other.this_update:
        return listing.this_update < other.this_update
    return _number_gap(listing, other) < 0


def _number_gap(listing: RevocationList, other: RevocationList) -> int:
    """Zero unless one key has numbered both."""
    if listing.number is None or other.number is None:
        return 0
    return (listing.number - other.number) * (listing.authority_key_id == other.authority_key_id)


def _numbered_backwards(listings: Iterable[RevocationList]) -> Iterator[RevocationList]:
    """Those with a lower number than an earlier list of the same key (§5.2.3)."""
    highest: dict[bytes | None, int] = {}
    for listing in sorted(listings, key=lambda item: (item.this_update, item.number or 0)):
        if listing.number is None:
            continue
        if listing.number < highest.setdefault(listing.authority_key_id, listing.number):
            yield listing
        else:
            highest[listing.authority_key_id] = listing.number


def _completed(
    item: Authenticated,
    deltas: tuple[_Signed, ...],
    at: datetime,
    policy: RevocationPolicy,
) -> Telling:
    """The list with the newest delta that it can take, current as long as either is.

    One that is outdated is taken for want of a better only, whatever its number.
    """
    fitting = [
        delta
        for delta, signer in deltas
        if _completes(delta, item.listing)
        and public_key_octets(signer) == public_key_octets(item.signer)
    ]

    def rank(delta: RevocationList) -> tuple[bool, bool, int, datetime, str]:
        end = _freshness(delta, at, policy)
        return end.fresh, end.usable, delta.number or 0, delta.this_update, delta.sha256

    delta = max(fitting, key=rank, default=None)
    lists = (item.listing, delta) if delta is not None else (item.listing,)
    ends = (_freshness(listing, at, policy) for listing in lists)
    best = min(ends, key=lambda end: end.overdue)
    return Telling(item.listing, item.signer, item.reasons, best, delta)


def _completes(delta: RevocationList, complete: RevocationList) -> bool:
    """RFC 5280 §5.2.4 and §6.3.3 (c): same issuer and scope, same key, and the numbers fit."""
    if delta.base_number is None or delta.number is None or complete.number is None:
        return False
    return (
        _scope(delta) == _scope(complete)
        and delta.authority_key_id == complete.authority_key_id
        and delta.base_number <= complete.number < delta.number
    )


def _scope(listing: RevocationList) -> _Scope:
    idp = listing.idp.public_bytes() if listing.idp else b""
    return names.comparable(listing.issuer), idp


def _freshness(listing: RevocationList, at: datetime, policy: RevocationPolicy) -> Freshness:
    return freshness(listing.this_update, listing.next_update, at, policy)


def _revocation(
    listing: RevocationList, serial: int, issuer: x509.Name | None
) -> Revocation | None:
    """The entry, unless it is one of a delta CRL that takes one back."""
    found = listing.lookup(serial, issuer)
    if found is None or (listing.base_number is not None and found.reason == REMOVED):
        return None
    return found


def _ordered(lists: Iterable[RevocationList]) -> tuple[RevocationList, ...]:
    """Newest first; of equal ones always the same."""
    return tuple(sorted(lists, key=lambda item: (item.this_update, item.sha256), reverse=True))


def _backwards_notice(listing: RevocationList) -> Reason:
    name = names.display(listing.issuer)
    return Reason(
        "revocation.number_back",
        tr(
            "the CRL number {number} of {name} was made after one of a higher number: "
            "only the revocations in it count",
            number=listing.number,
            name=name,
        ),
    )


def _evidence(listing: RevocationList) -> Evidence:
    return Evidence(
        issuer=names.display(listing.issuer),
        number=listing.number,
        this_update=listing.this_update,
        next_update=listing.next_update,
        sha256=listing.sha256,
        source=listing.source,
        type="crl" if listing.base_number is None else "delta-crl",
    )

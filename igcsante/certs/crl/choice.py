"""Of the CRLs that may be believed, those that tell: the newest of each scope, with its delta.

RFC 5280 §5.2.3 (numbers only grow) and §5.2.4, §6.3.3 (c) (which delta CRL completes which
complete one). What a list that was passed over says revoked stays revoked when that list was
made later than the one that tells.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

from cryptography import x509

from ..freshness import Freshness, freshness
from ..policy import RevocationPolicy
from ..verdict import Evidence, Reason
from ..x509 import names
from ..x509.certificate_list import REMOVED, Revocation, RevocationList
from ..x509.signatures import public_key_octets


@dataclass(frozen=True)
class Authenticated:
    """A list that may be used, who signed it, and for which reasons it would name someone."""

    listing: RevocationList
    signer: x509.Certificate
    reasons: frozenset[x509.ReasonFlags]


@dataclass(frozen=True)
class Telling:
    """A complete list, with the delta CRL that completes it, if any.

    ``later`` are lists of the same scope that are newer but don't tell, being outdated or
    numbered backwards; ``notices`` say so.
    """

    listing: RevocationList
    signer: x509.Certificate
    reasons: frozenset[x509.ReasonFlags]
    freshness: Freshness
    delta: RevocationList | None = None
    later: tuple[RevocationList, ...] = ()
    notices: tuple[Reason, ...] = ()

    def entry(self, serial: int, issuer: x509.Name | None) -> Revocation | None:
        """The revocation of an issuer's serial number; None issuer: the list's own.

        Raises UnreadableError.
        """
        for newer in self.later:
            if found := newer.lookup(serial, issuer):
                return found
        if self.delta is not None and (found := self.delta.lookup(serial, issuer)):
            return None if found.reason == REMOVED else found
        return self.listing.lookup(serial, issuer)

    @cached_property
    def evidence(self) -> tuple[Evidence, ...]:
        lists = (self.listing, *([self.delta] if self.delta else []), *self.later)
        return tuple(_evidence(item) for item in lists)

    @cached_property
    def signer_key(self) -> bytes:
        return public_key_octets(self.signer)

    @property
    def made(self) -> datetime:
        """As of when it tells."""
        return max(self.listing.this_update, (self.delta or self.listing).this_update)

    @property
    def rank(self) -> tuple[bool, bool, datetime, int]:
        """Usable before outdated, then the newest."""
        return (
            self.freshness.fresh,
            self.freshness.usable,
            self.made,
            self.listing.number or 0,
        )


def choose(
    found: Iterable[Authenticated],
    deltas: Iterable[tuple[RevocationList, x509.Certificate]],
    at: datetime,
    policy: RevocationPolicy,
) -> tuple[Telling, ...]:
    """One of each scope, best first. The ``deltas`` come with who signed them."""
    scopes: dict[tuple[names.Comparable, bytes], list[Authenticated]] = {}
    for item in found:
        scopes.setdefault(_scope(item.listing), []).append(item)
    known = tuple(deltas)
    chosen = (_newest(items, known, at, policy) for items in scopes.values())
    return tuple(sorted(chosen, key=lambda telling: telling.rank, reverse=True))


def _newest(
    items: list[Authenticated],
    deltas: tuple[tuple[RevocationList, x509.Certificate], ...],
    at: datetime,
    policy: RevocationPolicy,
) -> Telling:
    backwards = list(_numbered_backwards(item.listing for item in items))
    telling = max(
        (_completed(item, deltas, at, policy) for item in items if item.listing not in backwards),
        key=lambda candidate: candidate.rank,
    )
    later = tuple(item.listing for item in items if item.listing.this_update > telling.made)
    return Telling(
        telling.listing,
        telling.signer,
        telling.reasons,
        telling.freshness,
        telling.delta,
        later,
        tuple(_backwards_notice(listing) for listing in later if listing in backwards),
    )


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
    deltas: tuple[tuple[RevocationList, x509.Certificate], ...],
    at: datetime,
    policy: RevocationPolicy,
) -> Telling:
    """The list with the newest delta that it can take, current as long as either is."""
    fitting = [
        delta
        for delta, signer in deltas
        if _completes(delta, item.listing)
        and public_key_octets(signer) == public_key_octets(item.signer)
    ]
    delta = max(fitting, key=lambda each: each.number or 0, default=None)
    ends = [
        freshness(listing.this_update, listing.next_update, at, policy)
        for listing in (item.listing, delta)
        if listing is not None
    ]
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


def _scope(listing: RevocationList) -> tuple[names.Comparable, bytes]:
    idp = listing.idp.public_bytes() if listing.idp else b""
    return names.comparable(listing.issuer), idp


def _backwards_notice(listing: RevocationList) -> Reason:
    name = names.display(listing.issuer)
    return Reason(
        "revocation.number_back",
        f"the CRL number {listing.number} of {name} was made after one of a higher number: "
        "only the revocations in it count",
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

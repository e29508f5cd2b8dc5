"""The check: chain, then revocation of every certificate of it but the anchor.

The journey of design §2.3. Lists that are given are asked first; what they can't tell is
fetched from the distribution points of the certificates, when a fetcher is given.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from typing import Protocol

from cryptography import x509

from ..errors import IgcError, NetworkError, TimeoutExceededError, UnreadableError, UsageError
from .anchors import TrustStore
from .chain import ChainPolicy, build_chain
from .crl import Crl
from .extensions import Extensions
from .load import load_crls
from .revocation import CrlSource
from .verdict import Kind, Reason, RevocationStatus, Verdict

_WORTH_FETCHING = (Kind.UNKNOWN, Kind.STALE)
_WORST_FIRST = (Kind.REVOKED, Kind.UNKNOWN, Kind.STALE, Kind.GOOD)


class Fetcher(Protocol):
    """What fetches the octets at an address, raising NetworkError or TimeoutExceededError."""

    def fetch(self, url: str) -> bytes: ...


class Checker:
    """Checks certificates against one set of anchors, lists and policy.

    A list is fetched, and its signature verified, once for all of them.
    """

    def __init__(
        self,
        store: TrustStore,
        *,
        untrusted: Iterable[x509.Certificate] = (),
        crls: Iterable[Crl] = (),
        fetcher: Fetcher | None = None,
        policy: ChainPolicy | None = None,
    ) -> None:
        """``untrusted`` certificates may complete a chain; without ``fetcher`` nothing is fetched.

        Raises UsageError when the store has no root.
        """
        if not store.roots:
            raise UsageError(
                "no trust anchor is known, so no certificate can be checked",
                advice="import the ANS's with `igc trust import`, or give --anchors",
            )
        self._store = store
        self._untrusted = tuple(untrusted)
        self._policy = policy or ChainPolicy()
        self._source = CrlSource(crls, store, self._untrusted, self._policy)
        self._fetcher = fetcher
        self._fetched: set[str] = set()

    def check(self, certificate: x509.Certificate, *, at: datetime) -> Verdict:
        """Whether ``certificate`` is to be believed at ``at`` (timezone-aware).

        Raises UsageError for a naive ``at``, and nothing else: whatever is wrong with the
        certificate is in the verdict.
        """
        if at.tzinfo is None:
            raise UsageError("the time of a check has a time zone")
        chain = build_chain(certificate, self._store, self._untrusted, at=at, policy=self._policy)
        if not chain.valid:
            return Verdict(Kind.INVALID, certificate, at, chain.reasons, chain.certificates)
        statuses = tuple(
            self._status(item, issuer, at)
            for item, issuer in zip(chain.certificates, chain.certificates[1:], strict=False)
        )
        kinds = {status.kind for status in statuses} or {Kind.GOOD}
        return Verdict(
            kind=next(kind for kind in _WORST_FIRST if kind in kinds),
            certificate=certificate,
            at=at,
            reasons=_worst_first(statuses),
            chain=chain.certificates,
            statuses=statuses,
        )

    def _status(
        self, certificate: x509.Certificate, issuer: x509.Certificate, at: datetime
    ) -> RevocationStatus:
        status = self._source.status(certificate, issuer, at)
        if self._fetcher is None or status.kind not in _WORTH_FETCHING:
            return status
        failures = [
            failure
            for url in Extensions(certificate).crl_urls
            if url.lower().startswith(("http://", "https://"))
            and (failure := self._fetch(self._fetcher, url))
        ]
        status = self._source.status(certificate, issuer, at)
        if status.kind in _WORTH_FETCHING:
            return replace(status, reasons=(*status.reasons, *failures))
        return status

    def _fetch(self, fetcher: Fetcher, url: str) -> Reason | None:
        """Take the lists at ``url`` into account, or tell why that failed."""
        if url in self._fetched:
            return None
        try:
            self._source.add(load_crls(fetcher.fetch(url), source=url))
        except (NetworkError, TimeoutExceededError, UnreadableError) as error:
            return Reason("revocation.fetch", _told(error))
        self._fetched.add(url)
        return None


def check(
    certificate: x509.Certificate,
    store: TrustStore,
    *,
    untrusted: Iterable[x509.Certificate] = (),
    crls: Iterable[Crl] = (),
    fetcher: Fetcher | None = None,
    at: datetime,
    policy: ChainPolicy | None = None,
) -> Verdict:
    """Check one certificate: see :class:`Checker`, which does many. Raises UsageError."""
    checker = Checker(store, untrusted=untrusted, crls=crls, fetcher=fetcher, policy=policy)
    return checker.check(certificate, at=at)


def _told(error: IgcError) -> str:
    return f"{error.message} ({error.advice})" if error.advice else error.message


def _worst_first(statuses: tuple[RevocationStatus, ...]) -> tuple[Reason, ...]:
    ordered = sorted(statuses, key=lambda status: _WORST_FIRST.index(status.kind))
    return tuple(dict.fromkeys(reason for status in ordered for reason in status.reasons))

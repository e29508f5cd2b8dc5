"""CRLs from where certificates say they are: distribution points, freshest CRL (RFC 5280 §6.3.3 a).

Lists that are at hand are asked first. What they can't tell is fetched, HTTP before LDAP and
only until it is told; delta CRLs are fetched whenever they are announced at an address that
may be contacted, for that is what they are for.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import datetime
from typing import Protocol

from cryptography import x509

from ..errors import NetworkError, TimeoutExceededError, UnreadableError
from .load import load_crls
from .revocation import CrlSource
from .verdict import Kind, Reason, RevocationStatus
from .x509.extensions import Extensions

WORTH_FETCHING = (Kind.UNKNOWN, Kind.STALE)
_HTTP = ("http://", "https://")


class Fetcher(Protocol):
    """What fetches the octets at an address, raising NetworkError or TimeoutExceededError.

    ``allows`` tells whether that address is one that may be contacted at all.
    """

    def fetch(self, url: str) -> bytes: ...
    def allows(self, url: str) -> bool: ...


class PublishedCrlSource:
    """A :class:`.revocation.RevocationSource`: given lists, then what is fetched, once each."""

    def __init__(self, source: CrlSource, fetcher: Fetcher) -> None:
        self._source = source
        self._fetcher = fetcher
        self._fetched: set[str] = set()

    def status(
        self, certificate: x509.Certificate, issuer: x509.Certificate, at: datetime
    ) -> RevocationStatus:
        """Never raises. Failures to fetch are reasons beside a status that can't be told."""
        extensions = Extensions(certificate)
        status = self._source.status(certificate, issuer, at)
        failures: list[Reason] = []
        if status.kind in WORTH_FETCHING:
            for url in self._addresses(extensions.crl_urls):
                failures += self._fetch(url)
                status = self._source.status(certificate, issuer, at)
                if status.kind not in WORTH_FETCHING:
                    break
        missing = self._fetch_deltas(extensions, certificate, issuer, at)
        status = self._source.status(certificate, issuer, at)
        status = replace(status, notices=(*status.notices, *missing))
        if status.kind in WORTH_FETCHING:
            return replace(status, reasons=(*status.reasons, *failures))
        return status

    def at_hand(
        self, certificate: x509.Certificate, issuer: x509.Certificate, at: datetime
    ) -> RevocationStatus:
        """By the lists that are at hand, or were fetched before."""
        return self._source.status(certificate, issuer, at)

    def of_serial(self, serial: int, issuer: x509.Certificate, at: datetime) -> RevocationStatus:
        """The same: where the list of a mere number is, nothing tells."""
        return self._source.of_serial(serial, issuer, at)

    def _fetch_deltas(
        self,
        extensions: Extensions,
        certificate: x509.Certificate,
        issuer: x509.Certificate,
        at: datetime,
    ) -> tuple[Reason, ...]:
        """Take the announced delta CRLs into account: the first that can be had."""
        announced = (*extensions.delta_crl_urls, *self._source.delta_urls(certificate, issuer, at))
        failures: list[Reason] = []
        for url in self._addresses(announced):
            if not self._fetcher.allows(url):
                continue
            failure = tuple(self._fetch(url))
            if not failure:
                return ()
            failures += failure
        return tuple(failures)

    def _addresses(self, urls: Iterable[str]) -> list[str]:
        """HTTP first, whether allowed or not: a failure tells what to configure."""
        distinct = tuple(dict.fromkeys(urls))
        http = [url for url in distinct if url.lower().startswith(_HTTP)]
        return http + [url for url in distinct if url not in http and self._fetcher.allows(url)]

    def _fetch(self, url: str) -> Iterator[Reason]:
        """Take the lists at ``url`` into account, or tell why that failed."""
        if url in self._fetched:
            return
        try:
            self._source.add(load_crls(self._fetcher.fetch(url), source=url))
        except (NetworkError, TimeoutExceededError, UnreadableError) as error:
            yield Reason("revocation.fetch", error.in_one_line)
        else:
            self._fetched.add(url)

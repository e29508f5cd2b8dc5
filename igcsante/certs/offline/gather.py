"""What a check used, caught while it was made: for a bundle that is to tell the same offline.

Lists and answers come from files, from the store of kept lists, or over the network; those
that were looked at are kept as the octets that they were.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from pathlib import PurePath
from typing import Protocol

from cryptography import x509

from ...errors import UnreadableError
from ..anchors import TrustStore
from ..check import Checker
from ..crl.kept import octets_of
from ..crl.store import CrlStore
from ..load import load_crls
from ..ocsp.cache import OcspCache
from ..ocsp.request import CertId
from ..ocsp.response import OcspResponse
from ..ocsp.source import OcspSource
from ..policy import Policy, Source
from ..published import Fetcher
from ..revocation import CrlSource
from ..x509.certificate_list import Crl
from .bundle import Bundle


class OcspAsker(Protocol):
    """What asks a responder, as :class:`..ocsp.client.OcspClient` does."""

    def ask(self, url: str, wanted: CertId) -> OcspResponse: ...


def gather(
    certificates: Iterable[x509.Certificate],
    store: TrustStore,
    *,
    at: datetime,
    policy: Policy,
    untrusted: Iterable[x509.Certificate] = (),
    crls: Iterable[Crl] = (),
    responses: Iterable[OcspResponse] = (),
    crl_store: CrlStore | None = None,
    fetcher: Fetcher | None = None,
    client: OcspAsker | None = None,
    cache: OcspCache | None = None,
) -> Bundle:
    """Check the certificates with all of this, and bundle what it took.

    What was given is in the bundle whether it was of use or not; of what was kept or fetched,
    that which speaks of the certificates or their CAs. Raises UsageError without a root,
    UnreadableError for a kept list whose file is damaged.
    """
    certificates, untrusted = tuple(certificates), tuple(untrusted)
    crls, responses = tuple(crls), tuple(responses)
    fetched = _FetchedLists(fetcher) if fetcher else None
    asked = _AskedResponses(client) if client and policy.fetch else None
    remembered = _KeptResponses(cache) if cache and policy.fetch else None
    lists = CrlSource(crls, store, untrusted, policy, crl_store=crl_store)
    answers = OcspSource(
        policy, responses=responses, client=asked, cache=remembered, responders=lists
    )
    checker = Checker(
        store,
        untrusted=untrusted,
        crls=crls,
        crl_store=crl_store,
        sources={Source.OCSP: answers},
        fetcher=fetched,
        policy=policy,
    )
    told = [checker.check(certificate, at=at) for certificate in certificates]
    issuers = dict.fromkeys(issuer for verdict in told for issuer in verdict.chain[1:])
    kept = _kept_lists(crl_store, issuers) if crl_store else ()
    return Bundle(
        at=at,
        policy=policy,
        certificates=certificates,
        store=store,
        untrusted=untrusted,
        crls=tuple(
            Crl(item.octets, _without_folder(item.source))
            for item in (*crls, *kept, *(fetched.crls if fetched else ()))
        ),
        responses=tuple(
            OcspResponse(item.octets, _without_folder(item.source))
            for item in (
                *responses,
                *(remembered.responses if remembered else ()),
                *(asked.responses if asked else ()),
            )
        ),
    ).trimmed()


def _kept_lists(store: CrlStore, issuers: Iterable[x509.Certificate]) -> tuple[Crl, ...]:
    """The kept lists of these issuers. One that vanishes meanwhile was replaced by a newer.

    Raises UnreadableError.
    """
    wanted = set()
    for issuer in issuers:
        lists, damaged = store.kept(issuer.subject)
        for error in damaged:
            raise error
        wanted |= {item.sha256 for item in lists}
    found = [stored for stored in store.lists() if stored.sha256 in wanted]
    return tuple(Crl(octets_of(stored), stored.source) for stored in found if stored.path.is_file())


def _without_folder(source: str) -> str:
    """An address as it is; of a path the last part: where it lay is nobody's business."""
    return source if "://" in source else PurePath(source).name


class _FetchedLists:
    """Keeps the lists that a fetcher brings."""

    def __init__(self, fetcher: Fetcher) -> None:
        self._fetcher = fetcher
        self._fetched: dict[str, bytes] = {}

    def fetch(self, url: str) -> bytes:
        octets = self._fetcher.fetch(url)
        self._fetched[url] = octets
        return octets

    def allows(self, url: str) -> bool:
        return self._fetcher.allows(url)

    @property
    def crls(self) -> tuple[Crl, ...]:
        found: list[Crl] = []
        for url, octets in self._fetched.items():
            try:
                found += load_crls(octets, source=url)
            except UnreadableError:  # the check had no use for it either
                continue
        return tuple(found)


class _KeptResponses:
    """Remembers the answers that a cache gives."""

    def __init__(self, cache: OcspCache) -> None:
        self._cache = cache
        self.responses: list[OcspResponse] = []

    def get(self, wanted: CertId) -> OcspResponse | None:
        response = self._cache.get(wanted)
        self.responses += [response] if response else []
        return response

    def put(self, wanted: CertId, response: OcspResponse, *, until: datetime) -> None:
        self._cache.put(wanted, response, until=until)


class _AskedResponses:
    """Keeps the answers that responders give."""

    def __init__(self, client: OcspAsker) -> None:
        self._client = client
        self.responses: list[OcspResponse] = []

    def ask(self, url: str, wanted: CertId) -> OcspResponse:
        response = self._client.ask(url, wanted)
        self.responses.append(response)
        return response

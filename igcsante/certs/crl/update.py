"""Keeping the lists of the known authorities up to date, politely (pki.md §4).

Which lists there are comes from the pins and from certificates; each is fetched when a newer
one may be there, verified, and stored. What can't be had leaves the list that is held.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from urllib.parse import unquote

from cryptography import x509

from ...errors import (
    CertificateInvalidError,
    IgcError,
    StatusStaleError,
    StatusUnknownError,
    UnreadableError,
)
from ...instants import shown
from ...messages import tr
from ..anchors import TrustStore, pinned_entry
from ..chain import bearers, build_chain, by_subject
from ..load import MAX_CRL_BYTES
from ..network.access import Access
from ..network.fetch import Fetched, Held, Retry, fetch
from ..network.ldap import fetch_ldap
from ..policy import Policy
from ..x509 import names
from ..x509.certificate_list import Crl
from ..x509.extensions import Extensions
from .kept import is_intact
from .publication import LockedNote, Note, Notes, is_due
from .scan import outline
from .store import CrlStore, StoredCrl

LIST_SECONDS = 300.0
_BRING = tr(
    "a certificate that such an authority issued names the address: igc crl update FILE, which "
    "is remembered; or bring the list: igc crl index FILE"
)


@dataclass(frozen=True)
class Published:
    """A list: a name for people, and the addresses where it is, any of which will do.

    Without one, somebody else has to bring the list of that ``issuer``.
    """

    name: str
    urls: tuple[str, ...]
    issuer: str = ""


class Outcome(StrEnum):
    """What an update did with a list."""

    FETCHED = "fetched"
    UNCHANGED = "unchanged"
    NOT_DUE = "not due"
    FAILED = "failed"
    NO_ADDRESS = "no address"


@dataclass(frozen=True)
class Update:
    """``stored`` is the list that is held now, if any; ``error`` says why there is no newer."""

    published: Published
    outcome: Outcome
    stored: StoredCrl | None = None
    error: IgcError | None = None


def lists_of_authorities(
    store: TrustStore, kept: Iterable[StoredCrl] = ()
) -> tuple[Published, ...]:
    """The lists of the authorities of a store: by their pins, by the certificates that they
    issued to each other, or else where one that is ``kept`` came from.

    One that nothing tells the address of has none.
    """
    authorities = (*store.roots, *store.intermediates)
    pinned = [(pin.name, (pin.crl_url,)) for item in authorities if (pin := pinned_entry(item))]
    addresses = {item.issuer: item.source for item in kept if _scheme(item.source) in _SCHEMES}
    unknown = {names.display(item.subject): item for item in _without_address(authorities)}
    again = [(_short(url), (url,)) for issuer in unknown if (url := addresses.get(issuer))]
    missing = [
        Published(names.label(item), (), issuer)
        for issuer, item in unknown.items()
        if issuer not in addresses
    ]
    return (*_distinct([*pinned, *_named_by(authorities, delta=False), *again]), *missing)


def _without_address(authorities: tuple[x509.Certificate, ...]) -> Iterator[x509.Certificate]:
    """Those whose own lists neither a pin nor a certificate that they issued tells of."""
    known = {
        names.comparable(item.issuer) for item in authorities if [*_named_by([item], delta=False)]
    }
    for item in authorities:
        if pinned_entry(item) is None and names.comparable(item.subject) not in known:
            yield item


def lists_of_certificates(
    certificates: Iterable[x509.Certificate], *, delta: bool = False
) -> tuple[Published, ...]:
    """The lists that certificates name; with ``delta``, the delta CRLs that complete them too."""
    return _distinct(_named_by(certificates, delta=delta))


def _named_by(
    certificates: Iterable[x509.Certificate], *, delta: bool
) -> Iterator[tuple[str, tuple[str, ...]]]:
    for certificate in certificates:
        extensions = Extensions(certificate)
        kinds = (extensions.crl_urls, extensions.delta_crl_urls if delta else ())
        for urls in kinds:
            known = [url for url in urls if _scheme(url) in _SCHEMES]
            known.sort(key=lambda url: url.lower().startswith("ldap"))  # HTTP first
            if known:
                yield _short(known[0]), tuple(known)


_SCHEMES = {"http", "https", "ldap"}


def _scheme(url: str) -> str:
    return url.partition("://")[0].lower()


def _short(url: str) -> str:
    """``ACI-EL-ORG`` for ``http://…/CRL/ACI-EL-ORG.crl``; the first attribute for LDAP."""
    path = url.partition("://")[2].partition("/")[2]
    if url.lower().startswith("ldap"):
        return unquote(path.partition("?")[0].partition(",")[0])
    return path.rpartition("/")[2].removesuffix(".crl") or url


def _distinct(found: Iterable[tuple[str, tuple[str, ...]]]) -> tuple[Published, ...]:
    """One for each first address; the longest set of addresses counts."""
    best: dict[str, Published] = {}
    for name, urls in found:
        known = best.get(urls[0])
        if known is None or len(urls) > len(known.urls):
            best[urls[0]] = Published(known.name if known else name, urls)
    return tuple(best.values())


def _is(held: StoredCrl, octets: bytes) -> bool:
    return held.sha256 == hashlib.sha256(octets).hexdigest()


class CrlUpdater:
    """Fetches lists into ``crl_store``. A list counts when a CA of ``trust`` signed it."""

    def __init__(
        self,
        crl_store: CrlStore,
        trust: TrustStore,
        allowed: Access | Iterable[str],
        *,
        untrusted: Iterable[x509.Certificate] = (),
        policy: Policy | None = None,
        notes: Notes | None = None,
        timeout: float = LIST_SECONDS,
        retry: Retry | None = None,
    ) -> None:
        self._store = crl_store
        self._trust = trust
        self._access = Access.of(allowed)
        self._untrusted = tuple(untrusted)
        self._policy = policy
        self._notes = notes or Notes(crl_store.directory / "fetched")
        self._timeout = timeout
        self._retry = retry
        self._pool = by_subject((*trust.roots, *trust.intermediates, *self._untrusted))

    def update(self, published: Published, *, at: datetime, force: bool = False) -> Update:
        """Fetch a list if it is due at ``at``. The error of a failure is in the result."""
        if not published.urls:
            return self._brought(published, at)
        failures: list[Update] = []
        for url in published.urls:
            try:
                with self._notes.locked(url) as note:
                    return self._update(published, url, note, at, force=force)
            except IgcError as error:
                failures.append(Update(published, Outcome.FAILED, self._held(url), error))
        return failures[0]

    def _brought(self, published: Published, at: datetime) -> Update:
        """Of a list without address, what was kept otherwise, which must be in force."""
        name, issuer = published.name, published.issuer
        kept = [c for c in self._store.lists() if c.issuer == issuer and c.base_number is None]
        whole = [item for item in kept if item.next_update and is_intact(item)]
        newest = max(whole, key=lambda item: item.next_update or at, default=None)
        if newest is None:
            error: IgcError = StatusUnknownError(
                tr("no list of {name} is kept, and no address of one is known", name=name),
                advice=_BRING,
            )
        elif newest.next_update and newest.next_update < at:
            error = StatusStaleError(
                tr(
                    "the list of {name} ended on {end}, and no address of a newer one is known",
                    name=name,
                    end=shown(newest.next_update),
                ),
                advice=_BRING,
            )
        else:
            return Update(published, Outcome.NO_ADDRESS, newest)
        return Update(published, Outcome.NO_ADDRESS, newest, error)

    def add(self, octets: bytes, *, source: str, at: datetime) -> StoredCrl:
        """Verify a list that came another way (DER), and store it.

        Raises UnreadableError, CertificateInvalidError, and what the store raises.
        """
        return self._add(octets, at, Fetched(octets, source))

    def _update(
        self, published: Published, url: str, locked: LockedNote, at: datetime, *, force: bool
    ) -> Update:
        held, note = self._held(url), locked.read()
        if held is not None:
            held = self._mended(held)
        if note is not None and (held is None or held.sha256 != note.sha256):
            note = None  # it speaks of a list that is gone
        if not force and held is not None and not is_due(note, held.next_update, at):
            return Update(published, Outcome.NOT_DUE, held)
        fetched = self._fetch(url, note)
        same = fetched.octets is None or (held is not None and _is(held, fetched.octets))
        stored = held if fetched.octets is None or same else self._add(fetched.octets, at, fetched)
        outcome = Outcome.UNCHANGED if same else Outcome.FETCHED
        until = at + fetched.fresh_for if fetched.fresh_for is not None else None
        digest = stored.sha256 if stored else None
        locked.write(Note(url, at, until, fetched.etag, fetched.last_modified, digest))
        return Update(published, outcome, stored)

    def _mended(self, held: StoredCrl) -> StoredCrl | None:
        """The list with its index whole; None when its file is damaged, so that it is fetched."""
        if not is_intact(held):
            return None
        try:
            self._store.mend(held)
        except (UnreadableError, FileNotFoundError):
            return None
        return held

    def _fetch(self, url: str, note: Note | None) -> Fetched:
        if url.lower().startswith("ldap"):
            return Fetched(fetch_ldap(url, self._access, timeout=self._timeout), url)
        return fetch(
            url,
            self._access,
            limit=MAX_CRL_BYTES,
            timeout=self._timeout,
            held=Held(note.etag, note.last_modified) if note else None,
            retry=self._retry,
        )

    def _held(self, url: str) -> StoredCrl | None:
        """The list that came from this address."""
        return next((item for item in self._store.lists() if item.source == url), None)

    def _add(self, octets: bytes, at: datetime, fetched: Fetched) -> StoredCrl:
        header = Crl(outline(octets).header, fetched.url)
        issuer = names.display(header.issuer)
        refusal = CertificateInvalidError(
            tr(
                "{url}: a list of {issuer}, which is no known authority; it was not kept",
                url=fetched.url,
                issuer=issuer,
            ),
            advice=tr("import its certificate first: igc trust import FILE"),
        )
        for signer in bearers(header.issuer, header.authority_key_id, self._pool):
            if not self._is_trusted(signer, at):
                continue
            try:
                return self._store.add(
                    octets,
                    signer,
                    source=fetched.url,
                    etag=fetched.etag,
                    last_modified=fetched.last_modified,
                    fetched_at=at,
                )
            except CertificateInvalidError as error:
                refusal = error
        raise refusal

    def _is_trusted(self, signer: x509.Certificate, at: datetime) -> bool:
        chain = build_chain(signer, self._trust, self._untrusted, at=at, policy=self._policy)
        return chain.valid

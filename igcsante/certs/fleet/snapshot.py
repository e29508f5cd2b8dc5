"""All that a check rests on, as one value that can be sent to whoever checks a part of a fleet.

Certificates and lists as octets, kept lists by their folder and SHA-256: nothing in it changes,
nothing is fetched, so that every worker tells the same. Long lists that are given as octets are
indexed once where the snapshot is opened, in a folder that goes away again.
"""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from ...errors import IgcError, StorageError, UnreadableError, UsageError
from ...messages import tr
from ..anchors import TrustStore
from ..check import Checker
from ..crl.kept import octets_of
from ..crl.store import CrlStore
from ..ocsp.response import OcspResponse
from ..ocsp.source import OcspSource
from ..policy import Policy, Source
from ..revocation import CheckSource, CrlSource, ListStore
from ..x509 import names
from ..x509.certificate_list import Crl, RevocationList

_FEW = 64  # entries: as fast to read through as to look up in an index


@dataclass(frozen=True)
class Given:
    """A list or an answer, DER, and where it came from."""

    octets: bytes
    source: str = ""


@dataclass(frozen=True)
class Snapshot:
    """Picklable and hashable. Certificates are DER; ``at`` is timezone-aware.

    ``crl_directory`` and ``crl_key`` are those of a :class:`CrlStore`, ``kept`` the SHA-256 of
    the lists that it had: with others, the snapshot can't be opened.
    """

    at: datetime
    policy: Policy
    roots: tuple[bytes, ...]
    intermediates: tuple[bytes, ...] = ()
    untrusted: tuple[bytes, ...] = ()
    crls: tuple[Given, ...] = ()
    responses: tuple[Given, ...] = ()
    crl_directory: Path | None = None
    crl_key: Path | None = None
    kept: frozenset[str] = frozenset()

    @classmethod
    def of(
        cls,
        store: TrustStore,
        *,
        at: datetime,
        policy: Policy | None = None,
        untrusted: Iterable[x509.Certificate] = (),
        crls: Iterable[Crl] = (),
        responses: Iterable[OcspResponse] = (),
        crl_store: CrlStore | None = None,
    ) -> Snapshot:
        """The same that a :class:`Checker` is made of; ``untrusted`` needs authorities only.

        Raises UsageError without a root or for a naive ``at``, StorageError.
        """
        if not store.roots:
            raise UsageError(tr("no trust anchor is known, so no certificate can be checked"))
        if at.tzinfo is None:
            raise UsageError(tr("the time of a check has a time zone"))
        return cls(
            at,
            policy or Policy(),
            _der(store.roots),
            _der(store.intermediates),
            _der(untrusted),
            tuple(Given(crl.octets, crl.source) for crl in crls),
            tuple(Given(item.octets, item.source) for item in responses),
            crl_store.directory if crl_store else None,
            crl_store.key_file if crl_store else None,
            frozenset(item.sha256 for item in crl_store.lists()) if crl_store else frozenset(),
        )

    def with_lists_inside(self) -> Snapshot:
        """The same for a machine that does not have the folder.

        Raises StorageError, UnreadableError for a kept list whose file is damaged.
        """
        if self.crl_directory is None:
            return self
        store = CrlStore(self.crl_directory, key_file=self.crl_key)
        for error in store.damaged():
            raise error
        kept = store.lists()
        if {item.sha256 for item in kept} != self.kept:
            raise _changed(self.crl_directory)
        inside = tuple(Given(octets_of(item), item.source or str(item.path)) for item in kept)
        return replace(
            self, crls=(*self.crls, *inside), crl_directory=None, crl_key=None, kept=frozenset()
        )

    def certificates(self) -> tuple[x509.Certificate, ...]:
        """All that it has."""
        return _loaded((*self.roots, *self.intermediates, *self.untrusted))

    def answered(self) -> frozenset[int]:
        """The serial numbers that the given OCSP responses tell of. Raises UnreadableError."""
        given = (OcspResponse(item.octets, item.source).serials for item in self.responses)
        return frozenset(serial for serials in given for serial in serials)

    @contextlib.contextmanager
    def opened(self, folder: Path | None = None) -> Iterator[Checker]:
        """What checks by it. ``folder`` holds what is needed meanwhile.

        Raises UnreadableError, or StorageError when the kept lists are others by now.
        """
        store = TrustStore(_loaded(self.roots), _loaded(self.intermediates))
        untrusted = _loaded(self.untrusted)
        known = (*store.roots, *store.intermediates, *untrusted)
        responses = tuple(OcspResponse(item.octets, item.source) for item in self.responses)
        with tempfile.TemporaryDirectory(prefix="igc-", dir=folder) as own:
            crls = tuple(
                _indexed(item, known, Path(own) / str(number))
                for number, item in enumerate(self.crls)
            )
            kept = self._kept_lists(known)
            lists = CrlSource(crls, store, untrusted, self.policy, crl_store=kept)
            sources: dict[Source, CheckSource] = {}
            if responses:
                sources[Source.OCSP] = OcspSource(
                    self.policy, responses=responses, responders=lists
                )
            yield Checker(
                store,
                untrusted=untrusted,
                crls=crls,
                crl_store=kept,
                sources=sources,
                policy=self.policy,
            )

    def _kept_lists(self, known: Iterable[x509.Certificate]) -> ListStore | None:
        if self.crl_directory is None:
            return None
        kept = _KeptLists(CrlStore(self.crl_directory, key_file=self.crl_key), self.kept)
        for certificate in known:
            with contextlib.suppress(UnreadableError, *names.PARSE_ERRORS):
                kept.kept(certificate.subject)
        return kept


_Found = tuple[tuple[RevocationList, ...], tuple[UnreadableError, ...]]


class _KeptLists:
    """Those of a snapshot, each opened once; they stay open when they are replaced."""

    def __init__(self, store: CrlStore, sha256: frozenset[str]) -> None:
        self._store = store
        self._sha256 = sha256
        self._found: dict[names.Comparable, _Found] = {}

    def kept(self, issuer: x509.Name) -> _Found:
        name = names.comparable(issuer)
        if name not in self._found:
            found = self._store.kept(issuer)
            if not {item.sha256 for item in found[0]} <= self._sha256:
                raise _changed(self._store.directory)
            self._found[name] = found
        return self._found[name]


def _indexed(given: Given, known: Iterable[x509.Certificate], folder: Path) -> RevocationList:
    """A list ready for many look-ups. Unless one of the ``known`` signed it, as it is."""
    crl = Crl(given.octets, given.source)
    if len(crl) <= _FEW:
        return crl
    issuer = names.comparable(crl.issuer)
    store = CrlStore(folder, key_file=folder / "key")
    for signer in known:
        with contextlib.suppress(IgcError, *names.PARSE_ERRORS):
            if names.comparable(signer.subject) == issuer:
                store.add(given.octets, signer, source=given.source)
                return store.find(crl.issuer)[0]
    return crl


def _changed(directory: Path) -> StorageError:
    return StorageError(
        tr(
            "{directory}: the lists were changed after the check began; it was not gone on with",
            directory=directory,
        ),
        advice=tr("start it again"),
    )


def _der(certificates: Iterable[x509.Certificate]) -> tuple[bytes, ...]:
    return tuple(item.public_bytes(Encoding.DER) for item in certificates)


def _loaded(octets: Iterable[bytes]) -> tuple[x509.Certificate, ...]:
    return tuple(map(x509.load_der_x509_certificate, octets))

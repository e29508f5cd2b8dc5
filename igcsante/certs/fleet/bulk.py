"""Fleets: one verdict for each certificate, by a read-only :class:`.snapshot.Snapshot`.

:func:`check_batch` is a pure function of a batch and a snapshot, so that any engine can map it
(:mod:`.engines` has two). What is above the leaves is verified once where a snapshot is open;
leaves that are like a good one are checked by their own parts alone (:mod:`.cohort`).
"""

from __future__ import annotations

import contextlib
import threading
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from ...errors import ExitCode, UnreadableError
from ...messages import tr
from ..check import Checker
from ..verdict import Kind, Reason, RevocationStatus, SerialVerdict, Verdict
from ..x509 import names
from ..x509.signatures import KEY_ERRORS
from .cohort import Cohort, cohort_of
from .likeness import Leaf, LeafReader
from .snapshot import Snapshot

_MAX_COHORTS = 1024


@dataclass(frozen=True, slots=True)
class SerialOf:
    """A serial number and the certificate of its issuer (DER): all that one has."""

    serial: int
    issuer: bytes


Subject = bytes | SerialOf  # octets are those of a certificate, DER


@dataclass(frozen=True, slots=True)
class Record:
    """A verdict that can be pickled and is made quickly; whole only when it is asked for.

    ``chain`` are the certificates above the subject (DER); ``statuses`` its own and those of
    the chain but the anchor. ``serial`` is None when the certificate can't be read at all.
    """

    kind: Kind
    subject: Subject
    serial: int | None
    at: datetime
    policy: str
    chain: tuple[bytes, ...] = ()
    statuses: tuple[RevocationStatus, ...] = ()
    reasons: tuple[Reason, ...] = ()
    notices: tuple[Reason, ...] = ()

    @property
    def sha256(self) -> str | None:
        """Of the certificate, in hexadecimal."""
        return None if isinstance(self.subject, SerialOf) else sha256(self.subject).hexdigest()

    @property
    def exit_code(self) -> ExitCode:
        return ExitCode[self.kind.name]

    @property
    def revoked_on(self) -> datetime | None:
        """When the certificate, or else one of its issuers, was revoked."""
        return next((status.revoked_on for status in self.statuses if status.revoked_on), None)

    def verdict(self) -> Verdict | SerialVerdict:
        """The whole verdict. Raises UnreadableError when the subject is no certificate."""
        if isinstance(self.subject, SerialOf):
            return SerialVerdict(self.kind, self.subject.serial, *self._others(()))
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                certificate = x509.load_der_x509_certificate(self.subject)
        except KEY_ERRORS as error:
            raise UnreadableError(
                tr("not a certificate that can be read: {error}", error=error)
            ) from None
        return Verdict(self.kind, certificate, *self._others((certificate,)))

    def _others(self, first: tuple[x509.Certificate, ...]) -> tuple[Any, ...]:
        chain = (*first, *map(x509.load_der_x509_certificate, self.chain))
        return self.at, self.reasons, chain, self.statuses, self.policy, self.notices

    def to_dict(self) -> dict[str, Any]:
        """As :meth:`..verdict.Verdict.to_dict`; None for what an unreadable one doesn't tell."""
        try:
            return self.verdict().to_dict()
        except UnreadableError:
            told = SerialVerdict(self.kind, 0, *self._others(())).to_dict()
            own = {"subject": None, "serial": None, "sha256": self.sha256}
            return told | {"certificate": own, "chain": []}


class _Member(NamedTuple):
    """Of a cohort, if its signature is verified."""

    octets: bytes
    certificate: x509.Certificate
    leaf: Leaf
    cohort: Cohort


class BulkChecker:
    """Checks subjects one after the other. Not for several threads at a time."""

    def __init__(self, snapshot: Snapshot, checker: Checker) -> None:
        """``checker`` is what the snapshot gives when it is opened."""
        self._at, self._policy = snapshot.at, snapshot.policy
        self._checker = checker
        self._apart = snapshot.answered().union(map(names.serial_number, snapshot.certificates()))
        self._reader = LeafReader()
        self._cohorts: dict[tuple[Any, ...], Cohort] = {}
        self._issuers: dict[bytes, x509.Certificate] = {}

    def check(self, batch: Iterable[Subject]) -> list[Record]:
        """One record for each, in order. Never raises: what can't be read is invalid."""
        with warnings.catch_warnings():  # that odd serial numbers give
            warnings.simplefilter("ignore")
            return self._check(tuple(batch))

    def _check(self, batch: tuple[Subject, ...]) -> list[Record]:
        records: dict[int, Record] = {}
        unsigned: list[tuple[int, _Member]] = []
        for place, subject in enumerate(batch):
            found = self._looked_at(subject)
            if isinstance(found, Record):
                records[place] = found
            else:
                unsigned.append((place, found))
        # Apart from the rest: signatures one after the other take a fifth less time.
        for place, member in unsigned:
            if member.cohort.has_signed(member.leaf):
                records[place] = self._good(member)
            else:
                records[place] = self._told(member.octets, member.certificate)
        return [records[place] for place in range(len(batch))]

    def _looked_at(self, subject: Subject) -> Record | _Member:
        """The record, unless only a signature is left to be verified."""
        if isinstance(subject, SerialOf):
            return self._check_serial(subject)
        try:
            certificate = x509.load_der_x509_certificate(subject)
        except KEY_ERRORS as error:
            return self._unreadable(subject, None, error)
        leaf = self._reader.read(subject)
        # An anchor is its own chain; of others an OCSP response tells.
        if leaf is None or leaf.serial in self._apart:
            return self._told(subject, certificate)
        cohort = self._cohorts.get(leaf.like)
        if cohort is None:
            return self._told(subject, certificate, leaf)
        if cohort.may_have(certificate, leaf):
            return _Member(subject, certificate, leaf, cohort)
        return self._told(subject, certificate)

    def _good(self, member: _Member) -> Record:
        cohort = member.cohort
        return Record(
            Kind.GOOD,
            member.octets,
            member.leaf.serial,
            self._at,
            self._policy.name,
            cohort.chain,
            cohort.statuses,
        )

    def _told(
        self, octets: bytes, certificate: x509.Certificate, new: Leaf | None = None
    ) -> Record:
        """By a whole check; ``new`` is a leaf of which none that is like it is known yet."""
        verdict = self._checker.check(certificate, at=self._at)
        if new is not None:
            cohort = cohort_of(verdict, self._policy, self._checker.lists)
            if cohort is not None and len(self._cohorts) < _MAX_COHORTS:
                self._cohorts[new.like] = cohort
        return self._record(octets, verdict)

    def _check_serial(self, subject: SerialOf) -> Record:
        try:
            issuer = self._issuers.get(subject.issuer)
            if issuer is None:
                issuer = x509.load_der_x509_certificate(subject.issuer)
                self._issuers[subject.issuer] = issuer
        except KEY_ERRORS as error:
            return self._unreadable(subject, subject.serial, error)
        verdict = self._checker.check_serial(subject.serial, issuer, at=self._at)
        return self._record(subject, verdict)

    def _unreadable(self, subject: Subject, serial: int | None, error: BaseException) -> Record:
        reason = Reason(
            "chain.unreadable", tr("not a certificate that can be read: {error}", error=error)
        )
        name = self._policy.name
        return Record(Kind.INVALID, subject, serial, self._at, name, reasons=(reason,))

    def _record(self, subject: Subject, verdict: Verdict | SerialVerdict) -> Record:
        if isinstance(verdict, SerialVerdict):
            serial, above = verdict.serial, verdict.chain
        else:
            serial, above = names.serial_number(verdict.certificate), verdict.chain[1:]
        return Record(
            verdict.kind,
            subject,
            serial,
            self._at,
            verdict.policy,
            tuple(certificate.public_bytes(Encoding.DER) for certificate in above),
            verdict.statuses,
            verdict.reasons,
            verdict.notices,
        )


@contextlib.contextmanager
def bulk_checker(snapshot: Snapshot, folder: Path | None = None) -> Iterator[BulkChecker]:
    """``folder`` holds what is needed meanwhile. Raises UnreadableError, StorageError."""
    with snapshot.opened(folder) as checker:
        yield BulkChecker(snapshot, checker)


class _Open(threading.local):
    """The snapshot that a thread has open: it stays so for the next batch.

    A thread of its own each: a checker keeps what it has found as it goes, and a lock around
    it would leave a worker's threads to wait for each other.
    """

    def __init__(self) -> None:
        self.snapshot: Snapshot | None = None
        self.closing = contextlib.ExitStack()
        self.checker: BulkChecker | None = None

    def on(self, snapshot: Snapshot) -> BulkChecker:
        if self.checker is None or (self.snapshot is not snapshot and self.snapshot != snapshot):
            self.closing.close()
            self.checker = self.closing.enter_context(bulk_checker(snapshot))
        self.snapshot = snapshot
        return self.checker


_open = _Open()


def check_batch(batch: Iterable[Subject], snapshot: Snapshot) -> list[Record]:
    """One record for each subject, in order: a pure function, for any engine to map.

    The snapshot stays open in the thread for its next batch. Raises UnreadableError or
    StorageError for the snapshot, never for a subject.
    """
    return _open.on(snapshot).check(batch)

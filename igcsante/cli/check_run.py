"""One run of ``igc check``: what verdicts rest on, and the stream of findings.

A few certificates are checked one after the other, and lists are fetched as they are needed.
Offline, many are a matter of :mod:`..certs.fleet.engines`: of a snapshot that does not change.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from itertools import tee
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..certs.anchors import TrustStore
from ..certs.check import Checker
from ..certs.crl.store import CrlStore
from ..certs.fleet.report import Finding
from ..certs.policy import Policy, Source
from ..certs.x509.certificate_list import Crl
from .check_inputs import Intake
from .check_spool import Entry
from .connect import access_of, profile_of, trust_store
from .output import Settings, talk

if TYPE_CHECKING:
    from cryptography import x509

    from ..certs.fleet.bulk import Subject
    from ..certs.fleet.report_state import CheckState
    from ..certs.fleet.snapshot import Snapshot
    from ..certs.ocsp.response import OcspResponse
    from ..config import Profile

_FEW = 32  # certificates: as quickly checked as a snapshot is made


@dataclass(frozen=True)
class Run:
    """Everything that a check needs, and the instant that it is about."""

    at: datetime
    policy: Policy
    profile: Profile
    store: TrustStore
    untrusted: tuple[x509.Certificate, ...]
    crls: tuple[Crl, ...]
    responses: tuple[OcspResponse, ...]
    intake: Intake

    @classmethod
    def of(
        cls,
        settings: Settings,
        policy: Policy,
        at: datetime | None,
        given: dict[str, Any],
        intake: Intake,
    ) -> Run:
        """From the options. Raises IgcError for a file that can't be read."""
        from ..certs.load import certificates_from_path, crls_from_path

        profile = profile_of(settings)
        store = trust_store(profile, given["anchors"])
        paths = (*given["untrusted"], *profile.untrusted)
        more = [item for path in paths for item in certificates_from_path(path)]
        return cls(
            at or datetime.now(UTC),
            policy,
            profile,
            store,
            tuple(dict.fromkeys((*more, *intake.authorities))),
            tuple(crl for path in given["crl"] for crl in crls_from_path(path)),
            tuple(map(_response, given["ocsp"])),
            intake,
        )

    @contextlib.contextmanager
    def findings(self, *, resume: Path | None, jobs: int) -> Iterator[Iterable[Finding]]:
        """The findings in the order of the inputs; those of an earlier run first asked for."""
        check = self._checks(jobs, of_a_snapshot=resume is not None)
        with contextlib.ExitStack() as closing:
            state = None
            if resume is not None:
                from ..certs.fleet.report_state import CheckState

                state = closing.enter_context(
                    CheckState.open(resume, self.snapshot, CrlStore().secret())
                )
                if state.renewed:
                    talk(f"The check in {resume} was finished: a new one begins.")
                if len(state):
                    talk(f"Going on with {resume}: {len(state)} were checked before.")
            yield _findings(self.intake, check, state)
            if state is not None:  # all of it was told
                state.finish()

    @cached_property
    def snapshot(self) -> Snapshot:
        from ..certs.fleet.snapshot import Snapshot

        return Snapshot.of(
            self.store,
            at=self.at,
            policy=self.policy,
            untrusted=self.untrusted,
            crls=self.crls,
            responses=self.responses,
            crl_store=CrlStore(),
        )

    def _checks(self, jobs: int, *, of_a_snapshot: bool) -> _Checks:
        few = self.intake.count <= _FEW and jobs == 1
        if self.policy.fetch or (few and not of_a_snapshot):
            return self._one_by_one
        return lambda entries: self._by_engine(entries, jobs)

    def _one_by_one(self, entries: Iterable[Entry]) -> Iterator[Finding]:
        from ..certs.load import load_certificates

        checker = self._checker()
        for entry in entries:
            if entry.serial is None:
                (certificate,) = load_certificates(entry.certificate)
                yield Finding.of(entry.source, checker.check(certificate, at=self.at))
            else:
                (issuer,) = load_certificates(self.intake.issuer)
                told = checker.check_serial(entry.serial, issuer, at=self.at)
                yield Finding.of(entry.source, told)

    def _by_engine(self, entries: Iterable[Entry], jobs: int) -> Iterator[Finding]:
        from ..certs.fleet.engines import check_all

        sources, subjects = tee(entries)
        records = check_all(map(self._subject, subjects), self.snapshot, jobs=jobs)
        for entry, record in zip(sources, records, strict=True):
            yield Finding.of(entry.source, record.verdict())

    def _subject(self, entry: Entry) -> Subject:
        from ..certs.fleet.bulk import SerialOf

        if entry.serial is None:
            return entry.certificate
        return SerialOf(entry.serial, self.intake.issuer)

    def _checker(self) -> Checker:
        """One that fetches, unless the policy forbids it."""
        kept = CrlStore()
        fetcher = None
        if self.policy.fetch:
            from ..certs.network.fetch import CrlFetcher

            fetcher = CrlFetcher(access_of(self.profile))
        sources = {}
        if self.responses or self.policy.fetch:
            sources[Source.OCSP] = self._ocsp(kept)
        return Checker(
            self.store,
            untrusted=self.untrusted,
            crls=self.crls,
            crl_store=kept,
            sources=sources,
            fetcher=fetcher,
            policy=self.policy,
        )

    def _ocsp(self, kept: CrlStore) -> Any:
        from ..certs.ocsp.cache import OcspCache
        from ..certs.ocsp.source import OcspSource
        from ..certs.revocation import CrlSource

        client = cache = None
        if self.policy.fetch:
            from ..certs.ocsp.client import OcspClient

            client, cache = OcspClient(access_of(self.profile)), OcspCache()
        lists = CrlSource(self.crls, self.store, self.untrusted, self.policy, crl_store=kept)
        return OcspSource(
            self.policy, responses=self.responses, client=client, cache=cache, responders=lists
        )


_Checks = Callable[[Iterable[Entry]], Iterator[Finding]]


def _findings(intake: Intake, check: _Checks, state: CheckState | None) -> Iterator[Finding]:
    """One for each entry, in order. What is known already, or is an error, is not checked."""
    every, wanted = tee(intake.subjects)
    if state is None:
        checked = check(entry for entry in wanted if not entry.error)
        for entry in every:
            yield _unreadable(entry) if entry.error else next(checked)
        return
    checked = check(e for e in wanted if not e.error and _key(intake, e) not in state)
    for entry in every:
        if entry.error:
            yield _unreadable(entry)
        elif (key := _key(intake, entry)) in state:
            yield Finding(entry.source, state.get(key))
        else:
            finding = next(checked)
            state.put(key, finding.document)
            yield finding


def _unreadable(entry: Entry) -> Finding:
    return Finding(entry.source, {"ok": False, "error": entry.error})


def _key(intake: Intake, entry: Entry) -> str:
    """What a finding is about, whatever file it came from this time."""
    from hashlib import sha256

    if entry.serial is None:
        return sha256(entry.certificate).hexdigest()
    return f"{sha256(intake.issuer).hexdigest()}:{entry.serial:x}"


def _response(path: Path) -> OcspResponse:
    from ..certs.ocsp.response import ocsp_response_from_path  # most checks are given none

    return ocsp_response_from_path(path)

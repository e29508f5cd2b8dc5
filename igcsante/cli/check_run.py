"""One run of ``igc check``: what verdicts rest on, and the stream of findings.

A few certificates are checked one after the other, and lists are fetched as they are needed.
Offline, many are a matter of :mod:`..certs.fleet.engines`: of a snapshot that does not change.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping
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
from ..certs.verdict import SerialVerdict, Verdict
from ..certs.x509.certificate_list import Crl
from ..instants import iso, shown
from ..messages import tr
from .check_inputs import Intake
from .check_spool import Entry
from .chosen import profile_of
from .connect import access_of, trust_store
from .output import Settings, talk

if TYPE_CHECKING:
    from cryptography import x509

    from ..certs.fleet.bulk import Subject
    from ..certs.fleet.report_state import CheckState
    from ..certs.fleet.snapshot import Snapshot
    from ..certs.network.fetch import CrlFetcher
    from ..certs.ocsp.response import OcspResponse
    from ..certs.serials import SerialChecker
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
    def findings(
        self, *, resume: Path | None, jobs: int, cluster: str | None
    ) -> Iterator[Iterable[Finding]]:
        """The findings in the order of the inputs; those of an earlier run first asked for.

        ``cluster`` is the address of a Dask scheduler.
        """
        check = self._checks(jobs, cluster, of_a_snapshot=resume is not None)
        with contextlib.ExitStack() as closing:
            state = None
            if resume is not None:
                from ..certs.fleet.report_state import CheckState

                state = closing.enter_context(
                    CheckState.open(resume, self.snapshot, CrlStore().secret())
                )
                if state.renewed:
                    talk(tr("The check in {resume} was finished: a new one begins.", resume=resume))
                if state.resumed:
                    talk(
                        tr(
                            "Going on with {resume}, as of {at}: {count} were checked before.",
                            resume=resume,
                            at=shown(self.at, seconds=True),
                            count=len(state),
                        )
                    )
            found = _findings(self.intake, check, state)
            ended = _Ended(found, datetime.now(UTC) if state and state.resumed else self.at)
            yield ended
            if ended.count:
                talk(
                    tr(
                        "Of these, {count} rest on a list or answer that has ended since "
                        "{at}: update the lists, and check anew.",
                        count=ended.count,
                        at=shown(self.at, seconds=True),
                    )
                )
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

    def _checks(self, jobs: int, cluster: str | None, *, of_a_snapshot: bool) -> _Checks:
        few = self.intake.count <= _FEW and jobs == 1 and not cluster
        if self.policy.fetch or (few and not of_a_snapshot):
            return self._one_by_one
        return lambda entries: self._by_engine(entries, jobs, cluster)

    def _one_by_one(self, entries: Iterable[Entry]) -> Iterator[Finding]:
        from ..certs.load import load_certificates

        fetcher = self._fetcher()
        checker = self._checker(fetcher)
        serials = self._serials(checker, fetcher) if self.intake.issuer else None
        for entry in entries:
            if serials and entry.serial is not None:
                yield Finding.of(entry.source, serials.check(entry.serial, at=self.at))
            else:
                (certificate,) = load_certificates(entry.certificate)
                verdict = checker.check(certificate, at=self.at)
                yield Finding.of(entry.source, _named(verdict, entry))

    def _by_engine(
        self, entries: Iterable[Entry], jobs: int, cluster: str | None
    ) -> Iterator[Finding]:
        from ..certs.fleet.engines import check_all, check_on_cluster

        sources, wanted = tee(entries)
        subjects = map(self._subject, wanted)
        if cluster:
            records = check_on_cluster(cluster, subjects, self.snapshot)
        else:
            records = check_all(subjects, self.snapshot, jobs=jobs)
        for entry, record in zip(sources, records, strict=True):
            yield Finding.of(entry.source, _named(record.verdict(), entry))

    def _subject(self, entry: Entry) -> Subject:
        from ..certs.fleet.bulk import SerialOf

        if entry.serial is None:
            return entry.certificate
        return SerialOf(entry.serial, self.intake.issuer)

    def _fetcher(self) -> CrlFetcher | None:
        """None when the policy forbids to fetch."""
        if not self.policy.fetch:
            return None
        from ..certs.network.fetch import CrlFetcher

        return CrlFetcher(access_of(self.profile))

    def _serials(self, checker: Checker, fetcher: CrlFetcher | None) -> SerialChecker:
        from ..certs.load import load_certificates
        from ..certs.serials import SerialChecker

        return SerialChecker(checker, load_certificates(self.intake.issuer)[0], fetcher)

    def _checker(self, fetcher: CrlFetcher | None) -> Checker:
        kept = CrlStore()
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


class _Ended:
    """Findings as they come, and how many good ones rest on what ends before ``now``."""

    def __init__(self, findings: Iterable[Finding], now: datetime) -> None:
        self._findings, self._now = findings, iso(now)
        self.count = 0

    def __iter__(self) -> Iterator[Finding]:
        for finding in self._findings:
            self.count += self._has_ended(finding.document)
            yield finding

    def _has_ended(self, document: Mapping[str, Any]) -> bool:
        if document.get("verdict") != "good":
            return False
        ends = (item["next_update"] for told in document["revocation"] for item in told["evidence"])
        return any(end and document["at"] < end < self._now for end in ends)


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


def _named(verdict: Verdict | SerialVerdict, entry: Entry) -> Verdict | SerialVerdict:
    """The same verdict, unless the certificate must be for a name and isn't."""
    if not entry.name or isinstance(verdict, SerialVerdict):
        return verdict
    from ..certs.path.server_name import ServerName, for_server

    return for_server(verdict, ServerName.parse(entry.name))


def _unreadable(entry: Entry) -> Finding:
    return Finding(entry.source, {"ok": False, "error": entry.error})


def _key(intake: Intake, entry: Entry) -> str:
    """What a finding is about, whatever file it came from this time."""
    from hashlib import sha256

    if entry.serial is None:
        digest = sha256(entry.certificate).hexdigest()
        return f"{digest}:{entry.name}" if entry.name else digest
    return f"{sha256(intake.issuer).hexdigest()}:{entry.serial:x}"


def _response(path: Path) -> OcspResponse:
    from ..certs.ocsp.response import ocsp_response_from_path  # most checks are given none

    return ocsp_response_from_path(path)

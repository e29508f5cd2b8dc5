"""What a report tells of each certificate, as plain data: for printers, files, and a later run.

A finding is where something came from and a document, the JSON object of schema igc.check/1
but for its place and its end: so one that was read back is the same as one that was just made.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from functools import cached_property
from typing import Any

from cryptography import x509

from ...errors import ExitCode, IgcError
from ...instants import iso
from ..verdict import SerialVerdict, Verdict
from ..x509 import names
from ..x509.names import common_name


class Outcome(StrEnum):
    """What becomes of an input. Worst first: those of :class:`..verdict.Kind`, and two more."""

    UNREADABLE = "unreadable"
    INVALID = "invalid"
    REVOKED = "revoked"
    UNKNOWN = "unknown"
    STALE = "stale"
    ENDING = "ending"  # good, but not for long
    GOOD = "good"


@dataclass(frozen=True)
class Finding:
    """About one certificate, serial number, or input that can't be read.

    ``source`` is a file, ``archive!member``, ``host:port`` or a place on a card; ``document``
    is ready for JSON.
    """

    source: str
    document: Mapping[str, Any]

    @classmethod
    def of(cls, source: str, verdict: Verdict | SerialVerdict) -> Finding:
        """A verdict, and what a report tells besides: issuer and validity."""
        if isinstance(verdict, Verdict):
            return cls(source, {**verdict.to_dict(), **_validity(verdict.certificate)})
        issuer = names.display_subject(verdict.chain[0]) if verdict.chain else None
        own = {"issuer": issuer, "not_before": None, "not_after": None}
        return cls(source, {**verdict.to_dict(), **own})

    @classmethod
    def of_error(cls, source: str, error: IgcError) -> Finding:
        """An input of which nothing can be told."""
        return cls(source, {"ok": False, "error": error.to_dict()})

    @property
    def error(self) -> Mapping[str, Any] | None:
        found: Mapping[str, Any] | None = self.document.get("error")
        return found

    @property
    def kind(self) -> Outcome:
        """Its verdict; its end is not looked at."""
        return Outcome.UNREADABLE if self.error else Outcome(self.document["verdict"])

    @property
    def exit_code(self) -> ExitCode:
        return ExitCode((self.error or self.document)["exit_code"])

    @property
    def subject(self) -> str:
        """In encoding order; empty when there is none."""
        return self._certificate.get("subject") or ""

    @property
    def label(self) -> str:
        """The common name, else the whole subject, else the serial number."""
        return common_name(self.subject) or (f"serial {self.serial}" if self.serial else "")

    @property
    def issuer(self) -> str:
        return self.document.get("issuer") or ""

    @property
    def serial(self) -> str:
        return self._certificate.get("serial") or ""

    @property
    def sha256(self) -> str:
        return self._certificate.get("sha256") or ""

    @cached_property
    def not_before(self) -> datetime | None:
        return _instant(self.document.get("not_before"))

    @cached_property
    def not_after(self) -> datetime | None:
        return _instant(self.document.get("not_after"))

    @property
    def revoked_on(self) -> str:
        return self.document.get("revoked_on") or ""

    @property
    def revocation_reason(self) -> str:
        """Of the first revoked certificate of the chain; empty when the list gives none."""
        told = self.document.get("revocation", ())
        return next((item["reason"] or "" for item in told if item["revoked_on"]), "")

    @property
    def messages(self) -> list[str]:
        """Everything that is wrong, in words."""
        if self.error:
            return [self.error["message"].removeprefix(f"{self.source}: ")]
        return [reason["message"] for reason in self.document["reasons"]]

    @property
    def codes(self) -> list[str]:
        """The same for programs."""
        if self.error:
            return [self.error["code"]]
        return [reason["code"] for reason in self.document["reasons"]]

    @property
    def notices(self) -> list[str]:
        """What the policy let pass, in words."""
        return [notice["message"] for notice in self.document.get("notices", ())]

    @property
    def _certificate(self) -> Mapping[str, Any]:
        found: Mapping[str, Any] = self.document.get("certificate", {})
        return found


@dataclass
class Survey:
    """What counts as a finding, and the tally of what was found so far.

    ``within`` is how soon an end is told of, None for never; ``fail_on`` are the outcomes
    that make the exit code.
    """

    at: datetime
    policy: str
    within: timedelta | None = None
    fail_on: frozenset[Outcome] = frozenset(Outcome) - {Outcome.GOOD}
    duplicates: int = 0
    tally: Counter[Outcome] = field(default_factory=Counter)
    codes: set[ExitCode] = field(default_factory=set)
    first_end: datetime | None = None

    def outcome(self, finding: Finding) -> Outcome:
        """Its kind, or ``ending`` for a good one that ends within the time asked."""
        end = finding.not_after
        soon = self.within is not None and end is not None and end <= self.at + self.within
        return Outcome.ENDING if soon and finding.kind is Outcome.GOOD else finding.kind

    def days_left(self, finding: Finding) -> int | None:
        """Whole days until its end, negative when that is past."""
        return (finding.not_after - self.at).days if finding.not_after else None

    def fails(self, finding: Finding) -> bool:
        return self.outcome(finding) in self.fail_on

    def count(self, finding: Finding) -> Outcome:
        """Take a finding into the tally; its outcome."""
        outcome = self.outcome(finding)
        self.tally[outcome] += 1
        if outcome in self.fail_on:
            self.codes.add(ExitCode.ENDING if outcome is Outcome.ENDING else finding.exit_code)
        end = finding.not_after
        if end and finding.kind is Outcome.GOOD:
            self.first_end = min(end, self.first_end or end)
        return outcome

    @property
    def total(self) -> int:
        return sum(self.tally.values())

    @property
    def exit_code(self) -> ExitCode:
        """The worst of what was counted and fails."""
        others = self.codes - set(_WORST_FIRST)
        return min(others) if others else min(self.codes, key=_WORST_FIRST.index, default=_NOTHING)

    def to_dict(self) -> dict[str, Any]:
        """The tally, ready for JSON; every outcome is named."""
        return {
            **{str(outcome): self.tally[outcome] for outcome in Outcome},
            "total": self.total,
            "duplicates": self.duplicates,
        }


_NOTHING = ExitCode.GOOD
_WORST_FIRST = (
    ExitCode.INVALID,
    ExitCode.REVOKED,
    ExitCode.UNKNOWN,
    ExitCode.STALE,
    ExitCode.ENDING,
)


def outcomes(texts: Iterable[str]) -> frozenset[Outcome]:
    """Those of the names. Raises ValueError."""
    return frozenset(map(Outcome, texts))


def _validity(certificate: x509.Certificate) -> dict[str, str | None]:
    try:
        return {
            "issuer": names.display(certificate.issuer),
            "not_before": iso(certificate.not_valid_before_utc),
            "not_after": iso(certificate.not_valid_after_utc),
        }
    except names.PARSE_ERRORS:
        return {"issuer": None, "not_before": None, "not_after": None}


def _instant(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None

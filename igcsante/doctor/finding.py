"""What a check tells: a status in a word, what was seen, and what to do about it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from ..errors import ExitCode


class Status(StrEnum):
    """How bad it is. ``skipped``: it was not looked at, and what was seen says why."""

    OK = "ok"
    NOTE = "note"
    WARNING = "warning"
    PROBLEM = "problem"
    SKIPPED = "skipped"


@dataclass(frozen=True)
class Finding:
    """One thing that was seen. ``exit_code`` is other than 0 for a problem only."""

    status: Status
    seen: str
    remedy: str = ""
    exit_code: ExitCode = ExitCode.GOOD


def ok(seen: str) -> Finding:
    """It is as it should be."""
    return Finding(Status.OK, seen)


def note(seen: str, remedy: str = "") -> Finding:
    """It is all right, and worth knowing."""
    return Finding(Status.NOTE, seen, remedy)


def warning(seen: str, remedy: str = "") -> Finding:
    """Something doesn't work, or soon won't; the rest does."""
    return Finding(Status.WARNING, seen, remedy)


def problem(seen: str, remedy: str, exit_code: ExitCode = ExitCode.FAILURE) -> Finding:
    """What is there, or was asked for, doesn't work; commands that need it end so."""
    return Finding(Status.PROBLEM, seen, remedy, exit_code)


def skipped(why: str, remedy: str = "") -> Finding:
    """It was not looked at."""
    return Finding(Status.SKIPPED, why, remedy)

"""The checks in their order, each resting on those before it; choosing and running them."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from ..errors import ExitCode, IgcError, StorageError, TimeoutExceededError, UsageError
from ..messages import reason_of, tr
from ..text import did_you_mean
from .bounds import Call
from .card import CHECKS as CARD
from .certificates import CHECKS as CERTIFICATES
from .check import Check, Context, UnusableConfigurationError
from .clock import CHECKS as CLOCK
from .configuration import CHECKS as CONFIGURATION
from .finding import Finding, Status, problem, skipped
from .masking import foreign, host, place, told
from .network import CHECKS as NETWORK
from .network import contacted
from .pcsc import CHECKS as PCSC
from .platform import CHECKS as PLATFORM
from .python import CHECKS as PYTHON
from .storage import CHECKS as STORAGE
from .storage import closed_folder

CHECKS: tuple[Check, ...] = (
    *PYTHON,
    *CONFIGURATION,
    *STORAGE,
    *CLOCK,
    *PCSC,
    *CARD,
    *CERTIFICATES,
    *NETWORK,
    *PLATFORM,
)


@dataclass(frozen=True)
class Examined:
    """What a check told, and how long it took."""

    check: Check
    findings: tuple[Finding, ...]
    seconds: float


def chosen(names: Iterable[str]) -> tuple[Check, ...]:
    """The checks that are called so: an id, a group, or the beginning of an id; all without names.

    Raises UsageError for a name that means none.
    """
    names = tuple(names)
    for name in names:
        if not any(_means(name, check) for check in CHECKS):
            known = [*dict.fromkeys(check.group for check in CHECKS), *(c.id for c in CHECKS)]
            raise UsageError(
                tr("no check is called {name!r}", name=name),
                advice=did_you_mean(name, known) or tr("list them: igc doctor --list"),
            )
    return tuple(c for c in CHECKS if not names or any(_means(name, c) for name in names))


def _means(name: str, check: Check) -> bool:
    return check.id.startswith(name) or name == f"{check.group}."


def contacts(checks: Iterable[Check], context: Context) -> tuple[str, ...]:
    """The hosts, ``name:port`` and masked, that these checks contact, when they are allowed to."""
    found: dict[str, None] = {}
    try:
        for check in checks:
            for name in contacted(check.id, context) if context.online else ():
                found[name] = None
    except UnusableConfigurationError:  # each of those checks is skipped
        return ()
    return tuple(host(name) for name in found)


def examine(checks: Iterable[Check], context: Context) -> Iterator[Examined]:
    """Run the checks, one after the other."""
    for check in checks:
        start = time.monotonic()
        findings = tuple(_findings(check, context))
        yield Examined(check, findings, time.monotonic() - start)


def _findings(check: Check, context: Context) -> list[Finding]:
    """What the check told before it ended, or failed, or had no more time."""
    findings: list[Finding] = []

    def look() -> None:
        for finding in check.look(context):
            findings.append(finding)

    try:
        Call(look).result(time.monotonic() + check.seconds)
    except TimeoutExceededError:
        return [*findings, _unended(check)]
    except Exception as error:
        return [*findings, _failed(check, error)]
    return findings


def _unended(check: Check) -> Finding:
    return problem(
        tr("the check {id} did not end in {seconds:g} seconds", id=check.id, seconds=check.seconds),
        tr("what it looks at hangs: try again, and look at it by its own command"),
        ExitCode.TIMEOUT,
    )


def _failed(check: Check, error: Exception) -> Finding:
    closed = OSError | StorageError | UsageError | UnusableConfigurationError
    if isinstance(error, closed) and (folder := closed_folder()):
        return skipped(
            tr("{path} can't be looked into", path=place(folder)),
            tr("see: igc doctor storage.folders"),
        )
    if isinstance(error, UnusableConfigurationError):
        return skipped(tr("the configuration can't be used"), tr("see: igc doctor configuration"))
    if isinstance(error, IgcError):
        return problem(
            tr("the check {id} could not go on: {why}", id=check.id, why=told(error)),
            foreign(error.advice),
            error.exit_code,
        )
    if isinstance(error, OSError) and error.filename:
        path = place(str(error.filename))
        return problem(
            tr("{path}: {why}", path=path, why=reason_of(error)),
            tr("look at its owner and mode: ls -ld {path}", path=path),
        )
    return problem(
        tr("the check {id} failed: {why}", id=check.id, why=told(error)),
        tr("this is a defect of igcsante: please report it, with the check's name"),
    )


def worst(examined: Iterable[Examined]) -> ExitCode:
    """The exit code of the first problem, on which the later ones rest; 0 without a problem."""
    for result in examined:
        for finding in result.findings:
            if finding.status is Status.PROBLEM:
                return finding.exit_code
    return ExitCode.GOOD

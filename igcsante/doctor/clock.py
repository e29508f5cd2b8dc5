"""The clock: against what can't be in the future, and against the hosts' (HTTP Date, online)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from ..errors import ExitCode, IgcError
from ..instants import shown
from ..messages import tr
from . import network
from .check import Check, Context
from .finding import Finding, note, ok, problem, skipped, warning
from .masking import place

_TOLERANCE = timedelta(minutes=5)  # usual of signed dates; TLS and OCSP allow about as much
_FAR = timedelta(hours=1)
_SET_IT = tr("set the clock, or let it be set: timedatectl set-ntp true")


def _plausible(context: Context) -> Iterator[Finding]:
    at = context.at
    yield ok(tr("this machine says {now}", now=shown(at, seconds=True)))
    since, what = max(_certain())
    if at + _TOLERANCE < since:
        yield problem(
            tr(
                "that is before {since}, {what}: the clock is wrong",
                since=shown(since),
                what=what,
            ),
            _SET_IT,
            ExitCode.INVALID,
        )
    for since in _lists():
        if at + _TOLERANCE < since:
            yield warning(
                tr("a revocation list that is kept was made later, on {since}", since=shown(since)),
                _SET_IT,
            )
            break


def _certain() -> Iterator[tuple[datetime, str]]:
    """Times that are past for sure, and what happened then."""
    built = datetime.fromtimestamp(Path(__file__).stat().st_mtime, UTC)
    yield built, tr("when this igcsante was installed")
    from ..certs.anchors import imported_store

    try:
        store = imported_store()
    except IgcError:  # certificates.anchors tells why
        return
    for certificate in (*store.roots, *store.intermediates):
        yield certificate.not_valid_before_utc, tr("when an imported authority began")


def _lists() -> Iterator[datetime]:
    from ..certs.crl.store import CrlStore

    try:
        for stored in CrlStore().lists():
            yield stored.this_update
    except IgcError:  # certificates.lists tells why
        return


def _simulated(context: Context) -> Iterator[Finding]:
    path = context.profile.clock
    if path is None:
        yield ok(tr("commands go by this machine's clock"))
        return
    if not _is_of_a_world(path):
        yield problem(
            tr("the profile's clock is not there: {path}", path=place(path)),
            tr("mend clock; where it is set: igc config show --origin"),
            ExitCode.USAGE,
        )
        return
    from ..testing.clock import WorldClock

    clock = WorldClock(path)
    if clock.offset():
        yield note(
            tr(
                "the simulated world's clock tells what is due: it is {now} there",
                now=shown(clock()),
            )
        )
    else:
        yield ok(tr("the simulated world's clock, which is at the real time"))


def _is_of_a_world(path: Path) -> bool:
    """Whether it is there; a world has the file only while its clock is set."""
    from ..testing.world import CLOCK_FILE

    return path.exists() or (path.name == CLOCK_FILE and path.parent.is_dir())


def _against_hosts(context: Context) -> Iterator[Finding]:
    if not network.allowed_urls(context):
        yield skipped(tr("it would contact other machines"), network.HOW)
        return
    answer = network.first_date(context)
    if isinstance(answer, IgcError):
        yield warning(
            tr("no host told the time: {why}", why=network.why(answer)),
            tr("see: igc doctor network --online"),
        )
        return
    host, theirs, ours = answer
    behind = theirs - ours
    seconds = round(behind.total_seconds())
    if abs(behind) <= _TOLERANCE:
        yield ok(tr("{host} says the same, within {n} s", host=host, n=abs(seconds)))
        return
    if seconds > 0:
        seen = tr("this clock is {n} s behind that of {host}", n=seconds, host=host)
    else:
        seen = tr("this clock is {n} s ahead of that of {host}", n=-seconds, host=host)
    if abs(behind) < _FAR:
        yield warning(seen, _SET_IT)
    else:
        yield problem(seen, _SET_IT, ExitCode.INVALID)


CHECKS = (
    Check("clock.local", tr("The clock, against what can't be in the future"), _plausible),
    Check("clock.simulated", tr("The clock of a simulated world"), _simulated),
    Check(
        "clock.network", tr("The clock, against that of the hosts (--online)"), _against_hosts, 6.0
    ),
)

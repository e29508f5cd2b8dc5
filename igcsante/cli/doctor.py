"""``igc doctor``: what is in order on this machine, what isn't, and what to do about it."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from itertools import groupby
from typing import TYPE_CHECKING

import click

from ..config import Resolved, resolve
from ..messages import Message, joined, localized, plural, tr
from ..text import printable
from . import completing
from .command import command
from .output import (
    Settings,
    emit,
    insist,
    quiet_card_options,
    say,
    say_table,
    wrapped,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..doctor import Check, Examined, Finding

    Reveal = Callable[[str], str]

_GROUPS: dict[str, Message] = {
    "python": tr("Python"),
    "configuration": tr("Configuration"),
    "storage": tr("Storage"),
    "clock": tr("Clock"),
    "pcsc": tr("Card readers"),
    "card": tr("Card"),
    "certificates": tr("Authorities and revocation lists"),
    "network": tr("Network"),
    "platform": tr("Platform"),
}
_WORDS: dict[str, Message] = {
    "ok": tr("ok"),
    "note": tr("note"),
    "warning": tr("warning"),
    "problem": tr("problem"),
    "skipped": tr("skipped"),
}
_WRONG = ("warning", "problem")
_COLOURS = {"ok": "green", "warning": "yellow", "problem": "red"}


@command("doctor")
@click.argument("checks", nargs=-1, metavar="[CHECK]...", shell_complete=completing.checks)
@click.option("--online", is_flag=True, help="Contact the ANS's hosts and the platform too.")
@click.option("--list", "list_only", is_flag=True, help="List the checks, and run none.")
@click.option(
    "--show-identities",
    is_flag=True,
    help="Show names, numbers, paths and hosts as they are.",
)
@click.option("--platform", metavar="URL", hidden=True)
@quiet_card_options
def doctor_command(
    settings: Settings,
    checks: tuple[str, ...],
    online: bool,
    list_only: bool,
    show_identities: bool,
) -> int:
    """Look for what is wrong on this machine, and say what to do about it.

    \b
    Examples:
      igc doctor                   everything that needs no network
      igc doctor --online          the hosts and the platform too
      igc doctor card pcsc.holder  a group of checks, and a single one
      igc doctor --json            for a program

    Nothing is changed, no PIN is asked for, and no try is spent. Without --online no other
    machine is contacted; with it, the names are told first. What it says can be shown to
    others: names, numbers, folders and hosts that may tell who you are show as ***, unless
    --show-identities.

    It looks at what commands would work with: --profile, and --reader, --pkcs11 and --platform
    as they take them.

    Exit code 0 unless there is a problem; else that of the first one, which the later ones
    may come from (igc help exit-codes). CHECK is an id of --list, or the beginning of one.
    """
    from ..doctor import CHECKS, Context, chosen, contacts, examine, worst
    from ..doctor.masking import MASK, revealed

    if list_only:
        _list(chosen(checks) if checks else CHECKS, settings)
        return 0
    wanted = chosen(checks)
    context = Context(lambda: _resolved(settings), at=datetime.now(UTC), online=online)
    if hosts := contacts(wanted, context):
        named = [revealed(host) for host in hosts] if show_identities else hosts
        insist(tr("This contacts: {hosts}", hosts=", ".join(named)))
    start = time.monotonic()
    found = examine(wanted, context)
    if show_identities:
        found = (_revealed(result, revealed) for result in found)
    results: list[Examined] = []
    found = _kept(found, results)
    try:
        if settings.json:
            _print_json(found)
            _json_summary(results, int(worst(results)), time.monotonic() - start)
        else:
            told = _print(found, brief=settings.quiet)
            masked = any(MASK in finding.seen + finding.remedy for finding in told)
            _summary(told, masked=masked and not settings.quiet)
    except BrokenPipeError as left:  # whoever reads has seen enough; the exit code still counts
        from .main import output_lost

        output_lost(left)
        for _ in found:
            pass
    return int(worst(results))


def _kept(found: Iterable[Examined], results: list[Examined]) -> Iterator[Examined]:
    for result in found:
        results.append(result)
        yield result


def _resolved(settings: Settings) -> Resolved:
    flags = {"platform": settings.platform, "reader": settings.reader, "pkcs11": settings.pkcs11}
    return resolve(settings.profile, flags)


def _revealed(result: Examined, reveal: Reveal) -> Examined:
    findings = (
        replace(finding, seen=reveal(finding.seen), remedy=reveal(finding.remedy))
        for finding in result.findings
    )
    return replace(result, findings=tuple(findings))


def _list(checks: Iterable[Check], settings: Settings) -> None:
    if not settings.json:
        say_table((tr("Check"), tr("What it looks at")), [(c.id, c.title) for c in checks])
        return
    for check in checks:
        emit(
            {"id": check.id, "group": check.group, "title": check.title},
            schema="igc.doctor.check/1",
        )


def _print_json(found: Iterable[Examined]) -> None:
    for result in found:
        for finding in result.findings:
            emit(
                {
                    "check": result.check.id,
                    "group": result.check.group,
                    "title": result.check.title,
                    "status": finding.status,
                    "seen": finding.seen,
                    "remedy": finding.remedy,
                    "exit_code": int(finding.exit_code),
                },
                schema="igc.doctor.finding/1",
            )


def _print(found: Iterable[Examined], *, brief: bool) -> list[Finding]:
    """Each group as soon as it is examined; ``brief``: only what is wrong. What was told."""
    told: list[Finding] = []
    for group, several in groupby(found, key=lambda result: result.check.group):
        merged = list(_merged(several))
        shown = [pair for pair in merged if not brief or pair[1].status in _WRONG]
        if shown:
            if told:
                say("")
            say(click.style(localized(_GROUPS[group]), bold=True))
        for checks, finding in shown:
            _say_finding(checks, finding)
            told.append(finding)
    return told


def _merged(results: Iterable[Examined]) -> Iterator[tuple[tuple[str, ...], Finding]]:
    """Findings with their checks; what several checks say for one reason stands as one.

    What one check says twice stays two: things that masks make alike.
    """
    told: dict[tuple[Finding, int], list[str]] = {}
    for result in results:
        times: Counter[Finding] = Counter()
        for finding in result.findings:
            told.setdefault((finding, times[finding]), []).append(result.check.id)
            times[finding] += 1
    for (finding, _), checks in told.items():
        yield tuple(checks), finding


def _say_finding(checks: tuple[str, ...], finding: Finding) -> None:
    """The status is a word, for those who see no colour or hear the page; then what was seen."""
    words = {status: localized(word) for status, word in _WORDS.items()}
    width = max(map(len, words.values()))
    indent = " " * (width + 4)
    word = words[finding.status].ljust(width)
    if colour_of := _COLOURS.get(finding.status):
        word = click.style(word, fg=colour_of)
    seen = printable(localized(finding.seen))
    if finding.status != "ok":
        seen = f"{seen} [{', '.join(checks)}]"
    say(f"  {word}  {wrapped(seen, indent)[len(indent) :]}")
    if finding.remedy:
        say(wrapped(printable(localized(tr("To do: {remedy}", remedy=finding.remedy))), indent))


def _json_summary(results: list[Examined], code: int, seconds: float) -> None:
    statuses = [finding.status.value for result in results for finding in result.findings]
    counts = {status: statuses.count(status) for status in _WORDS}
    emit({"exit_code": code, "counts": counts, "seconds": round(seconds, 2)}, schema="igc.doctor/1")


def _summary(told_of: list[Finding], *, masked: bool) -> None:
    """How many lines told of something wrong."""
    counts = Counter(finding.status.value for finding in told_of)
    if told_of:
        say("")
    if masked:
        say(wrapped(localized(tr("What *** stands for: igc doctor --show-identities.")), ""))
    if not counts["problem"] and not counts["warning"]:
        say(tr("Nothing is wrong."))
        return
    told = [
        plural("{count} problem", "{count} problems", counts["problem"]),
        plural("{count} warning", "{count} warnings", counts["warning"]),
    ]
    shown = [
        text for text, status in zip(told, ("problem", "warning"), strict=True) if counts[status]
    ]
    say(tr("{counts}.", counts=joined(", ", shown)))

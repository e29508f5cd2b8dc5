"""The formats of ``igc check``: each turns a stream of findings into pieces of text.

Findings are counted as they pass; what a format tells of all of them comes at its end.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import click

from ..certs.fleet.report import Finding, Outcome, Survey
from ..certs.x509.names import common_name
from ..instants import iso, parse_instant, shown
from ..messages import Message, localized, plural, tr
from ..text import printable
from ..text import spreadsheet_cell as cell
from ..words import said
from .output import as_json_line

Format = Callable[[Iterable[Finding], Survey], Iterator[str]]

COLOURS = {
    Outcome.UNREADABLE: "red",
    Outcome.INVALID: "red",
    Outcome.REVOKED: "red",
    Outcome.UNKNOWN: "yellow",
    Outcome.STALE: "yellow",
    Outcome.ENDING: "yellow",
    Outcome.GOOD: "green",
}


def word(outcome: Outcome) -> str:
    """What people call it."""
    return tr("ends soon") if outcome is Outcome.ENDING else said(outcome)


# -- for people ------------------------------------------------------------------------------


def text(findings: Iterable[Finding], survey: Survey) -> Iterator[str]:
    """A block of lines for each."""
    for finding in findings:
        outcome = survey.count(finding)
        heading = localized(word(outcome)).upper()
        coloured = click.style(heading, fg=COLOURS[outcome], bold=True)
        yield f"{coloured}  {printable(finding.source)}\n"
        yield "".join(
            f"    {printable(localized(line))}\n" for line in _told(finding, survey, outcome)
        )


def _told(finding: Finding, survey: Survey, outcome: Outcome) -> Iterator[str]:
    if finding.error:
        message = localized(finding.error["message"])
        yield re.sub(rf"^{re.escape(finding.source)}\s?: ", "", message)
        if finding.error["advice"]:
            yield f"({localized(finding.error['advice'])})"
        return
    yield _heading(finding, survey, outcome)
    yield from finding.messages
    if finding.kind is Outcome.GOOD:
        told = finding.document["revocation"]
        for authority, status in zip(finding.document["chain"][1:], told, strict=False):
            yield tr("issued by {name}", name=common_name(authority["subject"]))
            yield from (f"    {localized(_proof(item))}" for item in status["evidence"])
    yield from (tr("note: {notice}", notice=notice) for notice in finding.notices)


def _heading(finding: Finding, survey: Survey, outcome: Outcome) -> str:
    days, end = survey.days_left(finding), finding.not_after
    if end is None or days is None or days < 0:
        return finding.label
    if outcome is not Outcome.ENDING:
        return tr("{label}, until {end:%Y-%m-%d}", label=finding.label, end=end)
    return plural(
        "{label}, until {end:%Y-%m-%d} ({count} day)",
        "{label}, until {end:%Y-%m-%d} ({count} days)",
        days,
        label=finding.label,
        end=end,
    )


def _proof(item: dict[str, Any]) -> str:
    if item["type"] == "ocsp":
        return tr("good by OCSP, of {made}", made=shown(parse_instant(item["this_update"])))
    name = tr("delta CRL") if item["type"] == "delta-crl" else "CRL"
    if item["number"] is not None:
        name = tr("{name} {number}", name=name, number=item["number"])
    return tr("not in its {name} of {made}", name=name, made=item["this_update"][:10])


# -- for programs ----------------------------------------------------------------------------


def line_of(finding: Finding, survey: Survey) -> dict[str, Any]:
    """A finding as schema igc.check/1 has it, but for the schema's name."""
    if finding.error:
        return {"file": finding.source, **finding.document}
    return {
        "file": finding.source,
        **finding.document,
        "days_left": survey.days_left(finding),
        "ends_soon": survey.outcome(finding) is Outcome.ENDING,
    }


def ndjson(findings: Iterable[Finding], survey: Survey) -> Iterator[str]:
    """One object a line, as ``--json`` has always given."""
    for finding in findings:
        survey.count(finding)
        yield as_json_line(line_of(finding, survey), schema="igc.check/1")


def whole_json(findings: Iterable[Finding], survey: Survey) -> Iterator[str]:
    """One object: what was checked by, the findings, the summary."""
    head = {"at": iso(survey.at), "policy": survey.policy}
    yield as_json_line(head, schema="igc.check.report/1")[:-2] + ', "results": ['
    comma = "\n"
    for finding in findings:
        survey.count(finding)
        line = as_json_line(line_of(finding, survey), schema="igc.check/1")
        yield comma + line.rstrip("\n")
        comma = ",\n"
    summary = {"summary": survey.to_dict(), "exit_code": int(survey.exit_code)}
    yield "\n], " + json.dumps(summary)[1:] + "\n"


_CSV = (
    *("file", "verdict", "subject", "issuer", "serial", "sha256", "not_before", "not_after"),
    *("days_left", "revoked_on", "revocation_reason", "codes", "messages", "notices"),
)


def csv(findings: Iterable[Finding], survey: Survey) -> Iterator[str]:
    """A table (RFC 4180). What a spreadsheet would take for a formula starts with an apostrophe."""
    import csv as table
    import io

    def row(cells: Iterable[object]) -> str:
        line = io.StringIO()
        table.writer(line).writerow(cells)
        return line.getvalue()

    yield row(_CSV)
    for finding in findings:
        outcome = survey.count(finding)
        days = survey.days_left(finding)
        yield row(
            [
                *map(cell, (finding.source, str(outcome), finding.subject, finding.issuer)),
                *map(cell, (finding.serial, finding.sha256)),
                iso(finding.not_before) or "",
                iso(finding.not_after) or "",
                "" if days is None else days,
                cell(finding.revoked_on),
                cell(finding.revocation_reason),
                cell(" ".join(finding.codes)),
                cell("; ".join(finding.messages)),
                cell("; ".join(finding.notices)),
            ]
        )


# -- for monitoring --------------------------------------------------------------------------


_NAGIOS_STATES = ("OK", "WARNING", "CRITICAL", "UNKNOWN")
_NAGIOS = {
    Outcome.INVALID: 2,
    Outcome.REVOKED: 2,
    Outcome.ENDING: 1,
    Outcome.STALE: 1,
    Outcome.UNREADABLE: 3,
    Outcome.UNKNOWN: 3,
}
_NAGIOS_WORST = (2, 1, 3, 0)
_MAX_NAGIOS_TEXT = 1000


def nagios_state(survey: Survey) -> int:
    """0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN; also UNKNOWN when nothing was checked."""
    states = {_NAGIOS[outcome] for outcome in survey.fail_on if survey.tally[outcome]}
    return min(states, key=_NAGIOS_WORST.index, default=0 if survey.total else 3)


def nagios(findings: Iterable[Finding], survey: Survey) -> Iterator[str]:
    """One line and its performance data (Nagios Plugin API)."""
    worst: dict[Outcome, Finding] = {}
    for finding in findings:
        worst.setdefault(survey.count(finding), finding)
    failing = [outcome for outcome in worst if outcome in survey.fail_on]
    state = nagios_state(survey)
    counts = ", ".join(f"{survey.tally[o]} {word(o)}" for o in Outcome if o in worst)
    line = f"{_NAGIOS_STATES[state]} - {counts or 'nothing was checked'}"
    matching = [outcome for outcome in failing if _NAGIOS[outcome] == state]
    if matching:
        first = worst[min(matching, key=list(Outcome).index)]
        why = first.messages or [f"until {shown(first.not_after)}"]
        line += f": {first.source}: {why[0]}"
    perfdata = [f"{outcome}={survey.tally[outcome]};;;0" for outcome in Outcome]
    if survey.first_end:
        limit = survey.within.days if survey.within is not None else ""
        days = (survey.first_end - survey.at).days
        perfdata.append(f"first_end_days={days};{limit and f'{limit}:'};;")
    yield f"IGC {nagios_line(line)} | {' '.join(perfdata)}\n"


def nagios_line(line: str) -> str:
    """Words that Nagios takes for no performance data, and no more than it shows."""
    return printable(line).replace("|", "/")[:_MAX_NAGIOS_TEXT]


def prometheus(findings: Iterable[Finding], survey: Survey) -> Iterator[str]:
    """The text format of Prometheus (0.0.4), for node_exporter's textfile collector."""
    ends: list[str] = []
    revoked: list[str] = []
    verdicts: list[str] = []
    for finding in findings:
        outcome = survey.count(finding)
        known = {"file": finding.source, "cn": finding.label, "sha256": finding.sha256}
        known |= {"serial": finding.serial}
        verdicts.append(_sample("igc_certificate_verdict", {**known, "verdict": outcome}, 1))
        if finding.not_after:
            end = finding.not_after.timestamp()
            ends.append(_sample("igc_certificate_not_after_timestamp_seconds", known, end))
        if finding.document.get("revoked_on"):
            revoked.append(_sample("igc_certificate_revoked", known, 1))
    tally = [
        _sample("igc_check_certificates", {"verdict": outcome}, survey.tally[outcome])
        for outcome in Outcome
    ]
    at = _sample("igc_check_timestamp_seconds", {}, survey.at.timestamp())
    for name, meaning, samples in (
        ("igc_check_timestamp_seconds", "Instant that the check is about.", [at]),
        ("igc_check_certificates", "Certificates and inputs by verdict.", tally),
        ("igc_certificate_verdict", "Always 1; the verdict is a label.", verdicts),
        ("igc_certificate_not_after_timestamp_seconds", "End of the certificate.", ends),
        ("igc_certificate_revoked", "1 when it, or an issuer of it, is revoked.", revoked),
    ):
        if samples:
            yield f"# HELP {name} {meaning}\n# TYPE {name} gauge\n" + "".join(
                dict.fromkeys(samples)
            )


def _sample(name: str, labels: dict[str, str], value: float) -> str:
    written = ",".join(f'{key}="{_label(value)}"' for key, value in labels.items())
    return f"{name}{{{written}}} {value:.15g}\n" if written else f"{name} {value:.15g}\n"


def _label(value: str) -> str:
    return printable(str(value)).replace("\\", "\\\\").replace('"', '\\"')


def junit(findings: Iterable[Finding], survey: Survey) -> Iterator[str]:
    """One test case for each, as continuous integration reads them."""
    from xml.sax.saxutils import escape, quoteattr

    def attribute(value: str) -> str:
        return quoteattr(printable(value))

    cases: list[str] = []
    failures = errors = 0
    for finding in findings:
        outcome = survey.count(finding)
        name = f"{finding.source}: {finding.label}" if finding.label else finding.source
        case = f"<testcase classname={attribute('igc.check')} name={attribute(name)}"
        told = finding.messages or [f"until {shown(finding.not_after)}"]
        if outcome not in survey.fail_on:
            cases.append(f"{case}/>\n")
            continue
        kind = "error" if outcome is Outcome.UNREADABLE else "failure"
        errors += kind == "error"
        failures += kind == "failure"
        what = f"type={attribute(outcome)} message={attribute(told[0])}"
        body = escape("\n".join(map(printable, told)))
        cases.append(f"{case}>\n<{kind} {what}>{body}</{kind}>\n</testcase>\n")
    counts = f'tests="{survey.total}" failures="{failures}" errors="{errors}"'
    yield '<?xml version="1.0" encoding="UTF-8"?>\n'
    yield f'<testsuites {counts}>\n<testsuite name="igc check" {counts} skipped="0" time="0"'
    yield f' timestamp="{survey.at:%Y-%m-%dT%H:%M:%S}">\n'
    yield from cases
    yield "</testsuite>\n</testsuites>\n"


def _html(findings: Iterable[Finding], survey: Survey) -> Iterator[str]:
    from .check_html import html

    return html(findings, survey)


FORMATS: dict[str, Format] = {
    "text": text,
    "json": whole_json,
    "ndjson": ndjson,
    "csv": csv,
    "nagios": nagios,
    "prometheus": prometheus,
    "junit": junit,
    "html": _html,
}


def summary(survey: Survey) -> str:
    """All of it in one sentence."""
    counts = [
        click.style(localized(counted(o, survey.tally[o])), fg=COLOURS[o])
        for o in reversed(Outcome)
        if survey.tally[o]
    ]
    told = plural(
        "{total} checked: {counts}",
        "{total} checked: {counts}",
        survey.total,
        total=_number(survey.total),
        counts=", ".join(counts),
    )
    if survey.duplicates:
        return tr("{told}; {count} more were the same", told=told, count=survey.duplicates)
    return told


def counted(outcome: Outcome, count: int) -> Message:
    """How many are so: in French the word agrees with them."""
    number = _number(count)
    match outcome:
        case Outcome.GOOD:
            return plural("{number} good", "{number} good", count, number=number)
        case Outcome.ENDING:
            return plural("{number} ends soon", "{number} end soon", count, number=number)
        case Outcome.STALE:
            return plural("{number} stale", "{number} stale", count, number=number)
        case Outcome.UNKNOWN:
            return plural("{number} unknown", "{number} unknown", count, number=number)
        case Outcome.REVOKED:
            return plural("{number} revoked", "{number} revoked", count, number=number)
        case Outcome.INVALID:
            return plural("{number} invalid", "{number} invalid", count, number=number)
        case Outcome.UNREADABLE:
            return plural("{number} unreadable", "{number} unreadable", count, number=number)


def _number(number: int) -> str:
    return f"{number:,}".replace(",", " ")


def is_terminal() -> bool:
    """Whether what is printed goes to a person at once."""
    return sys.stdout is not None and sys.stdout.isatty()  # None: it was closed

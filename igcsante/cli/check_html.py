"""The HTML report of ``igc check``: one file that needs no network.

Everything that comes from outside is escaped, and the page's own policy (CSP) lets nothing but
its own style and script run, known by their digests.
"""

from __future__ import annotations

import base64
import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import datetime
from html import escape
from importlib import resources
from string import Template

from ..certs.fleet.report import Finding, Outcome, Survey
from ..certs.x509.names import common_name
from ..instants import iso, shown
from ..text import printable

MAX_ROWS = 20_000
_FRENCH = {
    Outcome.UNREADABLE: "illisible",
    Outcome.INVALID: "invalide",
    Outcome.REVOKED: "révoqué",
    Outcome.UNKNOWN: "inconnu",
    Outcome.STALE: "périmé",
    Outcome.ENDING: "bientôt fini",
    Outcome.GOOD: "bon",
}
_ENGLISH = {Outcome.ENDING: "ends soon"}
_BAD = {Outcome.UNREADABLE, Outcome.INVALID, Outcome.REVOKED}
_CLASSES = ("bad", "warn", "good")
_RANKS = {outcome: rank for rank, outcome in enumerate(Outcome)}


def html(findings: Iterable[Finding], survey: Survey) -> Iterator[str]:
    """The page. What is good is left out past ``MAX_ROWS``, and the page says so."""
    rows: list[tuple[tuple[int, str], str]] = []
    revocations: list[tuple[str, str]] = []
    months: Counter[tuple[int, str]] = Counter()
    left_out = 0
    for finding in findings:
        outcome = survey.count(finding)
        if finding.not_after:
            months[_month(finding.not_after), _class(outcome)] += 1
        if finding.revoked_on:
            revocations.append((finding.revoked_on, _revocation(finding)))
        if outcome is Outcome.GOOD and len(rows) >= MAX_ROWS:
            left_out += 1
            continue
        end = iso(finding.not_after) or ""
        rows.append(((_RANKS[outcome], end), _row(finding, outcome, survey.days_left(finding))))
    rows.sort(key=lambda row: row[0])
    style, script = _part("check_report.css"), _part("check_report.js")
    at = iso(survey.at)
    yield Template(_part("check_report.html")).substitute(
        title=f"igc check {shown(survey.at)}",
        style=style,
        style_hash=_digest(style),
        script=script,
        script_hash=_digest(script),
        state=_state(survey),
        at=at,
        at_shown=shown(survey.at),
        policy=_text(survey.policy),
        counts=_counts(survey),
        timeline=_timeline(months, survey.at),
        revocations=_revocations(revocations),
        rows="\n".join(row for _, row in rows),
        left_out=_left_out(left_out),
    )


def _part(name: str) -> str:
    return (resources.files(__package__) / name).read_text("utf-8").strip()


def _digest(part: str) -> str:
    return base64.b64encode(hashlib.sha256(part.encode()).digest()).decode()


def _text(value: str) -> str:
    return escape(printable(value))


def _class(outcome: Outcome) -> str:
    if outcome is Outcome.GOOD:
        return "good"
    return "bad" if outcome in _BAD else "warn"


def _state(survey: Survey) -> str:
    found = {_class(outcome) for outcome in Outcome if survey.tally[outcome]}
    return next((name for name in _CLASSES if name in found), "good")


def _word(outcome: Outcome) -> str:
    return f' data-fr="{_FRENCH[outcome]}">{_ENGLISH.get(outcome, outcome)}'


def _counts(survey: Survey) -> str:
    items = [
        f'<li class="{_class(o)}"><b>{survey.tally[o]}</b><span{_word(o)}</span></li>'
        for o in Outcome
        if survey.tally[o]
    ]
    total = f'<li><b>{survey.total}</b><span data-fr="en tout">in all</span></li>'
    return "".join((*items, total))


def _row(finding: Finding, outcome: Outcome, days: int | None) -> str:
    told = "".join(f"<li>{_text(message)}</li>" for message in finding.messages)
    told += "".join(f'<li class="soft">{_text(notice)}</li>' for notice in finding.notices)
    serial = f'<small class="mono">{_text(finding.serial)}</small>' if finding.serial else ""
    issuer = common_name(finding.issuer)
    end = f"{finding.not_after:%Y-%m-%d}" if finding.not_after else ""
    return (
        f'<tr><td data-key="{_RANKS[outcome]}"><span class="tag {_class(outcome)}"'
        f"{_word(outcome)}</span></td>"
        f'<td data-key="{_text(finding.label)}"><span title="{_text(finding.subject)}">'
        f"{_text(finding.label)}</span>{serial}{f'<ul>{told}</ul>' if told else ''}</td>"
        f'<td><span title="{_text(finding.issuer)}">{_text(issuer)}</span></td>'
        f'<td class="date">{end}</td><td class="number">{"" if days is None else days}</td>'
        f'<td class="mono">{_text(finding.source)}</td></tr>'
    )


def _revocation(finding: Finding) -> str:
    day = finding.revoked_on
    return (
        f'<tr><td class="date"><time datetime="{_text(day)}">{_text(day[:10])}</time></td>'
        f"<td>{_text(finding.label)}</td>"
        f'<td class="mono">{_text(finding.serial)}</td>'
        f"<td>{_text(finding.revocation_reason) or '—'}</td></tr>"
    )


def _revocations(found: list[tuple[str, str]]) -> str:
    if not found:
        return ""
    found.sort(reverse=True)
    body = "\n".join(row for _, row in found[:MAX_ROWS])
    return f"""<section aria-labelledby="revoked">
<h2 id="revoked" data-fr="Révocations">Revocations</h2>
<div class="scroll low" tabindex="0" role="region" aria-labelledby="revoked"><table><thead><tr>
<th scope="col" data-fr="Date">Date</th><th scope="col" data-fr="Certificat">Certificate</th>
<th scope="col" data-fr="Numéro de série">Serial number</th>
<th scope="col" data-fr="Motif">Reason</th></tr></thead>
<tbody>{body}</tbody></table></div>
</section>"""


def _left_out(count: int) -> str:
    if not count:
        return ""
    return (
        f'<p class="note"><b>{count}</b> <span data-fr="autres certificats, tous bons, ne sont '
        'pas détaillés ici.">more certificates, all good, are not listed here.</span></p>'
    )


# -- the timeline ----------------------------------------------------------------------------

_WIDTH, _HEIGHT, _BASE, _TOP = 1000, 190, 160, 22
_MAX_BARS = 48


def _month(moment: datetime) -> int:
    """Months since year 0, so that they can be counted."""
    return moment.year * 12 + moment.month - 1


def _timeline(months: Counter[tuple[int, str]], at: datetime) -> str:
    """How many end in each month, or in each of longer spans when there are many months."""
    if not months:
        return '<p class="empty">—</p>'
    now, day = _month(at), f"{at:%Y-%m-%d}"
    first = min(min(month for month, _ in months), now)
    last = max(max(month for month, _ in months), now)
    span = next(s for s in (1, 3, 12, 60, 600, 12_000) if (last // s - first // s) < _MAX_BARS)
    bars: Counter[tuple[int, str]] = Counter()
    for (month, name), count in months.items():
        bars[month // span, name] += count
    start, stop = first // span, last // span
    slot = _WIDTH / max(stop - start + 1, 12)
    highest = max(sum(bars[place, name] for name in _CLASSES) for place in range(start, stop + 1))
    scale = (_BASE - _TOP) / highest
    drawn = [
        _bar(bars, place, span, (place - start) * slot, slot, scale)
        for place in range(start, stop + 1)
    ]
    every = max(1, round(58 / slot))
    labels = "".join(
        f'<text x="{(place - start + 0.5) * slot:.1f}" y="{_BASE + 16}" text-anchor="middle">'
        f"{_name(place, span)}</text>"
        for place in range(start, stop + 1)
        if (place - start) % every == 0 and 28 < (place - start + 0.5) * slot < _WIDTH - 28
    )
    today = ((now + at.day / 31) / span - start) * slot
    shown = ", ".join(
        f"{_name(place, span)}: {count}"
        for place in range(start, stop + 1)
        if (count := sum(bars[place, name] for name in _CLASSES))
    )
    return f"""<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{shown}">
<line class="axis" x1="0" x2="{_WIDTH}" y1="{_BASE}" y2="{_BASE}"/>
<line class="now" x1="{today:.1f}" x2="{today:.1f}" y1="4" y2="{_BASE}"/>
{"".join(drawn)}{labels}
<text class="today" x="{today + 5:.1f}" y="13">{day}</text>
</svg>
<p class="legend"><span><i class="good"></i><span data-fr="bon">good</span></span>
<span><i class="warn"></i><span data-fr="à surveiller">to watch</span></span>
<span><i class="bad"></i><span data-fr="à traiter">to fix</span></span></p>"""


def _bar(
    bars: Counter[tuple[int, str]], place: int, span: int, x: float, slot: float, scale: float
) -> str:
    """One bar, what is good at its foot, and how many it stands for."""
    drawn, top = "", float(_BASE)
    for name in reversed(_CLASSES):
        height = bars[place, name] * scale
        if height:
            top -= height
            drawn += (
                f'<rect class="{name}" x="{x + slot * 0.14:.1f}" y="{top:.1f}" rx="2"'
                f' width="{slot * 0.72:.1f}" height="{max(height, 1):.1f}"/>'
            )
    if not drawn:
        return ""
    count = sum(bars[place, name] for name in _CLASSES)
    number = f'<text x="{x + slot / 2:.1f}" y="{top - 4:.1f}" text-anchor="middle">{count}</text>'
    return f"<g><title>{_name(place, span)}: {count}</title>{drawn}{number}</g>"


def _name(place: int, span: int) -> str:
    month = place * span
    if span >= 12:
        return str(month // 12)
    return f"{month // 12}-{month % 12 + 1:02}"

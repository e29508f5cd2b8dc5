"""``igc order --batch``: many orders from a CSV or TOML file, in one go."""

from __future__ import annotations

import inspect
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..errors import ExitCode, IgcError, UsageError
from ..messages import joined, plural, tr
from ..words import said
from ..ws.orders.entries import OrderState
from . import ask
from .connect import connected, open_journal, target_of
from .order_keys import HERE
from .order_options import request_fields
from .order_parts import delivery_of, habilitations_of, tell_doubt
from .output import Settings, emit, grouped, say, shows_progress, talk

if TYPE_CHECKING:
    from ..ws.model import ProductRequest
    from ..ws.orders.batch import Job, Outcome
    from ..ws.orders.batch_file import Row
    from ..ws.orders.journal import Journal
    from ..ws.platform import Platform

STUCK_SHOWN = 20
COLUMNS = {*inspect.signature(request_fields).parameters, "out", "key_bits", "for"}
KEY_BITS = ("2048", "3072", "4096")


def batch_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """A file of orders instead of one, as ``batching``."""
    return grouped(
        "batching",
        click.option(
            "--batch",
            type=click.Path(path_type=Path, dir_okay=False),
            metavar="FILE",
            help="Order each row of a CSV or TOML file; its columns are these options' names. "
            "Run again, it goes on where it stopped.",
        ),
        click.option(
            "--keep-going", is_flag=True, help="With --batch: after a refusal, do the other rows."
        ),
        click.option(
            "--campaign",
            default="",
            metavar="NAME",
            help="With --batch: a row is ordered once in each campaign.",
        ),
    )(command)


def order_batch(
    settings: Settings,
    batching: dict[str, Any],
    wanted: dict[str, Any],
    sources: dict[str, Any],
    key_choice: dict[str, Any],
    *,
    meant_for: str,
    out: Path,
    order_only: bool,
    unchecked: bool,
    pin_source: str | None,
    use_last_try: bool,
) -> int:
    """Check every row, then order and retrieve them over one connection: the exit code.

    It is that of the first row that went wrong.
    """
    from ..ws.orders.batch import Run
    from ..ws.orders.batch_file import read_rows

    target = target_of(settings)
    if key_choice["key"] != HERE or key_choice["csr"]:
        raise UsageError(tr("the keys of a batch are made here: --key and --csr are for one order"))
    rows = read_rows(batching["batch"], COLUMNS)
    common = {**wanted, "for": meant_for, "key_bits": key_choice["key_bits"]}
    jobs = _checked(rows, common, out=out, campaign=batching["campaign"])
    delivery = None if order_only else delivery_of(**sources)
    passphrase = (
        delivery.key_passphrase
        if delivery
        else ask.optional_secret(sources["key_passphrase_source"])
    )
    with open_journal() as journal:
        _tell_elsewhere(journal, target.endpoint, jobs)
        if not batching["campaign"]:
            _tell_otherwise(journal, target.endpoint, jobs)
        with connected(target, pin_source, use_last_try=use_last_try) as (client, about):
            if not unchecked:
                _check_habilitated(client, jobs)
            run = Run(
                client, journal, delivery, _now,
                key_passphrase=passphrase, about=about, sleep=_wait,
            )  # fmt: skip
            report = Report(settings, batching["batch"], len(jobs))
            try:
                for outcome in run.do(jobs, keep_going=batching["keep_going"]):
                    report.tell(outcome)
            except (KeyboardInterrupt, SystemExit):
                for job in jobs:
                    for entry in journal.list(batch_row=job.fingerprint)[:1]:
                        tell_doubt(entry)
                raise
            return report.end()


class Report:
    """Tells each row as it is done, and all of them at the end."""

    def __init__(self, settings: Settings, path: Path, total: int) -> None:
        self._json, self._path, self._total = settings.json, path, total
        self._counts: Counter[str] = Counter()
        self._stuck: list[str] = []
        self._code = ExitCode.GOOD

    def tell(self, outcome: Outcome) -> None:
        """One row."""
        error, entry = outcome.error, outcome.entry
        self._counts[_word(outcome)] += 1
        done = sum(self._counts.values())
        if error is not None:
            self._code = self._code or error.exit_code
        if outcome.stuck:
            place = outcome.job.row.place
            known = tr("{place} (order {id})", place=place, id=entry.id) if entry else place
            self._stuck.append(known)
        if self._json:
            files = outcome.issued.files.items() if outcome.issued else ()
            emit(
                {
                    "place": outcome.job.row.place,
                    "outcome": _word(outcome),
                    "order": entry.to_dict() if entry else None,
                    "files": {kind: str(path) for kind, path in files} or None,
                    "error": error.to_dict() if error else None,
                },
                schema="igc.batch.row/1",
            )
            self._show_progress(done)
            return
        about = f"[{done}/{self._total}] {outcome.job.row.place}"
        if error is not None:
            told = tr("{about}: {message}", about=about, message=error.message)
            if error.advice:
                told = tr("{told} — {advice}", told=told, advice=error.advice)
            talk(told)
        elif entry is not None:
            told = tr(
                "{about} {label}: {outcome}, order {id}",
                about=about,
                label=entry.label,
                outcome=said(_word(outcome)),
                id=entry.id,
            )
            if entry.certificate_path:
                told = tr("{told}, {path}", told=told, path=entry.certificate_path)
            if entry.state is OrderState.REVOKED:
                told = tr("{told}, since revoked", told=told)
            say(told)

    def end(self) -> ExitCode:
        """The whole; its exit code."""
        counts = {word: self._counts[word] for word in ("issued", "ordered", "already", "failed")}
        begun = sum(self._counts.values())
        if self._json:
            line = {"file": str(self._path), "total": self._total, **counts}
            emit({**line, "not_begun": self._total - begun}, schema="igc.batch.report/1")
        else:
            shares = [
                tr("{count} {word}", count=count, word=said(word))
                for word, count in counts.items()
                if count
            ]
            talk(
                tr(
                    "{path}: {told} of {total}.",
                    path=self._path,
                    told=joined(", ", shares) if shares else tr("nothing done"),
                    total=self._total,
                )
            )
        if self._stuck:
            shown = _some_of(self._stuck)
            talk(tr("Only you can bring these further, as told above: {shown}.", shown=shown))
        if begun < self._total or counts["failed"]:
            talk(tr("Run the same command again to go on: what is done is not done twice."))
        return self._code

    def _show_progress(self, done: int) -> None:
        if shows_progress():
            click.echo(f"\r{done}/{self._total}", nl=done == self._total, err=True)


def _word(outcome: Outcome) -> str:
    if outcome.error is not None:
        return "failed"
    if outcome.already:
        return "already"
    return "issued" if outcome.issued else "ordered"


def _checked(rows: Sequence[Row], wanted: dict[str, Any], *, out: Path, campaign: str) -> list[Job]:
    """The rows as requests. Raises UsageError for the first wrong one, after telling all."""
    from ..ws.orders.batch import Job
    from ..ws.orders.enrolment import draft
    from ..ws.orders.fingerprint import fingerprints

    common = {name: value for name, value in wanted.items() if value}
    made: list[tuple[Row, dict[str, Any], Path, int]] = []
    asked: list[tuple[ProductRequest, int]] = []
    places: dict[str, str] = {}  # of references
    wrong: list[IgcError] = []
    for row in rows:
        cells: dict[str, Any] = {**common, **row.cells}
        folder = out / str(cells.pop("out", ""))
        bits, meant_for = cells.pop("key_bits"), cells.pop("for", "")
        try:
            if bits not in KEY_BITS:
                raise UsageError(
                    tr("key_bits: one of {key_bits}", key_bits=", ".join(KEY_BITS)),
                    field="key_bits",
                )
            fields = request_fields(**{"usage": "", "structure": "", "email": (), **cells})
            request = draft(folder, **fields)
            reference = fields["client_reference"]
            if reference and reference in places:
                raise UsageError(
                    tr(
                        "reference: {reference} is that of {places}",
                        reference=reference,
                        places=places[reference],
                    ),
                    field="reference",
                )
            places[reference] = row.place
            for warning in request.warnings(meant_for):
                talk(tr("Warning: {place}: {warning}", place=row.place, warning=warning))
            made.append((row, fields, folder, int(bits)))
            asked.append((replace(request, client_reference=reference), int(bits)))
        except IgcError as error:
            talk(tr("{place}: {message}", place=row.place, message=error.message))
            wrong.append(error)
    if wrong:
        raise UsageError(
            tr(
                "{count} of {count_2} rows can't be ordered: nothing was sent",
                count=len(wrong),
                count_2=len(rows),
            ),
            advice=tr("correct the rows named above"),
            **wrong[0].fields,
        )
    return [
        Job(row, fields, folder, fingerprint, bits)
        for (row, fields, folder, bits), fingerprint in zip(
            made, fingerprints(asked, campaign), strict=True
        )
    ]


def _tell_elsewhere(journal: Journal, endpoint: str, jobs: Sequence[Job]) -> None:
    """Warn of what was ordered already, but at another address: it may be the same platform."""
    from ..ws.orders.batch import ordered_elsewhere

    found = (ordered_elsewhere(journal, endpoint, job) for job in jobs)
    others = Counter(entry.platform for entry in found if entry)
    for platform, count in others.items():
        talk(
            tr(
                "Warning: {count} of {count_2} rows were ordered before, at {platform}. "
                "They are ordered at {endpoint} as well.",
                count=count,
                count_2=len(jobs),
                platform=platform,
                endpoint=endpoint,
            )
        )


def _tell_otherwise(journal: Journal, endpoint: str, jobs: Sequence[Job]) -> None:
    """Warn of rows that were corrected since they were ordered: they are ordered once more."""
    from ..ws.orders.batch import ordered_otherwise

    places = [
        tr("{place} (order {id})", place=job.row.place, id=entry.id)
        for job, entry in ordered_otherwise(journal, endpoint, jobs)
    ]
    if places:
        talk(
            plural(
                "Warning: {count} row was ordered before with another cell, such as an address: "
                "{places}. It is ordered a second time, since it asks for something else.",
                "Warning: {count} rows were ordered before with another cell, such as an "
                "address: {places}. They are ordered a second time, since they ask for "
                "something else.",
                len(places),
                places=_some_of(places),
            )
        )


def _some_of(places: Sequence[str]) -> str:
    shown: str = joined(", ", places[:STUCK_SHOWN])
    if (more := len(places) - STUCK_SHOWN) > 0:
        shown = tr("{shown} and {more} more", shown=shown, more=more)
    return shown


def _check_habilitated(platform: Platform, jobs: Sequence[Job]) -> None:
    """Raise NotHabilitatedError for the first row that the card may not order, telling all."""
    from ..ws.habilitations import check_habilitated
    from ..ws.orders.enrolment import draft

    lines = habilitations_of(platform)
    if lines is None:
        return
    wrong: list[IgcError] = []
    for job in jobs:
        try:
            check_habilitated(draft(job.directory, **job.fields), lines)
        except IgcError as error:
            talk(tr("{place}: {message}", place=job.row.place, message=error.message))
            wrong.append(error)
    if wrong:
        raise wrong[0]


def _wait(seconds: float) -> None:
    talk(
        tr(
            "What became of the rows in doubt can be told in {seconds:.0f} s: waiting.",
            seconds=seconds,
        )
    )
    time.sleep(seconds)


def _now() -> datetime:
    return datetime.now(UTC)

"""Many orders over one connection: each row of a file is ordered once.

The journal keeps the fingerprint of what a row asks for with its order, so that the same
orders, run again, go on where they stopped.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from ...certs.requests import read_key
from ...errors import (
    IgcError,
    PlatformRefusedError,
    StorageError,
    UsageError,
)
from ...messages import tr
from ...secret import Secret
from ..model import ProductRequest
from ..outcome import SETTLING
from ..platform import CardTurnedAwayError, Platform
from ..rules import MAX_COMMON_NAME
from .batch_file import Row
from .doubts import InDoubtError
from .enrolment import Delivery, Issued, abandon, draft, prepare, submit
from .fingerprint import same_platform
from .journal import Entry, Journal, OrderState
from .lifecycle import place_order, wanted_of
from .locks import AtWorkError
from .order_key import NewKey, OwnKey
from .reconcile import refresh
from .restore import bring_home, check_within_reach, restorable

_OVER = (OrderState.CANCELLED, OrderState.REVOKED)
OF_THE_ROW_ALONE = (UsageError, PlatformRefusedError, StorageError)


class StuckError(UsageError):
    """An earlier run left a row so that only a person can bring it further; nothing was sent."""


@dataclass(frozen=True)
class Job:
    """A row that was checked: the fields of its ProductRequest, its key, where its files go."""

    row: Row
    fields: dict[str, Any]
    directory: Path
    fingerprint: str
    bits: int = 2048


@dataclass(frozen=True)
class Outcome:
    """What became of a row. ``already`` says that nothing had to be done for it."""

    job: Job
    entry: Entry | None
    issued: Issued | None = None
    error: IgcError | None = None
    already: bool = False

    @property
    def stuck(self) -> bool:
        """Whether only a person can bring the row further."""
        return isinstance(self.error, StuckError)


@dataclass(frozen=True)
class Run:
    """What serves all rows. Without ``delivery`` they are ordered, not withdrawn."""

    platform: Platform
    journal: Journal
    delivery: Delivery | None
    clock: Callable[[], datetime]
    key_passphrase: Secret | None = None
    about: dict[str, str] = field(default_factory=dict)
    sleep: Callable[[float], None] = time.sleep

    def do(self, jobs: Sequence[Job], *, keep_going: bool) -> Iterator[Outcome]:
        """Each row once, its outcome as soon as it is known.

        After an error the others are not begun; with ``keep_going`` they are, unless the
        error is not that row's alone: no network, a card that is turned away. A row that was stuck
        before (StuckError) never keeps the others waiting. Rows in doubt come last, once the
        platform had time to tell. An interruption leaves the journal right.
        """
        for outcome in self._each(jobs):
            yield outcome
            if outcome.error and not _lets_go_on(outcome.error, keep_going):
                return

    def _each(self, jobs: Sequence[Job]) -> Iterator[Outcome]:
        doubtful: list[tuple[Job, timedelta]] = []
        for job in jobs:
            outcome = self._one(job)
            if isinstance(outcome.error, InDoubtError):
                doubtful.append((job, outcome.error.wait))
            else:
                yield outcome
        if doubtful:
            longest = SETTLING + self.platform.longest_attempt  # unless the clock was set back
            self.sleep(min(max(wait for _, wait in doubtful), longest).total_seconds())
        yield from (self._one(job) for job, _ in doubtful)

    def _one(self, job: Job) -> Outcome:
        try:
            with self.journal.hold_name(
                tr("the batch's row {fingerprint}", fingerprint=job.fingerprint)
            ):
                return self._done(job)
        except UsageError as error:
            return Outcome(job, self._latest(job), error=error)

    def _done(self, job: Job) -> Outcome:
        entry: Entry | None = None
        try:
            before = self._up_to_date(job)
            alive = before is not None and self._is_alive(before)
            entry = before if before is not None and alive else self._order(job, before)
            issued = self._delivered(entry)
            already = alive and issued is None
            return Outcome(job, issued.entry if issued else entry, issued, already=already)
        except IgcError as error:
            return Outcome(job, self._latest(job) or entry, error=error)

    def _up_to_date(self, job: Job) -> Entry | None:
        """The order that this row has. Raises InDoubtError when the platform can't tell yet,
        StuckError when it never will.
        """
        entry, at = self._latest(job), self.clock()
        if entry is None:
            return None
        if entry.state.in_doubt or entry.state is OrderState.PENDING or self._is_lost(entry):
            try:
                entry = refresh(self.platform, self.journal, entry, at=at)
            except (AtWorkError, CardTurnedAwayError):
                raise
            except (UsageError, PlatformRefusedError) as error:
                raise StuckError(error.message, advice=error.advice) from None
        if entry.state.in_doubt:
            raise InDoubtError(entry, at)
        return entry

    def _order(self, job: Job, before: Entry | None) -> Entry:
        """Order a row. One that failed keeps its reference and its key while the key is there,
        so that the platform can tell a request that was still on its way from a second one.
        """
        about = {"batch_row": job.fingerprint, **self.about}
        at = self.clock()
        unmade = before is not None and before.state.nothing_ordered
        if before is not None and not unmade and job.fields.get("client_reference"):
            raise StuckError(
                tr(
                    "order {id} has this reference: {meaning}",
                    id=before.id,
                    meaning=before.state.meaning,
                ),
                advice=tr("to order it again, give the row another reference"),
            )
        if before is not None and unmade and before.key_path and Path(before.key_path).is_file():
            request = self._once_more(job, before)
            return place_order(self.platform, self.journal, request, at=at, **about)
        if before is not None and before.state is OrderState.PREPARED:
            abandon(before, self.journal, at=at)
        enrolment = prepare(job.directory, NewKey(job.bits), **job.fields)
        passphrase = self.key_passphrase
        return submit(
            enrolment, self.platform, self.journal, at=at, key_passphrase=passphrase, **about
        )

    def _once_more(self, job: Job, before: Entry) -> ProductRequest:
        fields = {**job.fields, "client_reference": before.reference}
        request = draft(job.directory, **fields)
        key = read_key(Path(before.key_path), self.key_passphrase)
        name = request.label[:MAX_COMMON_NAME]
        return replace(request, csr=OwnKey(key).order_key(name, request.fqdns).csr)

    def _delivered(self, entry: Entry) -> Issued | None:
        if self.delivery is None or entry.certificate_path:
            return None
        try:
            check_within_reach(entry, self.journal)
        except UsageError as error:
            raise StuckError(error.message, advice=error.advice) from None
        return bring_home(entry, self.platform, self.journal, self.delivery, at=self.clock())

    def _latest(self, job: Job) -> Entry | None:
        here = self.about.get("platform", "")
        return next(
            (e for e in _of_row(self.journal, job) if same_platform(e.platform, here)), None
        )

    def _is_lost(self, entry: Entry) -> bool:
        """Whether its certificate was issued and is neither in files nor in the journal."""
        issued = entry.state is OrderState.WITHDRAWN and not entry.certificate_path
        return issued and bool(entry.product_id) and not restorable(entry, self.journal)

    @staticmethod
    def _is_alive(entry: Entry) -> bool:
        """Whether the platform has what the row asks for, or it was delivered.

        A certificate that was delivered and then revoked is not replaced unasked.
        """
        if entry.state is OrderState.REVOKED:
            return bool(entry.certificate_path)
        return not entry.state.nothing_ordered and entry.state is not OrderState.CANCELLED


def ordered_elsewhere(journal: Journal, platform: str, job: Job) -> Entry | None:
    """The newest order of another platform for what a row asks for, if this one has none."""
    made = [entry for entry in _of_row(journal, job) if not entry.state.nothing_ordered]
    if any(same_platform(entry.platform, platform) for entry in made):
        return None
    return next(iter(made), None)


def ordered_otherwise(
    journal: Journal, platform: str, jobs: Sequence[Job]
) -> Iterator[tuple[Job, Entry]]:
    """The rows that are to be ordered for the first time, though an earlier row was, for the same.

    That one asked for the same offer, usage, structure and name, is none of these rows any more,
    and lives: an address or another cell was corrected since. Rows that have a reference are
    ordered once for each.
    """
    new: dict[tuple[str, ...], list[Job]] = {}
    for job in jobs:
        if not job.fields.get("client_reference") and not _of_row(journal, job):
            new.setdefault(_asked_for(job), []).append(job)
    rows = {job.fingerprint for job in jobs}
    for entry in journal.each(platform=platform) if new else ():
        wanted = (entry.offre, entry.usage, entry.structure, entry.label)
        earlier = entry.batch_row and entry.batch_row not in rows
        over = entry.state.nothing_ordered or entry.state in _OVER
        if new.get(wanted) and earlier and not over:
            yield new[wanted].pop(0), entry


def _asked_for(job: Job) -> tuple[str, ...]:
    wanted = wanted_of(draft(job.directory, **job.fields))
    return wanted["offre"], wanted["usage"], wanted["structure"], wanted["label"]


def _of_row(journal: Journal, job: Job) -> tuple[Entry, ...]:
    return journal.list(batch_row=job.fingerprint)


def _lets_go_on(error: IgcError, keep_going: bool) -> bool:
    if isinstance(error, CardTurnedAwayError):  # so would the other rows be
        return False
    return isinstance(error, StuckError) or (keep_going and isinstance(error, OF_THE_ROW_ALONE))

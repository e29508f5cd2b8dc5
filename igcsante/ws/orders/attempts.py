"""When an order was sent, and so which product of the platform may have come of it.

An order is known by its reference, a renewal by the product that it succeeds: somebody else may
have chosen the same reference, or renewed the same product. What the platform shows counts as
this order's when igcsante made its reference up, or when it was requested while an attempt of
ours was on its way; of anything else only a person can tell.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from itertools import pairwise

from ..model import Product
from ..outcome import SETTLING
from .entries import Entry, OrderState, Step
from .journal import Journal

CLOSE = timedelta(minutes=5)  # clocks that are set right differ by less
LATE = timedelta(days=30)  # how long a sync goes on looking for what came too late
LONGEST_DOUBT = timedelta(hours=1)  # when nobody knows what the limits of a call were
_OWN_REFERENCE = re.compile(r"igc-[0-9a-f]{32}")  # of model.new_client_reference


def is_chosen(reference: str) -> bool:
    """Whether a person may have chosen a reference, so that another one could have it too."""
    return not _OWN_REFERENCE.fullmatch(reference)


def is_contested(journal: Journal, entry: Entry, product: Product, longest: timedelta) -> bool:
    """Whether the product that the platform has for an order may be somebody else's.

    ``longest`` is the platform's longest attempt.
    """
    if entry.product_id:
        return False
    if product.product_id == entry.contested:
        return True
    if not entry.renews and not is_chosen(entry.reference):
        return False
    possible = windows(journal.history(entry), longest)
    return not any(begin <= product.requested_at <= end for begin, end in possible)


def is_first(journal: Journal, entry: Entry, longest: timedelta) -> bool:
    """Whether no attempt but the last one can have been served."""
    return sum(1 for _ in windows(journal.history(entry), longest)) <= 1


def times_sent(journal: Journal, entry: Entry) -> int:
    """How often an order was sent, as far as the journal knows."""
    return sum(step.state is OrderState.SENT for step in journal.history(entry))


def windows(steps: Sequence[Step], longest: timedelta) -> Iterator[tuple[datetime, datetime]]:
    """From when till when the platform may have noted each attempt that it may have served."""
    for step, after in pairwise((*steps, None)):
        if step is None or step.state is not OrderState.SENT:
            continue
        end = step.at + longest + SETTLING
        if after is not None and after.state is OrderState.UNKNOWN:
            end = max(end, after.at + SETTLING)
        elif after is not None and _nothing_came(after, end):
            continue
        yield step.at - CLOSE, end + CLOSE


def _nothing_came(after: Step, end: datetime) -> bool:
    """Whether the step after SENT says so by an answer, not since the doubt was over."""
    early = after.state is OrderState.FAILED and after.at < end
    return early or after.state is OrderState.REFUSED


def may_arrive_late(entry: Entry) -> bool:
    """Whether an order failed only since the platform didn't show it in time."""
    return entry.state is OrderState.FAILED and bool(entry.doubt_until)


def failed_lately(journal: Journal, platform: str, *, at: datetime) -> tuple[Entry, ...]:
    """The orders of a platform's address that failed not long ago and may have arrived since."""
    failed = journal.each(states=(OrderState.FAILED,), platform=platform)
    return tuple(e for e in failed if may_arrive_late(e) and e.updated > at - LATE)


def bounded(journal: Journal, entry: Entry, at: datetime, lasting: timedelta) -> Entry:
    """The entry, its doubt ending within that time from ``at``.

    No attempt is under way when this is asked: a doubt that lasts longer was begun on a clock
    that was ahead.
    """
    if not entry.state.in_doubt or entry.settles <= at + lasting:
        return entry
    return journal.update(entry, at=at, doubt_until=(at + lasting).isoformat())


def lasted(journal: Journal, entry: Entry) -> timedelta:
    """How long the doubt about an order was to last when it was sent, by the clock of that time."""
    sent = [step.at for step in journal.history(entry) if step.state is OrderState.SENT]
    lasting = entry.settles - sent[-1] if sent else timedelta(0)
    return lasting if timedelta(0) < lasting < LONGEST_DOUBT else LONGEST_DOUBT

"""How long a CRL or an OCSP answer counts: until its next update, its largest age, its grace.

RFC 5280 §5.1.2.5 and RFC 6960 §4.2.2.1 give the next update; the policy may want younger ones,
and may let one count for a while after its end, when no newer one can be had.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from ..instants import shown
from ..messages import tr
from .policy import RevocationPolicy

_EVER = datetime.max - datetime.min


@dataclass(frozen=True)
class Freshness:
    """``overdue`` is how long ago the end was, zero or less while the list or answer holds.

    ``why`` completes a sentence: ``ended on …``.
    """

    overdue: timedelta
    why: str
    grace: timedelta = timedelta(0)

    @property
    def fresh(self) -> bool:
        return self.overdue <= timedelta(0)

    @property
    def usable(self) -> bool:
        """Whether it counts: fresh, or within its grace, which deserves a notice."""
        return self.overdue <= max(self.grace, timedelta(0))


def freshness(
    this_update: datetime, next_update: datetime | None, at: datetime, policy: RevocationPolicy
) -> Freshness:
    """Of what was made on ``this_update``, at the time ``at``. Without next update: never fresh."""
    if next_update is None:
        return Freshness(timedelta.max, tr("has no end date"))
    ends = [
        Freshness(
            at - next_update,
            tr("ended on {next_update}", next_update=shown(next_update, seconds=True)),
            policy.grace,
        )
    ]
    if policy.max_age is not None:
        hours = policy.max_age / timedelta(hours=1)
        why = tr(
            "is older than {hours:g} h, made on {this_update}",
            hours=hours,
            this_update=shown(this_update, seconds=True),
        )
        allowed = min(policy.max_age, _EVER)
        ends.append(Freshness(at - this_update - allowed, why, policy.grace))
    return max(ends, key=lambda end: end.overdue)

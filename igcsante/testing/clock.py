"""The clock of the simulated world: real time, as far from it as one wants, or standing still.

What a clock is set to is kept in a file: every process of a world reads the same time, and
a running platform follows at once.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

from ..errors import ConfigError, UsageError
from ..files import read_bounded, write_atomic
from ..messages import tr

MAX_BYTES = 1000
FARTHEST = timedelta(days=36525)


def utc_now() -> datetime:
    """Now, in UTC."""
    return datetime.now(UTC)


class WorldClock:
    """``clock()`` is the time of the world whose clock file is ``path``; it goes on by itself,
    unless it is frozen.

    Raises ConfigError when that file is damaged.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def __call__(self) -> datetime:
        ahead, stands_at = self._kept()
        return stands_at or utc_now() + ahead

    def offset(self) -> timedelta:
        """How far it is ahead of real time."""
        ahead, stands_at = self._kept()
        return stands_at - utc_now() if stands_at else ahead

    def advance(self, by: timedelta) -> datetime:
        """Set it forward, or back; gives the time it then is. Raises UsageError."""
        if abs(by) > FARTHEST:
            raise _too_far()
        return self.set(self() + by)

    def set(self, to: datetime) -> datetime:
        """Set it; gives the time it then is. A frozen one stands there.

        Raises UsageError more than a century away.
        """
        _, stands_at = self._kept()
        if stands_at:
            return self.freeze(to)
        self._keep({"ahead": _ahead(to).total_seconds()})
        return to

    def freeze(self, at: datetime | None = None) -> datetime:
        """Let it stand still, now or at ``at``, until :meth:`reset`; gives that time, in UTC.

        Raises UsageError more than a century away.
        """
        moment = (at or self()).astimezone(UTC)
        _ahead(moment)
        self._keep({"stands_at": moment.isoformat()})
        return moment

    def reset(self) -> datetime:
        """Back to real time."""
        self._path.unlink(missing_ok=True)
        return self()

    def _kept(self) -> tuple[timedelta, datetime | None]:
        """How far it is ahead, or where it stands."""
        try:
            content = read_bounded(self._path, MAX_BYTES)
        except UsageError:
            return timedelta(), None  # never set
        try:
            kept = json.loads(content)
            stands_at = kept.get("stands_at")
            moment = datetime.fromisoformat(stands_at).astimezone(UTC) if stands_at else None
            ahead = moment - utc_now() if moment else timedelta(seconds=kept["ahead"])
        except (ValueError, KeyError, TypeError, AttributeError, OverflowError):
            moment, ahead = None, timedelta.max
        if abs(ahead) > FARTHEST:
            raise ConfigError(
                tr("{path}: no clock", path=self._path),
                advice=tr("remove that file: the time is then real"),
            )
        return ahead, moment

    def _keep(self, content: dict[str, float] | dict[str, str]) -> None:
        write_atomic(self._path, json.dumps(content).encode(), overwrite=True)


def _ahead(to: datetime) -> timedelta:
    ahead = to - utc_now()
    if abs(ahead) > FARTHEST:
        raise _too_far()
    return ahead


def _too_far() -> UsageError:
    return UsageError(tr("the clock of a world goes a hundred years from now at most"))

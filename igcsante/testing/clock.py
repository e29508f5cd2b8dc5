"""The clock of the simulated world: real time, or as far from it as one wants.

What a clock is set to is kept in a file: every process of a world reads the same time, and
a running platform follows at once.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

from ..errors import ConfigError, UsageError
from ..files import read_bounded, write_atomic

MAX_BYTES = 1000
FARTHEST = timedelta(days=36525)


def utc_now() -> datetime:
    """Now, in UTC."""
    return datetime.now(UTC)


class WorldClock:
    """``clock()`` is the time of the world whose clock file is ``path``; it goes on by itself.

    Raises ConfigError when that file is damaged.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def __call__(self) -> datetime:
        return utc_now() + self.offset()

    def offset(self) -> timedelta:
        """How far it is ahead of real time."""
        try:
            content = read_bounded(self._path, MAX_BYTES)
        except UsageError:
            return timedelta()  # never set
        try:
            ahead = timedelta(seconds=json.loads(content)["ahead"])
        except (ValueError, KeyError, TypeError, OverflowError):
            ahead = timedelta.max
        if abs(ahead) > FARTHEST:
            raise ConfigError(
                f"{self._path}: no clock", advice="remove that file: the time is then real"
            )
        return ahead

    def advance(self, by: timedelta) -> datetime:
        """Set it forward, or back; gives the time it then is. Raises UsageError."""
        if abs(by) > FARTHEST:
            raise _too_far()
        return self.set(self() + by)

    def set(self, to: datetime) -> datetime:
        """Set it; gives the time it then is. Raises UsageError more than a century away."""
        ahead = to - utc_now()
        if abs(ahead) > FARTHEST:
            raise _too_far()
        content = json.dumps({"ahead": ahead.total_seconds()}).encode()
        write_atomic(self._path, content, overwrite=True)
        return to

    def reset(self) -> datetime:
        """Back to real time."""
        self._path.unlink(missing_ok=True)
        return self()


def _too_far() -> UsageError:
    return UsageError("the clock of a world goes a hundred years from now at most")

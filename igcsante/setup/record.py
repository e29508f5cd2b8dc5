"""What was done and said on the way, and on which day: a small file in the data folder (0600).

Nothing but ids of steps and dates, by profile. One writer at a time is assumed: a person.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import date
from pathlib import Path

from ..config import data_directory
from ..errors import ConfigError, IgcError
from ..files import read_bounded, write_atomic
from ..messages import tr

MAX_BYTES = 64 * 1024
_FORMAT = 1


class Record:
    """The days on which steps of ``profile`` were done, as ``path`` has them.

    ``keeps`` is whether a day that is noted is also written; without it, it counts for this
    object only.
    """

    def __init__(self, profile: str, path: Path | None = None, *, keeps: bool = True) -> None:
        self.profile = profile
        self.path = path or data_directory() / "setup.json"
        self.keeps = keeps
        self._days = _days(_read(self.path).get(profile, {}), self.path)

    def day(self, step: str) -> date | None:
        """When it was done; None when it wasn't."""
        return self._days.get(step)

    def note(self, step: str, day: date) -> None:
        """Raises StorageError."""
        self._change({**self._days, step: day})

    def forget(self, step: str) -> None:
        """It isn't done any more. Raises StorageError."""
        self._change({name: day for name, day in self._days.items() if name != step})

    def _change(self, days: Mapping[str, date]) -> None:
        if days == self._days:
            return
        self._days = dict(days)
        if not self.keeps:
            return
        profiles = {**_read(self.path), self.profile: {k: d.isoformat() for k, d in days.items()}}
        text = json.dumps({"format": _FORMAT, "profiles": profiles}, indent=1) + "\n"
        write_atomic(self.path, text.encode(), overwrite=True)


def _read(path: Path) -> dict[str, dict[str, str]]:
    """The days of each profile; none when there is no file. Raises ConfigError, UsageError."""
    if not path.exists():
        return {}
    try:
        content = json.loads(read_bounded(path, MAX_BYTES))
        if content["format"] != _FORMAT:
            raise _damaged(path)
        return {str(name): dict(days) for name, days in content["profiles"].items()}
    except IgcError:
        raise
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise _damaged(path) from None


def _days(days: Mapping[str, str], path: Path) -> dict[str, date]:
    try:
        return {str(step): date.fromisoformat(day) for step, day in days.items()}
    except (ValueError, TypeError):
        raise _damaged(path) from None


def _damaged(path: Path) -> ConfigError:
    return ConfigError(
        tr("{path} is not what igc setup wrote; it was left so", path=path),
        advice=tr("move it away: the steps that igc can't see itself are then asked again"),
        path=str(path),
    )

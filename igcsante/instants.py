"""Instants as text: ISO 8601 in UTC, to the second, as everything of igcsante writes them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import overload

from .errors import UsageError


@overload
def iso(moment: datetime) -> str: ...
@overload
def iso(moment: None) -> None: ...


def iso(moment: datetime | None) -> str | None:
    """``2019-06-14T13:26:24Z`` for a timezone-aware instant; None stays None."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if moment else None


def parse_instant(text: str) -> datetime:
    """An ISO 8601 instant, UTC when it names no zone. Raises UsageError.

    >>> parse_instant("2019-06-28T12:00:00Z")
    datetime.datetime(2019, 6, 28, 12, 0, tzinfo=datetime.timezone.utc)
    """
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(
            f"{text!r} is no date", advice="write it as 2026-11-22T12:00:00Z"
        ) from None
    return instant.replace(tzinfo=UTC) if instant.tzinfo is None else instant.astimezone(UTC)

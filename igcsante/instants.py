"""Instants as text, always in UTC: :func:`iso` for programs, :func:`shown` for people."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import overload

from .errors import UsageError
from .messages import tr


@overload
def iso(moment: datetime) -> str: ...
@overload
def iso(moment: None) -> None: ...


def iso(moment: datetime | None) -> str | None:
    """``2019-06-14T13:26:24Z`` for a timezone-aware instant; None stays None."""
    if moment is None:
        return None
    return moment.astimezone(UTC).replace(microsecond=0, tzinfo=None).isoformat() + "Z"


@overload
def shown(moment: datetime, *, seconds: bool = False) -> str: ...
@overload
def shown(moment: None, *, seconds: bool = False) -> None: ...


def shown(moment: datetime | None, *, seconds: bool = False) -> str | None:
    """``2019-06-14 13:26 UTC`` for a timezone-aware instant; None stays None.

    ``seconds`` are for what another instant is compared with: a revocation, a clock.
    """
    if moment is None:
        return None
    return f"{moment.astimezone(UTC):{'%Y-%m-%d %H:%M:%S' if seconds else '%Y-%m-%d %H:%M'}} UTC"


def parse_instant(text: str) -> datetime:
    """An ISO 8601 instant, UTC when it names no zone, or what :func:`shown` gives.

    Raises UsageError.

    >>> parse_instant("2019-06-28T12:00:00Z")
    datetime.datetime(2019, 6, 28, 12, 0, tzinfo=datetime.timezone.utc)
    """
    try:
        instant = datetime.fromisoformat(text.removesuffix(" UTC"))
    except ValueError:
        raise UsageError(
            tr("{text!r} is no date", text=text),
            advice=tr("write it as 2026-11-22T12:00:00Z"),
        ) from None
    return instant.replace(tzinfo=UTC) if instant.tzinfo is None else instant.astimezone(UTC)

"""When a list is worth fetching again: once a publication, by one process, at one's own hour.

The ANS publishes its lists every morning from 07:00 and asks that each be fetched once a day,
at hours that are spread (pki.md §4). What was asked of an address is noted beside the lists;
the note is also what processes lock, so that a list is fetched once however many want it.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import secrets
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, time, timedelta
from pathlib import Path

from ...errors import IgcError, StorageError
from ...files import lock, private_directory, read_bounded, write_atomic
from ...instants import iso
from ...messages import reason_of, tr

# 07:00 in Paris is 05:00 or 06:00 UTC: at 06:00 the morning's publication has begun all year.
_PUBLICATION = time(6, tzinfo=UTC)
_MAX_NOTE = 16 * 1024
_SEED = "fetch-hour"


@dataclass(frozen=True)
class Note:
    """What is known of an address: when it was asked with success, how long its server said
    that nothing newer comes, and what it said that the list is (ETag, date, SHA-256)."""

    url: str
    asked: datetime
    fresh_until: datetime | None = None
    etag: str | None = None
    last_modified: str | None = None
    sha256: str | None = None


def last_publication(at: datetime) -> datetime:
    """The last morning's publication before ``at``.

    >>> last_publication(datetime(2026, 11, 22, 5, 30, tzinfo=UTC)).isoformat()
    '2026-11-21T06:00:00+00:00'
    """
    today = datetime.combine(at.astimezone(UTC).date(), _PUBLICATION)
    return today if today <= at else today - timedelta(days=1)


def is_due(note: Note | None, next_update: datetime | None, at: datetime) -> bool:
    """Whether there may be a newer list than the one that is held until ``next_update``."""
    if note is None or next_update is None or at >= next_update or at < note.asked:
        return True
    if note.fresh_until is not None and at < note.fresh_until:
        return False
    return note.asked < last_publication(at)


class Notes:
    """The notes of a folder, one for each address."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    @contextlib.contextmanager
    def locked(self, url: str) -> Iterator[LockedNote]:
        """The note about an address, which no other process has until this one is done.

        Raises StorageError.
        """
        private_directory(self._directory)
        path = self._directory / f"{hashlib.sha256(url.encode()).hexdigest()}.json"
        try:
            with path.with_suffix(".lock").open("ab") as stream:
                lock(stream, wait=True)
                yield LockedNote(path)
        except OSError as error:
            raise StorageError(tr("{path}: {why}", path=path, why=reason_of(error))) from None


class LockedNote:
    """One note, while it is ours."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> Note | None:
        """What was noted; None when there is nothing, or nothing that can be read."""
        try:
            told = json.loads(read_bounded(self._path, _MAX_NOTE))
            for name in ("asked", "fresh_until"):
                told[name] = told[name] and datetime.fromisoformat(told[name])
            note = Note(**told)
        except (IgcError, ValueError, TypeError, KeyError, AttributeError):
            return None
        return note if isinstance(note.asked, datetime) else None

    def write(self, note: Note) -> None:
        """Raises StorageError."""
        told = {**asdict(note), "asked": iso(note.asked), "fresh_until": iso(note.fresh_until)}
        write_atomic(self._path, json.dumps(told).encode(), overwrite=True)


def own_delay(hours: float, directory: Path) -> timedelta:
    """How long this user of this machine waits, of ``hours``: drawn once, then always the same.

    Raises StorageError.
    """
    path = directory / _SEED
    if not path.is_file():
        with contextlib.suppress(StorageError):  # another process was first
            write_atomic(path, secrets.token_bytes(8))
    try:
        drawn = int.from_bytes(read_bounded(path, 64)[:8].rjust(8, b"\0"))
    except IgcError as error:
        raise StorageError(error.message) from None
    return timedelta(hours=hours) * (drawn / 2**64)

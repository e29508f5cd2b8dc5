"""What keeps two commands from the same order: locks of the kernel, on octets of one file.

Each order has the octet of its number; what has no order yet has one beyond all of them. The
kernel lets go of a lock when its process ends, however it ends (fcntl(2), advisory record locks).
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

from ...errors import StorageError, UsageError
from ...messages import reason_of, tr

_NAMES = 1 << 62  # beyond every number of an order


class AtWorkError(UsageError):
    """Another command has it: nothing was sent."""


class Locks:
    """The locks in the file ``path``, made when the first is taken."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: int | None = None
        self._held: set[int] = set()

    def close(self) -> None:
        """Let go of all of them."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    @contextlib.contextmanager
    def order(self, number: int) -> Iterator[None]:
        """Hold the order of that number. Raises AtWorkError when another process has it,
        StorageError. Without effect where there is no fcntl, or when it is held here already."""
        with self._octet(number, f"order {number}"):
            yield

    @contextlib.contextmanager
    def name(self, name: str) -> Iterator[None]:
        """As :meth:`order`, for what has no order yet: the row of a batch, a renewal."""
        digest = hashlib.sha256(name.encode()).digest()
        with self._octet(_NAMES + int.from_bytes(digest[:7]), name):
            yield

    @contextlib.contextmanager
    def _octet(self, offset: int, what: str) -> Iterator[None]:
        try:
            import fcntl
        except ImportError:
            yield
            return
        if offset in self._held:
            yield
            return
        file = self._opened()
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, offset)
        except OSError as error:
            if error.errno in (errno.EACCES, errno.EAGAIN):  # fcntl(2): someone else has it
                raise at_work(what) from None
            raise StorageError(
                tr(
                    "{path} can't be locked: {why}; nothing was sent",
                    path=self._path,
                    why=reason_of(error),
                ),
                advice=tr("check that the folder is no network share"),
            ) from None
        self._held.add(offset)
        try:
            yield
        finally:
            self._held.discard(offset)
            if self._file is not None:
                fcntl.lockf(self._file, fcntl.LOCK_UN, 1, offset)

    def _opened(self) -> int:
        if self._file is None:
            try:
                self._file = os.open(self._path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
            except OSError as error:
                raise StorageError(
                    tr("{path}: {why}", path=self._path, why=reason_of(error))
                ) from None
        return self._file


def at_work(what: str) -> AtWorkError:
    """That another command has it."""
    return AtWorkError(
        tr("another command is at work on {what}: nothing was sent", what=what),
        advice=tr("see how far it went: igc orders"),
    )

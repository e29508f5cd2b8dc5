"""A folder in /tmp that outlives nobody: the next one to be made removes those left behind.

A process that is killed removes nothing. Each folder holds a file that its process keeps
locked (flock(2)): the kernel drops the lock with the process, so that a lock that can be
had proves that the owner is gone, whoever has its process number now.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ...errors import StorageError
from ...messages import reason_of, tr

_LOCK = "owner.lock"
_LONGEST = 90  # sun_path holds 108 bytes, and a socket has a name too


@contextmanager
def private_folder(prefix: str) -> Iterator[Path]:
    """A new folder, removed at the end. Anyone may look into it; only we write.

    Folders of that prefix, of the same user, whose process was killed are removed first.
    Raises StorageError.
    """
    place = tempfile.gettempdir()
    if len(place) + len(prefix) > _LONGEST:
        place = "/tmp"  # noqa: S108 - mkdtemp's names can't be foreseen
    remove_abandoned(Path(place), prefix)
    try:
        folder = Path(tempfile.mkdtemp(prefix=prefix, dir=place))
        folder.chmod(0o755)  # a service of another user reads it
        lock = _locked(folder)
    except OSError as error:
        raise StorageError(
            tr("no folder for a private service: {why}", why=reason_of(error))
        ) from None
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


def remove_abandoned(place: Path, prefix: str) -> None:
    """Remove the folders of that prefix that are ours and whose process is gone."""
    for folder in place.glob(prefix + "*"):
        with suppress(OSError):
            if folder.is_symlink() or folder.stat().st_uid != os.geteuid():
                continue
            lock = os.open(folder / _LOCK, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
            try:
                _lock(lock)
                shutil.rmtree(folder, ignore_errors=True)
            finally:
                os.close(lock)


def _locked(folder: Path) -> int:
    """The descriptor of the folder's lock, which has its name only once it is locked."""
    unnamed = folder / f"{_LOCK}.new"
    lock = os.open(unnamed, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    _lock(lock)
    unnamed.rename(folder / _LOCK)
    return lock


def _lock(descriptor: int) -> None:
    """Lock a file at once. Raises BlockingIOError when someone else has."""
    import fcntl  # absent on Windows, where nothing needs these folders

    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)

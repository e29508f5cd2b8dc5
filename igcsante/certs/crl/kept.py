"""Whether what is kept of a list is whole: its file, as it was published, and its index.

A check goes by the index, and reads the file only in place of pages that are damaged; so that
damage to the one is not noticed where the other is used. Whoever looks after the lists, or
hands a file on, asks here.
"""

from __future__ import annotations

import hashlib
from functools import lru_cache
from pathlib import Path

from ...errors import UnreadableError
from ...files import read_bounded
from ...messages import tr
from ..load import MAX_CRL_BYTES
from .index import IndexedCrl
from .store import CrlStore, StoredCrl

_ADVICE = tr("fetch it again with `igc crl update`, or give it once more to `igc crl index`")


def octets_of(stored: StoredCrl) -> bytes:
    """The list (DER). Raises UnreadableError when it is not what was kept, UsageError."""
    octets = read_bounded(stored.path, MAX_CRL_BYTES)
    if hashlib.sha256(octets).hexdigest() != stored.sha256:
        raise _damaged(stored)
    return octets


def is_intact(stored: StoredCrl) -> bool:
    """Whether the file is there, and what was kept."""
    try:
        status = stored.path.stat()
        version = (status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
        return _sha256(stored.path, version) == stored.sha256
    except OSError:
        return False


def require_intact(stored: StoredCrl) -> None:
    """Raises UnreadableError for a list whose file is not what was kept."""
    if not is_intact(stored):
        raise _damaged(stored)


def has_damaged_index(store: CrlStore, stored: StoredCrl) -> bool:
    """Whether pages of its index are not as they were made. Raises StorageError."""
    try:
        listing = store.open(stored)
    except UnreadableError:
        return False  # it has none, or is gone by now
    return isinstance(listing, IndexedCrl) and not listing.is_whole


@lru_cache(maxsize=1024)
def _sha256(path: Path, version: tuple[int, ...]) -> str:
    """Of one ``version`` of a file, read once."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _damaged(stored: StoredCrl) -> UnreadableError:
    return UnreadableError(
        tr(
            "{path}: the file of a kept list is damaged: it is not what was kept; it was not used",
            path=stored.path,
        ),
        advice=_ADVICE,
        path=str(stored.path),
    )

"""The key with which this user's own files are authenticated: indexes of CRLs, checks begun.

Whoever can't read the user's files can't make one that is believed. Losing the key loses
nothing that can't be made again.
"""

from __future__ import annotations

import os
from pathlib import Path

from ...errors import StorageError, UnreadableError
from ...files import private_directory, write_atomic
from ...messages import reason_of, tr

KEY_OCTETS = 32


def read_key(path: Path) -> bytes:
    """The key. Raises FileNotFoundError, StorageError, or UnreadableError when it is none."""
    try:
        with path.open("rb") as stream:
            key = stream.read(KEY_OCTETS + 1)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise StorageError(tr("{path}: {why}", path=path, why=reason_of(error))) from None
    if len(key) != KEY_OCTETS:
        raise UnreadableError(
            tr("{path}: not the key of the CRL indexes", path=path),
            advice=tr(
                "remove it: another is made when it is needed. Until a list is kept anew, it "
                "is read without its index, which takes longer; a check that was begun with "
                "--resume begins again, in another file"
            ),
        )
    return key


def own_key(path: Path) -> bytes:
    """The key, made when it isn't there. Raises StorageError, UnreadableError."""
    try:
        return read_key(path)
    except FileNotFoundError:
        private_directory(path.parent)
    try:
        write_atomic(path, os.urandom(KEY_OCTETS))
    except StorageError:
        if not path.exists():  # else another process was faster
            raise
    return read_key(path)

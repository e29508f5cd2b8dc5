"""The file of a kept list, as it was published: read only while it is what was kept.

A check goes by the index alone, which is bound to the list's SHA-256 and authenticated, so that
a file that was damaged since is not noticed there. Whoever uses the file itself reads it here.
"""

from __future__ import annotations

import hashlib

from ...errors import IgcError, UnreadableError
from ...files import read_bounded
from ..load import MAX_CRL_BYTES
from .store import StoredCrl


def octets_of(stored: StoredCrl) -> bytes:
    """The list (DER). Raises UnreadableError when it is not what was kept, UsageError."""
    octets = read_bounded(stored.path, MAX_CRL_BYTES)
    if hashlib.sha256(octets).hexdigest() != stored.sha256:
        raise UnreadableError(
            f"{stored.path}: the file of a kept list is damaged: it is not what was kept; it was "
            "not used",
            advice="fetch it again with `igc crl update`, or give it once more to `igc crl index`",
        )
    return octets


def is_intact(stored: StoredCrl) -> bool:
    """Whether the file is there, and what was kept."""
    try:
        octets_of(stored)
    except IgcError:
        return False
    return True

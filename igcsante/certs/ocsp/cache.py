"""OCSP answers that were fetched, one file each, until they end.

A file is named for the whole of what identifies a certificate: its issuer's name and key, and
its serial number, never the serial number alone. What is read back is a response like any
other, whose signature is checked anew, so nobody is believed for being in this folder.
"""

from __future__ import annotations

import contextlib
import os
from datetime import datetime
from pathlib import Path

from ...config import cache_directory
from ...errors import IgcError
from ...files import private_directory, write_atomic
from .request import CertId
from .response import OcspResponse, ocsp_response_from_path

_SUFFIX = ".ors"  # RFC 2560's file extension of a response, application/ocsp-response


def ocsp_cache_directory() -> Path:
    """Where answers are kept."""
    return cache_directory() / "ocsp"


class OcspCache:
    """Answers in a folder for its owner only. A cache that fails is one that is empty."""

    def __init__(self, directory: Path | None = None) -> None:
        self._directory = directory or ocsp_cache_directory()

    def get(self, wanted: CertId) -> OcspResponse | None:
        """The response that was kept about a certificate, whatever it is worth by now."""
        try:
            return ocsp_response_from_path(self._path(wanted))
        except IgcError:
            return None

    def put(self, wanted: CertId, response: OcspResponse, *, until: datetime) -> None:
        """Keep a response, to be dropped once ``until`` is past."""
        with contextlib.suppress(IgcError, OSError):
            private_directory(self._directory)
            path = self._path(wanted)
            write_atomic(path, response.octets, overwrite=True)
            os.utime(path, (until.timestamp(), until.timestamp()))

    def drop_outdated(self, at: datetime) -> int:
        """Remove the answers that have ended; how many."""
        dropped = 0
        with contextlib.suppress(OSError):
            for path in self._directory.glob(f"*{_SUFFIX}"):
                if path.stat().st_mtime < at.timestamp():
                    path.unlink(missing_ok=True)
                    dropped += 1
        return dropped

    def _path(self, wanted: CertId) -> Path:
        return self._directory / f"{wanted.key}{_SUFFIX}"

"""Files of the card kept on disk, so that the next command need not read them again.

Kept are the directory files and the certificates, all free to read; never data objects, and
never what the PIN guards. They count as long as the card's update marker is the same: EF_ACTUA
on a CPS3 (card.md §7, "Cache"). No marker is known for a CPS4, nor for a CPS3 without
EF_ACTUA: those are kept only by a cache that is told to do without.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import stat
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ..errors import CardError, CardStatusError, IgcError
from ..files import private_directory, read_bounded, write_atomic
from . import tlv
from .generation import Generation

MAX_ENTRY_BYTES = 1024 * 1024
_CPS_DATA = bytes.fromhex("D107")
_WHOLE, _OBJECT = b"F", b"O"  # how a file was read: all of it, or the object at its start
_SUFFIX = ".card"
_DIGEST_BYTES = 32

Files = dict[bytes, bytes]


@dataclass(frozen=True)
class CardCache:
    """A folder with one file for each card; only its owner may enter it.

    ``without_marker`` also keeps files of cards that don't tell when they were updated: an
    update of such a card then goes unnoticed until :meth:`clear`.
    """

    directory: Path
    without_marker: bool = False

    def load(self, card: str, marker: bytes) -> Files:
        """The files of a card at that marker; none when they are absent, old or damaged."""
        try:
            if not self._is_private():
                return {}
            content = read_bounded(self._path(card), MAX_ENTRY_BYTES)
            digest, body = content[:_DIGEST_BYTES], content[_DIGEST_BYTES:]
            if digest != _digest(card, marker, body):
                return {}
            return {bytes.fromhex(k): bytes.fromhex(v) for k, v in json.loads(body).items()}
        except (IgcError, OSError, ValueError, AttributeError, TypeError):
            return {}

    def save(self, card: str, marker: bytes, files: Files) -> None:
        """Keep the files of a card in place of those before. A failure changes nothing."""
        body = json.dumps({path.hex(): content.hex() for path, content in files.items()}).encode()
        with contextlib.suppress(IgcError, OSError):
            private_directory(self.directory)
            if self._is_private() and len(body) < MAX_ENTRY_BYTES - _DIGEST_BYTES:
                content = _digest(card, marker, body) + body
                write_atomic(self._path(card), content, overwrite=True)

    def clear(self) -> int:
        """Forget all cards: how many there were. Raises OSError."""
        entries = list(self.directory.glob(f"*{_SUFFIX}")) if self.directory.is_dir() else []
        for entry in entries:
            entry.unlink(missing_ok=True)
        return len(entries)

    def _path(self, card: str) -> Path:
        # A serial number names a person: file names don't tell it.
        return self.directory / (hashlib.sha256(card.encode()).hexdigest()[:32] + _SUFFIX)

    def _is_private(self) -> bool:
        """Whether nobody else can have put something into the folder."""
        if not hasattr(os, "geteuid"):
            return True
        status = self.directory.stat()
        writable_by_others = status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
        return status.st_uid == os.geteuid() and not writable_by_others


class CachedFiles:
    """Reads directory files and certificates of one card, from the cache where it can.

    What the card is and what its marker says is read from it, once, at the first use.
    """

    def __init__(
        self,
        generation: Generation,
        cache: CardCache,
        serial: Callable[[], str],
        journal: Callable[[], bytes | None],
    ) -> None:
        self._generation = generation
        self._cache = cache
        self._serial = serial
        self._journal = journal
        self._files: Files | None = None
        self._marker: bytes | None = None
        self._changed = False

    def read_file(self, path: bytes) -> bytes:
        """As :meth:`Generation.read_file`."""
        known = self._known(path)
        key = _WHOLE + path
        if known is None:
            return self._generation.read_file(path)
        if key not in known:
            self._keep(known, key, self._generation.read_file(path))
        return known[key]

    def read_object(
        self, path: bytes, needed: Callable[[bytes], int] | None = None, start: bytes = b""
    ) -> bytes:
        """As :meth:`Generation.read_object`; what was read before is not read again."""
        known = self._known(path)
        if known is None:
            return self._generation.read_object(path, needed, start)
        key = _OBJECT + path
        before = max(known.get(key, b""), start, key=len)
        if not before or len(before) < (needed or tlv.object_length)(before):
            before = self._generation.read_object(path, needed, before)
        if before != known.get(key):
            self._keep(known, key, before)
        return before

    def save(self) -> None:
        """Write what was read anew. Never fails."""
        if self._changed and self._files is not None and self._marker is not None:
            self._cache.save(self._card(), self._marker, self._files)
        self._changed = False

    def _known(self, path: bytes) -> Files | None:
        """What is at hand of this card, None for a file or a card of which nothing is kept."""
        if path.endswith(_CPS_DATA):
            return None
        if self._files is None:
            self._marker = self._read_marker()
            self._files = {}
            if self._marker is not None:
                self._files = self._cache.load(self._card(), self._marker)
        return self._files if self._marker is not None else None

    def _keep(self, known: Files, key: bytes, content: bytes) -> None:
        self._changed = True
        known[key] = content

    def _card(self) -> str:
        return f"{self._generation.name} {self._serial()}"

    def _read_marker(self) -> bytes | None:
        """What changes when the card is updated, None when nothing may be kept of it."""
        if self._generation.keeps_journal:
            try:
                if found := self._journal():
                    return found
            except CardError as error:
                if error.code not in (CardError.code, CardStatusError.code):
                    raise
        return b"" if self._cache.without_marker else None


def _digest(card: str, marker: bytes, body: bytes) -> bytes:
    """It binds the content to its card and marker, and tells when it was damaged."""
    head = json.dumps([card, marker.hex()]).encode()
    return hashlib.sha256(len(head).to_bytes(8) + head + body).digest()

"""What was found so far, in a file, so that a check that was cut short goes on where it was.

One line a JSON object and its HMAC-SHA256, which covers the HMAC of the line before: the first
object says what the findings are bound to, each other one is a finding that is complete, and
the last one, once everything was told, that the check is finished. A finding is told only once
its line is written, so a process that is killed loses no more than what it was at; a last line
that was cut is dropped. A line that was changed, added or left out is never believed. The file is
one process's at a time.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import json
import os
import stat
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO

from ...errors import StorageError, UsageError
from ...files import lock
from ...messages import reason_of, tr
from ...wording import recipes, reworded
from ..policy_text import policy_toml
from .snapshot import Snapshot

FORMAT = "igc.check.state/2"
_SECONDS_BETWEEN_SYNCS = 1.0
_MAX_HEAD_BYTES = 4096
_START = json.dumps({"format": FORMAT}).encode()[:-1]
_FINISHED = b'{"finished": true}'
_HEX_MAC = 64


def state_instant(path: Path) -> datetime | None:
    """The instant that a check that isn't finished is about; None when there is no such check.

    It counts only once :meth:`CheckState.open` has authenticated it.
    Raises UsageError for another kind of file.
    """
    try:
        with _opened(path, os.O_RDONLY) as stream:
            line = stream.readline(_MAX_HEAD_BYTES)
            last = len(_FINISHED) + 1 + _HEX_MAC + 1
            stream.seek(-min(last, stream.seek(0, os.SEEK_END)), os.SEEK_END)
            finished = stream.read().startswith(_FINISHED)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise UsageError(tr("{path}: {why}", path=path, why=reason_of(error))) from None
    if not line.endswith(b"\n"):
        return None
    head = _head(path, _split(line)[0])
    return None if finished else datetime.fromisoformat(head["at"])


@dataclass(frozen=True)
class _Place:
    """Where a line begins, and the HMAC of the line before."""

    offset: int
    before: bytes


class CheckState:
    """The findings of one check. Open it with :meth:`open`; it is a context manager.

    ``renewed``: a check that was finished was there, and a new one took its place.
    ``resumed``: one that was not finished was there, and goes on.
    """

    renewed = resumed = False

    def __init__(self, path: Path, stream: BinaryIO, secret: bytes) -> None:
        self._path, self._stream = path, stream
        self._key = hmac.digest(secret, FORMAT.encode(), "sha256")
        self._places: dict[str, _Place] = {}
        self._mac = b""
        self._synced = time.monotonic()

    @classmethod
    def open(cls, path: Path, snapshot: Snapshot, secret: bytes) -> CheckState:
        """The state in ``path`` for this snapshot; a new file, for its owner only, without one.

        ``secret`` is this user's: what it doesn't authenticate is refused. In the place of a
        check that is finished, a new one begins.
        Raises UsageError when the file is bound to another policy, instant or snapshot, was
        changed, is none of ours, or is another process's for now, StorageError when it can't be
        written. It is then left as it was.
        """
        bound = {
            "format": FORMAT,
            "at": snapshot.at.isoformat(),
            "policy": hashlib.sha256(policy_toml(snapshot.policy).encode()).hexdigest(),
            "snapshot": _digest(snapshot),
        }
        try:
            stream = _opened(path, os.O_RDWR | os.O_CREAT)
        except OSError as error:
            raise StorageError(
                tr("{path}: {why}; nothing was checked", path=path, why=reason_of(error))
            ) from None
        state = cls(path, stream, secret)
        try:
            if not lock(stream, wait=False):
                raise UsageError(
                    tr(
                        "{path}: another process is at the check that is kept there; nothing was "
                        "checked",
                        path=path,
                    ),
                    advice=tr("wait until it is done, or give the name of another file"),
                )
            state._read(bound)
        except BaseException:
            stream.close()
            raise
        return state

    def __enter__(self) -> CheckState:
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError):
            os.fsync(self._stream.fileno())
        self._stream.close()

    def __len__(self) -> int:
        return len(self._places)

    def __contains__(self, key: str) -> bool:
        return key in self._places

    def get(self, key: str) -> dict[str, Any]:
        """The document of a finding that is there. Raises UsageError when it was changed."""
        place = self._places[key]
        self._stream.seek(place.offset)
        payload, _ = self._authentic(self._stream.readline(), place.before)
        kept = json.loads(payload)
        document: dict[str, Any] = reworded(kept["document"], kept.get("wordings", {}))
        return document

    def put(self, key: str, document: Mapping[str, Any]) -> None:
        """Keep a finding. Raises StorageError."""
        kept = {"key": key, "document": document, "wordings": recipes(document)}
        line = json.dumps(kept, default=str).encode()
        before = self._mac
        self._places[key] = _Place(self._add(line), before)

    def finish(self) -> None:
        """Everything was told: the next check starts anew. Raises StorageError."""
        self._add(_FINISHED)

    def _add(self, payload: bytes) -> int:
        """Write a line; where it begins."""
        mac = self._mac_of(payload, self._mac)
        try:
            offset = self._stream.seek(0, os.SEEK_END)
            self._stream.write(payload + b" " + mac.hex().encode() + b"\n")
            self._stream.flush()
            if time.monotonic() - self._synced > _SECONDS_BETWEEN_SYNCS:
                os.fsync(self._stream.fileno())
                self._synced = time.monotonic()
        except OSError as error:
            raise StorageError(
                tr(
                    "{path}: {why}; what it has so far is complete",
                    path=self._path,
                    why=reason_of(error),
                )
            ) from None
        self._mac = mac
        return offset

    def _mac_of(self, payload: bytes, before: bytes) -> bytes:
        return hmac.digest(self._key, before + payload, "sha256")

    def _authentic(self, line: bytes, before: bytes) -> tuple[bytes, bytes]:
        """The object of a line and its HMAC. Raises UsageError."""
        payload, written = _split(line)
        mac = self._mac_of(payload, before)
        if not hmac.compare_digest(mac.hex().encode(), written):
            raise UsageError(
                tr(
                    "{path}: what was found before is not believed: the file was changed, or "
                    "begun by another user or on another machine",
                    path=self._path,
                ),
                advice=tr("remove it, or give the name of another one: the check then starts anew"),
            )
        return payload, mac

    def _read(self, bound: dict[str, str]) -> None:
        """Find each finding, and have the file ready to be added to."""
        stream = self._stream
        first = stream.readline(_MAX_HEAD_BYTES)
        if not first.endswith(b"\n"):  # nothing, or a head that was cut
            if first[: len(_START)] != _START[: len(first)]:
                raise _foreign(self._path)
            self._begin(bound)
            return
        head = _head(self._path, _split(first)[0])
        _, mac = self._authentic(first, b"")
        end, finished = stream.tell(), False
        while (line := stream.readline()).endswith(b"\n"):
            payload, after = self._authentic(line, mac)
            finished = payload == _FINISHED
            if not finished:
                self._places[json.loads(payload)["key"]] = _Place(end, mac)
            end, mac = stream.tell(), after
        if finished:
            self._places.clear()
            self.renewed = True
            self._begin(bound)
            return
        _require_same(self._path, head, bound)
        self.resumed = True
        stream.truncate(end)
        self._mac = mac

    def _begin(self, bound: dict[str, str]) -> None:
        self._stream.truncate(0)
        self._add(json.dumps(bound).encode())


def _opened(path: Path, flags: int) -> BinaryIO:
    """Raises OSError, UsageError for what isn't a file: a device or a pipe keeps nothing."""
    flags |= getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    handle = os.open(path, flags, 0o600)
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise UsageError(
            tr(
                "{path}: not a regular file, so nothing can be kept in it; nothing was checked",
                path=path,
            ),
            advice=tr("give the name of a file, or of one that isn't there yet"),
        )
    return os.fdopen(handle, "rb" if flags & os.O_RDWR == 0 else "r+b")


def _split(line: bytes) -> tuple[bytes, bytes]:
    """The object of a line, and its HMAC as it is written."""
    payload, _, written = line.rstrip(b"\n").rpartition(b" ")
    return payload, written


def _require_same(path: Path, head: dict[str, str], bound: dict[str, str]) -> None:
    for name, what in (
        ("at", tr("instant")),
        ("policy", tr("policy")),
        ("snapshot", tr("set of lists")),
    ):
        if head.get(name) != bound[name]:
            raise UsageError(
                tr(
                    "{path}: the check that was begun there is of another {what}; "
                    "nothing was checked",
                    path=path,
                    what=what,
                ),
                advice=tr(
                    "start a new one with another file, or remove this one. Lists that were "
                    "updated in the meantime count as others, and so do other options"
                ),
            )


def _head(path: Path, payload: bytes) -> dict[str, str]:
    try:
        head = json.loads(payload)
        if head["format"] == FORMAT and datetime.fromisoformat(head["at"]).tzinfo:
            return dict(head)
    except (ValueError, KeyError, TypeError):
        pass
    raise _foreign(path)


def _foreign(path: Path) -> UsageError:
    return UsageError(
        tr("{path}: not the state of a check, or damaged; it was left untouched", path=path),
        advice=tr("give the name of a file that isn't there yet"),
    )


def _digest(snapshot: Snapshot) -> str:
    """Of all that verdicts rest on, in whatever order it was given."""
    parts = [
        (b"root", snapshot.roots),
        (b"authority", (*snapshot.intermediates, *snapshot.untrusted)),
        (b"list", (*(item.octets for item in snapshot.crls),)),
        (b"answer", (*(item.octets for item in snapshot.responses),)),
        (b"kept", (*(sha256.encode() for sha256 in snapshot.kept),)),
    ]
    whole = hashlib.sha256()
    for name, items in parts:
        for digest in sorted({hashlib.sha256(item).digest() for item in items}):
            whole.update(name + digest)
    return whole.hexdigest()

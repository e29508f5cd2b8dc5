"""Files in a ZIP or TAR archive (plain or gzip), read in memory: nothing is extracted to disk.

A member's name is shown and never used as a path. What an archive may cost is bounded: the
number of its members, the octets of each, and what it unpacks to, whatever its headers say.
"""

from __future__ import annotations

import gzip
import io
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from typing import BinaryIO

from ...errors import UnreadableError
from ...files import ARCHIVE_START, EMPTY_ZIP, GZIP, ZIP
from ...messages import tr

MAX_MEMBERS = 200_000
MAX_MEMBER_BYTES = 16 * 1024 * 1024
MAX_UNPACKED_BYTES = 256 * 1024 * 1024

_ZIP_END = struct.Struct("<4s4H2LH")  # APPNOTE.TXT §4.3.16
_ZIP64_LOCATOR = b"PK\x06\x07"
_MAX_COMMENT = 0xFFFF
_MAX_DIRECTORY_BYTES = 16 * 1024 * 1024
_DAMAGED = (
    zipfile.BadZipFile,
    tarfile.TarError,
    zlib.error,
    struct.error,
    EOFError,
    OSError,
    ValueError,
    NotImplementedError,  # a compression that zipfile does not know
    RuntimeError,  # zipfile: a password is needed
)

Member = tuple[str, bytes | UnreadableError]
Wanted = Callable[[str], bool]


def members(stream: BinaryIO, wanted: Wanted) -> Iterator[Member]:
    """Name and octets of each file in an archive (seekable) whose name is ``wanted``.

    A member that can't be read comes as its error. Raises UnreadableError when the archive
    itself can't be, or unpacks to too much: what came before stands.
    """
    start = stream.read(ARCHIVE_START)
    stream.seek(0)
    try:
        if start.startswith((ZIP, EMPTY_ZIP)):
            yield from _zip(stream, wanted)
        elif start.startswith(GZIP):
            with gzip.GzipFile(fileobj=stream) as unpacked:
                yield from _tar(unpacked, wanted)
        else:
            yield from _tar(stream, wanted)
    except _DAMAGED as error:
        raise UnreadableError(tr("the archive can't be read: {error}", error=error)) from None


def _zip(stream: BinaryIO, wanted: Wanted) -> Iterator[Member]:
    _bound_directory(stream)
    left = MAX_UNPACKED_BYTES
    with zipfile.ZipFile(stream) as archive:
        infos = archive.infolist()
        if len(infos) > MAX_MEMBERS:
            raise _too_much()
        for info in infos:
            if info.is_dir() or not wanted(info.filename):
                continue
            try:
                with archive.open(info) as member:
                    data = member.read(MAX_MEMBER_BYTES + 1)
            except _DAMAGED as error:
                yield (
                    info.filename,
                    UnreadableError(tr("it can't be unpacked: {error}", error=error)),
                )
                continue
            left -= len(data)
            if left < 0:
                raise _too_much()
            yield info.filename, _bounded(data)


def _bound_directory(stream: BinaryIO) -> None:
    """zipfile reads the whole directory at once, so its size is looked at before."""
    size = stream.seek(0, io.SEEK_END)
    stream.seek(max(0, size - _MAX_COMMENT - _ZIP_END.size))
    tail = stream.read()
    place = tail.rfind(EMPTY_ZIP)
    if place < 0:
        raise UnreadableError(tr("the archive is cut: its directory is missing"))
    directory = _ZIP_END.unpack_from(tail, place)[5]
    if directory > _MAX_DIRECTORY_BYTES or _ZIP64_LOCATOR in tail[:place][-20:]:
        raise _too_much()
    stream.seek(0)


def _tar(stream: BinaryIO | gzip.GzipFile, wanted: Wanted) -> Iterator[Member]:
    with tarfile.open(fileobj=_Bounded(stream), mode="r|") as archive:
        for number, info in enumerate(archive):
            archive.members = []  # type: ignore[attr-defined]  # else it remembers each
            if number >= MAX_MEMBERS:
                raise _too_much()
            if not info.isfile() or not wanted(info.name):
                continue
            member = archive.extractfile(info)
            if member is not None:
                yield info.name, _bounded(member.read(MAX_MEMBER_BYTES + 1))


class _Bounded(io.RawIOBase):
    """A stream that ends in an error when it gets too long."""

    def __init__(self, stream: BinaryIO | gzip.GzipFile) -> None:
        self._stream = stream
        self._left = MAX_UNPACKED_BYTES

    def read(self, size: int = -1) -> bytes:
        data = self._stream.read(size if 0 <= size <= self._left else self._left + 1)
        self._left -= len(data)
        if self._left < 0:
            raise _too_much()
        return data


def _bounded(data: bytes) -> bytes | UnreadableError:
    if len(data) > MAX_MEMBER_BYTES:
        return UnreadableError(
            tr(
                "larger than {max_member_bytes:,} bytes, so it was not read",
                max_member_bytes=MAX_MEMBER_BYTES,
            )
        )
    return data


def _too_much() -> UnreadableError:
    return UnreadableError(
        tr("the archive holds more than is unpacked here"),
        advice=tr(
            "at most {max_members:,} members and {max_unpacked_bytes:,} bytes are read: "
            "unpack it yourself, and give the folder",
            max_members=MAX_MEMBERS,
            max_unpacked_bytes=MAX_UNPACKED_BYTES,
        ),
    )

"""Files: read with a bound, written whole or not at all.

Everything that igcsante writes goes through here: mode 0600 unless told, a temporary file
beside the target, then one atomic step into place.
"""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import IO

from .errors import StorageError, UnreadableError, UsageError
from .messages import reason_of, tr

MAX_INPUT_BYTES = 256 * 1024 * 1024

ARCHIVE_START = 262  # octets that tell whether something is an archive
ZIP, EMPTY_ZIP, GZIP = b"PK\x03\x04", b"PK\x05\x06", b"\x1f\x8b"
_TAR, _TAR_MAGIC = b"ustar", 257  # POSIX.1 ustar, and where it is
_NO_HARD_LINKS = {errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK}


def read_bounded(path: Path, limit: int = MAX_INPUT_BYTES) -> bytes:
    """The bytes of a file of at most ``limit`` bytes.

    Raises UsageError when it is absent, a folder or not readable, UnreadableError when it
    is larger.
    """
    try:
        with path.open("rb") as stream:
            size = os.fstat(stream.fileno()).st_size  # a read of more would take its memory first
            data = stream.read(min(size, limit) + 1)
            if len(data) > size:  # a pipe, or a file that grows
                data += stream.read(limit + 1 - len(data))
    except OSError as error:
        raise UsageError(tr("{path}: {why}", path=path, why=reason_of(error))) from None
    if len(data) > limit:
        raise UnreadableError(
            tr("{path}: larger than {limit:,} bytes, so it was not read", path=path, limit=limit),
            path=str(path),
        )
    return data


def is_archive(start: bytes) -> bool:
    """Whether a file that starts so (``ARCHIVE_START`` octets) is a zip, tar or gzip one."""
    return start.startswith((ZIP, EMPTY_ZIP, GZIP)) or start[_TAR_MAGIC:].startswith(_TAR)


def write_atomic(
    path: Path, data: bytes | Iterable[bytes], *, mode: int = 0o600, overwrite: bool = False
) -> None:
    """Write ``data`` to ``path``: afterwards the whole file is there, or nothing changed.

    Long data may come in pieces.
    Raises StorageError; a file that is already there is replaced only with ``overwrite``, a
    link to one stays a link, and what is no regular file is never replaced.
    """
    if overwrite and path.exists():
        path = path.resolve()
        if not path.is_file():
            raise StorageError(
                tr("{path} is no regular file; nothing was written", path=path), path=str(path)
            )
    from tempfile import mkstemp  # most commands write nothing, and it costs a start 5 ms

    try:
        _make_private(path.parent)
        handle, name = mkstemp(dir=path.parent, prefix=f".{path.name}.")
    except OSError as error:
        raise StorageError(
            tr("{path}: {why}; nothing was written", path=path, why=reason_of(error))
        ) from None
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.writelines((data,) if isinstance(data, bytes) else data)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.chmod(mode)
        if overwrite:
            temporary.replace(path)
        else:
            _claim(path, temporary)
        _sync_directory(path.parent)
    except FileExistsError:
        raise StorageError(
            tr("{path} is already there and was left untouched", path=path),
            advice=tr("choose another name or folder, or move that file away"),
            path=str(path),
        ) from None
    except OSError as error:
        raise StorageError(
            tr("{path}: {why}; nothing was written", path=path, why=reason_of(error))
        ) from None
    finally:
        with contextlib.suppress(FileNotFoundError):
            temporary.unlink()


def _sync_directory(directory: Path) -> None:
    """Make the file's new name last too: without it a power cut may take it back."""
    if os.name != "posix":
        return
    with contextlib.suppress(OSError):  # a folder one can't read; file systems that can't sync one
        handle = os.open(directory, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def write_together(files: Mapping[Path, bytes]) -> None:
    """Write several new files (0600): all of them or, whatever happens, none.

    Raises StorageError, also when one of them is already there.
    """
    require_absent(files)
    written: list[Path] = []
    try:
        for path, data in files.items():
            write_atomic(path, data)
            written.append(path)
    except BaseException:  # an interruption too must not leave half of them
        for path in written:
            with contextlib.suppress(OSError):
                path.unlink()
        raise


def _claim(path: Path, temporary: Path) -> None:
    """Give the file the name ``path``. Raises FileExistsError when that name is taken."""
    try:
        path.hardlink_to(temporary)
    except OSError as error:
        if error.errno not in _NO_HARD_LINKS:
            raise
        path.touch(exist_ok=False)  # FAT and some network shares: claim the name, then fill it
        temporary.replace(path)


def require_absent(paths: Iterable[Path]) -> None:
    """Raise StorageError when one of these files is already there, before any is written."""
    for path in paths:
        if path.exists() or path.is_symlink():
            raise StorageError(
                tr("{path} is already there: nothing was written", path=path),
                advice=tr("choose another name or folder, or move that file away"),
                path=str(path),
            )


def require_free(path: Path) -> None:
    """Raise StorageError unless a new file can have that name: it is free, its folder is there.

    For a file that a person names: a folder that nobody asked for is a typing error.
    """
    require_absent([path])
    if not path.parent.is_dir():
        raise StorageError(
            tr(
                "{path}: there is no folder {parent}; nothing was written",
                path=path,
                parent=path.parent,
            ),
            advice=tr("make it first, or choose another place"),
            path=str(path),
        )


def lock(stream: IO[bytes], *, wait: bool) -> bool:
    """Take the lock of an open file, until it is closed; False when another has it already.

    Where files can't be locked (Windows, some network shares) it is as if one had it.
    """
    try:
        import fcntl
    except ImportError:
        return True
    try:
        fcntl.flock(stream, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except OSError as error:
        return error.errno not in (errno.EWOULDBLOCK, errno.EACCES)
    return True


def private_directory(path: Path) -> Path:
    """``path`` as a folder, made when absent, for its owner only (0700), and so are those above
    it that are made. Raises StorageError."""
    try:
        _make_private(path)
    except OSError as error:
        raise StorageError(tr("{path}: {why}", path=path, why=reason_of(error))) from None
    return path


def _make_private(path: Path) -> None:
    """``mkdir(parents=True)`` gives the folders above the mode of the umask. Raises OSError."""
    if not path.parent.is_dir() and path.parent != path:
        _make_private(path.parent)
    path.mkdir(mode=0o700, exist_ok=True)

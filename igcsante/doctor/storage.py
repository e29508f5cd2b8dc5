"""Where igcsante keeps its things: owner, modes, room, locks, and the order journal."""

from __future__ import annotations

import os
import shutil
import sqlite3
import stat
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

from ..config import cache_directory, config_directory, data_directory
from ..errors import ExitCode
from ..messages import plural, tr
from . import mounts
from .check import Check, Context
from .finding import Finding, Status, note, ok, problem, skipped, warning
from .masking import place, told

_FEW_BYTES, _NO_BYTES = 200 * 1024 * 1024, 20 * 1024 * 1024  # a large list and its index; an order
_LOOK_SECONDS = 3.0
_STEPS = 10_000  # of SQLite's machine between two looks at the clock


def _nearest(path: Path) -> Path:
    """The folder, or the one above it that there is."""
    return next((p for p in (path, *path.parents) if p.is_dir()), path)


def _first_above(path: Path) -> Path:
    """What there is of the path: a folder, or what is in a folder's place."""
    return next((p for p in (path, *path.parents) if p.exists()), path)


def _unmade(path: Path) -> str:
    """Why the folder, which isn't there, can't be made; "" when it can."""
    above = _first_above(path)
    shown = place(above)
    if not above.is_dir():
        return tr("{path} is no folder", path=shown)
    kind = mounts.kind_of(above)
    if kind in mounts.VIRTUAL:
        return tr("{path} is on {kind}, which keeps no files", path=shown, kind=kind)
    if os.name == "posix" and _is_read_only(above):
        return tr("{path} is on a file system that is read-only", path=shown)
    if not os.access(above, os.W_OK | os.X_OK):
        return tr("nothing can be written in {path}", path=shown)
    return ""


def _is_usable(path: Path) -> bool:
    """Whether the folder is there, or can be made."""
    return path.is_dir() if path.exists() else not _unmade(path)


def closed_folder() -> Path | None:
    """The first of our folders, or of those above them, that this user may not look into."""
    for ours in (config_directory(), data_directory(), cache_directory()):
        for folder in (*reversed(ours.parents), ours):
            wanted = os.R_OK | os.X_OK if folder == ours else os.X_OK
            try:
                if folder.is_dir() and not os.access(folder, wanted):
                    return folder
            except OSError:  # on disks that are gone: the check itself tells
                break
    return None


def _folders(_: Context) -> Iterator[Finding]:
    if closed := closed_folder():
        yield problem(
            tr("{path}: this user may not look into it", path=place(closed)),
            tr(
                "let yourself read, write and enter it (ls -ld {path}), or name other folders in "
                "IGC_CONFIG_DIR and IGC_DATA_DIR",
                path=place(closed),
            ),
        )
        return
    config, data, cache = config_directory(), data_directory(), cache_directory()
    in_the_way: set[Path] = set()
    for path in dict.fromkeys((config, data, cache)):
        if path.exists():
            yield from _folder(path, private=path == data)
            in_the_way.add(path)
        elif not (why := _unmade(path)):
            yield ok(tr("{path}: made when it is needed", path=place(path)))
        elif path == config:  # it need not be there
            yield note(tr("{path} can't be made: {why}", path=place(path), why=why))
        elif (above := _first_above(path)) not in in_the_way:
            in_the_way.add(above)
            yield problem(
                tr("{path} can't be made: {why}", path=place(path), why=why),
                tr("name a folder that you may write in: IGC_DATA_DIR"),
            )
    for path in dict.fromkeys((data, cache)):
        if path.is_dir() and os.access(path, os.R_OK | os.X_OK):
            for inner in sorted(p for p in path.iterdir() if p.is_dir() and p != cache):
                yield from (f for f in _folder(inner, private=True) if f.status is not Status.OK)


def _folder(path: Path, *, private: bool) -> Iterator[Finding]:
    """``private``: others may not look in, for what is in it tells of a card or an order."""
    if not path.is_dir():
        yield problem(
            tr("{path} is no folder", path=place(path)),
            tr("move that file away, or name another folder: IGC_CONFIG_DIR, IGC_DATA_DIR")
            if path.is_file()
            else tr("name another folder: IGC_CONFIG_DIR, IGC_DATA_DIR"),
        )
        return
    if os.name != "posix":
        yield ok(place(path))
        return
    found = path.stat()
    mode = stat.S_IMODE(found.st_mode)
    chmod = tr("chmod 700 {path}", path=place(path))
    if found.st_uid != os.geteuid():
        yield problem(
            tr("{path} belongs to another user", path=place(path)),
            tr("give it back to you: chown, or run igc as its owner"),
        )
    elif _is_read_only(path):
        yield problem(
            tr("{path} is on a file system that is read-only", path=place(path)),
            tr("mount it for writing, or name another folder: IGC_CONFIG_DIR, IGC_DATA_DIR"),
        )
    elif not os.access(path, os.W_OK | os.X_OK):
        yield problem(tr("{path}: nothing can be written there", path=place(path)), chmod)
    elif mode & (stat.S_IWGRP | stat.S_IWOTH):
        seen = tr("{path}: others may write there, mode {mode}", path=place(path), mode=f"{mode:o}")
        yield problem(seen, chmod, ExitCode.INVALID)
    elif private and mode & 0o077:
        seen = tr("{path}: others may look in, mode {mode}", path=place(path), mode=f"{mode:o}")
        yield warning(seen, chmod)
    else:
        yield ok(tr("{path}: mode {mode}", path=place(path), mode=f"{mode:o}"))


def _is_read_only(path: Path) -> bool:
    return bool(os.statvfs(path).f_flag & os.ST_RDONLY)


def _elsewhere(path: Path) -> Finding:
    return skipped(
        tr("{path} can't be used", path=place(path)), tr("see: igc doctor storage.folders")
    )


def _space(_: Context) -> Iterator[Finding]:
    seen: set[int] = set()
    for path in (data_directory(), cache_directory()):
        if not _is_usable(path):
            yield _elsewhere(path)
            continue
        folder = _nearest(path)
        device = folder.stat().st_dev
        if device in seen:
            continue
        seen.add(device)
        free = shutil.disk_usage(folder).free
        told_of = tr("{path}: {free:,} MB free", path=place(folder), free=free // (1024 * 1024))
        remedy = tr("make room: revocation lists and their indexes take some hundred MB")
        if free < _NO_BYTES:
            yield problem(told_of, remedy)
        elif free < _FEW_BYTES:
            yield warning(told_of, remedy)
        else:
            yield ok(told_of)


def _locks(_: Context) -> Iterator[Finding]:
    """Orders are kept apart by locks, which some network file systems lose (flock(2))."""
    if not _is_usable(data_directory()):
        yield _elsewhere(data_directory())
        return
    folder = _nearest(data_directory())
    kind = mounts.kind_of(folder)
    reason = mounts.refuses_lock(folder)
    remedy = tr("put the data on a local disk: IGC_DATA_DIR")
    if reason:
        yield problem(
            tr("{path}: files can't be locked there: {why}", path=place(folder), why=reason), remedy
        )
    elif kind in mounts.SHARED:
        yield warning(
            tr(
                "{path} is on a shared file system, {kind}: locks of other machines may go unseen",
                path=place(folder),
                kind=kind,
            ),
            remedy,
        )
    elif kind:
        yield ok(tr("{path}: on {kind}, which keeps locks", path=place(folder), kind=kind))
    else:
        yield ok(tr("{path}: files can be locked", path=place(folder)))


def _journal(_: Context) -> Iterator[Finding]:
    path = data_directory() / "journal.sqlite"
    if not path.exists():
        yield ok(tr("no order was made from here yet"))
        return
    if not path.is_file():
        yield problem(
            tr("{path} is no regular file", path=place(path)),
            tr("move it away, and put the journal back if you have a backup of it"),
        )
        return
    if os.name == "posix" and path.stat().st_mode & 0o077:
        yield warning(
            tr("{path}: others may read the journal", path=place(path)),
            tr("chmod 600 {path}", path=place(path)),
        )
    try:
        yield _integrity(path)
    except (sqlite3.OperationalError, OSError) as error:
        yield problem(
            tr("{path}: the journal can't be read: {why}", path=place(path), why=_said(error)),
            tr("look at the owner and mode of the file and of its folder: ls -la")
            if not os.access(path, os.R_OK)
            else tr("see whether another program has it open, and whether the disk is sound"),
        )
    except sqlite3.DatabaseError:
        yield _damaged(path)


def _said(error: sqlite3.OperationalError | OSError) -> str:
    """SQLite's words name no file and nobody."""
    return str(error) if isinstance(error, sqlite3.OperationalError) else told(error)


def _empty(path: Path) -> Finding:
    """As a file is that was cut off; igc makes one and fills it in a single step."""
    from ..ws.orders.journal import DAMAGED_ADVICE

    seen = tr(
        "{path}: the journal is empty; if orders were made from here, it has lost them",
        path=place(path),
    )
    return problem(seen, DAMAGED_ADVICE)


def _damaged(path: Path) -> Finding:
    from ..ws.orders.journal import DAMAGED_ADVICE

    return problem(tr("{path}: the journal is damaged", path=place(path)), DAMAGED_ADVICE)


def _integrity(path: Path) -> Finding:
    """SQLite's own check of the file, which is opened so that nothing of it can change."""
    from ..ws.orders.journal_schema import SCHEMA_VERSION

    deadline = time.monotonic() + _LOOK_SECONDS
    log = path.with_name(path.name + "-wal")
    if not path.stat().st_size and not log.exists():
        return _empty(path)
    # An empty log means that nobody is writing: SQLite then needs no files beside.
    way = "mode=ro" if log.exists() and log.stat().st_size else "mode=ro&immutable=1"
    with closing(sqlite3.connect(f"file:{quote(str(path))}?{way}", uri=True)) as database:
        database.set_progress_handler(lambda: time.monotonic() > deadline, _STEPS)
        (version,) = database.execute("PRAGMA user_version").fetchone()
        if version > SCHEMA_VERSION:
            return problem(tr("the journal was made by a newer igcsante"), tr("upgrade igcsante"))
        try:
            (verdict,) = database.execute("PRAGMA quick_check(1)").fetchone()
            tables = [name for (name,) in database.execute("SELECT name FROM sqlite_master")]
            if "orders" not in tables:
                return _damaged(path) if tables else _empty(path)
            (orders,) = database.execute("SELECT count(*) FROM orders").fetchone()
        except sqlite3.OperationalError as error:
            if time.monotonic() < deadline:
                raise
            return note(
                tr("the journal is too large to check in a few seconds: {why}", why=_said(error))
            )
    if verdict != "ok":
        return _damaged(path)
    if not orders:
        return note(
            tr("the journal is whole, and holds no order"),
            tr("if orders were made from here, put back its last backup"),
        )
    return ok(
        plural(
            "the journal is whole ({count} order)", "the journal is whole ({count} orders)", orders
        )
    )


CHECKS = (
    Check("storage.folders", tr("The folders: owner and modes"), _folders),
    Check("storage.space", tr("Free space on their disks"), _space),
    Check("storage.locks", tr("Whether files can be locked there"), _locks),
    Check("storage.journal", tr("The order journal: whole, and readable"), _journal),
)

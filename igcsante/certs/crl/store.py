"""Verified CRLs on disk, each with the index in which a serial number is found at once.

A list is two files, named after its issuer, its scope and its SHA-256: the index
(:mod:`.index`) is put in place first, then the list itself, which makes it count; only then
are the older ones of that scope removed. Whatever is cut short at whatever step, the list
that was there before or the new one is there whole. Nothing is locked: of two lists of one
scope the newer one counts, whoever wrote it. An index that isn't believed is as good as
none: its list is read in memory, and its signature is checked again by whoever uses it; of
one that is damaged in a page, the other pages go on being used. A list that can be read
neither way is told as damaged, for nobody knows whom it named, and goes when a good one of
its scope is kept.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TypeVar

from cryptography import x509

from ...config import cache_directory, data_directory
from ...errors import (
    StatusStaleError,
    StorageError,
    UnreadableError,
    UsageError,
)
from ...files import MAX_INPUT_BYTES, private_directory, read_bounded, write_atomic
from ...instants import iso, parse_instant, shown
from ...messages import reason_of, tr
from ..x509 import names
from ..x509.certificate_list import Crl, RevocationList
from .index import Header, IndexedCrl
from .list_name import ListName, issuer_key
from .own_key import own_key, read_key

_LIST, _INDEX = ".crl", ".idx"
_KEY_FILE = "crl-index.key"
_ABANDONED = 3600.0  # seconds: older files of no list were left by a process that died
_TRIES = 5


@dataclass(frozen=True)
class StoredCrl:
    """One list of the store, for people and for the next fetch.

    ``path`` is the list as published (DER), ``issuer`` a name to display, ``indexed`` False
    when it is read in memory each time.
    """

    path: Path
    issuer: str
    number: int | None
    base_number: int | None
    this_update: datetime
    next_update: datetime | None
    entries: int
    size: int
    sha256: str
    source: str
    etag: str | None
    last_modified: str | None
    fetched_at: datetime | None
    indexed: bool


class CrlStore:
    """The lists in ``directory``, by default in the cache, for its owner only."""

    def __init__(self, directory: Path | None = None, *, key_file: Path | None = None) -> None:
        """``key_file``: what indexes are authenticated with, by default among the user's data;
        made when a list is added.
        """
        self.directory = directory or cache_directory() / "crl"
        self._key_file = key_file or data_directory() / _KEY_FILE

    @property
    def key_file(self) -> Path:
        return self._key_file

    def secret(self) -> bytes:
        """What this user's own files are authenticated with. Raises like :func:`own_key`."""
        return own_key(self._key_file)

    def add(
        self,
        octets: bytes,
        signer: x509.Certificate,
        *,
        source: str,
        etag: str | None = None,
        last_modified: str | None = None,
        fetched_at: datetime | None = None,
    ) -> StoredCrl:
        """Keep a CRL (DER) that ``signer``'s key signed, in place of older ones of its scope.

        A scope is an issuer, a key, an issuing distribution point, complete or delta.
        Raises UnreadableError for what is no CRL or can't be processed,
        CertificateInvalidError when the signature is another's, StatusStaleError when a
        newer list is there already, StorageError when it can't be written; in all these
        cases what was there is left as it was.
        """
        from .intake import take_in  # most commands only read

        taken = take_in(
            octets,
            signer,
            source=source,
            etag=etag,
            last_modified=last_modified,
            fetched_at=iso(fetched_at),
        )
        crl, header = taken.crl, taken.header
        name = ListName.of(crl, header.key, header.sha256)
        self._refuse_older(name, crl)
        private_directory(self.directory)
        index = taken.records.index(header, self.secret())
        write_atomic(self._path(name, _INDEX), index, overwrite=True)
        write_atomic(self._path(name, _LIST), octets, overwrite=True)
        _synchronise(self.directory)
        self._remove_superseded(name)
        return _stored(self._path(name, _LIST), crl, header)

    def mend(self, stored: StoredCrl) -> None:
        """Make the index of a list anew if pages of it are damaged. Raises like :meth:`add`,
        FileNotFoundError when the list is gone.
        """
        name = ListName.parse(stored.path.stem)
        indexed = self._indexed(name) if name else None
        if name is None or indexed is None or indexed.is_whole:
            return
        from .intake import indexed_anew

        index = indexed_anew(self._in_memory(name), indexed.header, self.secret())
        write_atomic(self._path(name, _INDEX), index, overwrite=True)

    def lists(self) -> tuple[StoredCrl, ...]:
        """What is kept and can be read, by issuer. Raises StorageError."""
        return self._read(lambda: _sound(self._describe, self._newest(self._names())))

    def damaged(self) -> tuple[UnreadableError, ...]:
        """What is wrong with the lists that can't be read; the ``path`` is among the fields.

        Raises StorageError.
        """
        return self._read(lambda: self._opened(self._names())[1])

    def find(self, issuer: x509.Name) -> tuple[RevocationList, ...]:
        """The newest of each scope of an issuer, of those that can be read. Raises StorageError."""
        return self.kept(issuer)[0]

    def kept(
        self, issuer: x509.Name
    ) -> tuple[tuple[RevocationList, ...], tuple[UnreadableError, ...]]:
        """Those that :meth:`find` finds, and what is wrong with those that can't be read.

        Raises StorageError.
        """
        wanted = issuer_key(issuer)
        opened, errors = self._read(lambda: self._opened(self._names(wanted)))
        newest: dict[str, RevocationList] = {}
        for name, listing in opened.items():
            known = newest.setdefault(name.scope, listing)
            newest[name.scope] = max(known, listing, key=_order)
        return tuple(newest.values()), errors

    def open(self, stored: StoredCrl) -> RevocationList:
        """One of the lists. Raises UnreadableError, also when it is gone, StorageError."""
        name = ListName.parse(stored.path.stem)
        if name is not None and stored.path.exists():
            return self._read(lambda: self._open(name))
        raise UnreadableError(
            tr("{path}: not there any more", path=stored.path), advice=tr("try again")
        )

    def remove(self, stored: StoredCrl) -> None:
        """Forget a list. Raises StorageError."""
        for suffix in (_LIST, _INDEX):  # in that order: an index alone doesn't count
            _unlink(stored.path.with_suffix(suffix))

    # -- one list ------------------------------------------------------------------------

    def _opened(
        self, found: Iterable[ListName]
    ) -> tuple[dict[ListName, RevocationList], tuple[UnreadableError, ...]]:
        """Lists by name, and what is wrong with those that can't be read."""
        opened, errors = {}, []
        for name in found:
            try:
                opened[name] = self._open(name)
            except UnreadableError as error:
                errors.append(error)
        return opened, tuple(errors)

    def _open(self, name: ListName) -> RevocationList:
        indexed = self._indexed(name)
        return indexed if indexed is not None and indexed.is_complete else self._in_memory(name)

    def _indexed(self, name: ListName) -> IndexedCrl | None:
        """The index of a list, when it is that of this list and believed."""
        with contextlib.suppress(UnreadableError, FileNotFoundError):
            indexed = IndexedCrl(
                self._path(name, _INDEX),
                read_key(self._key_file),
                lambda: self._in_memory(name),
            )
            if name.is_of(indexed.sha256):
                return indexed
        return None

    def _in_memory(self, name: ListName) -> Crl:
        """Raises UnreadableError for what is not the list that was kept, FileNotFoundError."""
        path = self._path(name, _LIST)
        try:
            crl = Crl(read_bounded(path, MAX_INPUT_BYTES), str(path))
        except (UnreadableError, UsageError) as error:
            if not path.exists():
                raise FileNotFoundError(path) from None
            raise _damaged(path, error.message) from None
        if not name.is_of(crl.sha256):
            raise _damaged(path, tr("not the list that was kept"))
        return crl

    def _describe(self, name: ListName) -> StoredCrl:
        path = self._path(name, _LIST)
        indexed = self._indexed(name)
        if indexed is not None and indexed.is_complete:
            return _stored(path, indexed, indexed.header)
        crl = self._in_memory(name)
        if indexed is not None:
            return _stored(path, crl, indexed.header)
        header = Header(crl.sha256, "", "", path.stat().st_size, len(crl), 0, crl.source)
        return _stored(path, crl, header)

    def _refuse_older(self, name: ListName, crl: Crl) -> None:
        """Raises StatusStaleError when a list of the same scope is newer than ``crl``."""
        for other in self._read(lambda: self._newest(self._names(name.issuer, name.scope))):
            if other == name:
                continue
            with contextlib.suppress(UnreadableError, FileNotFoundError):
                kept = self._open(other)
                if _order(crl) <= _order(kept) or crl.this_update < kept.this_update:
                    raise StatusStaleError(
                        tr(
                            "the CRL of {issuer} ({crl}) is not newer "
                            "than the one that is kept ({kept}), which was left in place",
                            issuer=names.display(crl.issuer),
                            crl=_edition(crl),
                            kept=_edition(kept),
                        )
                    )

    # -- files -----------------------------------------------------------------------------

    def _path(self, name: ListName, suffix: str) -> Path:
        return self.directory / f"{name}{suffix}"

    def _names(self, issuer: str | None = None, scope: str | None = None) -> list[ListName]:
        """The lists that count, by name."""
        try:
            found = sorted(path.stem for path in self.directory.iterdir() if path.suffix == _LIST)
        except FileNotFoundError:
            return []
        parsed = map(ListName.parse, found)
        return [
            name
            for name in parsed
            if name and issuer in (None, name.issuer) and scope in (None, name.scope)
        ]

    def _newest(self, found: list[ListName]) -> list[ListName]:
        """One name per scope; of several (left by a crash, or just added), one that is sound."""
        by_scope: dict[tuple[str, str], list[ListName]] = {}
        for name in found:
            by_scope.setdefault((name.issuer, name.scope), []).append(name)
        newest = []
        for several in by_scope.values():
            if len(several) > 1:
                orders = _sound(lambda name: (_order(self._open(name)), name), several)
                several = [max(orders, key=lambda item: item[0])[1]] if orders else []
            newest += several
        return newest

    def _remove_superseded(self, name: ListName) -> None:
        with contextlib.suppress(FileNotFoundError):
            names_of_scope = self._names(name.issuer, name.scope)
            newest = self._newest(names_of_scope)
            for other in set(names_of_scope) - set(newest) if newest else ():
                _unlink(self._path(other, _LIST))
                _unlink(self._path(other, _INDEX))
        self._remove_abandoned()

    def _remove_abandoned(self) -> None:
        """What processes that died while writing have left: long ago, so that none still writes."""
        kept = {str(name) for name in self._names()}
        with contextlib.suppress(OSError):
            for path in list(self.directory.iterdir()):
                alone = path.suffix == _INDEX and path.stem not in kept
                if (
                    alone or path.name.startswith(".")
                ) and time.time() - path.stat().st_mtime > _ABANDONED:
                    _unlink(path)

    def _read(self, read: Callable[[], _Found]) -> _Found:
        """``read()``, again when a list is replaced in the meantime. Raises StorageError."""
        for _ in range(_TRIES):
            try:
                return read()
            except FileNotFoundError:
                continue
            except OSError as error:
                raise StorageError(
                    tr("{directory}: {why}", directory=self.directory, why=reason_of(error))
                ) from None
        raise StorageError(
            tr(
                "{directory}: the lists change faster than they can be read",
                directory=self.directory,
            )
        )


_Found = TypeVar("_Found")


def _sound(read: Callable[[ListName], _Found], found: Iterable[ListName]) -> tuple[_Found, ...]:
    """``read`` of each list that can be read."""
    sound = []
    for name in found:
        with contextlib.suppress(UnreadableError):
            sound.append(read(name))
    return tuple(sound)


def _damaged(path: Path, why: str) -> UnreadableError:
    if why.startswith(place := f"{path}: "):
        why = why.removeprefix(place)  # a message that names no place stays one
    return UnreadableError(
        tr("{path}: a kept list is damaged: {why}", path=path, why=why),
        advice=tr("fetch it again (igc crl update), or give it once more (igc crl index)"),
        path=str(path),
    )


def _order(crl: RevocationList) -> tuple[int, datetime]:
    return -1 if crl.number is None else crl.number, crl.this_update


def _edition(crl: RevocationList) -> str:
    date = shown(crl.this_update, seconds=True)
    if crl.number is None:
        return tr("no number, of {date}", date=date)
    return tr("number {number}, of {date}", number=crl.number, date=date)


def _stored(path: Path, crl: Crl, header: Header) -> StoredCrl:
    fetched_at = header.fetched_at
    return StoredCrl(
        path=path,
        issuer=names.display(crl.issuer),
        number=crl.number,
        base_number=crl.base_number,
        this_update=crl.this_update,
        next_update=crl.next_update,
        entries=header.entries,
        size=header.size,
        sha256=header.sha256,
        source=header.source,
        etag=header.etag,
        last_modified=header.last_modified,
        fetched_at=parse_instant(fetched_at) if fetched_at else None,
        indexed=header.pages > 0,
    )


def _unlink(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise StorageError(
            tr("{path}: {why}; it was left in place", path=path, why=reason_of(error))
        ) from None


def _synchronise(directory: Path) -> None:
    """Let the names be on disk before older files go. Where folders can't be, they needn't."""
    with contextlib.suppress(OSError):
        handle = os.open(directory, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)

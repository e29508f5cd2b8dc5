"""The order journal: what was asked of a platform, written before it is sent.

One SQLite file (0600, in a 0700 folder) that several processes may use at once. An entry is
on disk before its order leaves, and each outcome after, so that a crash or a cut line leaves
a trace that says how far things went. It never holds a secret: there is no column for one.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any, Self

from ..errors import StorageError, UsageError
from ..files import private_directory
from ..instants import iso

SCHEMA_VERSION = 1
LOCK_SECONDS = 10.0
MAX_ERROR_CHARACTERS = 500


class OrderState(StrEnum):
    """How far an order went, as far as this machine knows."""

    PREPARED = "prepared"
    SENT = "sent"
    UNKNOWN = "unknown"
    ORDERED = "ordered"
    REFUSED = "refused"
    FAILED = "failed"
    WITHDRAWING = "withdrawing"
    WITHDRAWN = "withdrawn"
    REVOKING = "revoking"
    REVOKED = "revoked"

    @property
    def meaning(self) -> str:
        """The state in words, for people."""
        return _MEANINGS[self]

    @property
    def in_doubt(self) -> bool:
        """Whether the platform may have gone further than this machine knows."""
        return self in (self.SENT, self.UNKNOWN, self.WITHDRAWING, self.REVOKING)


_MEANINGS = {
    OrderState.PREPARED: "prepared, never sent",
    OrderState.SENT: "sent, no answer recorded: it may have been ordered",
    OrderState.UNKNOWN: "sent, the answer was lost: it may have been ordered",
    OrderState.ORDERED: "ordered, to be withdrawn",
    OrderState.REFUSED: "refused by the platform: nothing was ordered",
    OrderState.FAILED: "failed: nothing was ordered",
    OrderState.WITHDRAWING: "withdrawal sent, no answer recorded: it may have been issued",
    OrderState.WITHDRAWN: "withdrawn: the certificate is issued",
    OrderState.REVOKING: "revocation sent, no answer recorded: it may be revoked",
    OrderState.REVOKED: "revoked",
}


@dataclass(frozen=True)
class Entry:
    """One order. Times are UTC; texts that are not known yet are empty.

    ``label`` is the CN asked for; ``serial`` lower-case hexadecimal; ``last_error`` what
    went wrong last.
    """

    id: int
    reference: str
    created: datetime
    updated: datetime
    state: OrderState
    profile: str = ""
    platform: str = ""
    card_number: str = ""
    offre: str = ""
    usage: str = ""
    structure: str = ""
    label: str = ""
    product_id: str = ""
    key_path: str = ""
    certificate_path: str = ""
    serial: str = ""
    last_error: str = ""

    def to_dict(self) -> dict[str, Any]:
        """All fields, ready for JSON."""
        return {
            **{name: getattr(self, name) for name in ("id", "reference", *_TEXTS)},
            "created": iso(self.created),
            "updated": iso(self.updated),
            "state": str(self.state),
            "in_doubt": self.state.in_doubt,
        }


_TEXTS = (
    "profile",
    "platform",
    "card_number",
    "offre",
    "usage",
    "structure",
    "label",
    "product_id",
    "key_path",
    "certificate_path",
    "serial",
    "last_error",
)
_COLUMNS = ("id", "reference", "created", "updated", "state", *_TEXTS)
_TABLE = f"""
    CREATE TABLE orders (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        reference TEXT NOT NULL UNIQUE,
        created TEXT NOT NULL,
        updated TEXT NOT NULL,
        state TEXT NOT NULL,
        {", ".join(f"{name} TEXT NOT NULL DEFAULT ''" for name in _TEXTS)}
    ) STRICT
"""


class Journal:
    """The journal in the file ``path``, made when absent. Close it, or use it with ``with``.

    Raises StorageError when the file is damaged, made by a newer igcsante, or can't be
    written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        private_directory(path.parent)
        with self._storage_errors():
            # SQLite gives its -wal and -shm files the mode of the main one.
            os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
            self._database = sqlite3.connect(path, timeout=LOCK_SECONDS, isolation_level=None)
        try:
            with self._storage_errors():
                self._prepare()
        except BaseException:
            self._database.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file."""
        self._database.close()

    def record(self, reference: str, *, at: datetime, **texts: str) -> Entry:
        """Write a new order, PREPARED. Raises UsageError when the reference is taken."""
        names, values = _columns(texts)
        columns = ", ".join(("reference", "created", "updated", "state", *names))
        row = (reference, _stamp(at), _stamp(at), OrderState.PREPARED.value, *values)
        query = f"INSERT INTO orders ({columns}) VALUES ({', '.join('?' * len(row))})"  # noqa: S608
        try:
            with self._storage_errors(), self._transaction():
                added = self._database.execute(query, row).lastrowid
        except sqlite3.IntegrityError:
            raise UsageError(
                f"the journal already has an order {reference}", reference=reference
            ) from None
        return self._select("WHERE id = ?", added)[0]

    def update(
        self, entry: Entry, *, at: datetime, state: OrderState | None = None, **texts: str
    ) -> Entry:
        """Write what became of an order. Texts that are not given stay as they are."""
        self._change("", entry, at=at, state=state or entry.state, **texts)
        return self._select("WHERE id = ?", entry.id)[0]

    def claim(self, entry: Entry, state: OrderState, *, at: datetime) -> Entry:
        """Enter ``state``, unless the order is no longer as ``entry`` says: then UsageError."""
        claimed = self._change("AND state = ?", entry, entry.state, at=at, state=state)
        if not claimed:
            raise UsageError(
                f"another command is at work on order {entry.id}: nothing was sent",
                advice="see how far it went: igc orders",
            )
        return self._select("WHERE id = ?", entry.id)[0]

    def yield_back(self, entry: Entry, state: OrderState, *, at: datetime, **texts: str) -> Entry:
        """Leave the state that was claimed, unless another command has moved on meanwhile."""
        self._change("AND state = ?", entry, entry.state, at=at, state=state, **texts)
        return self._select("WHERE id = ?", entry.id)[0]

    def get(self, name: str) -> Entry:
        """The order of that number, else of that reference, else of that product.

        Raises UsageError, also when several products have that name.
        """
        for column in ("CAST(id AS TEXT)", "reference", "product_id"):
            found = self._select(f"WHERE {column} = ?", name)
            if len(found) == 1:
                return found[0]
            if found:
                numbers = ", ".join(str(entry.id) for entry in found)
                raise UsageError(f"{name!r} is the product of several orders: {numbers}")
        raise UsageError(f"the journal has no order {name!r}", advice="list them with: igc orders")

    def list(self) -> tuple[Entry, ...]:
        """All orders, the newest first."""
        return self._select("ORDER BY id DESC")

    def _change(
        self,
        condition: str,
        entry: Entry,
        *more: str,
        at: datetime,
        state: OrderState,
        **texts: str,
    ) -> bool:
        names, values = _columns(texts)
        changes = ", ".join(f"{name} = ?" for name in ("updated", "state", *names))
        query = f"UPDATE orders SET {changes} WHERE id = ? {condition}"  # noqa: S608 - our own
        row = (_stamp(at), state.value, *values, entry.id, *map(str, more))
        with self._storage_errors(), self._transaction():
            return self._database.execute(query, row).rowcount == 1

    def _prepare(self) -> None:
        self._database.execute("PRAGMA journal_mode = WAL")
        self._database.execute("PRAGMA synchronous = FULL")
        with self._transaction():
            version = self._database.execute("PRAGMA user_version").fetchone()[0]
            if version == 0:
                self._database.execute(_TABLE)
                self._database.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
            elif version != SCHEMA_VERSION:
                raise StorageError(
                    f"{self.path} was written by another version of igcsante",
                    advice="use that version, or name another journal",
                )

    def _select(self, clause: str, *values: object) -> tuple[Entry, ...]:
        query = f"SELECT {', '.join(_COLUMNS)} FROM orders {clause}"  # noqa: S608 - our own
        with self._storage_errors():
            return tuple(_entry(row) for row in self._database.execute(query, values))

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[None]:
        self._database.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            if self._database.in_transaction:
                self._database.execute("ROLLBACK")
            raise
        self._database.execute("COMMIT")

    @contextlib.contextmanager
    def _storage_errors(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.IntegrityError:
            raise
        except (sqlite3.DatabaseError, ValueError) as error:
            damaged = not isinstance(error, sqlite3.OperationalError)
            raise StorageError(
                f"the order journal {self.path} can't be used: {error}",
                advice="move the file away to start a new one; the platform keeps your orders"
                if damaged
                else "check the folder's rights and free space, and that it is no network share",
            ) from None
        except OSError as error:
            raise StorageError(f"{self.path}: {error.strerror}") from None


def _columns(texts: dict[str, str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    for name, value in texts.items():
        if name not in _TEXTS or not isinstance(value, str):
            raise TypeError(f"the journal has no text column {name!r}")
    if "last_error" in texts:
        texts = {**texts, "last_error": texts["last_error"][:MAX_ERROR_CHARACTERS]}
    return tuple(texts), tuple(texts.values())


def _stamp(at: datetime) -> str:
    return at.astimezone(UTC).isoformat()


def _entry(row: tuple[Any, ...]) -> Entry:
    values = dict(zip(_COLUMNS, row, strict=True))
    values["created"] = datetime.fromisoformat(values["created"])
    values["updated"] = datetime.fromisoformat(values["updated"])
    values["state"] = OrderState(values["state"])
    return Entry(**values)

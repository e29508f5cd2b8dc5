"""What the mock platform remembers: products, the mails it sent, the faults to come.

SQLite, one transaction per operation: a platform that is killed and started again finds
everything that it had answered. No password is kept; the revocation code is kept as a
scrypt hash, a key made by the platform only under the password of its order.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ...errors import StorageError
from ...messages import reason_of, tr
from ...ws.model import ProductSearch
from ...ws.vocabulary import ProductState
from .records import STATE_IN_SQL, Mail, Record, from_row, to_row

WAIT_SECONDS = 30

_VERSION = 2  # PRAGMA user_version; what was never set has 0
_SCHEMA = (
    """
    CREATE TABLE products (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        bearer TEXT NOT NULL,
        offre TEXT NOT NULL,
        usage TEXT NOT NULL,
        structure_id TEXT NOT NULL,
        structure_name TEXT NOT NULL,
        department TEXT NOT NULL,
        subject TEXT NOT NULL,
        label TEXT NOT NULL,
        requested_at TEXT NOT NULL,
        key_id TEXT NOT NULL UNIQUE,
        public_key BLOB NOT NULL,
        encrypted_key BLOB,
        emails TEXT NOT NULL,
        reference TEXT NOT NULL,
        renews INTEGER,
        renewed_by INTEGER,
        available_at TEXT,
        withdraw_before TEXT,
        announced_at TEXT,
        refused_at TEXT,
        withdrawn_at TEXT,
        certificate BLOB,
        serial TEXT UNIQUE,
        not_after TEXT,
        code_hash BLOB,
        code_failures INTEGER NOT NULL,
        revoked_at TEXT,
        reason TEXT,
        notified_at TEXT
    )
    """,
    "CREATE UNIQUE INDEX product_reference ON products (bearer, reference) WHERE reference <> ''",
    # All that a search by place and state asks for, so that counting reads nothing else.
    "CREATE INDEX product_place ON products (offre, structure_id, usage, revoked_at, not_after,"
    " refused_at, available_at, withdraw_before)",
    "CREATE INDEX product_bearer ON products (bearer, requested_at)",
    "CREATE INDEX product_end ON products (not_after) WHERE notified_at IS NULL",
    "CREATE INDEX product_announced ON products (available_at) WHERE announced_at IS NULL",
    """
    CREATE TABLE mails (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        at TEXT NOT NULL,
        recipient TEXT NOT NULL,
        subject TEXT NOT NULL,
        body TEXT NOT NULL,
        product INTEGER NOT NULL
    )
    """,
    "CREATE INDEX mail_product ON mails (product)",
    "CREATE TABLE faults (number INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL)",
)


class Store:
    """The database file of one platform; several processes may have it open.

    Raises StorageError for a file that is none, or one of another version of igcsante.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            # SQLite gives its -wal and -shm files the mode of the main one.
            os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
            path.chmod(0o600)
        except OSError as error:
            raise StorageError(tr("{path}: {why}", path=path, why=reason_of(error))) from None
        with self._connection() as connection:
            try:
                connection.execute("PRAGMA journal_mode = WAL")
                self._prepare(connection)
            except sqlite3.DatabaseError as error:
                raise self._unusable(str(error)) from None

    def _prepare(self, connection: sqlite3.Connection) -> None:
        connection.execute("BEGIN IMMEDIATE")
        version = int(connection.execute("PRAGMA user_version").fetchone()[0])
        empty = connection.execute("SELECT 1 FROM sqlite_schema").fetchone() is None
        if empty:
            for statement in _SCHEMA:
                connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {_VERSION}")
        connection.execute("COMMIT")
        if not empty and version != _VERSION:
            raise self._unusable(tr("made by another version of igcsante"))

    def _unusable(self, reason: str) -> StorageError:
        advice = tr("remove the folder of that simulated world: a new one is made on the next use")
        return StorageError(tr("{path}: {reason}", path=self._path, reason=reason), advice=advice)

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """One unit of work: kept whole when the block ends, dropped when it raises."""
        with self._connection() as connection:
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield Transaction(connection)
            except BaseException:
                connection.execute("ROLLBACK")
                raise
            connection.execute("COMMIT")

    @contextmanager
    def reading(self) -> Iterator[Transaction]:
        """One look at everything as it is now; it waits for nobody and changes nothing."""
        with self._connection() as connection:
            connection.execute("PRAGMA query_only = 1")
            connection.execute("BEGIN")
            yield Transaction(connection)

    @contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        connection = sqlite3.connect(self._path, timeout=WAIT_SECONDS, isolation_level=None)
        connection.row_factory = sqlite3.Row
        try:
            yield connection
        finally:
            connection.close()


class Transaction:
    """Reading and writing products, mails and faults inside one transaction."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    # -- products ----------------------------------------------------------------------

    def insert(self, record: Record) -> int:
        """Add a product; gives its number."""
        row = to_row(record)
        names = ", ".join(row)
        marks = ", ".join(f":{name}" for name in row)
        sql = f"INSERT INTO products ({names}) VALUES ({marks})"  # noqa: S608 - field names
        number = self._connection.execute(sql, row).lastrowid
        assert number is not None  # noqa: S101 - an INSERT always has one
        return number

    def update(self, record: Record) -> None:
        """Write a product back."""
        row = to_row(record)
        changes = ", ".join(f"{name} = :{name}" for name in row)
        sql = f"UPDATE products SET {changes} WHERE number = :number"  # noqa: S608 - field names
        self._connection.execute(sql, {**row, "number": record.number})

    def get(self, number: int) -> Record | None:
        return self._one("number = ?", number)

    def by_serial(self, serial: str) -> Record | None:
        return self._one("serial = ?", serial)

    def by_key(self, key_id: str) -> Record | None:
        return self._one("key_id = ?", key_id)

    def by_reference(self, bearer: str, reference: str) -> Record | None:
        return self._one("bearer = ? AND reference = ?", bearer, reference)

    def pending(self, bearer: str, now: datetime) -> int:
        """How many products of a bearer wait for their withdrawal, or to be allowed to."""
        waiting = (STATE_IN_SQL[state] for state in (ProductState.A_RETIRER, ProductState.EN_COURS))
        where = "bearer = :bearer AND (" + " OR ".join(f"({sql})" for sql in waiting) + ")"
        return self._count(where, {"bearer": bearer, "now": now.isoformat()})

    def ordered_since(self, bearer: str, moment: datetime) -> int:
        """How many products a bearer ordered after a moment."""
        where = "bearer = :bearer AND requested_at > :moment"
        return self._count(where, {"bearer": bearer, "moment": moment.isoformat()})

    def search(
        self, search: ProductSearch, now: datetime, places: Iterable[tuple[str, str]] | None = None
    ) -> tuple[list[Record], int]:
        """One page of what a search finds, newest first, and how many there are in all.

        Only in ``places`` (offer and structure) when they are given.
        """
        where, values = _conditions(search, now, places)
        start = (search.page - 1) * search.page_size
        limit = f"number DESC LIMIT {search.page_size} OFFSET {start}"
        found = self._many(where, values, limit)
        return found, self._count(where, values)

    def count_states(self, now: datetime) -> dict[ProductState, int]:
        """How many products are in each state."""
        values = {"now": now.isoformat()}
        return {state: self._count(sql, values) for state, sql in STATE_IN_SQL.items()}

    def expiring(self, now: datetime, before: datetime) -> list[Record]:
        """Active products that end before a date and whose bearer wasn't told."""
        where = "notified_at IS NULL AND not_after > ? AND not_after <= ? AND revoked_at IS NULL"
        return self._many(where, (now.isoformat(), before.isoformat()), order="+number")

    def unannounced(self, now: datetime) -> list[Record]:
        """Products that can be withdrawn by now and whose bearer wasn't told."""
        where = "announced_at IS NULL AND available_at <= ? AND refused_at IS NULL"
        return self._many(where, (now.isoformat(),), order="+number")

    def revoked(self) -> list[tuple[str, datetime]]:
        """Serial number and date of every revocation."""
        rows = self._connection.execute(
            "SELECT serial, revoked_at FROM products WHERE revoked_at IS NOT NULL"
        )
        return [(row["serial"], datetime.fromisoformat(row["revoked_at"])) for row in rows]

    # -- mails and faults --------------------------------------------------------------

    def post(self, mail: Mail) -> None:
        """Put a mail in the sink."""
        row = (mail.at.isoformat(), mail.recipient, mail.subject, mail.body, mail.product)
        sql = "INSERT INTO mails (at, recipient, subject, body, product) VALUES (?, ?, ?, ?, ?)"
        self._connection.execute(sql, row)

    def mails(self, product: int = 0) -> list[Mail]:
        """The sink, oldest first; only what is about a product when one is given."""
        where = "product = ?" if product else "? = 0"
        rows = self._connection.execute(
            f"SELECT * FROM mails WHERE {where} ORDER BY number",  # noqa: S608 - ours
            (product,),
        )
        return [_mail(row) for row in rows]

    def latest_mails(self, count: int, skip: int) -> tuple[list[Mail], int]:
        """``count`` mails, newest first, after the ``skip`` newest; and how many there are."""
        sql = "SELECT * FROM mails ORDER BY number DESC LIMIT ? OFFSET ?"
        rows = self._connection.execute(sql, (count, skip))
        total = self._connection.execute("SELECT count(*) FROM mails").fetchone()[0]
        return [_mail(row) for row in rows], int(total)

    def plan_fault(self, kind: str) -> None:
        """Add what shall go wrong after all that is planned."""
        self._connection.execute("INSERT INTO faults (kind) VALUES (?)", (kind,))

    def faults(self) -> list[str]:
        """What is planned to go wrong, in order."""
        rows = self._connection.execute("SELECT kind FROM faults ORDER BY number")
        return [row["kind"] for row in rows]

    def take_fault(self) -> str | None:
        """The first of them, which isn't planned any more."""
        row = self._connection.execute("SELECT * FROM faults ORDER BY number LIMIT 1").fetchone()
        if row is None:
            return None
        self._connection.execute("DELETE FROM faults WHERE number = ?", (row["number"],))
        return str(row["kind"])

    def _one(self, where: str, *values: Any) -> Record | None:
        return next(iter(self._many(where, values)), None)

    def _many(
        self, where: str, values: Sequence[Any] | dict[str, Any], order: str = "number DESC"
    ) -> list[Record]:
        """``+number`` sorts too, but what is found first by another index than the number's."""
        sql = f"SELECT * FROM products WHERE {where} ORDER BY {order}"  # noqa: S608 - ours
        return [from_row(row) for row in self._connection.execute(sql, values)]

    def _count(self, where: str, values: dict[str, Any]) -> int:
        sql = f"SELECT count(*) FROM products WHERE {where}"  # noqa: S608 - ours
        return int(self._connection.execute(sql, values).fetchone()[0])


def _conditions(
    search: ProductSearch, now: datetime, places: Iterable[tuple[str, str]] | None
) -> tuple[str, dict[str, Any]]:
    """A search as a WHERE clause; every criterion given must hold."""
    values: dict[str, Any] = {"now": now.isoformat()}
    parts = ["1 = 1"]

    def add(sql: str, **more: str) -> None:
        parts.append(sql)
        values.update(more)

    if places is not None:
        pairs = []
        for index, (offre, structure) in enumerate(sorted(set(places))):
            pairs.append(f"(:offre{index}, :structure{index})")
            values |= {f"offre{index}": offre, f"structure{index}": structure}
        seen = f"(offre, structure_id) IN (VALUES {', '.join(pairs)})" if pairs else "1 = 0"
        parts.append(seen)
    if search.offre:
        add("offre = :offre", offre=search.offre)
    if search.usage:
        add("usage = :usage", usage=search.usage)
    if search.structure:
        add("structure_id = :structure", structure=str(search.structure))
    if search.states:
        parts.append("(" + " OR ".join(f"({STATE_IN_SQL[state]})" for state in search.states) + ")")
    if search.label:
        add("instr(label, :label) > 0", label=search.label.casefold())
    if search.serial:
        add("serial = :serial", serial=search.serial)
    if search.expires_before:
        add("not_after < :end", end=search.expires_before.astimezone(UTC).isoformat())
    return " AND ".join(parts), values


def _mail(row: sqlite3.Row) -> Mail:
    return Mail(
        datetime.fromisoformat(row["at"]),
        row["recipient"],
        row["subject"],
        row["body"],
        row["product"],
    )

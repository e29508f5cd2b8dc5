"""What the mock platform remembers: products, their certificates, and the mails it sent.

SQLite, one transaction per operation: a platform that is killed and started again finds
everything that it had answered. No password is kept; the revocation code is kept as a
scrypt hash, a key made by the platform only under the password of its order.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, fields
from datetime import datetime
from pathlib import Path
from typing import Any

from ..pki import PersonName, SoftwareSubject, StructureName

WAIT_SECONDS = 30

_SCHEMA = """
CREATE TABLE IF NOT EXISTS products (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    bearer TEXT NOT NULL,
    offre TEXT NOT NULL,
    usage TEXT NOT NULL,
    structure_id TEXT NOT NULL,
    structure_name TEXT NOT NULL,
    department TEXT NOT NULL,
    subject TEXT NOT NULL,
    requested_at TEXT NOT NULL,
    key_id TEXT NOT NULL UNIQUE,
    public_key BLOB NOT NULL,
    encrypted_key BLOB,
    emails TEXT NOT NULL,
    reference TEXT NOT NULL,
    renews INTEGER,
    renewed_by INTEGER,
    withdrawn_at TEXT,
    certificate BLOB,
    serial TEXT UNIQUE,
    not_after TEXT,
    code_hash BLOB,
    code_failures INTEGER NOT NULL,
    revoked_at TEXT,
    reason TEXT,
    notified_at TEXT
);
CREATE UNIQUE INDEX IF NOT EXISTS product_reference
    ON products (bearer, reference) WHERE reference <> '';
CREATE TABLE IF NOT EXISTS mails (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    at TEXT NOT NULL,
    recipient TEXT NOT NULL,
    subject TEXT NOT NULL,
    body TEXT NOT NULL
);
"""


@dataclass(frozen=True)
class Record:
    """A product as stored. ``number`` is 0 before it has one."""

    bearer: str
    offre: str
    usage: str
    structure_id: str
    structure_name: str
    department: str
    subject: SoftwareSubject
    requested_at: datetime
    key_id: str
    public_key: bytes
    encrypted_key: bytes | None = field(default=None, repr=False)
    emails: tuple[str, ...] = ()
    reference: str = ""
    renews: int | None = None
    renewed_by: int | None = None
    withdrawn_at: datetime | None = None
    certificate: bytes | None = None
    serial: str | None = None
    not_after: datetime | None = None
    code_hash: bytes | None = field(default=None, repr=False)
    code_failures: int = 0
    revoked_at: datetime | None = None
    reason: str | None = None
    notified_at: datetime | None = None
    number: int = 0


@dataclass(frozen=True)
class Mail:
    """A message that the platform would have sent."""

    at: datetime
    recipient: str
    subject: str
    body: str


class Store:
    """The database file of one platform."""

    def __init__(self, path: Path) -> None:
        self._path = path
        with self._connection() as connection:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.executescript(_SCHEMA)

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
    def _connection(self) -> Iterator[sqlite3.Connection]:
        connection = sqlite3.connect(self._path, timeout=WAIT_SECONDS, isolation_level=None)
        connection.row_factory = sqlite3.Row
        try:
            yield connection
        finally:
            connection.close()


class Transaction:
    """Reading and writing products and mails inside one transaction."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def insert(self, record: Record) -> int:
        """Add a product; gives its number."""
        row = _to_row(record)
        names = ", ".join(row)
        marks = ", ".join(f":{name}" for name in row)
        sql = f"INSERT INTO products ({names}) VALUES ({marks})"  # noqa: S608 - field names
        number = self._connection.execute(sql, row).lastrowid
        assert number is not None  # noqa: S101 - an INSERT always has one
        return number

    def update(self, record: Record) -> None:
        """Write a product back."""
        row = _to_row(record)
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

    def pending(self, bearer: str) -> int:
        """How many products of a bearer wait for their withdrawal."""
        sql = "SELECT count(*) FROM products WHERE bearer = ? AND withdrawn_at IS NULL"
        return int(self._connection.execute(sql, (bearer,)).fetchone()[0])

    def all(self) -> list[Record]:
        """Every product, newest first."""
        return self._many("1 = 1")

    def expiring(self, now: datetime, before: datetime) -> list[Record]:
        """Active products that end before a date and whose bearer wasn't told."""
        where = "revoked_at IS NULL AND notified_at IS NULL AND not_after > ? AND not_after <= ?"
        return self._many(where, now.isoformat(), before.isoformat())

    def post(self, mail: Mail) -> None:
        """Put a mail in the sink."""
        row = (mail.at.isoformat(), mail.recipient, mail.subject, mail.body)
        sql = "INSERT INTO mails (at, recipient, subject, body) VALUES (?, ?, ?, ?)"
        self._connection.execute(sql, row)

    def mails(self) -> list[Mail]:
        """The sink, oldest first."""
        rows = self._connection.execute("SELECT * FROM mails ORDER BY number")
        return [
            Mail(datetime.fromisoformat(row["at"]), row["recipient"], row["subject"], row["body"])
            for row in rows
        ]

    def _one(self, where: str, *values: Any) -> Record | None:
        return next(iter(self._many(where, *values)), None)

    def _many(self, where: str, *values: Any) -> list[Record]:
        sql = f"SELECT * FROM products WHERE {where} ORDER BY number DESC"  # noqa: S608
        return [_from_row(row) for row in self._connection.execute(sql, values)]


_DATES = ("requested_at", "withdrawn_at", "not_after", "revoked_at", "notified_at")


def _to_row(record: Record) -> dict[str, Any]:
    row = {item.name: getattr(record, item.name) for item in fields(record)}
    for name in _DATES:
        row[name] = row[name].isoformat() if row[name] else None
    row["subject"] = json.dumps(asdict(record.subject))
    row["emails"] = json.dumps(record.emails)
    del row["number"]
    return row


def _from_row(row: sqlite3.Row) -> Record:
    values = dict(row)
    for name in _DATES:
        values[name] = datetime.fromisoformat(values[name]) if values[name] else None
    values["subject"] = _subject(json.loads(values["subject"]))
    values["emails"] = tuple(json.loads(values["emails"]))
    return Record(**values)


def _subject(content: dict[str, Any]) -> SoftwareSubject:
    structure, person = content["structure"], content["person"]
    return SoftwareSubject(
        **{
            **content,
            "structure": StructureName(**structure) if structure else None,
            "person": PersonName(**person) if person else None,
            "names": _texts(content["names"]),
        }
    )


def _texts(values: Sequence[str]) -> tuple[str, ...]:
    return tuple(values)

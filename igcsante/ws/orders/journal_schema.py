"""The tables of the order journal, and how a journal of an earlier version gets them."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from ...errors import StorageError
from ...messages import tr
from .entries import TEXTS

SCHEMA_VERSION = 4

_ORDERS = f"""
    CREATE TABLE orders (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        reference TEXT NOT NULL UNIQUE,
        created TEXT NOT NULL,
        updated TEXT NOT NULL,
        state TEXT NOT NULL,
        {", ".join(f"{name} TEXT NOT NULL DEFAULT ''" for name in TEXTS)}
    ) STRICT
"""
_OTHERS = (
    """CREATE TABLE IF NOT EXISTS steps (
        order_id INTEGER NOT NULL REFERENCES orders,
        at TEXT NOT NULL,
        state TEXT NOT NULL,
        note TEXT NOT NULL
    ) STRICT""",
    """CREATE TABLE IF NOT EXISTS certificates (
        order_id INTEGER NOT NULL REFERENCES orders,
        position INTEGER NOT NULL,
        der BLOB NOT NULL,
        PRIMARY KEY (order_id, position)
    ) STRICT, WITHOUT ROWID""",
    """CREATE TABLE IF NOT EXISTS wordings (
        text TEXT PRIMARY KEY,
        recipe TEXT NOT NULL
    ) STRICT, WITHOUT ROWID""",
    "CREATE INDEX IF NOT EXISTS steps_of_order ON steps (order_id)",
    "CREATE INDEX IF NOT EXISTS orders_by_product ON orders (product_id)",
    "CREATE INDEX IF NOT EXISTS orders_by_serial ON orders (serial)",
    "CREATE INDEX IF NOT EXISTS orders_by_renewed ON orders (renews)",
    "CREATE INDEX IF NOT EXISTS orders_by_row ON orders (batch_row)",
    "CREATE INDEX IF NOT EXISTS orders_by_state ON orders (state)",
)


def prepare(database: sqlite3.Connection, path: Path) -> None:
    """Make what is missing, within a transaction of the caller's.

    Raises StorageError for a journal of a later version, which is left as it is.
    """
    version = database.execute("PRAGMA user_version").fetchone()[0]
    if version > SCHEMA_VERSION:
        raise StorageError(
            tr("{path} was written by another version of igcsante", path=path),
            advice=tr("use that version, or name another journal"),
        )
    if version == SCHEMA_VERSION:
        return
    if version == 0:
        database.execute(_ORDERS)
    else:
        _add_missing_columns(database)
    for statement in _OTHERS:
        database.execute(statement)
    database.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")


def _add_missing_columns(database: sqlite3.Connection) -> None:
    known = {row[1] for row in database.execute("PRAGMA table_info(orders)")}
    for name in TEXTS:
        if name not in known:
            database.execute(f"ALTER TABLE orders ADD COLUMN {name} TEXT NOT NULL DEFAULT ''")

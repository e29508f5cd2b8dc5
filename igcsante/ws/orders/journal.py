"""The order journal: what was asked of a platform, written before it is sent.

One SQLite file (0600, in a 0700 folder) that several processes may use at once. An entry is
on disk before its order leaves, and each outcome after, so that a crash or a cut line leaves
a trace that says how far things went. It never holds a secret: there is no column for one.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self, TypedDict, Unpack

from ...errors import StorageError, UsageError
from ...files import private_directory
from ...messages import reason_of, tr
from ...wording import recipe, remade
from .entries import TEXTS, Entry, OrderState, Step
from .fingerprint import same_platform
from .journal_schema import prepare
from .locks import Locks, at_work

__all__ = ["Entry", "Journal", "OrderState", "Step"]

LOCK_SECONDS = 10.0
MAX_ERROR_CHARACTERS = 500
MIN_SERIAL_DIGITS = 6

_Values = Sequence[object] | Mapping[str, object]
_COLUMNS = ("id", "reference", "created", "updated", "state", *TEXTS)

DAMAGED_ADVICE = tr(
    "put back its last sound backup; without one, move the file away to start a new one: the "
    "platform keeps your orders"
)


class Which(TypedDict, total=False):
    """Which orders are meant: those of a profile, a platform's address, a row of a batch, states.

    What is not given, or empty, leaves all of them.
    """

    profile: str
    platform: str
    batch_row: str
    states: Sequence[OrderState]


class Journal:
    """The journal in the file ``path``, made when absent. Close it, or use it with ``with``.

    Raises StorageError when the file is damaged, made by a newer igcsante, or can't be
    written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._locks = Locks(path.with_name(path.name + ".lock"))
        private_directory(path.parent)
        with self._storage_errors():
            # SQLite gives its -wal and -shm files the mode of the main one.
            os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
            self._database = sqlite3.connect(path, timeout=LOCK_SECONDS, isolation_level=None)
        try:
            with self._storage_errors():
                self._database.execute("PRAGMA journal_mode = WAL")
                self._database.execute("PRAGMA synchronous = FULL")
                with self._transaction():
                    prepare(self._database, self.path)
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
        self._locks.close()

    def record(self, reference: str, *, at: datetime, **texts: str) -> Entry:
        """Write a new order, PREPARED. Raises UsageError when the reference is taken."""
        names, values = _columns(texts)
        columns = ", ".join(("reference", "created", "updated", "state", *names))
        row = (reference, _stamp(at), _stamp(at), OrderState.PREPARED.value, *values)
        query = f"INSERT INTO orders ({columns}) VALUES ({', '.join('?' * len(row))})"  # noqa: S608
        try:
            with self._storage_errors(), self._transaction():
                added = self._database.execute(query, row).lastrowid
                self._keep_wordings(values)
                self._add_step(added, at, OrderState.PREPARED, "")
        except sqlite3.IntegrityError:
            raise UsageError(
                tr("the journal already has an order {reference}", reference=reference),
                reference=reference,
            ) from None
        return self._select("WHERE id = ?", added)[0]

    def update(
        self, entry: Entry, *, at: datetime, state: OrderState | None = None, **texts: str
    ) -> Entry:
        """Write what became of an order. Texts that are not given stay as they are."""
        self._change("", entry, at=at, state=state or entry.state, texts=texts)
        return self._select("WHERE id = ?", entry.id)[0]

    def keep(
        self, entry: Entry, certificates: Sequence[bytes], *, at: datetime, **texts: str
    ) -> Entry:
        """Enter WITHDRAWN with what the platform delivered (DER, the holder's first)."""
        state, delivered = OrderState.WITHDRAWN, tuple(certificates)
        self._change("", entry, at=at, state=state, texts=texts, certificates=delivered)
        return self._select("WHERE id = ?", entry.id)[0]

    def claim(self, entry: Entry, state: OrderState, *, at: datetime, **texts: str) -> Entry:
        """Enter ``state``, unless the order is no longer as ``entry`` says: then UsageError."""
        claimed = self._change("AND state = ?", entry, entry.state, at=at, state=state, texts=texts)
        if not claimed:
            raise at_work(f"order {entry.id}")
        return self._select("WHERE id = ?", entry.id)[0]

    def yield_back(self, entry: Entry, state: OrderState, *, at: datetime, **texts: str) -> Entry:
        """Leave the state that was claimed, unless another command has moved on meanwhile."""
        self._change("AND state = ?", entry, entry.state, at=at, state=state, texts=texts)
        return self._select("WHERE id = ?", entry.id)[0]

    def hold(self, entry: Entry) -> AbstractContextManager[None]:
        """Keep other processes from an order while this one calls the platform about it.

        The kernel lets go of it when this process ends, however it ends. Raises UsageError
        when another one has it. Without effect where there is no fcntl.
        """
        return self._locks.order(entry.id)

    def hold_name(self, name: str) -> AbstractContextManager[None]:
        """As :meth:`hold`, for what has no order yet: the row of a batch, a renewal."""
        return self._locks.name(name)

    def get(self, name: str, platform: str = "") -> Entry:
        """The order of that number, else of that reference, product or serial (hexadecimal).

        When several orders have that name, the one made on ``platform``. Raises UsageError,
        also when there is still no telling which.
        """
        serial = name.replace(":", "").lower().lstrip("0")
        for column, value in (
            ("id", int(name) if name.isascii() and name.isdigit() and len(name) < 10 else 0),
            ("reference", name),
            ("product_id", name),
            ("serial", serial if len(serial) >= MIN_SERIAL_DIGITS else None),
        ):
            found = self._select(f"WHERE {column} = ?", value) if name else ()
            if len(found) > 1:
                found = tuple(e for e in found if same_platform(e.platform, platform)) or found
            if len(found) == 1:
                return found[0]
            if found:
                numbers = ", ".join(str(entry.id) for entry in found)
                raise UsageError(
                    tr(
                        "{name!r} is the product of several orders: {numbers}",
                        name=name,
                        numbers=numbers,
                    )
                )
        raise UsageError(
            tr("the journal has no order {name!r}", name=name),
            advice=tr("list them with: igc orders"),
        )

    def find(self, reference: str) -> Entry | None:
        """The order of that reference, or None."""
        found = self._select("WHERE reference = ?", reference)
        return found[0] if found else None

    def of_product(self, product_id: str, platform: str = "") -> Entry | None:
        """The newest order that has that product of that platform, or None.

        Two platforms may give the same number. An order that was noted without a platform
        counts for each.
        """
        found = self._select("WHERE product_id = ? ORDER BY id DESC", product_id)
        return next((entry for entry in found if is_of(entry, platform)), None)

    def renewals(self, product_id: str, platform: str = "") -> tuple[Entry, ...]:
        """The orders that renew that product of that platform, the newest first."""
        found = self._select("WHERE renews = ? ORDER BY id DESC", product_id)
        return tuple(entry for entry in found if is_of(entry, platform))

    def list(self, *, limit: int | None = None, **which: Unpack[Which]) -> tuple[Entry, ...]:
        """The orders that are meant, the newest first; that many of them, if said."""
        return tuple(self.each(limit=limit, **which))

    def each(self, *, limit: int | None = None, **which: Unpack[Which]) -> Iterator[Entry]:
        """As :meth:`list`, read one by one: for a journal of any length."""
        where, values = self.condition(**which)
        return self.entries(f"{where} ORDER BY id DESC LIMIT ?", (*values, _limit(limit)))

    def count(self, **which: Unpack[Which]) -> int:
        """How many orders are meant."""
        where, values = self.condition(**which)
        ((number,),) = self.rows(f"SELECT COUNT(*) FROM orders {where}", values)  # noqa: S608
        return int(number)

    def condition(self, **which: Unpack[Which]) -> tuple[str, tuple[object, ...]]:
        """The WHERE of a query for the orders that are meant, and its values."""
        conditions, values = ["TRUE"], list[object]()
        for column, texts in self._texts(which).items():
            conditions.append(f"{column} IN ({', '.join('?' * len(texts))})")
            values += texts
        return f"WHERE {' AND '.join(conditions)}", tuple(values)

    def _texts(self, which: Which) -> dict[str, Sequence[str]]:
        """The values that each column may have."""
        texts: dict[str, Sequence[str]] = {}
        if profile := which.get("profile"):
            texts["profile"] = (profile,)
        if row := which.get("batch_row"):
            texts["batch_row"] = (row,)
        if states := which.get("states"):
            texts["state"] = tuple(state.value for state in states)
        if address := which.get("platform"):
            known = (name for (name,) in self.rows("SELECT DISTINCT platform FROM orders"))
            texts["platform"] = [n for n in known if not n or same_platform(n, address)]
        return texts

    def entries(self, clause: str, values: _Values = ()) -> Iterator[Entry]:
        """The orders of a query, from its WHERE on, read one by one."""
        query = f"SELECT {', '.join(_COLUMNS)} FROM orders {clause}"  # noqa: S608 - our own
        with self._storage_errors():
            for row in self._database.execute(query, values):
                yield self._reworded(_entry(row))

    def rows(self, query: str, values: _Values = ()) -> Iterator[tuple[Any, ...]]:
        """The rows of a query, read one by one."""
        with self._storage_errors():
            yield from self._database.execute(query, values)

    def history(self, entry: Entry) -> tuple[Step, ...]:
        """The steps of an order, the oldest first."""
        query = "SELECT at, state, note FROM steps WHERE order_id = ? ORDER BY rowid"
        with self._storage_errors():
            rows = self._database.execute(query, (entry.id,)).fetchall()
            return tuple(
                Step(datetime.fromisoformat(at), OrderState(state), self._said(note))
                for at, state, note in rows
            )

    def certificates(self, entry: Entry) -> tuple[bytes, ...]:
        """What the platform delivered (DER): the certificate and its issuers, or nothing."""
        query = "SELECT der FROM certificates WHERE order_id = ? ORDER BY position"
        with self._storage_errors():
            return tuple(der for (der,) in self._database.execute(query, (entry.id,)))

    def _change(
        self,
        condition: str,
        entry: Entry,
        *more: str,
        at: datetime,
        state: OrderState,
        texts: dict[str, str],
        certificates: Sequence[bytes] = (),
    ) -> bool:
        names, values = _columns(texts)
        changes = ", ".join(f"{name} = ?" for name in ("updated", "state", *names))
        query = f"UPDATE orders SET {changes} WHERE id = ? {condition}"  # noqa: S608 - our own
        row = (_stamp(at), state.value, *values, entry.id, *map(str, more))
        note = dict(zip(names, values, strict=True)).get("last_error", "")
        keep = "INSERT OR REPLACE INTO certificates VALUES (?, ?, ?)"
        with self._storage_errors(), self._transaction():
            changed = self._database.execute(query, row).rowcount == 1
            self._keep_wordings(values)
            if changed and (state is not entry.state or note not in ("", entry.last_error)):
                self._add_step(entry.id, at, state, note)
            for position, der in enumerate(certificates if changed else ()):
                self._database.execute(keep, (entry.id, position, der))
            return changed

    def _keep_wordings(self, texts: Iterable[str]) -> None:
        """What lets the messages among the texts be said in another language than English."""
        made = [(str(text), found) for text in texts if (found := recipe(text))]
        self._database.executemany("INSERT OR REPLACE INTO wordings VALUES (?, ?)", made)

    def _reworded(self, entry: Entry) -> Entry:
        if not entry.last_error and not entry.unusable:
            return entry
        return replace(
            entry, last_error=self._said(entry.last_error), unusable=self._said(entry.unusable)
        )

    def _said(self, text: str) -> str:
        """The message again that a text was."""
        query = "SELECT recipe FROM wordings WHERE text = ?"
        found = self._database.execute(query, (text,)).fetchone() if text else None
        return remade(text, found[0]) if found else text

    def _add_step(self, number: int | None, at: datetime, state: OrderState, note: str) -> None:
        row = (number, _stamp(at), state.value, note)
        self._database.execute("INSERT INTO steps VALUES (?, ?, ?, ?)", row)

    def _select(self, clause: str, *values: object) -> tuple[Entry, ...]:
        return tuple(self.entries(clause, values))

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
                tr(
                    "the order journal {path} can't be used: {error}",
                    path=self.path,
                    error=reason_of(error),
                ),
                advice=DAMAGED_ADVICE
                if damaged
                else tr(
                    "check the folder's rights and free space, and that it is no network share"
                ),
            ) from None
        except OSError as error:
            raise StorageError(tr("{path}: {why}", path=self.path, why=reason_of(error))) from None


def check_platform(entry: Entry, platform: str) -> None:
    """Raise UsageError for an order that was made on another platform than that address's.

    Its product's number may be somebody else's product there.
    """
    if not is_of(entry, platform):
        raise UsageError(
            tr(
                "order {id} was made on {platform}, not on {platform_2}: nothing was sent",
                id=entry.id,
                platform=entry.platform,
                platform_2=platform,
            ),
            advice=tr(
                "name its platform or profile: --platform {platform}", platform=entry.platform
            ),
        )


def is_of(entry: Entry, platform: str) -> bool:
    """Whether an order was made on the platform of that address, as far as is known."""
    return not entry.platform or same_platform(entry.platform, platform)


def _limit(number: int | None) -> int:
    return -1 if number is None else number  # SQLite: a negative one is none


def _columns(texts: dict[str, str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    for name, value in texts.items():
        if name not in TEXTS or not isinstance(value, str):
            raise TypeError(f"the journal has no text column {name!r}")
    if "last_error" in texts:
        error = texts["last_error"]
        short = error if len(error) <= MAX_ERROR_CHARACTERS else error[:MAX_ERROR_CHARACTERS]
        texts = {**texts, "last_error": short}
    return tuple(texts), tuple(texts.values())


def _stamp(at: datetime) -> str:
    return at.astimezone(UTC).isoformat()


def _entry(row: tuple[Any, ...]) -> Entry:
    number, reference, created, updated, state, *texts = row
    moments = datetime.fromisoformat(created), datetime.fromisoformat(updated)
    return Entry(number, reference, *moments, OrderState(state), *texts)

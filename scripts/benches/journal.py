"""The journal of many orders, beside Python reading the same rows: whole processes, CPU time."""

from __future__ import annotations

import os
import resource
import sqlite3
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from result import Result

from igcsante.ws.orders.journal import Journal, OrderState

ROUNDS = 3
SIZES = {"1k": 1_000, "10k": 10_000}
LONG_SIZES = {"100k": 100_000}
SERIAL_500 = f"1{500:018x}"
AT = datetime(2026, 1, 1, tzinfo=UTC)
IGC = str(Path(sys.executable).with_name("igc"))
PEER = """
import json, sqlite3, sys
rows = sqlite3.connect(sys.argv[1])
rows.row_factory = sqlite3.Row
for row in rows.execute("SELECT * FROM orders ORDER BY id DESC"):
    print(json.dumps(dict(row)))
"""
PEER_SOME = PEER.replace("DESC", "DESC LIMIT 100")

ORDERS = ["orders", "--json"]
SHOW = ["orders", "show", SERIAL_500, "--json"]
STATUS = ["status", "--offline", "--json"]


def orders() -> Iterator[Result]:
    """igc orders --json."""
    yield from _compare("journal-orders", ORDERS, SIZES)


def show() -> Iterator[Result]:
    """igc orders show, one of them by its serial number."""
    yield from _compare("journal-show", SHOW, SIZES)


def status() -> Iterator[Result]:
    """igc status --offline --json."""
    yield from _compare("journal-status", STATUS, SIZES)


def long() -> Iterator[Result]:
    """The three of them, and two as people read them, 100,000 orders."""
    for name, words in (("orders", ORDERS), ("show", SHOW), ("status", STATUS)):
        yield from _compare(f"long-journal-{name}", words, LONG_SIZES)
    for name, words in (("orders-text", ORDERS), ("status-text", STATUS)):
        yield from _compare(f"long-journal-{name}", words[:-1], LONG_SIZES, PEER_SOME, "100 rows")


def _compare(
    name: str,
    words: Sequence[str],
    sizes: dict[str, int],
    peer_program: str = PEER,
    rows: str = "all rows",
) -> Iterator[Result]:
    for size, count in sizes.items():
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "journal.sqlite"
            _fill(path, count)
            ours = _cpu_milliseconds([IGC, *words], folder)
            peer = _cpu_milliseconds([sys.executable, "-c", peer_program, str(path)], folder)
        yield Result(f"{name}/{size}", ours, peer, f"python: {rows} as JSON", "ms CPU")


def _fill(path: Path, count: int) -> None:
    """One order that was retrieved, and copies of it with names of their own."""
    with Journal(path) as journal:
        entry = journal.record(
            "reference-0",
            at=AT,
            offre="ORG",
            usage="AUTH_CLI",
            structure="10B0999003",
            label="bench",
            platform="https://pfc.example/ws",
            card_number="2600000000",
        )
        journal.update(
            entry, at=AT, state=OrderState.WITHDRAWN, product_id="P-0", serial="1" + "0" * 18
        )
    with closing(sqlite3.connect(path)) as database, database:
        names = [row[1] for row in database.execute("PRAGMA table_info(orders)")]
        own = {
            "id": "n",
            "reference": "'reference-' || n",
            "product_id": "'P-' || n",
            "serial": "printf('1%018x', n)",
        }
        values = ", ".join(own.get(name, name) for name in names)
        database.execute(
            f"""INSERT INTO orders ({", ".join(names)})
            WITH RECURSIVE numbers (n) AS (VALUES (2) UNION ALL SELECT n + 1 FROM numbers
                WHERE n < {count})
            SELECT {values} FROM numbers, orders WHERE orders.id = 1"""  # noqa: S608 - ours
        )


def _cpu_milliseconds(command: Sequence[str], folder: str) -> float:
    """The middle one of some runs: user and system time of the process."""
    environment = {**os.environ, "IGC_DATA_DIR": folder, "IGC_CONFIG_DIR": folder}
    nowhere, spent = subprocess.DEVNULL, []
    for _ in range(ROUNDS):
        before = _children()
        subprocess.run(command, check=True, stdout=nowhere, stderr=nowhere, env=environment)  # noqa: S603
        spent.append(_children() - before)
    return round(statistics.median(spent) * 1000, 1)


def _children() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime

"""The rows of a batch, from CSV or TOML.

Those of a TOML file are its ``[[order]]`` tables, over what ``[defaults]`` gives; those of a
CSV file are its lines, under a line of names. A row is known again by the fingerprint of what
it asks for, wherever it stands.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import tomllib
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...errors import UsageError
from ...files import read_bounded

MAX_FILE_BYTES = 8 * 1024 * 1024
MAX_ROWS = 20_000
SEVERAL = frozenset({"fqdn", "email"})  # columns that may hold several values

Cells = dict[str, str | tuple[str, ...]]


@dataclass(frozen=True)
class Row:
    """What a row asks for, by column; ``place`` is where it stands: ``line 3``, ``order 2``."""

    place: str
    cells: Cells

    def fingerprint(self, *more: object) -> str:
        """The same for the same cells and ``more``: 32 hexadecimal digits."""
        text = json.dumps([sorted(self.cells.items()), *map(str, more)])
        return hashlib.sha256(text.encode()).hexdigest()[:32]


def read_rows(path: Path, columns: Collection[str]) -> tuple[Row, ...]:
    """The rows of a file; ``columns`` are the names that it may use (dash or underscore).

    Raises UsageError that names file and place.
    """
    data = read_bounded(path, MAX_FILE_BYTES)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise UsageError(f"{path} is not UTF-8 text", advice="save it as UTF-8") from None
    found = _toml_rows(path, text) if path.suffix.lower() == ".toml" else _csv_rows(path, text)
    rows = []
    for place, cells in found:
        unknown = [name for name in cells if name not in columns]
        if unknown:
            raise UsageError(
                f"{path}, {place}: no column is called {unknown[0]!r}",
                advice=f"known: {', '.join(sorted(columns))}",
            )
        rows.append(Row(place, cells))
        if len(rows) > MAX_ROWS:
            raise UsageError(f"{path} has more than {MAX_ROWS:,} orders", advice="split it")
    if not rows:
        raise UsageError(f"{path} holds no order")
    return tuple(rows)


def fingerprints(rows: Sequence[Row], *context: str) -> tuple[str, ...]:
    """One for each row; equal rows get different ones, by their order in the file."""
    seen: Counter[str] = Counter()
    made = []
    for row in rows:
        plain = row.fingerprint(*context)
        made.append(row.fingerprint(*context, seen[plain]))
        seen[plain] += 1
    return tuple(made)


def _csv_rows(path: Path, text: str) -> Iterator[tuple[str, Cells]]:
    first = text.partition("\n")[0]
    delimiter = ";" if first.count(";") > first.count(",") else ","
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    names: list[str] = []
    try:
        for values in reader:
            if not any(value.strip() for value in values):
                continue
            if not names:
                names = [_column(value) for value in values]
                if len(set(names)) != len(names):
                    raise UsageError(f"{path}: a column has the name of another")
                continue
            if len(values) > len(names):
                raise UsageError(f"{path}, line {reader.line_num}: more cells than columns")
            pairs = zip(names, values, strict=False)
            yield (
                f"line {reader.line_num}",
                {name: _cell(name, value) for name, value in pairs if value.strip()},
            )
    except csv.Error as error:
        raise UsageError(f"{path}, line {reader.line_num}: {error}") from None


def _toml_rows(path: Path, text: str) -> Iterator[tuple[str, Cells]]:
    try:
        content = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{path}: {error}") from None
    defaults, orders = content.pop("defaults", {}), content.pop("order", [])
    tables = [defaults, *orders] if isinstance(orders, list) else [None]
    if content or not all(isinstance(table, dict) for table in tables):
        raise UsageError(f"{path}: it holds [[order]] tables and at most one [defaults]")
    for number, table in enumerate(orders, 1):
        cells = {_column(name): value for name, value in {**defaults, **table}.items()}
        yield f"order {number}", {n: _value(path, number, n, v) for n, v in cells.items()}


def _value(path: Path, number: int, name: str, value: Any) -> str | tuple[str, ...]:
    if isinstance(value, list) and name in SEVERAL and all(isinstance(v, str) for v in value):
        return tuple(value)
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str):
        raise UsageError(f"{path}, order {number}: {name} is a text")
    return _cell(name, value)


def _column(name: str) -> str:
    return name.strip().lower().replace("-", "_")


def _cell(name: str, value: str) -> str | tuple[str, ...]:
    return tuple(value.split()) if name in SEVERAL else value.strip()

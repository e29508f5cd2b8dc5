"""The rows of a batch, from CSV or TOML.

Those of a TOML file are its ``[[order]]`` tables, over what ``[defaults]`` gives; those of a
CSV file are its lines, under a line of names, before which Excel's own ``sep=;`` may stand.
"""

from __future__ import annotations

import csv
import io
import re
import tomllib
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...errors import UsageError
from ...files import read_bounded
from ...messages import tr
from ...toml_problem import toml_problem

MAX_FILE_BYTES = 8 * 1024 * 1024
MAX_ROWS = 20_000
SEVERAL = frozenset({"fqdn", "email"})  # columns that may hold several values

_SEPARATOR = re.compile(r'"?sep=([;,\t])"?', re.IGNORECASE)

Cells = dict[str, str | tuple[str, ...]]


@dataclass(frozen=True)
class Row:
    """What a row asks for, by column; ``place`` is where it stands: ``line 3``, ``order 2``."""

    place: str
    cells: Cells


def read_rows(path: Path, columns: Collection[str]) -> tuple[Row, ...]:
    """The rows of a file; ``columns`` are the names that it may use (dash or underscore).

    Raises UsageError that names file and place.
    """
    data = read_bounded(path, MAX_FILE_BYTES)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise UsageError(
            tr("{path} is not UTF-8 text", path=path), advice=tr("save it as UTF-8")
        ) from None
    found = _toml_rows(path, text) if path.suffix.lower() == ".toml" else _csv_rows(path, text)
    rows = []
    for place, cells in found:
        unknown = [name for name in cells if name not in columns]
        if unknown:
            raise UsageError(
                tr(
                    "{path}, {place}: no column is called {unknown!r}",
                    path=path,
                    place=place,
                    unknown=unknown[0],
                ),
                advice=tr("known: {columns}", columns=", ".join(sorted(columns))),
            )
        rows.append(Row(place, cells))
        if len(rows) > MAX_ROWS:
            raise UsageError(
                tr("{path} has more than {max_rows:,} orders", path=path, max_rows=MAX_ROWS),
                advice=tr("split it"),
            )
    if not rows:
        raise UsageError(tr("{path} holds no order", path=path))
    return tuple(rows)


def _csv_rows(path: Path, text: str) -> Iterator[tuple[str, Cells]]:
    lines = text.splitlines(keepends=True)
    above, delimiter = _preamble(lines)
    content = io.StringIO("".join(lines[above:]), newline="")
    reader = csv.reader(content, delimiter=delimiter, strict=True)
    names: list[str] = []
    try:
        for values in reader:
            if not any(value.strip() for value in values):
                continue
            if values[0].lstrip().startswith("#"):
                raise UsageError(
                    tr(
                        "{path}, line {number}: a CSV file holds no comments",
                        path=path,
                        number=above + reader.line_num,
                    ),
                    advice=tr("remove that line, or write the orders as TOML, which has them"),
                )
            if not names:
                names = [_column(value) for value in values]
                if len(set(names)) != len(names):
                    raise UsageError(tr("{path}: a column has the name of another", path=path))
                continue
            if len(values) > len(names):
                raise UsageError(
                    tr(
                        "{path}, line {above}: more cells than columns",
                        path=path,
                        above=above + reader.line_num,
                    )
                )
            pairs = zip(names, values, strict=False)
            yield (
                f"line {above + reader.line_num}",
                {name: _cell(name, value) for name, value in pairs if value.strip()},
            )
    except csv.Error as error:
        raise UsageError(
            tr(
                "{path}, line {above}: {error}",
                path=path,
                above=above + reader.line_num,
                error=error,
            )
        ) from None


def _preamble(lines: Sequence[str]) -> tuple[int, str]:
    """How many lines stand above the names, and what stands between cells.

    Excel takes the latter from a first line ``sep=;``, and writes empty rows as they are.
    """
    told = ""
    for number, line in enumerate(lines):
        separator = _SEPARATOR.fullmatch(line.strip(" \r\n"))
        if separator and not told:
            told = separator[1]
        elif line.strip(" \t\r\n,;"):
            return number, told or (";" if line.count(";") > line.count(",") else ",")
    return len(lines), told or ","


def _toml_rows(path: Path, text: str) -> Iterator[tuple[str, Cells]]:
    try:
        content = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UsageError(
            tr("{path}: not a TOML file: {error}", path=path, error=toml_problem(error))
        ) from None
    defaults, orders = content.pop("defaults", {}), content.pop("order", [])
    tables = [defaults, *orders] if isinstance(orders, list) else [None]
    if content or not all(isinstance(table, dict) for table in tables):
        raise UsageError(
            tr("{path}: it holds [[order]] tables and at most one [defaults]", path=path)
        )
    common = _by_column(path, "[defaults]", defaults)
    for number, table in enumerate(orders, 1):
        cells = {**common, **_by_column(path, tr("order {number}", number=number), table)}
        yield (
            tr("order {number}", number=number),
            {n: _value(path, number, n, v) for n, v in cells.items()},
        )


def _by_column(path: Path, place: str, table: dict[str, Any]) -> dict[str, Any]:
    columns = {_column(name): value for name, value in table.items()}
    if len(columns) != len(table):
        raise UsageError(
            tr("{path}, {place}: a column has the name of another", path=path, place=place)
        )
    return columns


def _value(path: Path, number: int, name: str, value: Any) -> str | tuple[str, ...]:
    if isinstance(value, list) and name in SEVERAL and all(isinstance(v, str) for v in value):
        return tuple(value)
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str):
        raise UsageError(
            tr("{path}, order {number}: {name} is a text", path=path, number=number, name=name)
        )
    return _cell(name, value)


def _column(name: str) -> str:
    return name.strip().lower().replace("-", "_")


def _cell(name: str, value: str) -> str | tuple[str, ...]:
    return tuple(value.split()) if name in SEVERAL else value.strip()

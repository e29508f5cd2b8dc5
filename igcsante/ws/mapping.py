"""The mapping file: how the domain's operations, fields and words are spelled in a WSDL.

A TOML file binds each operation of the port to an operation of a WSDL, each field to the
path of an element, each word of an enum to the words of the wire, and each fault to an
error (facts sheet platform.md §7.1; contract/mapping.toml is the one of the mock and tells
how to write another). Reading it checks every name in it against the domain.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields
from datetime import UTC, tzinfo
from enum import Enum
from importlib import resources
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from ..errors import ConfigError
from ..files import read_bounded
from ..text import did_you_mean
from .operations import OPERATIONS, domain_enums, nested_records

FORMAT = 1
MAX_MAPPING_BYTES = 256 * 1024
BINARY_FORMATS = ("base64Binary", "text")
FAULT_KINDS = ("refused", "not_habilitated", "unavailable")

ElementPath = tuple[str, ...]
FieldPaths = Mapping[str, tuple[ElementPath, ...]]


@dataclass(frozen=True)
class Formats:
    """How values are written: ``datetime`` is "iso" or a strptime pattern."""

    datetime: str
    zone: tzinfo
    binary: str


@dataclass(frozen=True)
class OperationMapping:
    """One operation: its name in the WSDL, and where each field goes in its elements."""

    name: str
    request: FieldPaths
    response: FieldPaths


@dataclass(frozen=True)
class FaultMapping:
    """Elements of a fault's detail by family, their children, and the codes with a meaning."""

    functional: tuple[str, ...]
    technical: tuple[str, ...]
    code: ElementPath
    message: ElementPath
    field: ElementPath
    kinds: Mapping[str, str]


@dataclass(frozen=True)
class ContractMapping:
    """A whole mapping file. ``source`` names it in messages."""

    source: str
    service: str
    port: str
    formats: Formats
    operations: Mapping[str, OperationMapping]
    records: Mapping[str, FieldPaths]
    enums: Mapping[str, Mapping[str, tuple[str, ...]]]
    faults: FaultMapping

    def operation(self, name: str) -> OperationMapping:
        """The mapping of a domain operation. Raises ConfigError when the file has none."""
        try:
            return self.operations[name]
        except KeyError:
            raise ConfigError(
                f"{self.source}: no [operations.{name}], so this can't be asked here",
                advice="add it, then run: igc ws check-mapping",
            ) from None

    def words(self, kind: type[Enum]) -> Mapping[str, tuple[str, ...]]:
        """The words of an enum's members; without a table in the file, their own values."""
        own = {member.name: (str(member.value),) for member in kind}
        return self.enums.get(kind.__name__.lower(), own)


def contract_file(name: str) -> Path:
    """A file of the contract that igcsante ships: the mock's own, not the ANS's."""
    return Path(str(resources.files("igcsante.ws") / "contract" / name))


def load_mapping(path: Path | None = None) -> ContractMapping:
    """Read a mapping file, by default the one of the mock.

    Raises ConfigError that names the file, the key and what it may be; UsageError when the
    file can't be read.
    """
    path = path or contract_file("mapping.toml")
    try:
        content = tomllib.loads(read_bounded(path, MAX_MAPPING_BYTES).decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not a TOML file: {error}") from None
    return _mapping(_Table(content, str(path)), str(path))


def _mapping(root: _Table, source: str) -> ContractMapping:
    root.allow("format", "binding", "formats", "operations", "records", "enums", "faults")
    if root.content.get("format") != FORMAT:
        raise root.wrong("format", f"this igcsante reads format = {FORMAT}")
    binding = root.table("binding", ("service", "port"))
    operations = root.table("operations", OPERATIONS)
    records = root.table("records", nested_records())
    enums = root.table("enums", domain_enums())
    return ContractMapping(
        source=source,
        service=binding.text("service"),
        port=binding.text("port"),
        formats=_formats(root.table("formats", ("datetime", "timezone", "binary"))),
        operations={name: _operation(name, operations.table(name)) for name in operations},
        records={
            name: records.table(name, _names(record)).paths()
            for name, record in nested_records().items()
            if name in records.content
        },
        enums={
            name: enums.table(name, kind.__members__).word_lists()
            for name, kind in domain_enums().items()
            if name in enums.content
        },
        faults=_faults(
            root.table("faults", ("functional", "technical", "code", "message", "field", "kinds"))
        ),
    )


def _formats(table: _Table) -> Formats:
    binary = table.text("binary", "base64Binary")
    if binary not in BINARY_FORMATS:
        raise table.wrong("binary", "one of " + ", ".join(BINARY_FORMATS))
    name = table.text("timezone", "UTC")
    try:
        zone = UTC if name == "UTC" else ZoneInfo(name)
    except (OSError, ValueError, KeyError):
        raise table.wrong("timezone", "a name such as Europe/Paris") from None
    return Formats(datetime=table.text("datetime", "iso"), zone=zone, binary=binary)


def _operation(name: str, table: _Table) -> OperationMapping:
    table.allow("name", "request", "response")
    operation = OPERATIONS[name]
    wsdl_name = table.text("name")
    if not wsdl_name:
        raise table.wrong("name", "the name of an operation of the WSDL")
    response = table.table("response", _names(operation.response)).paths()
    for field, paths in response.items():
        if len(paths) > 1:
            raise table.wrong(f"response.{field}", "one path: an answer is read in one place")
    request = table.table("request", _names(operation.request)).paths()
    return OperationMapping(wsdl_name, request, response)


def _faults(table: _Table) -> FaultMapping:
    kinds_table = table.table("kinds")
    kinds = {code: kinds_table.text(code) for code in kinds_table}
    for code, kind in kinds.items():
        if kind not in FAULT_KINDS:
            raise kinds_table.wrong(code, "one of " + ", ".join(FAULT_KINDS))
    return FaultMapping(
        functional=table.texts("functional"),
        technical=table.texts("technical"),
        code=_path(table, "code", table.text("code", "code")),
        message=_path(table, "message", table.text("message", "message")),
        field=_path(table, "field", table.text("field", "field")),
        kinds=kinds,
    )


def _names(record: type) -> tuple[str, ...]:
    return tuple(field.name for field in fields(record))


_ELEMENT_NAME = re.compile(r"[^\W\d][\w.\-]*(?<![.\-])")


def _path(table: _Table, key: str, text: str) -> ElementPath:
    steps = tuple(text.split("."))
    if not all(_ELEMENT_NAME.fullmatch(step) for step in steps):
        raise table.wrong(key, "an element name, or several joined by dots")
    return steps


class _Table:
    """A TOML table that knows where it is, to say so when something in it is wrong."""

    def __init__(self, content: Mapping[str, Any], place: str) -> None:
        self.content = content
        self.place = place

    def __iter__(self) -> Iterator[str]:
        return iter(self.content)

    def allow(self, *known: str) -> None:
        for key in self.content:
            if key not in known:
                raise ConfigError(
                    f"{self.place}: unknown key {key!r}",
                    advice=did_you_mean(key, known) or "known: " + ", ".join(known),
                )

    def table(self, key: str, known: Iterable[str] | None = None) -> _Table:
        value = self.content.get(key, {})
        if not isinstance(value, dict):
            raise self.wrong(key, "a table")
        inner = _Table(value, f"{self.place} [{key}]")
        if known is not None:
            inner.allow(*known)
        return inner

    def text(self, key: str, default: str = "") -> str:
        value = self.content.get(key, default)
        if not isinstance(value, str):
            raise self.wrong(key, "a string")
        return value

    def texts(self, key: str) -> tuple[str, ...]:
        value = self.content.get(key, [])
        if isinstance(value, str):
            return (value,)
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise self.wrong(key, "a string or a list of strings")
        return tuple(value)

    def paths(self) -> FieldPaths:
        return {key: tuple(_path(self, key, text) for text in self.texts(key)) for key in self}

    def word_lists(self) -> dict[str, tuple[str, ...]]:
        return {key: self.texts(key) for key in self}

    def wrong(self, key: str, wanted: str) -> ConfigError:
        return ConfigError(f"{self.place}: {key} should be {wanted}")

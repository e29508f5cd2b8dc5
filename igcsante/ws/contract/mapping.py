"""The mapping file: how the domain's operations, fields and words are spelled in a WSDL.

A TOML file binds each operation of the port to an operation of a WSDL, each field to the
path of an element, each word of an enum to the words of the wire, and each fault to an
error (facts sheet platform.md §7.1; docs/mapping.md tells how to write one, and
contract/mapping.toml is the one of the mock). Reading it checks every name in it against
the domain.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import UTC, tzinfo
from enum import Enum
from importlib import resources
from pathlib import Path
from zoneinfo import ZoneInfo

from ...errors import ConfigError
from ...files import read_bounded
from ...identifiers import StructureId
from ...messages import tr
from ...toml_problem import toml_problem
from ..operations import OPERATIONS, domain_enums, nested_records, record_fields
from .paths import ElementPath
from .toml_table import TomlTable

FORMAT = 1
OWN_MAPPING = "mapping.toml"
MAX_MAPPING_BYTES = 256 * 1024
BINARY_FORMATS = ("base64Binary", "text", "xop")
SERIAL_FORMATS = ("hexadecimal", "decimal")
ADDRESSING = ("auto", "always", "never")
SIGNABLE = ("body", "timestamp", "addressing")
MAX_LIFETIME = 24 * 3600

FieldPaths = Mapping[str, tuple[ElementPath, ...]]
Constants = Mapping[ElementPath, str]
Words = Mapping[str, tuple[str, ...]]


@dataclass(frozen=True)
class Formats:
    """How values are written.

    ``datetimes`` are "iso" or strptime patterns: the first is written, all are read, and
    ``zone`` is that of times that carry none. ``binary`` is one of :data:`BINARY_FORMATS`,
    ``serial`` of :data:`SERIAL_FORMATS`. ``booleans`` are words, none for those of xs:boolean.
    """

    datetimes: tuple[str, ...]
    zone: tzinfo
    binary: str
    serial: str
    booleans: Words


@dataclass(frozen=True)
class BindingMapping:
    """Where operations are: a service and a port of a WSDL, and where that is served.

    ``wsdl`` is None for the one that is given with the mapping; ``path`` is resolved against
    the address that the user gives, on the same server.
    """

    service: str = ""
    port: str = ""
    wsdl: Path | None = None
    path: str = ""


@dataclass(frozen=True)
class OperationMapping:
    """One operation: its name in the WSDL, and where each field goes in its elements.

    ``binding`` names one of the mapping's, "" the first. ``constants`` are texts that every
    request holds, ``when`` those that it holds beside a field, ``defaults`` what an answer means
    when it doesn't tell a field, ``records`` those that are spelled in a way of their own here.
    """

    name: str
    request: FieldPaths
    response: FieldPaths
    binding: str
    action: str
    constants: Constants
    when: Mapping[str, Constants]
    defaults: Mapping[str, str]
    records: Mapping[str, FieldPaths]


@dataclass(frozen=True)
class FaultMapping:
    """Elements of a fault's detail by family, their children, and the codes with a meaning.

    ``kinds`` is by code, or by the beginning of codes: ``TEC*``.
    """

    functional: tuple[str, ...]
    technical: tuple[str, ...]
    code: ElementPath
    message: ElementPath
    field: ElementPath
    kinds: Mapping[str, str]


@dataclass(frozen=True)
class Security:
    """WS-Security: what of a request is signed, and for how many seconds it is good."""

    sign: tuple[str, ...] = ()
    lifetime: int = 300


@dataclass(frozen=True)
class ContractMapping:
    """A whole mapping file. ``source`` names it in messages.

    ``headers`` are texts of SOAP headers, by part of the WSDL's header messages.
    """

    source: str
    bindings: Mapping[str, BindingMapping]
    formats: Formats
    operations: Mapping[str, OperationMapping]
    records: Mapping[str, FieldPaths]
    defaults: Mapping[str, Mapping[str, str]]
    enums: Mapping[str, Words]
    structure_types: Words
    faults: FaultMapping
    headers: Constants
    addressing: str = "auto"
    security: Security = Security()

    @property
    def is_own(self) -> bool:
        """Whether it is the one that igcsante ships, for its own mock."""
        return self.source == str(contract_file(OWN_MAPPING))

    def operation(self, name: str) -> OperationMapping:
        """The mapping of a domain operation. Raises ConfigError when the file has none."""
        try:
            return self.operations[name]
        except KeyError:
            raise ConfigError(
                tr(
                    "{source}: no [operations.{name}], so this can't be asked here",
                    source=self.source,
                    name=name,
                ),
                advice=tr("add it, then run: igc ws check-mapping"),
            ) from None

    def record(self, operation: str, kind: type) -> FieldPaths:
        """Where the fields of a nested record are, in the messages of an operation."""
        name = kind.__name__.lower()
        own = self.operation(operation).records
        return own.get(name, self.records.get(name, {}))

    def sends(self, operation: str, field: str) -> bool:
        """Whether a request of this operation has a place for a field."""
        return bool(self.operation(operation).request.get(field))

    def words(self, kind: type[Enum]) -> Words:
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
    path = path or contract_file(OWN_MAPPING)
    try:
        content = tomllib.loads(read_bounded(path, MAX_MAPPING_BYTES).decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(
            tr("{path}: not a TOML file: {error}", path=path, error=toml_problem(error))
        ) from None
    return _mapping(TomlTable(content, str(path)), path)


_SECTIONS = (
    *("format", "binding", "bindings", "formats", "operations", "records", "defaults"),
    *("enums", "faults", "headers", "addressing", "security"),
)


def _mapping(root: TomlTable, path: Path) -> ContractMapping:
    root.allow(*_SECTIONS)
    if root.content.get("format") != FORMAT:
        raise root.wrong("format", tr("this igcsante reads format = {format}", format=FORMAT))
    records, defaults = (root.table(key, nested_records()) for key in ("records", "defaults"))
    bindings, operations = root.table("bindings"), root.table("operations", OPERATIONS)
    addressing = root.table("addressing", ("use",))
    places = {
        "": _binding(root.table("binding"), path),
        **{name: _binding(bindings.table(name), path) for name in bindings},
    }
    return ContractMapping(
        source=str(path),
        bindings=places,
        formats=_formats(root.table("formats")),
        operations={
            name: _operation(name, operations.table(name), tuple(places)) for name in operations
        },
        records=_records(records),
        defaults={
            name: _defaults(defaults.table(name, _names(nested_records()[name])))
            for name in defaults
        },
        enums=_enums(root.table("enums", (*domain_enums(), "structuretype"))),
        structure_types=_structure_types(root.table("enums")),
        faults=_faults(root.table("faults")),
        headers=_constants(root.table("headers")),
        addressing=addressing.text("use", "auto", among=ADDRESSING),
        security=_security(root.table("security", ("sign", "lifetime"))),
    )


def _binding(table: TomlTable, mapping: Path) -> BindingMapping:
    table.allow("service", "port", "wsdl", "path")
    wsdl = table.text("wsdl")
    return BindingMapping(
        table.text("service"),
        table.text("port"),
        mapping.parent / wsdl if wsdl else None,
        table.text("path"),
    )


def _formats(table: TomlTable) -> Formats:
    table.allow("datetime", "timezone", "binary", "serial", "true", "false")
    name = table.text("timezone", "UTC")
    try:
        zone = UTC if name == "UTC" else ZoneInfo(name)
    except (OSError, ValueError, KeyError):
        raise table.wrong("timezone", tr("a name such as Europe/Paris")) from None
    booleans = {word: table.texts(word) for word in ("true", "false") if word in table.content}
    if len(booleans) == 1:
        raise table.wrong("false" if "true" in booleans else "true", tr("given with the other one"))
    return Formats(
        datetimes=table.texts("datetime") or ("iso",),
        zone=zone,
        binary=table.text("binary", "base64Binary", among=BINARY_FORMATS),
        serial=table.text("serial", "hexadecimal", among=SERIAL_FORMATS),
        booleans=booleans,
    )


def _operation(name: str, table: TomlTable, bindings: tuple[str, ...]) -> OperationMapping:
    table.allow("name", "binding", "action", *_OPERATION_TABLES)
    operation = OPERATIONS[name]
    wsdl_name = table.text("name")
    if not wsdl_name:
        raise table.wrong("name", tr("the name of an operation of the WSDL"))
    when = table.table("when", _names(operation.request))
    return OperationMapping(
        name=wsdl_name,
        request=_paths(table.table("request"), operation.request),
        response=_paths(table.table("response"), operation.response, read=True),
        binding=table.text("binding", among=bindings),
        action=table.text("action"),
        constants=_constants(table.table("constants")),
        when={field: _constants(when.table(field)) for field in when},
        defaults=_defaults(table.table("defaults", _names(operation.response))),
        records=_records(table.table("records", nested_records())),
    )


_OPERATION_TABLES = ("request", "response", "constants", "when", "defaults", "records")


def _constants(table: TomlTable) -> dict[ElementPath, str]:
    table = table.flattened()
    return {_path(table, key, key): table.text(key) for key in table}


def _records(table: TomlTable) -> dict[str, FieldPaths]:
    return {name: _paths(table.table(name), nested_records()[name]) for name in table}


def _paths(table: TomlTable, record: type, *, read: bool = False) -> FieldPaths:
    """Field by field; an identifier of a structure may stand in two places, ``.type`` first."""
    table = table.flattened()
    known = [*_names(record)]
    for field in record_fields(record).values():
        if field.kind is StructureId:
            known += [f"{field.name}.type", f"{field.name}.number"]
    table.allow(*known)
    found = {key: tuple(_path(table, key, text) for text in table.texts(key)) for key in table}
    for key, paths in found.items():
        if read and len(paths) > 1:
            raise table.wrong(key, tr("one path: an answer is read in one place"))
    return found


def _defaults(table: TomlTable) -> dict[str, str]:
    return {key: table.text(key) for key in table}


def _enums(table: TomlTable) -> dict[str, Words]:
    return {
        name: _word_lists(table.table(name, kind.__members__))
        for name, kind in domain_enums().items()
        if name in table.content
    }


def _structure_types(table: TomlTable) -> Words:
    own = {code: (code,) for code in StructureId.TYPES}
    return {**own, **_word_lists(table.table("structuretype", StructureId.TYPES))}


def _word_lists(table: TomlTable) -> Words:
    return {key: table.texts(key) for key in table}


def _faults(table: TomlTable) -> FaultMapping:
    from .fault_kinds import FAULT_KINDS

    table.allow("functional", "technical", "code", "message", "field", "kinds")
    kinds = table.table("kinds")
    return FaultMapping(
        functional=table.texts("functional"),
        technical=table.texts("technical"),
        code=_path(table, "code", table.text("code", "code")),
        message=_path(table, "message", table.text("message", "message")),
        field=_path(table, "field", table.text("field", "field")),
        kinds={code: kinds.text(code, among=FAULT_KINDS) for code in kinds},
    )


def _security(table: TomlTable) -> Security:
    sign = table.texts("sign")
    for part in sign:
        if part not in SIGNABLE:
            raise table.wrong("sign", tr("some of {names}", names=", ".join(SIGNABLE)))
    return Security(sign, table.number("lifetime", 300, most=MAX_LIFETIME))


def _names(record: type) -> tuple[str, ...]:
    return tuple(field.name for field in fields(record))


def _path(table: TomlTable, key: str, text: str) -> ElementPath:
    try:
        return ElementPath.parse(text)
    except ValueError:
        raise table.wrong(
            key, tr("an element name, or several joined by dots, or an @attribute at their end")
        ) from None

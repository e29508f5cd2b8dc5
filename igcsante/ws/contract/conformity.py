"""Whether a mapping file and a WSDL agree, told without calling anything.

An *error* makes an operation fail or answer nonsense; a *warning* is something that may be
meant (facts sheet platform.md §7.1).
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum, StrEnum
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from lxml import etree

from ...errors import ConfigError
from ...identifiers import StructureId
from ...messages import tr
from ..model import RevocationReceipt
from ..operations import OPERATIONS, Operation, RecordField, is_record, record_fields
from .codec import default_value
from .completion import DERIVED
from .mapping import Constants, ContractMapping, FieldPaths, load_mapping
from .paths import ElementPath
from .placement import request_places
from .shape import attributes, children, own_type
from .wsdl import WsdlContract

MAX_DEPTH = 8  # a type may hold itself
_XSD = "{http://www.w3.org/2001/XMLSchema}"


class Level(StrEnum):
    """How bad a finding is."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True)
class Finding:
    """One thing that does not fit. ``place`` is a key of the mapping file."""

    level: Level
    place: str
    message: str


def check_mapping(wsdl: Path | None = None, mapping: Path | None = None) -> tuple[Finding, ...]:
    """What of a mapping file a WSDL does not bear out; empty when all of it fits.

    By default, the mock's own pair. Raises ConfigError when either can't be read at all.
    """
    return findings_of(WsdlContract(load_mapping(mapping), wsdl))


def checked(mapping: ContractMapping, wsdl: Path | None) -> tuple[WsdlContract, list[Finding]]:
    """The contract that both make, and its errors.

    Raises ConfigError for a WSDL that is none, or that lacks an operation of the mapping.
    """
    contract = WsdlContract(mapping, wsdl)
    for name in mapping.operations:
        contract.operation(name)
    return contract, [found for found in findings_of(contract) if found.level is Level.ERROR]


def findings_of(contract: WsdlContract) -> tuple[Finding, ...]:
    """The same of a mapping file and WSDL that are loaded."""
    return tuple(_Check(contract).findings())


@dataclass(frozen=True)
class _Side:
    """A request or an answer of an operation, and where its mapping stands in the file."""

    operation: str
    place: str
    answer: bool


class _Check:
    def __init__(self, contract: WsdlContract) -> None:
        self.contract = contract
        self.mapping: ContractMapping = contract.mapping
        sources = (s for document in contract.documents for s in document.sources.values())
        self.vocabularies = enumerations(sources)

    def findings(self) -> Iterator[Finding]:
        found: list[Finding] = []
        for operation in OPERATIONS.values():
            found += self._operation(operation)
        found += self._headers()
        found += self._addresses()
        found += self._faults()
        return iter(dict.fromkeys(found))

    def _operation(self, operation: Operation) -> Iterator[Finding]:
        place = f"operations.{operation.name}"
        if operation.name not in self.mapping.operations:
            yield Finding(Level.WARNING, place, self._unmapped(operation.name))
            return
        try:
            bound = self.contract.operation(operation.name)
        except ConfigError as error:
            yield Finding(Level.ERROR, f"{place}.name", error.in_one_line)
            return
        spelled = self.mapping.operations[operation.name]
        sent, received = bound.input.body.type, bound.output.body.type
        request = _Side(operation.name, f"{place}.request", answer=False)
        yield from self._record(request, operation.request, spelled.request, sent, {})
        always = {f"{place}.constants": spelled.constants}
        beside = {f"{place}.when.{field}": texts for field, texts in spelled.when.items()}
        for where, constants in {**always, **beside}.items():
            yield from self._constants(where, constants, sent)
        filled = {path.keys for _, path in request_places(self.mapping, operation.name)}
        yield from self._unfilled(request, filled, sent, ())
        response = _Side(operation.name, f"{place}.response", answer=True)
        yield from self._record(
            response, operation.response, spelled.response, received, spelled.defaults
        )
        yield from self._defaults(f"{place}.defaults", operation.response, spelled.defaults)

    def _unmapped(self, operation: str) -> str:
        if operation == "get_product" and "search_products" in self.mapping.operations:
            return tr("is not mapped: a product is looked for among all that search_products lists")
        return tr("is not mapped, so it can't be used")

    def _record(
        self,
        side: _Side,
        record: type,
        paths: FieldPaths,
        type_: Any,
        defaults: Mapping[str, str],
    ) -> Iterator[Finding]:
        known = {*paths, *defaults, *(DERIVED.get(side.operation, {}) if side.answer else ())}
        for name, field in record_fields(record).items():
            if field.kind is StructureId and f"{name}.number" in paths:
                for part in (f"{name}.type", f"{name}.number"):
                    if part not in paths:
                        yield Finding(Level.ERROR, f"{side.place}.{part}", tr("is not mapped"))
                    for path in paths.get(part, ()):
                        plain = RecordField(part, str, field.is_list, field.default)
                        yield from self._field(side, plain, path, type_)
            elif name not in known and (field.required or not (side.answer or is_optional(field))):
                yield Finding(Level.ERROR, f"{side.place}.{name}", tr("is needed and not mapped"))
            for path in paths.get(name, ()):
                yield from self._field(side, field, path, type_)

    def _field(
        self, side: _Side, field: RecordField, path: ElementPath, type_: Any
    ) -> Iterator[Finding]:
        place = f"{side.place}.{field.name}"
        spot = _resolve(type_, path)
        if spot is None:
            what = tr("attribute") if path.attribute else tr("element")
            yield Finding(
                Level.ERROR, place, tr("the WSDL has no {what} {path} there", what=what, path=path)
            )
            return
        if field.is_list and not spot.repeated:
            yield Finding(
                Level.WARNING, place, tr("holds a list, {path} occurs once at most", path=path.name)
            )
        if spot.repeated and not field.is_list:
            yield Finding(
                Level.ERROR,
                place,
                tr("holds one value, {path} may occur many times", path=path.name),
            )
        if field.is_list and spot.repeated and not side.answer and not spot.marked:
            yield Finding(
                Level.ERROR,
                place,
                tr("{repeated} is what occurs many times: mark it with []", repeated=spot.repeated),
            )
        if is_record(field.kind):
            name = field.kind.__name__.lower()
            own = self.mapping.operation(side.operation).records.get(name)
            where = f"operations.{side.operation}.records" if own is not None else "records"
            yield from self._record(
                _Side(side.operation, f"{where}.{name}", side.answer),
                field.kind,
                self.mapping.record(side.operation, field.kind),
                spot.type,
                self.mapping.defaults.get(name, {}),
            )
            yield from self._defaults(
                f"defaults.{name}", field.kind, self.mapping.defaults.get(name, {})
            )
            return
        if own_type(spot.type) is None:
            yield Finding(Level.ERROR, place, tr("{path} holds elements, not a value", path=path))
        elif issubclass(field.kind, Enum):
            yield from self._words(side, field.kind, path, own_type(spot.type))

    def _words(
        self, side: _Side, kind: type[Enum], path: ElementPath, type_: Any
    ) -> Iterator[Finding]:
        allowed = self.vocabularies.get(type_.qname)
        if not allowed:
            return
        place = f"enums.{kind.__name__.lower()}"
        known = self.mapping.words(kind)
        for member, words in known.items():
            for word in words:
                if word not in allowed:
                    yield Finding(
                        Level.ERROR,
                        f"{place}.{member}",
                        tr("{path} can't be {word!r}", path=path.name, word=word),
                    )
        for word in sorted(allowed - {word for words in known.values() for word in words}):
            if side.answer:
                yield Finding(
                    Level.WARNING,
                    place,
                    tr("{path} may be {word!r}, not mapped", path=path.name, word=word),
                )

    def _constants(self, place: str, constants: Constants, type_: Any) -> Iterator[Finding]:
        for path in constants:
            spot = _resolve(type_, path)
            if spot is None or own_type(spot.type) is None:
                yield Finding(
                    Level.ERROR, f"{place}.{path}", tr("the WSDL has no such value there")
                )

    def _defaults(self, place: str, record: type, defaults: Mapping[str, str]) -> Iterator[Finding]:
        for name, text in defaults.items():
            if text == "{time}" and record is RevocationReceipt and name == "revoked_at":
                continue  # when the answer came
            try:
                default_value(record_fields(record)[name], text)
            except ConfigError as error:
                yield Finding(Level.ERROR, f"{place}.{name}", error.message)

    def _unfilled(
        self, side: _Side, filled: set[tuple[str, ...]], type_: Any, above: tuple[str, ...]
    ) -> Iterator[Finding]:
        """What every request must have, at a place that every request has, and hasn't."""
        for name, below in _required(type_).items():
            place = (*above, name)
            if not any(keys[: len(place)] == place for keys in filled):
                yield Finding(
                    Level.ERROR,
                    side.place,
                    tr("the WSDL wants {place} and nothing fills it", place=".".join(place)),
                )
            elif len(place) < MAX_DEPTH:
                yield from self._unfilled(side, filled, below, place)

    def _headers(self) -> Iterator[Finding]:
        """SOAP headers that are filled and nowhere declared, or declared and not filled."""
        declared: dict[str, Any] = {}
        for name in self.mapping.operations:
            with contextlib.suppress(ConfigError):
                declared |= self.contract.header_parts(name)
        for path in self.mapping.headers:
            part = declared.get(path.keys[0]) if path.keys else None
            below = ElementPath(path.steps[1:], path.attribute)
            spot = _resolve(part.type, below) if part is not None else None
            if spot is None or own_type(spot.type) is None:
                yield Finding(
                    Level.ERROR, tr("headers.{path}", path=path), tr("the WSDL has no such header")
                )
        filled = {path.keys[0] for path in self.mapping.headers if path.keys}
        for name in declared.keys() - filled:
            yield Finding(
                Level.WARNING, "headers", tr("the WSDL has a header {name}, not filled", name=name)
            )

    def _addresses(self) -> Iterator[Finding]:
        """Services of their own addresses, all asked at the one that is given."""
        paths: dict[str, str] = {}
        for name in self.mapping.operations:
            try:
                paths[self.mapping.operation(name).binding] = urlsplit(
                    self.contract.bound(name).address
                ).path
            except ConfigError:
                continue
        first = next(iter(paths.values()), "")
        for binding, path in paths.items():
            if path != first and not any(self.mapping.bindings[b].path for b in paths):
                yield Finding(
                    Level.WARNING,
                    tr("bindings.{binding}.path", binding=binding),
                    tr(
                        "is not given; in the WSDL this service is at {path}, another at {first}",
                        path=path,
                        first=first,
                    ),
                )

    def _faults(self) -> Iterator[Finding]:
        for family in ("functional", "technical"):
            names = getattr(self.mapping.faults, family)
            if not names:
                yield Finding(
                    Level.WARNING, tr("faults.{family}", family=family), tr("names no element")
                )
            for name in names:
                if name not in self.contract.global_elements:
                    yield Finding(
                        Level.ERROR,
                        tr("faults.{family}", family=family),
                        tr("the schemas declare no element {name}", name=name),
                    )


@dataclass(frozen=True)
class _Resolved:
    """What is at a path: its type, the step that occurs many times, whether it is marked."""

    type: Any
    repeated: str = ""
    marked: bool = True


def _resolve(type_: Any, path: ElementPath) -> _Resolved | None:
    """What is at a path below a type."""
    repeated, marked = "", True
    for index, step in enumerate(path.steps):
        member = children(type_).get(step)
        if member is None:
            return None
        if member.many:
            repeated, marked = step, index == path.repeated
        type_ = member.type
    if path.attribute:
        attribute = attributes(type_).get(path.attribute)
        return None if attribute is None else _Resolved(attribute.type, repeated, marked)
    return _Resolved(type_, repeated, marked)


def is_optional(field: RecordField) -> bool:
    """Whether a request may lack a field: it is then left out, and no place is needed."""
    return not field.required and not isinstance(field.default, int | Enum)


def _required(type_: Any) -> dict[str, Any]:
    """What a type must have, with the types of it; a choice is left to the sender."""
    wanted = {f"@{n}": item.type for n, item in attributes(type_).items() if item.required}
    return wanted | {n: member.type for n, member in children(type_).items() if member.always}


def enumerations(documents: Iterable[bytes]) -> dict[etree.QName, set[str]]:
    """The words of each simple type that lists them: zeep itself forgets them.

    A type without a name goes by that of its element or attribute, as zeep calls it, unless
    a type of that name exists.
    """
    named: dict[etree.QName, set[str]] = {}
    unnamed: dict[etree.QName, set[str]] = {}
    parser = etree.XMLParser(resolve_entities=False, no_network=True)
    for document in documents:
        for schema in etree.fromstring(document, parser).iter(f"{_XSD}schema"):
            for simple in schema.iter(f"{_XSD}simpleType"):
                owner = simple if simple.get("name") else simple.getparent()
                words = {str(item.get("value")) for item in simple.iter(f"{_XSD}enumeration")}
                if words and owner is not None and owner.get("name"):
                    name = etree.QName(schema.get("targetNamespace"), owner.get("name"))
                    kind = named if owner is simple else unnamed
                    kind.setdefault(name, set()).update(words)
    return unnamed | named

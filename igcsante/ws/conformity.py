"""Whether a mapping file and a WSDL agree, told without calling anything.

An *error* makes an operation fail or answer nonsense; a *warning* is something that may be
meant (facts sheet platform.md §7.1).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import Enum, StrEnum
from pathlib import Path
from typing import Any

from lxml import etree
from zeep.xsd.elements.indicators import Choice

from ..errors import ConfigError
from .mapping import ContractMapping, ElementPath, FieldPaths, load_mapping
from .operations import OPERATIONS, Operation, RecordField, is_record, record_fields
from .wsdl import WsdlContract

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
    return tuple(_Check(WsdlContract(load_mapping(mapping), wsdl)).findings())


class _Check:
    def __init__(self, contract: WsdlContract) -> None:
        self.contract = contract
        self.mapping: ContractMapping = contract.mapping
        self.vocabularies = _enumerations(contract.documents)

    def findings(self) -> Iterator[Finding]:
        found: list[Finding] = []
        for operation in OPERATIONS.values():
            found += self._operation(operation)
        found += self._faults()
        return iter(dict.fromkeys(found))

    def _operation(self, operation: Operation) -> Iterator[Finding]:
        place = f"operations.{operation.name}"
        if operation.name not in self.mapping.operations:
            yield Finding(Level.WARNING, place, "is not mapped, so it can't be used")
            return
        try:
            bound = self.contract.operation(operation.name)
        except ConfigError as error:
            advice = f" ({error.advice})" if error.advice else ""
            yield Finding(Level.ERROR, f"{place}.name", error.message + advice)
            return
        paths = self.mapping.operations[operation.name]
        sent, received = bound.input.body.type, bound.output.body.type
        yield from self._record(
            f"{place}.request", operation.request, paths.request, sent, answer=False
        )
        yield from self._unfilled(f"{place}.request", paths.request, sent)
        yield from self._record(
            f"{place}.response", operation.response, paths.response, received, answer=True
        )

    def _record(
        self, place: str, record: type, paths: FieldPaths, type_: Any, *, answer: bool
    ) -> Iterator[Finding]:
        for name, field in record_fields(record).items():
            if name not in paths and field.required:
                yield Finding(Level.ERROR, f"{place}.{name}", "is needed and not mapped")
            for path in paths.get(name, ()):
                yield from self._field(f"{place}.{name}", field, path, type_, answer=answer)

    def _field(
        self, place: str, field: RecordField, path: ElementPath, type_: Any, *, answer: bool
    ) -> Iterator[Finding]:
        element, several = _resolve(type_, path)
        if element is None:
            yield Finding(Level.ERROR, place, f"the WSDL has no element {'.'.join(path)} there")
            return
        if field.is_list and not several:
            yield Finding(Level.WARNING, place, f"holds a list, {path[-1]} occurs once at most")
        if several and not field.is_list:
            yield Finding(Level.ERROR, place, f"holds one value, {path[-1]} may occur many times")
        if is_record(field.kind):
            record = field.kind.__name__.lower()
            paths = self.mapping.records.get(record, {})
            yield from self._record(
                f"records.{record}", field.kind, paths, element.type, answer=answer
            )
        elif issubclass(field.kind, Enum):
            yield from self._words(field.kind, element, answer=answer)

    def _words(self, kind: type[Enum], element: Any, *, answer: bool) -> Iterator[Finding]:
        allowed = self.vocabularies.get(element.type.qname)
        if not allowed:
            return
        place = f"enums.{kind.__name__.lower()}"
        known = self.mapping.words(kind)
        for member, words in known.items():
            for word in words:
                if word not in allowed:
                    yield Finding(
                        Level.ERROR, f"{place}.{member}", f"{element.name} can't be {word!r}"
                    )
        for word in sorted(allowed - {word for words in known.values() for word in words}):
            if answer:
                yield Finding(Level.WARNING, place, f"{element.name} may be {word!r}, not mapped")

    def _unfilled(self, place: str, paths: FieldPaths, type_: Any) -> Iterator[Finding]:
        filled = {path[0] for several in paths.values() for path in several}
        for element in _required(type_):
            if element.name not in filled:
                yield Finding(
                    Level.ERROR, place, f"the WSDL wants {element.name} and nothing fills it"
                )

    def _faults(self) -> Iterator[Finding]:
        for family in ("functional", "technical"):
            names = getattr(self.mapping.faults, family)
            if not names:
                yield Finding(Level.WARNING, f"faults.{family}", "names no element")
            for name in names:
                if name not in self.contract.global_elements:
                    yield Finding(
                        Level.ERROR, f"faults.{family}", f"the schemas declare no element {name}"
                    )


def _resolve(type_: Any, path: ElementPath) -> tuple[Any, bool]:
    """The element at a path below a type, and whether it may occur several times."""
    element, several = None, False
    for step in path:
        element = dict(getattr(type_, "elements", ())).get(step)
        if element is None:
            return None, False
        several = several or element.accepts_multiple
        type_ = element.type
    return element, several


def _required(type_: Any) -> list[Any]:
    """The children that every request must have; those of a choice are left to the sender."""
    indicators = [indicator for _, indicator in getattr(type_, "elements_nested", ())]
    if any(isinstance(indicator, Choice) for indicator in indicators):
        return []
    return [element for _, element in getattr(type_, "elements", ()) if not element.is_optional]


def _enumerations(documents: Iterable[bytes]) -> dict[etree.QName, set[str]]:
    """The words of each named simple type that lists them: zeep itself forgets them."""
    found: dict[etree.QName, set[str]] = {}
    parser = etree.XMLParser(resolve_entities=False, no_network=True)
    for document in documents:
        for schema in etree.fromstring(document, parser).iter(f"{_XSD}schema"):
            for simple in schema.iter(f"{_XSD}simpleType"):
                words = {str(item.get("value")) for item in simple.iter(f"{_XSD}enumeration")}
                if words and simple.get("name"):
                    name = etree.QName(schema.get("targetNamespace"), simple.get("name"))
                    found[name] = words
    return found

"""What a WSDL offers, beside what igcsante asks of a platform: for who writes a mapping file.

Nothing is called. With a mapping file, each element is shown with the field that it stands
for, and what is left over on either side.
"""

# zeep is only partly typed.
# mypy: disallow-untyped-calls=False

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from itertools import islice
from pathlib import Path
from typing import Any

from lxml import etree
from zeep.wsdl.bindings.soap import Soap12Binding
from zeep.wsdl.messages import DocumentMessage

from ...errors import ConfigError, IgcError
from ...identifiers import StructureId
from ...messages import tr
from ..operations import OPERATIONS, RecordField, record_fields
from .conformity import enumerations, is_optional
from .mapping import ContractMapping
from .paths import ElementPath
from .placement import request_places, response_places
from .shape import attributes, children, is_simple, own_type
from .wsdl import Document, WsdlContract, read_document, soap_ports

MAX_DEPTH = 8  # a type may hold itself
MAX_SPOTS = 400
DOCUMENT_LITERAL = "document/literal"

Words = dict[etree.QName, set[str]]


@dataclass(frozen=True)
class OfferedSpot:
    """A place for a value in a message: its path, the XSD type, the words that it takes.

    ``field`` is what the mapping puts or reads there, ``structure.number`` for instance.
    """

    path: str
    type: str
    required: bool
    repeated: bool
    words: tuple[str, ...] = ()
    field: str = ""


@dataclass(frozen=True)
class OfferedOperation:
    """An operation of a WSDL; ``maps`` is the domain operation that the mapping binds to it."""

    wsdl: Path
    service: str
    port: str
    soap: str
    address: str
    name: str
    action: str
    style: str
    maps: str = ""
    request: tuple[OfferedSpot, ...] = ()
    response: tuple[OfferedSpot, ...] = ()

    @property
    def usable(self) -> bool:
        """Whether a mapping can name it."""
        return self.style == DOCUMENT_LITERAL


@dataclass(frozen=True)
class NeededField:
    """A field of a domain operation; ``words`` are its values in the domain."""

    name: str
    kind: str
    required: bool
    repeated: bool
    words: tuple[str, ...] = ()
    mapped: bool = False


@dataclass(frozen=True)
class NeededOperation:
    """A domain operation, and the WSDL operation that it is bound to, "" for none."""

    name: str
    bound_to: str
    request: tuple[NeededField, ...]
    response: tuple[NeededField, ...]


def offered(
    wsdl: Path | None = None, mapping: ContractMapping | None = None
) -> tuple[OfferedOperation, ...]:
    """The SOAP operations of a WSDL, and of those that the mapping names.

    A mapping that doesn't fit the WSDL at all counts as none. Raises ConfigError when a WSDL
    can't be read.
    """
    contract = _contract(mapping, wsdl)
    if contract is None and wsdl is None:
        raise ConfigError(
            tr("no WSDL is given"), advice=tr("give --wsdl FILE, or a profile that names one")
        )
    documents = contract.documents if contract else [read_document(wsdl)] if wsdl else []
    words = enumerations(s for document in documents for s in document.sources.values())
    found: list[OfferedOperation] = []
    for document in documents:
        for service, port, binding, address in soap_ports(document):
            place = (document, service, port, address)
            for operation in binding.all().values():
                found.append(_operation(place, operation, contract, words))
    return tuple(found)


def needed(mapping: ContractMapping | None = None) -> tuple[NeededOperation, ...]:
    """What igcsante asks of a platform, and what of it the mapping has a place for."""
    return tuple(
        NeededOperation(
            name,
            mapping.operations[name].name if mapping and name in mapping.operations else "",
            tuple(_fields(mapping, name, operation.request, answer=False)),
            tuple(_fields(mapping, name, operation.response, answer=True)),
        )
        for name, operation in OPERATIONS.items()
    )


def _contract(mapping: ContractMapping | None, wsdl: Path | None) -> WsdlContract | None:
    try:
        return WsdlContract(mapping, wsdl) if mapping else None
    except IgcError:
        return None


def _operation(
    place: tuple[Document, str, str, str],
    operation: Any,
    contract: WsdlContract | None,
    words: Words,
) -> OfferedOperation:
    document, service, port, address = place
    maps = _bound_to(operation, document, port, contract) if contract else ""
    sent: dict[str, str] = {}
    read: dict[str, str] = {}
    if contract and maps:
        sent = _by_path(request_places(contract.mapping, maps))
        read = _by_path(response_places(contract.mapping, maps))
    return OfferedOperation(
        wsdl=document.path,
        service=service,
        port=port,
        soap="1.2" if isinstance(operation.binding, Soap12Binding) else "1.1",
        address=address,
        name=operation.name,
        action=operation.abstract.wsa_action or operation.soapaction or "",
        style=DOCUMENT_LITERAL if isinstance(operation.input, DocumentMessage) else "RPC",
        maps=maps,
        request=_spots(operation.input, words, sent),
        response=_spots(operation.output, words, read),
    )


def _bound_to(operation: Any, document: Document, port: str, contract: WsdlContract) -> str:
    """The domain operation that the mapping binds to one of a WSDL, "" for none."""
    for name, spelled in contract.mapping.operations.items():
        bound = contract.bound(name)
        if (bound.document.path, bound.port, spelled.name) == (document.path, port, operation.name):
            return name
    return ""


def _spots(message: Any, words: Words, fields: dict[str, str]) -> tuple[OfferedSpot, ...]:
    body = getattr(message, "body", None)
    if body is None or body.type is None:
        return ()
    return tuple(islice(_Walk(words, fields).below(body.type, ElementPath(())), MAX_SPOTS))


@dataclass(frozen=True)
class _Walk:
    """Goes through a type: the places for values at it and below it, attributes first."""

    words: Words
    fields: dict[str, str]

    def below(
        self, type_: Any, path: ElementPath, *, required: bool = True, repeated: bool = False
    ) -> Iterator[OfferedSpot]:
        if len(path.steps) > MAX_DEPTH:
            return
        for name, attribute in attributes(type_).items():
            where = ElementPath(path.steps, name)
            always = required and bool(attribute.required)
            yield self._spot(where, attribute.type, always, repeated)
        own = own_type(type_)
        if own is not None:
            yield self._spot(path, own, required and is_simple(type_), repeated)
        for name, member in children(type_).items():
            yield from self.below(
                member.type,
                ElementPath((*path.steps, name)),
                required=required and member.always,
                repeated=repeated or member.many,
            )

    def _spot(self, path: ElementPath, type_: Any, required: bool, repeated: bool) -> OfferedSpot:
        name = type_.qname.localname if type_.qname is not None else "?"
        words = tuple(sorted(self.words.get(type_.qname, ())))
        where = ".".join(path.keys) or "."
        return OfferedSpot(where, name, required, repeated, words, self.fields.get(where, ""))


def _by_path(places: Iterator[tuple[str, ElementPath]]) -> dict[str, str]:
    """What stands at each path; several where they share one."""
    found: dict[str, str] = {}
    for what, path in places:
        key = ".".join(path.keys) or "."
        found[key] = f"{found[key]}, {what}" if key in found else what
    return found


def _fields(
    mapping: ContractMapping | None, operation: str, record: type, *, answer: bool
) -> Iterator[NeededField]:
    spelled = mapping.operations.get(operation) if mapping else None
    paths = (spelled.response if answer else spelled.request) if spelled else {}
    for name, field in record_fields(record).items():
        told = name in paths or f"{name}.number" in paths
        told = told or bool(answer and spelled and name in spelled.defaults)
        required = field.required if answer else not is_optional(field)
        yield NeededField(name, _kind(field), required, field.is_list, _words(field), told)


def _kind(field: RecordField) -> str:
    return "StructureId" if field.kind is StructureId else field.kind.__name__


def _words(field: RecordField) -> tuple[str, ...]:
    return tuple(field.kind.__members__) if issubclass(field.kind, Enum) else ()

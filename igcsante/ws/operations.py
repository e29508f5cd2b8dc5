"""The seven operations of the platform port, as data: what each one asks and answers.

Facts sheet platform.md §7.4. The mapping file binds these names, and the fields of these
records, to a WSDL; nothing else in igcsante knows an operation of a web service by name.
"""

from __future__ import annotations

import functools
import types
import typing
from dataclasses import MISSING, dataclass, fields, is_dataclass
from enum import Enum
from typing import Any

from .model import (
    Habilitation,
    Offre,
    OrderReceipt,
    Product,
    ProductPage,
    ProductRequest,
    ProductSearch,
    Renewal,
    Revocation,
    RevocationReceipt,
    Withdrawal,
    WithdrawnProduct,
)


@dataclass(frozen=True)
class HabilitationQuery:
    """What ``list_habilitations`` asks."""

    offre: Offre | None = None
    structure_text: str = ""


@dataclass(frozen=True)
class HabilitationList:
    """What ``list_habilitations`` answers."""

    habilitations: tuple[Habilitation, ...] = ()


@dataclass(frozen=True)
class ProductQuery:
    """What ``get_product`` asks."""

    product_id: str


@dataclass(frozen=True)
class ProductAnswer:
    """What ``get_product`` answers."""

    product: Product


@dataclass(frozen=True)
class Operation:
    """One operation: its name in the port, its request and response records.

    ``changes``: whether it changes something at the platform, or is a question.
    """

    name: str
    request: type
    response: type
    changes: bool = False


OPERATIONS = {
    operation.name: operation
    for operation in (
        Operation("list_habilitations", HabilitationQuery, HabilitationList),
        Operation("order_product", ProductRequest, OrderReceipt, changes=True),
        Operation("search_products", ProductSearch, ProductPage),
        Operation("get_product", ProductQuery, ProductAnswer),
        Operation("withdraw_product", Withdrawal, WithdrawnProduct, changes=True),
        Operation("revoke_product", Revocation, RevocationReceipt, changes=True),
        Operation("renew_product", Renewal, OrderReceipt, changes=True),
    )
}


@dataclass(frozen=True)
class RecordField:
    """A field of a record: ``kind`` is its type, that of an item when it is a list."""

    name: str
    kind: type
    is_list: bool
    default: Any

    @property
    def required(self) -> bool:
        return self.default is MISSING


def record_fields(record: type) -> dict[str, RecordField]:
    """The fields of a record by name: ``tuple[X, ...]`` is a list of X, ``X | None`` an X.

    The same mapping each time: it isn't to be changed.
    """
    return _record_fields(record)


@functools.cache
def _record_fields(record: type) -> dict[str, RecordField]:
    hints = typing.get_type_hints(record)
    return {field.name: _record_field(field, hints[field.name]) for field in fields(record)}


def _record_field(field: Any, hint: Any) -> RecordField:
    is_list = typing.get_origin(hint) is tuple
    if is_list:
        hint = typing.get_args(hint)[0]
    elif isinstance(hint, types.UnionType):
        hint = next(kind for kind in typing.get_args(hint) if kind is not types.NoneType)
    return RecordField(field.name, hint, is_list, field.default)


def nested_records() -> dict[str, type]:
    """The records that occur inside others, by their name in a mapping file (lower case)."""
    found: dict[str, type] = {}
    waiting = [kind for op in OPERATIONS.values() for kind in (op.request, op.response)]
    while waiting:
        for field in record_fields(waiting.pop()).values():
            if is_record(field.kind) and field.kind.__name__.lower() not in found:
                found[field.kind.__name__.lower()] = field.kind
                waiting.append(field.kind)
    return found


def domain_enums() -> dict[str, type[Enum]]:
    """The enums that occur in records, by their name in a mapping file (lower case)."""
    records = [kind for op in OPERATIONS.values() for kind in (op.request, op.response)]
    records += nested_records().values()
    kinds = {field.kind for record in records for field in record_fields(record).values()}
    return {kind.__name__.lower(): kind for kind in kinds if issubclass(kind, Enum)}


def is_record(kind: type) -> bool:
    """Whether a field of this kind is written as an element with children."""
    from ..identifiers import StructureId

    return is_dataclass(kind) and kind is not StructureId

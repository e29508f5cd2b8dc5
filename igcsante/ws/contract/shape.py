"""From trees of values (:mod:`.codec`) to what zeep renders as the types of a WSDL say.

zeep takes nested dictionaries, but calls an element's own text ``_value_1``, some attributes
``attr__name``, and writes Python values in ways of its own into elements of other types.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from zeep.xsd import Choice, Element, Group
from zeep.xsd.elements.indicators import Indicator, OrderIndicator
from zeep.xsd.types.builtins import Base64Binary, Boolean, Date, DateTime
from zeep.xsd.types.simple import AnySimpleType

from ...messages import tr
from .paths import OWN_TEXT


class ShapeError(ValueError):
    """A tree that a type has no place for. ``place`` is where, in element names."""

    def __init__(self, place: tuple[str, ...], reason: str) -> None:
        super().__init__(
            tr("{place} {reason}", place=".".join(place) or tr("the body"), reason=reason)
        )


@dataclass(frozen=True)
class Member:
    """An element that a type may hold.

    ``always``: every element of the type has it. ``many``: it may occur several times, by
    itself or with the ``group`` (zeep's name) that it is in.
    """

    key: str
    element: Any
    always: bool
    many: bool
    group: str = ""

    @property
    def type(self) -> Any:
        return self.element.type


def shaped(type_: Any, tree: Any, place: tuple[str, ...] = ()) -> Any:
    """The value that zeep renders as ``type_``. Raises ShapeError, which quotes no value."""
    if is_simple(type_):
        if isinstance(tree, dict):
            if set(tree) != {OWN_TEXT}:
                raise ShapeError(place, "holds a value, no elements")
            tree = tree[OWN_TEXT]
        return _written(type_, tree)
    if not isinstance(tree, dict):
        tree = {OWN_TEXT: tree}
    members = children(type_)
    value: dict[str, Any] = {}
    groups: dict[str, list[tuple[Member, Any, tuple[str, ...]]]] = {}
    for key, inner in tree.items():
        here = (*place, key) if key else place
        if key == OWN_TEXT or key.startswith("@"):
            name, written = _text_or_attribute(type_, key, inner, here)
            value[name] = written
        elif key not in members:
            raise ShapeError(here, "is no element there")
        elif members[key].group:
            groups.setdefault(members[key].group, []).append((members[key], inner, here))
        else:
            value[members[key].key] = _occurrences(members[key], inner, here)
    for name, inside in groups.items():
        value[name] = _repeated_group(inside)
    return value


def is_simple(type_: Any) -> bool:
    """Whether elements of a type hold a value and nothing else."""
    return isinstance(type_, AnySimpleType)


def own_type(type_: Any) -> Any:
    """The type of an element's own text; None when it has none (XSD's simpleContent)."""
    if is_simple(type_):
        return type_
    for _, inner in getattr(type_, "elements_nested", ()):
        if isinstance(inner, Element) and is_simple(inner.type):
            return inner.type
    return None


def children(type_: Any) -> dict[str, Member]:
    """The elements below a type, by local name; what may be anything is left out."""
    if own_type(type_) is not None:
        return {}
    nested = getattr(type_, "elements_nested", ())
    found = (member for name, inner in nested for member in _members(name, inner))
    return {member.element.name: member for member in found}


def attributes(type_: Any) -> dict[str, Any]:
    """The attributes of a type, by local name."""
    return {a.name: a for _, a in getattr(type_, "attributes", ()) if a.name is not None}


def _members(name: str, inner: Any, *, always: bool = True, group: str = "") -> Iterator[Member]:
    """The elements in an indicator of zeep's: a sequence, a choice, a group, an element."""
    if isinstance(inner, Element):
        many = bool(inner.accepts_multiple or group)
        yield Member(name, inner, always and not inner.is_optional, many, group)
    elif isinstance(inner, Indicator):
        always = always and inner.min_occurs > 0
        group = group or (name if inner.accepts_multiple else "")
        if isinstance(inner, Group):
            yield from _members(name, inner.child, always=always, group=group)
        elif isinstance(inner, OrderIndicator):
            chosen = always and not isinstance(inner, Choice)
            for below, item in inner.elements_nested:
                yield from _members(below, item, always=chosen, group=group)


def _text_or_attribute(type_: Any, key: str, value: Any, place: tuple[str, ...]) -> tuple[str, Any]:
    if key == OWN_TEXT:
        own = own_type(type_)
        if own is None:
            raise ShapeError(place, tr("has no text of its own"))
        return str(type_.elements_nested[0][0]), _written(own, value)
    for name, attribute in getattr(type_, "attributes", ()):
        if attribute.name == key[1:]:
            return name, _written(attribute.type, value)
    raise ShapeError(place, tr("is no attribute there"))


def _occurrences(member: Member, value: Any, place: tuple[str, ...]) -> Any:
    values = value if isinstance(value, list) else [value]
    if member.element.accepts_multiple:
        return [shaped(member.type, item, place) for item in values]
    if len(values) != 1:
        raise ShapeError(place, f"occurs once, and {len(values)} values are to be sent")
    return shaped(member.type, values[0], place)


def _repeated_group(inside: list[tuple[Member, Any, tuple[str, ...]]]) -> list[dict[str, Any]]:
    """One group for each item of the lists in it; what is no list is in every one of them."""
    count = max(len(value) if isinstance(value, list) else 1 for _, value, _ in inside)
    groups: list[dict[str, Any]] = [{} for _ in range(count)]
    for member, value, place in inside:
        values = value if isinstance(value, list) else [value] * count
        if len(values) != count:
            raise ShapeError(place, "has not as many values as what stands beside it")
        for group, item in zip(groups, values, strict=True):
            group[member.key] = _occurrences(member, item, place)
    return groups


def _written(type_: Any, value: Any) -> Any:
    """A Python value as zeep takes it for a simple type (XSD 1.0 part 2 §3.2)."""
    if isinstance(value, list):  # an xs:list
        return [_written(type_, item) for item in value]
    if isinstance(value, bool):
        return value if isinstance(type_, Boolean) else str(value).lower()
    if isinstance(value, datetime) and not isinstance(type_, DateTime | Date):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    if isinstance(value, bytes) and not isinstance(type_, Base64Binary):
        return base64.b64encode(value).decode()
    return value

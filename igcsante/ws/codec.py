"""Domain values to and from what the XML of a web service holds, as a mapping file says.

Requests become nested dictionaries of values that zeep writes. Answers are read from their
elements: paths go by local name, every value is converted strictly, and whatever does not
fit raises ContractError, so that nothing of a strange answer is silently lost.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import fields
from datetime import UTC, datetime
from enum import Enum
from typing import Any

from lxml import etree

from ..errors import ConfigError, ContractError, UsageError
from ..identifiers import StructureId
from ..secret import Secret
from ..text import printable
from .mapping import ContractMapping, ElementPath, FieldPaths
from .operations import RecordField, is_record, record_fields

MAX_SHOWN = 60


# -- requests ------------------------------------------------------------------------


def encode(mapping: ContractMapping, record: object, paths: FieldPaths) -> dict[str, Any]:
    """The elements of a request, by name; fields that are empty are left out.

    Raises ConfigError when the mapping has no place, or no word, for something given.
    """
    elements: dict[str, Any] = {}
    for field in fields(record):  # type: ignore[arg-type]
        value = getattr(record, field.name)
        if value is None or value == "" or value == ():
            continue
        if field.name not in paths:
            raise ConfigError(
                f"{mapping.source}: no element is named for {field.name}, which is asked here",
                advice="leave it out, or add it to the mapping file",
            )
        for path in paths[field.name]:
            _place(elements, path, _encode_value(mapping, value))
    return elements


def _place(elements: dict[str, Any], path: ElementPath, value: Any) -> None:
    for step in path[:-1]:
        elements = elements.setdefault(step, {})
    elements[path[-1]] = value


def _encode_value(mapping: ContractMapping, value: Any) -> Any:
    if isinstance(value, tuple):
        return [_encode_value(mapping, item) for item in value]
    if isinstance(value, Enum):
        return _encode_word(mapping, value)
    if isinstance(value, StructureId):
        return str(value)
    if isinstance(value, Secret):
        return value.text()
    if isinstance(value, datetime):
        return _encode_time(mapping, value)
    if isinstance(value, bytes):
        return _encode_binary(mapping, value)
    if is_record(type(value)):
        return encode(mapping, value, mapping.records.get(type(value).__name__.lower(), {}))
    return value


def _encode_word(mapping: ContractMapping, member: Enum) -> str:
    words = mapping.words(type(member)).get(member.name)
    if not words:
        raise ConfigError(
            f"{mapping.source}: [enums.{type(member).__name__.lower()}] has no word for "
            f"{member.name}, so it can't be asked here"
        )
    return words[0]


def _encode_time(mapping: ContractMapping, value: datetime) -> datetime | str:
    if mapping.formats.datetime == "iso":
        return value.astimezone(UTC)
    return value.astimezone(mapping.formats.zone).strftime(mapping.formats.datetime)


def _encode_binary(mapping: ContractMapping, value: bytes) -> bytes | str:
    if mapping.formats.binary == "base64Binary":
        return value
    if value.startswith(b"-----BEGIN"):
        return value.decode("ascii", "replace")
    return base64.b64encode(value).decode()


# -- answers -------------------------------------------------------------------------


def decode(
    mapping: ContractMapping, record: type[Any], element: etree._Element, paths: FieldPaths
) -> Any:
    """The record that an element holds. Raises ContractError."""
    values: dict[str, Any] = {}
    for name, field in record_fields(record).items():
        if name not in paths:
            found = []
        else:
            found = [item for item in _find(element, paths[name][0]) if not _is_empty(item)]
        if field.is_list:
            values[name] = tuple(_decode_value(mapping, field, item) for item in found)
        elif len(found) > 1:
            raise ContractError(
                f"the answer has {len(found)} {local_name(found[0])}, one is expected"
            )
        elif found:
            values[name] = _decode_value(mapping, field, found[0])
        elif field.required:
            place = ".".join(paths[name][0]) if name in paths else name
            raise ContractError(f"the answer has no {place} in its {local_name(element)}")
    return record(**values)


def element_text(element: etree._Element, path: ElementPath) -> str:
    """The printable text at a path below ``element``, or "": for a fault's detail."""
    found = _find(element, path)
    return _text(found[0]) if found else ""


def _find(element: etree._Element, path: ElementPath) -> list[etree._Element]:
    found = [element]
    for step in path:
        found = [child for parent in found for child in parent if local_name(child) == step]
    return found


def local_name(element: etree._Element) -> str:
    """The name of an element without its namespace; "" for a comment and the like."""
    return etree.QName(element).localname if isinstance(element.tag, str) else ""


def _is_empty(element: etree._Element) -> bool:
    return not len(element) and not (element.text or "").strip()


def _decode_value(mapping: ContractMapping, field: RecordField, element: etree._Element) -> Any:
    if is_record(field.kind):
        paths = mapping.records.get(field.kind.__name__.lower(), {})
        return decode(mapping, field.kind, element, paths)
    if len(element):
        raise ContractError(
            f"{local_name(element)} of the answer has children, a value is expected"
        )
    try:
        if issubclass(field.kind, Enum):
            return _decode_word(mapping, field.kind, _text(element))
        if field.kind is datetime:
            return _decode_time(mapping, _text(element))
        return _PLAIN[field.kind](_text(element))
    except (ValueError, LookupError, OverflowError, UsageError):
        shown = "" if field.kind is bytes else f": {_text(element)[:MAX_SHOWN]!r}"
        raise ContractError(f"{local_name(element)} of the answer makes no sense{shown}") from None


def _text(element: etree._Element) -> str:
    return printable(element.text or "")


def _decode_word(mapping: ContractMapping, kind: type[Enum], text: str) -> Enum:
    for name, words in mapping.words(kind).items():
        if text in words:
            return kind[name]
    raise ValueError(text)


def _decode_time(mapping: ContractMapping, text: str) -> datetime:
    if mapping.formats.datetime == "iso":
        time = datetime.fromisoformat(text)
    else:
        time = datetime.strptime(text, mapping.formats.datetime)
    if time.tzinfo is None:
        time = time.replace(tzinfo=mapping.formats.zone)
    return time.astimezone(UTC)


def _decode_bool(text: str) -> bool:
    return {"true": True, "1": True, "false": False, "0": False}[text]


def _decode_bytes(text: str) -> bytes:
    return base64.b64decode("".join(text.split()), validate=True)


def _decode_int(text: str) -> int:
    if len(text) > 18:
        raise ValueError(text)
    return int(text)


_PLAIN: dict[type, Callable[[str], Any]] = {
    str: str,
    bool: _decode_bool,
    int: _decode_int,
    bytes: _decode_bytes,
    StructureId: StructureId.parse,
}

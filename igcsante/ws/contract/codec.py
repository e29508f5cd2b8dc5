"""Domain values to and from what the XML of a web service holds, as a mapping file says.

Requests become trees of values by element name. Answers are read from their elements: paths
go by local name, every value is converted strictly, and whatever does not fit raises
ContractError, so that nothing of a strange answer is silently lost.
"""

from __future__ import annotations

import base64
import re
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from enum import Enum
from typing import Any

from lxml import etree

from ...errors import ConfigError, ContractError, UsageError
from ...identifiers import StructureId
from ...messages import tr
from ...secret import Secret
from ..operations import RecordField, is_record, record_fields
from .mapping import Constants, ContractMapping, FieldPaths
from .paths import OWN_TEXT, ElementPath, Spot, local_name

MAX_SHOWN = 60
_ARMOUR = re.compile(r"-----(?:BEGIN|END) [A-Z0-9 ]{1,40}-----")

Tree = dict[str, Any]


# -- requests ------------------------------------------------------------------------


def encode(mapping: ContractMapping, operation: str, record: object, *, at: datetime) -> Tree:
    """The elements of a request: values and trees by name, attributes by ``@name``.

    An element's own text is at :data:`igcsante.ws.contract.paths.OWN_TEXT`. Empty fields are
    left out. ``at`` is what ``{time}`` stands for in a constant, a new UUID what ``{uuid}``
    does. Raises ConfigError when the mapping has no place, or no word, for something given.
    """
    spelled, encoder = mapping.operation(operation), _Encoder(mapping, operation)
    elements: Tree = {}
    encoder.place_constants(elements, spelled.constants, at)
    for field, constants in spelled.when.items():
        if not _is_absent(getattr(record, field)):
            encoder.place_constants(elements, constants, at)
    return encoder.fill(elements, record, spelled.request)


def encode_headers(mapping: ContractMapping, operation: str, *, at: datetime) -> Tree:
    """The texts of SOAP headers, by part of the WSDL's header messages."""
    elements: Tree = {}
    _Encoder(mapping, operation).place_constants(elements, mapping.headers, at)
    return elements


@dataclass(frozen=True)
class _Encoder:
    mapping: ContractMapping
    operation: str

    def fill(self, elements: Tree, record: object, paths: FieldPaths) -> Tree:
        for field in fields(record):  # type: ignore[arg-type]
            value = getattr(record, field.name)
            if _is_absent(value):
                continue
            for key, part in self._parts(field.name, value, paths):
                for path in paths[key]:
                    _place(elements, path, self._value(key, part))
        return elements

    def place_constants(self, elements: Tree, constants: Constants, at: datetime) -> None:
        for path, text in constants.items():
            value: Any = text
            if text == "{time}":
                value = self.time(at)
            elif text == "{uuid}":
                value = str(uuid.uuid4())
            _place(elements, path, value)

    def _parts(self, name: str, value: Any, paths: FieldPaths) -> list[tuple[str, Any]]:
        if name in paths:
            return [(name, value)]
        if isinstance(value, StructureId) and f"{name}.number" in paths:
            words = self.mapping.structure_types[value.type_code]
            parts = [(f"{name}.type", words[0]), (f"{name}.number", value.value)]
            return [(key, part) for key, part in parts if key in paths]
        raise ConfigError(
            tr(
                "{source}: no element is named for {name}, which is asked here",
                source=self.mapping.source,
                name=name,
            ),
            advice=tr(
                "leave it out, or add it to the mapping file: {name} = [] says that this "
                "contract has no place for it",
                name=name,
            ),
        )

    def _value(self, name: str, value: Any) -> Any:
        if isinstance(value, tuple):
            return [self._value(name, item) for item in value]
        if isinstance(value, Enum):
            return self._word(value)
        if isinstance(value, StructureId):
            return str(value)
        if isinstance(value, Secret):
            return value.text()
        if isinstance(value, bool) and self.mapping.formats.booleans:
            return self.mapping.formats.booleans["true" if value else "false"][0]
        if isinstance(value, datetime):
            return self.time(value)
        if isinstance(value, bytes):
            return self._binary(value)
        if is_record(type(value)):
            return self.fill({}, value, self.mapping.record(self.operation, type(value)))
        if name == "serial" and self.mapping.formats.serial == "decimal":
            return str(int(value, 16))
        return value

    def _word(self, member: Enum) -> str:
        words = self.mapping.words(type(member)).get(member.name)
        if not words:
            raise ConfigError(
                tr(
                    "{source}: [enums.{name}] has no word for {member}, so it can't be asked here",
                    source=self.mapping.source,
                    name=type(member).__name__.lower(),
                    member=member.name,
                )
            )
        return words[0]

    def time(self, value: datetime) -> datetime | str:
        pattern = self.mapping.formats.datetimes[0]
        if pattern == "iso":
            return value.astimezone(UTC)
        return value.astimezone(self.mapping.formats.zone).strftime(pattern)

    def _binary(self, value: bytes) -> bytes | str:
        if self.mapping.formats.binary != "text":
            return value
        if value.startswith(b"-----BEGIN"):
            return value.decode("ascii", "replace")
        return base64.b64encode(value).decode()


def _is_absent(value: Any) -> bool:
    return value is None or value == "" or value == ()


def _place(elements: Tree, path: ElementPath, value: Any) -> None:
    """Put a value where a path leads; the items of a list under the step that repeats."""
    keys = path.keys
    if isinstance(value, list) and 0 <= path.repeated < len(keys) - 1:
        rest = ElementPath(path.steps[path.repeated + 1 :], path.attribute)
        items: list[Tree] = [{} for _ in value]
        for tree, item in zip(items, value, strict=True):
            _place(tree, rest, item)
        keys, value = keys[: path.repeated + 1], items
    if not keys:
        elements.update(value if isinstance(value, dict) else {OWN_TEXT: value})
        return
    for step in keys[:-1]:
        below = elements.setdefault(step, {})
        if not isinstance(below, dict):  # an element whose text was put before
            below = elements[step] = {OWN_TEXT: below}
        elements = below
    already = elements.get(keys[-1])
    if isinstance(already, dict) and not isinstance(value, dict):
        already[OWN_TEXT] = value
    elif isinstance(already, dict):
        already.update(value)
    else:
        elements[keys[-1]] = value


# -- answers -------------------------------------------------------------------------


def decode(
    mapping: ContractMapping,
    operation: str,
    record: type[Any],
    element: etree._Element,
    derived: Mapping[str, Any] | None = None,
    *,
    at: datetime,
) -> Any:
    """The record that the body of an answer holds, which came ``at``.

    ``derived`` are values of fields that an answer may leave out since they can be told from
    the rest. Raises ContractError.
    """
    spelled, values = mapping.operation(operation), dict(derived or {})
    told = {name: at for name, text in spelled.defaults.items() if text == "{time}"}
    defaults = {name: text for name, text in spelled.defaults.items() if name not in told}
    decoder = _Decoder(mapping, operation)
    return decoder.record(record, element, spelled.response, defaults, {**values, **told})


@dataclass(frozen=True)
class _Decoder:
    mapping: ContractMapping
    operation: str

    def record(
        self,
        record: type[Any],
        element: etree._Element,
        paths: FieldPaths,
        defaults: Mapping[str, str],
        values: dict[str, Any],
    ) -> Any:
        for name, field in record_fields(record).items():
            found = self._found(element, name, paths)
            if field.is_list:
                values[name] = tuple(self._value(field, spot) for spot in found)
            elif len(found) > 1:
                raise ContractError(
                    tr(
                        "the answer has {count} {name}, one is expected",
                        count=len(found),
                        name=found[0].name,
                    )
                )
            elif found:
                values[name] = self._value(field, found[0])
            elif f"{name}.number" in paths:
                values[name] = self._structure(element, name, paths)
            elif name in defaults:
                values[name] = default_value(field, defaults[name])
            elif field.required and name not in values:
                place = str(paths[name][0]) if paths.get(name) else name
                raise ContractError(
                    tr(
                        "the answer has no {place} in its {element}",
                        place=place,
                        element=local_name(element),
                    )
                )
        try:
            return record(**values)
        except UsageError as error:  # a record that checks itself
            raise ContractError(
                tr("the answer makes no sense: {message}", message=error.message)
            ) from None

    def _found(self, element: etree._Element, name: str, paths: FieldPaths) -> list[Spot]:
        if not paths.get(name):
            return []
        return [spot for spot in paths[name][0].find(element) if not spot.is_empty]

    def _structure(self, element: etree._Element, name: str, paths: FieldPaths) -> StructureId:
        parts = [
            next((spot.text for spot in paths[key][0].find(element)), "") if key in paths else ""
            for key in (f"{name}.type", f"{name}.number")
        ]
        codes = [c for c, words in self.mapping.structure_types.items() if parts[0] in words]
        try:
            return StructureId.parse(codes[0] + parts[1])
        except (IndexError, UsageError):
            shown = " ".join(parts)[:MAX_SHOWN]
            raise ContractError(
                tr("{name} of the answer makes no sense: {shown!r}", name=name, shown=shown)
            ) from None

    def _value(self, field: RecordField, spot: Spot) -> Any:
        if is_record(field.kind):
            paths = self.mapping.record(self.operation, field.kind)
            defaults = self.mapping.defaults.get(field.kind.__name__.lower(), {})
            return self.record(field.kind, spot.element, paths, defaults, {})
        if spot.has_children:
            raise ContractError(
                tr("{spot} of the answer has children, a value is expected", spot=spot.name)
            )
        try:
            return self._plain(field, spot.text)
        except (ValueError, LookupError, OverflowError, UsageError):
            shown = "" if field.kind is bytes else f": {spot.text[:MAX_SHOWN]!r}"
            raise ContractError(
                tr("{spot} of the answer makes no sense{shown}", spot=spot.name, shown=shown)
            ) from None

    def _plain(self, field: RecordField, text: str) -> Any:
        if issubclass(field.kind, Enum):
            return _member(self.mapping.words(field.kind), field.kind, text)
        if field.kind is datetime:
            return self._time(text)
        if field.kind is bool and self.mapping.formats.booleans:
            return {w: k == "true" for k, ws in self.mapping.formats.booleans.items() for w in ws}[
                text
            ]
        if field.name == "serial" and self.mapping.formats.serial == "decimal":
            return f"{_decode_int(text, digits=49):X}"
        return _PLAIN[field.kind](text)

    def _time(self, text: str) -> datetime:
        formats = self.mapping.formats
        for pattern in formats.datetimes:
            try:
                time = _iso_time(text) if pattern == "iso" else datetime.strptime(text, pattern)
            except ValueError:
                continue
            return (time if time.tzinfo else time.replace(tzinfo=formats.zone)).astimezone(UTC)
        raise ValueError(text)


def default_value(field: RecordField, text: str) -> Any:
    """What a default of the mapping file says, in the domain's words. Raises ConfigError."""
    try:
        if issubclass(field.kind, Enum):
            return field.kind[text]
        return _DEFAULTS[field.kind](text)
    except (ValueError, LookupError):
        raise ConfigError(
            tr(
                "the default of {field} makes no sense: {text!r}",
                field=field.name,
                text=text[:MAX_SHOWN],
            ),
            advice=tr("run: igc ws check-mapping"),
        ) from None


def _member(known: Mapping[str, tuple[str, ...]], kind: type[Enum], text: str) -> Enum:
    for name, words in known.items():
        if text in words:
            return kind[name]
    raise ValueError(text)


def _iso_time(text: str) -> datetime:
    """xs:dateTime, and xs:date with the time zone that it may carry (XSD 1.0 part 2 §3.2.9)."""
    if len(text) > 10 and text[10] in "Z+-":
        text = f"{text[:10]}T00:00:00{text[10:]}"
    return datetime.fromisoformat(text)


def _decode_bool(text: str) -> bool:
    return {"true": True, "1": True, "false": False, "0": False}[text]


def _decode_bytes(text: str) -> bytes:
    """Base64, or the same as PEM (RFC 7468)."""
    return base64.b64decode("".join(_ARMOUR.sub("", text).split()), validate=True)


def _decode_int(text: str, *, digits: int = 18) -> int:
    if len(text) > digits:
        raise ValueError(text)
    return int(text)


_PLAIN: dict[type, Callable[[str], Any]] = {
    str: str,
    bool: _decode_bool,
    int: _decode_int,
    bytes: _decode_bytes,
    StructureId: StructureId.parse,
}
_DEFAULTS: dict[type, Callable[[str], Any]] = {str: str, bool: _decode_bool, int: _decode_int}

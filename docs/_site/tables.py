"""The tables of the reference, each from the code that it is about."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from importlib import resources
from typing import Any

from igcsante import errors
from igcsante.certs.policy import shipped_policies
from igcsante.certs.policy_text import policy_toml
from igcsante.cli.schemas import names, schema
from igcsante.cli.topics import EXIT_CODES
from igcsante.config import KEYS, VARIABLES, Key
from igcsante.doctor.run import CHECKS
from igcsante.ws.orders.entries import OrderState

from .commands import escaped


def table(headers: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A Markdown table; cells are Markdown already."""
    lines = [headers, ["---"] * len(headers), *rows]
    return "\n".join(
        "| " + " | ".join(str(cell).replace("|", "\\|").replace("\n", " ") for cell in line) + " |"
        for line in lines
    )


def exit_codes() -> str:
    """Each exit code of ``igc``, its name in Python, and what it means."""
    return table(
        ("Code", "Name", "Means"),
        [(int(c), f"`{c.name}`", escaped(str(EXIT_CODES[c]))) for c in errors.ExitCode],
    )


def error_codes() -> str:
    """Each code of ``igc.error/1``, its exception, its exit code."""
    rows = [
        (f"`{kind.code}`", f"`{kind.__name__}`", int(kind.exit_code), _first_line(kind))
        for kind in _kinds(errors.IgcError)
    ]
    return table(("`code`", "Exception", "Exit code", "When"), sorted(rows))


def order_states() -> str:
    """The states of an order in the journal."""
    return table(("State", "Means"), [(f"`{s}`", str(s.meaning)) for s in OrderState])


def policies() -> str:
    """Each policy that is shipped, whole and explained."""
    parts = []
    for policy in shipped_policies():
        parts += [f"## {policy.name}", escaped(str(policy.description)) + "."]
        parts.append(f"```toml\n{policy_toml(policy, explained=True)}```")
    return "\n\n".join(parts)


def config_keys() -> str:
    """Each key of a profile."""
    return table(
        ("Key", "Kind", "Default", "Meaning"),
        [
            (
                f"`{key.name}`",
                ", ".join(f"`{choice}`" for choice in key.choices) or str(key.kind),
                _default(key),
                escaped(str(key.about)) + (f" Option: `{key.flag}`." if key.flag else ""),
            )
            for key in KEYS.values()
        ],
    )


def _default(key: Key) -> str:
    values = key.default if isinstance(key.default, tuple) else (key.default,)
    return ", ".join(f"`{value}`" for value in values if value is not None) or "–"


def environment() -> str:
    """Each environment variable that igcsante reads."""
    return table(
        ("Variable", "Meaning"), [(f"`{v}`", escaped(str(t))) for v, t in VARIABLES.items()]
    )


def doctor_checks() -> str:
    """Each check of ``igc doctor``, in the order in which they are made."""
    return table(("Check", "Looks at"), [(f"`{c.id}`", escaped(str(c.title))) for c in CHECKS])


def mapping_file() -> str:
    """The mapping file of the mock's contract."""
    text = (resources.files("igcsante.ws") / "contract" / "mapping.toml").read_text("utf-8")
    return f"```toml\n{text}```"


def json_schemas() -> str:
    """Each JSON Schema, its properties as a table."""
    return "\n\n".join(part for name in names() for part in _schema(name))


def _schema(name: str) -> Iterator[str]:
    whole = schema(name)
    yield f"## {name}"
    yield escaped(whole["title"]) + "."
    if text := whole.get("description"):
        yield escaped(text)
    rows = [
        (f"`{key}`", _type(value), escaped(value.get("description", "")))
        for key, value in _properties(whole, whole)
        if key != "schema"
    ]
    if rows:
        yield table(("Property", "Type", "Meaning"), dict.fromkeys(rows))


def _properties(whole: dict[str, Any], part: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """The properties of a part of a schema, with those of what it refers to."""
    if "$ref" in part:
        document, _, path = part["$ref"].partition("#")
        name = document.removeprefix("urn:x-igcsante-toolkit:json:")
        found: Any = whole["$defs"][name] if name else whole
        for step in path.strip("/").split("/"):
            found = found[step]
        yield from _properties(whole, found)
    yield from part.get("properties", {}).items()
    for several in ("oneOf", "allOf", "anyOf"):
        for below in part.get(several, ()):
            yield from _properties(whole, below)


def _type(value: dict[str, Any]) -> str:
    """The type of a property, in words."""
    if "const" in value:
        return f"`{json.dumps(value['const'], ensure_ascii=False)}`"
    if "enum" in value:
        return ", ".join(f"`{json.dumps(item, ensure_ascii=False)}`" for item in value["enum"])
    if "$ref" in value:
        return value["$ref"].rsplit("/", 1)[-1].replace("_", " ")
    for several in ("anyOf", "oneOf"):
        if several in value:
            return " or ".join(dict.fromkeys(map(_type, value[several])))
    kinds = value.get("type", "any")
    words = [kinds] if isinstance(kinds, str) else list(kinds)
    if "array" in words and isinstance(value.get("items"), dict):
        words[words.index("array")] = f"list of {_type(value['items'])}"
    return " or ".join(words)


def _kinds(kind: type[errors.IgcError]) -> Iterator[type[errors.IgcError]]:
    yield kind
    for below in kind.__subclasses__():
        if below.__module__ == errors.__name__:
            yield from _kinds(below)


def _first_line(kind: type) -> str:
    return escaped((kind.__doc__ or "").strip().splitlines()[0])

"""Messages in files: what they were made from, beside the English that is stored.

A file keeps English, for programs and for whoever opens it. A recipe, JSON, lets igcsante make
the same message again, so that it is said in the language of who reads it, whatever the language
was when it was written. Nothing is in a recipe that isn't in the English text.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from datetime import date, datetime
from string import Formatter
from typing import Any

from .messages import Joined, Message

MAX_CHARACTERS = 4000
_MAX_DEPTH = 8


def recipe(text: str) -> str | None:
    """How a message is made again, as JSON; None for text that is none, or is too long.

    None too when a value of it isn't in the text as it is: it may be what mustn't be kept.
    """
    if not isinstance(text, Message) or len(text) > MAX_CHARACTERS:
        return None
    try:
        made = json.dumps(_parts(text, text, _MAX_DEPTH))
    except _NotTold:
        return None
    return made if len(made) <= MAX_CHARACTERS else None


def remade(text: str, made: str | None) -> str:
    """The message of a recipe; ``text`` as it is when that doesn't make this very text."""
    if not made or len(made) > MAX_CHARACTERS:
        return text
    try:
        message = _made(json.loads(made), _MAX_DEPTH)
    except (ValueError, KeyError, TypeError, AttributeError, IndexError, _NotTold):
        return text
    return message if isinstance(message, Message) and message == text else text


def recipes(document: object) -> dict[str, str]:
    """The recipes of all messages in nested lists and dictionaries, by their text."""
    return {str(text): made for text in _texts(document) if (made := recipe(text))}


def reworded(document: Any, made: Mapping[str, str]) -> Any:
    """The same document with the messages of the recipes in it."""
    if isinstance(document, dict):
        return {name: reworded(value, made) for name, value in document.items()}
    if isinstance(document, list):
        return [reworded(value, made) for value in document]
    return remade(document, made.get(document)) if isinstance(document, str) else document


class _NotTold(Exception):  # noqa: N818 - no error: there is no recipe
    """A value that the text doesn't tell."""


def _texts(document: object) -> Iterator[Message]:
    if isinstance(document, Message):
        yield document
    elif isinstance(document, Mapping):
        for value in document.values():
            yield from _texts(value)
    elif isinstance(document, list | tuple):
        for value in document:
            yield from _texts(value)


def _parts(message: Message, told: str, depth: int) -> dict[str, Any]:
    if not depth:
        raise _NotTold
    names = set(message.values)
    if not isinstance(message, Joined):
        texts = (message.template, message.plural) if names else ()
        names &= {"count", *(n for text in texts for _, n, _, _ in Formatter().parse(text) if n)}
    kept = {name: _kept(message.values[name], told, depth) for name in sorted(names, key=_order)}
    kind = "joined" if isinstance(message, Joined) else "template"
    more = {"plural": message.plural} if message.plural else {}
    return {kind: message.template, **more, "values": kept}


def _order(name: str) -> tuple[int, str]:
    return len(name), name  # the parts of a Joined are numbered


def _kept(value: Any, told: str, depth: int) -> Any:
    if isinstance(value, Message):
        return _parts(value, told, depth - 1)
    if isinstance(value, str):
        if value not in told and repr(value) not in told:
            raise _NotTold
        return str(value)
    if isinstance(value, datetime):
        return {"instant": value.isoformat()}
    return {"day": value.isoformat()} if isinstance(value, date) else value


def _made(parts: Any, depth: int) -> Any:
    if not isinstance(parts, dict):
        return parts
    if not depth:
        raise _NotTold
    if "instant" in parts:
        return datetime.fromisoformat(parts["instant"])
    if "day" in parts:
        return date.fromisoformat(parts["day"])
    values = {name: _made(value, depth - 1) for name, value in parts["values"].items()}
    if "joined" in parts:
        return Joined(parts["joined"], values)
    template = parts["template"]
    if values and not all(_is_plain(*field) for field in Formatter().parse(template)):
        raise _NotTold
    return Message(template, values, parts.get("plural", ""))


def _is_plain(_: str, name: str | None, spec: str | None, __: str | None) -> bool:
    """Whether a field names a value, and neither a part of one nor a width of our memory."""
    return name is None or (name.isidentifier() and not re.search(r"\d{4}", spec or ""))

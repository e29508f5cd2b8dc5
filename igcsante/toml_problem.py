"""What is wrong with a text that is no TOML, in the reader's language.

The parser of the standard library says it in English, with the place at the end of its sentence
and values within it.
"""

from __future__ import annotations

import ast
import re

from .messages import Message, tr

_PLACE = r" \(at (?:line (\d+), column (\d+)|end of document)\)$"
_WHOLE = (
    tr("Expected '=' after a key in a key/value pair"),
    tr("Expected ']' at the end of a table declaration"),
    tr("Expected ']]' at the end of an array declaration"),
    tr("Expected newline or end of document after a statement"),
)
_WITH_VALUE = (
    tr("Cannot declare {value} twice", value=""),
    tr("Cannot mutate immutable namespace {value}", value=""),
    tr("Cannot redefine namespace {value}", value=""),
    tr("Duplicate inline table key {value}", value=""),
    tr("Expected {value}", value=""),
    tr("Found invalid character {value}", value=""),
    tr("Illegal character {value}", value=""),
)


def toml_problem(error: ValueError) -> Message:
    """What the parser said, with the place: of a TOMLDecodeError or a UnicodeDecodeError."""
    if isinstance(error, UnicodeDecodeError):
        return tr("the text is not UTF-8")
    problem, line, column = toml_problem_and_place(error)
    if line is None:
        return tr("{problem} (at the end)", problem=problem)
    if not line:
        return problem
    return tr("{problem} (line {line}, column {column})", problem=problem, line=line, column=column)


def toml_problem_and_place(error: ValueError) -> tuple[Message, int | None, int]:
    """What the parser said, and where: line and column, line 0 when not told, None for the end."""
    text = str(error)
    place = re.search(_PLACE, text)
    if place is None:
        return _said(text), 0, 0
    line = int(place[1]) if place[1] else None
    return _said(text[: place.start()]), line, int(place[2] or 0)


def _said(text: str) -> Message:
    if text in _WHOLE:
        return Message(text, {})
    for known in _WITH_VALUE:
        before, after = known.template.split("{value}")
        if text.startswith(before) and text.endswith(after):
            value = _value(text[len(before) : len(text) - len(after)])
            return Message(known.template, {"value": value})
    return Message(text, {})


def _value(text: str) -> str:
    """A key is told as a tuple: ``('a', 'b')`` is ``a.b`` for people."""
    if not text.startswith("("):
        return text
    try:
        return ".".join(map(str, ast.literal_eval(text)))
    except (ValueError, SyntaxError, TypeError):
        return text

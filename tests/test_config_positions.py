"""Lines and columns of a TOML document: what is found there is what tomllib reads."""

from __future__ import annotations

import tomllib
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from igcsante.config.positions import Path, line_and_column, positions

NASTY = st.text(st.sampled_from("a#[]{}=,.'\"\\ é\n\t"), max_size=8)
GAPS = st.sampled_from(["", " ", "\t", "  "])
ENDS = st.sampled_from(["\n", " # a = 1 [x] 'q\"\n", "\r\n", "\n\n# [no]\n\n"])


def quoted(text: str) -> str:
    escapes = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\t": "\\t"}
    return '"' + "".join(escapes.get(char, char) for char in text) + '"'


def multiline(text: str) -> str:
    return '"""' + text.replace("\\", "\\\\").replace('"""', '""\\"') + '"""'


def literal(text: str) -> str:
    clean = text.replace("'", "").replace("\n", "")
    return f"'{clean}'"


STRINGS = st.one_of(
    NASTY.map(quoted),
    NASTY.filter(lambda text: not text.endswith('"""')).map(multiline),
    NASTY.map(literal),
    NASTY.map(lambda text: "'''" + text.replace("'", "") + "'''"),
    st.sampled_from(['""""two at the end"""""', "''''one, two'''''", '"""\\\n   cut"""']),
)
SCALARS = st.one_of(
    STRINGS,
    st.integers(-99, 99).map(str),
    st.sampled_from(["true", "1.5e3", "1979-05-27 07:32:00Z", "0xDEAD", "inf", "07:32:00"]),
)


@st.composite
def arrays(draw: st.DrawFn, items: st.SearchStrategy[str]) -> str:
    gaps = st.sampled_from(["", " ", "\n", " # ]\n  "])
    inside = [draw(gaps) + item + draw(gaps) for item in draw(st.lists(items, max_size=3))]
    return "[" + ",".join(inside) + draw(gaps) + "]"


@st.composite
def keys(draw: st.DrawFn) -> str:
    parts = st.one_of(
        st.sampled_from(["a", "b-1", "c_", "7"]), NASTY.map(quoted), NASTY.map(literal)
    )
    gap = draw(GAPS)
    return f"{gap}.{gap}".join(draw(st.lists(parts, min_size=1, max_size=3)))


@st.composite
def inline_tables(draw: st.DrawFn, items: st.SearchStrategy[str]) -> str:
    pairs = draw(st.lists(st.tuples(keys(), items), max_size=3))
    return "{" + ",".join(f" {key}{draw(GAPS)}= {value}" for key, value in pairs) + " }"


VALUES = st.recursive(SCALARS, lambda inner: arrays(inner) | inline_tables(inner), max_leaves=5)


@st.composite
def documents(draw: st.DrawFn) -> str:
    """Text that is mostly TOML."""
    lines = []
    for number in range(draw(st.integers(0, 6))):
        key, gap = draw(keys()), draw(GAPS)
        kind = draw(st.sampled_from(["pair", "pair", "table", "array"]))
        if kind == "pair":
            lines.append(f"{gap}k{number}.{key}{gap}={gap}{draw(VALUES)}{draw(ENDS)}")
        elif kind == "table":
            lines.append(f"{gap}[{gap}{key}.t{number}{gap}]{draw(ENDS)}")
        else:
            lines.append(f"[[{gap}{key}{gap}]]{draw(ENDS)}")
    return "".join(lines)


@given(documents())
def test_every_value_is_found_where_it_stands(text: str) -> None:
    try:
        content = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        assume(False)
    found = positions(text)
    values = {path: place for path, place in found.items() if place.start >= 0}
    assert missing(content, (), values) == []
    for path, place in values.items():
        assert tomllib.loads(f"x = {text[place.start : place.end]}")["x"] == at(content, path)
        name = path[-1]
        rest = text[place.key : place.start].rstrip(" \t").removesuffix("=").rstrip(" \t")
        assert list(tomllib.loads(f"{rest} = 1")) == [name]


def missing(content: Any, path: Path, values: dict[Path, Any]) -> list[Path]:
    """Leaves of the content that were not found."""
    if path in values:
        return []
    if isinstance(content, dict):
        return [p for key, inner in content.items() for p in missing(inner, (*path, key), values)]
    if isinstance(content, list):
        return [p for n, inner in enumerate(content) for p in missing(inner, (*path, n), values)]
    return [path]


def at(content: Any, path: Path) -> Any:
    for step in path:
        content = content[step]
    return content


@given(st.text(st.sampled_from("ab=[]{}\"'.,#\n "), max_size=40))
def test_what_is_no_toml_neither_fails_nor_hangs(text: str) -> None:
    positions(text)


@pytest.mark.parametrize("part", ["[", "{a=", '"', "a.", "'''", "[[a]]\n", "\\", "#\n", " "])
def test_hostile_megabytes_take_a_moment_and_no_stack(part: str) -> None:
    positions("a = " + part * (500_000 // len(part)))
    positions(part * (500_000 // len(part)))


def test_lines_and_columns_are_those_of_an_editor() -> None:
    text = '# é\r\n[profiles.test]\n  reader = "R"\n'
    place = positions(text)["profiles", "test", "reader"]
    assert line_and_column(text, place.key) == (3, 3)
    assert line_and_column(text, place.start) == (3, 12)
    assert line_and_column(text, positions(text)["profiles",].key) == (2, 2)

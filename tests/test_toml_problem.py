"""What is wrong with a TOML file is said in the reader's language, with the value and the place."""

from __future__ import annotations

import tomllib

import pytest

from igcsante.messages import localized
from igcsante.toml_problem import toml_problem, toml_problem_and_place


def problem_of(text: str) -> tomllib.TOMLDecodeError:
    with pytest.raises(tomllib.TOMLDecodeError) as caught:
        tomllib.loads(text)
    return caught.value


@pytest.mark.parametrize(
    ("text", "english", "french"),
    [
        ("[a.b]\n[a.b]", "Cannot declare a.b twice", "a.b ne peut être déclaré deux fois"),
        ("a = {x=1,x=2}", "Duplicate inline table key 'x'", "clé 'x' en double"),
        ('a="\x01"', r"Illegal character '\x01'", r"caractère interdit '\x01'"),
        ("# \x01", r"Found invalid character '\x01'", r"caractère invalide '\x01'"),
        ("a = ", "Invalid value", "valeur incorrecte"),
        ("[a", "Expected ']' at the end of a table declaration", "']' attendu à la fin"),
        ("a = 1 x", "Expected newline or end of document", "fin de ligne ou de fichier attendue"),
        ("a 1", "Expected '=' after a key", "'=' attendu après"),
        ("a = [1", "Unclosed array", "tableau non fermé"),
    ],
)
def test_both_languages(text: str, english: str, french: str) -> None:
    told = toml_problem(problem_of(text))
    assert localized(told, "en").startswith(english)
    assert localized(told, "fr").startswith(french)


def test_the_place_is_told_in_both_languages() -> None:
    told = toml_problem(problem_of("[a]\n[a]"))
    assert localized(told, "en").endswith("(line 2, column 3)")
    assert localized(told, "fr").endswith("(ligne 2, colonne 3)")
    assert toml_problem_and_place(problem_of("[a]\n[a]"))[1:] == (2, 3)
    at_end = problem_of("a = [1")
    assert toml_problem_and_place(at_end)[1] in (None, 1)


def test_words_that_nobody_knows_are_told_as_they_are() -> None:
    assert toml_problem(ValueError("what a parser may say")) == "what a parser may say"
    assert toml_problem_and_place(ValueError("x (at line 3, column 4)")) == ("x", 3, 4)


def test_text_that_is_no_utf8() -> None:
    with pytest.raises(UnicodeDecodeError) as caught:
        b"\xff".decode()
    assert "UTF-8" in toml_problem(caught.value)

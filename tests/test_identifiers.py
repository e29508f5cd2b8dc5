"""National identifiers: read as cards and certificates write them, never guessed."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from igcsante.errors import UsageError
from igcsante.identifiers import NationalId, StructureId, luhn_valid

quick = settings(max_examples=200, deadline=None)


def values(types: dict[str, tuple[str, str]]) -> st.SearchStrategy[tuple[str, str]]:
    """(type digit, value of its pattern)."""
    return st.sampled_from(sorted(types)).flatmap(
        lambda code: st.tuples(
            st.just(code), st.from_regex(re.compile(types[code][1], re.ASCII), fullmatch=True)
        )
    )


internal_numbers = st.text("ABCDEFGHIJ0123456789.-_", min_size=1, max_size=32)


@pytest.mark.parametrize(
    ("text", "type_name", "value", "internal"),
    [
        ("899700735741", "RPPS", "99700735741", ""),
        ("00B6077602", "ADELI", "0B6077602", ""),
        ("30B0057881/CPET0002", "FINESS", "0B0057881", "CPET0002"),
        ("500000000087098/CPAT0001", "SIRET", "00000000087098", "CPAT0001"),
        ("10B044028/0001", "cabinet ADELI", "0B044028", "0001"),
        ("201234", "DRASS", "01234", ""),
        ("4187512751/AGENT7", "SIREN", "187512751", "AGENT7"),
        ("699700735741/0001", "cabinet RPPS", "99700735741", "0001"),
        ("9123456789", "étudiant", "123456789", ""),
        ("10jean.dupont@exemple.mssante.fr", "MSSanté", "jean.dupont@exemple.mssante.fr", ""),
    ],
)
def test_identifiers_as_real_certificates_write_them(
    text: str, type_name: str, value: str, internal: str
) -> None:
    parsed = NationalId.parse(text)
    assert (parsed.type_name, parsed.value, parsed.internal) == (type_name, value, internal)
    assert str(parsed) == text


@pytest.mark.parametrize(
    ("upn", "text"),
    [
        ("8.99700735741@carte-cps.fr", "899700735741"),
        ("899700735741@carte-cps.fr", "899700735741"),
        ("30B0057881/CPET0002@carte-cps.fr", "30B0057881/CPET0002"),
        ("5.00000000087098.CPAT0001@carte-cps.fr", "500000000087098/CPAT0001"),
    ],
)
def test_user_principal_names(upn: str, text: str) -> None:
    assert str(NationalId.from_upn(upn)) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "8",
        "8997007357",  # too short
        "8997007357411",  # too long
        "899700735741/X",  # RPPS has no internal number
        "30B0057881",  # FINESS needs one
        "30B0057881/",
        "7123",  # no such type
        "10a/b@c",  # an address has no internal number
        "8٩٩٧٠٠٧٣٥٧٤١",
        "899700735741\nX",
        "30B0057881/a b",
        "30B0057881/" + "x" * 33,
        "Dr Dupont",
    ],
)
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        NationalId.parse(text)


@quick
@given(values(NationalId.TYPES), internal_numbers)
def test_parsing_and_writing_are_inverse(typed: tuple[str, str], internal: str) -> None:
    code, value = typed
    text = f"{code}{value}" + (f"/{internal}" if code in "13456" else "")
    parsed = NationalId.parse(text)
    assert str(parsed) == text
    assert NationalId.parse(str(parsed)) == parsed
    assert NationalId.from_upn(f"{text}@carte-cps.fr") == parsed


@quick
@given(st.text(max_size=60))
def test_no_text_does_anything_but_parse_or_be_refused(text: str) -> None:
    for read in (NationalId.parse, NationalId.from_upn, StructureId.parse):
        try:
            parsed = read(text)
        except UsageError:
            continue
        assert type(parsed).parse(str(parsed)) == parsed


@quick
@given(values(StructureId.TYPES))
def test_structures_parse_and_write(typed: tuple[str, str]) -> None:
    text = "".join(typed)
    assert str(StructureId.parse(text)) == text


def test_structure_types() -> None:
    assert StructureId.parse("318751275100020").type_name == "SIRET"
    assert StructureId.parse("10B0057881").type_name == "FINESS"
    for wrong in ("", "9123", "10B0057881/X", "318751275100"):
        with pytest.raises(UsageError):
            StructureId.parse(wrong)


@quick
@given(st.text("0123456789", min_size=1, max_size=20))
def test_luhn_key_exists_for_every_number_and_is_unique(number: str) -> None:
    assert sum(luhn_valid(number + key) for key in "0123456789") == 1


@quick
@given(st.text("0123456789", min_size=2, max_size=20), st.data())
def test_luhn_finds_any_single_wrong_digit(number: str, data: st.DataObject) -> None:
    valid = next(number + key for key in "0123456789" if luhn_valid(number + key))
    at = data.draw(st.integers(0, len(valid) - 1))
    wrong = data.draw(st.sampled_from([d for d in "0123456789" if d != valid[at]]))
    assert not luhn_valid(valid[:at] + wrong + valid[at + 1 :])


def test_wrong_key_is_a_warning_not_a_refusal() -> None:
    good = next(f"81000000000{key}" for key in range(10) if luhn_valid(f"1000000000{key}"))
    assert NationalId.parse(good).warnings == ()
    bad = good[:-1] + str((int(good[-1]) + 1) % 10)
    assert NationalId.parse(bad).warnings != ()


@pytest.mark.parametrize(
    ("text", "warned"),
    [
        ("318751275100020", False),
        ("318751275100021", True),
        ("2187512751", False),
        ("2187512752", True),
        ("499700367909006", False),  # 4, RPPS, rank
        ("499700367908006", True),
        ("10B0152872", False),  # no key is known for FINESS
        ("50B0152872", False),
    ],
)
def test_structure_keys_warn_only(text: str, warned: bool) -> None:
    assert bool(StructureId.parse(text).warnings) == warned


def test_staff_of_a_structure_has_its_key_checked_too() -> None:
    assert NationalId.parse("518751275100020/A1").warnings == ()
    assert "SIRET" in NationalId.parse("518751275100021/A1").warnings[0]


def test_written_for_people() -> None:
    assert NationalId.parse("899700735741").formatted == "RPPS 99700735741"
    assert NationalId.parse("30B0057881/CPET0002").formatted == "FINESS 0B0057881 / CPET0002"
    assert StructureId.parse("318751275100020").formatted == "SIRET 187 512 751 00020"
    assert StructureId.parse("2187512751").formatted == "SIREN 187 512 751"
    assert StructureId.parse("318751275100020").masked == "3…020"


def test_masked_shows_type_and_end_only() -> None:
    assert NationalId.parse("899700735741").masked == "8…741"


@pytest.mark.parametrize(
    ("number", "advised"),
    [
        ("18751275100020", "318751275100020"),
        ("187 512 751 00020", "318751275100020"),
        ("187512751", "2187512751"),
        ("0b0152872", "10B0152872"),
    ],
)
def test_forgotten_type_digit_is_advised(number: str, advised: str) -> None:
    with pytest.raises(UsageError) as caught:
        StructureId.parse(number)
    assert advised in caught.value.advice


def test_what_looks_like_no_number_is_told_the_type_digits() -> None:
    with pytest.raises(UsageError) as caught:
        StructureId.parse("Clinique")
    assert "3 SIRET" in caught.value.advice

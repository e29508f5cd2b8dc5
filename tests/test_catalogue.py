"""The reader of translations finds what the standard library's finds."""

from __future__ import annotations

import gettext
from pathlib import Path

import pytest

from igcsante import messages
from igcsante.catalogue import Catalogue

FILE = Path(messages.LOCALE_DIRECTORY) / "fr/LC_MESSAGES/igcsante.mo"


@pytest.fixture(scope="module")
def shipped() -> gettext.GNUTranslations:
    with FILE.open("rb") as file:
        return gettext.GNUTranslations(file)


def test_every_shipped_translation_is_found(shipped: gettext.GNUTranslations) -> None:
    ours = Catalogue(FILE.read_bytes())
    known: dict[str | tuple[str, int], str] = shipped._catalog  # type: ignore[attr-defined]
    assert len(known) > 1000
    for key in filter(None, known):
        if isinstance(key, str):
            assert ours.gettext(key) == shipped.gettext(key)
            continue
        one, _ = key
        for count in (0, 1, 2, 1000):
            assert ours.ngettext(one, "many", count) == shipped.ngettext(one, "many", count)
        assert ours.gettext(one) == shipped.gettext(one)


@pytest.mark.parametrize("unknown", ["", "\udc80", "~ after all", "!", "é", "revoked\0"])
def test_what_it_lacks_comes_back_as_it_is(unknown: str) -> None:
    ours = Catalogue(FILE.read_bytes())
    assert ours.gettext(unknown) == unknown
    assert [ours.ngettext(unknown, "many", count) for count in (1, 2)] == [unknown, "many"]


@pytest.mark.parametrize("data", [b"", b"\x95\x04\x12\xde" + bytes(24), b"msgid"])
def test_data_of_no_catalogue_are_an_empty_one(data: bytes) -> None:
    ours = Catalogue(data)
    assert (ours.gettext("revoked"), ours.ngettext("one", "many", 0)) == ("revoked", "many")


def test_a_language_without_a_file_is_in_english() -> None:
    assert messages.catalogue("xx").gettext("revoked") == "revoked"

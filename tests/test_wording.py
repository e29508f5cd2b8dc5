"""A message that a file keeps is said in the language of who reads it, and tells no more."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime

import pytest

from igcsante.messages import Message, joined, localized, plural, tr
from igcsante.wording import recipe, recipes, remade, reworded

AT = datetime(2026, 11, 22, 12, 38, tzinfo=UTC)
MESSAGES = [
    tr("revoked"),
    tr("set the clock, or let it be set: timedatectl set-ntp true {}"),
    tr("{who}: revoked on {date}{why}", who="DMP", date="2026-11-22 12:38 UTC", why=""),
    tr("{path}: {why}", path="a.pem", why=tr("the text is not UTF-8")),
    tr("{path!r} {path}", path="l'été"),
    tr("until {day:%Y-%m-%d}", day=date(2026, 11, 22)),
    tr("until {day:%Y-%m-%d}", day=AT),
    plural("{count} certificate", "{count} certificates", 1),
    plural("{count} certificate of {who}", "{count} certificates of {who}", 3, who="DMP"),
    joined("; ", [tr("revoked"), "as it is", *[tr("stale")] * 10]),
]


@pytest.mark.parametrize("message", MESSAGES, ids=str)
@pytest.mark.parametrize("language", ["en", "fr"])
def test_a_message_comes_back_whole(message: Message, language: str) -> None:
    again = remade(str(message), recipe(message))
    assert isinstance(again, Message)
    assert str(again) == str(message)
    assert localized(again, language) == localized(message, language)


def test_plain_text_has_no_recipe() -> None:
    assert recipe("revoked") is None
    assert remade("revoked", None) == "revoked"


@pytest.mark.parametrize(
    "message",
    [
        tr("the code is wrong", code="1234-secret"),
        tr("the code begins with {code:.2}", code="1234-secret"),
        tr("{path}: {why}", path="a", why=tr("wrong: {code:.1}", code="1234-secret")),
    ],
)
def test_what_the_text_does_not_tell_is_never_kept(message: Message) -> None:
    assert "1234-secret" not in message
    assert "1234-secret" not in (recipe(message) or "")


@pytest.mark.parametrize(
    "made",
    [
        "",
        "no JSON",
        "[]",
        "{}",
        '{"template": "another text", "values": {}}',
        '{"template": "{x.__class__}", "values": {"x": "revoked"}}',
        '{"template": "{x:>99999999999}", "values": {"x": "revoked"}}',
        '{"template": "{x}", "values": {"x": ' * 100 + '"revoked"' + "}}" * 100,
        '{"template": "revoked", "values": 1}',
        '{"template": 1, "values": {}}',
    ],
)
def test_a_recipe_that_does_not_make_the_text_is_not_believed(made: str) -> None:
    again = remade("revoked", made)
    assert again == "revoked"
    assert not isinstance(again, Message)


def test_messages_of_a_document_are_made_again_after_json() -> None:
    document = {"reasons": [{"code": "x", "message": MESSAGES[2]}], "ok": False, "n": None}
    made = recipes(document)
    again = reworded(json.loads(json.dumps(document)), json.loads(json.dumps(made)))
    assert again == document
    assert isinstance(again["reasons"][0]["message"], Message)
    assert list(made) == [str(MESSAGES[2])]

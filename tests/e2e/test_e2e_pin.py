"""A wrong PIN costs one try, and igc never spends one that it was not allowed to."""

from __future__ import annotations

from pathlib import Path

import pytest
from e2e_support import ORDER, WITHDRAWAL, Insert, both_generations, files_of, igc

COMMAND = ("--profile", "sim", "--json", "habilitations", "--pin-source")


@both_generations
def test_wrong_pin_is_sent_once_and_the_tries_left_are_told(
    inserted: Insert, monkeypatch: pytest.MonkeyPatch, generation: str
) -> None:
    held = inserted(generation)
    monkeypatch.setenv("E2E_PIN", "4321")
    for left, word in ((2, "2 tries left"), (1, "1 try left")):
        before = held.pins_sent
        told = igc(*COMMAND, "env:E2E_PIN")
        assert told.code == 4
        assert (told.error["code"], told.error["tries_left"]) == ("card.pin.wrong", left)
        assert f"the PIN is wrong: {word}" in told.said
        assert ("Careful: 2 of 3 PIN tries left." in told.said) == (left == 1)
        assert held.pins_sent == before + 1
    assert igc("card", "info", "--json").lines[0]["pin"] == {"tries_left": 1, "max_tries": 3}


@both_generations
def test_last_try_is_kept_unless_asked_for(inserted: Insert, home: Path, generation: str) -> None:
    held = inserted(generation, pin_tries_left=1)
    told = igc(*COMMAND, "cmd:touch asked")
    assert (told.code, told.error["code"]) == (5, "card.pin.refused")
    assert "--use-last-try" in told.said
    assert held.pins_sent == 0
    assert not (home / "asked").exists(), "the PIN is not even asked for"
    told = igc(*COMMAND, "env:E2E_PIN", "--use-last-try")
    assert (told.code, held.pins_sent) == (0, 1)
    assert igc("card", "info", "--json").lines[0]["pin"]["tries_left"] == 3


@both_generations
def test_last_try_that_fails_blocks_and_nothing_more_is_sent(
    inserted: Insert, monkeypatch: pytest.MonkeyPatch, generation: str
) -> None:
    held = inserted(generation, pin_tries_left=1)
    monkeypatch.setenv("E2E_PIN", "4321")
    told = igc(*COMMAND, "env:E2E_PIN", "--use-last-try")
    assert (told.code, told.error["code"]) == (5, "card.pin.blocked")
    assert "now blocked" in told.said and "PUK" in told.said
    for _ in range(2):
        told = igc(*COMMAND, "env:E2E_PIN", "--use-last-try")
        assert (told.code, told.error["tries_left"]) == (5, 0)
    assert held.pins_sent == 1


@pytest.mark.parametrize("pin", ["123", "12345", "12a4", "１２３４", "1234 "])
def test_what_cannot_be_a_pin_is_not_sent(
    inserted: Insert, monkeypatch: pytest.MonkeyPatch, pin: str
) -> None:
    held = inserted("cps3")
    monkeypatch.setenv("E2E_PIN", pin)
    told = igc(*COMMAND, "env:E2E_PIN")
    assert (told.code, told.error["code"]) == (2, "card.pin.format")
    assert "4 digits" in told.said
    assert held.pins_sent == 0


def test_order_with_a_wrong_pin_leaves_nothing(
    inserted: Insert, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inserted("cps3")
    monkeypatch.setenv("E2E_PIN", "4321")
    assert igc("--profile", "sim", *ORDER, *WITHDRAWAL).code == 4
    assert files_of(home) == set()
    assert igc("orders", "--json").out == ""

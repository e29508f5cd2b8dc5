"""The cache of cards on the command line: on where it is sound, and easily off."""

from __future__ import annotations

from pathlib import Path

import pytest
from e2e_support import CardInReader, Insert, configure, igc

from igcsante.testing.world import SimulatedWorld


@pytest.fixture
def cards(home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the cache, which is on."""
    monkeypatch.delenv("IGC_CARD_CACHE")
    return home.parent / "data" / "cache" / "cards"


def exchanges(held: CardInReader, *command: str) -> int:
    held.sent.clear()
    assert igc(*command).code == 0
    return len(held.sent)


def test_a_cps3_is_known_the_second_time(inserted: Insert, cards: Path) -> None:
    held = inserted("cps3")
    first, second = exchanges(held, "card", "id"), exchanges(held, "card", "id")
    assert second <= 6 < first
    assert exchanges(held, "card", "id", "--no-cache") > 6
    assert igc("card", "cache", "clear").out == "1 card forgotten.\n"
    assert exchanges(held, "card", "id") == first


def test_a_cps4_is_kept_only_when_asked(
    inserted: Insert, cards: Path, home: Path, world: SimulatedWorld
) -> None:
    held = inserted("cps4")
    assert exchanges(held, "card", "id") == exchanges(held, "card", "id") > 3
    assert not cards.exists()
    configure(home.parent / "config", world)
    with (home.parent / "config" / "config.toml").open("a") as file:
        file.write('\ncard_cache = "always"\n')
    sim = ("--profile", "sim", "card", "id")
    exchanges(held, *sim)
    assert exchanges(held, *sim) <= 3


@pytest.mark.parametrize("way", ["environment", "recording"])
def test_nothing_is_kept_when_not_wanted(
    inserted: Insert, cards: Path, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = inserted("cps3")
    if way == "environment":
        monkeypatch.setenv("IGC_CARD_CACHE", "never")
        exchanges(held, "card", "id")
    else:
        exchanges(held, "card", "record", "file", "--", "card", "id")
    assert not cards.exists()


def test_an_unknown_way_of_keeping_is_refused(home: Path, cards: Path) -> None:
    config = home.parent / "config" / "config.toml"
    config.write_text(config.read_text() + '\ncard_cache = "sometimes"\n')
    told = igc("--profile", "sim", "card", "id")
    assert told.code == 2 and "one of: auto, always, never" in told.said

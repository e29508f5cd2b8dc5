"""A card's state in a file: what one process did to a card, the next one finds."""

import json
import stat
from pathlib import Path

import pytest
from sim_support import answer, material, powered_card, send

from igcsante.errors import ConfigError
from igcsante.testing.cards import SimulatedCard, load_profile

PUK_DIGITS = "3132333435363738"
PIN_COUNTERS = "00CB3FFF0A4D087006BF810102A080"
PUK_COUNTERS = "00CB3FFF0A4D087006BF810202A080"


def card_with(path: Path, name: str = "cps3") -> SimulatedCard:
    """The card as another process would make it."""
    card = SimulatedCard(load_profile(name), material())
    card.keep_state(path)
    card.power_on()
    return card


def test_wrong_tries_block_the_card_for_the_next_process(tmp_path: Path) -> None:
    path = tmp_path / "card.json"
    for status in ("63C2", "63C1", "63C0", "6983"):
        assert send(card_with(path), "002000010439393939") == status
    assert send(card_with(path), "002000010431323334") == "6983"
    assert send(powered_card("cps3"), "002000010431323334") == "9000"


def test_new_pin_puk_uses_and_written_data_last(tmp_path: Path) -> None:
    path = tmp_path / "card.json"
    card = card_with(path)
    assert send(card, f"0020000208{PUK_DIGITS}") == "9000"
    assert send(card, "002C02010435363738") == "9000"
    assert send(card, "002000010435363738") == "9000"
    answer(card, "00A40904063F000001D107")
    assert send(card, "00D60000024142") == "9000"
    again = card_with(path)
    assert again.pin == "5678"
    assert send(again, "002000010431323334") == "63C2"
    assert b"\x9d\x02\x00\x63" in answer(again, PUK_COUNTERS)
    answer(again, "00A40904063F000001D107")
    assert send(again, "00B0000004") == "414200009000"
    # A verified PIN isn't state: power loses it.
    assert send(again, "00D60000024142") == "6982"


def test_state_is_for_its_owner_only_and_written_when_it_changes(tmp_path: Path) -> None:
    path = tmp_path / "card.json"
    card = card_with(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [path]
    before = path.stat()
    send(card, "00A4090C023F00")
    assert path.stat().st_ino == before.st_ino  # not written again
    send(card, "002000010439393939")
    assert path.stat().st_ino != before.st_ino
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_state_of_another_card_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "card.json"
    card_with(path)
    content = path.read_bytes()
    with pytest.raises(ConfigError, match="another card"):
        card_with(path, "cps4")
    assert path.read_bytes() == content


@pytest.mark.parametrize(
    "change",
    [
        lambda state: state["pins"]["1"].update(tries_left=4),
        lambda state: state["pins"]["1"].update(tries_left="2"),
        lambda state: state["pins"]["1"].update(value="12345"),
        lambda state: state["pins"]["1"].pop("value"),
        lambda state: state["pins"]["2"].update(uses_left=101),
        lambda state: state["pins"].update({"3": {}}),
        lambda state: state["files"].update({"3f000001d107": "00"}),
        lambda state: state["files"].update({"3f002f00": "00"}),
        lambda state: state["files"].update({"3f000001d107": "zz"}),
        lambda state: state.update(pins=[]),
        lambda state: state.pop("card"),
    ],
)
def test_damaged_state_is_refused_with_its_file(tmp_path: Path, change: object) -> None:
    path = tmp_path / "card.json"
    card_with(path)
    state = json.loads(path.read_bytes())
    change(state)  # type: ignore[operator]
    path.write_text(json.dumps(state))
    with pytest.raises(ConfigError, match=r"card\.json"):
        card_with(path)
    path.write_text("[")
    with pytest.raises(ConfigError, match="not the state"):
        card_with(path)

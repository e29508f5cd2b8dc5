"""Which card a name means: a reader's name, a part of it, or the serial number of a card."""

from __future__ import annotations

import pytest
from simulated import held

from igcsante.card.readers import open_card
from igcsante.errors import CardAbsentError, CardBusyError, CardUnsupportedError, UsageError
from igcsante.testing.cards import Fault, SimulatedReader


@pytest.fixture
def readers() -> list[SimulatedReader]:
    return [
        SimulatedReader("Front 00", held("cps3").card),
        SimulatedReader("Back 00", held("cps4").card),
        SimulatedReader("Empty 00"),
    ]


@pytest.mark.parametrize(
    ("name", "generation"),
    [("Front 00", "CPS3"), ("back", "CPS4"), ("99700301", "CPS3"), ("99700401", "CPS4")],
)
def test_a_card_is_chosen(readers: list[SimulatedReader], name: str, generation: str) -> None:
    with open_card(name, readers=readers) as card:
        assert card.generation == generation


def test_a_reader_whose_name_holds_the_digits_comes_first(readers: list[SimulatedReader]) -> None:
    readers.append(SimulatedReader("Pad (99700301)", held("cps4").card))
    with open_card("99700301", readers=readers) as card:
        assert card.generation == "CPS4"


def test_a_serial_number_that_no_card_has(readers: list[SimulatedReader]) -> None:
    with pytest.raises(CardAbsentError, match="00000000"):
        open_card("00000000", readers=readers)


def test_a_card_in_use_may_be_the_one_of_that_serial_number(readers: list[SimulatedReader]) -> None:
    readers[0].inject(Fault(0, "sharing"))
    with pytest.raises(CardBusyError):
        open_card("99700301", readers=readers)


def test_two_cards_must_be_told_apart(readers: list[SimulatedReader]) -> None:
    with pytest.raises(UsageError, match="several"):
        open_card(readers=readers)


def test_the_choice_leaves_the_other_cards_as_they_were(readers: list[SimulatedReader]) -> None:
    with open_card("back", readers=readers) as other:
        label = other.label()
        with open_card("99700301", readers=readers) as card:
            assert card.generation == "CPS3"
        assert other.serial and other.label() == label


def test_an_unknown_card_is_named_with_what_to_do() -> None:
    card = held("cps4").card
    card.atr = bytes.fromhex("3B9B188001001225006480050100009045")
    with pytest.raises(CardUnsupportedError, match="perhaps a CPx card") as refused:
        open_card(readers=[SimulatedReader("Only", card)])
    assert "report this ATR" in refused.value.advice

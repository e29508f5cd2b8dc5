"""What an answer to reset tells of a card that nobody knows."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from igcsante.card.atr import Atr, advice_for, describe
from igcsante.errors import CardError

CPS3 = "3BAC00402A001225006480000310009000"
CPS4 = "3B9B188001001225006480040100009044"
NEXT = "3B9B188001001225006480050100009045"  # as a CPS4's, another pre-issuing data
CPS3_LIKE = "3BAC00402A001225006480000410009000"
BANK = "3B6500002063CB6600"  # no compact data objects


@pytest.mark.parametrize(("raw", "pre_issuing"), [(CPS3, "80000310"), (CPS4, "80040100")])
def test_country_and_pre_issuing_data(raw: str, pre_issuing: str) -> None:
    atr = Atr.parse(bytes.fromhex(raw))
    assert (atr.country, atr.pre_issuing.hex()) == ("250", pre_issuing)


@pytest.mark.parametrize(
    ("raw", "said", "advised"),
    [
        (NEXT, "perhaps a CPx card", "report this ATR: 3B 9B"),
        (NEXT, "(country 250, France, pre-issuing data 80050100)", ""),
        (CPS3_LIKE, "a CPx card (contact) of an unknown generation", "report this ATR"),
        (BANK, "not of the CPx family", "insert a CPS card"),
        ("3BAC00402A001225006480820212009000", "a CPS2ter card", "no longer in force"),
        ("3B0201", "makes no sense", "insert a CPS card"),
    ],
)
def test_a_card_that_is_not_supported_is_told_apart(raw: str, said: str, advised: str) -> None:
    atr = bytes.fromhex(raw)
    assert said in describe(atr)
    assert advised in advice_for(atr)


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=36))
def test_any_bytes_are_described(raw: bytes) -> None:
    assert describe(raw)
    assert advice_for(raw)
    try:
        atr = Atr.parse(raw)
    except CardError:
        return
    assert all(1 <= tag <= 15 for tag in atr.objects)

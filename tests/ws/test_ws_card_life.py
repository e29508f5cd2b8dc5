"""The end of the card that orders is told in time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from igcsante.ws.card_life import CardEnd, end_of, notice

START = datetime(2024, 2, 29, 8, tzinfo=UTC)
FIVE_YEARS = datetime(2029, 2, 28, 8, tzinfo=UTC)
TWO_YEARS = datetime(2026, 2, 28, 8, tzinfo=UTC)


def test_a_test_card_ends_three_years_after_its_certificate_began() -> None:
    assert end_of(START, FIVE_YEARS, "test") == CardEnd(datetime(2027, 3, 1, 8, tzinfo=UTC), True)
    assert end_of(START, TWO_YEARS, "test") == CardEnd(TWO_YEARS, False)
    assert end_of(START, FIVE_YEARS, "production") == CardEnd(FIVE_YEARS, False)
    assert end_of(START, FIVE_YEARS, "unknown") == CardEnd(FIVE_YEARS, False)


@pytest.mark.parametrize(
    ("days", "opposed", "said"),
    [
        (61, True, ""),
        (60, True, "this test card is to be opposed about 2029-02-28"),
        (-1, True, "was to be opposed about"),
        (30, False, "the certificate of this card ends on 2029-02-28"),
        (-1, False, "ended on 2029-02-28"),
    ],
)
def test_a_card_that_ends_soon_is_told(days: int, opposed: bool, said: str) -> None:
    told = notice(CardEnd(FIVE_YEARS, opposed), FIVE_YEARS - timedelta(days=days))
    assert told.startswith(said) or said in told
    assert bool(told) == bool(said)

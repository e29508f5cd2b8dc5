"""How long the card that orders still works: nothing is ordered, renewed or revoked without it.

Facts sheet platform.md §1: a test card is opposed after 3 years. From which day is not said;
that on which its certificate begins is taken. Habilitations of a CPA card pass to the next one.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from ..messages import tr

TEST_CARD_YEARS = 3
NOTICE = timedelta(days=60)


@dataclass(frozen=True)
class CardEnd:
    """When a card stops working, and whether by opposition rather than by its certificate."""

    on: datetime
    opposed: bool


def end_of(not_before: datetime, not_after: datetime, world: str) -> CardEnd:
    """The end of a card, from its authentication certificate; ``world`` as in its profile."""
    opposition = _years_after(not_before, TEST_CARD_YEARS)
    if world == "test" and opposition < not_after:
        return CardEnd(opposition, opposed=True)
    return CardEnd(not_after, opposed=False)


def notice(end: CardEnd, at: datetime) -> str:
    """What to tell the holder of a card that ends within 60 days, in words; else nothing."""
    if end.on - at > NOTICE:
        return ""
    day, left = f"{end.on:%Y-%m-%d}", (end.on - at).days
    if end.opposed:
        what = (
            tr(
                "this test card is to be opposed about {day}, {years} years after its certificate "
                "began",
                day=day,
                years=TEST_CARD_YEARS,
            )
            if left >= 0
            else tr(
                "this test card was to be opposed about {day}, {years} years after its certificate "
                "began",
                day=day,
                years=TEST_CARD_YEARS,
            )
        )
    elif left >= 0:
        what = tr("the certificate of this card ends on {day}", day=day)
    else:
        what = tr("the certificate of this card ended on {day}", day=day)
    return tr(
        "{what}. Without a card nothing is ordered, renewed or revoked: order the next one in time",
        what=what,
    )


def _years_after(moment: datetime, years: int) -> datetime:
    """The same day so many years later; 29 February becomes 1 March."""
    try:
        return moment.replace(year=moment.year + years)
    except ValueError:
        return moment.replace(year=moment.year + years, month=3, day=1)

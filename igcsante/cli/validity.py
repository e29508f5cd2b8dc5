"""Whether a certificate is in its period of validity, in words (RFC 5280 §4.1.2.5).

Of the card's own certificates nothing more is told here: chain and revocation are the
business of ``igc check``.
"""

from __future__ import annotations

from datetime import datetime

from ..messages import tr
from ..words import certificate_of

VALID, EXPIRED, NOT_YET_VALID = "valid", "expired", "not_yet_valid"


def validity(not_before: datetime, not_after: datetime, at: datetime) -> str:
    """Where ``at`` lies: VALID, EXPIRED or NOT_YET_VALID."""
    if at > not_after:
        return EXPIRED
    return VALID if at >= not_before else NOT_YET_VALID


def validity_text(not_before: datetime, not_after: datetime, at: datetime) -> str:
    """The same for a page, with the date that matters."""
    match validity(not_before, not_after, at):
        case "expired":
            return tr("EXPIRED since {not_after:%Y-%m-%d}", not_after=not_after)
        case "not_yet_valid":
            return tr(
                "NOT YET VALID: from {not_before:%Y-%m-%d} until {not_after:%Y-%m-%d}",
                not_before=not_before,
                not_after=not_after,
            )
    return tr("valid until {not_after:%Y-%m-%d}", not_after=not_after)


def validity_warning(
    purpose: str, not_before: datetime, not_after: datetime, at: datetime
) -> str | None:
    """What to warn of before such a certificate is used, None when it is valid."""
    match validity(not_before, not_after, at):
        case "expired":
            return tr(
                "{certificate} expired on {not_after:%Y-%m-%d}",
                certificate=certificate_of(purpose),
                not_after=not_after,
            )
        case "not_yet_valid":
            return tr(
                "{certificate} is not valid before {not_before:%Y-%m-%d}",
                certificate=certificate_of(purpose),
                not_before=not_before,
            )
    return None

"""How the lists that are kept are shown: in tables, in pairs, as JSON."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from ..instants import parse_instant, shown
from ..messages import tr
from ..words import said
from .output import say_pairs, say_table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..certs.crl.store import StoredCrl
    from ..certs.crl.update import Update


def described(stored: StoredCrl) -> dict[str, object]:
    from ..certs.crl.kept import is_intact

    return {
        "issuer": stored.issuer,
        "number": None if stored.number is None else str(stored.number),
        "base_number": None if stored.base_number is None else str(stored.base_number),
        "this_update": stored.this_update,
        "next_update": stored.next_update,
        "entries": stored.entries,
        "size": stored.size,
        "sha256": stored.sha256,
        "source": stored.source,
        "fetched_at": stored.fetched_at,
        "indexed": stored.indexed,
        "intact": is_intact(stored),
        "path": stored.path,
    }


def print_stored(stored: StoredCrl) -> None:
    kind = tr("complete")
    if stored.base_number is not None:
        kind = tr("delta, completes {base_number}", base_number=stored.base_number)
    say_pairs(
        [
            (tr("Issuer"), stored.issuer),
            (tr("Number"), number(stored)),
            (tr("Kind"), kind),
            (tr("Made"), shown(stored.this_update)),
            (tr("Valid until"), shown(stored.next_update) or tr("not said")),
            (tr("State"), state(stored, datetime.now(UTC))),
            (tr("Entries"), count(stored.entries)),
            (tr("Size"), tr("{size:,} bytes", size=stored.size)),
            (tr("SHA-256"), stored.sha256),
            (tr("From"), stored.source),
            (tr("Fetched"), shown(stored.fetched_at) or ""),
            (tr("Kept as"), str(stored.path)),
        ]
    )


def entry_pairs(entry: dict[str, str | None]) -> list[tuple[str, str | None]]:
    date = entry["date"] and shown(parse_instant(entry["date"]), seconds=True)
    return [
        (tr("Serial"), entry["serial"]),
        (tr("Revoked"), date or tr("not in this list")),
        (tr("Reason"), entry["reason"] or (tr("not told") if date else None)),
    ]


def issuer_name(stored: StoredCrl) -> str:
    """The CN of the issuer, or else its whole name."""
    from ..certs.x509.names import common_name

    return common_name(stored.issuer)


def number(stored: StoredCrl | None) -> str:
    if stored is None or stored.number is None:
        return "-"
    if stored.base_number is not None:
        return tr("{number} (delta)", number=stored.number)
    return str(stored.number)


def state(stored: StoredCrl, now: datetime) -> str:
    from ..certs.crl.kept import is_intact

    if not is_intact(stored):
        return tr("damaged")
    if stored.next_update is None:
        return tr("no end date")
    return tr("in force") if stored.next_update >= now else tr("outdated")


def count(number: int | None) -> str:
    return "-" if number is None else tr("{number:,}", number=number)


def day(moment: datetime | None) -> str:
    return shown(moment) or "-"


def print_kept(found: Sequence[StoredCrl], now: datetime) -> None:
    """A line for each list that is kept."""
    say_table(
        (tr("Issuer"), tr("Number"), tr("Entries"), tr("Made"), tr("Valid until"), tr("State")),
        [
            (
                issuer_name(stored),
                number(stored),
                count(stored.entries),
                day(stored.this_update),
                day(stored.next_update),
                state(stored, now),
            )
            for stored in found
        ],
    )


def print_updates(updates: list[Update]) -> None:
    """What became of each list; one without address that nobody brought has nothing to show."""
    say_table(
        (tr("List"), tr("Outcome"), tr("Number"), tr("Made"), tr("Valid until"), tr("Entries")),
        [
            (
                update.published.name,
                said(update.outcome),
                number(update.stored),
                day(update.stored.this_update if update.stored else None),
                day(update.stored.next_update if update.stored else None),
                count(update.stored.entries if update.stored else None),
            )
            for update in updates
            if update.published.urls or update.stored
        ],
    )

"""Orders for people: a table of them, and what became of each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..instants import shown
from ..messages import Message, tr, translated
from .output import say_table

if TYPE_CHECKING:
    from ..ws.orders.journal import Entry


def print_entries(entries: tuple[Entry, ...]) -> None:
    """A line for each."""
    say_table(
        (tr("No"), tr("Ordered"), tr("What"), tr("Name"), tr("State")),
        [
            (
                str(entry.id),
                shown(entry.created),
                f"{entry.offre} {entry.usage}",
                entry.label,
                _how_far(entry),
            )
            for entry in entries
        ],
    )


def _how_far(entry: Entry) -> str:
    why = recalled(entry.unusable) or recalled(entry.last_error)
    if not why:
        return entry.state.meaning
    return tr("{meaning} ({why})", meaning=entry.state.meaning, why=why)


def recalled(error: str) -> str:
    """A message again, from its text in a journal of an earlier version, which kept no more."""
    if isinstance(error, Message):
        return error
    for known in _REFUSALS:
        if error.startswith(known):
            (value,) = known.values
            return Message(known.template, {value: error.removeprefix(known)})
    return translated(error)


_REFUSALS = (
    tr("the platform refuses: {shown}", shown=""),
    tr("the platform can't do it now: {shown}", shown=""),
)

"""The park from the journal alone, however long it is: counted and put in order by SQLite.

What an order's standing is, :mod:`igcsante.ws.orders.park` says; here the same is said in SQL, so
that only the lines that are shown are read.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from ...instants import iso
from .entries import OrderState
from .journal import Journal
from .park import NOTICE_DAYS, OF_ENTRY, Line, Standing, View, line_of_entry


def _texts(states: Sequence[OrderState]) -> str:
    return ", ".join(f"'{state.value}'" for state in states)


_NOTHING = _texts([state for state in OrderState if state.nothing_ordered])
_DOUBT = _texts([state for state in OrderState if state.in_doubt])
_HERE = "(certificate_path != '' OR serial IN (SELECT value FROM json_each(:found)))"
_STANDING = f"""CASE
    WHEN state IN ({_DOUBT}) THEN '{Standing.IN_DOUBT}'
    {" ".join(f"WHEN state = '{state}' THEN '{told}'" for state, told in OF_ENTRY.items())}
    WHEN not_after != '' AND not_after < :now THEN '{Standing.EXPIRED}'
    WHEN unusable != '' OR NOT {_HERE} THEN '{Standing.LOST}'
    WHEN not_after != '' AND not_after <= :soon THEN '{Standing.EXPIRING}'
    ELSE '{Standing.ACTIVE}' END"""
_PARK = f"state NOT IN ({_NOTHING}) AND (:profile = '' OR profile = :profile)"
_URGENCY = " ".join(f"WHEN '{standing}' THEN {rank}" for rank, standing in enumerate(Standing))


@dataclass(frozen=True)
class Overview:
    """The park of a journal at an instant, as :func:`igcsante.ws.orders.park.survey` sees it.

    ``found`` are certificate files by serial (lower-case hexadecimal), for orders whose files
    the journal doesn't know.
    """

    journal: Journal
    at: datetime
    within: timedelta = timedelta(days=NOTICE_DAYS)
    profile: str = ""
    found: Mapping[str, Path] | None = None

    def counts(self) -> dict[Standing, int]:
        """How many orders have each standing, the most urgent first."""
        query = f"SELECT {_STANDING}, COUNT(*) FROM orders WHERE {_PARK} GROUP BY 1"  # noqa: S608
        counted = dict(self.journal.rows(query, self._values()))
        return {standing: counted[standing] for standing in Standing if standing in counted}

    def due(self) -> int:
        """How many end soon and nothing succeeds them yet."""
        query = f"""SELECT COUNT(*) FROM orders WHERE {_PARK} AND {_STANDING} = :standing
            AND (product_id = '' OR product_id NOT IN
                (SELECT renews FROM orders WHERE {_PARK} AND renews != ''))"""  # noqa: S608
        values = {**self._values(), "standing": Standing.EXPIRING.value}
        ((number,),) = self.journal.rows(query, values)
        return int(number)

    def lines(self, only: Sequence[Standing] = (), limit: int | None = None) -> Iterator[Line]:
        """The orders of those standings, the most urgent first, read one by one."""
        wanted = json.dumps([standing.value for standing in only or Standing])
        clause = f"""WHERE {_PARK} AND {_STANDING} IN (SELECT value FROM json_each(:wanted))
            ORDER BY CASE {_STANDING} {_URGENCY} END,
            CASE not_after WHEN '' THEN 'none' ELSE not_after END, id DESC LIMIT :limit"""  # noqa: S608
        values = {
            **self._values(),
            "wanted": wanted,
            "limit": -1 if limit is None else limit,
        }
        view = View(self._now(), self.within, False, self._successors(), self.found or {})
        for entry in self.journal.entries(clause, values):
            yield line_of_entry(entry, view)

    def _successors(self) -> dict[str, str]:
        """What the orders in the journal renew, and their product or number."""
        query = f"""SELECT renews, product_id, id FROM orders
            WHERE {_PARK} AND renews != '' ORDER BY id DESC"""  # noqa: S608
        rows = self.journal.rows(query, self._values())
        return {renewed: product or f"order {number}" for renewed, product, number in rows}

    def _now(self) -> datetime:
        return self.at.replace(microsecond=0)  # the journal's ends are whole seconds

    def _values(self) -> dict[str, object]:
        now = self._now()
        return {
            "now": iso(now),
            "soon": iso(now + self.within),
            "profile": self.profile,
            "found": json.dumps(list(self.found or ())),
        }

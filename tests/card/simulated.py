"""Simulated cards whose certificates look like a card's, in a reader, open."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cache
from typing import Any

from igcsante.card.monitor import Monitor
from igcsante.card.readers import open_card
from igcsante.card.session import CpsCard
from igcsante.testing.cards import CardMaterial, SimulatedCard, SimulatedReader, load_profile
from igcsante.testing.pki import SimulatedPki

AT = datetime(2026, 11, 22, tzinfo=UTC)
GENERATIONS = ("cps3", "cps4")


@cache
def pki() -> SimulatedPki:
    return SimulatedPki.create(at=AT, base_url="http://127.0.0.1:9")


@cache
def material(name: str) -> CardMaterial:
    return pki().issue_card(load_profile(name), AT)


@dataclass
class Held:
    """A card, its reader, and every command that reached it."""

    card: SimulatedCard
    reader: SimulatedReader
    sent: list[bytes]

    def of(self, *instructions: int) -> list[str]:
        """The commands of these instructions, in hexadecimal."""
        return [raw.hex().upper() for raw in self.sent if raw[1] in instructions]

    @contextmanager
    def opened(self, monitor: Monitor | None = None) -> Iterator[CpsCard]:
        with open_card(readers=[self.reader], monitor=monitor) as card:
            yield card


def held(name: str, **changes: Any) -> Held:
    """A new card of the profile ``name``, with ``changes``."""
    card = SimulatedCard(replace(load_profile(name), **changes), material(name))
    found = Held(card, SimulatedReader("Simulated reader", card), [])
    transmit = card.transmit

    def recorded(command: bytes) -> bytes:
        found.sent.append(command)
        return transmit(command)

    card.transmit = recorded  # type: ignore[method-assign]
    return found

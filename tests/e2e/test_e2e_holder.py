"""A certificate that names two holders is refused wherever it is read whole."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from e2e_support import CardInReader, igc

from igcsante.card import readers
from igcsante.testing.cards import SimulatedCard, SimulatedReader, load_profile
from igcsante.testing.pki import leaves
from igcsante.testing.world import SimulatedWorld

ASKING = ("habilitations", "--pin-source", "env:E2E_PIN")


@pytest.mark.parametrize("generation", ["cps3", "cps4"])
@pytest.mark.parametrize("command", [("card", "info"), ASKING])
def test_two_names_in_one_certificate_go_nowhere(
    world: SimulatedWorld,
    home: Path,
    monkeypatch: pytest.MonkeyPatch,
    generation: str,
    command: tuple[str, ...],
) -> None:
    monkeypatch.setattr(leaves, "_card_upn", lambda _: "8.99700075122@carte-cps.fr")
    profile = load_profile(generation)
    card = SimulatedCard(profile, world.pki.issue_card(profile, datetime.now(UTC)))
    held = CardInReader(card, SimulatedReader("Simulated reader", card))
    monkeypatch.setattr(readers, "system_readers", lambda: [held.reader])
    told = igc("--profile", "sim", *command)
    assert told.code != 0
    assert "two different holders" in told.said
    assert held.signatures == 0  # no handshake was begun

"""The card is pulled out at every single exchange: one clear error, nothing half-done."""

from __future__ import annotations

from pathlib import Path

import pytest
from e2e_support import ORDER, WITHDRAWAL, Insert, both_generations, files_of, igc, insert

from igcsante.errors import CardAbsentError, CardRemovedError, ExitCode
from igcsante.secret import Secret
from igcsante.testing.demo import main_job
from igcsante.testing.world import SimulatedWorld

PIN = Secret("1234")


@both_generations
def test_removal_at_any_exchange_of_the_job_is_one_clear_error(
    world: SimulatedWorld, tmp_path: Path, generation: str
) -> None:
    whole = insert(world, generation)
    assert list(main_job([whole.reader], world.profile, PIN, tmp_path / "whole"))
    count = len(whole.sent)
    assert count > 20
    for exchange in range(1, count + 1):
        held = insert(world, generation)
        held.reader.remove_at(exchange)
        folder = tmp_path / str(exchange)
        with pytest.raises((CardRemovedError, CardAbsentError)) as caught:
            list(main_job([held.reader], world.profile, PIN, folder))
        assert caught.value.exit_code is ExitCode.NO_CARD
        assert "Simulated reader: the card was removed" in caught.value.message
        assert "insert" in caught.value.advice
        assert len(held.sent) == exchange - 1, "nothing is tried again"
        assert held.pins_sent <= 1
        assert files_of(folder) == set()


@both_generations
def test_after_the_handshake_the_card_is_not_needed(
    world: SimulatedWorld, tmp_path: Path, generation: str
) -> None:
    held = insert(world, generation)
    steps = []
    for step in main_job([held.reader], world.profile, PIN, tmp_path):
        steps.append(step.step)
        if step.step == "tls":
            held.reader.remove()
    assert steps[-1] == "signatures"


def test_job_without_a_card_says_so(world: SimulatedWorld, tmp_path: Path) -> None:
    held = insert(world, "cps3")
    held.reader.remove()
    with pytest.raises(CardAbsentError, match="no card is inserted"):
        list(main_job([held.reader], world.profile, PIN, tmp_path))


@both_generations
@pytest.mark.parametrize("from_the_end", [0, 1, 2])
def test_order_whose_handshake_loses_the_card_leaves_no_key(
    inserted: Insert, home: Path, generation: str, from_the_end: int
) -> None:
    """The last exchanges sign: by then the key is on disk and the order in the journal."""
    held = inserted(generation)
    assert igc("--profile", "sim", "habilitations", "--pin-source", "env:E2E_PIN").code == 0
    last = len(held.sent)
    held = inserted(generation)
    held.reader.remove_at(last - from_the_end)
    told = igc("--profile", "sim", "--json", *ORDER, *WITHDRAWAL, "--out", "out")
    assert (told.code, told.error["code"]) == (3, "card.removed")
    assert held.pins_sent == 1
    assert files_of(home) == set()
    orders = igc("orders", "--json").lines
    assert [order["state"] for order in orders] in ([], ["failed"])
    if orders:
        assert "the card was removed" in orders[0]["last_error"]
    if from_the_end == 0:
        assert orders, "the order was about to leave"


@both_generations
@pytest.mark.parametrize("command", ["info", "certs"])
def test_removal_while_the_card_is_read(inserted: Insert, generation: str, command: str) -> None:
    whole = inserted(generation)
    assert igc("card", command).code == 0
    for exchange in range(1, len(whole.sent) + 1):
        held = inserted(generation)
        held.reader.remove_at(exchange)
        told = igc("card", command)
        assert (told.code, told.out) == (3, "")
        assert "the card was removed" in told.said
        assert held.pins_sent == 0

"""The card is pulled out at every single exchange: one clear error, nothing half-done."""

from __future__ import annotations

from pathlib import Path

import pytest
from card_commands import (
    CARD_COMMANDS,
    CHANGE,
    CONTACTLESS,
    JSON,
    NEW_PIN,
    RECORD,
    RESET,
    WITHOUT_CARD,
    Bench,
    CardCommand,
    Run,
    cases,
    commands_of,
    sample,
)
from e2e_support import ORDER, WITHDRAWAL, Insert, both_generations, files_of, igc, insert

from igcsante.card.recording import Recording
from igcsante.errors import CardAbsentError, CardRemovedError, ExitCode
from igcsante.secret import Secret
from igcsante.testing.cards import Fault
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
    """The last exchanges sign: by then the key is on disk and the order in the journal.

    Unchecked, since asking for the habilitations first would be the one that signs.
    """
    held = inserted(generation)
    assert igc("--profile", "sim", "habilitations", "--pin-source", "env:E2E_PIN").code == 0
    last = len(held.sent)
    held = inserted(generation)
    held.reader.remove_at(last - from_the_end)
    told = igc("--profile", "sim", "--json", *ORDER, *WITHDRAWAL, "--unchecked", "--out", "out")
    assert (told.code, told.error["code"]) == (3, "card.removed")
    assert held.pins_sent == 1
    assert files_of(home) == set()
    orders = igc("orders", "--json").lines
    assert [order["state"] for order in orders] in ([], ["failed"])
    if orders:
        assert "the card was removed" in orders[0]["last_error"]
    if from_the_end == 0:
        assert orders, "the order was about to leave"


# -- every command -------------------------------------------------------------------------

long = pytest.mark.long


@pytest.fixture
def bench(world: SimulatedWorld, home: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    return Bench(world, home, monkeypatch)


def test_every_command_is_known_to_these_tests() -> None:
    named = {command.name for command in CARD_COMMANDS}
    assert not named & WITHOUT_CARD
    assert set(commands_of()) == named | WITHOUT_CARD


@pytest.mark.parametrize(("command", "card"), cases(quick=True))
def test_a_removed_card_ends_a_command_cleanly(
    bench: Bench, command: CardCommand, card: str
) -> None:
    whole = undisturbed(bench, command, card)
    for exchange in sample(whole.exchanges, command.id + card):
        ends_cleanly(bench, command, card, whole, exchange, "remove")
        ends_cleanly(bench, command, card, whole, exchange, "remove", as_json=False)


@long
@pytest.mark.parametrize("kind", ["remove", "unplug"])
@pytest.mark.parametrize(("command", "card"), cases())
def test_a_card_removed_at_any_exchange_ends_any_command_cleanly(
    bench: Bench, command: CardCommand, card: str, kind: str
) -> None:
    whole = undisturbed(bench, command, card)
    for exchange in range(1, whole.exchanges + 1):
        ends_cleanly(bench, command, card, whole, exchange, kind)
    after = bench.run(command, card, Fault(whole.exchanges + 1, kind), options=JSON)
    assert after.told.code == whole.told.code


def undisturbed(bench: Bench, command: CardCommand, card: str) -> Run:
    """The command without a fault: it succeeds, or is refused as it should be."""
    whole = bench.run(command, card, options=JSON)
    if card == CONTACTLESS and command.refusal:
        code, words = command.refusal
        assert whole.told.code == ExitCode.NO_CARD
        assert whole.told.error["code"] == code and words in whole.told.error["message"]
        assert "contact reader" in whole.told.error["advice"]
        assert not whole.secrets_sent and not whole.files
    else:
        assert whole.told.code == 0, whole.told.err
        assert max(whole.secrets_sent.values(), default=0) <= 1
    return whole


def ends_cleanly(
    bench: Bench,
    command: CardCommand,
    card: str,
    whole: Run,
    exchange: int,
    kind: str,
    *,
    as_json: bool = True,
) -> None:
    """At ``exchange`` the card goes: one clear error, nothing tried again, nothing left."""
    run = bench.run(command, card, Fault(exchange, kind), options=JSON if as_json else ())
    assert run.told.code == ExitCode.NO_CARD, run.told.err
    said = "the card was removed" if kind == "remove" else "the reader was unplugged"
    if command.by_serial and "no reader holds the card" in run.told.said:
        said = "no reader holds the card"  # it went while all cards were looked at
    assert said in run.told.said
    assert "Traceback" not in run.told.err + run.told.out
    if as_json:
        assert said in run.told.error["message"] and run.told.error["advice"]
        assert run.told.error["code"] in ("card.removed", "card.absent")
    else:
        assert run.told.out == ""
    assert run.exchanges == exchange, "nothing is tried again"
    assert max(run.secrets_sent.values(), default=0) <= 1
    assert run.tries == (3, 10), "a try was lost"
    reached = {raw[1] for raw in run.held.sent if len(raw) > 5}
    assert run.held.card.pin == (NEW_PIN if {CHANGE, RESET} & reached else PIN.text())
    assert set(run.files) <= {RECORD}
    if RECORD in run.files:
        recorded = Recording.parse(run.files[RECORD])
        assert len(recorded.exchanges) == exchange - 1

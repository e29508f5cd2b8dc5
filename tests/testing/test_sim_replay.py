"""A recorded card answers as the real one did, in process and over vpcd."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from sim_support import material

from igcsante.card.cache import CardCache
from igcsante.card.readers import open_card
from igcsante.card.recording import Recorder, Recording
from igcsante.errors import CardError, PinWrongError
from igcsante.secret import Secret
from igcsante.testing.cards import (
    ReplayedCard,
    SimulatedCard,
    SimulatedReader,
    load_profile,
)

GENERATIONS = pytest.mark.parametrize("generation", ["cps3", "cps4"])


def session(reader: SimulatedReader, recorder: Recorder | None = None, pin: str = "1234") -> list:
    """A piece of work with the card, and what it told."""
    with open_card(readers=[reader], monitor=recorder) as card:
        told = [card.serial, card.label(), card.pin_status()]
        card.verify_pin(Secret(pin))
        return [*told, card.certificates()]


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


def recording(generation: str, recorder: Recorder) -> tuple[Recording, list]:
    card = SimulatedCard(load_profile(generation), material())
    told = session(SimulatedReader("Real", card), recorder)
    return recorder.recording(), told


@GENERATIONS
def test_the_same_work_gets_the_same_answers(
    generation: str, recorder: Recorder, tmp_path: Path
) -> None:
    recorded, told = recording(generation, recorder)
    recorded.save(tmp_path / "session.jsonl")
    card = ReplayedCard(tmp_path / "session.jsonl")
    reader = SimulatedReader("Replay", card)
    assert session(reader) == told
    assert card.finished
    assert session(reader, pin="9999") == told, "it starts again, and knows no PIN"


@GENERATIONS
def test_whoever_keeps_cards_replays_without_complaint(
    generation: str, recorder: Recorder, tmp_path: Path
) -> None:
    """A recording is made without the cache, whose question it can't hold."""

    def work(reader: SimulatedReader, cache: CardCache | None = None) -> list:
        monitor = None if cache else recorder
        with open_card(readers=[reader], monitor=monitor, cache=cache) as card:
            return [card.label(), card.objects.update_journal(), card.serial]

    told = work(SimulatedReader("Real", SimulatedCard(load_profile(generation), material())))
    refused: list[CardError] = []
    card = ReplayedCard(recorder.recording(), refused=refused.append)
    for _ in range(2):
        assert work(SimulatedReader("Replay", card), CardCache(tmp_path)) == told
        assert card.finished and refused == []


PROJECT = """
from pathlib import Path
from igcsante.card.readers import open_card

def test_login(replayed_card):
    replayed_card(Path("session.jsonl"))
    with open_card() as card:
        print(card.serial, card.label())
"""


def test_a_project_s_own_test_plays_a_recording(recorder: Recorder, tmp_path: Path) -> None:
    """With the fixture ``replayed_card``, as another project would use it."""
    card = SimulatedCard(load_profile("cps3"), material())
    with open_card(readers=[SimulatedReader("Real", card)], monitor=recorder) as opened:
        told = f"{opened.serial} {opened.label()}"
    recorder.recording().save(tmp_path / "session.jsonl")
    (tmp_path / "conftest.py").write_text('pytest_plugins = ["igcsante.testing.pytest_plugin"]\n')
    (tmp_path / "test_login.py").write_text(PROJECT)
    command = [sys.executable, "-m", "pytest", "-q", "-s", "-p", "no:cacheprovider", "."]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    assert told in done.stdout


@GENERATIONS
def test_an_unrecorded_command_is_a_clear_error(generation: str, recorder: Recorder) -> None:
    recorded, _ = recording(generation, recorder)
    refused: list[CardError] = []
    card = ReplayedCard(recorded, refused=refused.append)
    with (
        open_card(readers=[SimulatedReader("Replay", card)]) as opened,
        pytest.raises(CardError, match=r"no answer to .* here: its command \d+ is") as caught,
    ):
        opened.pin_status()
    assert refused == [caught.value]
    assert "options" in caught.value.advice


def test_nothing_follows_the_end(recorder: Recorder) -> None:
    recorded, _ = recording("cps3", recorder)
    card = ReplayedCard(replace(recorded, exchanges=()))
    card.power_on()
    with pytest.raises(CardError, match="its command 1 does not exist"):
        card.transmit(bytes(5))


def test_a_wrong_pin_is_replayed_without_it(recorder: Recorder) -> None:
    card = SimulatedCard(load_profile("cps4"), material())
    with pytest.raises(PinWrongError):
        session(SimulatedReader("Real", card), recorder, pin="9137")
    recorded = recorder.recording()
    assert b"39313337" not in recorded.to_bytes()
    with pytest.raises(PinWrongError) as caught:
        session(SimulatedReader("Replay", ReplayedCard(recorded)), pin="0000")
    assert caught.value.tries_left == 2


def test_an_answer_without_its_data_is_not_invented(recorder: Recorder) -> None:
    recorded, _ = recording("cps3", recorder)
    exchanges = (replace(recorded.exchanges[0], secret=True), *recorded.exchanges[1:])
    card = ReplayedCard(replace(recorded, exchanges=exchanges))
    card.power_on()
    with pytest.raises(CardError, match="recorded without its data"):
        card.transmit(recorded.exchanges[0].command)


def test_a_card_without_power_says_so(recorder: Recorder) -> None:
    card = ReplayedCard(recording("cps3", recorder)[0])
    card.power_on()
    card.power_off()
    with pytest.raises(CardError, match="no power"):
        card.transmit(bytes(5))

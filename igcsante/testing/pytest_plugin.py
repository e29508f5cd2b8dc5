"""pytest fixtures: a simulated world, and cards in the readers of the code under test.

A project's ``conftest.py`` takes them with
``pytest_plugins = ["igcsante.testing.pytest_plugin"]``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ..card import readers
from .cards import ReplayedCard, SimulatedReader

if TYPE_CHECKING:
    from .world import SimulatedWorld


@pytest.fixture
def igc_world() -> Iterator[SimulatedWorld]:
    """A new simulated world, served on loopback for one test: platform, PKI and cards."""
    from .world import SimulatedWorld

    with SimulatedWorld() as world:
        yield world


@pytest.fixture
def inserted_card(
    igc_world: SimulatedWorld, monkeypatch: pytest.MonkeyPatch
) -> Callable[[str | Path], SimulatedReader]:
    """``inserted_card("cps3")``: that card of ``igc_world`` is in this machine's only reader.

    As long as the test lasts, for all that finds its card through :mod:`igcsante.card`.
    """

    def insert(name: str | Path) -> SimulatedReader:
        reader = SimulatedReader("Simulated reader", igc_world.card(name))
        monkeypatch.setattr(readers, "system_readers", lambda: [reader])
        return reader

    return insert


@pytest.fixture
def replayed_card(monkeypatch: pytest.MonkeyPatch) -> Callable[[Path], SimulatedReader]:
    """``replayed_card(path)``: the card of a recording is in this machine's only reader.

    ``path`` is what ``igc card record`` wrote. It lasts as long as the test, for all that
    finds its card through :mod:`igcsante.card`; the reader that is returned can be given to
    other programs written against pyscard. Raises UsageError when the file is no recording.
    """

    def insert(path: Path) -> SimulatedReader:
        reader = SimulatedReader("Replay", ReplayedCard(path))
        monkeypatch.setattr(readers, "system_readers", lambda: [reader])
        return reader

    return insert

"""pytest fixtures that put cards into the readers of the code under test.

A project's ``conftest.py`` takes them with
``pytest_plugins = ["igcsante.testing.pytest_plugin"]``.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from ..card import readers
from .cards import ReplayedCard, SimulatedReader


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

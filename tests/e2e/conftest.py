"""Fixtures of the end-to-end tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from e2e_support import SECRETS, CardInReader, Insert, Machine, configure, insert

from igcsante.card import readers
from igcsante.testing.world import SimulatedWorld
from igcsante.ws import patience


@pytest.fixture(scope="session")
def world() -> Iterator[SimulatedWorld]:
    """One world that is served; tests leave products in it and count on none."""
    with SimulatedWorld() as running:
        yield running


@pytest.fixture
def home(tmp_path: Path, world: SimulatedWorld, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user's folder, the working one: the profile ``sim`` is known, secrets are given."""
    configure(tmp_path / "config", world)
    monkeypatch.setenv("IGC_CONFIG_DIR", str(tmp_path / "config"))
    monkeypatch.setenv("IGC_DATA_DIR", str(tmp_path / "data"))
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(readers, "system_readers", list)
    monkeypatch.setattr(patience, "sleep", lambda seconds: None)
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    return work


@pytest.fixture
def inserted(world: SimulatedWorld, home: Path, monkeypatch: pytest.MonkeyPatch) -> Insert:
    """``inserted("cps3", pin_tries_left=2)``: that card is in this machine's only reader."""

    def put(name: str, **changes: Any) -> CardInReader:
        held = insert(world, name, **changes)
        monkeypatch.setattr(readers, "system_readers", lambda: [held.reader])
        return held

    return put


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """A machine of its own for commands that run as processes."""
    folder = tmp_path / "machine"
    folder.mkdir()
    return Machine(folder)

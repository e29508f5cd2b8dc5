"""What is examined in these tests: one check, on a machine that the test sets up."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from doctor_support import Examine

from igcsante.card import readers
from igcsante.config import resolve
from igcsante.doctor import Context, Examined, Finding, chosen, examine
from igcsante.testing.cards import SimulatedReader
from igcsante.testing.world import SimulatedWorld

READER = "Maker Model 2 [CCID Interface] (00112233) 00 00"


@pytest.fixture(scope="session")
def doctor_world() -> Iterator[SimulatedWorld]:
    with SimulatedWorld() as world:
        (world.directory / "config.toml").write_text(world.profile_toml())
        yield world


@pytest.fixture
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Configuration and data of this test alone."""
    monkeypatch.setenv("IGC_CONFIG_DIR", str(tmp_path / "config"))
    monkeypatch.setenv("IGC_DATA_DIR", str(tmp_path / "data"))
    (tmp_path / "config").mkdir(mode=0o700)
    (tmp_path / "data").mkdir(mode=0o700)
    return tmp_path


@pytest.fixture
def configured(folders: Path) -> Callable[[str], Path]:
    """Writes config.toml."""

    def write(text: str) -> Path:
        path = folders / "config" / "config.toml"
        path.write_text(text)
        return path

    return write


@pytest.fixture
def examined(folders: Path) -> Examine:
    """The findings of the check of that id, or of several."""

    def run(*ids: str, at: datetime | None = None, **how: Any) -> list[Finding]:
        context = Context(
            lambda: resolve(how.get("profile"), how.get("flags")),
            at=at or datetime.now(UTC),
            online=how.get("online", False),
        )
        results: list[Examined] = list(examine(chosen(ids), context))
        return [finding for result in results for finding in result.findings]

    return run


@pytest.fixture
def insert(
    doctor_world: SimulatedWorld, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., list[bytes]]:
    """``insert("cps3")``: that card in this machine's only reader; every command it gets."""

    def put(name: str, reader: str = READER) -> list[bytes]:
        card, sent = doctor_world.card(name), []
        transmit = card.transmit

        def recorded(command: bytes) -> bytes:
            sent.append(command)
            return transmit(command)

        card.transmit = recorded  # type: ignore[method-assign]
        inserted = SimulatedReader(reader, card)
        monkeypatch.setattr(readers, "system_readers", lambda: [inserted])
        return sent

    return put

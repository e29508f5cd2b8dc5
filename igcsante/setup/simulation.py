"""The way on a machine of its own: a simulated world and card, an empty configuration, and no
trace afterwards."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ..card import readers
from ..config import VARIABLES, Profile
from ..testing.cards import SimulatedReader
from ..testing.world import SimulatedWorld

_KEPT = ("IGC_LANG", "IGC_DEBUG", "IGC_WITHOUT_SYSTEM_PACKAGES")
CARD = "cps3"


@dataclass(frozen=True)
class SimulatedMachine:
    """``profile`` is what the world is reached with; ``folder`` goes away at the end."""

    profile: Profile
    pin: str
    folder: Path


@contextmanager
def simulated_machine() -> Iterator[SimulatedMachine]:
    """For the time of the block, this process has that machine's reader, files and variables.

    Raises UsageError, StorageError when it can't be made.
    """
    with SimulatedWorld() as world, tempfile.TemporaryDirectory(prefix="igc-setup-") as name:
        folder, card = Path(name), world.card(CARD)
        before, find = dict(os.environ), readers.system_readers
        for variable in VARIABLES:
            if variable not in _KEPT:
                os.environ.pop(variable, None)
        os.environ["IGC_CONFIG_DIR"] = str(folder / "config")
        os.environ["IGC_DATA_DIR"] = str(folder / "data")
        reader = SimulatedReader("Simulated reader", card)
        readers.system_readers = lambda: [reader]  # all commands find their readers there
        try:
            yield SimulatedMachine(world.profile, card.profile.pin, folder)
        finally:
            readers.system_readers = find
            os.environ.clear()
            os.environ.update(before)

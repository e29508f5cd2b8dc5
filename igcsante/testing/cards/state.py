"""What a card keeps without power, in a file: for a card that several processes use in turn.

JSON: the card's numbers, PIN values and counters, and the files that a program may write.
One process at a time: the last to write wins.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ...errors import ConfigError
from ...files import read_bounded, write_atomic
from ...messages import tr
from .files import FileSystem
from .image import PIN_REFERENCE, PUK_REFERENCE
from .pins import PinStore
from .profile import CardProfile
from .status import StatusError

MAX_STATE_BYTES = 64 * 1024


class StateFile:
    """The file at ``path`` (0600), made by the first :meth:`save`."""

    def __init__(self, path: Path, profile: CardProfile) -> None:
        self._path = path
        self._card = f"{profile.serial}/{profile.card_number}"
        self._kept: dict[str, Any] | None = None

    def load(self, pins: PinStore, files: FileSystem) -> None:
        """Give the card what the file says, if there is one. Raises ConfigError."""
        if not self._path.exists():
            return
        try:
            kept = json.loads(read_bounded(self._path, MAX_STATE_BYTES))
            card = kept["card"]
        except (ValueError, KeyError, TypeError):
            raise self._unusable(tr("it is not the state of a simulated card")) from None
        if card != self._card:
            raise self._unusable(tr("it is the state of another card ({card})", card=card))
        try:
            for reference, state in kept["pins"].items():
                pin = pins.get(int(reference))
                if not pin.fits(state["value"].encode()):
                    raise ValueError
                pin.value = state["value"].encode()
                pin.tries_left = _within(state["tries_left"], pin.tries)
                if pin.uses_left is not None:
                    pin.uses_left = _within(state["uses_left"], pin.uses_left)
            for name, content in kept["files"].items():
                files.restore(bytes.fromhex(name), bytes.fromhex(content))
        except (ValueError, KeyError, TypeError, AttributeError, StatusError):
            raise self._unusable(tr("something in it makes no sense")) from None
        self._kept = kept

    def save(self, pins: PinStore, files: FileSystem) -> None:
        """Write what has changed since the last time. Raises StorageError."""
        now = {
            "card": self._card,
            "pins": {
                str(reference): {
                    "value": pin.value.decode(),
                    "tries_left": pin.tries_left,
                    "uses_left": pin.uses_left,
                }
                for reference in (PIN_REFERENCE, PUK_REFERENCE)
                for pin in (pins.get(reference),)
            },
            "files": {path.hex(): content.hex() for path, content in files.writable().items()},
        }
        if now != self._kept:
            write_atomic(self._path, json.dumps(now, indent=1).encode(), overwrite=True)
            self._kept = now

    def _unusable(self, reason: str) -> ConfigError:
        return ConfigError(
            tr("{path}: {reason}", path=self._path, reason=reason),
            advice=tr("choose another file, or remove this one"),
        )


def _within(value: object, most: int) -> int:
    if type(value) is not int or not 0 <= value <= most:
        raise ValueError
    return value

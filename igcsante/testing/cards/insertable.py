"""What a simulated reader needs of whatever is put into it."""

from __future__ import annotations

from typing import Protocol


class Insertable(Protocol):
    """A card that answers commands. ``protocols``: the one that PC/SC prefers last."""

    protocol: str

    @property
    def atr(self) -> bytes: ...

    @property
    def protocols(self) -> tuple[str, ...]: ...

    @property
    def powered(self) -> bool: ...

    def power_on(self) -> None:
        """Give power, or reset: the session starts anew."""
        ...

    def power_off(self) -> None: ...

    def transmit(self, command: bytes) -> bytes:
        """The answer to a command, SW1 SW2 last. Raises CardError without power."""
        ...

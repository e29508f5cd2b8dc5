"""How a simulated card refuses a command: a status word of ISO/IEC 7816-4 §5.6."""

from __future__ import annotations


class StatusError(Exception):
    """Ends a command with this status word. It never leaves the card application."""

    def __init__(self, sw: int) -> None:
        super().__init__(f"{sw:04X}")
        self.sw = sw

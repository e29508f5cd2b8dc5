"""PIN and PUK of a simulated card: counters that survive a reset, and what was verified.

Counters and status words: facts sheet card.md §5; the last wrong try answers 63C0, every
later one 6983 (§10, point 4, assumed there).
"""

from __future__ import annotations

from dataclasses import dataclass, field

from .status import StatusError

SW_BLOCKED = 0x6983


@dataclass
class PinObject:
    """A PIN or PUK. ``uses_left`` limits how often a PUK may unblock, None for no limit."""

    value: bytes = field(repr=False)
    tries: int
    tries_left: int
    uses_left: int | None = None

    def fits(self, value: bytes) -> bool:
        """Whether the length is this PIN's and all characters are digits."""
        return len(value) == len(self.value) and value.isdigit()


class PinStore:
    """The PINs of a card by reference, and which of them are verified since power-on."""

    def __init__(self, pins: dict[int, PinObject]) -> None:
        self._pins = pins
        self._verified: set[int] = set()

    def get(self, reference: int) -> PinObject:
        """Raises StatusError 6A88 for a reference that the card doesn't have."""
        try:
            return self._pins[reference]
        except KeyError:
            raise StatusError(0x6A88) from None

    def is_verified(self, reference: int) -> bool:
        return reference in self._verified

    def require(self, reference: int) -> None:
        """Raises StatusError 6982 unless that PIN is verified."""
        if reference not in self._verified:
            raise StatusError(0x6982)

    def forget(self) -> None:
        """What a reset does: nothing is verified any more."""
        self._verified.clear()

    def verify(self, reference: int, value: bytes) -> None:
        """Compare; a match restores the counter, a mismatch takes a try.

        Raises StatusError 6700 (length, no try taken), 63Cx or 6983.
        """
        pin = self.get(reference)
        if pin.tries_left == 0 or pin.uses_left == 0:
            raise StatusError(SW_BLOCKED)
        if len(value) != len(pin.value):
            raise StatusError(0x6700)
        if value != pin.value:
            pin.tries_left -= 1
            self._verified.discard(reference)
            raise StatusError(0x63C0 | pin.tries_left)
        pin.tries_left = pin.tries
        self._verified.add(reference)

    def status(self, reference: int) -> None:
        """The answer to an empty VERIFY, which takes no try.

        Returns when the PIN is verified, else raises StatusError 63Cx or 6983.
        """
        pin = self.get(reference)
        if pin.tries_left == 0:
            raise StatusError(SW_BLOCKED)
        if reference not in self._verified:
            raise StatusError(0x63C0 | pin.tries_left)

    def change(self, reference: int, value: bytes) -> None:
        """Give a PIN a new value, as long as the old one. Raises StatusError 6A80."""
        pin = self.get(reference)
        if not pin.fits(value):
            raise StatusError(0x6A80)
        pin.value = value

    def unblock(self, reference: int, puk_reference: int) -> None:
        """Restore a PIN's counter on the strength of a verified PUK, one use of which goes.

        Raises StatusError 6982 (PUK not verified) or 6983 (no use left).
        """
        pin, puk = self.get(reference), self.get(puk_reference)
        self.require(puk_reference)
        if puk.uses_left is not None:
            if puk.uses_left == 0:
                raise StatusError(SW_BLOCKED)
            puk.uses_left -= 1
        pin.tries_left = pin.tries
        self._verified.discard(reference)

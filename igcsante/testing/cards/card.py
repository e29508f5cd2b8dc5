"""A simulated card: profile, files, keys and PINs behind one ``transmit``, with its power.

What a real card keeps without power is kept here as long as the object lives: PIN values,
counters, CPS_DATA.
"""

from __future__ import annotations

import threading

from ...errors import CardError
from . import cps3, cps4
from .application import CardApplication
from .image import KEY_SLOTS, PIN_REFERENCE, PUK_REFERENCE, build_image
from .keys import CardKey
from .material import CardMaterial
from .pins import PinObject, PinStore
from .profile import CardProfile

PUK_TRIES, PUK_USES = 10, 100  # card.md §5
_GENERATIONS: dict[str, tuple[type[CardApplication], bytes, tuple[str, ...]]] = {
    "cps3": (cps3.Cps3Application, cps3.ATR, cps3.PROTOCOLS),
    "cps4": (cps4.Cps4Application, cps4.ATR, cps4.PROTOCOLS),
}


class SimulatedCard:
    """A card. ``protocols`` are those it offers, the one that PC/SC prefers last."""

    def __init__(self, profile: CardProfile, material: CardMaterial) -> None:
        application, self.atr, self.protocols = _GENERATIONS[profile.generation]
        self.profile = profile
        self.powered = False
        self._lock = threading.Lock()
        self._application = application(
            build_image(profile, material),
            _keys(profile, material),
            _pins(profile),
            self.protocols[-1],
        )

    @property
    def protocol(self) -> str:
        """``T=0`` or ``T=1``: what the card and its reader agreed on."""
        return self._application.protocol

    @protocol.setter
    def protocol(self, protocol: str) -> None:
        if protocol not in self.protocols:
            raise CardError(f"this card offers {' and '.join(self.protocols)}, not {protocol}")
        self._application.protocol = protocol

    def power_on(self) -> None:
        """Give power; the session starts anew."""
        with self._lock:
            self._application.reset()
            self.powered = True

    def reset(self) -> None:
        """A warm reset: PIN state, selection and security environment are lost."""
        self.power_on()

    def power_off(self) -> None:
        with self._lock:
            self._application.reset()
            self.powered = False

    def transmit(self, command: bytes) -> bytes:
        """The answer to a command APDU, SW1 SW2 last. Raises CardError without power."""
        with self._lock:
            if not self.powered:
                raise CardError("the simulated card has no power", advice="call power_on() first")
            return self._application.process(command)


def _keys(profile: CardProfile, material: CardMaterial) -> dict[int, CardKey]:
    pairs = {"signature": material.signature, "authentication": material.authentication}
    return {
        slot.reference: CardKey(slot.role, pairs[slot.role].private_key)
        for slot in KEY_SLOTS[profile.generation]
    }


def _pins(profile: CardProfile) -> PinStore:
    return PinStore(
        {
            PIN_REFERENCE: PinObject(
                profile.pin.encode(), profile.pin_tries, profile.pin_tries_left
            ),
            PUK_REFERENCE: PinObject(profile.puk.encode(), PUK_TRIES, PUK_TRIES, PUK_USES),
        }
    )

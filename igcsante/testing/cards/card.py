"""A simulated card: profile, files, keys and PINs behind one ``transmit``, with its power.

What a real card keeps without power is kept here as long as the object lives: PIN values,
counters, CPS_DATA.
"""

from __future__ import annotations

import threading
from pathlib import Path

from ...errors import CardError, UsageError
from ...messages import joined, tr
from . import cps3, cps4
from .application import CardApplication
from .cps2ter import Cps2terVolet, volet_files
from .image import KEY_SLOTS, PIN_REFERENCE, PUK_REFERENCE, TECHNICAL_SLOT, build_image
from .keys import CardKey
from .material import CardMaterial
from .pins import PinObject, PinStore
from .profile import CardProfile
from .state import StateFile

PUK_TRIES, PUK_USES = 10, 100  # card.md §5
# By generation and variant: the ATR, and the protocols with the one that PC/SC prefers last.
_VARIANTS: dict[tuple[str, str], tuple[bytes, tuple[str, ...]]] = {
    ("cps3", "contact"): (cps3.ATR, cps3.PROTOCOLS),
    ("cps3", "contactless"): (cps3.CONTACTLESS_ATR, cps3.CONTACTLESS_PROTOCOLS),
    ("cps4", "contact"): (cps4.ATR, cps4.PROTOCOLS),
    ("cps4", "release-candidate"): (cps4.RELEASE_CANDIDATE_ATR, cps4.PROTOCOLS),
    ("cps4", "release-candidate-t0"): (
        cps4.RELEASE_CANDIDATE_T0_ATR,
        cps4.RELEASE_CANDIDATE_T0_PROTOCOLS,
    ),
}


class SimulatedCard:
    """A card. ``protocols`` are those it offers, the one that PC/SC prefers last.

    Raises UsageError when ``material`` lacks what the profile needs.
    """

    def __init__(self, profile: CardProfile, material: CardMaterial) -> None:
        self.atr, self.protocols = _VARIANTS[profile.generation, profile.variant]
        self.profile = profile
        self.powered = False
        self._lock = threading.Lock()
        self._pins = _pins(profile)
        self._files = build_image(profile, material)
        self._state: StateFile | None = None
        self._application = self._make_application(_keys(profile, material))

    def _make_application(self, keys: dict[int, CardKey]) -> CardApplication:
        protocol = self.protocols[-1]
        if self.profile.generation == "cps4":
            return cps4.Cps4Application(self._files, keys, self._pins, protocol)
        if self.profile.variant == "contactless":
            return cps3.Cps3Application(self._files, keys, PinStore({}), protocol, contactless=True)
        volet = Cps2terVolet(volet_files(self.profile))
        return cps3.Cps3Application(self._files, keys, self._pins, protocol, volet=volet)

    @property
    def protocol(self) -> str:
        """``T=0`` or ``T=1``: what the card and its reader agreed on."""
        return self._application.protocol

    @protocol.setter
    def protocol(self, protocol: str) -> None:
        if protocol not in self.protocols:
            raise CardError(
                tr(
                    "this card offers {protocols}, not {protocol}",
                    protocols=joined(tr(" and "), self.protocols),
                    protocol=protocol,
                )
            )
        self._application.protocol = protocol

    @property
    def pin(self) -> str:
        """The PIN that the card wants now."""
        return self._pins.get(PIN_REFERENCE).value.decode()

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

    def keep_state(self, path: Path) -> None:
        """Keep PINs, counters and written files in that file, whatever is in it now first.

        Every command that changes them writes it, atomically and for the owner only. Raises
        ConfigError for another card's file or a damaged one, StorageError.
        """
        with self._lock:
            state = StateFile(path, self.profile)
            state.load(self._pins, self._files)
            state.save(self._pins, self._files)
            self._state = state

    def leave_application(self, status: int = 0) -> None:
        """Let another program have selected another application of the card.

        ``status`` is what our commands then meet: 6E00 or 6A86 on a CPS3, 6881 or 6985 on a
        CPS4, the first of both when 0.
        """
        with self._lock:
            self._application.leave(status)

    def transmit(self, command: bytes) -> bytes:
        """The answer to a command APDU, SW1 SW2 last. Raises CardError without power."""
        with self._lock:
            if not self.powered:
                raise CardError(
                    tr("the simulated card has no power"), advice=tr("call power_on() first")
                )
            answer = self._application.process(command)
            if self._state is not None:
                self._state.save(self._pins, self._files)
            return answer


def _keys(profile: CardProfile, material: CardMaterial) -> dict[int, CardKey]:
    pairs = {
        "signature": material.signature,
        "authentication": material.authentication,
        "technical": material.technical,
    }
    if profile.variant == "contactless" and material.technical is None:
        raise UsageError(
            tr("a contactless card needs a technical key"), advice=tr("CardMaterial has one")
        )
    return {
        slot.reference: CardKey(slot.role, pair.private_key, slot.application)
        for slot in (*KEY_SLOTS[profile.generation], TECHNICAL_SLOT)
        if (pair := pairs[slot.role]) is not None
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

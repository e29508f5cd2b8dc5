"""CPS4, contact: the ChipDoc application on logical channel 1 (facts sheet card.md §2.4, §6.3).

Every byte here comes from the official middleware's source and its exchanges with a
simulated card; no real CPS4 has been observed. **Ours**: channel 0 offers the CPS2ter
application by its AID and nothing in it, ChipDoc is not on channel 0, selecting an
application forgets the PIN, and a card that another program left so that it answers 6985
needs the official middleware's detour by the issuer's domain and CPS2ter.
"""

from __future__ import annotations

from typing import ClassVar

from ...card.apdu import (
    CHAINING_BIT,
    SELECT,
    SW_CHANNEL_CLOSED,
    SW_CLASS_NOT_SUPPORTED,
    SW_CONDITIONS_NOT_SATISFIED,
    SW_FILE_NOT_FOUND,
    SW_OK,
    SW_WRONG_P1P2,
)
from .application import Answer, CardApplication
from .command import Command
from .image import PIN_REFERENCE, PUK_REFERENCE, ROOT_AID
from .status import StatusError

ATR = bytes.fromhex("3B9B188001001225006480040100009044")
PROTOCOLS = ("T=0", "T=1")
RELEASE_CANDIDATE_ATR = bytes.fromhex("3B9B188001001225006480000401009044")
RELEASE_CANDIDATE_T0_ATR = bytes.fromhex("3BDC18FF00001225006480000401009000")
RELEASE_CANDIDATE_T0_PROTOCOLS = ("T=0",)

CPS2TER_AID = bytes.fromhex("8025000001FF0002")
ISSUER_DOMAIN_AID = bytes.fromhex("A0000001510000")

_SIGNATURE, _CONFIDENTIALITY = 0xB6, 0xB8
_LOCAL = 0x80  # b8 of a key reference in MSE: "sign what is already hashed"
# Algorithm references of PSO CDS: padding, hash.
_ALGORITHMS = {
    0x0A: ("pkcs1", "sha1"),
    0x28: ("pkcs1", "sha256"),
    0x15: ("pss", "sha1"),
    0x2C: ("pss", "sha256"),
}


class Cps4Application(CardApplication):
    """Answers a CPS4's commands: ChipDoc's with class 01, CPS2ter's selection with class 00."""

    AWAY: ClassVar[tuple[int, ...]] = (SW_CHANNEL_CLOSED, SW_CONDITIONS_NOT_SATISFIED)

    def _forget_selection(self) -> None:
        super()._forget_selection()
        self._pins.forget()
        self._application: bytes | None = None  # what channel 1 holds, None when closed

    def _check_class(self, command: Command) -> None:
        channel = command.cla & ~CHAINING_BIT
        if channel not in (0, 1):
            raise StatusError(SW_CHANNEL_CLOSED if channel in (2, 3) else SW_CLASS_NOT_SUPPORTED)
        if command.ins == SELECT and command.p1 == 0x04:
            return
        if channel == 0:
            raise StatusError(0x6D00)
        if self._away:
            raise StatusError(self._away)
        if self._application is None:
            raise StatusError(SW_CHANNEL_CLOSED)
        if self._application != ROOT_AID:
            raise StatusError(0x6D00)

    # -- files -----------------------------------------------------------------------------

    def _select(self, command: Command) -> Answer:
        if command.p1 != 0x04:
            return super()._select(command)
        if command.cla & 1 == 0:
            if command.data != CPS2TER_AID:
                raise StatusError(SW_FILE_NOT_FOUND)
            if self._application == ISSUER_DOMAIN_AID:
                self._away = 0
            return b"", SW_OK
        if command.data == ROOT_AID and self._away == SW_CONDITIONS_NOT_SATISFIED:
            raise StatusError(self._away)
        if command.data in (ROOT_AID, ISSUER_DOMAIN_AID):
            self._forget_selection()
            self._application = command.data
            if command.data == ROOT_AID:
                self._away = 0
            return b"", SW_OK
        if self._application != ROOT_AID:
            raise StatusError(SW_FILE_NOT_FOUND)
        return super()._select(command)

    # -- PIN -------------------------------------------------------------------------------

    def _change_reference_data(self, command: Command) -> Answer:
        """The new PIN only (P1=01): the PIN, or the PUK, was presented to VERIFY before."""
        if command.p1 != 0x01 or command.p2 != PIN_REFERENCE:
            raise StatusError(SW_WRONG_P1P2)
        if not self._pins.is_verified(PUK_REFERENCE):
            self._pins.require(PIN_REFERENCE)
        self._pins.change(PIN_REFERENCE, command.data)
        return b"", SW_OK

    def _reset_retry_counter(self, command: Command) -> Answer:
        """No data (P1=03): restores the counter once the PUK was presented to VERIFY."""
        if command.p1 != 0x03 or command.p2 & ~_LOCAL != PIN_REFERENCE:
            raise StatusError(SW_WRONG_P1P2)
        if command.data:
            raise StatusError(0x6700)
        self._pins.unblock(PIN_REFERENCE, PUK_REFERENCE)
        return b"", SW_OK

    # -- cryptography ----------------------------------------------------------------------

    def _manage_security_environment(self, command: Command) -> Answer:
        match command.p1, command.p2, list(command.data):
            case 0x81, 0xB6, [0x91, 0x02, algorithm, reference] if (
                algorithm in _ALGORITHMS and reference & _LOCAL
            ):
                self._environment[_SIGNATURE] = algorithm, reference & ~_LOCAL
            case 0x41, 0xB8, [0x83, 0x01, reference]:
                self._environment[_CONFIDENTIALITY] = 0, reference
            case (0x81, 0xB6, _) | (0x41, 0xB8, _):
                raise StatusError(0x6A80)
            case _:
                raise StatusError(SW_WRONG_P1P2)
        return b"", SW_OK

    def _perform_security_operation(self, command: Command) -> Answer:
        match command.p1, command.p2:
            case 0x9E, 0x9A:
                return self._compute_signature(command.data), SW_OK
            case 0x80, 0x86:
                _, reference = self._set_up(_CONFIDENTIALITY)
                # The raw RSA result, whatever it means: the host pads and strips (§6.3).
                return self._key(reference, "authentication").raw(command.data), SW_OK
        raise StatusError(SW_WRONG_P1P2)

    def _compute_signature(self, digest: bytes) -> bytes:
        """Of a bare digest. The authentication key is only known to do PSS here (§6.3)."""
        algorithm, reference = self._set_up(_SIGNATURE)
        padding, hash_name = _ALGORITHMS[algorithm]
        if padding == "pss":
            return self._key(reference, "signature", "authentication").sign_pss(digest, hash_name)
        return self._key(reference, "signature").sign_pkcs1(digest, hash_name)

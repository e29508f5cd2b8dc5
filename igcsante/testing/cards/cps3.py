"""CPS3, IAS volet: an IAS-ECC 1.0.1 card (facts sheet card.md §2.2, §5, §6.2, §12).

Class 00 is the IAS volet, class A0 the CPS2ter one (contact only). **Ours**, since no real
card's behaviour is public: an empty VERIFY tells the try counter, as in ISO 7816-4; once a
CPS2ter file is selected class 00 gets 6E00 until the IAS application is selected, and the
PIN stays verified; a contactless reader sees no PIN and none of the holder's files.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import IntEnum
from typing import ClassVar

from ...card import tlv as ber
from ...card.apdu import (
    CHAINING_BIT,
    GET_DATA,
    INTERNAL_AUTHENTICATE,
    SELECT,
    SW_CHANNEL_CLOSED,
    SW_CLASS_NOT_SUPPORTED,
    SW_CONDITIONS_NOT_SATISFIED,
    SW_OK,
    SW_WRONG_P1P2,
)
from ...errors import CardError
from . import cps2ter, sha
from .application import Answer, CardApplication
from .command import Command
from .cps2ter import Cps2terVolet
from .der import tlv
from .files import MF, Access, File, FileSystem, TransparentFile
from .image import PIN_REFERENCE, PUK_REFERENCE, ROOT_AID
from .keys import CardKey
from .pins import PinObject, PinStore
from .status import StatusError

ATR = bytes.fromhex("3BAC00402A001225006480000310009000")
PROTOCOLS = ("T=0",)
CONTACTLESS_ATR = bytes.fromhex("3B8F80010031B86404B0ECC1739401808290000E")
CONTACTLESS_PROTOCOLS = ("T=1",)

# Control reference templates: P2 of MSE SET, whose P1 is always 41 here.
_AUTHENTICATION, _HASH, _SIGNATURE, _CONFIDENTIALITY = 0xA4, 0xAA, 0xB6, 0xB8
_ALGORITHMS = {
    _AUTHENTICATION: {0x02},
    _HASH: {0x10, 0x40},
    _SIGNATURE: {0x12, 0x42},
    _CONFIDENTIALITY: {0x1A},
}
_HASH_NAMES = {0x10: "sha1", 0x40: "sha256", 0x12: "sha1", 0x42: "sha256"}
_STATE_BYTES = {"sha1": 20, "sha256": 32}

_LOCAL = 0x80  # b8 of a key reference: the key lies in the current directory


class _Sdo(IntEnum):
    """Security data objects: the class is in their tag, whose last byte is their number."""

    PIN = 0xBF8100
    PRIVATE_KEY = 0xBF9000


_DOCP, _PIN_ATTRIBUTES, _KEY_ATTRIBUTES = 0xA0, 0x7F41, 0x7F48
_PIN_RULES = {
    # Change, verify, reset retry counter, (…), put, get (card.md §5, from a real card).
    PIN_REFERENCE: bytes.fromhex("F3000013FF00"),
    PUK_REFERENCE: bytes.fromhex("F3FF00FFFF00"),
}
# Sign, authenticate, decipher, (…), put, get: what the dump of a real card's keys says in
# words (card.md §6.1), put in the same way as the rules of its PIN. The condition's value is
# that of Access.PIN, ours.
_KEY_RULES = {
    "signature": bytes((0xF3, Access.PIN, 0xFF, 0xFF, 0xFF, 0x00)),
    "authentication": bytes((0xF3, 0xFF, Access.PIN, Access.PIN, 0xFF, 0x00)),
    "technical": bytes((0xF3, 0xFF, 0x00, 0xFF, 0xFF, 0x00)),
}


class Cps3Application(CardApplication):
    """Answers a CPS3's commands, in a contact or ``contactless`` reader."""

    MAX_READ: ClassVar[int] = 0xE7
    AWAY: ClassVar[tuple[int, ...]] = (SW_CLASS_NOT_SUPPORTED, SW_WRONG_P1P2)

    def __init__(
        self,
        files: FileSystem,
        keys: Mapping[int, CardKey],
        pins: PinStore,
        protocol: str,
        *,
        volet: Cps2terVolet | None = None,
        contactless: bool = False,
    ) -> None:
        self._volet, self._contactless = volet, contactless
        super().__init__(files, keys, pins, protocol)

    def reset(self) -> None:
        super().reset()
        if self._volet is not None:
            self._volet.reset()

    def _forget_selection(self) -> None:
        super()._forget_selection()
        self._digest: tuple[str, bytes] | None = None  # what PSO HASH left

    def _respond(self, command: Command) -> Answer:
        if self._volet is None or command.cla != cps2ter.CLASS:
            return super()._respond(command)
        verified = self._pins.is_verified(PIN_REFERENCE)
        answer = self._volet.respond(command, verified=verified)
        if command.ins == SELECT:
            self.leave()
        return answer

    def _check_class(self, command: Command) -> None:
        if self._away and (command.ins, command.p1) != (SELECT, 0x04):
            raise StatusError(self._away)
        plain = command.cla & ~CHAINING_BIT
        if plain in (1, 2, 3):
            raise StatusError(SW_CHANNEL_CLOSED)
        if plain:
            raise StatusError(SW_CLASS_NOT_SUPPORTED)

    def _commands(self) -> dict[int, Callable[[Command], Answer]]:
        return {
            **super()._commands(),
            GET_DATA: self._get_data,
            INTERNAL_AUTHENTICATE: self._internal_authenticate,
        }

    # -- files -----------------------------------------------------------------------------

    def _select(self, command: Command) -> Answer:
        if command.p1 == 0x04 and command.data == ROOT_AID:
            # Answered without data whatever P2 says, as a real card was seen to (§2.2).
            self._directory, self._file = MF, None
            self._away = 0
            return b"", SW_OK
        if self._away:
            raise StatusError(self._away)
        return super()._select(command)

    def _allow(self, file: TransparentFile, access: Access) -> None:
        if self._contactless and not file.contactless:
            raise StatusError(0x6982)
        super()._allow(file, access)

    def _access_parameters(self, file: File) -> list[bytes]:
        if not isinstance(file, TransparentFile):
            # No real directory's rules are public; these OpenSC accepts (§13).
            return [tlv(0xA1, tlv(0x8C, b"\x01\x00"))]
        rules = tlv(0xA1, tlv(0x8C, file.rules), tlv(0x9C, file.contactless_rules))
        return [tlv(0x88, bytes([file.sfi << 3])), rules] if file.sfi else [rules]

    def _get_data(self, command: Command) -> Answer:
        """GET DATA of a part of a security data object."""
        if (command.p1, command.p2) != (0x3F, 0xFF):
            raise StatusError(SW_WRONG_P1P2)
        sdo, template = _requested(command.data)
        reference = sdo & 0xFF
        match sdo & ~0xFF:
            case _Sdo.PIN:
                body = self._pin_object(reference, template)
            case _Sdo.PRIVATE_KEY:
                body = self._key_object(reference, template)
            case _:
                raise StatusError(0x6A88)
        return tlv(0x70, tlv(sdo, body)), SW_OK

    def _pin_object(self, reference: int, template: int) -> bytes:
        """A PIN's counters and rules (A0) or lengths (7F41); it lies in the master file."""
        if self._directory != MF:
            raise StatusError(0x6A88)
        pin = self._pins.get(reference)
        if template == _DOCP:
            return tlv(_DOCP, *_counters(pin), tlv(0xA1, tlv(0x8C, _PIN_RULES[reference])))
        if template == _PIN_ATTRIBUTES:
            size = bytes([len(pin.value)])
            return tlv(_PIN_ATTRIBUTES, tlv(0x80, size), tlv(0x81, size))
        raise StatusError(0x6A88)

    def _key_object(self, number: int, template: int) -> bytes:
        """What a private key is for (7F48: anything) and its rules (A0)."""
        key = self._keys.get(number | _LOCAL)
        if key is None or key.application != self._directory:
            raise StatusError(0x6A88)
        if template == _DOCP:
            size = tlv(0x80, key.size.to_bytes(2))
            return tlv(_DOCP, size, tlv(0xA1, tlv(0x8C, _KEY_RULES[key.role])))
        if template == _KEY_ATTRIBUTES:
            return tlv(_KEY_ATTRIBUTES, tlv(0x80, b"\x00"))
        raise StatusError(0x6A88)

    # -- PIN -------------------------------------------------------------------------------

    def _change_reference_data(self, command: Command) -> Answer:
        """Old and new PIN one after the other; the PUK can't be changed."""
        if command.p1 != 0 or command.p2 != PIN_REFERENCE:
            raise StatusError(SW_WRONG_P1P2)
        length = len(self._pins.get(PIN_REFERENCE).value)
        old, new = command.data[:length], command.data[length:]
        if len(new) != length:
            raise StatusError(0x6700)
        self._pins.verify(PIN_REFERENCE, old)
        self._pins.change(PIN_REFERENCE, new)
        return b"", SW_OK

    def _reset_retry_counter(self, command: Command) -> Answer:
        """With the new PIN only (P1=02): the PUK was presented to VERIFY before."""
        if command.p1 != 0x02 or command.p2 != PIN_REFERENCE:
            raise StatusError(SW_WRONG_P1P2)
        self._pins.require(PUK_REFERENCE)
        if not self._pins.get(PIN_REFERENCE).fits(command.data):
            raise StatusError(0x6A80)
        self._pins.unblock(PIN_REFERENCE, PUK_REFERENCE)
        self._pins.change(PIN_REFERENCE, command.data)
        return b"", SW_OK

    # -- cryptography ----------------------------------------------------------------------

    def _manage_security_environment(self, command: Command) -> Answer:
        template = command.p2
        if command.p1 != 0x41 or template not in _ALGORITHMS:
            raise StatusError(SW_WRONG_P1P2)
        objects = {item.tag: item.value for item in _parsed(command.data)}
        wanted = {0x80} if template == _HASH else {0x80, 0x84}
        if objects.keys() != wanted or any(len(value) != 1 for value in objects.values()):
            raise StatusError(0x6A80)
        algorithm = objects[0x80][0]
        if algorithm not in _ALGORITHMS[template]:
            raise StatusError(0x6A80)
        self._environment[template] = algorithm, objects.get(0x84, b"\x00")[0]
        return b"", SW_OK

    def _internal_authenticate(self, command: Command) -> Answer:
        """PKCS#1 v1.5 signature of a DigestInfo, or of anything as short."""
        if command.p1 or command.p2:
            raise StatusError(SW_WRONG_P1P2)
        _, reference = self._set_up(_AUTHENTICATION)
        key = self._key(reference, "authentication", "technical")
        return key.sign_padded(command.data), SW_OK

    def _perform_security_operation(self, command: Command) -> Answer:
        match command.p1, command.p2:
            case 0x90, 0xA0:
                return self._hash_last_block(command.data)
            case 0x9E, 0x9A:
                return self._compute_signature(command.data)
            case 0x80, 0x86:
                return self._decipher(command.data)
        raise StatusError(SW_WRONG_P1P2)

    def _hash_last_block(self, data: bytes) -> Answer:
        """``90 L [state, 8-byte count of bits already hashed] 80 n last bytes`` (§6.2)."""
        hash_name = _HASH_NAMES[self._set_up(_HASH)[0]]
        objects = {item.tag: item.value for item in _parsed(data)}
        if objects.keys() != {0x90, 0x80}:
            raise StatusError(0x6A80)
        before, last = objects[0x90], objects[0x80]
        state, bits = before[:-8], int.from_bytes(before[-8:])
        if before and len(state) != _STATE_BYTES[hash_name]:
            raise StatusError(0x6A80)
        if bits % (8 * sha.BLOCK) or not 0 < len(last) <= sha.BLOCK:
            raise StatusError(0x6A80)
        self._digest = hash_name, sha.finish(hash_name, state, bits, last)
        return b"", SW_OK

    def _compute_signature(self, external: bytes) -> Answer:
        """PKCS#1 v1.5 signature of the digest given here, else of the one PSO HASH left."""
        algorithm, reference = self._set_up(_SIGNATURE)
        hash_name = _HASH_NAMES[algorithm]
        key = self._key(reference, "signature")
        if not external:
            if self._digest is None or self._digest[0] != hash_name:
                raise StatusError(SW_CONDITIONS_NOT_SATISFIED)
            external, self._digest = self._digest[1], None
        return key.sign_pkcs1(external, hash_name), SW_OK

    def _decipher(self, data: bytes) -> Answer:
        """``81`` (padding indicator) and one RSA block; the answer has no padding left."""
        _, reference = self._set_up(_CONFIDENTIALITY)
        key = self._key(reference, "authentication")
        if data[:1] != b"\x81":
            raise StatusError(0x6A80)
        return key.decipher(data[1:]), SW_OK


def _requested(data: bytes) -> tuple[int, int]:
    """SDO tag and template tag of ``4D{70{SDO{template 80}}}``, where 80 means "all of it"."""
    try:
        (header,) = ber.parse(data)
        (template,) = header.children()
        (sdo,) = template.children()
    except (CardError, ValueError):
        raise StatusError(0x6A80) from None
    if (header.tag, template.tag) != (0x4D, 0x70) or sdo.value[-1:] != b"\x80":
        raise StatusError(0x6A88)
    return sdo.tag, int.from_bytes(sdo.value[:-1])


def _counters(pin: PinObject) -> list[bytes]:
    """9A tries at most, 9B tries left, 9D uses left (card.md §5)."""
    tries = [tlv(0x9A, bytes([pin.tries])), tlv(0x9B, bytes([pin.tries_left]))]
    return tries if pin.uses_left is None else [*tries, tlv(0x9D, pin.uses_left.to_bytes(2))]


def _parsed(data: bytes) -> tuple[ber.Tlv, ...]:
    try:
        return ber.parse(data)
    except CardError:
        raise StatusError(0x6A80) from None

"""CPS3, contact: IAS-ECC commands, class 00, straight after reset (card.md §2.2, §5, §6.2)."""

from __future__ import annotations

from collections.abc import Iterator

from ..credentials import RsaScheme, hash_algorithm
from ..errors import CardError
from ..messages import tr
from . import tlv
from .apdu import (
    CHANGE_REFERENCE_DATA,
    GET_DATA,
    INTERNAL_AUTHENTICATE,
    MANAGE_SECURITY_ENVIRONMENT,
    MAX_LE,
    PERFORM_SECURITY_OPERATION,
    RESET_RETRY_COUNTER,
    SELECT,
)
from .channel import checked
from .cps2ter import Cps2terVolet
from .fcp import FileControlParameters
from .generation import (
    APPLICATION,
    MASTER_FILE,
    PIN_TRIES,
    CardKey,
    Generation,
    PinField,
    PinStatus,
    PinStep,
)
from .rsa import digest_info

_BY_PATH = 0x09  # card.md §12: always the whole path, 3F00 included
_WITH_FCP, _WITHOUT_FCP = 0x04, 0x0C

# Algorithm references of the security environments (card.md §6.2).
_ALGORITHM_AUTHENTICATION = 0x02
_SIGNATURE_ALGORITHMS = {RsaScheme.PKCS1_SHA1: 0x12, RsaScheme.PKCS1_SHA256: 0x42}
_ALGORITHM_DECIPHER = 0x1A
_CIPHERTEXT_INDICATOR = b"\x81"

_AUTHENTICATION_SCHEMES = frozenset(s for s in RsaScheme if s.padding == "pkcs1")


class Cps3(Generation):
    """The CPS3 in a contact reader, T=0 (T=1 is answered alike)."""

    name = "CPS3"
    cla = 0x00
    max_response = 0xE7
    keeps_journal = True

    def start(self) -> None:
        """Nothing to do: the commands work straight after reset."""

    def recover(self, sw: int) -> None:
        self._send(SELECT, 0x04, _WITH_FCP, APPLICATION)

    def select_file(self, path: bytes) -> FileControlParameters:
        response = self._send_first(SELECT, _BY_PATH, _WITH_FCP, path, le=MAX_LE)
        return FileControlParameters.parse(
            checked(response, tr("to select the file {path}", path=path.hex().upper()))
        )

    def select(self, path: bytes) -> None:
        response = self._send_first(SELECT, _BY_PATH, _WITHOUT_FCP, path)
        checked(response, tr("to select {path}", path=path.hex().upper()))

    def cps2ter_files(self) -> Iterator[tuple[str, bytes]]:
        return Cps2terVolet(self._channel, self.max_response).read_all()

    def pin_status(self, reference: int, usual_tries: int = PIN_TRIES) -> PinStatus:
        """Read the counter in the PIN's security data object, which lies in the MF."""
        if not 0 < reference < 0x80:
            raise CardError(
                tr("a CPS3 has no PIN of reference {reference:02X}", reference=reference)
            )
        self.select(MASTER_FILE)
        data_object = bytes((0xBF, 0x81, reference))
        request = b"\x4d\x08\x70\x06" + data_object + b"\x02\xa0\x80"
        response = self._send(GET_DATA, 0x3F, 0xFF, request, le=MAX_LE)
        answer = checked(response, tr("to tell how many PIN tries are left"))
        return _pin_status(answer, int.from_bytes(data_object, "big"))

    def change_steps(self, reference: int) -> tuple[PinStep, ...]:
        """One command, which compares the old PIN by itself."""
        command = self._command(CHANGE_REFERENCE_DATA, 0x00, reference)
        return (PinStep(command, (PinField.PIN, PinField.NEW_PIN)),)

    def unblock_steps(self, reference: int, puk_reference: int) -> tuple[PinStep, ...]:
        """RESET RETRY COUNTER with the new PIN only, on the strength of the PUK before it."""
        command = self._command(RESET_RETRY_COUNTER, 0x02, reference)
        return (
            *self.verify_steps(puk_reference, PinField.PUK),
            PinStep(command, (PinField.NEW_PIN,)),
        )

    def schemes(self, key: CardKey) -> frozenset[RsaScheme]:
        if key.non_repudiation:
            return frozenset(_SIGNATURE_ALGORITHMS)
        return frozenset(scheme for scheme in _AUTHENTICATION_SCHEMES if _fits(scheme, key))

    def sign(self, key: CardKey, digest: bytes, scheme: RsaScheme) -> bytes:
        """INTERNAL AUTHENTICATE over a DigestInfo, or PSO CDS over a hash made outside."""
        self.select(key.directory)
        if key.non_repudiation:
            self._set_key(0xB6, _SIGNATURE_ALGORITHMS[scheme], key)
            response = self._send(PERFORM_SECURITY_OPERATION, 0x9E, 0x9A, digest, le=MAX_LE)
        else:
            self._set_key(0xA4, _ALGORITHM_AUTHENTICATION, key)
            info = digest_info(digest, scheme)
            response = self._send(INTERNAL_AUTHENTICATE, 0x00, 0x00, info, le=MAX_LE)
        return checked(response, tr("to sign"))

    def decipher(self, key: CardKey, ciphertext: bytes) -> bytes:
        """PSO DECIPHER: the card removes the padding itself."""
        self.select(key.directory)
        self._set_key(0xB8, _ALGORITHM_DECIPHER, key)
        command = self._command(PERFORM_SECURITY_OPERATION, 0x80, 0x86, le=MAX_LE)
        response = self._channel.send_chained(command, _CIPHERTEXT_INDICATOR + ciphertext)
        return checked(response, tr("to decipher"))

    def _set_key(self, template: int, algorithm: int, key: CardKey) -> None:
        # Tag 80 comes before 84, and 81 must not be sent (card.md §6.2).
        environment = bytes((0x80, 0x01, algorithm, 0x84, 0x01, key.reference))
        response = self._send(MANAGE_SECURITY_ENVIRONMENT, 0x41, template, environment)
        checked(response, tr("to use its key"))


def _fits(scheme: RsaScheme, key: CardKey) -> bool:
    """Whether a DigestInfo is within 40 % of the modulus, the card's limit (card.md §6.2)."""
    digest = bytes(hash_algorithm(scheme).digest_size)
    return 5 * len(digest_info(digest, scheme)) <= 2 * key.size


def _pin_status(answer: bytes, data_object: int) -> PinStatus:
    """70{BF81xx{A0{9A max, 9B left, 9D uses left}}} (card.md §5)."""
    node = tlv.find(tlv.parse(answer), 0x70)
    for tag in (data_object, 0xA0):
        node = node.child(tag) if node else None
    values = (
        {found.tag: int.from_bytes(found.value, "big") for found in node.children()} if node else {}
    )
    most, left = values.get(0x9A), values.get(0x9B)
    if most is None or left is None or not 0 <= left <= most <= 0xFF:
        raise CardError(tr("the card's PIN counter makes no sense"))
    uses_left = values.get(0x9D)
    if uses_left == 0:  # as good as blocked
        left = 0
    return PinStatus(left, most, uses_left)

"""CPS4, contact: the ChipDoc application on logical channel 1 (card.md §2.4, §5, §6.3).

Every byte here comes from the official middleware's source and traces; no trace of a real
CPS4 is public.
"""

from __future__ import annotations

from ..credentials import RsaScheme
from ..errors import CardError, CardUnsupportedError
from ..messages import tr
from .apdu import (
    CHANGE_REFERENCE_DATA,
    MANAGE_SECURITY_ENVIRONMENT,
    MAX_LE,
    PERFORM_SECURITY_OPERATION,
    RESET_RETRY_COUNTER,
    SELECT,
    SW_CHANNEL_CLOSED,
    SW_CONDITIONS_NOT_SATISFIED,
    SW_OK,
    VERIFY,
    CommandApdu,
    ResponseApdu,
    status_name,
    tries_left,
)
from .channel import checked
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
from .rsa import encryption_message, signature_block

_ISSUER_DOMAIN = bytes.fromhex("A0000001510000")
_CPS2TER_APPLICATION = bytes.fromhex("8025000001FF0002")
_BY_NAME, _BY_PATH = 0x04, 0x08  # the path then goes without 3F00 (card.md §12)
_WITHOUT_FCI = 0x0C

# Algorithms of PSO CDS that the official middleware uses (card.md §6.3).
_CDS_ALGORITHMS = {
    RsaScheme.PKCS1_SHA1: 0x0A,
    RsaScheme.PKCS1_SHA256: 0x28,
    RsaScheme.PSS_SHA1: 0x15,
    RsaScheme.PSS_SHA256: 0x2C,
}
# Raw RSA would let a PSS block by any hash be made here; that a card takes it is only inferred.
_AUTHENTICATION_SCHEMES = frozenset(
    scheme for scheme in RsaScheme if scheme.padding == "pkcs1" or scheme in _CDS_ALGORITHMS
)
_LOCAL = 0x80  # b8 of a reference: of a PIN, local; of a key, "sign what is already hashed"


class Cps4(Generation):
    """The CPS4 in a contact reader, T=1 or T=0."""

    name = "CPS4"
    cla = 0x01
    max_response = 0x100
    lost = Generation.lost | {SW_CHANNEL_CLOSED, SW_CONDITIONS_NOT_SATISFIED}

    def start(self) -> None:
        """Select the application on channel 1, by way of CPS2ter's when it resists.

        Raises CardUnsupportedError.
        """
        response = self._select_by_name(APPLICATION)
        if not response.ok:
            self._select_by_name(_ISSUER_DOMAIN)
            self._channel.send(
                CommandApdu(0x00, SELECT, _BY_NAME, _WITHOUT_FCI, _CPS2TER_APPLICATION)
            )
            response = self._select_by_name(APPLICATION)
        if not response.ok:
            raise CardUnsupportedError(
                tr(
                    "the card's ChipDoc application can't be selected: {sw:04X}, {sw_2}",
                    sw=response.sw,
                    sw_2=status_name(response.sw),
                )
            )

    def recover(self, sw: int) -> None:
        if sw in Generation.lost:
            self._send(SELECT, _BY_NAME, 0x04, APPLICATION)
        else:
            self.start()

    def select_file(self, path: bytes) -> FileControlParameters:
        response = self._send_first(SELECT, _BY_PATH, 0x00, _below_mf(path), le=MAX_LE)
        return FileControlParameters.parse(
            checked(response, tr("to select the file {path}", path=path.hex().upper()))
        )

    def select(self, path: bytes) -> None:
        response = self._send_first(SELECT, _BY_PATH, 0x00, _below_mf(path))
        checked(response, tr("to select {path}", path=path.hex().upper()))

    def pin_status(self, reference: int, usual_tries: int = PIN_TRIES) -> PinStatus:
        """Read the counter with a VERIFY without data, which counts as no try.

        The card tells only what is left. 9000 says that the PIN is verified already, which
        had set the counter to its most.
        """
        response = self._send_first(VERIFY, 0x00, reference)
        if response.sw == SW_OK:
            return PinStatus(usual_tries, usual_tries)
        left = tries_left(response.sw)
        if left is None:
            checked(response, tr("to tell how many PIN tries are left"))
            raise CardError(tr("the card's PIN counter makes no sense"))
        return PinStatus(left, max(left, usual_tries))

    def change_steps(self, reference: int) -> tuple[PinStep, ...]:
        return (*self.verify_steps(reference), self._new_pin_step(reference))

    def unblock_steps(self, reference: int, puk_reference: int) -> tuple[PinStep, ...]:
        """The PUK, the tries back, then a new PIN: the old one lives if it stops half-way."""
        give_tries = self._command(RESET_RETRY_COUNTER, 0x03, reference | _LOCAL)
        return (
            *self.verify_steps(puk_reference, PinField.PUK),
            PinStep(give_tries),
            self._new_pin_step(reference),
        )

    def _new_pin_step(self, reference: int) -> PinStep:
        command = self._command(CHANGE_REFERENCE_DATA, 0x01, reference)
        return PinStep(command, (PinField.NEW_PIN,))

    def schemes(self, key: CardKey) -> frozenset[RsaScheme]:
        return frozenset(_CDS_ALGORITHMS) if key.non_repudiation else _AUTHENTICATION_SCHEMES

    def sign(self, key: CardKey, digest: bytes, scheme: RsaScheme) -> bytes:
        """PSO CDS over a hash; v1.5 with an authentication key is a raw PSO DECIPHER."""
        self.select(key.directory)
        if key.non_repudiation or scheme.padding == "pss":
            environment = bytes((0x91, 0x02, _CDS_ALGORITHMS[scheme], key.reference | _LOCAL))
            self._set_environment(0x81, 0xB6, environment)
            response = self._send(PERFORM_SECURITY_OPERATION, 0x9E, 0x9A, digest, le=MAX_LE)
            return checked(response, tr("to sign"))
        return self._raw_rsa(key, signature_block(digest, scheme, key.size), tr("to sign"))

    def decipher(self, key: CardKey, ciphertext: bytes) -> bytes:
        """PSO DECIPHER gives the padded block: the padding is removed here."""
        self.select(key.directory)
        block = self._raw_rsa(key, ciphertext, tr("to decipher"))
        if len(block) != key.size:
            raise CardError(tr("the card deciphered to a block of the wrong length"))
        return encryption_message(block)

    def _raw_rsa(self, key: CardKey, block: bytes, what: str) -> bytes:
        self._set_environment(0x41, 0xB8, bytes((0x83, 0x01, key.reference)))
        command = self._command(PERFORM_SECURITY_OPERATION, 0x80, 0x86, le=MAX_LE)
        return checked(self._channel.send_chained(command, block), what)

    def _set_environment(self, p1: int, template: int, environment: bytes) -> None:
        response = self._send(MANAGE_SECURITY_ENVIRONMENT, p1, template, environment)
        checked(response, tr("to use its key"))

    def _select_by_name(self, name: bytes) -> ResponseApdu:
        return self._send(SELECT, _BY_NAME, _WITHOUT_FCI, name)


def _below_mf(path: bytes) -> bytes:
    if not path.startswith(MASTER_FILE) or len(path) == len(MASTER_FILE):
        raise CardError(tr("{path} is no path of a file below 3F00", path=path.hex().upper()))
    return path[len(MASTER_FILE) :]

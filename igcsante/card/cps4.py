"""CPS4, contact: the ChipDoc application on logical channel 1 (card.md §2.4, §5, §6.3).

Every byte here comes from the official middleware's source and traces; no trace of a real
CPS4 is public.
"""

from __future__ import annotations

from ..credentials import RsaScheme
from ..errors import CardError, CardUnsupportedError
from .apdu import (
    MANAGE_SECURITY_ENVIRONMENT,
    MAX_LE,
    PERFORM_SECURITY_OPERATION,
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
from .generation import APPLICATION, MASTER_FILE, CardKey, Generation, PinStatus
from .rsa import encryption_message, signature_block

_ISSUER_DOMAIN = bytes.fromhex("A0000001510000")
_CPS2TER_APPLICATION = bytes.fromhex("8025000001FF0002")
_BY_NAME, _BY_PATH = 0x04, 0x08  # the path then goes without 3F00 (card.md §12)
_WITHOUT_FCI = 0x0C
_MAX_TRIES = 3  # the middleware's constant: the card tells only what is left (card.md §5)

_CDS_ALGORITHMS = {RsaScheme.PKCS1_SHA256: 0x28, RsaScheme.PSS_SHA256: 0x2C}
_PREHASHED = 0x80
_AUTHENTICATION_SCHEMES = frozenset(
    {
        RsaScheme.PKCS1_SHA256,
        RsaScheme.PKCS1_SHA384,
        RsaScheme.PKCS1_SHA512,
        RsaScheme.PSS_SHA256,
    }
)


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
                "the card's ChipDoc application can't be selected: "
                f"{response.sw:04X}, {status_name(response.sw)}"
            )

    def recover(self, sw: int) -> None:
        if sw in Generation.lost:
            self._send(SELECT, _BY_NAME, 0x04, APPLICATION)
        else:
            self.start()

    def select_file(self, path: bytes) -> FileControlParameters:
        response = self._send_first(SELECT, _BY_PATH, 0x00, _below_mf(path), le=MAX_LE)
        return FileControlParameters.parse(
            checked(response, f"to select the file {path.hex().upper()}")
        )

    def select_directory(self, path: bytes) -> None:
        response = self._send_first(SELECT, _BY_PATH, 0x00, _below_mf(path))
        checked(response, f"to select the directory {path.hex().upper()}")

    def pin_status(self, reference: int) -> PinStatus:
        """Read the counter with a VERIFY without data, which counts as no try.

        9000 says that the PIN is verified already, which had set the counter to its most.
        """
        response = self._send_first(VERIFY, 0x00, reference)
        if response.sw == SW_OK:
            return PinStatus(_MAX_TRIES, _MAX_TRIES)
        left = tries_left(response.sw)
        if left is None:
            checked(response, "to tell how many PIN tries are left")
            raise CardError("the card's PIN counter makes no sense")
        return PinStatus(left, max(left, _MAX_TRIES))

    def verify(self, reference: int, pin: bytes) -> int:
        return self._send(VERIFY, 0x00, reference, pin).sw

    def schemes(self, key: CardKey) -> frozenset[RsaScheme]:
        return frozenset(_CDS_ALGORITHMS) if key.non_repudiation else _AUTHENTICATION_SCHEMES

    def sign(self, key: CardKey, digest: bytes, scheme: RsaScheme) -> bytes:
        """PSO CDS over a hash; v1.5 with an authentication key is a raw PSO DECIPHER."""
        self.select_directory(key.directory)
        if key.non_repudiation or scheme is RsaScheme.PSS_SHA256:
            environment = bytes((0x91, 0x02, _CDS_ALGORITHMS[scheme], key.reference | _PREHASHED))
            self._set_environment(0x81, 0xB6, environment)
            response = self._send(PERFORM_SECURITY_OPERATION, 0x9E, 0x9A, digest, le=MAX_LE)
            return checked(response, "to sign")
        return self._raw_rsa(key, signature_block(digest, scheme, key.size), "to sign")

    def decipher(self, key: CardKey, ciphertext: bytes) -> bytes:
        """PSO DECIPHER gives the padded block: the padding is removed here."""
        self.select_directory(key.directory)
        block = self._raw_rsa(key, ciphertext, "to decipher")
        if len(block) != key.size:
            raise CardError("the card deciphered to a block of the wrong length")
        return encryption_message(block)

    def _raw_rsa(self, key: CardKey, block: bytes, what: str) -> bytes:
        self._set_environment(0x41, 0xB8, bytes((0x83, 0x01, key.reference)))
        command = self._command(PERFORM_SECURITY_OPERATION, 0x80, 0x86, le=MAX_LE)
        return checked(self._channel.send_chained(command, block), what)

    def _set_environment(self, p1: int, template: int, environment: bytes) -> None:
        response = self._send(MANAGE_SECURITY_ENVIRONMENT, p1, template, environment)
        checked(response, "to use its key")

    def _select_by_name(self, name: bytes) -> ResponseApdu:
        return self._send(SELECT, _BY_NAME, _WITHOUT_FCI, name)


def _below_mf(path: bytes) -> bytes:
    if not path.startswith(MASTER_FILE) or len(path) == len(MASTER_FILE):
        raise CardError(f"{path.hex().upper()} is no path of a file below 3F00")
    return path[len(MASTER_FILE) :]

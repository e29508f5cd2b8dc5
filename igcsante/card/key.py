"""A private key of the card as an :class:`igcsante.credentials.RsaSigner`.

Every signature is checked against the certificate before anyone sees it: a card that signs
with another key, or badly, is an error here and not at the other end.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import utils

from ..credentials import SHA1_SCHEMES, RsaScheme, cryptography_padding, hash_algorithm
from ..errors import CardError, CardStatusError, PinRequiredError
from ..messages import tr
from .apdu import SW_PIN_REQUIRED
from .generation import CardKey, Generation


class CardSigner:
    """A key that signs and deciphers on the card, in a transaction of its own each time."""

    def __init__(
        self,
        generation: Generation,
        key: CardKey,
        transaction: Callable[[], AbstractContextManager[None]],
        *,
        allow_sha1: bool = False,
    ) -> None:
        self._generation = generation
        self._key = key
        self._transaction = transaction
        offered = generation.schemes(key)
        self.schemes = offered if allow_sha1 else offered - SHA1_SCHEMES

    def sign_digest(self, digest: bytes, scheme: RsaScheme) -> bytes:
        """The key's signature of ``digest``, as long as the modulus.

        Raises PinRequiredError before the PIN was verified, CardStatusError when the card
        refuses, CardError for a scheme that isn't in ``schemes`` and for an answer that is
        no signature by the certificate's key.
        """
        if scheme not in self.schemes:
            raise CardError(tr("this key can't sign with {label}", label=scheme.label))
        if len(digest) != hash_algorithm(scheme).digest_size:
            raise CardError(
                tr(
                    "a digest of {count} bytes is not by {hash_name}",
                    count=len(digest),
                    hash_name=scheme.hash_name,
                )
            )
        with self._transaction(), _pin_required_named():
            signature = self._generation.sign(self._key, digest, scheme)
        self._check(signature, digest, scheme)
        return signature

    def decipher(self, ciphertext: bytes) -> bytes:
        """The message of a PKCS#1 v1.5 ciphertext for the authentication key.

        Raises as :meth:`sign_digest`; CardError when the key may not decipher.
        """
        if not self._key.may_decipher:
            raise CardError(tr("this key of the card can't decipher"))
        if len(ciphertext) != self._key.size:
            raise CardError(tr("a ciphertext for this key is {size} bytes", size=self._key.size))
        with self._transaction(), _pin_required_named():
            return self._generation.decipher(self._key, ciphertext)

    def _check(self, signature: bytes, digest: bytes, scheme: RsaScheme) -> None:
        if len(signature) != self._key.size:
            raise CardError(
                tr(
                    "the card gave {count} bytes of signature instead of {size}",
                    count=len(signature),
                    size=self._key.size,
                )
            )
        try:
            self._key.public_key.verify(
                signature,
                digest,
                cryptography_padding(scheme),
                utils.Prehashed(hash_algorithm(scheme)),
            )
        except InvalidSignature:
            raise CardError(
                tr("the card's signature doesn't fit its certificate"),
                advice=tr("take the card out, insert it again, and try once more"),
            ) from None


@contextmanager
def _pin_required_named() -> Iterator[None]:
    try:
        yield
    except CardStatusError as error:
        if error.status_word != SW_PIN_REQUIRED:
            raise
        raise PinRequiredError(
            tr("the card wants its PIN before it uses this key"),
            advice=tr("verify the PIN first; a reset of the card also makes it forget"),
        ) from error

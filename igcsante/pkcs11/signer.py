"""A private key of a token as an :class:`igcsante.credentials.RsaSigner`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import rsa, utils

from ..credentials import DIGEST_INFO, RsaScheme, cryptography_padding, hash_algorithm
from ..errors import CardError
from ..messages import tr
from .failures import errors_named


class Pkcs11Signer:
    """Signs and deciphers in the token. Every signature is checked before anyone sees it."""

    def __init__(
        self,
        name: str,
        key: Callable[[], Any],
        public_key: rsa.RSAPublicKey,
        schemes: frozenset[RsaScheme],
    ) -> None:
        """``key`` gives python-pkcs11's private key, each time; ``name`` is the token's."""
        self._name = name
        self._key = key
        self._public_key = public_key
        self.schemes = schemes

    def sign_digest(self, digest: bytes, scheme: RsaScheme) -> bytes:
        """The key's signature of ``digest``, checked against the certificate.

        Raises PinRequiredError before the login, CardError when the token refuses or its
        signature is not by the certificate's key.
        """
        from pkcs11 import MGF, Mechanism

        key = self._key()
        with errors_named(self._name):
            if scheme.padding == "pkcs1":
                block = DIGEST_INFO[scheme.hash_name] + digest
                signature = bytes(key.sign(block, mechanism=Mechanism.RSA_PKCS))
            else:
                name = scheme.hash_name.upper()
                parameters = (Mechanism[name], MGF[name], len(digest))
                signature = bytes(
                    key.sign(digest, mechanism=Mechanism.RSA_PKCS_PSS, mechanism_param=parameters)
                )
        hashed = utils.Prehashed(hash_algorithm(scheme))
        try:
            self._public_key.verify(signature, digest, cryptography_padding(scheme), hashed)
        except InvalidSignature:
            raise CardError(
                tr("{name}: the token's signature doesn't fit its certificate", name=self._name)
            ) from None
        return signature

    def decipher(self, ciphertext: bytes) -> bytes:
        """The message of a PKCS#1 v1.5 ciphertext. Raises as :meth:`sign_digest`."""
        from pkcs11 import Mechanism

        key = self._key()
        with errors_named(self._name):
            return bytes(key.decrypt(ciphertext, mechanism=Mechanism.RSA_PKCS))

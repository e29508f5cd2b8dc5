"""The private operation of a TLS handshake: counted, bounded, and never retried.

RFC 8446 §4.4.3 and RFC 5246 §7.4.8 (CertificateVerify): a digest goes in, a signature
comes out. Which RSA schemes exist in TLS is RFC 8446 §4.2.3.
"""

from __future__ import annotations

import threading

from cryptography.hazmat.primitives.asymmetric.utils import Prehashed

from ..credentials import Credential, RsaScheme, cryptography_padding, hash_algorithm
from ..errors import TlsError
from ..messages import tr

#: In the order in which they are offered.
TLS_SCHEMES = (
    RsaScheme.PSS_SHA256,
    RsaScheme.PSS_SHA384,
    RsaScheme.PSS_SHA512,
    RsaScheme.PKCS1_SHA256,
    RsaScheme.PKCS1_SHA384,
    RsaScheme.PKCS1_SHA512,
)


class SigningRefusedError(Exception):
    """Fails a handshake; the reason is in :attr:`BoundedSigner.failure`."""


class BoundedSigner:
    """Signs with a credential ``limit`` times at most, and never again after a failure."""

    def __init__(self, credential: Credential, limit: int) -> None:
        self.schemes = tuple(s for s in TLS_SCHEMES if s in credential.schemes)
        self.signatures = 0
        self.failure: BaseException | None = None
        self._key = credential.private_key
        self._limit = limit
        self._lock = threading.Lock()
        if not self.schemes:
            raise TlsError(tr("this key makes no signature that TLS 1.2 or 1.3 accepts"))

    @property
    def has_pss(self) -> bool:
        return any(scheme.padding == "pss" for scheme in self.schemes)

    def sign(self, digest: bytes, scheme: RsaScheme) -> bytes:
        """The signature. Raises SigningRefusedError, with the reason kept in ``failure``."""
        with self._lock:
            try:
                self._spend_one()
                return self._key.sign(
                    digest, cryptography_padding(scheme), Prehashed(hash_algorithm(scheme))
                )
            except BaseException as error:  # nothing else may unwind through the TLS library
                self.failure = self.failure or error
                raise SigningRefusedError from None

    def _spend_one(self) -> None:
        if self.failure is not None:
            raise self.failure
        if self.signatures >= self._limit:
            raise TlsError(
                tr(
                    "one more card signature was refused: the server wants a new handshake "
                    "(signatures allowed: {limit})",
                    limit=self._limit,
                ),
                advice=tr(
                    "the server neither kept the connection open nor resumed its session; "
                    "start the command again"
                ),
            )
        self.signatures += 1

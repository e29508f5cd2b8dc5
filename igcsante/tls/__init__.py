"""Mutual TLS with a key that stays where it is, on the card (design §3).

:func:`client_context` gives an ``ssl.SSLContext`` for requests, urllib3 and http.client.
Its handshakes call back into the credential, only after the server was verified, and only
as often as the caller allows. What the card raises meanwhile is kept for
:func:`signing_failure`, since OpenSSL reports any failure there as its own.
"""

from __future__ import annotations

import ssl
from collections.abc import Iterable

from cryptography import x509

from ..credentials import Credential
from ..errors import TlsError
from ..extras import how_to_install
from ..messages import tr
from .signing import BoundedSigner

__all__ = ["client_context", "signatures_made", "signing_failure"]


def client_context(
    credential: Credential,
    anchors: Iterable[x509.Certificate],
    *,
    max_signatures: int = 1,
) -> ssl.SSLContext:
    """A context that shows ``credential`` to a server which ``anchors`` vouch for.

    TLS 1.2 or newer, 1.2 at most for a key without PSS (RFC 8446 §4.2.3). Chain and host
    name of the server are always verified, against ``anchors`` only: roots that an HTTP
    library adds later are left out. Later connections to the same host and port resume
    the session, so that the card signs once; the key is asked ``max_signatures`` times
    at most, then the handshake fails.

    Raises TlsError without anchors, for a key that no TLS version can use, and where this
    Python's OpenSSL can't be reached and the extra ``tlslite`` isn't installed.
    """
    trusted = tuple(anchors)
    if not trusted:
        raise TlsError(
            tr("no trust anchor is known, so no server could be verified"),
            advice=tr("name its anchors in the profile, or import them: igc trust import"),
        )
    signer = BoundedSigner(credential, max_signatures)

    from . import native

    if native.available():
        return native.ClientContext(credential, signer, trusted)
    try:
        from . import fallback
    except ImportError:
        raise TlsError(
            tr("this Python has its OpenSSL built in where a card's key can't be plugged into it"),
            advice=tr("use your system's Python, or {install}", install=how_to_install("tlslite")),
        ) from None
    return fallback.ClientContext(credential, signer, trusted)


def signing_failure(context: ssl.SSLContext) -> BaseException | None:
    """What the key raised in a handshake of ``context``: raise it instead of the SSLError."""
    signer = getattr(context, "signer", None)
    return signer.failure if isinstance(signer, BoundedSigner) else None


def signatures_made(context: ssl.SSLContext) -> int:
    """How often a handshake of ``context`` asked the key to sign, failures included."""
    signer = getattr(context, "signer", None)
    return signer.signatures if isinstance(signer, BoundedSigner) else 0

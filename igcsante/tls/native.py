"""The context on this Python's own OpenSSL, through the ``sslcontext`` package (2.1.1).

``sslcontext`` registers an OpenSSL provider whose RSA keys sign in Python. What it doesn't
do, and this module adds: the list of signature algorithms for client authentication
(SSL_CTX_set1_client_sigalgs_list(3)), and resumption.
"""

from __future__ import annotations

import logging
import ssl
from collections.abc import Sequence
from socket import socket
from typing import TYPE_CHECKING

from cryptography import x509

from ..credentials import Credential, RsaScheme
from ..errors import TlsError
from ..messages import tr
from .context import Peer, VerifyingContext, der, peer_of
from .signing import BoundedSigner, SigningRefusedError

if TYPE_CHECKING:
    from sslcontext import Padding

_SET_CLIENT_SIGALGS_LIST = 102  # SSL_CTRL_SET_CLIENT_SIGALGS_LIST, ssl.h


def available() -> bool:
    """Whether this Python's OpenSSL can be reached (not so in static builds)."""
    from sslcontext import UnsupportedOpenSSLError
    from sslcontext._openssl import openssl

    try:
        openssl()
    except (UnsupportedOpenSSLError, AttributeError, OSError):
        # AttributeError: a _ssl compiled into the interpreter has no __file__.
        return False
    return True


class _Connection(ssl.SSLSocket):
    """Leaves its session to the context when it ends: TLS 1.3 tickets come late."""

    _peer: Peer | None = None  # known once the handshake verified the server

    def do_handshake(self, block: bool = False) -> None:
        super().do_handshake(block)
        self._peer = peer_of(self, self.server_hostname)

    def close(self) -> None:
        self._leave_session()
        super().close()

    def shutdown(self, how: int) -> None:
        self._leave_session()
        super().shutdown(how)

    def _leave_session(self) -> None:
        if self._peer is None or not isinstance(self.context, ClientContext):
            return
        session = self.session
        if session is None:  # closed already
            return
        if session.has_ticket or (session.id and self.version() == "TLSv1.2"):
            self.context.sessions[self._peer] = session


class ClientContext(VerifyingContext):
    """See :func:`igcsante.tls.client_context`."""

    sslsocket_class = _Connection

    def __init__(
        self, credential: Credential, signer: BoundedSigner, anchors: Sequence[x509.Certificate]
    ) -> None:
        super().__init__(signer, anchors)
        self.sessions: dict[Peer, ssl.SSLSession] = {}
        _load_credential(self, credential, signer)

    def wrap_socket(  # type: ignore[override]
        self,
        sock: socket,
        server_side: bool = False,
        do_handshake_on_connect: bool = True,
        suppress_ragged_eofs: bool = True,
        server_hostname: str | None = None,
        session: ssl.SSLSession | None = None,
    ) -> ssl.SSLSocket:
        """As in ``ssl``; resumes the last session with this host and port, if any."""
        peer = peer_of(sock, server_hostname)
        if session is None and peer is not None:
            session = self.sessions.get(peer)
        return super().wrap_socket(
            sock,
            server_side,
            do_handshake_on_connect,
            suppress_ragged_eofs,
            server_hostname,
            session,
        )


def _load_credential(context: ClientContext, credential: Credential, signer: BoundedSigner) -> None:
    from sslcontext import Identity, SSLContextError, load_identity
    from sslcontext._openssl import openssl, ssl_ctx_pointer

    identity = Identity(
        certificate=der(credential.certificate),
        signer=_ProviderSigner(signer),
        chain=tuple(der(issuer) for issuer in credential.chain),
    )
    try:
        load_identity(context, identity)
    except SSLContextError as error:
        raise TlsError(tr("OpenSSL does not take this certificate: {error}", error=error)) from None
    library = openssl()
    names = ":".join(_openssl_name(scheme) for scheme in signer.schemes).encode()
    pointer = ssl_ctx_pointer(library, context)
    if not library.SSL_CTX_ctrl(pointer, _SET_CLIENT_SIGALGS_LIST, 0, names):
        raise TlsError(
            tr("OpenSSL does not take the signature algorithms {names}", names=names.decode())
        )


class _ProviderSigner:
    """What ``sslcontext`` calls, over a BoundedSigner."""

    def __init__(self, signer: BoundedSigner) -> None:
        self._signer = signer
        self.supports_pss = signer.has_pss

    def sign(
        self,
        digest: bytes,
        *,
        hash: str,  # noqa: A002 - the name that sslcontext calls it by
        padding: Padding | None = None,
        salt_length: int | None = None,
    ) -> bytes:
        kind = "pkcs1" if padding is None or padding.value == "pkcs1v15" else "pss"
        return self._signer.sign(digest, RsaScheme((kind, hash)))


def _openssl_name(scheme: RsaScheme) -> str:
    if scheme.padding == "pss":
        return f"rsa_pss_rsae_{scheme.hash_name}"
    return f"RSA+{scheme.hash_name.upper()}"


def _is_news(record: logging.LogRecord) -> bool:
    """Drops the traceback that sslcontext logs for a refusal, which is reported elsewhere."""
    return not (record.exc_info and isinstance(record.exc_info[1], SigningRefusedError))


logging.getLogger("sslcontext").addFilter(_is_news)

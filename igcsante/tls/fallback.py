"""The same context where no OpenSSL can be reached: TLS in Python, by tlslite-ng (0.8.2).

For Pythons with OpenSSL built in. Chain and host name of the server are verified with
``cryptography`` as soon as its Certificate message is in, long before anything is signed
(RFC 8446 §4.4.2, RFC 5246 §7.4.2). Slower than OpenSSL, and not written to resist timing
attacks on its session keys; the card's key is not in its hands.
"""

from __future__ import annotations

import contextlib
import errno
import io
import ipaddress
import ssl
import time
from collections.abc import Iterator, Sequence
from socket import socket
from typing import Any

from cryptography import x509
from cryptography.x509.verification import PolicyBuilder, Store, VerificationError
from tlslite.api import X509, HandshakeSettings, TLSConnection, X509CertChain
from tlslite.constants import SignatureScheme
from tlslite.errors import TLSAbruptCloseError, TLSRemoteAlert
from tlslite.utils.rsakey import RSAKey

from ..credentials import Credential, RsaScheme
from .context import Peer, VerifyingContext, der, peer_of
from .signing import BoundedSigner, SigningRefusedError

# X509_V_ERR_HOSTNAME_MISMATCH and X509_V_ERR_UNSPECIFIED (OpenSSL's x509_vfy.h)
_OTHER_NAME, _UNTRUSTED = 62, 1


class ClientContext(VerifyingContext):
    """See :func:`igcsante.tls.client_context`. It wraps sockets, not BIOs."""

    def __init__(
        self, credential: Credential, signer: BoundedSigner, anchors: Sequence[x509.Certificate]
    ) -> None:
        super().__init__(signer, anchors)
        self.roots = [one for one in anchors if one.subject == one.issuer]
        self.intermediates = [one for one in anchors if one.subject != one.issuer]
        self.key = _Key(signer)
        self.chain = X509CertChain(
            [_parsed(one) for one in (credential.certificate, *credential.chain)]
        )
        self.sessions: dict[Peer, Any] = {}

    def wrap_socket(  # type: ignore[override]
        self,
        sock: socket,
        server_side: bool = False,
        do_handshake_on_connect: bool = True,
        suppress_ragged_eofs: bool = True,
        server_hostname: str | None = None,
        session: object = None,
    ) -> Connection:
        """A connection that looks like an SSLSocket to an HTTP client; handshake done."""
        if server_side or not server_hostname:
            raise ValueError("a client connection needs server_hostname")
        connection = Connection(sock, self, server_hostname)
        try:
            connection.open()
        except BaseException:
            sock.close()
            raise
        return connection


class Connection(TLSConnection):  # type: ignore[misc] # tlslite has no types
    """One TLS connection with a verified server."""

    def __init__(self, sock: socket, context: ClientContext, host: str) -> None:
        self._bounded = _BoundedSocket(sock)
        super().__init__(self._bounded)
        self.ignoreAbruptClose = True  # as Python's ssl does: HTTP tells where an answer ends
        self.context, self.host = context, host
        self._peer = peer_of(sock, host)

    def open(self) -> None:
        with _as_ssl_errors(), self._bounded.in_all():
            self.handshakeClientCert(
                self.context.chain,
                self.context.key,
                session=self.context.sessions.get(self._peer) if self._peer else None,
                settings=_settings(self.context.signer),
                serverName=None if _address(self.host) else self.host,
            )
        if self._peer:  # it gathers tickets as they come
            self.context.sessions[self._peer] = self.session

    def selected_alpn_protocol(self) -> None:
        """None: HTTP/1.1."""

    def getpeercert(self, binary_form: bool = False) -> bytes | None:
        """The server's certificate (DER), as it was verified."""
        if not binary_form:
            raise ValueError("the certificate is given as DER only")
        chain = self.session.serverCertChain if self.session else None
        return bytes(chain.x509List[0].bytes) if chain else None

    def pending(self) -> int:
        """How many bytes came and are unread."""
        return len(self._readBuffer) + len(self.sock._read_buffer)

    def fileno(self) -> int:
        """The descriptor, for select."""
        return self._bounded.fileno()  # type: ignore[no-any-return]

    def makefile(self, mode: str = "r", buffering: int | None = None) -> Any:
        raw = super().makefile(mode, -1)
        return raw if buffering == 0 or "w" in mode else io.BufferedReader(raw)

    def recv_into(self, buffer: Any, nbytes: int = 0, flags: int = 0) -> int:
        with _as_ssl_errors(), self._bounded.in_all():
            return super().recv_into(buffer) or 0

    def sendall(self, data: Any) -> None:
        with _as_ssl_errors():
            super().sendall(data)

    # -- tlslite's own steps ---------------------------------------------------------------

    def _clientGetKeyFromChain(self, *arguments: Any) -> Iterator[Any]:  # noqa: N802
        for result in super()._clientGetKeyFromChain(*arguments):
            if isinstance(result, tuple):
                _verify(result[1], self.host, self.context)
            yield result

    @staticmethod
    def _sigHashesToList(  # noqa: N802 - tlslite's names
        settings: Any,
        key: Any = None,
        certList: Any = None,  # noqa: N803
        version: tuple[int, int] = (3, 3),
    ) -> Any:
        """What is offered; with our key, only what it signs."""
        if not isinstance(key, _Key):
            return TLSConnection._sigHashesToList(settings, key, certList, version)
        return [
            _code_point(scheme)
            for scheme in key.schemes
            if scheme.padding == "pss" or version < (3, 4)
        ]


class _BoundedSocket:
    """A socket whose time limit can bound many reads together, as OpenSSL's does.

    A handshake and a record are many reads.
    """

    def __init__(self, sock: socket) -> None:
        self._socket = sock
        self._end: float | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._socket, name)

    @contextlib.contextmanager
    def in_all(self) -> Iterator[None]:
        """Its time limit is one for all reads of this block."""
        limit = self._socket.gettimeout()
        self._end = None if limit is None else time.monotonic() + limit
        try:
            yield
        finally:
            self._end = None
            if self._socket.fileno() >= 0:
                self._socket.settimeout(limit)

    def recv(self, size: int) -> bytes:
        if self._end is not None:
            left = self._end - time.monotonic()
            if left <= 0:
                raise TimeoutError("the handshake took too long")
            self._socket.settimeout(left)
        return self._socket.recv(size)


class _Key:
    """What tlslite takes for an RSA private key, over a BoundedSigner."""

    key_type = "rsa"

    def __init__(self, signer: BoundedSigner) -> None:
        self._signer = signer
        self.schemes = signer.schemes

    def sign(self, data: bytes, padding: str, hash_name: str | None, _: object) -> bytearray:
        """Sign a digest, or a DigestInfo (RFC 8017 §9.2) when no hash is named."""
        if hash_name:
            return bytearray(self._signer.sign(bytes(data), RsaScheme((padding, hash_name))))
        for scheme in self.schemes:
            digest = data[-_DIGEST_BYTES[scheme.hash_name] :]
            if scheme.padding == "pkcs1" and data == RSAKey.addPKCS1Prefix(
                bytearray(digest), scheme.hash_name
            ):
                return bytearray(self._signer.sign(bytes(digest), scheme))
        raise SigningRefusedError

    def verify(self, *_: object) -> bool:
        """True: the server is the one to judge the signature."""
        return True


_DIGEST_BYTES = {"sha256": 32, "sha384": 48, "sha512": 64}


def _parsed(certificate: x509.Certificate) -> X509:
    parsed = X509()
    parsed.parseBinary(der(certificate))
    return parsed


def _settings(signer: BoundedSigner) -> HandshakeSettings:
    """Forward secrecy and authenticated ciphers only, as Python's ssl has by default."""
    settings = HandshakeSettings()
    settings.minVersion = (3, 3)
    settings.maxVersion = (3, 4) if signer.has_pss else (3, 3)
    settings.minKeySize = 2048
    settings.keyExchangeNames = ["ecdhe_rsa", "dhe_rsa", "ecdhe_ecdsa"]
    settings.cipherNames = ["aes256gcm", "aes128gcm", "chacha20-poly1305"]
    settings.rsaSigHashes = ["sha256", "sha384", "sha512"]
    settings.ecdsaSigHashes = ["sha256", "sha384", "sha512"]
    settings.dsaSigHashes = []
    settings.psk_modes = ["psk_dhe_ke"]
    settings.use_heartbeat_extension = False
    # 0.8.2 sends CompressedCertificate unasked, which ends in unexpected_message.
    settings.certificate_compression_send = []
    settings.certificate_compression_receive = []
    return settings


def _code_point(scheme: RsaScheme) -> tuple[int, int]:
    kind = "pss_rsae" if scheme.padding == "pss" else "pkcs1"
    return getattr(SignatureScheme, f"rsa_{kind}_{scheme.hash_name}")  # type: ignore[no-any-return]


def _verify(chain: Any, host: str, context: ClientContext) -> None:
    try:
        leaf, *others = [x509.load_der_x509_certificate(bytes(one.bytes)) for one in chain.x509List]
        address = _address(host)
        name = x509.IPAddress(address) if address else x509.DNSName(host)
        verifier = PolicyBuilder().store(Store(context.roots)).build_server_verifier(name)
        verifier.verify(leaf, others + context.intermediates)
    except (VerificationError, ValueError) as error:
        failure = ssl.SSLCertVerificationError(1, f"certificate verify failed for {host}: {error}")
        failure.reason = "CERTIFICATE_VERIFY_FAILED"
        failure.verify_code = _OTHER_NAME if "subjectAltName" in str(error) else _UNTRUSTED
        failure.verify_message = str(error).partition(" (encountered")[0]
        raise failure from None


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


@contextlib.contextmanager
def _as_ssl_errors() -> Iterator[None]:
    """tlslite's errors, and what it makes of a server's nonsense, as ssl.SSLError."""
    try:
        yield
    except OSError:
        raise
    except SigningRefusedError:
        raise _ssl_error("SIGNING_REFUSED", "the client's key did not sign") from None
    except TLSRemoteAlert as error:
        raise _ssl_error(f"TLS_ALERT_{error}".upper(), f"TLS failed: {error}") from error
    except TLSAbruptCloseError as error:
        raise ConnectionResetError(errno.ECONNRESET, "it closed the connection") from error
    except Exception as error:
        name = str(error) or type(error).__name__
        raise _ssl_error(name.upper(), f"TLS failed: {name}") from error


def _ssl_error(reason: str, message: str) -> ssl.SSLError:
    """With the attribute that Python's own have."""
    error = ssl.SSLError(1, message)
    error.reason = reason
    return error

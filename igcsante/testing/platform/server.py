"""The mock platform on loopback: HTTPS with mutual TLS 1.2 and 1.3, kept-alive connections.

The handshake runs in the connection's own thread, so that one slow client (a card takes
half a second to sign) holds no one up. Every handshake is counted: each full one costs the
client's card a signature.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import tempfile
import threading
from pathlib import Path
from typing import Any, cast

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from ..cards.material import KeyPair
from ..clock import utc_now
from ..http import LOOPBACK, LoopbackServer, QuietHandler, listen
from ..pki import SimulatedPki
from ..pki.simulated import save_key_pair
from .faults import HangUp
from .service import MockPlatform
from .soap import PATH, PEER, SoapApplication

HANDSHAKE_SECONDS = 20
LINGER_SECONDS = 2
MAX_READS = 16
NO_CHECK_TIME = ssl.VerifyFlags(0x200000)  # X509_V_FLAG_NO_CHECK_TIME of OpenSSL
SERVER_NAMES = ("localhost", LOOPBACK)


class PlatformServer(LoopbackServer):
    """``with PlatformServer(platform, pki, identity):`` serves it at :attr:`endpoint`.

    ``identity`` is the server's own key and certificate, from ``pki.issue_server``.
    ``handshakes`` and ``resumptions`` count TLS sessions, ``requests`` HTTP requests.
    """

    def __init__(
        self,
        platform: MockPlatform,
        pki: SimulatedPki,
        identity: KeyPair,
        listener: socket.socket | None = None,
        *,
        maximum_version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3,
    ) -> None:
        super().__init__(listener or listen(), _Handler)
        self.platform = platform
        self._stopped = threading.Event()
        self.application = SoapApplication(platform, pause=self._stopped.wait)
        self.handshakes = 0
        self.resumptions = 0
        self.requests = 0
        self._refusing = platform.options.refuse_in_tls
        self._pki, self._identity, self._maximum_version = pki, identity, maximum_version
        self._context = self._new_context()
        self._counting = threading.Lock()
        platform.url = self.url

    @property
    def url(self) -> str:
        """Scheme, host and port."""
        return f"https://{LOOPBACK}:{self.port}"

    @property
    def endpoint(self) -> str:
        """The address of the web service."""
        return self.url + PATH

    def finish_request(self, request: Any, client_address: Any) -> None:
        request.settimeout(HANDSHAKE_SECONDS)
        context = self._new_context() if self._refusing else self._context
        connection = context.wrap_socket(request, server_side=True, do_handshake_on_connect=False)
        with self.tracked(connection), contextlib.closing(connection):
            try:
                connection.do_handshake()
            except (OSError, ValueError):  # refused, or the client went away: TLS has told it
                _let_read(connection)
                return
            self._count_session(connection)
            super().finish_request(connection, client_address)

    def stop(self) -> None:
        """As every server; who waits for a delayed answer gets it now, or nothing."""
        self._stopped.set()
        super().stop()

    def _new_context(self) -> ssl.SSLContext:
        refuse = self._refusing
        return _server_context(self._pki, self._identity, self._maximum_version, refuse=refuse)

    def _count_session(self, connection: ssl.SSLSocket) -> None:
        with self._counting:
            if connection.session_reused:
                self.resumptions += 1
            else:
                self.handshakes += 1

    def count_request(self) -> None:
        with self._counting:
            self.requests += 1


class _Handler(QuietHandler):
    """One connection; every request goes to the WSGI application."""

    def do_GET(self) -> None:  # noqa: N802 - the name that http.server calls
        self._run()

    def do_POST(self) -> None:  # noqa: N802
        self._run()

    def _run(self) -> None:
        server = cast(PlatformServer, self.server)
        server.count_request()
        connection = cast(ssl.SSLSocket, self.connection)
        peer = {PEER: connection.getpeercert(binary_form=True)}
        try:
            self.run_application(server.application, **peer)
        except HangUp:
            self.close_connection = True


def _let_read(connection: ssl.SSLSocket) -> None:
    """Give a refused client time to read why: closing on what it sends would reset the line."""
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_WR)
        connection.settimeout(LINGER_SECONDS)
        for _ in range(MAX_READS):
            if not connection.recv(65536):
                return


def _server_context(
    pki: SimulatedPki, identity: KeyPair, maximum_version: ssl.TLSVersion, *, refuse: bool
) -> ssl.SSLContext:
    """Mutual TLS: only clients certified by the simulated PKI get through.

    With ``refuse`` TLS looks at validity, by this machine's clock, and at the CRLs as they
    are now; without, the platform does it later, by its own clock.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.maximum_version = maximum_version
    context.verify_mode = ssl.CERT_REQUIRED
    anchors = (*pki.roots, *pki.intermediates)
    context.load_verify_locations(
        cadata="".join(anchor.public_bytes(Encoding.PEM).decode() for anchor in anchors)
    )
    with tempfile.TemporaryDirectory() as folder:  # ssl reads keys and CRLs from files only
        directory = Path(folder)
        save_key_pair(directory, "server", identity)
        chain = directory / "chain.pem"
        certificates = (identity.certificate, *pki.chain(identity.certificate)[:1])
        chain.write_bytes(b"".join(c.public_bytes(Encoding.PEM) for c in certificates))
        context.load_cert_chain(chain, directory / "server.key")
        if refuse:
            context.verify_flags |= ssl.VERIFY_CRL_CHECK_LEAF
            for code in pki.authorities:
                crl = directory / f"{code}.crl"
                der = pki.crl(code, utc_now())
                crl.write_bytes(x509.load_der_x509_crl(der).public_bytes(Encoding.PEM))
                context.load_verify_locations(crl)
        else:
            context.verify_flags |= NO_CHECK_TIME
    return context

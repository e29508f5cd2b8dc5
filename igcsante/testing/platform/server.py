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

from cryptography.hazmat.primitives.serialization import Encoding

from ..cards.material import KeyPair
from ..http import LOOPBACK, LoopbackServer, QuietHandler, listen
from ..pki import SimulatedPki
from ..pki.simulated import save_key_pair
from .faults import HangUp
from .service import MockPlatform
from .soap import PATH, PEER, SoapApplication

HANDSHAKE_SECONDS = 20
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
        self.application = SoapApplication(platform)
        self.handshakes = 0
        self.resumptions = 0
        self.requests = 0
        self._context = _server_context(pki, identity, maximum_version)
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
        connection = self._context.wrap_socket(
            request, server_side=True, do_handshake_on_connect=False
        )
        with self.tracked(connection), contextlib.closing(connection):
            try:
                connection.do_handshake()
            except (OSError, ValueError):
                return  # refused, or the client went away: TLS has told it
            self._count_session(connection)
            super().finish_request(connection, client_address)

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
        try:
            body = b"".join(server.application(self._environ(), self._start))
        except HangUp:
            self.close_connection = True
            return
        self.end_headers()
        self.wfile.write(body)

    def _environ(self) -> dict[str, Any]:
        path, _, query = self.path.partition("?")
        connection = cast(ssl.SSLSocket, self.connection)
        return {
            "REQUEST_METHOD": self.command,
            "PATH_INFO": path,
            "QUERY_STRING": query,
            "CONTENT_TYPE": self.headers.get("Content-Type", ""),
            "CONTENT_LENGTH": self.headers.get("Content-Length", ""),
            "wsgi.input": self.rfile,
            PEER: connection.getpeercert(binary_form=True),
        }

    def _start(self, status: str, headers: list[tuple[str, str]]) -> None:
        code, _, reason = status.partition(" ")
        self.send_response(int(code), reason)
        for name, value in headers:
            self.send_header(name, value)
        if code.startswith("4"):  # the body may be unread: nothing more can follow
            self.send_header("Connection", "close")


def _server_context(
    pki: SimulatedPki, identity: KeyPair, maximum_version: ssl.TLSVersion
) -> ssl.SSLContext:
    """Mutual TLS: only clients certified by the simulated PKI get through."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.maximum_version = maximum_version
    context.verify_mode = ssl.CERT_REQUIRED
    anchors = (*pki.roots, *pki.intermediates)
    context.load_verify_locations(
        cadata="".join(anchor.public_bytes(Encoding.PEM).decode() for anchor in anchors)
    )
    with tempfile.TemporaryDirectory() as folder:  # ssl reads keys from files only
        directory = Path(folder)
        save_key_pair(directory, "server", identity)
        chain = directory / "chain.pem"
        certificates = (identity.certificate, *pki.chain(identity.certificate)[:1])
        chain.write_bytes(b"".join(c.public_bytes(Encoding.PEM) for c in certificates))
        context.load_cert_chain(chain, directory / "server.key")
    return context

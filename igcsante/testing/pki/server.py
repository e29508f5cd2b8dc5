"""Serves the CRLs and the authorities' certificates of a simulated PKI over HTTP on loopback.

Same paths as the ANS's server (facts sheet pki.md §2): ``/CRL/ACI-EL-ORG-TEST.crl`` and
``/AC TEST/ACI-EL-ORG-TEST.cer``. A CRL is made when it is asked for.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from datetime import datetime
from typing import cast
from urllib.parse import unquote, urlsplit

from cryptography.hazmat.primitives.serialization import Encoding

from ..clock import utc_now
from ..http import LOOPBACK, LoopbackServer, QuietHandler, listen
from .simulated import SimulatedPki


class PkiServer(LoopbackServer):
    """``with PkiServer(pki):`` serves on ``listener``, else on a free port of loopback."""

    def __init__(
        self,
        pki: SimulatedPki,
        listener: socket.socket | None = None,
        *,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        super().__init__(listener or listen(), _Handler)
        self._pki = pki
        self._clock = clock

    @property
    def base_url(self) -> str:
        return f"http://{LOOPBACK}:{self.port}"

    def content(self, path: str) -> tuple[str, bytes] | None:
        """Content type and bytes of a decoded path, None when there is nothing."""
        for code, authority in self._pki.authorities.items():
            if path == authority.name.crl_path:
                return "application/pkix-crl", self._pki.crl(code, self._clock())
            if path == authority.name.certificate_path:
                certificate = authority.certificate.public_bytes(Encoding.DER)
                return "application/pkix-cert", certificate
        return None


class _Handler(QuietHandler):
    def do_GET(self) -> None:  # noqa: N802 - the name that http.server calls
        server = cast(PkiServer, self.server)
        found = server.content(unquote(urlsplit(self.path).path))
        content_type, body = found or ("text/plain", b"")
        self.send_response(200 if found else 404)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

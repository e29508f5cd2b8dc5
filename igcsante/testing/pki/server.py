"""Serves a simulated PKI over HTTP on loopback: CRLs, authorities' certificates, OCSP.

Same paths as the ANS's server (facts sheet pki.md §2): ``/CRL/ACI-EL-ORG-TEST.crl`` and
``/AC TEST/ACI-EL-ORG-TEST.cer``; delta CRLs, in LDAP only there, at
``/CRL/ACI-EL-ORG-TEST-delta.crl``; OCSP, which has a host of its own there, is at ``/OCSP``. A
CRL or an answer is made when it is asked for. All other paths are those of a WSGI
application, when one is given.
"""

from __future__ import annotations

import base64
import binascii
import socket
from collections.abc import Callable
from datetime import datetime
from typing import cast
from urllib.parse import unquote, urlsplit

from cryptography.hazmat.primitives.serialization import Encoding

from ..clock import utc_now
from ..http import LOOPBACK, Application, LoopbackServer, QuietHandler, listen
from .hierarchy import OCSP_PATH
from .ocsp import MAX_REQUEST_BYTES, OcspBehaviour, OcspResponder
from .simulated import SimulatedPki


class PkiServer(LoopbackServer):
    """``with PkiServer(pki):`` serves on ``listener``, else on a free port of loopback."""

    def __init__(
        self,
        pki: SimulatedPki,
        listener: socket.socket | None = None,
        *,
        clock: Callable[[], datetime] = utc_now,
        ocsp: OcspBehaviour | None = None,
        pages: Application | None = None,
    ) -> None:
        super().__init__(listener or listen(), _Handler)
        self.pages = pages
        self._pki = pki
        self._clock = clock
        self.responder = OcspResponder(pki, ocsp, clock=clock)

    @property
    def base_url(self) -> str:
        return f"http://{LOOPBACK}:{self.port}"

    def content(self, path: str) -> tuple[str, bytes] | None:
        """Content type and bytes of a decoded path, None when there is nothing."""
        for code, authority in self._pki.authorities.items():
            if path == authority.name.crl_path:
                return "application/pkix-crl", self._pki.crl(code, self._clock())
            if path == authority.name.delta_path:
                return "application/pkix-crl", self._pki.delta_crl(code, self._clock())
            if path == authority.name.certificate_path:
                certificate = authority.certificate.public_bytes(Encoding.DER)
                return "application/pkix-cert", certificate
        return None


class _Handler(QuietHandler):
    def do_GET(self) -> None:  # noqa: N802 - the name that http.server calls
        server = cast(PkiServer, self.server)
        path = urlsplit(self.path).path
        if path.startswith(f"{OCSP_PATH}/"):  # RFC 6960 §A.1
            self._answer_ocsp(_request_in(unquote(path.removeprefix(f"{OCSP_PATH}/"))))
            return
        found = server.content(unquote(path))
        if found is None and server.pages is not None:
            self.run_application(server.pages)
        else:
            self._answer(*(found or ("", None)))

    def do_POST(self) -> None:  # noqa: N802 - the name that http.server calls
        server = cast(PkiServer, self.server)
        length = self.headers.get("Content-Length", "")
        if self.path.rstrip("/") != OCSP_PATH and server.pages is not None:
            self.run_application(server.pages)
        elif self.path.rstrip("/") != OCSP_PATH or not length.isdigit():
            self.close_connection = True
            self._answer("", None)
        elif int(length) > MAX_REQUEST_BYTES:
            self.close_connection = True
            self._answer("", None, status=413)
        else:
            self._answer_ocsp(self.rfile.read(int(length)))

    def _answer_ocsp(self, request: bytes) -> None:
        server = cast(PkiServer, self.server)
        self._answer("application/ocsp-response", server.responder.respond(request))

    def _answer(self, content_type: str, body: bytes | None, status: int = 404) -> None:
        self.send_response(status if body is None else 200)
        self.send_header("Content-Type", content_type or "text/plain")
        self.send_header("Content-Length", str(len(body or b"")))
        self.end_headers()
        self.wfile.write(body or b"")


def _request_in(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error:
        return b""

"""The platform behind a proxy that wants a name and a password, which the profile names."""

from __future__ import annotations

import base64
import select
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from e2e_support import Insert, igc

PASSWORD = "mot de passe du mandataire"
EXPECTED = "Basic " + base64.b64encode(f"agent:{PASSWORD}".encode()).decode()


class StrictProxy(BaseHTTPRequestHandler):
    """Carries what those send who say who they are."""

    def do_CONNECT(self) -> None:
        if self.headers["Proxy-Authorization"] != EXPECTED:
            self.send_response(407)
            self.send_header("Proxy-Authenticate", 'Basic realm="x"')
            self.end_headers()
            return
        self.send_response(200)
        self.end_headers()
        host, _, port = self.path.rpartition(":")
        with socket.create_connection((host, int(port)), timeout=60) as server:
            others = {self.connection: server, server: self.connection}
            while True:
                for ready in select.select(list(others), [], [], 60)[0]:
                    octets = ready.recv(65536)
                    if not octets:
                        return
                    others[ready].sendall(octets)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def proxy(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with ThreadingHTTPServer(("127.0.0.1", 0), StrictProxy) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        monkeypatch.setenv("IGC_PROXY", f"http://127.0.0.1:{server.server_port}")
        yield
        server.shutdown()
        thread.join()


def test_the_platform_is_reached_with_the_name_and_password_of_the_profile(
    inserted: Insert, home: Path, proxy: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    inserted("cps4")
    command = ("--profile", "sim", "habilitations", "--pin-source", "env:E2E_PIN", "--json")
    refused = igc(*command)
    assert (refused.code, refused.error["code"]) == (10, "network") and "proxy_user" in refused.said
    monkeypatch.setenv("IGC_PROXY_USER", "agent")
    half = igc(*command)
    assert half.error["code"] == "config" and "proxy_password" in half.said
    monkeypatch.setenv("IGC_PROXY_PASSWORD", "env:PROXY_PASSWORD")
    monkeypatch.setenv("PROXY_PASSWORD", "another")
    wrong = igc(*command)
    assert wrong.error["code"] == "network" and "refuses the name" in wrong.said
    monkeypatch.setenv("PROXY_PASSWORD", PASSWORD)
    told = igc(*command)
    assert told.code == 0 and told.lines
    assert PASSWORD not in told.out + told.err + wrong.out + wrong.err

"""Fetching lists: from a server on loopback that misbehaves in every way."""

from __future__ import annotations

import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from igcsante.certs.fetch import CrlFetcher, fetch
from igcsante.errors import NetworkError, TimeoutExceededError


class Site(BaseHTTPRequestHandler):
    """Answers by path; ``server.asked`` keeps the request lines."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.server.asked.append(self.path)
        getattr(self, "get_" + self.path.strip("/").partition("?")[0], self.get_absent)()

    def answer(self, status, body=b"", **headers):
        self.send_response(status)
        for header, value in headers.items():
            self.send_header(header, value)
        self.end_headers()
        self.wfile.write(body)
        self.close_connection = True

    def get_list(self):
        self.answer(200, b"a list", **{"Content-Length": "6"})

    def get_endless(self):
        self.send_response(200)
        self.end_headers()
        self.close_connection = True
        try:
            while not self.server.stop.wait(0.001):
                self.wfile.write(b"x" * 4096)
        except OSError:
            pass

    def get_huge(self):
        self.answer(200, b"", **{"Content-Length": str(10**12)})

    def get_short(self):
        self.answer(200, b"half", **{"Content-Length": "8"})

    def get_moved(self):
        self.answer(302, Location=f"http://127.0.0.1:{self.server.server_port}/list")

    def get_silent(self):
        self.server.stop.wait(20)
        self.close_connection = True

    def get_drip(self):
        """One octet of header at a time: no single wait is long."""
        self.close_connection = True
        try:
            self.wfile.write(b"HTTP/1.1 200 OK\r\nX-Long: ")
            while not self.server.stop.wait(0.02):
                self.wfile.write(b"x")
        except OSError:
            pass

    def get_absent(self):
        self.answer(404)

    def log_message(self, *_):
        pass


@pytest.fixture
def site():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Site)
    server.asked, server.stop = [], threading.Event()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.stop.set()
    server.shutdown()
    thread.join()
    server.server_close()


def get(site, path, **options):
    host = f"127.0.0.1:{site.server_port}"
    return fetch(f"http://{host}/{path}", [host], **options)


def test_list_is_fetched(site):
    assert get(site, "list") == b"a list"
    assert get(site, "list?certificaterevocationlist;binary") == b"a list"
    assert site.asked == ["/list", "/list?certificaterevocationlist;binary"]


def test_each_address_is_asked_once(site):
    host = f"127.0.0.1:{site.server_port}"
    fetcher = CrlFetcher([host])
    assert fetcher.fetch(f"http://{host}/list") == fetcher.fetch(f"http://{host}/list")
    for _ in range(2):
        with pytest.raises(NetworkError, match="404"):
            fetcher.fetch(f"http://{host}/absent")
    assert site.asked == ["/list", "/absent"]


def test_redirection_is_not_followed(site):
    with pytest.raises(NetworkError, match="answered 302"):
        get(site, "moved")
    assert site.asked == ["/moved"]


@pytest.mark.parametrize("path", ["endless", "huge"])
def test_list_that_is_too_large_is_given_up(site, path):
    with pytest.raises(NetworkError, match=r"larger than 100,000"):
        get(site, path, limit=100_000)


def test_limit_itself_is_allowed(site):
    assert get(site, "list", limit=6) == b"a list"
    with pytest.raises(NetworkError, match="larger"):
        get(site, "list", limit=5)


def test_list_that_stops_half_way_is_not_used(site):
    with pytest.raises(NetworkError, match="ended before"):
        get(site, "short")


@pytest.mark.parametrize("path", ["silent", "drip", "endless"])
def test_time_limit_is_total(site, path):
    with pytest.raises(TimeoutExceededError):
        get(site, path, timeout=0.3)


def test_nobody_there_is_a_network_error():
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        host = f"127.0.0.1:{reserved.getsockname()[1]}"
        with pytest.raises(NetworkError, match="refused"):
            fetch(f"http://{host}/list", [host])


def test_proxy_of_the_environment_is_not_used(site, monkeypatch):
    for variable in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(variable, "http://127.0.0.1:9")
    assert get(site, "list") == b"a list"


REFUSED = [
    "http://other.example/x.crl",
    "http://127.0.0.1/x.crl",
    "http://127.0.0.1:1/x.crl",
    "http://igc.example:8080/x.crl",
    "http://igc.example@127.0.0.1/x.crl",
    "http://user:word@igc.example/x.crl",
    "http://igc.example.evil.example/x.crl",
    "ldap://igc.example/cn=x",
    "file:///etc/passwd",
    "ftp://igc.example/x.crl",
    "http:///x.crl",
    "http://igc.example:port/x.crl",
    "http://igc.example:99999/x.crl",
    "http://igc.example:0/x.crl",
    "http://[::1/x.crl",
    "http://igc.example/x crl",
    "http://igc.example/x\r\nHost: other",
    "http://igc.example/é.crl",
    "",
]


@pytest.mark.parametrize("url", REFUSED)
def test_address_that_is_not_allowed_is_never_contacted(url, monkeypatch):
    def contacted(*_, **__):
        raise AssertionError("contacted")

    monkeypatch.setattr(socket, "create_connection", contacted)
    with pytest.raises(NetworkError):
        fetch(url, ["igc.example"])


def test_host_without_port_stands_for_the_default_port(monkeypatch):
    asked = []

    def refuse(address, *_, **__):
        asked.append(address)
        raise ConnectionRefusedError(111, "refused")

    monkeypatch.setattr(socket, "create_connection", refuse)
    allowed = ["igc.example", "other.example:8080"]
    for url in ("http://IGC.example/x", "http://igc.example:80/x", "http://other.example:8080/x"):
        with pytest.raises(NetworkError, match="refused"):
            fetch(url, allowed)
    assert asked == [("igc.example", 80), ("igc.example", 80), ("other.example", 8080)]

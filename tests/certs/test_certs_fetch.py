"""Fetching lists: from a server on loopback that misbehaves in every way."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from selfmade_pki import DAY, END, Authority, ec_key

from igcsante.certs.network.access import Access
from igcsante.certs.network.fetch import CrlFetcher, Held, Retry, fetch, fetch_body, fresh_for, post
from igcsante.errors import ConfigError, NetworkError, TimeoutExceededError

DATE = "Sun, 22 Nov 2026 06:00:00 GMT"


class Site(BaseHTTPRequestHandler):
    """Answers by path; ``server.asked`` keeps the request lines."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.server.asked.append(self.path)
        getattr(self, "get_" + self.path.strip("/").partition("?")[0], self.get_absent)()

    def do_POST(self):
        self.server.asked.append(self.path)
        self.server.posted.append(self.rfile.read(int(self.headers["Content-Length"])))
        self.do_GET()

    def answer(self, status, body=b"", **headers):
        self.send_response(status)
        for header, value in headers.items():
            self.send_header(header.replace("_", "-"), value)
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

    def get_limited(self):
        self.answer(429, Retry_After="120")

    def get_unmodified(self):
        self.answer(304)

    def get_packed(self):
        self.answer(200, b"zzz", Content_Encoding="gzip", Content_Length="3")

    def get_never_ready(self):
        self.answer(503, Retry_After="2")

    def get_versioned(self):
        if self.headers["If-None-Match"] == '"1"':
            self.answer(304, ETag='"1"')
        else:
            self.answer(200, b"a list", ETag='"1"', Cache_Control="max-age=60", Content_Length="6")

    def get_dated(self):
        known = self.headers["If-Modified-Since"] == DATE
        body = {} if known else {"body": b"a list", "Content_Length": "6"}
        self.answer(304 if known else 200, Last_Modified=DATE, **body)

    def get_breaking(self):
        """Breaks off after each two octets, but resumes as it should."""
        self.partial(resume=True)

    def get_replaced(self):
        """A new list is there when the rest of the first one is asked for: it comes whole."""
        first = len(self.server.asked) == 1
        self.answer(200, b"fi" if first else b"second", ETag=f'"{first}"', Content_Length="6")

    def get_elsewhere(self):
        """Resumes, but at another place than asked for: once, then says it all."""
        if self.headers["Range"] is None and len(self.server.asked) > 2:
            self.get_list()
        else:
            self.partial(resume=False)

    def get_another(self):
        """Resumes with the rest of another list."""
        if self.headers["Range"]:
            self.answer(206, b"cond", ETag='"2"', Content_Range="bytes 2-5/6", Content_Length="4")
        elif len(self.server.asked) == 1:
            self.partial(resume=True)
        else:
            self.answer(200, b"second", ETag='"2"', Content_Length="6")

    def get_lying(self):
        """Says that it resumes elsewhere, with as many octets as are missing."""
        if self.headers["Range"]:
            self.answer(206, b"XXXX", ETag='"1"', Content_Range="bytes 1-5/6", Content_Length="4")
        elif len(self.server.asked) == 1:
            self.partial(resume=True)
        else:
            self.get_list()

    def get_weak(self):
        """Breaks off once, and has nothing that tells one list from another."""
        self.answer(200, b"a" if len(self.server.asked) == 1 else b"a list", Content_Length="6")

    def partial(self, *, resume):
        """Two octets of what is asked for, of six."""
        asked = self.headers["Range"]
        if asked is None:
            self.answer(200, b"a ", ETag='"1"', Content_Length="6")
            return
        assert self.headers["If-Range"] == '"1"'
        start = int(asked.removeprefix("bytes=").rstrip("-")) + (0 if resume else 1)
        self.answer(
            206,
            b"a list"[start : start + 2],
            ETag='"1"',
            Content_Range=f"bytes {start}-5/6",
            Content_Length=str(6 - start),
        )

    def log_message(self, *_):
        pass


@pytest.fixture
def site():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Site)
    server.asked, server.posted, server.stop = [], [], threading.Event()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.stop.set()
    server.shutdown()
    thread.join()
    server.server_close()


class Waits(list):
    """Sleeps that are only noted, and chance that is none."""

    @property
    def retry(self):
        return Retry(attempts=4, delay=1, sleep=self.append, random=lambda: 0.5)


def get(site, path, **options):
    host = f"127.0.0.1:{site.server_port}"
    options.setdefault("retry", Waits().retry)
    return fetch_body(f"http://{host}/{path}", [host], **options)


def ask(site, path, waits=None, **options):
    host = f"127.0.0.1:{site.server_port}"
    retry = (Waits() if waits is None else waits).retry
    return fetch(f"http://{host}/{path}", [host], retry=retry, **options)


def test_list_is_fetched(site):
    assert get(site, "list") == b"a list"
    assert get(site, "list?certificaterevocationlist;binary") == b"a list"
    assert site.asked == ["/list", "/list?certificaterevocationlist;binary"]


def test_fetcher_tells_what_it_may_contact():
    fetcher = CrlFetcher(Access.of(["igc.example"], ldap_hosts=["d.example"]))
    assert fetcher.allows("http://igc.example/x.crl")
    assert fetcher.allows("ldap://d.example/cn=a")
    for url in (
        "http://d.example/x",
        "ldap://igc.example/cn=a",
        "file:///x",
        "http://igc.example:8",
    ):
        assert not fetcher.allows(url)


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
    monkeypatch.setattr(socket, "getaddrinfo", resolver("9.9.9.9"))
    allowed = ["igc.example", "other.example:8080"]
    for url in ("http://IGC.example/x", "http://igc.example:80/x", "http://other.example:8080/x"):
        with pytest.raises(NetworkError, match="refused"):
            fetch(url, allowed)
    assert asked == [("9.9.9.9", 80), ("9.9.9.9", 80), ("9.9.9.9", 8080)]


# -- what the server says of its lists ---------------------------------------------------------


def test_list_that_is_held_is_not_sent_again(site):
    first = ask(site, "versioned")
    assert (first.octets, first.etag, first.fresh_for.total_seconds()) == (b"a list", '"1"', 60)
    again = ask(site, "versioned", held=Held(first.etag, first.last_modified))
    assert (again.octets, again.etag) == (None, '"1"')
    dated = ask(site, "dated")
    assert dated.last_modified == DATE
    assert ask(site, "dated", held=Held(None, DATE)).octets is None


def test_unmodified_is_refused_when_nothing_is_held(site):
    with pytest.raises(NetworkError, match="answered 304"):
        ask(site, "unmodified")


def test_etag_that_would_split_the_request_is_not_sent_back(site):
    assert ask(site, "list", held=Held('"1"\r\nX: y', None)).octets == b"a list"


def test_compressed_list_is_refused(site):
    with pytest.raises(NetworkError, match="compressed"):
        ask(site, "packed")


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Cache-Control": "public, max-age=600", "Age": "100"}, 500),
        ({"Cache-Control": "max-age=10", "Age": "100"}, 0),
        ({"Cache-Control": "no-cache, max-age=600"}, None),
        ({"Cache-Control": "max-age=999999999"}, 366 * 86400),
        ({"Date": DATE, "Expires": "Sun, 22 Nov 2026 07:00:00 GMT"}, 3600),
        ({"Date": DATE, "Expires": "Sat, 21 Nov 2026 07:00:00 GMT"}, 0),
        ({"Date": DATE, "Expires": "0"}, None),
        ({}, None),
    ],
)
def test_how_long_nothing_newer_comes(headers, seconds):
    message = Message()
    for name, value in headers.items():
        message[name] = value
    span = fresh_for(message)
    assert (span and span.total_seconds()) == (seconds or span)
    assert (span is None) == (seconds is None)


# -- transfers that break ------------------------------------------------------------------------


def test_broken_transfer_is_resumed(site):
    waits = Waits()
    assert ask(site, "breaking", waits).octets == b"a list"
    assert len(site.asked) == 3
    assert waits == [0.5, 1]


def test_list_that_changed_meanwhile_is_fetched_whole(site):
    assert ask(site, "replaced").octets == b"second"


@pytest.mark.parametrize(
    ("path", "list_"), [("elsewhere", b"a list"), ("lying", b"a list"), ("another", b"second")]
)
def test_parts_that_do_not_fit_are_never_put_together(site, path, list_):
    assert ask(site, path).octets == list_


def test_without_anything_that_tells_lists_apart_all_is_fetched_again(site):
    assert ask(site, "weak").octets == b"a list"


def test_server_that_asks_to_wait_is_obeyed_within_the_time_that_is_left(site):
    waits = Waits()
    with pytest.raises(NetworkError, match="answered 503"):
        ask(site, "never_ready", waits)
    assert (waits, len(site.asked)) == ([2, 2, 2], 4)
    waits.clear()
    with pytest.raises(NetworkError, match="answered 503"):
        ask(site, "never_ready", waits, timeout=1)
    assert waits == []


def test_too_many_requests_is_told_and_not_repeated(site):
    with pytest.raises(NetworkError, match="too many") as refused:
        ask(site, "limited")
    assert refused.value.fields == {"status": 429}
    assert "120 seconds" in refused.value.advice
    assert site.asked == ["/limited"]


def test_post_is_sent_once(site):
    host = f"127.0.0.1:{site.server_port}"
    assert post(f"http://{host}/list", [host], b"question", "x/y", limit=10) == b"a list"
    assert site.posted == [b"question"]
    for path, told in (("short", "ended before"), ("never_ready", "503")):
        site.posted.clear()
        with pytest.raises(NetworkError, match=told):
            post(f"http://{host}/{path}", [host], b"question", "x/y", limit=10)
        assert site.posted == [b"question"]


# -- names, addresses, proxies ---------------------------------------------------------------------


def resolver(*addresses):
    def getaddrinfo(host, port, **_):
        return [(2, 1, 6, "", (address, port)) for address in addresses]

    return getaddrinfo


PRIVATE = ["127.0.0.1", "10.1.2.3", "192.168.1.1", "169.254.169.254", "0.1.2.3", "224.0.0.1"]
PRIVATE += ["::1", "fe80::1%1", "fd00::1", "::ffff:10.0.0.1", "2002:7f00:1::", "64:ff9b::a00:1"]


@pytest.mark.parametrize("address", PRIVATE)
def test_name_that_stands_for_a_private_address_is_not_contacted(address, monkeypatch):
    def contacted(*_, **__):
        raise AssertionError("contacted")

    monkeypatch.setattr(socket, "create_connection", contacted)
    monkeypatch.setattr(socket, "getaddrinfo", resolver(address))
    with pytest.raises(NetworkError, match="no public address") as refused:
        fetch("http://igc.example/x.crl", ["igc.example"])
    assert "private_networks" in refused.value.advice


def test_checked_address_is_the_one_that_is_contacted(site, monkeypatch):
    names, real = [], socket.getaddrinfo

    def changing(host, *rest, **options):
        if host != "igc.example":
            return real(host, *rest, **options)
        names.append(host)
        return resolver("127.0.0.1" if len(names) == 1 else "9.9.9.9")(host, 80)

    monkeypatch.setattr(socket, "getaddrinfo", changing)
    name = f"igc.example:{site.server_port}"
    access = Access.of([name], private_networks=["127.0.0.0/8"])
    assert fetch_body(f"http://{name}/list", access) == b"a list"
    assert len(names) == 1


def test_name_that_does_not_exist_is_a_network_error(monkeypatch):
    def unknown(*_, **__):
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    with pytest.raises(NetworkError, match="not known"):
        fetch("http://igc.example/x.crl", ["igc.example"])


def test_name_that_nobody_answers_for_is_given_up(monkeypatch):
    forever = threading.Event()

    def wait(*_, **__):
        forever.wait(20)
        return []

    monkeypatch.setattr(socket, "getaddrinfo", wait)
    with pytest.raises(TimeoutExceededError, match="in time"):
        fetch("http://igc.example/x.crl", ["igc.example"], timeout=0.1)
    forever.set()


def test_proxy_that_is_configured_is_asked_for_the_whole_address(site, monkeypatch):
    """The name is the proxy's to resolve; hosts that are not allowed are refused before."""
    asked = []
    monkeypatch.setattr(Site, "do_GET", lambda self: (asked.append(self), self.get_list()))
    access = Access.of(["igc.example"], proxy=f"http://127.0.0.1:{site.server_port}")
    assert fetch_body("http://igc.example/CRL/a.crl", access) == b"a list"
    assert asked[0].path == "http://igc.example/CRL/a.crl"
    assert asked[0].headers["Host"] == "igc.example"
    with pytest.raises(NetworkError, match="not among"):
        fetch("http://other.example/x", access)


@pytest.mark.parametrize(
    "proxy", ["ftp://a", "a:80", "http://", "http://u:p@a", "http://a/x", "http://a:99999"]
)
def test_proxy_that_is_none_is_refused(proxy):
    with pytest.raises(ConfigError) as refused:
        Access.of([], proxy=proxy)
    assert "u:p" not in str(refused.value)


def test_network_that_is_none_is_refused():
    with pytest.raises(ConfigError, match=r"10\.0\.0/8"):
        Access.of([], private_networks=["10.0.0/8"])


# -- HTTPS ---------------------------------------------------------------------------------------


@pytest.fixture
def secure(site, tmp_path):
    """The site over TLS, with a certificate for 127.0.0.1; the file of its CA."""
    key, late = ec_key("tls"), END + 7000 * DAY  # TLS looks at the real time
    root = Authority.root("TLS", not_after=late)
    names = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
    certificate = root.leaf(key=key, extensions=[(names, False)], not_after=late)
    pair, ca = tmp_path / "pair.pem", tmp_path / "ca.pem"
    pair.write_bytes(
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        + certificate.public_bytes(Encoding.PEM)
    )
    ca.write_bytes(root.certificate.public_bytes(Encoding.PEM))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair)
    site.socket = context.wrap_socket(site.socket, server_side=True)
    site.handle_error = lambda *_: None
    return ca


def test_https_needs_a_certificate_that_the_machine_trusts(site, secure, monkeypatch):
    host = f"127.0.0.1:{site.server_port}"
    with pytest.raises(NetworkError, match="certificate"):
        fetch(f"https://{host}/list", [host])
    assert site.asked == []
    monkeypatch.setenv("SSL_CERT_FILE", str(secure))
    assert fetch_body(f"https://{host}/list", [host]) == b"a list"


def test_https_goes_through_the_proxy_in_a_tunnel(site, secure, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(secure))
    host, wanted = f"127.0.0.1:{site.server_port}", []

    class Proxy(BaseHTTPRequestHandler):
        def do_CONNECT(self):
            wanted.append(self.path)
            self.send_response(200)
            self.end_headers()
            with socket.create_connection(("127.0.0.1", site.server_port)) as other:
                back = threading.Thread(target=pump, args=(other, self.connection))
                back.start()
                pump(self.connection, other)
                back.join()

        def log_message(self, *_):
            pass

    proxy = ThreadingHTTPServer(("127.0.0.1", 0), Proxy)
    thread = threading.Thread(target=proxy.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        access = Access.of([host], proxy=f"http://127.0.0.1:{proxy.server_port}")
        assert fetch_body(f"https://{host}/list", access) == b"a list"
    finally:
        proxy.shutdown()
        thread.join()
        proxy.server_close()
    assert wanted == [host]


def pump(source, sink):
    """All that comes from one, to the other."""
    with contextlib.suppress(OSError):
        while octets := source.recv(4096):
            sink.sendall(octets)
        sink.shutdown(socket.SHUT_WR)

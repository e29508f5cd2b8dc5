"""A proxy that wants a name and a password: it gets them, nobody else does, and 407 is advised."""

from __future__ import annotations

import base64
import http.client
import pickle
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from hostile import Proxy, TlsServer
from hostile import http as answer_of

from igcsante.certs.network.access import Access
from igcsante.certs.network.fetch import fetch_body
from igcsante.certs.network.proxy import ProxyLogin
from igcsante.errors import ConfigError, NetworkError, UsageError
from igcsante.ws.soap.transport import HttpsTransport, Limits

LIMITS = Limits(connect=10, silence=10, total=10)
PASSWORD = "pässe:wört"
LOGIN = ProxyLogin("agent", "env:PROXY_TEST_PASSWORD")
EXPECTED = "Basic " + base64.b64encode(f"agent:{PASSWORD}".encode()).decode()


@pytest.fixture(autouse=True)
def password(monkeypatch):
    monkeypatch.setenv("PROXY_TEST_PASSWORD", PASSWORD)


class StrictProxy(Proxy):
    """Opens a tunnel to those who say who they are."""

    def _tunnel(self, client):
        asked = b""
        while not asked.endswith(b"\r\n\r\n"):
            asked += client.recv(1)
        self.asked.append(asked)
        if f"\r\nProxy-Authorization: {EXPECTED}\r\n".encode() not in asked:
            client.sendall(
                b"HTTP/1.1 407 Proxy Authentication Required\r\n"
                b'Proxy-Authenticate: Basic realm="x"\r\nContent-Length: 0\r\n\r\n'
            )
            return
        client.sendall(self.reply)
        self._carry(client, asked)


@pytest.fixture
def proxy():
    with StrictProxy() as running:
        yield running


@pytest.fixture
def server(throw_away_ca):
    with TlsServer(
        throw_away_ca.server_file, lambda connection, body: connection.sendall(answer_of(body))
    ) as running:
        yield running


def transport(server, proxy, throw_away_ca, login):
    context = throw_away_ca.client_context()
    return HttpsTransport(server.url, context, LIMITS, ("127.0.0.1", proxy.port), login)


def test_the_platform_is_called_through_it(server, proxy, throw_away_ca):
    https = transport(server, proxy, throw_away_ca, LOGIN)
    assert https.post(b"content", {}).content == b"content"
    https.close()
    assert EXPECTED.encode() in proxy.asked[0]
    assert EXPECTED not in repr(server.requests)


@pytest.mark.parametrize(
    ("login", "said", "advice"),
    [
        (None, "wants a name and a password", "proxy_user"),
        (ProxyLogin("somebody", "env:PROXY_TEST_PASSWORD"), "refuses the name", "proxy_password"),
        (ProxyLogin("agent", "cmd:echo not-this-one"), "refuses the name", "NTLM"),
    ],
)
def test_a_refusal_is_told_with_advice_and_no_secret(
    server, proxy, throw_away_ca, login, said, advice
):
    https = transport(server, proxy, throw_away_ca, login)
    with pytest.raises(NetworkError, match=said) as caught:
        https.post(b"content", {})
    told = f"{caught.value.message} {caught.value.advice} {caught.value.fields} {login!r}"
    assert f"127.0.0.1:{proxy.port}" in told and advice in told
    assert PASSWORD not in told and "not-this-one" not in told
    assert "outcome_unknown" not in caught.value.fields and server.connections == 0


class PlainProxy(BaseHTTPRequestHandler):
    """Answers for the server whose whole address it is asked for."""

    def do_GET(self):
        self.server.asked.append((self.path, self.headers["Proxy-Authorization"]))
        allowed = self.headers["Proxy-Authorization"] == EXPECTED
        body = b"a list" if allowed else b"who are you?"
        self.send_response(200 if allowed else 407)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_CONNECT = do_GET  # noqa: N815

    def log_message(self, *_):
        pass


@pytest.fixture
def plain_proxy():
    server = ThreadingHTTPServer(("127.0.0.1", 0), PlainProxy)
    server.asked = []
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def through(proxy, login):
    return Access.of(
        ["igc.example"], proxy=f"http://127.0.0.1:{proxy.server_port}", proxy_login=login
    )


def test_lists_and_answers_are_fetched_through_it(plain_proxy):
    assert fetch_body("http://igc.example/a.crl", through(plain_proxy, LOGIN)) == b"a list"
    assert plain_proxy.asked == [("http://igc.example/a.crl", EXPECTED)]


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize(
    ("login", "said"),
    [(None, "wants a name"), (ProxyLogin("agent", "cmd:echo wrong"), "refuses the name")],
)
def test_a_fetch_that_it_refuses_is_told_apart(plain_proxy, scheme, login, said):
    with pytest.raises(NetworkError, match=said) as caught:
        fetch_body(f"{scheme}://igc.example/a.crl", through(plain_proxy, login))
    assert "proxy_user" in caught.value.advice
    assert len(plain_proxy.asked) == 1, "it is not asked again with what it refused"


def test_a_tunnel_of_a_fetch_is_asked_for_with_the_login(plain_proxy, monkeypatch):
    told = []
    monkeypatch.setattr(
        http.client.HTTPConnection,
        "set_tunnel",
        lambda self, host, port, headers: told.append((host, port, headers)),
    )
    with pytest.raises(NetworkError):
        fetch_body("https://igc.example/a.crl", through(plain_proxy, LOGIN), timeout=1)
    assert told[0] == ("igc.example", 443, {"Proxy-Authorization": EXPECTED})


@pytest.mark.parametrize(
    ("user", "source"), [("agent", None), (None, "env:X"), ("a:b", "env:X"), ("a\nb", "env:X")]
)
def test_half_a_login_is_refused(user, source):
    with pytest.raises(ConfigError, match="proxy"):
        ProxyLogin.of(user, source)
    assert ProxyLogin.of(None, None) is None


def test_the_password_is_read_when_it_is_needed_and_stays_where_it_was_read(monkeypatch):
    login = ProxyLogin.of("agent", "env:PROXY_TEST_PASSWORD")
    assert login.headers() == {"Proxy-Authorization": EXPECTED}
    sent = pickle.dumps(login)
    assert PASSWORD.encode() not in sent and EXPECTED[6:].encode() not in sent
    again = pickle.loads(sent)  # noqa: S301 - our own
    assert again == login
    monkeypatch.delenv("PROXY_TEST_PASSWORD")
    assert login.headers() == {"Proxy-Authorization": EXPECTED}, "read once"
    with pytest.raises(UsageError, match="PROXY_TEST_PASSWORD is not set"):
        again.headers()

"""The way to the platform: by a named proxy or straight, within a time, clear when it fails."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator

import pytest
from hostile import Proxy, Server, TlsServer, http

from igcsante.certs.network.access import proxy_address
from igcsante.errors import ConfigError, NetworkError, TimeoutExceededError, TlsError, UsageError
from igcsante.ws.soap import route
from igcsante.ws.soap.route import Route
from igcsante.ws.soap.transport import HttpsTransport, Limits

LIMITS = Limits(connect=10, silence=10, total=10)
SAID = "ce-que-le-mandataire-ne-doit-pas-lire"


@pytest.fixture
def server(throw_away_ca) -> Iterator[TlsServer]:
    with TlsServer(
        throw_away_ca.server_file, lambda connection, body: connection.sendall(http(body))
    ) as running:
        yield running


@pytest.fixture
def proxy() -> Iterator[Proxy]:
    with Proxy() as running:
        yield running


@pytest.fixture
def by_proxy(server, proxy, throw_away_ca) -> Iterator[HttpsTransport]:
    transport = HttpsTransport(
        server.url, throw_away_ca.client_context(), LIMITS, ("127.0.0.1", proxy.port)
    )
    yield transport
    transport.close()


def test_a_named_proxy_carries_what_it_can_not_read(by_proxy, proxy, server):
    for _ in range(2):
        assert by_proxy.post(SAID.encode(), {}).content == SAID.encode()
    place = b"127.0.0.1:%d" % server.port
    assert proxy.asked == [b"CONNECT %s HTTP/1.1\r\nHost: %s\r\n\r\n" % (place, place)]
    assert server.connections == 1
    assert SAID.encode() not in proxy.carried and len(proxy.carried) > 1000


def test_proxies_of_the_environment_are_not_used(server, proxy, throw_away_ca, monkeypatch):
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
    transport = HttpsTransport(server.url, throw_away_ca.client_context(), LIMITS)
    assert transport.post(b"x", {}).content == b"x"
    transport.close()
    assert proxy.asked == []


def test_a_server_behind_a_proxy_is_verified_all_the_same(by_proxy, server, throw_away_ca):
    server.context.load_cert_chain(throw_away_ca.other_server_file)
    with pytest.raises(TlsError, match=r"not valid for '127\.0\.0\.1'"):
        by_proxy.post(SAID.encode(), {})
    assert server.requests == []


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        (b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n", "wants a name and a password"),
        (b"HTTP/1.1 403 Forbidden\r\n\r\n", "doesn't let 127.0.0.1:.* through"),
        (b"HTTP/1.0 502 Bad Gateway\r\n\r\n", r"can't reach 127.0.0.1:.* \(HTTP 502\)"),
        (b"HTTP/1.1 301 Moved\r\nLocation: https://a/\r\n\r\n", r"opens no tunnel \(HTTP 301\)"),
        (b"SSH-2.0-OpenSSH_9.6\r\n\r\n", "opens no tunnel"),
        (b"HTTP/1.1 2", "hung up"),
        (b"", "hung up"),
        (b"HTTP/1.1 299 OK\r\n" + b"X: y\r\n" * 5000, "says too much"),
    ],
)
def test_a_proxy_that_opens_no_tunnel_is_told_apart(by_proxy, proxy, server, reply, said):
    proxy.reply = reply
    with pytest.raises(NetworkError, match=said) as caught:
        by_proxy.post(SAID.encode(), {})
    assert "outcome_unknown" not in caught.value.fields, "nothing was sent"
    assert f"127.0.0.1:{proxy.port}" in caught.value.message
    assert server.connections == 0


def test_a_proxy_that_is_not_there_is_named(server, throw_away_ca):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    transport = HttpsTransport(
        server.url, throw_away_ca.client_context(), LIMITS, ("127.0.0.1", port)
    )
    with pytest.raises(NetworkError, match=f"the proxy 127.0.0.1:{port} can't be reached"):
        transport.post(b"x", {})


def test_a_proxy_that_drips_its_answer_is_given_up(server, throw_away_ca):
    with Server() as dripping:

        def drip(connection):
            while not dripping.stopping.wait(0.01):
                connection.sendall(b"H")

        dripping.serve = drip
        transport = HttpsTransport(
            server.url,
            throw_away_ca.client_context(),
            Limits(connect=0.1),
            ("127.0.0.1", dripping.port),
        )
        with pytest.raises(TimeoutExceededError, match=r"within 0\.1 s") as caught:
            transport.post(b"x", {})
    assert "outcome_unknown" not in caught.value.fields


@pytest.mark.parametrize(
    "text", ["https://p:1", "http://user:secret@p:1", "p:3128", "http://p:1/x", "http://p:99999"]
)
def test_an_address_that_is_no_plain_proxy_is_refused_unrepeated(text):
    with pytest.raises(ConfigError) as caught:
        proxy_address(text)
    assert "secret" not in caught.value.message + caught.value.advice


def test_the_next_address_of_a_name_is_tried(monkeypatch):
    with Server(lambda connection: connection.recv(1)) as server:
        monkeypatch.setattr(route, "resolved", lambda *_: ["127.0.0.2", "127.0.0.1"])
        connection = Route("platform.example", server.port).open(5)
        assert connection.getpeername() == ("127.0.0.1", server.port)
        connection.close()


def test_a_name_without_address_is_told(monkeypatch):
    def unknown(*_):
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(route, "resolved", unknown)
    with pytest.raises(NetworkError, match=r"the name platform\.example can't be resolved"):
        Route("platform.example", 443).open(5)


def test_a_name_that_is_not_found_in_time_is_given_up(monkeypatch):
    def late(*_):
        raise TimeoutExceededError("its address was not found in time")

    monkeypatch.setattr(route, "resolved", late)
    with pytest.raises(TimeoutExceededError, match=r"platform\.example could not be reached"):
        Route("platform.example", 443).open(5)


def test_a_context_that_verifies_nothing_gets_no_proxy_either():
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    with pytest.raises(UsageError, match="does not verify"):
        HttpsTransport("https://127.0.0.1/", context, LIMITS, ("127.0.0.1", 1))

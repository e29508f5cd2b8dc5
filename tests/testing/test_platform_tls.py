"""Mutual TLS of the mock platform: who gets in, with what, and what it costs."""

from __future__ import annotations

import contextlib
import http.client
import socket
import ssl
import threading
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from pfc_client import (
    NOW,
    card_material,
    card_profile,
    envelope,
    order,
    platform_at,
    request_for,
    shared_pki,
)

from igcsante.testing.cards.material import KeyPair
from igcsante.testing.pki import SimulatedPki
from igcsante.testing.pki.simulated import save_key_pair
from igcsante.testing.platform import Options, PlatformServer
from igcsante.testing.platform.soap import PATH

HEADERS = {"Content-Type": "text/xml; charset=utf-8", "SOAPAction": '""'}
LIST = envelope("listerHabilitations", ())


@pytest.fixture(scope="module")
def identity() -> KeyPair:
    return shared_pki().issue_server(("localhost", "127.0.0.1"), NOW)


@pytest.fixture
def platform(tmp_path):
    return platform_at(tmp_path)


@pytest.fixture
def server(platform, identity):
    with PlatformServer(platform, shared_pki(), identity) as running:
        yield running


def context_for(folder, pair: KeyPair | None, version=None) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    roots = "".join(root.public_bytes(Encoding.PEM).decode() for root in shared_pki().roots)
    context.load_verify_locations(cadata=roots)
    if version:
        context.minimum_version = context.maximum_version = version
    if pair:
        stem = f"{pair.certificate.serial_number:x}"
        if not (folder / f"{stem}.pem").exists():
            save_key_pair(folder, stem, pair)
        context.load_cert_chain(folder / f"{stem}.pem", folder / f"{stem}.key")
    return context


@contextlib.contextmanager
def connected(server, context):
    connection = http.client.HTTPSConnection("127.0.0.1", server.port, context=context, timeout=20)
    try:
        yield connection
    finally:
        connection.close()


def post(connection, body=LIST) -> tuple[int, bytes]:
    connection.request("POST", PATH, body, HEADERS)
    answer = connection.getresponse()
    return answer.status, answer.read()


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_card_gets_in_with_both_tls_versions(server, tmp_path, version):
    context = context_for(tmp_path, card_material().authentication, version)
    with connected(server, context) as connection:
        status, answer = post(connection)
        assert (
            connection.sock.version() == {"TLSv1_2": "TLSv1.2", "TLSv1_3": "TLSv1.3"}[version.name]
        )
    assert status == 200
    assert b"habilitations" in answer


def test_one_handshake_serves_many_requests(server, tmp_path):
    with connected(server, context_for(tmp_path, card_material().authentication)) as connection:
        for _ in range(5):
            assert post(connection)[0] == 200
    assert (server.handshakes, server.requests) == (1, 5)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_resumed_session_is_counted_apart(server, tmp_path, version):
    context = context_for(tmp_path, card_material().authentication, version)
    session = None
    for _ in range(2):
        raw = socket.create_connection(("127.0.0.1", server.port), timeout=20)
        with context.wrap_socket(raw, server_hostname="localhost", session=session) as tls:
            length = str(len(LIST)).encode()
            tls.sendall(b"POST " + PATH.encode() + b" HTTP/1.1\r\nHost: x\r\n")
            tls.sendall(b"Content-Type: text/xml\r\nContent-Length: " + length + b"\r\n\r\n")
            tls.sendall(LIST)
            assert b"200 OK" in tls.recv(100)
            session = tls.session
    assert (server.handshakes, server.resumptions) == (1, 1)


def test_maximum_version_can_be_lowered(platform, identity, tmp_path):
    limit = ssl.TLSVersion.TLSv1_2
    with PlatformServer(platform, shared_pki(), identity, maximum_version=limit) as server:
        context = context_for(tmp_path, card_material().authentication)
        with connected(server, context) as connection:
            assert post(connection)[0] == 200
            assert connection.sock.version() == "TLSv1.2"


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_client_without_certificate_is_refused(server, tmp_path, version):
    with (
        connected(server, context_for(tmp_path, None, version)) as connection,
        pytest.raises(OSError),
    ):
        post(connection)
    assert (server.handshakes, server.requests) == (0, 0)


def test_client_of_a_foreign_authority_is_refused(server, tmp_path):
    foreign = SimulatedPki.create(at=NOW, base_url="http://127.0.0.1:9")
    pair = foreign.issue_card(card_profile(), NOW).authentication
    with connected(server, context_for(tmp_path, pair)) as connection, pytest.raises(OSError):
        post(connection)
    assert server.requests == 0


def test_signature_certificate_of_the_card_is_refused(server, tmp_path):
    with (
        connected(server, context_for(tmp_path, card_material().signature)) as connection,
        pytest.raises(OSError),
    ):
        post(connection)


def test_revoked_card_is_refused_even_on_an_open_connection(server, tmp_path):
    pair = shared_pki().issue_card(card_profile(), NOW).authentication
    with connected(server, context_for(tmp_path, pair)) as connection:
        assert post(connection)[0] == 200
        shared_pki().revoke(pair.certificate.serial_number, NOW)
        status, answer = post(connection)
    assert status == 403
    assert "révoqué" in answer.decode()


def expired() -> KeyPair:
    old = NOW.replace(year=NOW.year - 4, day=1)
    return shared_pki().issue_card(card_profile(), old).authentication


def revoked() -> KeyPair:
    pair = shared_pki().issue_card(card_profile(), NOW).authentication
    shared_pki().revoke(pair.certificate.serial_number, NOW)
    return pair


@pytest.mark.parametrize("dead", [expired, revoked])
def test_card_that_is_dead_is_told_so(server, tmp_path, dead):
    with connected(server, context_for(tmp_path, dead())) as connection:
        status, answer = post(connection)
    assert status == 403
    assert "Le certificat présenté" in answer.decode()


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.parametrize(
    ("dead", "alert"), [(expired, "certificate expired"), (revoked, "certificate revoked")]
)
def test_tls_refuses_a_dead_card_when_so_set(tmp_path, identity, version, dead, alert):
    platform = platform_at(tmp_path, options=Options(refuse_in_tls=True))
    with PlatformServer(platform, shared_pki(), identity) as server:
        with connected(server, context_for(tmp_path, card_material().authentication)) as alive:
            assert post(alive)[0] == 200
        with (
            connected(server, context_for(tmp_path, dead(), version)) as connection,
            pytest.raises(ssl.SSLError, match=alert),
        ):
            post(connection)


def test_habilitation_is_that_of_the_card(server, tmp_path, platform):
    other = replace(card_profile(), card_number="0000000042")
    pair = shared_pki().issue_card(other, NOW).authentication
    with connected(server, context_for(tmp_path, pair)) as connection:
        assert post(connection, envelope("demanderProduit", order(request_for())))[0] == 200
    assert len(platform.mails()) == 1


def test_hang_up_closes_the_connection_without_an_answer(server, tmp_path, platform):
    platform.fail_next("hang-up")
    context = context_for(tmp_path, card_material().authentication)
    with connected(server, context) as connection, pytest.raises(OSError):
        post(connection)
    with connected(server, context) as connection:
        assert post(connection)[0] == 200


def test_refused_request_does_not_disturb_the_next_one(server, tmp_path):
    with connected(server, context_for(tmp_path, card_material().authentication)) as connection:
        connection.request("POST", "/ailleurs", LIST, HEADERS)
        answer = connection.getresponse()
        assert (answer.status, answer.getheader("Connection")) == (404, "close")
        answer.read()
        assert post(connection)[0] == 200


def test_slow_handshake_holds_nobody_up(server, tmp_path):
    context = context_for(tmp_path, card_material().authentication)
    silent = socket.create_connection(("127.0.0.1", server.port), timeout=20)
    with silent, connected(server, context) as connection:
        assert post(connection)[0] == 200


def test_stop_hangs_up_on_everyone(platform, identity, tmp_path):
    server = PlatformServer(platform, shared_pki(), identity)
    server.start()
    context = context_for(tmp_path, card_material().authentication)
    silent = socket.create_connection(("127.0.0.1", server.port), timeout=20)
    with silent, connected(server, context) as connection:
        assert post(connection)[0] == 200
        server.stop()
        with pytest.raises(OSError):
            post(connection)
    assert not [t for t in threading.enumerate() if "process_request" in t.name]
    with pytest.raises(OSError):
        socket.create_connection(("127.0.0.1", server.port), timeout=5)

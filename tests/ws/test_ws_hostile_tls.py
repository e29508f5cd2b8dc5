"""A server that is not the platform gets no request, and no signature of the card."""

from __future__ import annotations

import contextlib
import datetime
import ipaddress
import select
import socket
import ssl
import threading
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from hostile import Server, TlsServer, http, reset

from igcsante.credentials import Credential
from igcsante.errors import IgcError, NetworkError, TimeoutExceededError, TlsError
from igcsante.tls import client_context, native, signatures_made
from igcsante.ws.soap.transport import HttpsTransport, Limits

DAY = datetime.timedelta(days=1)
NOW = datetime.datetime.now(datetime.UTC)
LOOPBACK = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
LIMITS = Limits(connect=10, silence=10, total=10)


@pytest.fixture(params=["openssl", "tlslite"], autouse=True)
def library(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Each test runs on this Python's OpenSSL, and as if it could not be reached."""
    if request.param == "tlslite":
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # it imports asyncore
            pytest.importorskip("tlslite.api")
        monkeypatch.setattr(native, "available", lambda: False)
    return str(request.param)


@dataclass(frozen=True)
class Leaf:
    """How a server's certificate differs from a good one."""

    signer: str = "ca"
    name: x509.GeneralName = LOOPBACK
    start: datetime.datetime = NOW - DAY
    end: datetime.datetime = NOW + DAY
    purpose: x509.ObjectIdentifier = ExtendedKeyUsageOID.SERVER_AUTH


BAD = {
    "of another authority": Leaf(signer="stranger"),
    "self-signed": Leaf(signer="itself"),
    "signed by a certificate that is no authority": Leaf(signer="leaf"),
    "expired": Leaf(start=NOW - 3 * DAY, end=NOW - DAY),
    "not yet valid": Leaf(start=NOW + DAY, end=NOW + 3 * DAY),
    "of another name": Leaf(name=x509.DNSName("platform.example")),
    "of another address": Leaf(name=x509.IPAddress(ipaddress.ip_address("127.0.0.2"))),
    "of the address as a name": Leaf(name=x509.DNSName("127.0.0.1")),
    "for clients only": Leaf(purpose=ExtendedKeyUsageOID.CLIENT_AUTH),
}


def issue(folder: Path, ca, kind: Leaf) -> Path:
    """A server's chain and key in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    signer, issuer, more = ca._key, ca.certificate.subject, b""
    if kind.signer == "stranger":
        signer = ec.generate_private_key(ec.SECP256R1())
    elif kind.signer == "itself":
        signer, issuer = key, x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "platform")])
    elif kind.signer == "leaf":
        pem = ca.server_file.read_bytes()
        signer, issuer = ca.server_key, ca.leaf.subject
        more = pem[: pem.index(b"-----BEGIN PRIVATE")]
    certificate = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "platform")]))
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(kind.start)
        .not_valid_after(kind.end)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False
        )
        .add_extension(x509.SubjectAlternativeName([kind.name]), critical=False)
        .add_extension(x509.ExtendedKeyUsage([kind.purpose]), critical=False)
        .sign(signer, hashes.SHA256())
    )
    file = folder / "server.pem"
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    file.write_bytes(certificate.public_bytes(Encoding.PEM) + more + private)
    return file


@pytest.fixture(scope="module")
def card(throw_away_ca) -> Credential:
    key = rsa.generate_private_key(65537, 2048)
    return Credential(throw_away_ca.issue_client(key), key)


@pytest.fixture
def refused(throw_away_ca, card) -> Callable[[int], IgcError]:
    """What is raised by a call to a port; no signature was made, and nothing is in doubt."""

    def call(port: int, limits: Limits = LIMITS) -> IgcError:
        context = client_context(card, [throw_away_ca.certificate])
        transport = HttpsTransport(f"https://127.0.0.1:{port}/", context, limits)
        with pytest.raises(IgcError) as caught:
            transport.post(b"ce que personne ne doit lire", {})
        transport.close()
        assert signatures_made(context) == 0
        assert "outcome_unknown" not in caught.value.fields
        return caught.value

    return call


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.parametrize("kind", BAD)
def test_a_certificate_that_is_not_the_platform_s_ends_the_handshake(
    throw_away_ca, refused, tmp_path, kind, version
):
    with TlsServer(issue(tmp_path, throw_away_ca, BAD[kind]), lambda *_: None) as server:
        server.context.verify_mode = ssl.CERT_OPTIONAL
        server.context.load_verify_locations(
            cadata=throw_away_ca.certificate.public_bytes(Encoding.DER)
        )
        server.context.minimum_version = server.context.maximum_version = version
        error = refused(server.port)
    assert isinstance(error, TlsError) and error.exit_code == 10
    assert "not trusted" in error.message
    assert server.requests == []


NO_TLS = {
    "HTTP": b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n",
    "SSH": b"SSH-2.0-OpenSSH_9.6\r\n",
    "an alert": b"\x15\x03\x03\x00\x02\x02\x28",
    "a record of no kind": b"\xff\x03\x03\x00\x05hello",
    "a record that is too long": b"\x16\x03\x03\xff\xff" + b"x" * 70000,
    "a hello of nothing": b"\x16\x03\x03\x00\x04\x02\x00\x00\x00",
    "nothing": b"",
}


@pytest.mark.parametrize("hang_up", [reset, lambda connection: None], ids=["reset", "close"])
@pytest.mark.parametrize("what", NO_TLS)
def test_a_server_without_tls_is_told_as_such(refused, what, hang_up):
    def serve(connection):
        connection.recv(65536)
        connection.sendall(NO_TLS[what])
        hang_up(connection)

    with Server(serve) as server:
        error = refused(server.port)
    assert isinstance(error, TlsError) and error.exit_code == 10
    assert "TLS" in error.message


def test_a_handshake_that_drips_is_given_up(refused):
    with Server() as server:

        def drip(connection):
            connection.sendall(b"\x16\x03\x03\x40\x00")  # a record of 16 KiB
            while not server.stopping.wait(0.01):
                connection.sendall(b"\x02")

        server.serve = drip
        error = refused(server.port, Limits(connect=0.2))
    assert isinstance(error, TimeoutExceededError)
    assert "TLS handshake within 0.2 s" in error.message


def test_a_handshake_of_endless_records_is_given_up(refused):
    with Server() as server:

        def pour(connection):
            while not server.stopping.is_set():
                connection.sendall(b"\x14\x03\x03\x00\x01\x01" * 500)  # change_cipher_spec

        server.serve = pour
        error = refused(server.port, Limits(connect=0.2))
    assert isinstance(error, NetworkError | TimeoutExceededError)


def test_a_record_that_drips_is_given_up(throw_away_ca, card, once):
    answering = threading.Event()

    def answer(connection, _):
        answering.set()
        connection.sendall(http("x" * 10_000))

    once.answer = answer
    with Server() as between:

        def carry(client):
            with socket.create_connection(("127.0.0.1", once.port), timeout=10) as server:
                others = {client: server, server: client}
                while not between.stopping.is_set():
                    for ready in select.select(list(others), [], [], 10)[0]:
                        data = ready.recv(1 if answering.is_set() else 65536)
                        if not data:
                            return
                        others[ready].sendall(data)
                        between.stopping.wait(0.01 if answering.is_set() else 0)

        between.serve = carry
        context = client_context(card, [throw_away_ca.certificate])
        limits = Limits(connect=10, silence=10, total=0.5)
        transport = HttpsTransport(f"https://127.0.0.1:{between.port}/", context, limits)
        with pytest.raises(TimeoutExceededError) as caught:
            transport.post(b"x", {})
        transport.close()
    assert caught.value.fields["outcome_unknown"]


@pytest.fixture
def once(throw_away_ca) -> Iterator[TlsServer]:
    with TlsServer(
        throw_away_ca.server_file, lambda connection, body: connection.sendall(http("ok"))
    ) as server:
        server.context.verify_mode = ssl.CERT_REQUIRED
        server.context.load_verify_locations(
            cadata=throw_away_ca.certificate.public_bytes(Encoding.DER)
        )
        yield server


def test_one_connection_serves_all_calls(once, throw_away_ca, card):
    context = client_context(card, [throw_away_ca.certificate])
    transport = HttpsTransport(f"https://127.0.0.1:{once.port}/", context, LIMITS)
    for _ in range(5):
        assert transport.post(b"x", {}).content == b"ok"
    transport.close()
    assert (once.connections, signatures_made(context)) == (1, 1)


def test_a_server_that_hangs_up_each_time_costs_one_signature(once, throw_away_ca, card):
    def answer(connection, _):
        connection.sendall(http("ok"))
        connection.close()

    once.answer = answer
    context = client_context(card, [throw_away_ca.certificate])
    transport = HttpsTransport(f"https://127.0.0.1:{once.port}/", context, LIMITS)
    for _ in range(4):
        assert transport.post(b"x", {}).content == b"ok"
        transport.close()
    assert signatures_made(context) == 1
    assert once.reused == [False, True, True, True]


def test_a_server_that_resumes_nothing_is_told_instead_of_signing_twice(once, throw_away_ca, card):
    once.context.options |= ssl.OP_NO_TICKET
    once.context.maximum_version = ssl.TLSVersion.TLSv1_2
    once.context.set_ciphers("ECDHE+AESGCM")
    context = client_context(card, [throw_away_ca.certificate])
    transport = HttpsTransport(f"https://127.0.0.1:{once.port}/", context, LIMITS)
    assert transport.post(b"x", {}).content == b"ok"
    transport.close()
    once.context = forgetful = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    forgetful.load_cert_chain(throw_away_ca.server_file)
    forgetful.verify_mode = ssl.CERT_REQUIRED
    forgetful.load_verify_locations(cadata=throw_away_ca.certificate.public_bytes(Encoding.DER))
    with pytest.raises(TlsError, match="one more card signature was refused") as caught:
        transport.post(b"x", {})
    assert "resumed" in caught.value.advice
    assert signatures_made(context) == 1
    transport.close()


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_an_alert_after_the_request_does_not_say_that_nothing_was_done(
    throw_away_ca, card, version
):
    server_context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server_context.load_cert_chain(throw_away_ca.server_file)
    server_context.minimum_version = server_context.maximum_version = version
    read = []

    def serve(plain):
        received, answered = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = server_context.wrap_bio(received, answered, server_side=True)

        def until_done(step):
            while True:
                try:
                    result = step()
                except ssl.SSLWantReadError:
                    plain.sendall(answered.read())
                    received.write(plain.recv(65536))
                else:
                    plain.sendall(answered.read())
                    return result

        until_done(tls.do_handshake)
        while b"the order" not in b"".join(read):
            read.append(until_done(lambda: tls.read(65536)))
        received.write(b"\x17\x03\x03\x00\x20" + bytes(32))  # makes it say bad_record_mac
        with contextlib.suppress(ssl.SSLError):
            tls.read(1)
        plain.sendall(answered.read())

    with Server(serve) as server:
        context = client_context(card, [throw_away_ca.certificate])
        transport = HttpsTransport(f"https://127.0.0.1:{server.port}/", context, LIMITS)
        with pytest.raises(NetworkError) as caught:
            transport.post(b"the order", {})
        transport.close()
    assert read and caught.value.fields["outcome_unknown"]
    assert not isinstance(caught.value, TlsError)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_platform_that_refuses_our_certificate_has_done_nothing(card, throw_away_ca, version):
    strict = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    strict.load_cert_chain(throw_away_ca.server_file)
    strict.verify_mode = ssl.CERT_REQUIRED  # and it knows no authority
    strict.minimum_version = strict.maximum_version = version

    def serve(plain):
        received, answered = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = strict.wrap_bio(received, answered, server_side=True)
        with contextlib.suppress(ssl.SSLCertVerificationError):
            while True:
                with contextlib.suppress(ssl.SSLWantReadError):
                    tls.do_handshake()
                plain.sendall(answered.read())
                received.write(plain.recv(65536))
        plain.sendall(answered.read())
        while plain.recv(65536):  # one that closed at once could lose its alert
            pass

    with Server(serve) as server:
        context = client_context(card, [throw_away_ca.certificate])
        transport = HttpsTransport(
            f"https://127.0.0.1:{server.port}/", context, Limits(connect=10, silence=10, total=10)
        )
        with pytest.raises(TlsError) as caught:
            transport.post(b"x", {})
        transport.close()
    assert "unknown ca" in caught.value.message
    assert "outcome_unknown" not in caught.value.fields
    assert "refuses this card" in caught.value.advice

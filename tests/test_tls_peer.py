"""A server's certificates are read whatever it is: untrusted, choosy, old, behind STARTTLS."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable, Iterator

import pytest
from cryptography import x509
from tls_server import Pki, make_pki, openssl_server

from igcsante.errors import IgcError, NetworkError, TimeoutExceededError, TlsError
from igcsante.tls.peer import STARTTLS, server_certificates

Talk = Callable[[socket.socket], None]


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Pki:
    return make_pki(tmp_path_factory.mktemp("pki"))


@contextlib.contextmanager
def served(talk: Talk) -> Iterator[int]:
    """The port of a server that has one conversation."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            with contextlib.suppress(OSError):
                connection, _ = listener.accept()
                with connection:
                    talk(connection)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            with contextlib.suppress(OSError):  # one that nobody has talked to
                socket.create_connection(listener.getsockname(), 1).close()
            thread.join()


def subjects(port: int, **options: str) -> list[str]:
    found = server_certificates("127.0.0.1", port, **options)  # type: ignore[arg-type]
    loaded = map(x509.load_der_x509_certificate, found)
    return [item.subject.rfc4514_string() for item in loaded]


@pytest.mark.parametrize("options", [(), ("-no_tls1_3",)], ids=["TLS 1.3", "TLS 1.2"])
@pytest.mark.parametrize("plain", [True, False], ids=["open", "wants a client certificate"])
def test_the_chain_is_read_in_its_order(pki: Pki, plain: bool, options: tuple[str, ...]) -> None:
    with openssl_server(pki, *options, plain=plain) as port:
        assert subjects(port) == ["CN=localhost", "CN=Intermediate"]


SERVER_KEY_EXCHANGE, SERVER_HELLO_DONE = 12, 14


@contextlib.contextmanager
def in_between(port: int, change: Callable[[bytes], bytes]) -> Iterator[int]:
    """The port of one who passes on a conversation, the server's TLS records changed."""

    def talk(client: socket.socket) -> None:
        with socket.create_connection(("127.0.0.1", port)) as server:

            def up() -> None:
                with contextlib.suppress(OSError):
                    while data := client.recv(65536):
                        server.sendall(data)
                with contextlib.suppress(OSError):
                    server.shutdown(socket.SHUT_RDWR)

            passing = threading.Thread(target=up)
            passing.start()
            try:
                records = server.makefile("rb")
                while len(head := records.read(5)) == 5:
                    client.sendall(change(head + records.read(int.from_bytes(head[3:]))))
            finally:
                with contextlib.suppress(OSError):
                    client.shutdown(socket.SHUT_RDWR)
                passing.join()

    with served(talk) as between:
        yield between


def with_another_signature(record: bytes) -> bytes:
    if record[0] != 22 or record[5] != SERVER_KEY_EXCHANGE:
        return record
    return record[:-1] + bytes([record[-1] ^ 1])


def with_an_alert_for_its_proof(record: bytes) -> bytes:
    """As from one who has the certificate, and not its key."""
    kept = record[0] != 22 or record[5] not in (SERVER_KEY_EXCHANGE, SERVER_HELLO_DONE)
    return record if kept else bytes.fromhex("15030300020228")


def garbled(record: bytes) -> bytes:
    """Of TLS 1.3: what is encrypted, the certificate too."""
    return record if record[0] != 23 else record[:-1] + bytes([record[-1] ^ 1])


@pytest.mark.parametrize("plain", [True, False], ids=["open", "wants a client certificate"])
@pytest.mark.parametrize("change", [with_another_signature, with_an_alert_for_its_proof])
def test_server_that_can_t_prove_its_key_is_refused(
    pki: Pki, plain: bool, change: Callable[[bytes], bytes]
) -> None:
    with (
        openssl_server(pki, "-no_tls1_3", plain=plain) as port,
        in_between(port, change) as between,
        pytest.raises(TlsError, match="did not prove that it has the key"),
    ):
        server_certificates("127.0.0.1", between)


def test_end_that_was_changed_on_its_way_is_refused(pki: Pki) -> None:
    """What we find wrong is no refusal of the server's, though it has asked for a certificate."""
    encrypted = False

    def change(record: bytes) -> bytes:
        nonlocal encrypted
        if encrypted and record[0] == 22:
            return record[:-1] + bytes([record[-1] ^ 1])
        encrypted = encrypted or record[0] == 20
        return record

    options = ("-no_tls1_3", "-verify", "1")
    with openssl_server(pki, *options, plain=True) as port:
        with in_between(port, bytes) as between:
            assert subjects(between) == ["CN=localhost", "CN=Intermediate"]
        with in_between(port, change) as between, pytest.raises(TlsError, match="did not prove"):
            server_certificates("127.0.0.1", between)


def test_server_whose_key_deciphers_proves_it_at_the_end_only(pki: Pki) -> None:
    options = ("-no_tls1_3", "-cipher", "AES128-SHA@SECLEVEL=0")
    with openssl_server(pki, *options, plain=True) as port:
        assert subjects(port) == ["CN=localhost", "CN=Intermediate"]
    with (
        openssl_server(pki, *options) as port,
        pytest.raises(TlsError, match="did not prove that it has the key"),
    ):
        server_certificates("127.0.0.1", port)


@pytest.mark.parametrize("options", [(), ("-no_tls1_3",)], ids=["TLS 1.3", "TLS 1.2"])
def test_what_is_passed_on_as_it_is_is_read(pki: Pki, options: tuple[str, ...]) -> None:
    with openssl_server(pki, *options) as port, in_between(port, bytes) as between:
        assert subjects(between) == ["CN=localhost", "CN=Intermediate"]


def test_handshake_that_was_garbled_is_refused(pki: Pki) -> None:
    with (
        openssl_server(pki) as port,
        in_between(port, garbled) as between,
        pytest.raises(TlsError),
    ):
        server_certificates("127.0.0.1", between)


SCRIPTS = {
    "smtp": ["<220-hello\r\n220 ready", ">EHLO", "<250-me\r\n250 STARTTLS", ">STARTTLS", "<220 go"],
    "imap": ["<* OK ready", ">a STARTTLS", "<* CAPABILITY\r\na OK go"],
    "pop3": ["<+OK ready", ">STLS", "<+OK go"],
    "ftp": ["<220 ready", ">AUTH TLS", "<234 go"],
}
LDAP_ANSWER = bytes.fromhex("300c02010178070a0100") + b"\x04\x00\x04\x00"


def follow(script: list[str], connection: socket.socket) -> None:
    reader = connection.makefile("rb")
    for step in script:
        if step.startswith("<"):
            connection.sendall(step[1:].encode() + b"\r\n")
        else:
            assert reader.readline().decode().startswith(step[1:])


def turn_to_tls(pki: Pki, connection: socket.socket) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pki.directory / "server.pem", pki.directory / "server.key")
    with context.wrap_socket(connection, server_side=True) as secure:
        secure.recv(1)


@pytest.mark.parametrize("protocol", SCRIPTS)
def test_starttls_is_spoken(pki: Pki, protocol: str) -> None:
    def talk(connection: socket.socket) -> None:
        follow(SCRIPTS[protocol], connection)
        turn_to_tls(pki, connection)

    with served(talk) as port:
        assert subjects(port, starttls=protocol) == ["CN=localhost"]


def test_starttls_of_ldap_is_spoken(pki: Pki) -> None:
    def talk(connection: socket.socket) -> None:
        request = connection.recv(31)
        assert request.endswith(b"1.3.6.1.4.1.1466.20037")
        connection.sendall(LDAP_ANSWER)
        turn_to_tls(pki, connection)

    with served(talk) as port:
        assert subjects(port, starttls="ldap") == ["CN=localhost"]


REFUSALS = {
    "smtp": b"220 hello\r\n502 no\r\n",
    "imap": b"* OK\r\na NO not here\r\n",
    "pop3": b"+OK\r\n-ERR no\r\n",
    "ftp": b"220 hello\r\n530 no\r\n",
    "ldap": bytes.fromhex("300c02010178070a010204000400"),
}


@pytest.mark.parametrize("protocol", STARTTLS)
def test_refusal_of_starttls_is_told(protocol: str) -> None:
    def talk(connection: socket.socket) -> None:
        connection.sendall(REFUSALS[protocol])
        connection.recv(4096)
        connection.recv(4096)

    with served(talk) as port, pytest.raises(NetworkError, match="refuses STARTTLS"):
        server_certificates("127.0.0.1", port, starttls=protocol)


@pytest.mark.parametrize("noise", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\0" * 10_000, b""])
def test_what_is_no_tls_is_told(noise: bytes) -> None:
    with (
        served(lambda connection: connection.sendall(noise)) as port,
        pytest.raises(TlsError, match="no TLS handshake") as told,
    ):
        server_certificates("127.0.0.1", port)
    assert "--starttls" in told.value.advice


def test_endless_greeting_is_given_up() -> None:
    def talk(connection: socket.socket) -> None:
        for _ in range(200):
            connection.sendall(b"220-again and again\r\n" * 100)

    with served(talk) as port, pytest.raises(NetworkError, match="says too much"):
        server_certificates("127.0.0.1", port, starttls="smtp")


@pytest.mark.parametrize("protocol", [None, "smtp"])
def test_silent_server_is_given_up(protocol: str | None) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:  # connects, and says nothing
        port = listener.getsockname()[1]
        with pytest.raises(TimeoutExceededError, match="did not answer"):
            server_certificates("127.0.0.1", port, starttls=protocol, timeout=0.2)


def test_closed_port_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(IgcError, match="can't be reached"):
        server_certificates("127.0.0.1", port)


def test_server_name_is_asked_for(pki: Pki) -> None:
    asked: list[str | None] = []

    def talk(connection: socket.socket) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pki.directory / "server.pem", pki.directory / "server.key")
        context.sni_callback = lambda _socket, name, _context: asked.append(name)
        with context.wrap_socket(connection, server_side=True) as secure:
            secure.recv(1)

    with served(talk) as port:
        subjects(port, server_name="www.example.org")
    with served(talk) as port:
        subjects(port)
    assert asked == ["www.example.org", None], "an address is never a server name"

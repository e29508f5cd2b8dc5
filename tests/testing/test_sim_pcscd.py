"""Simulated cards in virtual readers: vpcd's protocol, a private pcscd, other programs."""

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from hashlib import sha256
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from processes import started
from sim_support import material

from igcsante.errors import NetworkError, PcscUnavailableError, ReaderAbsentError, UsageError
from igcsante.testing.cards import (
    Fault,
    PrivatePcscd,
    SimulatedCard,
    VpcdCard,
    load_profile,
    pcscd,
    serve_vpcd,
)
from igcsante.testing.cards.folder import private_folder

SECONDS = 20  # for what must happen; nothing waits that long unless it failed
SELECT_SERIAL = bytes.fromhex("00A4090C043F00D003")
READ_SERIAL = bytes.fromhex("00B000000C")

# Reads EF.SN in every reader through PC/SC, as any program would.
CLIENT = """
import json, sys
from smartcard.scard import *
from smartcard.System import readers

wanted = int(sys.argv[1])
hresult, context = SCardEstablishContext(SCARD_SCOPE_USER)
states = [(str(reader), SCARD_STATE_UNAWARE) for reader in readers()]
for _ in range(100):
    hresult, found = SCardGetStatusChange(context, 1000, states)
    if sum(bool(state & SCARD_STATE_PRESENT) for _, state, _ in found) == wanted:
        break
    states = [(name, state & 0xFFFF) for name, state, _ in found]
told = []
for reader in readers()[:wanted]:
    connection = reader.createConnection()
    connection.connect(disposition=SCARD_LEAVE_CARD)
    if connection.getProtocol() == 1:
        select, read = "00A4090C043F00D003", "00B000000C"
    else:
        connection.transmit(list(bytes.fromhex("01A4040C088025000001FF0100")))
        select, read = "01A4080C02D003", "01B000000C"
    assert connection.transmit(list(bytes.fromhex(select)))[1] == 0x90
    data, *_ = connection.transmit(list(bytes.fromhex(read)))
    told.append([str(reader), connection.getProtocol(), bytes(connection.getATR()).hex(),
                 bytes(data).hex()])
    connection.disconnect()
print(json.dumps(told))
"""


def new_card(name: str) -> SimulatedCard:
    return SimulatedCard(load_profile(name), material())


def needs(*programs: str) -> pytest.MarkDecorator:
    absent = [
        program
        for program in programs
        if shutil.which(program, path=f"{os.environ['PATH']}:/usr/sbin") is None
    ]
    return pytest.mark.skipif(bool(absent), reason=f"not installed: {', '.join(absent)}")


def run(service: PrivatePcscd, *command: str) -> str:
    done = subprocess.run(
        command,
        env={**os.environ, **service.environment()},
        capture_output=True,
        text=True,
        timeout=SECONDS,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


# -- vpcd's protocol, against a reader made here ----------------------------------------------


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(SECONDS)
        yield server


def accept(listener: socket.socket) -> socket.socket:
    connection, _ = listener.accept()
    connection.settimeout(SECONDS)
    return connection


def tell(connection: socket.socket, message: bytes) -> None:
    connection.sendall(len(message).to_bytes(2) + message)


def ask(connection: socket.socket, message: bytes) -> bytes:
    tell(connection, message)
    length = int.from_bytes(connection.recv(2, socket.MSG_WAITALL))
    return connection.recv(length, socket.MSG_WAITALL)


def test_virtual_reader_gets_atr_power_and_answers(listener: socket.socket) -> None:
    card = new_card("cps3")
    with ExitStack() as stack, VpcdCard(card, listener.getsockname()[1]) as inserted:
        reader = stack.enter_context(accept(listener))
        assert ask(reader, b"\x04") == card.atr
        assert not inserted.powered.is_set()
        tell(reader, b"\x01")
        assert ask(reader, SELECT_SERIAL) == b"\x90\x00"
        inserted.wait_powered(SECONDS)
        assert ask(reader, READ_SERIAL)[-2:] == b"\x90\x00"
        tell(reader, b"\x02")  # a reset loses the selection
        assert ask(reader, READ_SERIAL) == b"\x69\x86"
        tell(reader, b"\x00")
        assert ask(reader, SELECT_SERIAL) == b"\x6f\x00"
        assert not card.powered
        # Bytes that dribble in, an empty message, an unknown one-byte message.
        tell(reader, b"\x01")
        for byte in len(SELECT_SERIAL).to_bytes(2) + SELECT_SERIAL:
            reader.sendall(bytes([byte]))
        assert reader.recv(4, socket.MSG_WAITALL) == b"\x00\x02\x90\x00"
        assert ask(reader, b"") == b"\x67\x00"
        assert ask(reader, b"\x07") == b"\x67\x00"
    assert inserted.error is None


def test_faults_happen_at_their_exchange_in_a_virtual_reader_too(listener: socket.socket) -> None:
    card = new_card("cps3")
    with ExitStack() as stack, VpcdCard(card, listener.getsockname()[1]) as inserted:
        reader = stack.enter_context(accept(listener))
        tell(reader, b"\x01")
        inserted.inject(
            Fault(2, "truncated"), Fault(3, "status", status=0x6581), Fault(4, "reset"),
            Fault(6, "remove"),
        )  # fmt: skip
        assert ask(reader, SELECT_SERIAL) == b"\x90\x00"
        assert len(ask(reader, READ_SERIAL)) == 6 + 2
        assert ask(reader, READ_SERIAL) == b"\x65\x81"
        assert ask(reader, READ_SERIAL) == b"\x69\x86", "nothing is selected after a reset"
        assert ask(reader, SELECT_SERIAL) == b"\x90\x00"
        tell(reader, READ_SERIAL)
        assert reader.recv(1) == b"", "it was pulled out before it answered"
    assert inserted.error is None
    assert not card.powered


@pytest.mark.parametrize("kind", ["unplug", "sharing"])
def test_a_card_does_no_more_than_a_card_can(kind: str) -> None:
    with pytest.raises(UsageError, match=kind):
        VpcdCard(new_card("cps3")).inject(Fault(1, kind))


def test_card_leaves_when_told_to_stop(listener: socket.socket) -> None:
    stop = threading.Event()
    card = new_card("cps3")
    port = listener.getsockname()[1]
    server = threading.Thread(target=serve_vpcd, args=(card, port, "127.0.0.1", stop))
    server.start()
    with accept(listener) as reader:
        assert ask(reader, b"\x04") == card.atr
        stop.set()
        server.join(SECONDS)
        assert not server.is_alive()
        assert reader.recv(1) == b""
    assert not card.powered


def test_reader_that_hangs_up_is_told_not_hidden(listener: socket.socket) -> None:
    port = listener.getsockname()[1]
    with VpcdCard(new_card("cps3"), port) as inserted:
        accept(listener).close()
        assert inserted._thread is not None
        inserted._thread.join(SECONDS)
    assert isinstance(inserted.error, NetworkError)
    hang_up = threading.Thread(target=lambda: accept(listener).close())
    hang_up.start()
    with pytest.raises(NetworkError, match="hung up"):
        serve_vpcd(new_card("cps3"), port)
    hang_up.join()


def test_no_virtual_reader_says_what_to_do() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        with pytest.raises(ReaderAbsentError, match=str(port)) as caught:
            serve_vpcd(new_card("cps3"), port)
    assert "vsmartcard-vpcd" in caught.value.advice
    with pytest.raises(ReaderAbsentError, match="did not power"):
        VpcdCard(new_card("cps3")).wait_powered(0)


# -- a private pcscd ----------------------------------------------------------------------


@needs("pcscd")
def test_two_cards_are_read_at_once_through_a_private_pcscd() -> None:
    pytest.importorskip("smartcard", reason="pyscard is not installed")
    with (
        PrivatePcscd() as service,
        VpcdCard(new_card("cps3"), service.ports[0]) as first,
        VpcdCard(new_card("cps4"), service.ports[1]) as second,
    ):
        first.wait_powered(SECONDS)
        second.wait_powered(SECONDS)
        told = json.loads(run(service, sys.executable, "-c", CLIENT, "2"))
    assert told == [
        [
            "Virtual PCD 00 00",
            1,
            "3bac00402a001225006480000310009000",
            "5a0a8025000001997003014f",
        ],
        [
            "Virtual PCD 00 01",
            2,
            "3b9b188001001225006480040100009044",
            "5a0a8025000001997004012F".lower(),
        ],
    ]


@needs("pcscd")
def test_services_run_side_by_side_and_leave_nothing_behind() -> None:
    with ExitStack() as stack:
        services = [stack.enter_context(PrivatePcscd()) for _ in range(3)]
        ports = [port for service in services for port in service.ports]
        assert len(set(ports)) == 6
        assert len({service.socket for service in services}) == 3
        assert set(ports) <= pcscd._listening_ports()
        folders = [service.socket.parent for service in services]
    assert not any(folder.exists() for folder in folders)
    assert not set(ports) & pcscd._listening_ports()


@needs("pcscd")
def test_taken_ports_are_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    with PrivatePcscd() as first:
        low = first.port
        monkeypatch.setattr(pcscd, "_PORTS", range(low, low + 4, 2))
        with PrivatePcscd() as second:
            assert second.port == low + 2
            with pytest.raises(PcscUnavailableError, match="no pair of free ports"):
                PrivatePcscd().__enter__()


@needs("pcscd")
@pytest.mark.parametrize("taken", [0, 1])
def test_ports_of_other_programs_are_passed_over(
    monkeypatch: pytest.MonkeyPatch, taken: int
) -> None:
    with PrivatePcscd() as service:
        low = service.port
    monkeypatch.setattr(pcscd, "_PORTS", range(low, low + 2, 2))
    with (
        socket.create_server(("127.0.0.1", low + taken)),
        pytest.raises(PcscUnavailableError, match="no pair of free ports"),
    ):
        PrivatePcscd().__enter__()


@needs("pcscd")
def test_service_ends_with_the_program_that_started_it() -> None:
    program = (
        "import sys\n"
        "from igcsante.testing.cards import PrivatePcscd\n"
        "with PrivatePcscd() as service:\n"
        "    print(service.port, service.socket.parent, flush=True)\n"
        "    sys.stdin.read()\n"
    )
    with started(
        [sys.executable, "-c", program],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as starter:
        assert starter.stdout is not None
        port, folder = starter.stdout.readline().split()
        with socket.create_connection(("127.0.0.1", int(port)), timeout=SECONDS) as card:
            starter.kill()
            with contextlib.suppress(ConnectionResetError):
                while card.recv(64):  # until pcscd is gone
                    pass
    assert Path(folder).exists()
    with PrivatePcscd() as service:
        assert service.socket.exists()
        assert not Path(folder).exists(), "the next one cleans up after the one that was killed"


def test_only_folders_of_dead_processes_are_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder whose owner is alive, or that isn't one of ours, is nobody else's to remove."""
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(tmp_path))
    foreign = tmp_path / "test-foreign"
    foreign.mkdir()
    target = tmp_path / "target"
    abandoned = tmp_path / "test-abandoned"
    for folder in (target, abandoned):
        folder.mkdir()
        (folder / "owner.lock").touch()
    (tmp_path / "test-link").symlink_to(target)
    with private_folder("test-") as first, private_folder("test-") as second:
        assert first.exists() and second.exists() and first != second
        assert foreign.exists() and target.exists() and (tmp_path / "test-link").exists()
        assert not abandoned.exists()
    assert not first.exists() and not second.exists()


def own_address() -> str:
    """An address of this machine that isn't loopback; nothing is sent to find it."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as route:
        try:
            route.connect(("192.0.2.1", 9))
        except OSError:
            pytest.skip("this machine has no address but loopback")
        return str(route.getsockname()[0])


@needs("pcscd")
def test_virtual_readers_are_closed_to_the_network() -> None:
    address = own_address()
    with PrivatePcscd() as service:
        if not service.loopback_only:
            pytest.skip("this system lets nobody bind another process's socket to a device")
        for port in service.ports:
            with pytest.raises(ConnectionRefusedError):
                socket.create_connection((address, port), timeout=SECONDS).close()
            socket.create_connection(("127.0.0.1", port), timeout=SECONDS).close()


@needs("pcscd")
def test_service_that_was_killed_starts_again_at_the_same_place() -> None:
    with PrivatePcscd() as service:
        place = service.socket, service.ports
        service.crash()
        assert not set(service.ports) & pcscd._listening_ports()
        with socket.socket(socket.AF_UNIX) as client, pytest.raises(ConnectionRefusedError):
            client.connect(str(service.socket))
        service.restart()
        assert (service.socket, service.ports) == place
        assert set(service.ports) <= pcscd._listening_ports()
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(service.socket))


def test_missing_software_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pcscd, "_DRIVERS", ())
    monkeypatch.setattr(pcscd, "_program", lambda: "/bin/true")
    with pytest.raises(PcscUnavailableError, match="vpcd") as caught:
        PrivatePcscd().__enter__()
    assert "apt-get install" in caught.value.advice
    monkeypatch.undo()
    monkeypatch.setattr(pcscd.shutil, "which", lambda *_, **__: None)
    with pytest.raises(PcscUnavailableError, match="pcscd is not installed"):
        PrivatePcscd().__enter__()


@needs("pcscd")
def test_pcscd_that_fails_is_reported_with_its_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pcscd, "_program", lambda: "/bin/false")
    with pytest.raises(PcscUnavailableError, match="ended with code 1"):
        PrivatePcscd().__enter__()


@needs("pcscd", "opensc-tool", "pkcs15-tool")
def test_opensc_names_the_cps3_and_lists_its_objects() -> None:
    with PrivatePcscd() as service, VpcdCard(new_card("cps3"), service.port) as inserted:
        inserted.wait_powered(SECONDS)
        name = run(service, "opensc-tool", "-n")
        listing = run(service, "pkcs15-tool", "-D")
        run(  # which fails unless the PIN is taken
            service, "pkcs15-tool", "--verify-pin", "--auth-id", "01", "--pin", "1234"
        )
        certificate = run(
            service, "pkcs15-tool", "--read-certificate", "e828bd080f8025000001ff001002"
        )
    assert "IAS" in name
    for line in (
        "PKCS#15 Card [CPS3v3-2900997003]",
        "PIN [PIN porteur]",
        "PIN [PUK]",
        "Private RSA Key [CPS_PRIV_SIG]",
        "Private RSA Key [CPS_PRIV_AUT]",
        "Public RSA Key [CPS_PUB_SIG]",
        "X.509 Certificate [Certificat de Signature CPS]",
        "X.509 Certificate [Certificat d'Authentification CPS]",
        "Data object 'CPS_DATA'",
        "Data object 'CPS_ID_CARD'",
        "Data object 'CPS_INFO_PS'",
        "Data object 'CPS_ACTIVITY_01_PS'",
    ):
        assert line in listing
    assert "BEGIN CERTIFICATE" in certificate


AUTHENTICATION_KEY = "e828bd080f8025000001ff001002"
PIN_1234 = ("--pin", "1234")


@needs("pcscd", "pkcs15-crypt", "pkcs11-tool", "openssl")
def test_opensc_signs_and_deciphers_with_the_cps3_and_openssl_agrees(tmp_path: Path) -> None:
    # The signature key can't be asked for here: OpenSC hashes a part of the document for it,
    # which it gave up with OpenSSL 3.
    public_key = material().authentication.private_key.public_key()
    message = b"ordonnance simulee"
    info = bytes.fromhex("3031300D060960864801650304020105000420") + sha256(message).digest()
    files = {
        "message": message,
        "info": info,
        "cipher": public_key.encrypt(b"secret", padding.PKCS1v15()),
        "key.pem": public_key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
    }
    paths = {name: tmp_path / name for name in (*files, "one", "two", "plain")}
    for name, content in files.items():
        paths[name].write_bytes(content)
    crypt = ("pkcs15-crypt", "--key", AUTHENTICATION_KEY, "--pkcs1", *PIN_1234)
    with PrivatePcscd() as service, VpcdCard(new_card("cps3"), service.port) as inserted:
        inserted.wait_powered()
        run(service, *crypt, "--sign", "-i", str(paths["info"]), "-o", str(paths["one"]), "--raw")
        run(
            service, "pkcs11-tool", "--login", *PIN_1234, "--id", AUTHENTICATION_KEY,
            "--sign", "-m", "RSA-PKCS", "-i", str(paths["info"]), "-o", str(paths["two"]),
        )  # fmt: skip
        run(
            service, *crypt, "--decipher", "-i", str(paths["cipher"]), "-o", str(paths["plain"]),
            "--raw",
        )  # fmt: skip
    for signature in ("one", "two"):
        told = run(
            service, "openssl", "dgst", "-sha256", "-verify", str(paths["key.pem"]),
            "-signature", str(paths[signature]), str(paths["message"]),
        )  # fmt: skip
        assert told == "Verified OK\n"
    assert paths["plain"].read_bytes() == b"secret"


@needs("pcscd", "pkcs15-crypt")
def test_opensc_is_told_of_a_wrong_pin_and_signs_nothing(tmp_path: Path) -> None:
    (tmp_path / "info").write_bytes(bytes(51))
    output = tmp_path / "signature"
    card = new_card("cps3")
    with PrivatePcscd() as service, VpcdCard(card, service.port) as inserted:
        inserted.wait_powered()
        done = subprocess.run(
            ["pkcs15-crypt", "--key", AUTHENTICATION_KEY, "--pkcs1", "--pin", "9999", "--sign",
             "-i", str(tmp_path / "info"), "-o", str(output)],
            env={**os.environ, **service.environment()}, capture_output=True, text=True,
            timeout=SECONDS,
        )  # fmt: skip
        assert done.returncode != 0
        assert "PIN code verification failed" in done.stderr
    assert not output.exists() or output.read_bytes() == b""
    card.power_on()
    assert card.transmit(bytes.fromhex("00200001")) == b"\x63\xc2"

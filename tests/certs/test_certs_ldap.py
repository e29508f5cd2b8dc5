"""Lists out of a directory: a real one (OpenLDAP's slapd), and servers that misbehave."""

from __future__ import annotations

import base64
import os
import shutil
import socket
import subprocess
import threading
from pathlib import Path

import pytest

from igcsante.certs.network.access import Access
from igcsante.certs.network.fetch import CrlFetcher
from igcsante.certs.network.ldap import fetch_ldap, parse_ldap_url
from igcsante.errors import NetworkError, TimeoutExceededError

ANS = (
    "ldap://annuaire-igc.esante.gouv.fr/cn=AC%20IGC-SANTE%20ELEMENTAIRE%20ORGANISATIONS,"
    "ou=AC%20RACINE%20IGC-SANTE%20ELEMENTAIRE,ou=IGC-SANTE,ou=0002%20187512751,o=ASIP-SANTE,"
    "c=FR?certificaterevocationlist;binary?base?objectClass=pkiCA"
)
SUFFIX = "o=TESTS,c=FR"
LDIF = f"""\
dn: {SUFFIX}
objectClass: organization
o: TESTS

dn: cn=AC 1,{SUFFIX}
objectClass: applicationProcess
objectClass: pkiCA
cn: AC 1
certificateRevocationList;binary:: %s

dn: cn=AC 2,{SUFFIX}
objectClass: applicationProcess
objectClass: pkiCA
cn: AC 2
"""
CONFIG = """\
include {schema}/core.schema
pidfile {folder}/slapd.pid
modulepath {modules}
moduleload back_mdb
database mdb
suffix "{suffix}"
directory {folder}/db
"""


def test_address_of_the_ans_is_understood():
    parsed = parse_ldap_url(ANS)
    assert parsed.entry == (
        b"cn=AC IGC-SANTE ELEMENTAIRE ORGANISATIONS,ou=AC RACINE IGC-SANTE ELEMENTAIRE,"
        b"ou=IGC-SANTE,ou=0002 187512751,o=ASIP-SANTE,c=FR"
    )
    assert parsed.attribute == "certificaterevocationlist;binary"


@pytest.mark.parametrize(
    "rest",
    [
        "cn=a",
        "cn=a?",
        "cn=a?userPassword",
        "cn=a?certificaterevocationlist,cn",
        "cn=a?certificaterevocationlist;other?base",
        "cn=a?certificaterevocationlist?sub",
        "cn=a?certificaterevocationlist?one",
        "cn=a?certificaterevocationlist?base?(a=b)?!bindname=cn=admin",
        "cn=a?certificaterevocationlist?base?(a=b)?x?y",
    ],
)
def test_address_of_something_else_is_refused_before_anybody_is_asked(rest, monkeypatch):
    def contacted(*_, **__):
        raise AssertionError("contacted")

    monkeypatch.setattr(socket, "create_connection", contacted)
    with pytest.raises(NetworkError):
        fetch_ldap(f"ldap://9.9.9.9/{rest}", Access.of([], ldap_hosts=["9.9.9.9"]))


def test_host_is_among_those_for_ldap():
    for access in (Access.of(["igc.example"]), Access.of([], ldap_hosts=["igc.example:390"])):
        with pytest.raises(NetworkError, match="not among") as refused:
            CrlFetcher(access).fetch("ldap://igc.example/cn=a?certificaterevocationlist")
        assert "ldap_hosts" in refused.value.advice


# -- a real directory --------------------------------------------------------------------------


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    """``host:port`` of a directory whose ``cn=AC 1`` has a list of 300,000 octets."""
    slapd = shutil.which("slapd", path=f"{os.environ['PATH']}:/usr/sbin:/usr/lib/openldap")
    schema, modules = Path("/etc/ldap/schema"), Path("/usr/lib/ldap")
    if slapd is None or not schema.is_dir() or not modules.is_dir():
        pytest.skip("OpenLDAP's slapd is not installed: apt-get install slapd")
    folder = tmp_path_factory.mktemp("slapd")
    (folder / "db").mkdir()
    config = folder / "slapd.conf"
    config.write_text(CONFIG.format(schema=schema, modules=modules, folder=folder, suffix=SUFFIX))
    ldif = folder / "data.ldif"
    ldif.write_text(LDIF % base64.b64encode(LIST).decode())
    subprocess.run([slapd, "-T", "add", "-f", config, "-l", ldif], check=True, capture_output=True)
    with socket.create_server(("127.0.0.1", 0)) as free:
        host = f"127.0.0.1:{free.getsockname()[1]}"
    server = subprocess.Popen(
        [slapd, "-f", config, "-h", f"ldap://{host}", "-d", "0"], stderr=subprocess.PIPE
    )
    try:
        _wait_for(host, server)
        yield host
    finally:
        server.terminate()
        server.communicate()


LIST = b"0\x82" + bytes(range(250)) * 1200


def _wait_for(host, server):
    address = ("127.0.0.1", int(host.rpartition(":")[2]))
    for _ in range(200):
        try:
            socket.create_connection(address, 1).close()
        except OSError:
            if server.poll() is not None:
                pytest.skip(f"slapd does not start: {server.stderr.read().decode()}")
            threading.Event().wait(0.02)
        else:
            return
    pytest.fail("slapd does not answer")


def ask(host, rest, **options):
    access = Access.of([], ldap_hosts=[host])
    return fetch_ldap(f"ldap://{host}/{rest}", access, **options)


def test_list_is_fetched_from_a_directory(directory):
    url = f"cn=AC%201,{SUFFIX}?certificaterevocationlist;binary?base?objectClass=pkiCA"
    assert ask(directory, url) == LIST
    assert ask(directory, f"CN=ac%201,{SUFFIX.upper()}?certificateRevocationList;binary") == LIST
    fetcher = CrlFetcher(Access.of([], ldap_hosts=[directory]))
    assert fetcher.fetch(f"ldap://{directory}/{url}") == LIST


def test_directory_without_the_list_says_so(directory):
    with pytest.raises(NetworkError, match="no such entry"):
        ask(directory, f"cn=AC%203,{SUFFIX}?certificaterevocationlist;binary")
    with pytest.raises(NetworkError, match="no list"):
        ask(directory, f"cn=AC%202,{SUFFIX}?certificaterevocationlist;binary")
    with pytest.raises(NetworkError, match="no list"):
        ask(directory, f"cn=AC%201,{SUFFIX}?deltarevocationlist;binary")


def test_list_that_is_too_large_is_given_up(directory):
    url = f"cn=AC%201,{SUFFIX}?certificaterevocationlist;binary"
    assert ask(directory, url, limit=len(LIST)) == LIST
    with pytest.raises(NetworkError, match="larger than"):
        ask(directory, url, limit=len(LIST) - 1)
    with pytest.raises(NetworkError, match="too large"):
        ask(directory, url, limit=100_000)


# -- hostile ones ------------------------------------------------------------------------------


def tlv(tag, content):
    length = len(content)
    size = bytes([length]) if length < 128 else b"\x84" + length.to_bytes(4)
    return bytes([tag]) + size + content


def message(operation, number=1):
    return tlv(0x30, tlv(2, bytes([number])) + operation)


def entry(*values, attribute=b"certificateRevocationList;binary"):
    found = tlv(0x30, tlv(4, attribute) + tlv(0x31, b"".join(tlv(4, value) for value in values)))
    return message(tlv(0x64, tlv(4, b"cn=a") + tlv(0x30, found)))


DONE = message(tlv(0x65, tlv(10, b"\0") + tlv(4, b"") + tlv(4, b"")))
REFERENCE = message(tlv(0x73, tlv(4, b"ldap://127.0.0.1:1/cn=b")))


@pytest.fixture
def hostile():
    """A server that says what it is told to, whatever it is asked; gives its ``host:port``."""
    stop, servers = threading.Event(), []

    def start(*said, hang_up=True, drip=False):
        listener = socket.create_server(("127.0.0.1", 0))

        def serve():
            connection, _ = listener.accept()
            with connection:
                connection.recv(4096)
                try:
                    for octets in said:
                        for piece in (
                            [octets[i : i + 1] for i in range(len(octets))] if drip else [octets]
                        ):
                            connection.sendall(piece)
                            if drip and stop.wait(0.02):
                                return
                    if not hang_up:
                        stop.wait(20)
                except OSError:
                    pass

        thread = threading.Thread(target=serve)
        thread.start()
        servers.append((listener, thread))
        return f"127.0.0.1:{listener.getsockname()[1]}"

    yield start
    stop.set()
    for listener, thread in servers:
        thread.join()
        listener.close()


URL = "cn=a?certificaterevocationlist;binary"


def test_answer_in_the_shortest_form_is_read(hostile):
    assert ask(hostile(REFERENCE, entry(b"list"), DONE), URL) == b"list"
    assert (
        ask(hostile(entry(b"list", attribute=b"CERTIFICATEREVOCATIONLIST"), DONE), URL) == b"list"
    )


HOSTILE = {
    "garbage": [b"HTTP/1.1 400 Bad Request\r\n\r\n" * 10],
    "another message": [message(tlv(0x65, tlv(10, b"\0")), number=9)],
    "endless length": [b"\x30\x84\xff\xff\xff\xff" + b"x" * 1000],
    "indefinite length": [b"\x30\x80" + b"\0" * 100],
    "nine octets of length": [b"\x30\x89" + b"\1" * 100],
    "many messages": [entry(b"x", attribute=b"cn")] * 100,
    "several lists": [entry(b"one", b"two"), DONE],
    "lists in several entries": [entry(b"one"), entry(b"two"), DONE],
    "another attribute": [entry(b"x", attribute=b"deltaRevocationList"), DONE],
    "empty entry": [message(tlv(0x64, b"")), DONE],
    "empty message": [b"\x30\x00"],
    "hangs up in between": [entry(b"x" * 1000)[:500]],
    "hangs up at once": [b""],
    "not finished": [entry(b"list")],
    "refers elsewhere": [message(tlv(0x65, tlv(10, b"\x0a") + tlv(4, b"") + tlv(4, b"")))],
    "refused": [message(tlv(0x65, tlv(10, b"\x32") + tlv(4, b"") + tlv(4, b"")))],
    "many octets of result": [message(tlv(0x65, tlv(10, b"\1" * 90)))],
}


@pytest.mark.parametrize("said", HOSTILE.values(), ids=HOSTILE)
def test_answer_that_makes_no_sense_is_refused(hostile, said):
    with pytest.raises(NetworkError):
        ask(hostile(*said), URL, limit=10_000)


@pytest.mark.parametrize("drip", [False, True])
def test_time_limit_is_total(hostile, drip):
    host = hostile(entry(b"x" * 5000)[:-1], drip=drip, hang_up=False)
    with pytest.raises(TimeoutExceededError):
        ask(host, URL, timeout=0.3)

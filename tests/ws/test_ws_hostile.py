"""A platform that means harm, or is ill: a clear error, bounded time and memory, nothing told."""

from __future__ import annotations

import logging
import select
import socket
import subprocess
import sys
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import zeep.exceptions
from hostile import Server, TlsServer, http, reset
from ws_contract import STRUCTURE, fault, product_xml, reply

from igcsante.errors import (
    ContractError,
    IgcError,
    NetworkError,
    PlatformRefusedError,
    PlatformUnavailableError,
    TimeoutExceededError,
)
from igcsante.identifiers import StructureId
from igcsante.secret import Secret
from igcsante.ws.client import ZeepPlatform
from igcsante.ws.contract.wsdl import SETTINGS, DiskTransport
from igcsante.ws.model import Offre, ProductRequest, Usage, Withdrawal
from igcsante.ws.soap.transport import Limits

KIB = 1024
ORDER = ProductRequest(
    offre=Offre.ORG,
    usage=Usage.AUTH_CLI,
    structure=StructureId.parse("318751275100020"),
    emails=("pki@exemple.fr",),
    service_name="DMP",
    csr=b"\x30\x01\xff",
    client_reference="igc-1",
)
CANARIES = ("zqx-7391", "wvk-5837")
CODE, PASSWORD = f"canari<code>&é-{CANARIES[0]}", f"canari-PASSE {CANARIES[1]}'\""
WITHDRAWAL = Withdrawal("P-1", Secret(CODE), True, Secret(PASSWORD))
RECEIPT = reply("demanderProduit", "<idProduit>P-1</idProduit><etat>A_RETIRER</etat>")
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"


@pytest.fixture
def server(throw_away_ca) -> Iterator[TlsServer]:
    answer = http(RECEIPT)
    with TlsServer(
        throw_away_ca.server_file, lambda connection, body: connection.sendall(answer)
    ) as running:
        yield running


@pytest.fixture
def client(server, throw_away_ca) -> Iterator[Callable[..., ZeepPlatform]]:
    opened: list[ZeepPlatform] = []

    def make(**limits: float) -> ZeepPlatform:
        values: Any = {"connect": 10, "silence": 10, "total": 10, **limits}
        context = throw_away_ca.client_context()
        opened.append(ZeepPlatform(server.url, context, limits=Limits(**values)))
        return opened[-1]

    yield make
    for platform in opened:
        platform.close()


def in_doubt(error: IgcError) -> bool:
    return bool(error.fields.get("outcome_unknown"))


def told(error: IgcError) -> str:
    return f"{error} {error.advice} {error.fields!r}"


# -- slowly, or without end ------------------------------------------------------------

SLOW = {
    "status line": (b"HTTP/1.1 200 O", b"K"),
    "headers": (HEAD, b"X-A: b\r\n"),
    "a header": (HEAD + b"X-A: ", b"a"),
    "interim answers": (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "body": (HEAD + b"Content-Length: 100000\r\n\r\n", b"<"),
    "body without length": (HEAD + b"\r\n", b"<"),
    "chunks": (CHUNKED, b"1\r\n<\r\n"),
    "the size of a chunk": (CHUNKED, b"0"),
    "an extension of a chunk": (CHUNKED + b"1;a=", b"b"),
    "trailers": (CHUNKED + b"0\r\n", b"X-A: b\r\n"),
}


@pytest.mark.parametrize("where", SLOW)
def test_what_drips_is_given_up_when_the_time_is_over(server, client, where):
    start, drop = SLOW[where]

    def drip(connection, _):
        connection.sendall(start)
        while not server.stopping.wait(0.01):
            connection.sendall(drop)

    server.answer = drip
    with pytest.raises(TimeoutExceededError) as caught:
        client(total=0.2).order_product(ORDER)
    assert in_doubt(caught.value)
    assert "igc orders" in caught.value.advice
    assert len(server.requests) == 1


def test_a_handshake_that_drips_is_given_up_with_nothing_sent(throw_away_ca):
    with Server() as server:

        def drip(connection):
            connection.sendall(b"\x16\x03\x03\x40\x00")  # a record of 16 KiB
            while not server.stopping.wait(0.01):
                connection.sendall(b"\x02")

        server.serve = drip
        url = f"https://127.0.0.1:{server.port}/"
        context = throw_away_ca.client_context()
        with (
            ZeepPlatform(url, context, limits=Limits(connect=0.2)) as platform,
            pytest.raises(TimeoutExceededError, match="TLS handshake") as caught,
        ):
            platform.order_product(ORDER)
    assert not in_doubt(caught.value)


ENDLESS = {
    "body": (HEAD + b"\r\n", b"<a>" * 5000),
    "body of a huge length": (HEAD + b"Content-Length: 9999999999999\r\n\r\n", b"<a>" * 5000),
    "one chunk": (CHUNKED + b"7fffffffffffffff\r\n", b"<a>" * 5000),
    "chunks": (CHUNKED, b"3\r\n<a>\r\n" * 2000),
    "an extension of a chunk": (CHUNKED + b"1;a=", b"b" * 16000),
    "the size of a chunk": (CHUNKED, b"0" * 16000),
    "trailers": (CHUNKED + b"0\r\n", b"X-A: b\r\n" * 2000),
    "headers": (HEAD, b"X-A: b\r\n" * 2000),
    "a header": (HEAD + b"X-A: ", b"a" * 16000),
    "the status line": (b"HTTP/1.1 200 ", b"OK" * 8000),
    "interim answers": (b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 500),
}


@pytest.mark.parametrize("where", ENDLESS)
def test_what_has_no_end_is_cut_within_a_bounded_memory(server, client, where):
    start, more = ENDLESS[where]

    def pour(connection, _):
        connection.sendall(start)
        while not server.stopping.is_set():
            connection.sendall(more)

    server.answer = pour
    cut = "body" in where or "chunk" in where.split()[-1]  # else it ends with the time
    platform = client(total=30 if cut else 0.5, answer_bytes=100 * KIB)
    with platform:
        tracemalloc.start()
        try:
            with pytest.raises((ContractError, NetworkError, TimeoutExceededError)) as caught:
                platform.order_product(ORDER)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    assert in_doubt(caught.value)
    assert peak < 8 * KIB * KIB
    if where in ("body", "body of a huge length", "one chunk", "chunks"):
        assert "larger than 102,400 bytes" in caught.value.message


# -- XML that attacks ------------------------------------------------------------------


def lol(levels: int) -> str:
    entities = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, levels + 1))
    return f'<!DOCTYPE x [<!ENTITY l0 "lol">{entities}]>'


def with_dtd(dtd: str, value: str) -> str:
    return dtd + RECEIPT.replace("P-1", value)


def attacks(port: int) -> dict[str, bytes]:
    """Documents that make a careless parser grow, read files, or call ``port``."""
    there = f"http://127.0.0.1:{port}/evil"
    texts = {
        "billion laughs": with_dtd(lol(9), "&l9;"),
        "billion laughs in an attribute": lol(9) + '<a b="&l9;"/>',
        "billion laughs by parameter entities": '<!DOCTYPE x [<!ENTITY % a "<!ENTITY b \'c\'>">'
        + '<!ENTITY % d "' + "%a;" * 5000 + '"> %d; %d;]><x/>',
        "quadratic growth": with_dtd(
            f'<!DOCTYPE x [<!ENTITY a "{"a" * 50_000}">]>', "&a;" * 20_000
        ),
        "a file as an entity": with_dtd(
            '<!DOCTYPE x [<!ENTITY f SYSTEM "file:///etc/passwd">]>', "&f;"
        ),
        "an address as an entity": with_dtd(f'<!DOCTYPE x [<!ENTITY f SYSTEM "{there}">]>', "&f;"),
        "a parameter entity elsewhere": f'<!DOCTYPE x [<!ENTITY % f SYSTEM "{there}"> %f;]><x/>',
        "a DTD elsewhere": f'<!DOCTYPE x SYSTEM "{there}">' + RECEIPT,
        "an inclusion": RECEIPT.replace(
            "P-1", '<i:include xmlns:i="http://www.w3.org/2001/XInclude" parse="text" '
            'href="file:///etc/passwd"/>'
        ),
        "a schema elsewhere": RECEIPT.replace(
            "<idProduit>", '<idProduit xmlns:i="http://www.w3.org/2001/XMLSchema-instance" '
            f'i:schemaLocation="urn:x {there}" i:type="i:x">'
        ),
        "depth": "<a>" * 100_000,
        "many attributes": "<a " + " ".join(f'a{n}="1"' for n in range(50_000)) + "/>",
        "a long name": "<" + "a" * 1_000_000 + "/>",
        "nothing but brackets": "<" * 100_000,
        "many operations": RECEIPT.replace("<s:Body>", "<s:Body>" + "<a/>" * 100_000),
        "many products": reply(
            "rechercherProduits", "<produits/>" * 20_000 + "<total>1</total>"
        ),
    }  # fmt: skip
    return {name: text.encode() for name, text in texts.items()} | {
        "UTF-16": RECEIPT.encode("utf-16"),
        "an encoding that isn't": b'<?xml version="1.0" encoding="x-evil"?>' + RECEIPT.encode(),
        "bytes that are no UTF-8": RECEIPT.encode().replace(b"P-1", b"\xff\xfe\x80"),
        "NUL": RECEIPT.encode().replace(b"P-1", b"P\x001"),
        "a character that XML has not": RECEIPT.encode().replace(b"P-1", b"P&#1;1"),
    }


FAIR = {"UTF-16", "a schema elsewhere"}  # unusual, and right all the same


@pytest.mark.parametrize("name", attacks(0))
def test_xml_that_attacks_is_refused_and_leads_nowhere(server, client, name):
    with Server() as elsewhere:
        server.answer = lambda connection, _: connection.sendall(
            http(attacks(elsewhere.port)[name])
        )
        platform = client()
        if name in FAIR:
            assert platform.order_product(ORDER).product_id == "P-1"
        else:
            with pytest.raises(ContractError) as caught:
                platform.order_product(ORDER)
        assert elsewhere.connections == 0
    if name in FAIR:
        return
    assert in_doubt(caught.value)
    assert caught.value.exit_code == 12
    assert len(told(caught.value)) < 500
    assert "root:" not in told(caught.value)


@pytest.mark.parametrize("name", ["UTF-16", "billion laughs", "a file as an entity"])
def test_a_fault_is_parsed_with_the_same_care(server, client, name):
    content = attacks(0)[name]
    server.answer = lambda connection, _: connection.sendall(http(content, "500 Error"))
    with pytest.raises((PlatformUnavailableError, ContractError)) as caught:
        client().order_product(ORDER)
    assert in_doubt(caught.value)
    assert "root:" not in told(caught.value)


@pytest.mark.long
def test_the_largest_answers_take_a_bounded_memory_and_time(tmp_path):
    script = Path(__file__).with_name("heavy_answers.py")
    done = subprocess.run(
        [sys.executable, script, tmp_path, "400", "60"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    told = dict(line.split(": ") for line in done.stdout.splitlines())
    assert len(told) == 13
    assert set(told.values()) == {"taken", "platform.contract", "platform.unavailable"}


def test_zeep_is_strict_and_never_fetches():
    assert SETTINGS.strict and SETTINGS.forbid_dtd and SETTINGS.forbid_entities
    assert SETTINGS.forbid_external and not SETTINGS.xml_huge_tree
    with pytest.raises(zeep.exceptions.ExternalReferenceForbidden):
        DiskTransport().load("http://127.0.0.1:9/x.wsdl")


# -- answers of another kind -----------------------------------------------------------

LOGIN = '<html><title>Connexion</title><form><input name=p TYPE="password"></form></html>'
KINDS = {
    "a login page": (LOGIN, "text/html", "an HTML login page came back", "portal"),
    "a page": ("<html>Bienvenue</html>", "text/html", "an HTML page came back", "portal or proxy"),
    "a page unnamed": ("<!DOCTYPE html><p>", "application/x", "an HTML page came back", "portal"),
    "JSON": ('{"error": 1}', "application/json", "JSON came back", "web service"),
    "problem": ("{}", "application/problem+json", "JSON came back", "web service"),
    "text": ("moved", "text/plain", "text/plain came back", "web service"),
    "nothing": ("", "application/octet-stream", "nothing came back", "web service"),
    "a long type": ("x", "application/" + "x" * 500, "application/xxx", "web service"),
}


@pytest.mark.parametrize("kind", KINDS)
def test_what_came_back_instead_is_said(server, client, kind):
    content, media_type, message, advice = KINDS[kind]
    server.answer = lambda connection, _: connection.sendall(http(content, kind=media_type))
    with pytest.raises(ContractError, match=message) as caught:
        client().order_product(ORDER)
    assert advice in caught.value.advice
    assert in_doubt(caught.value)
    assert len(told(caught.value)) < 400


STATUSES = {
    "302 Found": (ContractError, True),
    "400 Bad Request": (ContractError, True),
    "401 Unauthorized": (PlatformRefusedError, False),
    "404 Not Found": (ContractError, True),
    "415 Unsupported Media Type": (ContractError, False),
    "429 Too Many Requests": (PlatformUnavailableError, False),
    "500 Error": (PlatformUnavailableError, True),
    "504 Gateway Timeout": (PlatformUnavailableError, True),
    "204 No Content": (IgcError, True),
    "206 Partial Content": (IgcError, True),
    "999 ?": (IgcError, True),
}


@pytest.mark.parametrize("status", STATUSES)
def test_each_status_has_its_error(server, client, status):
    error, doubt = STATUSES[status]
    server.answer = lambda connection, _: connection.sendall(http(LOGIN, status, "text/html"))
    with pytest.raises(error) as caught:
        client().order_product(ORDER)
    assert in_doubt(caught.value) is doubt
    assert len(server.requests) == 1, "nothing is followed or repeated"


def test_when_to_come_back_is_told(server, client):
    answer = http("", "503 Unavailable").replace(b"\r\n\r\n", b"\r\nRetry-After: 120\r\n\r\n")
    server.answer = lambda connection, _: connection.sendall(answer)
    with pytest.raises(PlatformUnavailableError) as caught:
        client().order_product(ORDER)
    assert caught.value.fields["retry_after"] == 120
    assert "120 s" in caught.value.advice


def test_when_to_come_back_is_told_of_a_fault_too(server, client):
    busy = http(fault("ErreurTechnique", "MOCK-T03", "maintenance"), "503 Unavailable")
    answer = busy.replace(b"\r\n\r\n", b"\r\nRetry-After: 5\r\n\r\n")
    server.answer = lambda connection, _: connection.sendall(answer)
    with pytest.raises(PlatformUnavailableError, match="maintenance") as caught:
        client().order_product(ORDER)
    assert caught.value.fields["retry_after"] == 5
    assert not in_doubt(caught.value)


PART = b"--x\r\nContent-Type: text/xml\r\nContent-ID: <a>\r\n\r\n" + RECEIPT.encode()
RELATED = 'multipart/related; boundary="x"; type="text/xml"; start="<a>"'
PARTS = {
    "no boundary": ("multipart/related", PART + b"\r\n--x--"),
    "an endless boundary": (f"multipart/related; boundary={'x' * 50_000}", PART),
    "no part": (RELATED, b"nothing"),
    "no end": (RELATED, PART[:-9]),
    "boundaries only": (RELATED, b"--x\r\n" * 100_000),
    "parts without head": (RELATED, b"--x\r\n\r\n\r\n" * 50_000),
    "an endless head": (RELATED, b"--x\r\n" + b"X-A: b\r\n" * 100_000),
    "parts in parts": (RELATED, PART.replace(b"text/xml", RELATED.encode()) * 50),
    "a page as root": (RELATED, b"--x\r\nContent-ID: <a>\r\n\r\n<html>\r\n--x--"),
}


@pytest.mark.parametrize("name", PARTS)
def test_parts_that_make_no_sense_leave_a_doubt(server, client, name):
    kind, content = PARTS[name]
    server.answer = lambda connection, _: connection.sendall(http(content, kind=kind))
    with pytest.raises((ContractError, NetworkError)) as caught:
        client().order_product(ORDER)
    assert in_doubt(caught.value)
    assert len(told(caught.value)) < 500


@pytest.mark.parametrize("when", ["Fri, 31 Dec 1999 23:59:59 GMT", "-1", "1e9", "9" * 5000, "١"])
def test_a_time_to_come_back_that_makes_no_sense_is_left_out(server, client, when):
    after = f"\r\nRetry-After: {when}\r\n\r\n".encode()
    answer = http("", "503 Unavailable").replace(b"\r\n\r\n", after)
    server.answer = lambda connection, _: connection.sendall(answer)
    with pytest.raises(PlatformUnavailableError) as caught:
        client().order_product(ORDER)
    assert "retry_after" not in caught.value.fields


# -- the line ----------------------------------------------------------------------------

NONSENSE = {
    "no HTTP": b"SSH-2.0-OpenSSH_9.6\r\n",
    "HTTP/2": b"HTTP/2 200\r\n\r\n",
    "another length": HEAD + b"Content-Length: 9999\r\n\r\n<a/>",
    "a negative length": HEAD + b"Content-Length: -1\r\n\r\n",
    "two lengths": HEAD + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\n<a/>",
    "an unknown coding": HEAD + b"Content-Encoding: gzip\r\nContent-Length: 1\r\n\r\nx",
    "a chunk without size": CHUNKED + b"x\r\n",
    "a negative chunk": CHUNKED + b"-5\r\n<a/>\r\n0\r\n\r\n",
    "a broken header": b"HTTP/1.1 200 OK\r\n\x00\xff: \x00\r\n\r\n",
}


@pytest.mark.parametrize("name", NONSENSE)
def test_a_line_that_speaks_nonsense_leaves_a_doubt(server, client, name):
    def answer(connection, _):
        connection.sendall(NONSENSE[name])
        reset(connection)

    server.answer = answer
    with pytest.raises((NetworkError, ContractError)) as caught:
        client().order_product(ORDER)
    assert in_doubt(caught.value)


def test_bytes_outside_of_tls_end_the_call(server, client):
    def answer(connection, _):
        plain = connection.detach()
        with socket.socket(fileno=plain) as raw:
            raw.sendall(b"HTTP/1.1 200 OK\r\n\r\n")

    server.answer = answer
    with pytest.raises(NetworkError, match="hung up") as caught:
        client().order_product(ORDER)
    assert in_doubt(caught.value)


@pytest.mark.parametrize("padding", [0, 7000, 12_000])
def test_an_answer_too_many_is_not_taken_for_the_next_one(server, client, padding):
    first = reply("consulterProduit", f"<produit>{product_xml('P-1')}</produit>")
    other = first.replace("P-1", "P-2")
    spare = f"<!--{'x' * padding}-->"

    def answer(connection, _):
        wanted = first if len(server.requests) == 1 else other.replace("P-2", "P-3")
        connection.sendall(http(wanted + spare) + (http(other) if wanted == first else b""))

    server.answer = answer
    platform = client()
    assert platform.get_product("P-1").product_id == "P-1"
    assert platform.get_product("P-3").product_id == "P-3"


def test_a_connection_that_was_closed_meanwhile_is_opened_again(server, client):
    good = http(RECEIPT)

    def answer(connection, _):
        connection.sendall(good)
        connection.unwrap()
        connection.close()

    server.answer = answer
    platform = client()
    for _ in range(3):
        assert platform.order_product(ORDER).product_id == "P-1"
        select.select([platform._https._connection.sock], [], [], 10)  # its end has come
    assert server.connections == 3


# -- what was sent, said again ---------------------------------------------------------


def mirrors(body: bytes) -> dict[str, bytes]:
    """Answers that hold the request, secrets and all, wherever an answer can hold a text."""
    text = body.decode()
    escaped = text.replace("&", "&amp;").replace("<", "&lt;")
    line = text.replace("\n", " ").replace("\r", " ")
    return {
        "itself": http(body),
        "a fault's message": http(fault("ErreurFonctionnelle", "X-1", escaped), "500 Error"),
        "a fault's code": http(fault("ErreurFonctionnelle", escaped, "non"), "500 Error"),
        "a fault's field": http(fault("ErreurFonctionnelle", "X", "non", escaped), "500 Error"),
        "a technical fault": http(fault("ErreurTechnique", "X-1", escaped), "500 Error"),
        "an unknown fault": http(fault("Autre", "X-1", escaped), "500 Error"),
        "a value": http(reply("retirerProduit", f"<nomFichier>{escaped}</nomFichier>")),
        "a date": http(
            reply("consulterProduit", f"<produit>{product_xml(state=escaped)}</produit>")
        ),
        "an element": http(reply("retirerProduit", text[text.index("<", 2) :])),
        "a page": http(f"<html><title>{escaped}</title>{escaped}</html>", kind="text/html"),
        "a page of 404": http(f"<html>{escaped}</html>", "404 Not Found", "text/html"),
        "JSON": http(text, kind="application/json"),
        "a media type": http("x", kind=line),
        "a status line": f"HTTP/1.1 500 {line}\r\nContent-Length: 0\r\n\r\n".encode(),
        "a redirection": f"HTTP/1.1 302 x\r\nLocation: {line}\r\n\r\n".encode(),
        "a length": HEAD + f"Content-Length: {line}\r\n\r\n".encode(),
        "a chunk": CHUNKED + line.encode() + b"\r\n",
        "no HTTP": body,
    }


@pytest.mark.parametrize("where", mirrors(b"<a><b/></a>"))
def test_a_platform_that_repeats_our_secrets_does_not_make_us_say_them(
    server, client, caplog, capfd, where
):
    caplog.set_level(1)
    for name in list(logging.root.manager.loggerDict):
        caplog.set_level(1, logger=name)

    def answer(connection, body):
        connection.sendall(mirrors(body)[where])
        reset(connection)

    server.answer = answer
    with pytest.raises(IgcError) as caught:
        client().withdraw_product(WITHDRAWAL)
    assert all(canary.encode() in server.requests[0] for canary in CANARIES), "they were sent"
    error = caught.value
    said = [told(error), repr(error.__cause__), caplog.text, *capfd.readouterr()]
    for place in said:
        for canary in CANARIES:
            assert canary not in place


def test_a_structure_s_name_is_shown_without_its_controls(server, client):
    name = "<raisonSociale>CLINIQUE D'ESSAI"
    evil = STRUCTURE.replace(name, name + "&#x9b;31m&#x202e;")
    inner = (
        f"<habilitations>{evil}<offre>ORG</offre><usages>SIGN</usages>"
        "<perimetre><type>AUCUN</type></perimetre><monde>TEST</monde></habilitations>"
    )
    server.answer = lambda connection, _: connection.sendall(
        http(reply("listerHabilitations", inner))
    )
    (found,) = client().list_habilitations()
    assert all(character.isprintable() for character in found.structure.name)

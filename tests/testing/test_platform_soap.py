"""The SOAP face of the mock: what it describes, what it refuses to read, what it never says."""

from __future__ import annotations

import base64

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lxml import etree
from pfc_client import (
    CODE,
    SOAP,
    SoapClient,
    SoapFault,
    envelope,
    order,
    platform_at,
    request_for,
    some_key,
)

from igcsante.errors import ContractError
from igcsante.testing.platform.soap import MAX_REQUEST_BYTES, NOTICE, PATH
from igcsante.testing.platform.wire import NAMESPACE, OPERATIONS

HEADER = f"{{{SOAP}}}Header/{{{NAMESPACE}}}Avertissement"


@pytest.fixture
def client(tmp_path):
    return SoapClient(platform_at(tmp_path))


def fault_of(client: SoapClient, body: bytes) -> SoapFault:
    status, _, answer = client.post(body)
    return SoapFault(status, etree.fromstring(answer).find(f"{{{SOAP}}}Body")[0])


def test_contract_is_served_with_the_address_of_the_mock(client):
    client._application._platform.url = "https://127.0.0.1:7"
    status, headers, wsdl = client.get("wsdl")
    assert (status, headers["Content-Type"]) == ("200 OK", "text/xml; charset=utf-8")
    root = etree.fromstring(wsdl)
    address = root.find(".//{http://schemas.xmlsoap.org/wsdl/soap/}address")
    assert address.get("location") == f"https://127.0.0.1:7{PATH}"
    location = root.find(".//{http://www.w3.org/2001/XMLSchema}import").get("schemaLocation")
    assert location == f"https://127.0.0.1:7{PATH}?xsd"
    assert b"targetNamespace" in client.get("xsd")[2]
    names = {item.get("name") for item in root.iter("{http://schemas.xmlsoap.org/wsdl/}operation")}
    assert names == set(OPERATIONS)


def test_every_answer_says_that_the_contract_is_simulated(client):
    _, headers, answer = client.post(envelope("listerHabilitations", ()))
    assert headers["Content-Type"] == "text/xml; charset=utf-8"
    assert etree.fromstring(answer).findtext(HEADER) == NOTICE
    _, _, fault = client.post(envelope("consulterProduit", [("idProduit", "x")]))
    assert etree.fromstring(fault).findtext(HEADER) == NOTICE


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"offre": "AUTRE"}, "offre"),
        ({"usage": "AUTH CLI"}, "usage"),
        ({"idStructure": "9" * 30}, "idStructure"),
        ({"serviceApplicatif": "x" * 65}, "serviceApplicatif"),
        ({"csr": "pas du base64 !"}, "csr"),
        ({"csr": "A" * 30000}, "csr"),
        ({"motDePasseCle": ""}, "motDePasseCle"),
        ({"emails": ["a@b.example"] * 11}, "emails"),
        ({"inconnu": "x"}, "inconnu"),
        ({"inconnu" * 20: "x"}, ("inconnu" * 20)[:64]),
        ({"csr": "/\x80II", "motDePasseCle": None}, "csr"),
        ({"idStructure": None}, "serviceApplicatif"),
    ],
)
def test_request_that_breaks_the_schema_is_refused(client, changes, field):
    fault = fault_of(client, envelope("demanderProduit", order(**changes)))
    assert (fault.code, fault.field) == ("MOCK-F04", field)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"noise",
        b"<a><b></a>",
        b"<html/>",
        b'<Envelope xmlns="http://www.w3.org/2003/05/soap-envelope"><Body/></Envelope>',
        f'<Envelope xmlns="{SOAP}"/>'.encode(),
        f'<Envelope xmlns="{SOAP}"><Body/></Envelope>'.encode(),
        f'<Envelope xmlns="{SOAP}"><Body><a/><b/></Body></Envelope>'.encode(),
        envelope("supprimerTout", ()),
        f'<Envelope xmlns="{SOAP}"><Body><listerHabilitations/></Body></Envelope>'.encode(),
    ],
)
def test_what_is_no_soap_request_is_refused(client, body):
    assert fault_of(client, body).code == "MOCK-F04"


@pytest.mark.parametrize(
    "dtd",
    [
        b"<!DOCTYPE x>",
        b'<!DOCTYPE x [<!ENTITY e "ORG">]>',
        b'<!DOCTYPE x SYSTEM "http://127.0.0.1:1/x.dtd">',
        b'<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]>',
    ],
)
def test_dtd_is_refused_and_no_entity_is_read(client, dtd):
    body = envelope("listerHabilitations", [("texteStructure", "ici")])
    body = body.replace(b"ici", b"&e;" if b"ENTITY" in dtd else b"ici")
    status, _, answer = client.post(dtd + body)
    assert status.startswith("500")
    assert b"DTD" in answer
    assert b"root:" not in answer


def test_bodies_that_are_too_large_or_of_unknown_length_are_not_read(client):
    assert client.post(b"x", CONTENT_LENGTH=str(MAX_REQUEST_BYTES + 1))[0].startswith("413")
    assert client.post(b"x", CONTENT_LENGTH="9" * 4000)[0].startswith("413")
    for length in ("", "-1", "1x", "²"):
        assert client.post(b"x", CONTENT_LENGTH=length)[0].startswith("411")


def test_only_its_path_its_methods_and_text_xml_are_served(client):
    assert client.post(b"", PATH_INFO="/")[0].startswith("404")
    assert client.get("autre")[0].startswith("404")
    assert client.post(b"", REQUEST_METHOD="DELETE")[0].startswith("405")
    assert client.post(b"", CONTENT_TYPE="application/json")[0].startswith("415")


def test_secrets_come_back_in_no_answer_and_are_nowhere_in_the_store(client, tmp_path):
    secrets = [CODE, "mot de passe très secret"]
    product = client.order(motDePasseCle=secrets[1])
    bodies = [client.post(envelope("consulterProduit", [("idProduit", product)]))[2]]
    wrong = [("idProduit", product), ("codeRevocation", CODE), ("motif", "AUTRE" + secrets[1])]
    bodies.append(client.post(envelope("revoquerProduit", wrong))[2])
    client.withdraw(product, password=secrets[1])
    bodies.append(b"".join(path.read_bytes() for path in tmp_path.iterdir()))
    for secret in secrets:
        assert all(secret.encode() not in body for body in bodies)


def test_dates_without_a_zone_are_refused(client):
    with pytest.raises(SoapFault, match="F04 finAvant"):
        client.search(("finAvant", "2026-01-01T00:00:00"))
    with pytest.raises(SoapFault, match="F04 idStructure"):
        client.search(("idStructure", "10"))


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.data())
def test_damaged_requests_are_answered_with_a_fault_or_done(client, data):
    body = envelope("demanderProduit", order(request_for(some_key("fuzz"))))
    at = data.draw(st.integers(0, len(body) - 1))
    noise = data.draw(st.binary(max_size=4))
    status, _, answer = client.post(body[:at] + noise + body[at + 1 :])
    assert status[:3] in ("200", "500")
    found = etree.fromstring(answer).find(f"{{{SOAP}}}Body")[0]
    assert "Fault" in found.tag or status == "200 OK"
    assert b"MOCK-" in answer


def test_binary_fields_take_line_breaks(client):
    csr = base64.encodebytes(request_for()).decode()
    assert "\n" in csr.strip()
    assert client.call("demanderProduit", order(csr=csr, motDePasseCle=None)) is not None


def test_mock_never_sends_what_breaks_its_own_schema(client, monkeypatch):
    monkeypatch.setattr("igcsante.testing.platform.products._PREFIX", "un préfixe ")
    with pytest.raises(ContractError, match="breaks its schema at idProduit"):
        client.call("demanderProduit", order(request_for(some_key("schema"))))

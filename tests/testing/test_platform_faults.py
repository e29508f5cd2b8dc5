"""Every refusal of the mock platform: F01 to F19, T01 to T04, and the incidents on demand."""

from __future__ import annotations

import base64
import re
from dataclasses import replace
from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from pfc_client import (
    DEFAULT_LINES,
    NOW,
    SoapClient,
    SoapFault,
    card_material,
    card_profile,
    certificate_of,
    order,
    platform_at,
    request_for,
    shared_pki,
    some_key,
)

from igcsante.errors import UsageError
from igcsante.testing.platform import HabilitationRegister, Options
from igcsante.testing.platform.faults import FUNCTIONAL, TECHNICAL, HangUp
from igcsante.ws.model import Scope
from igcsante.ws.vocabulary import ScopeKind, World

OTHER = "399999999700037"
SERVER = {"offre": "SERV", "usage": "SSL_SERV", "serviceApplicatif": None}


@pytest.fixture
def platform(tmp_path):
    return platform_at(tmp_path)


@pytest.fixture
def client(platform):
    return SoapClient(platform)


@pytest.fixture
def csr():
    return request_for(some_key("faults"))


def refused(code: str, field: str | None, call, *arguments, **changes) -> SoapFault:
    with pytest.raises(SoapFault) as caught:
        call(*arguments, **changes)
    fault = caught.value
    assert (fault.code, fault.field) == (f"MOCK-{code}", field), str(fault)
    assert fault.status.startswith("500")
    assert fault.who == "soap:Client"
    return fault


def csr_signed_by(key, algorithm=hashes.SHA256()) -> bytes:  # noqa: B008 - immutable
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
    return builder.sign(key, algorithm).public_bytes(Encoding.DER)


def test_f01_structure_or_offer_without_habilitation(client, csr):
    refused("F01", "idStructure", client.order, csr, idStructure="10B0000000")
    refused("F01", "idStructure", client.order, csr, offre="PRO", usage="AUTH", idStructure=OTHER)


def test_f01_usage_that_is_not_in_the_habilitation(tmp_path, csr):
    lines = tuple(replace(line, usages=line.usages[1:]) for line in DEFAULT_LINES)
    client = SoapClient(platform_at(tmp_path, habilitations=HabilitationRegister(default=lines)))
    refused("F01", "idStructure", client.order, csr)


def test_f02_usage_that_the_offer_does_not_have(client, csr):
    refused("F02", "usage", client.order, csr, usage="SSL_SERV")


@pytest.mark.parametrize(
    "name", ["example.org", "ch-simulation.example.org", "xch-simulation.example"]
)
def test_f03_server_outside_the_domain(client, csr, name):
    names = ["mss.ch-simulation.example", name]
    refused("F03", "fqdn", client.order, csr, **SERVER, fqdn=names)


def test_f03_sub_domain_of_a_single_server(tmp_path, csr):
    scope = Scope(ScopeKind.SERVEUR, "mss.example")
    lines = tuple(replace(line, scope=scope) for line in DEFAULT_LINES)
    client = SoapClient(platform_at(tmp_path, habilitations=HabilitationRegister(default=lines)))
    refused("F03", "fqdn", client.order, csr, **SERVER, fqdn=["a.mss.example"])
    assert client.order(csr, **SERVER, fqdn=["mss.example"])


@pytest.mark.parametrize(
    "name", ["*.ch-simulation.example", "a_b.ch-simulation.example", "nu", "a..b"]
)
def test_f04_name_that_is_no_host(client, csr, name):
    refused("F04", "fqdn", client.order, csr, **SERVER, fqdn=[name])


def test_f04_malformed_fields(client, csr):
    refused("F04", "serviceApplicatif", client.order, csr, serviceApplicatif=" espace")
    refused("F04", "emails", client.order, csr, emails=["pas une adresse"])
    refused("F04", "motDePasseCle", client.order, motDePasseCle="court")
    refused("F04", "email", client.order, csr, email="a@b.example")


def test_f05_missing_field(client, csr):
    refused("F05", "serviceApplicatif", client.order, csr, serviceApplicatif=None)
    refused("F05", "fqdn", client.order, csr, **SERVER)
    children = [("codeRevocation", "un bon code"), ("motif", "NON_PRECISE")]
    refused("F05", "idProduit", client.call, "revoquerProduit", children)


def test_f05_key_password_is_asked_again_at_withdrawal(client):
    refused("F05", "motDePasseCle", client.withdraw, client.order())


@pytest.mark.parametrize(
    "noise", [b"\x30\x00", b"noise" * 100, b"-----BEGIN CERTIFICATE REQUEST-----"]
)
def test_f06_csr_that_is_none(client, noise):
    refused("F06", "csr", client.order, noise)


def test_f06_csr_whose_signature_is_wrong(client, csr):
    refused("F06", "csr", client.order, csr[:-1] + bytes([csr[-1] ^ 1]))


def test_f07_key_of_the_wrong_kind_or_size(client):
    refused("F07", "csr", client.order, csr_signed_by(ec.generate_private_key(ec.SECP256R1())))
    small = rsa.generate_private_key(65537, 1024)  # noqa: S505 - it must be refused
    refused("F07", "csr", client.order, csr_signed_by(small))


def test_larger_keys_are_an_option(tmp_path):
    client = SoapClient(platform_at(tmp_path, options=Options(key_sizes=(1024, 2048))))
    assert client.order(csr_signed_by(rsa.generate_private_key(65537, 1024)))  # noqa: S505


def test_f08_key_that_was_used_before(client, csr):
    client.order(csr)
    refused("F08", "csr", client.order, csr, serviceApplicatif="un autre")


def test_f09_both_or_none_of_csr_and_password(client, csr):
    refused("F09", "csr", client.order, csr, motDePasseCle="mot de passe")
    refused("F09", "csr", client.order, motDePasseCle=None)


def test_f10_product_that_is_not_there_or_not_visible(client, platform, csr, tmp_path):
    for unknown in ("MOCK-00000009", "nimporte", "MOCK-0000000x"):
        refused("F10", "idProduit", client.product, unknown)
    children = [("numeroSerie", "AB"), ("codeRevocation", "un bon code"), ("motif", "NON_PRECISE")]
    refused("F10", "numeroSerie", client.call, "revoquerProduit", children)
    product = client.order(csr)
    stranger = platform_at(tmp_path, habilitations=HabilitationRegister(default=()))
    refused("F10", "idProduit", SoapClient(stranger).product, product)
    assert SoapClient(stranger).search().findtext("total") == "0"


def test_f11_second_withdrawal_and_early_revocation(client, csr):
    product = client.order(csr)
    refused("F11", "idProduit", client.revoke, product)
    client.withdraw(product)
    refused("F11", "idProduit", client.withdraw, product)


def test_f12_revocation_code_and_confirmation_differ(client, csr):
    product = client.order(csr)
    wrong = {"confirmationCode": "un autre code"}
    refused("F12", "confirmationCode", client.withdraw, product, **wrong)
    assert client.product(product).findtext("etat") == "A_RETIRER"
    assert client.withdraw(product) is not None


def test_f04_revocation_code_that_is_too_short(client, csr):
    short = {"codeRevocation": "1234567", "confirmationCode": "1234567"}
    refused("F04", "codeRevocation", client.withdraw, client.order(csr), **short)


def test_f13_beneficiary_must_accept(client, csr):
    product = client.order(csr)
    no = {"acceptationBeneficiaire": "false"}
    refused("F13", "acceptationBeneficiaire", client.withdraw, product, **no)
    refused("F13", "acceptationBeneficiaire", client.withdraw, product, acceptationBeneficiaire="0")
    assert client.withdraw(product, acceptationBeneficiaire="1") is not None


def test_f14_wrong_key_password_issues_nothing(client):
    product = client.order()
    refused("F14", "motDePasseCle", client.withdraw, product, password="un autre mot")
    assert client.product(product).findtext("etat") == "A_RETIRER"
    assert client.withdraw(product, password="mot de passe") is not None


def test_f04_password_for_a_key_that_the_client_has(client, csr):
    product = client.order(csr)
    refused("F04", "motDePasseCle", client.withdraw, product, password="mot de passe")


def test_f15_wrong_revocation_code_revokes_nothing(client, csr):
    product = client.order(csr)
    leaf = certificate_of(client.withdraw(product))
    refused("F15", "codeRevocation", client.revoke, product, "un autre code")
    assert client.product(product).findtext("etat") == "ACTIF"
    assert shared_pki().revocation(leaf.serial_number, NOW + timedelta(days=1)) is None
    assert client.revoke(product).findtext("etat") == "REVOQUE"


def test_f15_right_code_is_refused_after_too_many_wrong_ones_when_so_set(tmp_path, csr):
    client = SoapClient(platform_at(tmp_path, options=Options(code_tries=2)))
    product = client.order(csr)
    client.withdraw(product)
    for _ in range(2):
        refused("F15", "codeRevocation", client.revoke, product, "un autre code")
    refused("F15", "codeRevocation", client.revoke, product)


def test_f16_only_an_active_product_is_renewed(client, csr):
    product = client.order(csr)
    new = base64.b64encode(request_for()).decode()
    renewal = [("idProduit", product), ("csr", new)]
    refused("F16", "idProduit", client.call, "renouvelerProduit", renewal)
    client.withdraw(product)
    client.revoke(product)
    refused("F16", "idProduit", client.call, "renouvelerProduit", renewal)


def test_f17_card_and_habilitation_of_two_worlds(tmp_path, csr):
    lines = tuple(replace(line, world=World.PROD) for line in DEFAULT_LINES)
    platform = platform_at(tmp_path, habilitations=HabilitationRegister(default=lines))
    refused("F17", "idStructure", SoapClient(platform).order, csr)
    real = shared_pki().issue_card(replace(card_profile(), test=False), NOW)
    assert SoapClient(platform, real.authentication.certificate).order(csr)


def test_f18_quota_of_products_that_wait(tmp_path):
    client = SoapClient(platform_at(tmp_path, options=Options(pending_quota=1)))
    product = client.order(request_for())
    refused("F18", None, client.order, request_for())
    client.withdraw(product)
    assert client.order(request_for())


def test_f19_client_reference_names_one_product(client, csr):
    product = client.order(csr, referenceClient="commande-1")
    fault = refused("F19", "referenceClient", client.order, csr, referenceClient="commande-1")
    assert product in fault.message
    assert client.product(product).findtext("referenceClient") == "commande-1"


def test_every_functional_fault_is_tested_here():
    tested = {name[5:8].upper() for name in globals() if re.match(r"test_f\d\d_", name)}
    assert tested == set(FUNCTIONAL)


def test_refusal_changes_nothing(client, platform, csr):
    refused("F06", "csr", client.order, b"noise")
    assert client.search().findtext("total") == "0"
    assert platform.mails() == []


@pytest.mark.parametrize("kind", TECHNICAL)
def test_technical_fault_on_demand_is_for_one_request(client, platform, kind):
    platform.fail_next(kind)
    with pytest.raises(SoapFault) as caught:
        client.search()
    assert (caught.value.who, caught.value.code) == ("soap:Server", f"MOCK-{kind}")
    assert caught.value.status.startswith("503" if kind == "T03" else "500")
    assert client.search().findtext("total") == "0"


def test_functional_fault_on_demand(client, platform):
    platform.fail_next("F10")
    refused("F10", None, client.search)


@pytest.mark.parametrize(("kind", "status"), [("html", "200"), ("503", "503")])
def test_page_in_place_of_an_answer(client, platform, kind, status):
    platform.fail_next(kind)
    told, headers, body = client.post(b"<x/>")
    assert told.startswith(status)
    assert headers["Content-Type"].startswith("text/html")
    assert b"<html>" in body


@pytest.mark.parametrize(("kind", "done"), [("hang-up", "0"), ("lost-answer", "1")])
def test_hang_up_before_or_after_the_operation(client, platform, csr, kind, done):
    platform.fail_next(kind)
    with pytest.raises(HangUp):
        client.call("demanderProduit", order(csr))
    assert client.search().findtext("total") == done


def test_unknown_incident_is_refused(platform):
    with pytest.raises(UsageError, match="T99"):
        platform.fail_next("T99")


def test_card_that_is_revoked_expired_or_not_yet_valid_is_refused(tmp_path):
    material = shared_pki().issue_card(card_profile(), NOW)
    leaf = material.authentication.certificate
    shared_pki().revoke(leaf.serial_number, NOW + timedelta(days=1))
    for days, allowed in ((0, True), (2, False), (-1, False), (3 * 366, False)):
        at = NOW + timedelta(days=days)
        client = SoapClient(platform_at(tmp_path, clock=lambda at=at: at), leaf)
        status, _, _ = client.post(b"<x/>")
        assert status.startswith("403") != allowed


def test_only_certificates_that_authenticate_open_a_session(tmp_path, client, csr):
    platform = platform_at(tmp_path)
    signature = SoapClient(platform, card_material().signature.certificate)
    assert signature.post(b"<x/>")[0].startswith("403")
    nobody = SoapClient(platform)
    nobody.peer = None
    assert nobody.post(b"<x/>")[0].startswith("403")


def test_software_certificate_opens_a_session_unless_told_otherwise(tmp_path, client, csr):
    software = certificate_of(client.withdraw(client.order(csr)))
    assert SoapClient(platform_at(tmp_path), software).search() is not None
    strict = platform_at(tmp_path, options=Options(accept_software=False))
    assert SoapClient(strict, software).post(b"<x/>")[0].startswith("403")

"""The seven operations of the mock platform, as far as the official texts show the process."""

from __future__ import annotations

import base64
import subprocess
from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, pkcs12
from pfc_client import (
    CODE,
    DEFAULT_LINES,
    FINESS,
    NOW,
    Clock,
    SoapClient,
    SoapFault,
    card_profile,
    certificate_of,
    platform_at,
    request_for,
    shared_pki,
    some_key,
)

from igcsante.certs.profile import decode
from igcsante.identifiers import StructureId
from igcsante.testing.pki.leaves import years_after
from igcsante.testing.platform import HabilitationRegister, Options
from igcsante.ws.model import Habilitation, Scope, Structure
from igcsante.ws.vocabulary import Offre, ScopeKind, Usage, World

STRUCTURE = Structure(StructureId.parse(FINESS), "CENTRE HOSPITALIER SIMULATION", "Paris (75)")
MAIL_SCOPE = Scope(ScopeKind.DOMAINE_MESSAGERIE, "@mail.example")
OTHER_LINES = (
    Habilitation(STRUCTURE, Offre.SERV, (Usage.SMIME,), MAIL_SCOPE, World.TEST),
    Habilitation(STRUCTURE, Offre.PRO, (Usage.AUTH, Usage.SIGN), MAIL_SCOPE, World.TEST),
    Habilitation(STRUCTURE, Offre.PS, (Usage.AUTH,), Scope(), World.TEST),
)
HOLDER = [
    ("nom", "SIMULATION"),
    ("prenom", "CAMILLE"),
    ("email", "camille@mail.example"),
    ("idNational", "899700990038"),
]


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def platform(tmp_path, clock):
    return platform_at(tmp_path, clock=clock)


@pytest.fixture
def client(platform):
    return SoapClient(platform)


def test_only_own_habilitations_are_listed(tmp_path):
    register = HabilitationRegister(by_bearer={"0000000000": OTHER_LINES}, default=DEFAULT_LINES)
    answer = SoapClient(platform_at(tmp_path, habilitations=register)).call("listerHabilitations")
    lines = answer.findall("habilitations")
    assert [line.findtext("offre") for line in lines] == ["ORG", "SERV", "ORG", "SERV"]
    assert [u.text for u in lines[0].findall("usages")] == ["AUTH_CLI", "SIGN", "CONF"]
    assert lines[1].findtext("perimetre/type") == "DOMAINE"
    assert {line.findtext("monde") for line in lines} == {"TEST"}


def test_habilitations_are_filtered_by_offer_and_by_name_or_identifier(client):
    def count(*children):
        return len(client.call("listerHabilitations", children).findall("habilitations"))

    assert count(("offre", "SERV")) == 3
    assert count(("texteStructure", "pharmacie")) == 2
    assert count(("texteStructure", FINESS)) == 5
    assert count(("offre", "ORG"), ("texteStructure", FINESS)) == 1
    assert count(("texteStructure", "nulle part")) == 0


def test_certificate_is_issued_at_withdrawal_for_the_key_of_the_csr(client, clock):
    key = some_key("csr")
    product = client.order(request_for(key, Encoding.PEM))
    waiting = client.product(product)
    assert waiting.findtext("etat") == "A_RETIRER"
    assert waiting.find("numeroSerie") is None
    clock.advance(days=3)
    answer = client.withdraw(product)
    leaf = certificate_of(answer)
    assert leaf.not_valid_before_utc == clock.time
    assert _spki(leaf.public_key()) == _spki(key.public_key())
    assert answer.findtext("nomFichier").endswith(".cer")
    assert base64.b64decode(answer.findtext("contenu")) == leaf.public_bytes(Encoding.DER)
    profile = decode(leaf)
    assert (profile.offer, profile.usage, profile.common_name) == (
        "ORG",
        "AUTH_CLI",
        "service de test",
    )
    assert str(profile.structure_id) == FINESS
    active = client.product(product)
    assert active.findtext("etat") == "ACTIF"
    assert int(active.findtext("numeroSerie"), 16) == leaf.serial_number


def test_chain_leads_from_the_leaf_to_the_root(client):
    answer = client.withdraw(client.order(request_for()))
    chain = [
        x509.load_der_x509_certificate(base64.b64decode(item.text))
        for item in answer.findall("chaine")
    ]
    leaf, issuer, root = certificate_of(answer), *chain
    leaf.verify_directly_issued_by(issuer)
    issuer.verify_directly_issued_by(root)
    assert root in shared_pki().roots


def test_key_made_by_the_platform_comes_as_the_observed_pkcs12(client, tmp_path):
    product = client.order(motDePasseCle="mot de passé")
    answer = client.withdraw(product, password="mot de passé")
    assert answer.findtext("nomFichier").startswith("simulation-p12-EL-TEST-ORG-AUTH_CLI-")
    content = base64.b64decode(answer.findtext("contenu"))
    key, leaf, chain = pkcs12.load_key_and_certificates(content, "mot de passé".encode())
    assert leaf == certificate_of(answer)
    assert _spki(key.public_key()) == _spki(leaf.public_key())
    assert len(chain) == 2
    file = tmp_path / "file.p12"
    file.write_bytes(content)
    arguments = ["-in", str(file), "-info", "-noout", "-passin", "pass:mot de passé"]
    told = subprocess.run(["openssl", "pkcs12", *arguments], capture_output=True, text=True)
    assert told.returncode == 0, told.stderr
    assert "MAC: sha1, Iteration 2048" in told.stderr
    assert "pbeWithSHA1And3-KeyTripleDES-CBC, Iteration 2048" in told.stderr
    assert "Encrypted data" not in told.stderr
    assert told.stderr.count("Certificate bag") == 3


def test_modern_pkcs12_is_an_option(tmp_path):
    client = SoapClient(platform_at(tmp_path, options=Options(modern_p12=True)))
    answer = client.withdraw(client.order(), password="mot de passe")
    content = base64.b64decode(answer.findtext("contenu"))
    key, leaf, chain = pkcs12.load_key_and_certificates(content, b"mot de passe")
    assert _spki(key.public_key()) == _spki(leaf.public_key())
    assert len(chain) == 2


def test_revocation_is_final_and_enters_the_crl_at_once(client, clock):
    product = client.order(request_for())
    leaf = certificate_of(client.withdraw(product))
    clock.advance(hours=1)
    assert not _listed(leaf, clock.time)
    answer = client.revoke(product)
    assert answer.findtext("etat") == "REVOQUE"
    assert _listed(leaf, clock.time)
    revoked = client.product(product)
    assert revoked.findtext("etat") == "REVOQUE"
    assert revoked.findtext("motifRevocation") == "NON_PRECISE"
    assert revoked.findtext("renouvelable") == "false"
    with pytest.raises(SoapFault, match="F11"):
        client.revoke(product)


def test_revocation_can_name_the_serial(client):
    serial = certificate_of(client.withdraw(client.order(request_for()))).serial_number
    children = [("numeroSerie", f"{serial:X}"), ("codeRevocation", CODE), ("motif", "PERTE_OU_VOL")]
    assert client.call("revoquerProduit", children).findtext("etat") == "REVOQUE"


def test_renewal_keeps_the_subject_and_leaves_the_old_one_active(client):
    product = client.order(request_for())
    old = certificate_of(client.withdraw(product))
    csr = base64.b64encode(request_for()).decode()
    answer = client.call("renouvelerProduit", [("idProduit", product), ("csr", csr)])
    successor = answer.findtext("idProduit")
    new = certificate_of(client.withdraw(successor))
    assert new.subject == old.subject
    assert new.serial_number != old.serial_number
    assert client.product(product).findtext("etat") == "ACTIF"
    assert client.product(product).findtext("renouvelePar") == successor
    assert client.product(successor).findtext("renouvelleProduit") == product
    assert client.product(successor).findtext("emails") == "certificats@ch-simulation.example"


def test_server_certificate_has_every_name_in_lower_case(client):
    names = ["MSS.ch-simulation.example", "ch-simulation.example"]
    product = client.order(
        request_for(), offre="SERV", usage="SSL_SERV", serviceApplicatif=None, fqdn=names
    )
    profile = decode(certificate_of(client.withdraw(product)))
    assert profile.common_name == "mss.ch-simulation.example"
    assert profile.dns_names == ("mss.ch-simulation.example", "ch-simulation.example")
    sans = [item.text for item in client.product(product).findall("sans")]
    assert sans == list(profile.dns_names)


@pytest.mark.parametrize(
    ("offre", "usage", "field", "value", "has_structure"),
    [
        ("SERV", "S/MIME", "email", "boite@mail.example", True),
        ("PRO", "AUTH", "titulaire", HOLDER, True),
        ("PS", "AUTH", "titulaire", HOLDER, False),
    ],
)
def test_other_offers_have_their_own_field(tmp_path, offre, usage, field, value, has_structure):
    register = HabilitationRegister(default=OTHER_LINES)
    client = SoapClient(platform_at(tmp_path, habilitations=register))
    changes = {"serviceApplicatif": None, field: value}
    product = client.order(request_for(), offre=offre, usage=usage, **changes)
    profile = decode(certificate_of(client.withdraw(product)))
    assert profile.offer == offre
    assert profile.usage == usage.replace("/", "")
    assert (profile.structure_id is not None) == has_structure


def test_search_filters_and_pages(client, clock):
    products = []
    for index in range(5):
        usage = "SIGN" if index == 4 else "AUTH_CLI"
        name = f"service {index}"
        products.append(client.order(request_for(), usage=usage, serviceApplicatif=name))
        clock.advance(seconds=1)
    serial = client.withdraw(products[0])

    def found(*children, **page):
        return [
            p.findtext("idProduit") for p in client.search(*children, **page).findall("produits")
        ]

    assert found() == products[::-1]
    assert found(size=2, page=2) == products[2:0:-1]
    assert client.search(size=2).findtext("total") == "5"
    assert found(("usage", "SIGN")) == [products[4]]
    assert found(("etats", "ACTIF")) == [products[0]]
    assert found(("etats", "ACTIF"), ("etats", "A_RETIRER")) == products[::-1]
    assert found(("libelle", "SERVICE 3")) == [products[3]]
    assert found(("numeroSerie", f"{certificate_of(serial).serial_number:X}")) == [products[0]]
    assert found(("idStructure", "399999999700037")) == []
    assert found(("offre", "SERV")) == []
    assert found(("finAvant", (NOW + timedelta(days=4 * 365)).isoformat())) == [products[0]]
    assert found(("finAvant", NOW.isoformat())) == []


def test_certificate_expires_after_three_years(client, clock):
    product = client.order(request_for())
    client.withdraw(product)
    clock.time = years_after(NOW, 3) - timedelta(days=1)
    # The card that asks is as old: another one is needed to look.
    card = shared_pki().issue_card(card_profile(), clock.time).authentication.certificate
    client.peer = card.public_bytes(Encoding.DER)
    assert client.product(product).findtext("etat") == "ACTIF"
    clock.advance(days=2)
    assert client.product(product).findtext("etat") == "EXPIRE"
    assert client.product(product).findtext("renouvelable") == "false"


def test_mails_are_sent_at_order_at_download_and_60_days_before_the_end(client, platform, clock):
    emails = ["un@ch-simulation.example", "deux@ch-simulation.example"]
    product = client.order(request_for(), emails=emails)
    assert [mail.recipient for mail in platform.mails()] == emails
    assert product in platform.mails()[0].body
    client.withdraw(product)
    assert len(platform.mails()) == 4
    clock.time = years_after(NOW, 3) - timedelta(days=61)
    platform.send_notices()
    assert len(platform.mails()) == 4
    clock.advance(days=1)
    platform.send_notices()
    platform.send_notices()
    assert [mail.subject for mail in platform.mails()[4:]] == [
        "Expiration dans moins de 60 jours"
    ] * 2


def test_withdrawal_url_names_the_product(client, platform):
    platform.url = "https://127.0.0.1:4"
    product = client.order(request_for())
    assert f"https://127.0.0.1:4/pfc-mock/retrait/{product}" in platform.mails()[0].body


def _spki(key) -> bytes:
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _listed(leaf: x509.Certificate, at) -> bool:
    crl = x509.load_der_x509_crl(shared_pki().crl("ACI-EL-ORG-TEST", at))
    return crl.get_revoked_certificate_by_serial_number(leaf.serial_number) is not None

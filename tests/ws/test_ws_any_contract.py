"""Contracts unlike the mock's, each by its WSDL and mapping alone: no line of code knows them."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from datetime import datetime

import pytest
from contract_desks import (
    CONTRACTS,
    REQUESTED,
    REVOKED,
    WITHDRAWN,
    AddressedDesk,
    BareDesk,
    SplitDesk,
    texts,
    verify_signature,
)
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    pkcs12,
)
from lxml import etree

from igcsante.credentials import (
    Credential,
    ExternalRsaKey,
    RsaScheme,
    cryptography_padding,
    hash_algorithm,
)
from igcsante.errors import (
    ConfigError,
    ContractError,
    NotHabilitatedError,
    PlatformRefusedError,
    PlatformUnavailableError,
)
from igcsante.identifiers import StructureId
from igcsante.secret import Secret
from igcsante.ws.client import ZeepPlatform
from igcsante.ws.contract.completion import completed
from igcsante.ws.contract.conformity import Level, check_mapping
from igcsante.ws.listing import every_product
from igcsante.ws.model import (
    Habilitation,
    Holder,
    KeyMode,
    Offre,
    Product,
    ProductRequest,
    ProductSearch,
    ProductState,
    Renewal,
    Revocation,
    RevocationReason,
    Scope,
    Structure,
    Usage,
    Withdrawal,
    WithdrawnProduct,
    World,
)

STRUCTURE = Structure(StructureId.parse("318751275100020"), "CLINIQUE", "Paris (75)")
ORDER = ProductRequest(
    offre=Offre.ORG,
    usage=Usage.AUTH_CLI,
    structure=STRUCTURE.national_id,
    emails=("a@exemple.fr", "b@exemple.fr"),
    service_name="DMP",
    csr=b"\x30\x03\x02\x01\xff\r\n--",
    client_reference="igc-1",
)
ORDERED = Product(
    product_id="O-1",
    client_reference="igc-1",
    offre=Offre.ORG,
    usage=Usage.AUTH_CLI,
    structure=STRUCTURE,
    label="DMP",
    state=ProductState.A_RETIRER,
    requested_at=REQUESTED,
    key_mode=KeyMode.CSR,
    emails=("a@exemple.fr", "b@exemple.fr"),
    renewable=False,
)
DESKS = {"addressed": AddressedDesk, "bare": BareDesk, "split": SplitDesk}
WSDLS = {"addressed": "contract.wsdl", "bare": "contract.wsdl", "split": "commandes.wsdl"}


@pytest.fixture(scope="module")
def credential(throw_away_ca) -> Credential:
    key = rsa.generate_private_key(65537, 2048)
    return Credential(throw_away_ca.issue_client(key), key)


@pytest.fixture
def open_contract(soap_server, throw_away_ca, credential):
    """Opens the client and the platform of a contract."""
    with contextlib.ExitStack() as stack:

        def open_(name: str):
            desk = DESKS[name](throw_away_ca.leaf, throw_away_ca.certificate)
            soap_server.behaviour = desk
            client = ZeepPlatform(
                soap_server.url,
                throw_away_ca.client_context(),
                wsdl=CONTRACTS / name / WSDLS[name],
                mapping=CONTRACTS / name / "mapping.toml",
                credential=credential,
            )
            return stack.enter_context(client), desk

        yield open_


@pytest.fixture(params=DESKS)
def opened(request, open_contract):
    return open_contract(request.param)


@pytest.mark.parametrize("name", DESKS)
def test_each_mapping_fits_its_contract(name):
    findings = check_mapping(CONTRACTS / name / WSDLS[name], CONTRACTS / name / "mapping.toml")
    assert not [finding for finding in findings if finding.level is Level.ERROR]


def test_the_whole_life_of_a_certificate_is_the_same_in_every_contract(opened, throw_away_ca):
    client, _ = opened
    assert client.keeps_references
    (habilitation,) = client.list_habilitations(Offre.ORG, "clinique")
    assert habilitation == Habilitation(
        STRUCTURE, Offre.ORG, (Usage.AUTH_CLI, Usage.SIGN), Scope(), World.TEST
    )

    receipt = client.order_product(ORDER)
    assert (receipt.product_id, receipt.state) == ("O-1", ProductState.A_RETIRER)
    assert client.get_product("O-1") == ORDERED

    withdrawn = client.withdraw_product(Withdrawal("O-1", Secret("code-secret"), True))
    assert withdrawn.certificate == throw_away_ca.leaf.public_bytes(Encoding.DER)
    assert withdrawn.chain == (throw_away_ca.certificate.public_bytes(Encoding.DER),)
    active = client.get_product("O-1")
    assert (active.state, int(active.serial, 16)) == (ProductState.ACTIF, 0xAFF)
    assert (active.withdrawn_at, active.not_before) == (WITHDRAWN, WITHDRAWN)
    assert active.not_after == WITHDRAWN.replace(year=2029)

    assert client.renew_product(Renewal("O-1", csr=b"\x30")).product_id == "O-2"
    revocation = Revocation(Secret("code-secret"), RevocationReason.PERTE_OU_VOL, product_id="O-1")
    done = client.revoke_product(revocation)
    assert (done.state, done.revoked_at) == (ProductState.REVOQUE, REVOKED)
    revoked = client.get_product("O-1")
    assert (revoked.revoked_at, revoked.revocation_reason) == (
        REVOKED,
        RevocationReason.PERTE_OU_VOL,
    )


def test_one_connection_serves_every_service(open_contract, soap_server):
    client, _ = open_contract("split")
    client.order_product(ORDER)
    client.get_product("O-1")
    assert [path for path, _, _ in soap_server.requests] == [
        "/pfc-mock/services/Pfc/soap/v1",
        "/services/suivi/v2",
    ]
    assert soap_server.connections == 1


def test_products_are_searched_whatever_a_contract_counts(opened):
    client, desk = opened
    client.order_product(ORDER)
    search = ProductSearch(
        structure=STRUCTURE.national_id,
        states=(ProductState.A_RETIRER, ProductState.ACTIF),
        serial="AFF",
        expires_before=datetime(2027, 1, 1, tzinfo=REQUESTED.tzinfo),
    )
    page = client.search_products(search)
    (found,) = page.products
    assert (found.product_id, found.client_reference) == ("O-1", "igc-1")
    assert page.total == (41 if isinstance(desk, AddressedDesk) else 1)
    asked = texts(desk.last)
    serial, before = {
        AddressedDesk: ("Serial", "EndsBefore"),
        BareDesk: ("@sn", "@avant"),
        SplitDesk: ("numeroSerie", "avant"),
    }[type(desk)]
    assert asked[serial] == ("2815" if isinstance(desk, AddressedDesk) else "AFF")
    assert (
        asked[before]
        == {
            AddressedDesk: "2027-01-01",
            BareDesk: "20270101010000",
            SplitDesk: "2027-01-01T00:00:00Z",
        }[type(desk)]
    )


def test_without_pages_the_first_holds_all_and_no_second_is_asked_for(open_contract, soap_server):
    client, _ = open_contract("bare")
    client.order_product(ORDER)
    client.search_products(ProductSearch())
    asked = len(soap_server.requests)
    assert client.search_products(ProductSearch(page=2)).products == ()
    assert len(soap_server.requests) == asked
    assert [product.product_id for product in every_product(client)] == ["O-1"]
    assert len(soap_server.requests) == asked + 1


def test_a_full_page_that_is_not_counted_may_be_followed_by_another(open_contract):
    client, _ = open_contract("split")
    client.order_product(ORDER)
    assert client.search_products(ProductSearch(page=3, page_size=1)).total == 4


def test_lists_and_records_go_where_each_contract_wants_them(opened):
    client, desk = opened
    hosts = ProductRequest(
        Offre.SERV,
        Usage.SSL_SERV,
        STRUCTURE.national_id,
        ("a@exemple.fr",),
        fqdns=("a.exemple.fr", "b.exemple.fr"),
        csr=b"\x30",
        client_reference="igc-2",
    )
    client.order_product(hosts)
    names = {
        AddressedDesk: ".//{*}Hosts/{*}Name",
        BareDesk: "nom",
        SplitDesk: "commande/objet/hote",
    }[type(desk)]
    found = desk.last.findall(names)
    assert [name.get("dns") or name.text for name in found] == ["a.exemple.fr", "b.exemple.fr"]
    person = ProductRequest(
        Offre.PRO,
        Usage.AUTH,
        STRUCTURE.national_id,
        ("a@exemple.fr",),
        holder=Holder("DOE", "Jane", "jane@exemple.fr"),
        key_password=Secret("mot de <passe>"),
        client_reference="igc-3",
    )
    client.order_product(person)
    said = set(texts(desk.last).values())
    assert {"DOE", "Jane", "jane@exemple.fr", "mot de <passe>"} <= said
    notified = {
        AddressedDesk: "{*}Contacts/{*}Contact/{*}Mail",
        BareDesk: "avis",
        SplitDesk: "commande/courriels/courriel",
    }[type(desk)]
    client.order_product(ORDER)
    assert [mail.text for mail in desk.last.findall(notified)] == ["a@exemple.fr", "b@exemple.fr"]


def test_constants_go_along_with_every_request_and_beside_the_fields_they_belong_to(open_contract):
    client, desk = open_contract("split")
    client.order_product(ORDER)
    assert desk.last.find("commande/modeCle").text == "CSR"
    client.order_product(replace(ORDER, csr=None, key_password=Secret("mot de passe")))
    assert desk.last.find("commande/modeCle").text == "PF"
    headers = [texts(envelope.find("{*}Header")[0]) for _, _, envelope in desk.seen]
    assert all((told["logiciel"], told["logiciel/@version"]) == ("igc", "1") for told in headers)
    assert len({told["echange"] for told in headers}) == 2


def test_a_certificate_is_taken_out_of_the_platform_s_pkcs12(throw_away_ca):
    key = rsa.generate_private_key(65537, 2048)
    leaf, authority = throw_away_ca.issue_client(key), throw_away_ca.certificate
    protected = pkcs12.serialize_key_and_certificates(
        b"x", key, leaf, [authority], BestAvailableEncryption(b"mot de passe")
    )
    file = WithdrawnProduct("a.p12", "application/x-pkcs12", protected, b"")
    found = completed(Withdrawal("P", Secret("code-1"), True, Secret("mot de passe")), file)
    assert found.certificate == leaf.public_bytes(Encoding.DER)
    assert found.chain == (authority.public_bytes(Encoding.DER),)
    assert found.content == protected


@pytest.mark.parametrize("content", [b"", b"no file of ours"])
def test_a_file_without_a_certificate_is_refused(content):
    with pytest.raises(ContractError, match="no certificate"):
        completed(Withdrawal("P", Secret("code-1"), True), WithdrawnProduct("a", "b", content, b""))


def test_a_file_of_two_certificates_is_no_delivery(throw_away_ca):
    keys = [rsa.generate_private_key(65537, 2048) for _ in range(2)]
    content = b"".join(throw_away_ca.issue_client(k).public_bytes(Encoding.PEM) for k in keys)
    with pytest.raises(ContractError, match="exactly one"):
        completed(Withdrawal("P", Secret("code-1"), True), WithdrawnProduct("a", "b", content, b""))


# -- faults --------------------------------------------------------------------------------

FAULTS = [
    ("addressed", ("E12", "no right"), NotHabilitatedError, "not_habilitated", ""),
    ("addressed", ("E21", "bad name", "Name"), PlatformRefusedError, "invalid_field", "fqdns"),
    ("addressed", ("E3", "too late"), PlatformRefusedError, "wrong_state", ""),
    ("addressed", ("X4", "broken"), PlatformUnavailableError, "unavailable", ""),
    ("addressed", ("X9", "closed"), PlatformUnavailableError, "maintenance", ""),
    ("addressed", ("Z0", "other"), PlatformRefusedError, "refused", ""),
    ("bare", ("erreur", "36", "format", "mel"), PlatformRefusedError, "invalid_field", "email"),
    (
        "bare",
        ("erreur", "36", "type", "etab.@TypeStructure"),
        PlatformRefusedError,
        "invalid_field",
        "structure",
    ),
    ("bare", ("erreur", "12", "droits"), NotHabilitatedError, "not_habilitated", ""),
    ("bare", ("fatale", "TEC1", "panne"), PlatformUnavailableError, "unavailable", ""),
    (
        "split",
        ("Refus", "R-01", "droits", "usage"),
        NotHabilitatedError,
        "not_habilitated",
        "usage",
    ),
    ("split", ("Panne", "P-1", "base"), PlatformUnavailableError, "unavailable", ""),
]


@pytest.mark.parametrize(("name", "refusal", "error", "kind", "field"), FAULTS)
def test_faults_of_every_contract_become_the_same_errors(
    open_contract, name, refusal, error, kind, field
):
    client, desk = open_contract(name)
    desk.refusal = refusal
    with pytest.raises(error) as caught:
        client.order_product(ORDER)
    assert caught.value.fields["kind"] == kind
    assert caught.value.fields["field"] == field
    assert caught.value.fields["fault"] in refusal
    assert bool(caught.value.fields.get("outcome_unknown")) is (error is PlatformUnavailableError)


# -- WS-Addressing and WS-Security -----------------------------------------------------------


def test_an_answer_to_another_message_is_refused(open_contract):
    client, desk = open_contract("addressed")
    desk.relates_to = "urn:uuid:another"
    with pytest.raises(ContractError, match="another message") as caught:
        client.order_product(ORDER)
    assert caught.value.fields["outcome_unknown"]


def test_a_contract_that_wants_signatures_is_not_opened_without_a_key(throw_away_ca, soap_server):
    folder = CONTRACTS / "addressed"
    with pytest.raises(ConfigError, match="signed"):
        ZeepPlatform(
            soap_server.url,
            throw_away_ca.client_context(),
            wsdl=folder / "contract.wsdl",
            mapping=folder / "mapping.toml",
        )


def test_a_key_that_can_not_sign_this_way_is_told(throw_away_ca, soap_server, credential):
    folder = CONTRACTS / "addressed"
    pss = Credential(
        credential.certificate, credential.private_key, schemes=frozenset({RsaScheme.PSS_SHA256})
    )
    with (
        ZeepPlatform(
            soap_server.url,
            throw_away_ca.client_context(),
            wsdl=folder / "contract.wsdl",
            mapping=folder / "mapping.toml",
            credential=pss,
        ) as client,
        pytest.raises(ConfigError, match="can't sign"),
    ):
        client.list_habilitations()
    assert soap_server.requests == []


def test_a_card_signs_each_request_when_the_contract_wants_it(soap_server, throw_away_ca):
    class Card:
        schemes = frozenset({RsaScheme.PKCS1_SHA256})
        signatures = 0

        def sign_digest(self, digest: bytes, scheme: RsaScheme) -> bytes:
            self.signatures += 1
            return key.sign(digest, cryptography_padding(scheme), Prehashed(hash_algorithm(scheme)))

    key, card = rsa.generate_private_key(65537, 2048), Card()
    held = Credential(
        throw_away_ca.issue_client(key), ExternalRsaKey(key.public_key(), card), (), card.schemes
    )
    soap_server.behaviour = AddressedDesk(throw_away_ca.leaf, throw_away_ca.certificate)
    with ZeepPlatform(
        soap_server.url,
        throw_away_ca.client_context(),
        wsdl=CONTRACTS / "addressed" / "contract.wsdl",
        mapping=CONTRACTS / "addressed" / "mapping.toml",
        credential=held,
    ) as client:
        for _ in range(3):
            client.list_habilitations()
    assert card.signatures == 3


def test_a_request_altered_on_its_way_no_longer_carries_a_good_signature(open_contract):
    client, desk = open_contract("addressed")
    client.order_product(ORDER)
    envelope = desk.seen[-1][2]
    verify_signature(envelope)
    envelope.find(".//{*}Service").text = "INSI-AUTO"
    with pytest.raises(AssertionError):
        verify_signature(envelope)


def test_services_on_another_server_are_refused(tmp_path, throw_away_ca, soap_server):
    text = (CONTRACTS / "split" / "mapping.toml").read_text()
    for name in ("suivi.wsdl", "suivi.xsd"):
        (tmp_path / name).write_bytes((CONTRACTS / "split" / name).read_bytes())
    mapping = tmp_path / "mapping.toml"
    mapping.write_text(text.replace('"/services/suivi/v2"', '"https://elsewhere.example/suivi"'))
    with pytest.raises(ConfigError, match="another server"):
        ZeepPlatform(
            soap_server.url,
            throw_away_ca.client_context(),
            wsdl=CONTRACTS / "split" / "commandes.wsdl",
            mapping=mapping,
        )


def test_the_contracts_say_that_they_are_nobody_s():
    for wsdl in CONTRACTS.glob("*/*.wsdl"):
        root = etree.parse(wsdl).getroot()
        assert root.get("targetNamespace").startswith("urn:x-igcsante-tests:")
        assert "the ANS's least of all" in "".join(root.itertext())

"""The mock does what the official texts say of the platform, and these tests assert no more.

One test for each of the 14 statements that they allow (facts sheet platform.md §7.7), through
the real client over mutual TLS; what that client would never send goes in as raw SOAP.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from datetime import timedelta

import pytest
import requests
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from cryptography.x509.oid import NameOID
from pfc_client import SoapClient, SoapFault, order, request_for
from pfc_world import HOSPITAL, PHARMACY, SECRET, TO_TELL, client_of, wanted, withdrawn

from igcsante.errors import NotHabilitatedError, PlatformRefusedError
from igcsante.identifiers import StructureId
from igcsante.secret import Secret
from igcsante.testing.cards import load_profile
from igcsante.testing.pki.leaves import years_after
from igcsante.testing.world import SimulatedWorld
from igcsante.ws.client import ZeepPlatform
from igcsante.ws.model import (
    Habilitation,
    Holder,
    ProductSearch,
    Renewal,
    Revocation,
    Withdrawal,
)
from igcsante.ws.vocabulary import Offre, ProductState, Usage

SETTINGS = """
[[structures]]
id = "10B0999003"
name = "CENTRE HOSPITALIER SIMULATION"

[[structures]]
id = "399999999700037"
name = "PHARMACIE SIMULATION"

[[administrators]]
cards = ["2900997003"]
habilitations = [
    { structure = "10B0999003", offre = "ORG", usages = ["AUTH_CLI", "SIGN", "CONF"] },
    { structure = "10B0999003", offre = "SERV", usages = ["SSL_SERV"], domain = "ch.example" },
    { structure = "10B0999003", offre = "SERV", usages = ["SMIME"], mail_domain = "@ch.example" },
    { structure = "10B0999003", offre = "PS", usages = ["AUTH"] },
]

[[administrators]]
cards = ["3100997004"]
habilitations = [
    { structure = "399999999700037", offre = "ORG", usages = ["AUTH_CLI"] },
    { structure = "399999999700037", offre = "SERV", usages = ["SSL_SERV"], server = "ph.example" },
]
"""
HOLDER = Holder("SIMULATION", "CAMILLE", "camille@ch.example", "899700990031")


@pytest.fixture(scope="module")
def world(tmp_path_factory) -> Iterator[SimulatedWorld]:
    folder = tmp_path_factory.mktemp("faithful") / "sim"
    folder.mkdir(mode=0o700)
    (folder / "platform.toml").write_text(SETTINGS, "utf-8")
    with SimulatedWorld(folder, platform_port=0, pki_port=0) as running:
        yield running


@pytest.fixture(autouse=True)
def real_time(world) -> Iterator[None]:
    yield
    world.clock.reset()


@pytest.fixture(scope="module")
def clients(world) -> Iterator[dict[str, ZeepPlatform]]:
    """The real client with the card of each administrator."""
    with ExitStack() as stack:
        yield {name: stack.enter_context(client_of(world, name)) for name in ("cps3", "cps4")}


@pytest.fixture
def hospital(clients) -> ZeepPlatform:
    return clients["cps3"]


@pytest.fixture
def pharmacy(clients) -> ZeepPlatform:
    return clients["cps4"]


@pytest.fixture
def raw(world) -> SoapClient:
    """What sends anything, with the hospital's card."""
    pair = world.card_material(load_profile("cps3")).authentication
    return SoapClient(world.platform, pair.certificate)


def active(platform: ZeepPlatform, **changes) -> tuple[str, x509.Certificate]:
    """A product that was ordered and withdrawn, and its certificate."""
    product = platform.order_product(wanted(**changes)).product_id
    return product, withdrawn(platform, product)


def test_1_only_what_one_is_habilitated_for_is_visible(hospital, pharmacy) -> None:
    def seen(lines: tuple[Habilitation, ...]) -> set[tuple[str, StructureId]]:
        return {(str(line.offre), line.structure.national_id) for line in lines}

    assert seen(hospital.list_habilitations()) == {
        ("ORG", HOSPITAL),
        ("SERV", HOSPITAL),
        ("PS", HOSPITAL),
    }
    assert seen(pharmacy.list_habilitations()) == {("ORG", PHARMACY), ("SERV", PHARMACY)}
    product = hospital.order_product(wanted()).product_id
    with pytest.raises(PlatformRefusedError, match="F10"):
        pharmacy.get_product(product)
    everything = pharmacy.search_products(ProductSearch(page_size=100))
    assert product not in {item.product_id for item in everything.products}
    with pytest.raises(NotHabilitatedError):
        hospital.order_product(wanted(structure=PHARMACY))


@pytest.mark.parametrize(
    ("usage", "field"),
    [
        ({"offre": "ORG", "usage": "AUTH_CLI"}, "serviceApplicatif"),
        ({"offre": "SERV", "usage": "SSL_SERV"}, "fqdn"),
        ({"offre": "SERV", "usage": "SMIME"}, "email"),
        ({"offre": "PS", "usage": "AUTH"}, "titulaire"),
    ],
)
def test_2_the_fields_differ_by_usage(raw, usage, field) -> None:
    values = {
        "serviceApplicatif": "service",
        "fqdn": "mss.ch.example",
        "email": "boite@ch.example",
        "titulaire": [
            ("nom", "SIMULATION"),
            ("prenom", "CAMILLE"),
            ("email", "camille@ch.example"),
            ("idNational", "899700990031"),
        ],
    }
    none = dict.fromkeys(values)
    with pytest.raises(SoapFault, match=f"F05 {field}"):
        raw.order(request_for(), **usage, **none)
    for other in set(values) - {field}:
        with pytest.raises(SoapFault, match=f"F04 {other}"):
            raw.order(
                request_for(), **usage, **{**none, field: values[field], other: values[other]}
            )
    assert raw.order(request_for(), **usage, **{**none, field: values[field]})


def test_3_a_csr_or_a_password_at_the_request(hospital, raw) -> None:
    for request in (None, request_for()):
        password = None if request is None else "mot de passe"
        with pytest.raises(SoapFault, match="F09"):
            raw.call("demanderProduit", order(request, motDePasseCle=password))
    for key in ({}, {"key_password": Secret("mot de passe")}):
        assert hospital.order_product(wanted(**key)).product_id


def test_4_withdrawal_needs_the_code_twice_and_the_acceptance(hospital, raw) -> None:
    product = hospital.order_product(wanted()).product_id
    with pytest.raises(SoapFault, match="F12"):
        raw.withdraw(product, confirmationCode="un autre code")
    with pytest.raises(SoapFault, match="F13"):
        raw.withdraw(product, acceptationBeneficiaire="false")
    assert hospital.get_product(product).state is ProductState.A_RETIRER
    assert withdrawn(hospital, product)


def test_5_key_password_is_asked_again_and_its_loss_means_a_new_request(hospital, raw) -> None:
    password = Secret("mot de passe")
    product = hospital.order_product(wanted(key_password=password)).product_id
    with pytest.raises(SoapFault, match="F05 motDePasseCle"):
        raw.withdraw(product)
    wrong = Withdrawal(product, SECRET, accepted=True, key_password=Secret("oublié, je crois"))
    with pytest.raises(PlatformRefusedError, match="F14"):
        hospital.withdraw_product(wrong)
    again = hospital.order_product(wanted(key_password=password)).product_id
    right = Withdrawal(again, SECRET, accepted=True, key_password=password)
    assert hospital.withdraw_product(right).content


def test_6_the_revocation_code_is_the_one_of_the_withdrawal(hospital) -> None:
    product, _ = active(hospital)
    with pytest.raises(PlatformRefusedError, match="F15"):
        hospital.revoke_product(Revocation(Secret("un autre code"), product_id=product))
    assert hospital.revoke_product(Revocation(SECRET, product_id=product)).revoked_at


def test_7_revocation_is_final_and_told_at_once_everywhere(hospital, world) -> None:
    product, leaf = active(hospital)
    assert revoked_in(world, leaf) == {"crl": False, "delta": False, "ocsp": False}
    hospital.revoke_product(Revocation(SECRET, product_id=product))
    assert revoked_in(world, leaf) == {"crl": True, "delta": True, "ocsp": True}
    with pytest.raises(PlatformRefusedError, match="F11"):
        hospital.revoke_product(Revocation(SECRET, product_id=product))
    with pytest.raises(PlatformRefusedError, match="F11"):
        withdrawn(hospital, product)
    with pytest.raises(PlatformRefusedError, match="F16"):
        hospital.renew_product(Renewal(product, csr=request_for()))
    world.clock.advance(timedelta(days=900))
    assert hospital.get_product(product).state is ProductState.REVOQUE
    assert revoked_in(world, leaf)["crl"]


def revoked_in(world, leaf) -> dict[str, bool]:
    """What the CRL, the delta CRL and OCSP say of a certificate, fetched over HTTP."""
    authority = world.pki.authorities["ACI-EL-ORG-TEST"]
    lists = {}
    for kind, path in (("crl", authority.name.crl_path), ("delta", authority.name.delta_path)):
        answer = requests.get(world.pki.base_url + path, timeout=20)
        crl = x509.load_der_x509_crl(answer.content)
        lists[kind] = crl.get_revoked_certificate_by_serial_number(leaf.serial_number) is not None
    request = ocsp.OCSPRequestBuilder().add_certificate(
        leaf, authority.certificate, hashes.SHA256()
    )
    body = request.build().public_bytes(Encoding.DER)
    answer = requests.post(world.pki.base_url + "/OCSP", body, timeout=20)
    status = ocsp.load_der_ocsp_response(answer.content).certificate_status
    return {**lists, "ocsp": status is ocsp.OCSPCertStatus.REVOKED}


def test_8_renewal_only_while_active_and_a_notice_60_days_before(hospital, world, raw) -> None:
    product, leaf = active(hospital)
    waiting = hospital.order_product(wanted()).product_id
    with pytest.raises(PlatformRefusedError, match="F16"):
        hospital.renew_product(Renewal(waiting, csr=request_for()))

    world.clock.set(leaf.not_valid_after_utc - timedelta(days=61))
    world.platform.send_notices()
    assert notices(world, product) == 0
    world.clock.set(leaf.not_valid_after_utc - timedelta(days=60) + timedelta(seconds=1))
    world.platform.send_notices()
    world.platform.send_notices()
    assert notices(world, product) == len(TO_TELL)

    receipt = hospital.renew_product(Renewal(product, csr=request_for()))
    successor = hospital.get_product(receipt.product_id)
    assert successor.renews == product
    assert withdrawn(hospital, successor.product_id).subject == leaf.subject

    # The card that asks has ended by then: one of that time looks.
    world.clock.set(leaf.not_valid_after_utc + timedelta(days=1))
    card = world.pki.issue_card(load_profile("cps3"), world.clock() - timedelta(days=1))
    raw.peer = card.authentication.certificate.public_bytes(Encoding.DER)
    assert raw.product(product).findtext("etat") == "EXPIRE"
    with pytest.raises(SoapFault, match="F16"):
        raw.call("renouvelerProduit", [("idProduit", product), ("motDePasseCle", "mot de passe")])


def notices(world, product: str) -> int:
    return sum(
        product in mail.body and "60 jours" in mail.subject for mail in world.platform.mails()
    )


def test_9_a_certificate_lasts_three_years_from_its_withdrawal(hospital, world) -> None:
    product = hospital.order_product(wanted()).product_id
    world.clock.advance(timedelta(days=20))
    leaf = withdrawn(hospital, product)
    assert leaf.not_valid_after_utc == years_after(leaf.not_valid_before_utc, 3)
    assert abs(leaf.not_valid_before_utc - world.clock()) < timedelta(minutes=5)


def test_10_a_test_card_is_refused_after_three_years(world) -> None:
    with client_of(world) as platform:
        assert platform.list_habilitations()
        world.clock.advance(timedelta(days=3 * 366))
        with pytest.raises(PlatformRefusedError) as caught:
            platform.list_habilitations()
    assert "403" in caught.value.message and caught.value.advice


def test_11_a_server_is_in_a_domain_with_its_sub_domains_or_is_one_server(
    hospital, pharmacy
) -> None:
    server = {"offre": Offre.SERV, "usage": Usage.SSL_SERV, "service_name": ""}
    for name in ("ch.example", "mss.ch.example", "a.b.ch.example"):
        assert hospital.order_product(wanted(**server, fqdns=(name,)))
    for names in (("autre.example",), ("mss.ch.example", "notch.example")):
        with pytest.raises(PlatformRefusedError, match="F03"):
            hospital.order_product(wanted(**server, fqdns=names))
    own = {**server, "structure": PHARMACY}
    assert pharmacy.order_product(wanted(**own, fqdns=("ph.example",)))
    with pytest.raises(PlatformRefusedError, match="F03"):
        pharmacy.order_product(wanted(**own, fqdns=("www.ph.example",)))


def test_12_an_organisation_is_named_with_its_identifier_a_professional_is_not(hospital) -> None:
    def units(leaf: x509.Certificate) -> list[str]:
        found = leaf.subject.get_attributes_for_oid(NameOID.ORGANIZATIONAL_UNIT_NAME)
        return [str(attribute.value) for attribute in found]

    assert units(active(hospital)[1]) == [str(HOSPITAL)]
    person = {"offre": Offre.PS, "usage": Usage.AUTH, "service_name": "", "holder": HOLDER}
    assert units(active(hospital, **person)[1]) == []


def test_13_mails_at_the_request_at_the_download_and_60_days_before_the_end(
    hospital, world
) -> None:
    def told(since: int) -> list[tuple[str, str]]:
        return [(mail.subject, mail.recipient) for mail in world.platform.mails()[since:]]

    start = len(world.platform.mails())
    receipt = hospital.order_product(wanted())
    assert told(start) == [("Demande enregistrée", address) for address in TO_TELL]
    assert receipt.withdrawal_url in world.platform.mails()[start].body
    leaf = withdrawn(hospital, receipt.product_id)
    assert told(start + 2) == [("Téléchargement effectué", address) for address in TO_TELL]
    world.clock.set(leaf.not_valid_after_utc - timedelta(days=59))
    world.platform.send_notices()
    assert notices(world, receipt.product_id) == len(TO_TELL)
    assert all("noreply@" in mail.body for mail in world.platform.mails()[start:])


def test_14_products_are_searched_by_offer_structure_and_usage(hospital) -> None:
    server = {"offre": Offre.SERV, "usage": Usage.SSL_SERV, "service_name": ""}
    products = {
        "org": hospital.order_product(wanted()).product_id,
        "sign": hospital.order_product(wanted(usage=Usage.SIGN)).product_id,
        "serv": hospital.order_product(wanted(**server, fqdns=("mss.ch.example",))).product_id,
    }

    def found(**criteria) -> set[str]:
        search = ProductSearch(page_size=100, **criteria)
        names = {product: name for name, product in products.items()}
        every = []
        for page in range(1, 9):
            every += hospital.search_products(replace(search, page=page)).products
        return {names[item.product_id] for item in every if item.product_id in names}

    assert found() == {"org", "sign", "serv"}
    assert found(offre=Offre.ORG) == {"org", "sign"}
    assert found(usage=Usage.SSL_SERV) == {"serv"}
    assert found(offre=Offre.ORG, usage=Usage.SIGN) == {"sign"}
    assert found(structure=HOSPITAL) == {"org", "sign", "serv"}
    assert found(structure=PHARMACY) == set()

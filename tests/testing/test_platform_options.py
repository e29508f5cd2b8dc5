"""What no public text settles: every option of the mock, and that its default is the other way."""

from __future__ import annotations

import base64
from dataclasses import replace
from datetime import timedelta

import pytest
from cryptography import x509
from pfc_client import (
    CODE,
    DEFAULT_LINES,
    NOW,
    Clock,
    SoapClient,
    SoapFault,
    card_profile,
    certificate_of,
    order,
    platform_at,
    request_for,
    shared_pki,
    some_key,
)

from igcsante.testing.pki.leaves import years_after
from igcsante.testing.platform import (
    HabilitationRegister,
    Options,
    SoapApplication,
    Validation,
)
from igcsante.testing.platform.faults import ClientRefused
from igcsante.testing.platform.identity import identify
from igcsante.ws.model import Scope
from igcsante.ws.vocabulary import ScopeKind

SERVER = {"offre": "SERV", "usage": "SSL_SERV", "serviceApplicatif": None}


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def client_with(tmp_path, clock):
    """``client_with(wildcards=True)``: a client of a platform with these options."""

    def make(**options):
        return SoapClient(platform_at(tmp_path, options=Options(**options), clock=clock))

    return make


@pytest.fixture
def csr():
    return request_for(some_key("options"))


def mails_of(client) -> list[str]:
    return [mail.subject for mail in client._application._platform.mails()]


# -- orders that wait ------------------------------------------------------------------------


def test_delayed_order_can_be_withdrawn_when_its_time_has_come(client_with, clock, csr) -> None:
    client = client_with(validation=Validation.DELAYED, validation_minutes=30)
    product = client.order(csr)
    assert client.product(product).findtext("etat") == "EN_COURS"
    with pytest.raises(SoapFault, match="F11"):
        client.withdraw(product)
    assert mails_of(client) == ["Demande enregistrée"]
    assert "Retrait" not in client._application._platform.mails()[0].body
    clock.advance(minutes=30)
    assert client.product(product).findtext("etat") == "A_RETIRER"
    client.search()
    assert "Retrait : https" in client._application._platform.mails()[1].body
    client.search()
    assert len(mails_of(client)) == 2
    assert client.withdraw(product) is not None


def test_order_says_that_it_waits(client_with, csr) -> None:
    client = client_with(validation=Validation.DELAYED)
    assert client.call("demanderProduit", order(csr)).findtext("etat") == "EN_COURS"


def test_order_is_accepted_or_refused_by_hand_only(client_with, clock) -> None:
    client = client_with(validation=Validation.MANUAL)
    platform = client._application._platform
    yes, no = (client.order(request_for(some_key(name))) for name in ("yes", "no"))
    clock.advance(days=400)
    assert client.product(yes).findtext("etat") == "EN_COURS"
    platform.decide(yes, accept=True)
    platform.decide(no, accept=False)
    assert client.product(yes).findtext("etat") == "A_RETIRER"
    assert client.product(no).findtext("etat") == "REFUSE"
    assert mails_of(client)[2:] == ["Demande enregistrée", "Demande refusée"]
    for call in (client.withdraw, client.revoke):
        with pytest.raises(SoapFault, match="F11"):
            call(no)
    assert client.search(("etats", "REFUSE")).findtext("total") == "1"


def test_renewal_waits_too(client_with) -> None:
    client = client_with(validation=Validation.MANUAL)
    product = client.order(request_for(some_key("old")))
    client._application._platform.decide(product, accept=True)
    client.withdraw(product)
    csr = base64.b64encode(request_for(some_key("new"))).decode()
    answer = client.call("renouvelerProduit", [("idProduit", product), ("csr", csr)])
    assert answer.findtext("etat") == "EN_COURS"


def test_order_that_nobody_withdraws_is_cancelled(client_with, clock, csr) -> None:
    client = client_with(withdrawal_days=90, pending_quota=1)
    product = client.order(csr)
    clock.advance(days=90)
    assert client.product(product).findtext("etat") == "A_RETIRER"
    clock.advance(seconds=1)
    assert client.product(product).findtext("etat") == "ANNULE"
    with pytest.raises(SoapFault, match="F11"):
        client.withdraw(product)
    assert client.order(request_for(some_key("next"))), "it waits no more"


def test_orders_wait_for_ever_unless_told(client_with, clock, csr) -> None:
    client = client_with()
    product = client.order(csr)
    clock.advance(days=900)
    assert client.product(product).findtext("etat") == "A_RETIRER"


# -- limits --------------------------------------------------------------------------------


def test_daily_quota_counts_the_last_24_hours(client_with, clock) -> None:
    client = client_with(daily_quota=2)
    for name in ("first", "second"):
        client.order(request_for(some_key(name)))
        clock.advance(hours=1)
    with pytest.raises(SoapFault, match="F18"):
        client.order(request_for(some_key("third")))
    clock.advance(hours=22)
    assert client.order(request_for(some_key("third")))
    with pytest.raises(SoapFault, match="F18"):
        client.order(request_for(some_key("fourth")))


def test_secrets_of_several_classes(client_with, csr) -> None:
    client = client_with(secret_classes=3, secret_length=6)
    for plain in ("abcdefgh", "abc123def", "ABCabcDEF"):
        with pytest.raises(SoapFault, match="F04 motDePasseCle"):
            client.order(motDePasseCle=plain)
    assert client.order(motDePasseCle="aB3aB3")
    product = client.order(csr)
    with pytest.raises(SoapFault, match="F04 codeRevocation"):
        client.withdraw(product, codeRevocation="12345678", confirmationCode="12345678")


def test_wildcards_within_a_domain(client_with, csr) -> None:
    client = client_with(wildcards=True)
    names = ["*.ch-simulation.example", "ch-simulation.example"]
    product = client.order(csr, **SERVER, fqdn=names)
    assert [item.text for item in client.product(product).findall("sans")] == names
    assert client.withdraw(product) is not None
    for name, fault in (("*.b.example", "F03"), ("a.*.ch-simulation.example", "F04"), ("*", "F04")):
        with pytest.raises(SoapFault, match=f"{fault} fqdn"):
            client.order(request_for(some_key("other")), **SERVER, fqdn=[name])
    long = "*." + "x" * 41 + ".ch-simulation.example"
    assert len(long) == 65
    with pytest.raises(SoapFault, match="F04 fqdn"):
        client.order(request_for(some_key("other")), **SERVER, fqdn=[long])


def test_wildcard_of_a_single_server_is_out_of_its_scope(tmp_path, csr) -> None:
    scope = Scope(ScopeKind.SERVEUR, "mss.example")
    lines = tuple(replace(line, scope=scope) for line in DEFAULT_LINES)
    register = HabilitationRegister(default=lines)
    options = Options(wildcards=True)
    client = SoapClient(platform_at(tmp_path, habilitations=register, options=options))
    with pytest.raises(SoapFault, match="F03 fqdn"):
        client.order(csr, **SERVER, fqdn=["*.mss.example"])
    assert client.order(csr, **SERVER, fqdn=["mss.example"])


# -- a second withdrawal ----------------------------------------------------------------------


def test_second_withdrawal_gives_the_same_certificate(client_with, clock, csr) -> None:
    client = client_with(second_withdrawal=True)
    product = client.order(csr)
    leaf = certificate_of(client.withdraw(product))
    clock.advance(days=3)
    again = certificate_of(client.withdraw(product))
    assert again == leaf
    assert client.product(product).findtext("dateRetrait") == NOW.isoformat()
    with pytest.raises(SoapFault, match="F15 codeRevocation"):
        client.withdraw(product, codeRevocation="un autre code", confirmationCode="un autre code")
    client.revoke(product)
    with pytest.raises(SoapFault, match="F11"):
        client.withdraw(product)


def test_second_withdrawal_asks_for_the_keys_password_again(client_with) -> None:
    client = client_with(second_withdrawal=True)
    product = client.order(motDePasseCle="mot de passe")
    client.withdraw(product, password="mot de passe")
    with pytest.raises(SoapFault, match="F14"):
        client.withdraw(product, password="un autre mot")
    assert client.withdraw(product, password="mot de passe").findtext("contenu")


# -- time ------------------------------------------------------------------------------------


def test_every_answer_is_delayed(tmp_path) -> None:
    platform = platform_at(tmp_path, options=Options(delay=2.5))
    client, waited = SoapClient(platform), []
    client._application = SoapApplication(platform, pause=waited.append)
    client.search()
    client.order(request_for(some_key("options")))
    assert waited == [2.5, 2.5]
    assert client.get("wsdl")[0] == "200 OK"
    assert len(waited) == 2


def long_lived_card(number: str) -> x509.Certificate:
    """The certificate of a test card, but for ten years."""
    pki = shared_pki()
    own = pki.issue_card(replace(card_profile(), card_number=number), NOW)
    usual = own.authentication.certificate
    authority = next(a for a in pki.authorities.values() if a.issued(usual.serial_number))
    builder = (
        x509.CertificateBuilder()
        .subject_name(usual.subject)
        .public_key(usual.public_key())
        .serial_number(authority.new_serial())
        .not_valid_before(NOW)
        .not_valid_after(NOW + timedelta(days=3650))
    )
    for extension in usual.extensions:
        if extension.oid != x509.ExtensionOID.AUTHORITY_KEY_IDENTIFIER:
            builder = builder.add_extension(extension.value, extension.critical)
    return authority.sign(builder)


def test_test_card_is_opposed_after_three_years_even_if_it_is_valid_longer() -> None:
    card, third = long_lived_card("0000000077"), years_after(NOW, 3)
    assert identify(card, shared_pki(), third, accept_software=True).bearer == "0000000077"
    with pytest.raises(ClientRefused, match="trois ans"):
        identify(card, shared_pki(), third + timedelta(seconds=1), accept_software=True)


def test_code_is_the_one_of_the_first_withdrawal(client_with, csr) -> None:
    client = client_with()
    product = client.order(csr)
    client.withdraw(product)
    with pytest.raises(SoapFault, match="F15"):
        client.revoke(product, CODE + "!")
    assert client.revoke(product).findtext("etat") == "REVOQUE"


@pytest.mark.parametrize("second_renewal", [False, True])
def test_product_is_renewed_once_unless_so_set(client_with, csr, second_renewal):
    client = client_with(second_renewal=second_renewal)
    product = client.order(csr)
    client.withdraw(product)
    assert client.product(product).findtext("renouvelable") == "true"

    def renew(name):
        new = base64.b64encode(request_for(some_key(name))).decode()
        return client.call("renouvelerProduit", [("idProduit", product), ("csr", new)])

    successor = renew("first successor").findtext("idProduit")
    found = client.product(product)
    assert found.findtext("renouvelePar") == successor
    assert found.findtext("renouvelable") == ("true" if second_renewal else "false")
    if second_renewal:
        assert renew("second successor").findtext("idProduit") not in (product, successor)
        return
    with pytest.raises(SoapFault, match="F11"):
        renew("second successor")
    assert client.product(product).findtext("renouvelePar") == successor

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from igcsante.errors import UsageError
from igcsante.identifiers import StructureId
from igcsante.secret import Secret
from igcsante.ws import model, rules
from igcsante.ws.model import Holder, Offre, ProductRequest, Usage

STRUCTURE = StructureId.parse("318751275100020")
HOLDER = Holder("DOE", "Jane", "jane@exemple.fr")


def order(**changes) -> ProductRequest:
    values = {
        "offre": Offre.ORG,
        "usage": Usage.AUTH_CLI,
        "structure": STRUCTURE,
        "emails": ("pki@exemple.fr",),
        "service_name": "DMP",
        "csr": b"csr",
    }
    return ProductRequest(**{**values, **changes})


def refused(field: str, **changes) -> UsageError:
    with pytest.raises(UsageError) as caught:
        order(**changes)
    assert caught.value.fields["field"] == field
    return caught.value


SUBJECTS = {
    "service_name": {"service_name": "DMP"},
    "fqdns": {"service_name": "", "fqdns": ("mss.exemple.fr",)},
    "email": {"service_name": "", "email": "boite@exemple.fr"},
    "holder": {"service_name": "", "holder": HOLDER},
}
TABLE = {  # platform.md §2
    ("ORG", "AUTH_CLI"): "service_name",
    ("ORG", "SIGN"): "service_name",
    ("ORG", "CONF"): "service_name",
    ("SERV", "SSL_SERV"): "fqdns",
    ("SERV", "SMIME"): "email",
    ("SERV", "SIGN"): "email",
    ("SERV", "CONF"): "email",
    ("PRO", "AUTH"): "holder",
    ("PRO", "SIGN"): "holder",
    ("PRO", "CONF"): "holder",
    ("PS", "AUTH"): "holder",
    ("PS", "SIGN"): "holder",
    ("PS", "CONF"): "holder",
}


@pytest.mark.parametrize("offre", Offre)
@pytest.mark.parametrize("usage", Usage)
def test_an_offer_takes_its_own_usages_and_its_own_subject(offre, usage):
    wanted = TABLE.get((offre, usage))
    if wanted is None:
        error = refused("usage", offre=offre, usage=usage)
        assert error.fields["allowed"] == [u for o, u in TABLE if o == offre]
        return
    for subject, values in SUBJECTS.items():
        if subject == wanted:
            assert order(offre=offre, usage=usage, **values).label
        else:
            refused(subject, offre=offre, usage=usage, **values)


def test_a_missing_subject_names_the_field_it_needs():
    refused("fqdns", offre=Offre.SERV, usage=Usage.SSL_SERV, service_name="")


@pytest.mark.parametrize(
    ("text", "usage"),
    [
        ("SSL_SERVEUR", Usage.SSL_SERV),
        ("SERV_SSL", Usage.SSL_SERV),
        ("ssl-serv", Usage.SSL_SERV),
        ("ORG_AUTH_CLI", Usage.AUTH_CLI),
        ("ORG AUTH_CLI", Usage.AUTH_CLI),
        ("S/MIME", Usage.SMIME),
        ("smime", Usage.SMIME),
        ("PS_AUTH", Usage.AUTH),
        ("sign", Usage.SIGN),
    ],
)
def test_usages_are_taken_as_the_forms_and_the_portal_spell_them(text, usage):
    assert Usage.parse(text) is usage


def test_an_unknown_usage_lists_the_known_ones_and_the_nearest():
    with pytest.raises(UsageError, match="AUTH_CLI, SIGN, CONF") as caught:
        Usage.parse("SIGNE")
    assert "SIGN" in caught.value.advice


@pytest.mark.parametrize(
    "name",
    [
        "exemple",
        "*.exemple.fr",
        "-a.fr",
        "a-.fr",
        "a..fr",
        "a.fr.",
        "é.fr",
        "a_b.fr",
        "10.0.0.1",
        "",
        "a" * 64 + ".fr",
        ("a" * 60 + ".") * 5 + "fr",
        "a.fr\n",
    ],
)
def test_what_is_no_full_host_name_is_refused(name):
    refused("fqdns", offre=Offre.SERV, usage=Usage.SSL_SERV, service_name="", fqdns=(name,))


def test_host_names_are_lower_cased_and_said_once():
    names = ("Mss.Exemple.FR", "mss.exemple.fr", "b.exemple.fr")
    request = order(offre=Offre.SERV, usage=Usage.SSL_SERV, service_name="", fqdns=names)
    assert request.fqdns == ("mss.exemple.fr", "b.exemple.fr")
    assert request.label == "mss.exemple.fr"


def test_the_first_host_name_must_fit_a_common_name():
    long = "a" * 40 + "." + "b" * 40 + ".fr"
    taken = ("mss.exemple.fr", long)
    order(offre=Offre.SERV, usage=Usage.SSL_SERV, service_name="", fqdns=taken)
    refused("fqdns", offre=Offre.SERV, usage=Usage.SSL_SERV, service_name="", fqdns=(long,))


@given(st.lists(st.from_regex(r"[a-z0-9]([a-z0-9-]{0,8}[a-z0-9])?", fullmatch=True), min_size=1))
@settings(max_examples=60, deadline=None)
def test_any_host_name_of_rfc_1123_is_taken(labels):
    name = ".".join([*labels, "fr"])
    if len(name) <= 253:
        assert rules.checked_fqdn(name.upper()) == name


@given(st.text(max_size=80))
@settings(max_examples=150, deadline=None)
def test_text_of_any_kind_is_taken_or_refused_never_more(text):
    for check in (
        rules.checked_fqdn,
        rules.checked_serial,
        lambda t: rules.check_email("emails", t),
        lambda t: rules.check_text("service_name", t, 64),
        Usage.parse,
        Offre.parse,
    ):
        try:
            check(text)
        except UsageError as error:
            assert error.fields["field"]


@pytest.mark.parametrize("name", ["", " DMP", "DMP\n", "a\x00b", "x" * 65, "a\x9bb"])
def test_a_service_name_is_1_to_64_printable_characters(name):
    refused("service_name", service_name=name)


@pytest.mark.parametrize("name", ["x" * 64, "Gestion des accès – DMP"])
def test_a_service_name_may_be_french_and_64_long(name):
    assert order(service_name=name).label == name


@pytest.mark.parametrize("email", ["", "a", "a@b", "@a.fr", "a b@c.fr", ".a@c.fr", "a..b@c.fr"])
def test_a_wrong_address_is_refused(email):
    refused("emails", emails=(email,))


def test_at_least_one_address_is_notified_and_at_most_ten():
    refused("emails", emails=())
    refused("emails", emails=("a@b.fr",) * 11)


def test_a_csr_or_a_password_never_both_nor_none():
    refused("csr", csr=None)
    refused("csr", key_password=Secret("motdepasse"))
    refused("csr", csr=b"x" * 20_000)
    assert order(csr=None, key_password=Secret("motdepasse"))


def test_secrets_are_neither_shown_nor_repeated():
    request = order(csr=None, key_password=Secret("motdepasse"))
    assert "motdepasse" not in repr(request)
    error = refused("key_password", csr=None, key_password=Secret("mot\tde passe"))
    assert "passe" not in str(error)


def test_insi_wants_its_two_names():
    assert "DESIR_560" in order(service_name="DMP").warnings("INSi")[0]
    assert order(service_name="insi-auto").warnings()
    assert order(service_name="INSI-AUTO").warnings("INSi") == ()
    assert order(service_name="DMP").warnings("DMP") == ()


@pytest.mark.parametrize("target", ["INSi", "insi", "MSSanté", "mssante", "Hub Santé", "HUB SANTE"])
def test_a_service_of_another_offer_is_warned_about_however_it_is_spelled(target):
    wrong = Offre.SERV if "INSI" in target.upper() else Offre.ORG
    subject = {"service_name": "", "fqdns": ("a.fr",)} if wrong is Offre.SERV else {}
    usage = Usage.SSL_SERV if wrong is Offre.SERV else Usage.AUTH_CLI
    (warning,) = order(offre=wrong, usage=usage, **subject).warnings(target)
    assert f"not {wrong}" in warning


def test_a_service_that_nobody_described_is_not_warned_about():
    assert order(service_name="DMP").warnings("a service of ours") == ()


def test_an_identifier_whose_key_is_wrong_is_warned_about():
    wrong = StructureId.parse("318751275100021")
    assert "SIRET" in order(structure=wrong).warnings()[0]
    holder = Holder("DOE", "Jane", "jane@exemple.fr", "899700735742")
    request = order(offre=Offre.PS, usage=Usage.SIGN, service_name="", holder=holder)
    assert "RPPS" in request.warnings()[0]


@pytest.mark.parametrize("identifier", ["1234", "RPPS 99700735741", "30B0057881", "8é"])
def test_a_holders_identifier_is_that_of_a_professional(identifier):
    with pytest.raises(UsageError, match="national_id") as caught:
        Holder("DOE", "Jane", "jane@exemple.fr", identifier)
    assert caught.value.fields["field"] == "national_id"


def test_what_a_scope_limits_are_hosts_and_the_domains_of_addresses():
    server = {"service_name": "", "fqdns": ("A.fr", "b.fr")}
    assert order(offre=Offre.SERV, usage=Usage.SSL_SERV, **server).hosts == ("a.fr", "b.fr")
    mail = {"service_name": "", "email": "boite@Exemple.fr"}
    assert order(offre=Offre.SERV, usage=Usage.SMIME, **mail).hosts == ("exemple.fr",)
    person = {"service_name": "", "holder": HOLDER}
    assert order(offre=Offre.PRO, usage=Usage.SIGN, **person).hosts == ("exemple.fr",)
    assert order().hosts == ()


def test_a_withdrawal_needs_the_beneficiary_to_accept():
    with pytest.raises(UsageError, match="CGU"):
        model.Withdrawal("P-1", Secret("code"), accepted=False)


def test_a_revocation_names_a_product_or_a_serial():
    assert model.Revocation(Secret("code"), serial="0a:ff").serial == "0AFF"
    for names in ({}, {"product_id": "P-1", "serial": "0A"}, {"serial": "xyz"}):
        with pytest.raises(UsageError):
            model.Revocation(Secret("code"), **names)


def test_a_search_is_bounded():
    for values in ({"page": 0}, {"page_size": 101}, {"serial": "é"}):
        with pytest.raises(UsageError):
            model.ProductSearch(**values)


def test_each_reference_is_new_and_acceptable():
    first, second = model.new_client_reference(), model.new_client_reference()
    assert first != second
    assert dataclasses.replace(order(), client_reference=first)

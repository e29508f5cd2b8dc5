from __future__ import annotations

import re
from datetime import UTC, datetime

import pytest
from lxml import etree

from igcsante.errors import ConfigError, ContractError
from igcsante.identifiers import StructureId
from igcsante.secret import Secret
from igcsante.ws.contract import codec
from igcsante.ws.contract.conformity import Level, check_mapping
from igcsante.ws.contract.mapping import contract_file, load_mapping
from igcsante.ws.model import (
    Offre,
    OrderReceipt,
    Product,
    ProductRequest,
    ProductSearch,
    Usage,
)
from igcsante.ws.operations import ProductAnswer

NOW = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
SHIPPED = contract_file("mapping.toml").read_text()


@pytest.fixture
def changed(tmp_path):
    """A copy of the shipped mapping in which one text is another."""

    def change(old: str, new: str):
        assert old in SHIPPED
        path = tmp_path / "mapping.toml"
        path.write_text(SHIPPED.replace(old, new))
        return path

    return change


def test_the_shipped_mapping_fits_the_shipped_contract():
    assert check_mapping() == ()


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("format = 1", "format = 2", "format"),
        ("[operations.get_product]\n", "[operations.get_products]\n", "get_products"),
        ('structure_text = "texteStructure"', 'structure_txt = "x"', "structure_txt"),
        ('offre = "offre"', "offre = 3", "a string"),
        ('offre = "offre"', 'offre = "a..b"', "element name"),
        ('product = "produit"', 'product = ["a", "b"]', "one path"),
        ('name = "consulterProduit"', "", "operation of the WSDL"),
        ('AUTH_CLI = ["AUTH_CLI"]', 'AUTHCLI = ["AUTH_CLI"]', "AUTHCLI"),
        ('timezone = "UTC" ', 'timezone = "Mars/Olympus"', "Europe/Paris"),
        ('binary = "base64Binary"', 'binary = "hex"', "base64Binary"),
        ('"not_habilitated"', '"forbidden"', "not_habilitated"),
        ("[binding]", "[binding", "not a TOML file"),
    ],
)
def test_a_wrong_mapping_is_refused_with_its_place(changed, old, new, said):
    with pytest.raises(ConfigError) as caught:
        load_mapping(changed(old, new))
    assert said in f"{caught.value.message} {caught.value.advice}"
    assert "mapping.toml" in caught.value.message


@pytest.mark.parametrize(
    ("old", "new", "place"),
    [
        ('"demanderProduit"', '"demandeProduit"', "operations.order_product.name"),
        ('fqdns = "fqdn"', 'fqdns = "nom"', "operations.order_product.request.fqdns"),
        ('page = "page"\n', "", "operations.search_products.request"),
        ('renewable = "renouvelable"\n', "", "records.product.renewable"),
        ('department = "departement"', 'department = "dep"', "records.structure.department"),
        ('["SMIME", "S/MIME"]', '["MAIL"]', "enums.usage.SMIME"),
        ('total = "total"', 'total = "produits"', "operations.search_products.response.total"),
        ('["ErreurTechnique"]', '["ErreurTech"]', "faults.technical"),
    ],
)
def test_checking_tells_where_mapping_and_wsdl_differ(changed, old, new, place):
    findings = check_mapping(mapping=changed(old, new))
    assert place in {finding.place for finding in findings if finding.level is Level.ERROR}


def test_checking_warns_of_what_can_not_be_used(changed):
    path = changed('REMPLACEMENT = ["REMPLACEMENT"]\n', "")
    assert {finding.level for finding in check_mapping(mapping=path)} == {Level.WARNING}


def test_a_misspelled_operation_comes_with_the_nearest(changed):
    findings = check_mapping(mapping=changed('"demanderProduit"', '"demandeProduit"'))
    assert "demanderProduit" in findings[0].message


@pytest.mark.parametrize("content", ["", "<a/>", "<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>", "x"])
def test_a_bad_wsdl_is_a_clear_error(tmp_path, content):
    path = tmp_path / "bad.wsdl"
    path.write_text(content)
    with pytest.raises(ConfigError, match=r"bad\.wsdl"):
        check_mapping(wsdl=path)


def test_a_wsdl_never_makes_us_fetch_anything(tmp_path):
    path = tmp_path / "remote.wsdl"
    text = contract_file("pfc-mock.wsdl").read_text()
    path.write_text(text.replace('"pfc-mock.xsd"', '"http://127.0.0.1:9/pfc-mock.xsd"'))
    with pytest.raises(ConfigError, match="nothing is fetched") as caught:
        check_mapping(wsdl=path)
    assert "beside the WSDL" in caught.value.advice


def test_the_contract_says_that_it_is_not_the_ans_s():
    for name in ("pfc-mock.wsdl", "pfc-mock.xsd", "mapping.toml"):
        assert "contrat simulé, non publié par l'ANS" in contract_file(name).read_text()
    assert "esante.gouv.fr" not in contract_file("pfc-mock.wsdl").read_text()


# -- values --------------------------------------------------------------------------


def order(**changes) -> ProductRequest:
    values = {
        "offre": Offre.SERV,
        "usage": Usage.SMIME,
        "structure": StructureId.parse("1750000001"),
        "emails": ("a@b.fr", "c@d.fr"),
        "email": "boite@exemple.fr",
        "key_password": Secret("motdepasse"),
    }
    return ProductRequest(**{**values, **changes})


def test_a_request_becomes_the_elements_that_the_mapping_names(changed):
    mapping = load_mapping(changed('["SMIME", "S/MIME"]', '["S/MIME", "SMIME"]'))
    assert codec.encode(mapping, "order_product", order(), at=NOW) == {
        "offre": "SERV",
        "usage": "S/MIME",
        "idStructure": "1750000001",
        "emails": ["a@b.fr", "c@d.fr"],
        "email": "boite@exemple.fr",
        "motDePasseCle": "motdepasse",
    }


def test_what_the_mapping_has_no_place_for_is_not_silently_left_out(changed):
    mapping = load_mapping(changed('key_password = "motDePasseCle"\nemails', "emails"))
    with pytest.raises(ConfigError, match="key_password"):
        codec.encode(mapping, "order_product", order(), at=NOW)


@pytest.mark.parametrize(
    "xml",
    [
        "<r/>",
        "<r><idProduit>P</idProduit></r>",
        "<r><idProduit>P</idProduit><etat>AUTRE</etat></r>",
        "<r><idProduit>P</idProduit><etat><x/></etat></r>",
        "<r><idProduit>P</idProduit><idProduit>Q</idProduit><etat>ACTIF</etat></r>",
    ],
)
def test_an_answer_that_lacks_or_garbles_something_is_refused(xml):
    with pytest.raises(ContractError):
        codec.decode(load_mapping(), "order_product", OrderReceipt, etree.fromstring(xml), at=NOW)


def test_what_a_terminal_would_obey_does_not_pass():
    xml = "<r><idProduit>P\u009b2J\tQ</idProduit><etat>ACTIF</etat></r>"
    receipt = codec.decode(
        load_mapping(), "order_product", OrderReceipt, etree.fromstring(xml), at=NOW
    )
    assert receipt.product_id == "P 2J Q"


PRODUCT = """<produit><idProduit>P</idProduit><offre>ORG</offre><usage>SIGN</usage>
<structure><idNational>318751275100020</idNational><raisonSociale>X</raisonSociale></structure>
<libelle>DMP</libelle><etat>ACTIF</etat><dateDemande>{time}</dateDemande>
<modeCle>CSR</modeCle><renouvelable>{flag}</renouvelable></produit>"""


def decode_product(mapping, time="2026-11-22T08:30:00Z", flag="1") -> Product:
    element = etree.fromstring(f"<r>{PRODUCT.format(time=time, flag=flag)}</r>")
    return codec.decode(mapping, "get_product", ProductAnswer, element, at=NOW).product


@pytest.mark.parametrize(
    ("text", "hour"),
    [
        ("2026-11-22T08:30:00Z", 8),
        ("2026-11-22T08:30:00+01:00", 7),
        ("2026-11-22T08:30:00.123", 8),
    ],
)
def test_times_come_out_in_utc(text, hour):
    assert decode_product(load_mapping(), text).requested_at.hour == hour
    assert decode_product(load_mapping(), text).requested_at.tzinfo is UTC


def test_times_follow_the_format_and_zone_of_the_mapping(changed):
    path = changed('datetime = "iso" ', 'datetime = "%d%m%Y%H%M"')
    path.write_text(path.read_text().replace('"UTC"', '"Europe/Paris"'))
    mapping = load_mapping(path)
    time = datetime(2026, 7, 1, 12, 0, tzinfo=UTC)
    assert decode_product(mapping, "010720261400").requested_at == time
    search = ProductSearch(expires_before=time)
    sent = codec.encode(mapping, "search_products", search, at=NOW)
    assert sent["finAvant"] == "010720261400"


@pytest.mark.parametrize("time", ["hier", "9999-99-99T00:00:00Z", "2026"])
def test_a_time_that_is_none_is_refused(time):
    with pytest.raises(ContractError, match="dateDemande"):
        decode_product(load_mapping(), time)


def test_a_flag_that_is_none_is_refused():
    with pytest.raises(ContractError, match="renouvelable"):
        decode_product(load_mapping(), flag="oui")


def test_every_name_in_the_mapping_is_used_by_the_wsdl_or_schema():
    schema = contract_file("pfc-mock.xsd").read_text()
    mapping = load_mapping()
    for operation in mapping.operations.values():
        assert f'name="{operation.name}"' in schema
        for paths in (*operation.request.values(), *operation.response.values()):
            for path in paths:
                assert re.search(f'name="{path.name}"', schema)


def test_another_contract_is_checked_by_its_files_alone(other_contract):
    wsdl, mapping = other_contract
    findings = check_mapping(wsdl, mapping)
    assert not [finding for finding in findings if finding.level is Level.ERROR]
    assert "operations.renew_product" in {finding.place for finding in findings}

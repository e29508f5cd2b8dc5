"""What one writes a mapping file with: describe, check-mapping, dry-run; none calls anything."""

from __future__ import annotations

import base64
import json
import re
from datetime import UTC, datetime
from pathlib import Path

import pytest
from contract_desks import CONTRACTS, texts
from lxml import etree

from igcsante.cli.main import run
from igcsante.errors import ConfigError, ContractError, UsageError
from igcsante.identifiers import StructureId
from igcsante.secret import Secret
from igcsante.ws.contract import codec
from igcsante.ws.contract.conformity import Level, check_mapping
from igcsante.ws.contract.describe import needed, offered
from igcsante.ws.contract.fault_kinds import FAULT_KINDS
from igcsante.ws.contract.mapping import load_mapping
from igcsante.ws.contract.paths import OWN_TEXT, ElementPath
from igcsante.ws.contract.wsdl import WsdlContract
from igcsante.ws.model import Revocation, RevocationReason, RevocationReceipt, Withdrawal
from igcsante.ws.operations import OPERATIONS
from igcsante.ws.soap.rehearsal import MASK, SAMPLE_CSR, rehearse

NOW = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
WSDLS = {"addressed": "contract.wsdl", "bare": "contract.wsdl", "split": "commandes.wsdl"}


def files(name):
    return CONTRACTS / name / WSDLS[name], CONTRACTS / name / "mapping.toml"


def contract(name=None):
    if name is None:
        return WsdlContract(load_mapping())
    wsdl, mapping = files(name)
    return WsdlContract(load_mapping(mapping), wsdl)


@pytest.fixture
def changed(tmp_path):
    """A contract of the tests in whose mapping one text is another."""

    def change(name, old, new):
        for file in (CONTRACTS / name).iterdir():
            (tmp_path / file.name).write_bytes(file.read_bytes())
        mapping = tmp_path / "mapping.toml"
        text = mapping.read_text()
        assert old in text
        mapping.write_text(text.replace(old, new))
        return tmp_path / WSDLS[name], mapping

    return change


# -- paths ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "steps", "attribute", "repeated"),
    [
        ("a", ("a",), "", 0),
        ("a.b-c.d_1", ("a", "b-c", "d_1"), "", 2),
        ("a.b[].c", ("a", "b", "c"), "", 1),
        ("a.b.@c", ("a", "b"), "c", 1),
        ("a[].b.@c", ("a", "b"), "c", 0),
        ("@c", (), "c", -1),
        (".", (), "", -1),
        (".@c", (), "c", -1),
    ],
)
def test_a_path_is_read_and_written(text, steps, attribute, repeated):
    path = ElementPath.parse(text)
    assert (path.steps, path.attribute, path.repeated) == (steps, attribute, repeated)
    assert ElementPath.parse(str(path)) == path


@pytest.mark.parametrize(
    "text",
    ["", "a..b", "a.", ".a", "1a", "a b", "a@b", "@", "a.@", "@a.b", "a[][]", "a[].b[]", "["],
)
def test_a_text_that_is_no_path_is_refused(text):
    with pytest.raises(ValueError) as caught:
        ElementPath.parse(text)
    assert str(caught.value) == text


# -- what a mapping file may say -----------------------------------------------------------


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('binary = "xop"', 'binary = "zip"', "xop"),
        ('serial = "decimal"', 'serial = "octal"', "decimal"),
        ('use = "always"', 'use = "perhaps"', "always"),
        ('"addressing"]', '"header"]', "timestamp"),
        ("lifetime = 120", "lifetime = 0", "1 to"),
        ('X9 = "maintenance"', 'X9 = "holiday"', "maintenance"),
        ('name = "GetOrder"', 'name = "GetOrder"\nbinding = "other"', "binding"),
        ('total = "@count"', 'total = "@"', "element name"),
        ('structure.number = "Org', 'structure.value = "Org', "structure.value"),
        ('revocation_code = "Rev', 'revocation_code.x = "Rev', "revocation_code.x"),
        ("[formats]", '[formats]\ntrue = "yes"', "other one"),
        ('{ 1 = "FINESS", 3', '{ 9 = "FINESS", 3', "unknown key '9'"),
    ],
)
def test_a_wrong_mapping_is_refused_with_its_place(changed, old, new, said):
    with pytest.raises(ConfigError) as caught:
        load_mapping(changed("addressed", old, new)[1])
    assert said in f"{caught.value.message} {caught.value.advice}"
    assert "mapping.toml" in caught.value.message


CHECKED = [
    ("addressed", 'total = "@count"', 'total = "@sum"', "search_products.response.total"),
    ("addressed", "Contact[].Mail", "Contact.Mail", "order_product.request.emails"),
    ("addressed", '= "Organisation.Scheme"', '= "Org.Scheme"', "request.structure.type"),
    (
        "addressed",
        '[records.structure]\nnational_id.type = "Scheme"\n',
        "[records.structure]\n",
        "records.structure.national_id.type",
    ),
    ("addressed", 'page_size = "Page.@size"', "page_size = []", "search_products.request"),
    ("addressed", 'state = "REVOQUE" }', 'state = "GONE" }', "revoke_product.defaults.state"),
    ("addressed", 'SIGN = "signature"', 'SIGN = "sign"', "enums.usage.SIGN"),
    ("addressed", '"Bundle"', '"Person"', "withdraw_product.response.content"),
    ("bare", '"@version" = "2.1", "@lot"', '"@lot"', "operations.order_product.request"),
    ("bare", '"@lot" = "{uuid}"', '"@lott" = "x"', "order_product.constants.@lott"),
    ("bare", 'product = { renewable = "false", ', "product = { ", "records.product.renewable"),
    ("bare", 'renewable = "false"', 'renewable = "non"', "defaults.product.renewable"),
    ("split", 'commande.modeCle = "PF"', 'commande.mode = "PF"', "when.key_password"),
    ("split", "appelant.echange", "appelant.numero", "headers.appelant.numero"),
    ("split", 'label = "objet"\nstate = "st"', 'label = "objet"', "records.product.state"),
]


@pytest.mark.parametrize(("name", "old", "new", "place"), CHECKED)
def test_checking_tells_where_mapping_and_wsdl_differ(changed, name, old, new, place):
    findings = check_mapping(*changed(name, old, new))
    errors = [finding.place for finding in findings if finding.level is Level.ERROR]
    assert any(place in found for found in errors), findings


def test_checking_warns_of_services_that_would_all_be_asked_at_one_address(changed):
    findings = check_mapping(*changed("split", 'path = "/services/suivi/v2"\n', ""))
    (finding,) = findings
    assert finding.level is Level.WARNING
    assert "/services/suivi/v2" in finding.message


# -- values --------------------------------------------------------------------------------


def test_several_formats_of_time_are_read_and_the_first_is_written(changed):
    _, path = changed("split", 'datetime = ["iso"]', 'datetime = ["%d/%m/%Y %H:%M", "%d/%m/%Y"]')
    mapping = load_mapping(path)
    xml = "<r><statut>REVOQUE</statut><le>{}</le></r>"
    for text, hour in (("22/11/2026 11:00", 10), ("22/11/2026", 23)):
        receipt = codec.decode(
            mapping,
            "revoke_product",
            RevocationReceipt,
            etree.fromstring(xml.format(text)),
            at=NOW,
        )
        assert receipt.revoked_at.hour == hour


def test_a_revocation_without_a_time_counts_from_its_answer_when_the_mapping_says_so(changed):
    _, path = changed(
        "addressed",
        'defaults = { state = "REVOQUE" }',
        'defaults = { state = "REVOQUE", revoked_at = "{time}" }',
    )
    receipt = codec.decode(
        load_mapping(path), "revoke_product", RevocationReceipt, etree.fromstring("<r/>"), at=NOW
    )
    assert receipt.revoked_at == NOW


@pytest.mark.parametrize(
    "etab",
    ['TypeStructure="9" IdentifiantStructure="1"', 'TypeStructure="3"', 'IdentifiantStructure="1"'],
)
def test_an_identifier_in_two_places_is_checked_as_a_whole(etab):
    mapping = load_mapping(files("bare")[1])
    xml = f'<l><droit offre="1"><etab {etab}>X</etab><usage>01</usage></droit></l>'
    with pytest.raises(ContractError, match="national_id"):
        codec.decode(
            mapping,
            "list_habilitations",
            OPERATIONS["list_habilitations"].response,
            etree.fromstring(xml),
            at=NOW,
        )


def test_words_of_a_contract_stand_for_yes_and_no():
    mapping = load_mapping(files("bare")[1])
    asked = codec.encode(
        mapping, "withdraw_product", Withdrawal("P", Secret("code-1"), True), at=NOW
    )
    assert asked == {"@id": "P", "@code": "code-1", "@accord": "O"}


def test_decimal_serials_become_hexadecimal_and_back():
    mapping = load_mapping(files("addressed")[1])
    revocation = Revocation(Secret("code-1"), RevocationReason.NON_PRECISE, serial="0A:FF")
    assert codec.encode(mapping, "revoke_product", revocation, at=NOW)["Serial"] == "2815"


def test_an_element_s_text_and_attributes_are_put_together_in_any_order(changed):
    for constants in ('{ "@v" = "1", "." = "t" }', '{ "." = "t", "@v" = "1" }'):
        inner = constants.replace('"@v"', '"a.@v"').replace('"."', '"a"')
        _, path = changed("bare", 'name = "retrait"', f'name = "retrait"\nconstants = {inner}')
        mapping = load_mapping(path)
        asked = codec.encode(
            mapping, "withdraw_product", Withdrawal("P", Secret("code-1"), True), at=NOW
        )
        assert asked["a"] == {"@v": "1", OWN_TEXT: "t"}


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("2026-11-22Z", datetime(2026, 11, 22, tzinfo=UTC)),
        ("2026-11-22+01:00", datetime(2026, 11, 21, 23, tzinfo=UTC)),
        ("2026-11-22", datetime(2026, 11, 21, 23, tzinfo=UTC)),
    ],
)
def test_a_date_counts_from_its_midnight(text, time):
    mapping = load_mapping(files("split")[1])
    xml = f"<r><statut>REVOQUE</statut><le>{text}</le></r>"
    receipt = codec.decode(
        mapping, "revoke_product", RevocationReceipt, etree.fromstring(xml), at=NOW
    )
    assert receipt.revoked_at == time


def rehearsed(contract_files, operation, *given):
    wsdl, mapping = contract_files
    request = rehearse(WsdlContract(load_mapping(mapping), wsdl), operation, given, at=NOW)
    return etree.fromstring(request.body)


def test_several_values_for_what_occurs_once_are_refused(changed):
    contract_files = changed("split", '"commande.objet.hote"', '"commande.objet.boite"')
    given = ("offre=SERV", "usage=SSL_SERV", "fqdns=a.exemple.fr")
    assert (
        rehearsed(contract_files, "order_product", *given).find(".//boite").text == "a.exemple.fr"
    )
    with pytest.raises(ConfigError, match="occurs once"):
        rehearsed(contract_files, "order_product", *given, "fqdns=b.exemple.fr")


def test_values_are_written_as_the_schema_s_types_want_them(changed):
    formats = 'binary = "text"\ntrue = "O"\nfalse = "N"\n'
    contract_files = changed("bare", formats, "")
    asked = rehearsed(contract_files, "withdraw_product").find(".//{*}retrait")
    assert asked.get("accord") == "true"
    asked = rehearsed(contract_files, "order_product").find(".//{*}commande")
    assert base64.b64decode(asked.find("p10").text) == SAMPLE_CSR


def test_addressing_is_used_where_the_wsdl_names_an_action(changed):
    text = changed("addressed", 'use = "always"', 'use = "auto"')
    text[1].write_text(text[1].read_text().replace('"xop"', '"base64Binary"'))
    assert rehearsed(text, "renew_product").find(".//{*}MessageID") is not None
    assert rehearsed(text, "get_product").find(".//{*}MessageID") is None


SHAPES = (CONTRACTS / "shapes" / "contract.wsdl", CONTRACTS / "shapes" / "mapping.toml")


def test_however_a_schema_puts_elements_together_a_request_follows_it():
    assert {f.level for f in check_mapping(*SHAPES)} == {Level.WARNING}
    schema = etree.XMLSchema(etree.parse(CONTRACTS / "shapes" / "types.xsd"))
    mails = ("emails=a@exemple.fr", "emails=b@exemple.fr")
    hosts = ("offre=SERV", "usage=SSL_SERV", "fqdns=a.exemple.fr", "fqdns=b.exemple.fr")
    for given in (mails, (*mails, *hosts)):
        asked = rehearsed(SHAPES, "order_product", *given).find("{*}Body")[0]
        schema.assertValid(asked)
        assert [mail.text for mail in asked.findall("avis")] == ["a@exemple.fr", "b@exemple.fr"]
        assert [canal.text for canal in asked.findall("canal")] == ["COURRIEL"] * 2
        assert len(asked.findall("dns")) == (2 if given is not mails else 0)


def test_lists_that_repeat_together_must_be_as_long_as_each_other(tmp_path):
    text = SHAPES[1].read_text().replace('fqdns = "dns"', 'fqdns = "canal"')
    mapping = tmp_path / "mapping.toml"
    mapping.write_text(text.replace(', canal = "COURRIEL"', ""))
    given = ("offre=SERV", "usage=SSL_SERV", "emails=a@exemple.fr", "emails=b@exemple.fr")
    with pytest.raises(ConfigError, match="not as many values"):
        names = ("fqdns=a.exemple.fr", "fqdns=b.exemple.fr", "fqdns=c.exemple.fr")
        rehearsed((SHAPES[0], mapping), "order_product", *given, *names)


def test_an_operation_without_an_answer_is_described_and_not_mapped(tmp_path):
    assert {o.name: len(o.response) for o in offered(SHAPES[0])} == {"commande": 1, "signal": 0}
    mapping = tmp_path / "mapping.toml"
    mapping.write_text(SHAPES[1].read_text().replace('name = "commande"', 'name = "signal"'))
    places = {f.place: f.message for f in check_mapping(SHAPES[0], mapping)}
    assert "not document/literal" in places["operations.order_product.name"]


def test_what_a_choice_offers_is_not_said_to_be_required():
    (order, _) = offered(SHAPES[0])
    required = {spot.path for spot in order.request if spot.required}
    assert required == {"@marque", "version", "avis", "canal", "etab", "offre"}


# -- describe --------------------------------------------------------------------------------


@pytest.mark.parametrize("name", WSDLS)
def test_every_place_of_a_contract_is_described_with_what_goes_there(name):
    wsdl, path = files(name)
    found = {operation.maps: operation for operation in offered(wsdl, load_mapping(path))}
    assert set(found) == set(OPERATIONS)
    order = found["order_product"]
    assert order.soap == ("1.2" if name == "addressed" else "1.1")
    fields = {spot.field for spot in order.request}
    assert {"usage", "emails", "csr", "holder.surname"} <= fields
    assert not [spot for spot in order.request if spot.required and not spot.field]
    (emails,) = (spot for spot in order.request if spot.field == "emails")
    assert emails.required
    assert emails.repeated


def test_a_wsdl_is_described_without_a_mapping_too():
    wsdl, _ = files("bare")
    found = offered(wsdl)
    assert [operation.maps for operation in found] == [""] * 7
    (etat,) = (operation for operation in found if operation.name == "etat")
    assert [spot.path for spot in etat.request] == ["."]
    assert {"@etat", "etab", "etab.@Dep", "cert.@sn", "avis"} <= {s.path for s in etat.response}
    (usage,) = (spot for spot in found[0].response if spot.path == "droit.usage")
    assert usage.words == ("01", "02", "03", "04", "05", "06")


def test_a_mapping_for_another_wsdl_does_not_hide_what_is_there():
    found = offered(files("bare")[0], load_mapping(files("addressed")[1]))
    assert len(found) == 7


def test_what_is_needed_says_what_has_no_place(changed):
    _, path = changed("addressed", 'client_reference = "ClientReference"\n\n', "\n")
    (order,) = (need for need in needed(load_mapping(path)) if need.name == "order_product")
    assert [field.name for field in order.request if not field.mapped] == ["client_reference"]
    assert order.bound_to == "CreateOrder"
    assert all(not field.mapped for need in needed() for field in need.request)


def test_a_type_that_holds_itself_is_described_to_an_end(tmp_path):
    xsd = tmp_path / "types.xsd"
    text = (CONTRACTS / "bare" / "types.xsd").read_text()
    xsd.write_text(
        text.replace(
            '<x:element name="avis" type="x:string" minOccurs="0" maxOccurs="unbounded"/>',
            '<x:element name="produit" type="t:Produit" minOccurs="0"/>',
        )
    )
    wsdl = tmp_path / "contract.wsdl"
    wsdl.write_bytes((CONTRACTS / "bare" / "contract.wsdl").read_bytes())
    (found,) = (operation for operation in offered(wsdl) if operation.name == "etat")
    assert 50 < len(found.response) <= 400


# -- dry-run -----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [None, *WSDLS])
@pytest.mark.parametrize("operation", OPERATIONS)
def test_every_request_can_be_seen_before_any_is_sent(name, operation):
    request = rehearse(contract(name), operation, (), at=NOW)
    assert request.address.endswith(".invalid/" + request.target.lstrip("/"))
    assert request.body


def test_a_rehearsed_request_is_the_one_that_would_be_sent(soap_server, throw_away_ca, tmp_path):
    from igcsante.ws.client import ZeepPlatform
    from igcsante.ws.model import Offre, ProductRequest, Usage

    csr = tmp_path / "server.csr"
    csr.write_bytes(b"\x30\x01\x02")
    given = ("offre=SERV", "usage=S/MIME", "structure=10B0999003", "email=a@exemple.fr")
    given += ("emails=b@exemple.fr", "emails=c@exemple.fr", f"csr={csr}", "client_reference=r-1")
    shown = rehearse(contract(), "order_product", given, endpoint=soap_server.url, at=NOW)
    order = ProductRequest(
        Offre.SERV,
        Usage.SMIME,
        StructureId.parse("10B0999003"),
        ("b@exemple.fr", "c@exemple.fr"),
        email="a@exemple.fr",
        csr=csr.read_bytes(),
        client_reference="r-1",
    )
    with (
        ZeepPlatform(soap_server.url, throw_away_ca.client_context()) as client,
        pytest.raises(ContractError),
    ):
        client.order_product(order)
    ((path, headers, body),) = soap_server.requests
    assert body == shown.body
    assert path == shown.target
    assert {name: headers[name] for name in shown.headers} == shown.headers


def test_no_secret_is_taken_or_shown():
    with pytest.raises(UsageError, match="secret"):
        rehearse(contract(), "withdraw_product", ("revocation_code=canari",), at=NOW)
    request = rehearse(contract(), "order_product", (f"key_password={MASK}",), at=NOW)
    asked = texts(etree.fromstring(request.body))
    assert MASK in asked.values()
    assert not any(key.endswith("csr") for key in asked)


@pytest.mark.parametrize(
    ("operation", "given", "said"),
    [
        ("order", (), "order_product"),
        ("order_product", ("usages=SIGN",), "did you mean 'usage'"),
        ("order_product", ("usage",), "name=value"),
        ("order_product", ("usage=SSL_SERV",), "no usage of ORG"),
        ("order_product", ("usage=SIGN", "usage=CONF"), "one value"),
        ("order_product", ("fqdns=localhost", "offre=SERV", "usage=SSL_SERV"), "full host name"),
        ("order_product", ("holder.surname=DOE", "offre=PS", "usage=SIGN"), "given_name"),
        ("search_products", ("page=one",), "makes no sense"),
        ("search_products", ("expires_before=tomorrow",), "makes no sense"),
        ("withdraw_product", ("accepted=oui",), "makes no sense"),
    ],
)
def test_a_field_that_makes_no_sense_is_told(operation, given, said):
    with pytest.raises(UsageError) as caught:
        rehearse(contract(), operation, given, at=NOW)
    assert said in f"{caught.value.message} {caught.value.advice}"


def test_a_request_has_a_timestamp_where_the_contract_wants_one(changed):
    sign = 'sign = ["body", "timestamp", "addressing"]'
    for wanted, there in ((sign, True), ('sign = ["body"]', False)):
        contract_files = changed("addressed", sign, wanted)
        text = contract_files[1].read_text().replace('"xop"', '"base64Binary"')
        contract_files[1].write_text(text)
        found = rehearsed(contract_files, "get_product").find(".//{*}Timestamp")
        assert (found is not None) is there


def test_a_request_without_an_address_is_asked_for_one(tmp_path):
    wsdl = tmp_path / "contract.wsdl"
    text = SHAPES[0].read_text()
    wsdl.write_text(text.replace('location="https://shapes.invalid/"', 'location=""'))
    (tmp_path / "types.xsd").write_bytes((CONTRACTS / "shapes" / "types.xsd").read_bytes())
    with pytest.raises(ConfigError, match="no address"):
        rehearsed((wsdl, SHAPES[1]), "order_product")


# -- as commands ---------------------------------------------------------------------------------


@pytest.fixture
def igc(capsys, tmp_path, monkeypatch):
    monkeypatch.setenv("IGC_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("IGC_CONFIG_DIR", str(tmp_path / "config"))

    def call(*arguments):
        code = run([str(argument) for argument in arguments])
        out, err = capsys.readouterr()
        return code, out, err

    return call


def contract_options(name):
    wsdl, mapping = files(name)
    return "--wsdl", wsdl, "--mapping", mapping


def test_dry_run_shows_the_request_and_says_that_nothing_is_sent(igc):
    code, out, err = igc(
        "ws", "dry-run", "get_product", "product_id=P-9", *contract_options("bare")
    )
    assert code == 0
    assert out.startswith("POST /echanges HTTP/1.1\nHost: bare.invalid\n")
    assert ">P-9</" in out
    assert "Nothing was sent" in err


def test_dry_run_lacks_the_reference_where_the_mapping_has_no_place_for_it(changed):
    contract_files = changed("bare", 'client_reference = "@ReferenceCommandeClient"\n', "")
    asked = rehearsed(contract_files, "order_product").find(".//{*}commande")
    assert "ReferenceCommandeClient" not in asked.attrib
    with pytest.raises(ConfigError, match="client_reference"):
        rehearsed(contract_files, "order_product", "client_reference=mine")


def test_dry_run_says_what_would_be_signed(igc):
    code, out, _ = igc("ws", "dry-run", "get_product", *contract_options("addressed"), "--json")
    assert code == 0
    told = json.loads(out)
    assert told["signed"] == ["body", "timestamp", "addressing"]
    assert "SignatureValue" not in told["body"]
    assert told["headers"]["Content-Type"].startswith("multipart/related")


def test_describe_marks_what_nothing_fills(igc, changed):
    wsdl, mapping = changed("bare", '"@lot" = "{uuid}", ', "")
    code, out, _ = igc("ws", "describe", "--wsdl", wsdl, "--mapping", mapping)
    assert code == 0
    assert re.search(r"@lot +string required  <- nothing fills it", out)
    assert re.search(r"@offre +CodeOffre required \(1, 2, 3, 4\)  <- offre", out)


def test_describe_without_a_wsdl_says_whose_contract_it_shows(igc):
    code, out, err = igc("ws", "describe")
    assert code == 0
    assert "not the ANS's" in err
    assert "nothing: every field has its place" in out


def test_check_mapping_takes_the_files_of_the_command_line(igc):
    assert igc("ws", "check-mapping", *contract_options("split"))[0] == 0
    wsdl, mapping = files("bare")[0], files("addressed")[1]
    code, out, err = igc("ws", "check-mapping", "--wsdl", wsdl, "--mapping", mapping)
    assert code == 2
    assert "does not fit" in err
    assert "operations.order_product.name" in out


def test_checking_with_no_mapping_says_whose_mapping_the_wsdl_does_not_fit(igc):
    code, _, err = igc("ws", "check-mapping", "--wsdl", files("bare")[0])
    assert code == 2
    assert "igcsante's own mock" in err
    assert "--mapping" in err
    both = ("--wsdl", files("bare")[0], "--mapping", files("addressed")[1])
    assert "own mock" not in igc("ws", "check-mapping", *both)[2]


def test_checking_neither_file_says_that_it_checks_the_mock(igc):
    code, out, err = igc("ws", "check-mapping")
    assert code == 0
    assert "own mock" in err and "not the ANS's" in err
    assert "mock" in out
    assert "not the ANS's" not in igc("ws", "check-mapping", *contract_options("split"))[2]


def test_describe_says_of_an_rpc_wsdl_that_it_can_not_be_used(igc, tmp_path):
    wsdl = tmp_path / "rpc.wsdl"
    text = SHAPES[0].read_text()
    assert 'style="document"' in text
    wsdl.write_text(text.replace('style="document"', 'style="rpc"'))
    for import_ in SHAPES[0].parent.glob("*.xsd"):
        (tmp_path / import_.name).write_bytes(import_.read_bytes())
    code, out, _ = igc("ws", "describe", "--wsdl", wsdl)
    assert code == 0
    assert "commande\n    can't be used: it is RPC, not document/literal" in out
    assert "can't be used" not in igc("ws", "describe", "--wsdl", SHAPES[0])[1]


# -- the documentation ---------------------------------------------------------------------------

DOCUMENT = (Path(__file__).parents[2] / "docs" / "mapping.md").read_text("utf-8")


def test_the_documentation_tells_every_kind_of_fault_with_its_exit_code():
    rows = re.findall(r"^\| (`.*`) \| (\d+) \|", DOCUMENT, re.MULTILINE)
    told = {kind: int(code) for kinds, code in rows for kind in re.findall(r"`(\w+)`", kinds)}
    assert told == {name: int(kind.error.exit_code) for name, kind in FAULT_KINDS.items()}


def test_the_documentation_s_operation_is_read(tmp_path):
    (block,) = re.findall(r"```toml\n(format = 1.*?)```", DOCUMENT, re.DOTALL)
    path = tmp_path / "mapping.toml"
    path.write_text(block)
    spelled = load_mapping(path).operation("order_product").request
    assert [str(one) for one in spelled["emails"]] == ["avis.contact[].adresse"]
    assert spelled["client_reference"] == ()

from __future__ import annotations

import base64
import http.client
import io
import logging
import socket
import ssl
import sys
from contextlib import redirect_stdout
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.serialization import Encoding
from lxml import etree
from ws_contract import STRUCTURE, TNS, envelope, fault, product_xml, reply, soap_body

from igcsante.credentials import (
    SOFTWARE_SCHEMES,
    Credential,
    ExternalRsaKey,
    RsaScheme,
    cryptography_padding,
    hash_algorithm,
)
from igcsante.errors import (
    CardRemovedError,
    ContractError,
    IgcError,
    NetworkError,
    NotHabilitatedError,
    PlatformRefusedError,
    PlatformUnavailableError,
    TimeoutExceededError,
    TlsError,
    UsageError,
)
from igcsante.identifiers import StructureId
from igcsante.secret import Secret
from igcsante.tls import client_context, signatures_made
from igcsante.ws.client import ZeepPlatform
from igcsante.ws.model import (
    Habilitation,
    Holder,
    KeyMode,
    Offre,
    OrderReceipt,
    ProductRequest,
    ProductSearch,
    ProductState,
    Renewal,
    Revocation,
    RevocationReason,
    Scope,
    ScopeKind,
    Structure,
    Usage,
    Withdrawal,
    World,
)
from igcsante.ws.soap import route
from igcsante.ws.soap.transport import Limits

STRUCTURE_ID = StructureId.parse("318751275100020")
ORDER = ProductRequest(
    offre=Offre.ORG,
    usage=Usage.AUTH_CLI,
    structure=STRUCTURE_ID,
    emails=("pki@exemple.fr",),
    service_name="DMP",
    csr=b"\x30\x01\xff",
    client_reference="igc-1",
)
WITHDRAWAL = Withdrawal("P-1", Secret("code-canari"), True, Secret("passe-canari"))
DER = base64.b64encode(b"\x30\x03\x02\x01\x05").decode()
WITHDRAWN = (
    "<nomFichier>a.p12</nomFichier><typeContenu>application/x-pkcs12</typeContenu>"
    f"<contenu>{DER}</contenu><certificat>{DER}</certificat><chaine>{DER}</chaine>"
    f"<chaine>{DER}</chaine>"
)
RECEIPT = "<idProduit>P-1</idProduit><etat>A_RETIRER</etat><urlRetrait>https://x/1</urlRetrait>"


def in_doubt(error: IgcError) -> bool:
    return bool(error.fields.get("outcome_unknown"))


# -- the seven operations ------------------------------------------------------------


@pytest.fixture
def conversation(soap_server, platform, mock_schema):
    """Answer with one reply, and give back the request, once both fit the schema."""

    def converse(call, operation: str, inner: str):
        answer = reply(operation, inner)
        mock_schema.assertValid(soap_body(answer.encode()))
        soap_server.always(answer)
        result = call(platform)
        body = soap_body(soap_server.requests[-1][2])
        mock_schema.assertValid(body)
        assert body.tag == f"{{{TNS}}}{operation}"
        return result, {child.tag: child.text for child in body}

    return converse


def test_habilitations_are_listed(conversation):
    inner = (
        f"<habilitations>{STRUCTURE}<offre>SERV</offre><usages>SSL_SERV</usages>"
        "<usages>S/MIME</usages><perimetre><type>DOMAINE</type><valeur>exemple.fr</valeur>"
        "</perimetre><monde>TEST</monde></habilitations>"
    )
    found, asked = conversation(
        lambda p: p.list_habilitations(Offre.SERV, "clinique"), "listerHabilitations", inner
    )
    assert asked == {"offre": "SERV", "texteStructure": "clinique"}
    assert found == (
        Habilitation(
            Structure(STRUCTURE_ID, "CLINIQUE D'ESSAI", "Côte-d'Or (21)"),
            Offre.SERV,
            (Usage.SSL_SERV, Usage.SMIME),
            Scope(ScopeKind.DOMAINE, "exemple.fr"),
            World.TEST,
        ),
    )


def test_no_habilitation_is_an_empty_answer(conversation):
    found, _ = conversation(lambda p: p.list_habilitations(), "listerHabilitations", "")
    assert found == ()


def test_an_order_is_placed(conversation):
    receipt, asked = conversation(lambda p: p.order_product(ORDER), "demanderProduit", RECEIPT)
    assert receipt == OrderReceipt("P-1", ProductState.A_RETIRER, "https://x/1")
    assert asked == {
        "offre": "ORG",
        "usage": "AUTH_CLI",
        "idStructure": "318751275100020",
        "serviceApplicatif": "DMP",
        "csr": "MAH/",
        "emails": "pki@exemple.fr",
        "referenceClient": "igc-1",
    }


def test_an_order_for_a_person_carries_its_holder(conversation):
    request = ProductRequest(
        Offre.PRO,
        Usage.AUTH,
        STRUCTURE_ID,
        ("pki@exemple.fr",),
        holder=Holder("DOE", "Jane", "jane@exemple.fr"),
        key_password=Secret("mot de passe <&>"),
    )
    _, asked = conversation(lambda p: p.order_product(request), "demanderProduit", RECEIPT)
    assert asked["motDePasseCle"] == "mot de passe <&>"
    assert "titulaire" in asked


def test_products_are_searched(conversation):
    inner = f"<produits>{product_xml()}</produits><total>41</total>"
    search = ProductSearch(
        states=(ProductState.ACTIF, ProductState.EXPIRE),
        expires_before=datetime(2027, 1, 1, tzinfo=UTC),
        page=2,
    )
    page, asked = conversation(lambda p: p.search_products(search), "rechercherProduits", inner)
    assert page.total == 41
    assert page.products[0].client_reference == "ref-P-1"
    assert asked["finAvant"] == "2027-01-01T00:00:00Z"
    assert (asked["page"], asked["taille"]) == ("2", "50")


def test_a_product_is_told_in_full(conversation):
    extra = (
        "<dateRetrait>2026-11-22T09:00:00Z</dateRetrait><numeroSerie>0AFF</numeroSerie>"
        "<dnSujet>CN=DMP</dnSujet><dnEmetteur>CN=AC</dnEmetteur>"
        "<debutValidite>2026-11-22T09:00:00Z</debutValidite>"
        "<finValidite>2029-11-22T09:00:00Z</finValidite>"
    )
    inner = f"<produit>{product_xml(state='ACTIF', extra=extra)}</produit>"
    product, _ = conversation(lambda p: p.get_product("P-1"), "consulterProduit", inner)
    assert product.state is ProductState.ACTIF
    assert product.key_mode is KeyMode.CSR
    assert (product.serial, product.subject) == ("0AFF", "CN=DMP")
    assert product.not_after == datetime(2029, 11, 22, 9, tzinfo=UTC)
    assert product.emails == ("pki@exemple.fr",)
    assert product.renewable is False
    assert product.revoked_at is None


def test_a_product_is_withdrawn(conversation):
    product, asked = conversation(
        lambda p: p.withdraw_product(WITHDRAWAL), "retirerProduit", WITHDRAWN
    )
    assert product.content == b"\x30\x03\x02\x01\x05"
    assert len(product.chain) == 2
    assert asked["codeRevocation"] == asked["confirmationCode"] == "code-canari"
    assert asked["acceptationBeneficiaire"] == "true"


def test_a_certificate_is_revoked(conversation):
    inner = "<etat>REVOQUE</etat><dateRevocation>2026-11-22T09:00:00Z</dateRevocation>"
    revocation = Revocation(Secret("code"), RevocationReason.PERTE_OU_VOL, serial="0a:ff")
    receipt, asked = conversation(lambda p: p.revoke_product(revocation), "revoquerProduit", inner)
    assert receipt.revoked_at == datetime(2026, 11, 22, 9, tzinfo=UTC)
    assert asked == {"numeroSerie": "0AFF", "codeRevocation": "code", "motif": "PERTE_OU_VOL"}


def test_a_product_is_renewed(conversation):
    receipt, asked = conversation(
        lambda p: p.renew_product(Renewal("P-1", csr=b"x")), "renouvelerProduit", RECEIPT
    )
    assert receipt.product_id == "P-1"
    assert asked == {"idProduit": "P-1", "csr": "eA=="}


def test_one_connection_serves_all_calls(soap_server, platform):
    soap_server.always(reply("listerHabilitations", ""))
    for _ in range(5):
        platform.list_habilitations()
    assert soap_server.connections == 1


def test_a_connection_that_was_closed_meanwhile_is_opened_again(soap_server, platform):
    soap_server.always(reply("listerHabilitations", ""), Connection="close")
    for _ in range(2):
        platform.list_habilitations()
    assert soap_server.connections == 2


def test_the_request_goes_to_the_address_that_was_given(soap_server, platform):
    soap_server.always(reply("listerHabilitations", ""))
    platform.list_habilitations()
    path, headers, _ = soap_server.requests[0]
    assert path == "/pfc-mock/services/Pfc/soap/v1"
    assert headers["Content-Type"] == "text/xml; charset=utf-8"
    assert headers["SOAPAction"] == '""'


# -- faults --------------------------------------------------------------------------


def test_a_functional_fault_is_a_refusal_with_its_code_and_field(soap_server, platform):
    answer = fault("ErreurFonctionnelle", "MOCK-F03", "hors périmètre", "fqdn")
    soap_server.always(answer, status=500)
    with pytest.raises(PlatformRefusedError, match="hors périmètre") as caught:
        platform.order_product(ORDER)
    assert caught.value.fields == {"fault": "MOCK-F03", "field": "fqdns", "kind": "out_of_scope"}
    assert caught.value.exit_code == 11


def test_the_fault_for_lack_of_habilitation_has_its_own_error(soap_server, platform):
    soap_server.always(fault("ErreurFonctionnelle", "MOCK-F01", "non habilité"), status=500)
    with pytest.raises(NotHabilitatedError):
        platform.order_product(ORDER)


@pytest.mark.parametrize(
    ("code", "status", "doubt"),
    [
        ("MOCK-T01", 500, True),
        ("MOCK-T01", 503, True),
        ("MOCK-T03", 500, True),
        ("MOCK-T03", 503, False),
    ],
)
def test_a_technical_fault_means_unavailable(soap_server, platform, code, status, doubt):
    soap_server.always(fault("ErreurTechnique", code, "AC arrêtée"), status=status)
    with pytest.raises(PlatformUnavailableError, match="AC arrêtée") as caught:
        platform.order_product(ORDER)
    assert caught.value.fields["fault"] == code
    assert caught.value.exit_code == 12
    assert in_doubt(caught.value) is doubt


@pytest.mark.parametrize(
    ("side", "error"), [("Client", PlatformRefusedError), ("Server", PlatformUnavailableError)]
)
def test_a_fault_without_detail_goes_by_its_side(soap_server, platform, side, error):
    soap_server.always(
        envelope(
            f"<s:Fault><faultcode>s:{side}</faultcode><faultstring>non</faultstring></s:Fault>"
        ),
        status=500,
    )
    with pytest.raises(error, match="non"):
        platform.order_product(ORDER)


def test_a_fault_that_repeats_a_secret_is_shown_without_it(soap_server, platform):
    answer = fault("ErreurFonctionnelle", "MOCK-F14", "passe-canari n'est pas bon, code-canari")
    soap_server.always(answer, status=500)
    with pytest.raises(PlatformRefusedError) as caught:
        platform.withdraw_product(WITHDRAWAL)
    assert "canari" not in str(caught.value.to_dict())


# -- answers that are none -----------------------------------------------------------

BOMB = (
    '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa">'
    + "".join(
        f'<!ENTITY {n} "{f"&{m};" * 10}">' for m, n in zip("abcdefgh", "bcdefghi", strict=True)
    )
    + "]>"
)
HOSTILE = {
    "empty": b"",
    "no xml": b"\x00\xff\xfe hello",
    "truncated": reply("demanderProduit", RECEIPT)[:-30].encode(),
    "dtd": b'<!DOCTYPE a SYSTEM "http://127.0.0.1:9/x.dtd">'
    + reply("demanderProduit", RECEIPT).encode(),
    "entity bomb": (BOMB + reply("demanderProduit", "<idProduit>&i;</idProduit>")).encode(),
    "wrong namespace": reply("demanderProduit", RECEIPT).replace(TNS, "urn:autre").encode(),
    "other envelope": reply("demanderProduit", RECEIPT)
    .replace("schemas.xmlsoap", "autre")
    .encode(),
    "other operation": reply("retirerProduit", WITHDRAWN).encode(),
    "no body": f'<s:Envelope xmlns:s="{"http://schemas.xmlsoap.org/soap/envelope/"}"/>'.encode(),
    "missing element": reply("demanderProduit", "<idProduit>P-1</idProduit>").encode(),
    "strange element": reply("demanderProduit", RECEIPT + "<plus>1</plus>").encode(),
    "unknown state": reply("demanderProduit", RECEIPT.replace("A_RETIRER", "AILLEURS")).encode(),
    "deep": reply("demanderProduit", "<a>" * 5000 + "</a>" * 5000).encode(),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_an_answer_that_makes_no_sense_is_told_and_leaves_a_doubt(soap_server, platform, name):
    soap_server.always(HOSTILE[name])
    with pytest.raises(ContractError) as caught:
        platform.order_product(ORDER)
    assert caught.value.exit_code == 12
    assert in_doubt(caught.value)
    assert len(str(caught.value)) < 300


def test_a_bad_base64_is_refused_without_being_repeated(soap_server, platform):
    soap_server.always(reply("retirerProduit", WITHDRAWN.replace(DER, "canari!", 1)))
    with pytest.raises(ContractError, match="contenu") as caught:
        platform.withdraw_product(WITHDRAWAL)
    assert "canari" not in str(caught.value)


def test_an_html_page_is_named_as_such(soap_server, platform):
    soap_server.always("<html>Bienvenue</html>", kind="text/html; charset=utf-8")
    with pytest.raises(ContractError, match="an HTML page came back"):
        platform.list_habilitations()


@pytest.mark.parametrize(
    ("status", "error", "doubt"),
    [
        (301, ContractError, True),
        (307, ContractError, True),
        (401, PlatformRefusedError, False),
        (403, PlatformRefusedError, True),
        (404, ContractError, True),
        (405, ContractError, False),
        (408, ContractError, True),
        (409, ContractError, True),
        (502, PlatformUnavailableError, True),
        (429, PlatformUnavailableError, False),
        (503, PlatformUnavailableError, True),
    ],
)
def test_http_failures_have_their_errors(soap_server, platform, status, error, doubt):
    soap_server.always("<html/>", status, "text/html", Location="https://127.0.0.1:9/")
    with pytest.raises(error) as caught:
        platform.order_product(ORDER)
    assert in_doubt(caught.value) is doubt
    assert len(soap_server.requests) == 1


def test_a_compressed_answer_is_not_inflated(soap_server, platform):
    soap_server.always(reply("listerHabilitations", ""), Content_Encoding="gzip")
    with pytest.raises(NetworkError):
        platform.list_habilitations()


# -- limits --------------------------------------------------------------------------


@pytest.fixture
def limited(soap_server, throw_away_ca):
    opened = []

    def make(**limits) -> ZeepPlatform:
        values = {"connect": 5, "silence": 5, "total": 10, **limits}
        opened.append(
            ZeepPlatform(soap_server.url, throw_away_ca.client_context(), limits=Limits(**values))
        )
        return opened[-1]

    yield make
    for client in opened:
        client.close()


def test_an_endless_body_is_cut_at_the_limit(soap_server, limited):
    sent = []

    def behaviour(handler, body):
        handler.send_response(200)
        handler.send_header("Content-Type", "text/xml")
        handler.end_headers()
        while not soap_server.stopping.is_set():
            handler.wfile.write(b"<a>" * 10_000)
            sent.append(30_000)

    soap_server.behaviour = behaviour
    with pytest.raises(ContractError, match="larger than") as caught:
        limited(answer_bytes=100_000).order_product(ORDER)
    assert in_doubt(caught.value)
    assert sum(sent) < 20_000_000


def test_a_silent_platform_is_given_up(soap_server, limited):
    soap_server.behaviour = lambda handler, body: soap_server.stopping.wait()
    with pytest.raises(TimeoutExceededError) as caught:
        limited(silence=0.05).order_product(ORDER)
    assert caught.value.exit_code == 13
    assert in_doubt(caught.value)


@pytest.mark.parametrize("start", [b"HTTP/1.1 200 OK\r\nX-A: ", b"HTTP/1.1 200 OK\r\n\r\n<"])
def test_a_platform_that_drips_is_given_up_too(soap_server, limited, start):
    def behaviour(handler, body):
        handler.wfile.write(start)
        while not soap_server.stopping.wait(0.01):
            handler.wfile.write(b"a")

    soap_server.behaviour = behaviour
    with pytest.raises(TimeoutExceededError):
        limited(total=0.15).order_product(ORDER)


def test_calls_have_a_limit_together_that_outlasts_each_of_them(monkeypatch, soap_server, limited):
    now = [100.0]
    monkeypatch.setattr(route, "time", SimpleNamespace(monotonic=lambda: now[0]))
    soap_server.always(reply("listerHabilitations", ""))
    client = limited(together=25)
    client.list_habilitations()
    now[0] += 20
    client.list_habilitations()
    assert client._https._connection.wait() == 5, "of the 60 that a call may take"
    asked = len(soap_server.requests)
    now[0] += 5
    for _ in range(2):
        with pytest.raises(TimeoutExceededError):
            client.list_habilitations()
    assert len(soap_server.requests) == asked


def test_each_wait_is_bounded_by_the_silence_and_by_what_is_left(
    monkeypatch, platform, soap_server
):
    soap_server.always(reply("listerHabilitations", ""))
    platform.list_habilitations()
    now = [100.0]
    monkeypatch.setattr(route, "time", SimpleNamespace(monotonic=lambda: now[0]))
    connection = platform._https._connection
    connection._limits = Limits(silence=30, total=60)
    connection.start()
    assert connection.wait() == 30
    now[0] += 50
    assert connection.wait() == 10
    now[0] += 10
    with pytest.raises(TimeoutError):
        connection.wait()


def test_a_handshake_that_never_ends_is_given_up_with_nothing_sent(throw_away_ca):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"https://127.0.0.1:{listener.getsockname()[1]}/"
        limits = Limits(connect=0.05)
        with (
            ZeepPlatform(url, throw_away_ca.client_context(), limits=limits) as client,
            pytest.raises(TimeoutExceededError) as caught,
        ):
            client.order_product(ORDER)
    assert not in_doubt(caught.value)


def test_a_line_cut_before_the_answer_leaves_a_doubt(soap_server, platform):
    soap_server.behaviour = lambda handler, body: setattr(handler, "close_connection", True)
    with pytest.raises(NetworkError) as caught:
        platform.order_product(ORDER)
    assert in_doubt(caught.value)
    assert len(soap_server.requests) == 1


def test_an_answer_cut_in_the_middle_leaves_a_doubt(soap_server, platform):
    def behaviour(handler, body):
        handler.wfile.write(
            b"HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\nContent-Length: 99\r\n\r\n<a>"
        )
        handler.close_connection = True

    soap_server.behaviour = behaviour
    with pytest.raises(NetworkError, match="hung up") as caught:
        platform.order_product(ORDER)
    assert in_doubt(caught.value)


# -- TLS -----------------------------------------------------------------------------


def refuse(url: str, context: ssl.SSLContext, error: type[IgcError]) -> IgcError:
    with ZeepPlatform(url, context) as client, pytest.raises(error) as caught:
        client.order_product(ORDER)
    assert not in_doubt(caught.value)
    return caught.value


def test_a_server_that_the_anchors_do_not_vouch_for_is_never_told_anything(soap_server):
    error = refuse(soap_server.url, ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), TlsError)
    assert "not trusted" in error.message
    assert soap_server.requests == []


def test_a_server_of_another_name_is_refused(soap_server, throw_away_ca):
    soap_server.context.load_cert_chain(throw_away_ca.other_server_file)
    error = refuse(soap_server.url, throw_away_ca.client_context(), TlsError)
    assert "not valid for '127.0.0.1'" in error.message


def test_only_the_anchors_of_the_context_count(soap_server, platform, throw_away_ca):
    soap_server.always(reply("listerHabilitations", ""))
    platform.list_habilitations()
    assert platform._https._context.get_ca_certs() == throw_away_ca.client_context().get_ca_certs()


def test_a_context_that_verifies_nothing_is_not_used():
    context = ssl.create_default_context()
    context.check_hostname = False
    for mode in (ssl.CERT_REQUIRED, ssl.CERT_NONE):
        context.verify_mode = mode
        with pytest.raises(UsageError, match="does not verify"):
            ZeepPlatform("https://127.0.0.1/", context)


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1/",
        "127.0.0.1",
        "https://",
        "https://a b/",
        "https://u:p@a.fr/",
        "ftp://a/",
        "https://a.fr:99999/",
        "https://a.fr/x\r\nHost: b",
        "https://a.fr/#x",
        "https://[::1/",
    ],
)
def test_an_address_that_is_no_https_url_is_refused(url, throw_away_ca):
    with pytest.raises(UsageError, match="https://host"):
        ZeepPlatform(url, throw_away_ca.client_context())


def test_proxies_of_the_environment_are_not_used(soap_server, platform, monkeypatch):
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    soap_server.always(reply("listerHabilitations", ""))
    platform.list_habilitations()


def test_nobody_listening_is_a_network_error(throw_away_ca):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    error = refuse(f"https://127.0.0.1:{port}/", throw_away_ca.client_context(), NetworkError)
    assert error.exit_code == 10


def test_a_client_certificate_that_the_server_wants_and_lacks_is_told(soap_server, throw_away_ca):
    soap_server.context.verify_mode = ssl.CERT_REQUIRED
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        context = throw_away_ca.client_context()
        context.minimum_version = context.maximum_version = version
        refuse(soap_server.url, context, TlsError)


@pytest.fixture
def card(throw_away_ca):
    """A credential whose key is called from outside, as a card's is, and may be gone."""

    class Card:
        present = True
        schemes = SOFTWARE_SCHEMES

        def __init__(self) -> None:
            self.key = rsa.generate_private_key(65537, 2048)
            self.credential = Credential(
                throw_away_ca.issue_client(self.key), ExternalRsaKey(self.key.public_key(), self)
            )

        def sign_digest(self, digest: bytes, scheme: RsaScheme) -> bytes:
            if not self.present:
                raise CardRemovedError("the card was removed")
            pad = cryptography_padding(scheme)
            return self.key.sign(digest, pad, Prehashed(hash_algorithm(scheme)))

        def decipher(self, ciphertext: bytes) -> bytes:
            raise NotImplementedError

    return Card()


@pytest.fixture
def mutual(soap_server, throw_away_ca):
    soap_server.context.verify_mode = ssl.CERT_REQUIRED
    soap_server.context.load_verify_locations(
        cadata=throw_away_ca.certificate.public_bytes(Encoding.DER)
    )
    soap_server.always(reply("listerHabilitations", ""))
    return soap_server


def test_the_card_signs_once_for_all_calls(mutual, throw_away_ca, card):
    context = client_context(card.credential, [throw_away_ca.certificate])
    with ZeepPlatform(mutual.url, context) as client:
        for _ in range(3):
            client.list_habilitations()
    assert signatures_made(context) == 1


def test_a_card_pulled_out_in_the_handshake_is_what_one_hears(mutual, throw_away_ca, card):
    card.present = False
    context = client_context(card.credential, [throw_away_ca.certificate])
    refuse(mutual.url, context, CardRemovedError)


# -- nothing of it in any log --------------------------------------------------------


def test_no_log_record_and_no_output_holds_a_secret_or_an_envelope(
    soap_server, throw_away_ca, caplog, capfd, monkeypatch
):
    monkeypatch.setattr(http.client.HTTPConnection, "debuglevel", 1)
    caplog.set_level(logging.DEBUG)
    for name in list(logging.root.manager.loggerDict):
        caplog.set_level(logging.DEBUG, logger=name)
    soap_server.always(reply("retirerProduit", WITHDRAWN))
    printed = io.StringIO()
    with (
        redirect_stdout(printed),
        ZeepPlatform(soap_server.url, throw_away_ca.client_context()) as client,
    ):
        client.withdraw_product(WITHDRAWAL)
        soap_server.always(reply("retirerProduit", WITHDRAWN.replace(DER, "passe-canari=", 1)))
        with pytest.raises(ContractError):
            client.withdraw_product(WITHDRAWAL)
        bad = product_xml(extra="<dateRetrait>code-canari</dateRetrait>")
        soap_server.always(reply("consulterProduit", f"<produit>{bad}</produit>"))
        with pytest.raises(ContractError):
            client.get_product("P-1")
    logged = "\n".join(
        f"{logging.Formatter('%(message)s').format(record)}" for record in caplog.records
    )
    captured = capfd.readouterr()
    for place in (logged, printed.getvalue(), captured.out, captured.err):
        for canary in ("passe-canari", "code-canari", DER, "codeRevocation", "Envelope"):
            assert canary not in place


def test_an_error_s_traceback_holds_no_secret(soap_server, platform):
    import traceback

    soap_server.always("<html/>", kind="text/html")
    try:
        platform.withdraw_product(WITHDRAWAL)
    except ContractError:
        shown = "".join(traceback.format_exception(*sys.exc_info()))
    assert "canari" not in shown


# -- another contract, by its files alone --------------------------------------------


def test_renamed_operations_and_elements_need_no_code(soap_server, throw_away_ca, other_contract):
    wsdl, mapping = other_contract
    soap_server.always(
        '<e:Envelope xmlns:e="http://www.w3.org/2003/05/soap-envelope"><e:Body>'
        '<o:NewOrderResult xmlns:o="urn:other"><o:order><o:ref>42</o:ref>'
        "<o:status>ready</o:status></o:order></o:NewOrderResult></e:Body></e:Envelope>",
        kind="application/soap+xml",
    )
    with ZeepPlatform(
        soap_server.url, throw_away_ca.client_context(), wsdl=wsdl, mapping=mapping
    ) as client:
        receipt = client.order_product(ORDER)
        assert not client.keeps_references
    assert receipt == OrderReceipt("42", ProductState.A_RETIRER)
    sent = etree.fromstring(soap_server.requests[0][2])
    found = {etree.QName(e).localname: e.text for e in sent.iter() if not len(e)}
    assert found == {
        "product": "organisation",
        "use": "client-auth",
        "number": "318751275100020",
        "cn": "DMP",
        "pkcs10": "MAH/",
        "mail": "pki@exemple.fr",
    }


def test_a_fault_of_another_contract_is_read_by_its_mapping(
    soap_server, throw_away_ca, other_contract
):
    wsdl, mapping = other_contract
    soap_server.always(
        '<e:Envelope xmlns:e="http://www.w3.org/2003/05/soap-envelope"><e:Body><e:Fault>'
        "<e:Code><e:Value>e:Sender</e:Value></e:Code><e:Reason><e:Text>x</e:Text></e:Reason>"
        '<e:Detail><o:Refusal xmlns:o="urn:other"><o:id>7</o:id><o:why>no right</o:why>'
        "</o:Refusal></e:Detail></e:Fault></e:Body></e:Envelope>",
        status=500,
        kind="application/soap+xml",
    )
    with (
        ZeepPlatform(
            soap_server.url, throw_away_ca.client_context(), wsdl=wsdl, mapping=mapping
        ) as client,
        pytest.raises(NotHabilitatedError, match="no right") as caught,
    ):
        client.order_product(ORDER)
    assert caught.value.fields["fault"] == "7"

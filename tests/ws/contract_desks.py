"""Three platforms that speak contracts of ours, by hand so that they owe the client nothing.

Each answers over the HTTPS server of conftest. What comes in is validated against the
contract's schema, and kept; so is what goes out.
"""

from __future__ import annotations

import base64
import hashlib
import re
from datetime import UTC, datetime
from email import message_from_bytes
from email.policy import HTTP
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.serialization import Encoding
from lxml import etree

CONTRACTS = Path(__file__).parent.parent / "fixtures" / "contracts"
SOAP_11 = "http://schemas.xmlsoap.org/soap/envelope/"
SOAP_12 = "http://www.w3.org/2003/05/soap-envelope"
REQUESTED = datetime(2026, 11, 22, 8, 30, tzinfo=UTC)
WITHDRAWN = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
REVOKED = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)


class Desk:
    """What the three have in common: one product at a time, and a certificate to hand out."""

    folder = ""
    schemas = ("types.xsd",)

    def __init__(self, leaf: x509.Certificate, authority: x509.Certificate) -> None:
        self.leaf, self.authority = leaf, authority
        self.seen: list[tuple[str, dict[str, str], etree._Element]] = []
        self.product: dict[str, str] = {}
        self.refusal: tuple[str, ...] = ()
        self.validators = {
            schema.get("targetNamespace"): etree.XMLSchema(schema)
            for schema in (
                etree.parse(CONTRACTS / self.folder / name).getroot() for name in self.schemas
            )
        }

    def __call__(self, handler, body: bytes) -> None:
        """The behaviour of a SoapServer."""
        headers = {name.lower(): value for name, value in handler.headers.items()}
        envelope = self.read(headers, body)
        asked = envelope.find("{*}Body")[0]
        self.valid(asked)
        self.seen.append((handler.path, headers, envelope))
        content, kind, status = self.answer(handler.path, envelope, asked)
        handler.send(content, status, kind)

    def read(self, headers: dict[str, str], body: bytes) -> etree._Element:
        return etree.fromstring(body)

    def valid(self, element: etree._Element) -> None:
        self.validators[etree.QName(element).namespace].assertValid(element)

    def answer(self, path: str, envelope: etree._Element, asked: etree._Element):
        raise NotImplementedError

    def reply(self, name: str, asked: etree._Element) -> str:
        """What the method for an operation answers: CreateOrder's is create_order."""
        return getattr(self, re.sub(r"(?<!^)([A-Z])", r"_\1", name).lower())(asked)

    @property
    def last(self) -> etree._Element:
        """What the last request's body held."""
        return self.seen[-1][2].find("{*}Body")[0]

    def envelope(self, inner: str, soap: str, header: str = "") -> bytes:
        whole = (
            f'<e:Envelope xmlns:e="{soap}"><e:Header>{header}</e:Header>'
            f"<e:Body>{inner}</e:Body></e:Envelope>"
        )
        told = etree.fromstring(whole).find("{*}Body")[0]
        if etree.QName(told).localname != "Fault":
            self.valid(told)
        return whole.encode()

    def der(self, certificate: x509.Certificate) -> bytes:
        return certificate.public_bytes(Encoding.DER)

    def pem(self, *certificates: x509.Certificate) -> bytes:
        return b"".join(one.public_bytes(Encoding.PEM) for one in certificates)


def texts(element: etree._Element) -> dict[str, str | None]:
    """Every element that has no children, by the path of local names; attributes too."""
    found: dict[str, str | None] = {}

    def walk(node: etree._Element, way: str) -> None:
        for name, value in node.attrib.items():
            found[f"{way}@{etree.QName(name).localname}"] = value
        for child in node:
            walk(child, f"{way}{etree.QName(child).localname}/")
        if not len(node) and node.text:
            found[way.rstrip("/")] = node.text

    walk(element, "")
    return found


# -- SOAP 1.2, WS-Addressing, signed, XOP -----------------------------------------------

ADDRESSED = "urn:x-igcsante-tests:addressed:v1"
WSA = "http://www.w3.org/2005/08/addressing"
WSU = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd"
DS = "http://www.w3.org/2000/09/xmldsig#"
XOP = "http://www.w3.org/2004/08/xop/include"


class AddressedDesk(Desk):
    folder = "addressed"
    status = "ready"
    relates_to = ""

    def read(self, headers, body):
        package = message_from_bytes(
            b"Content-Type: " + headers["content-type"].encode() + b"\r\n\r\n" + body, policy=HTTP
        )
        assert package.get_content_type() == "multipart/related"
        assert package.get_param("start-info") == "application/soap+xml"
        root, *rest = package.get_payload()
        assert root.get_content_type() == "application/xop+xml"
        attached = {p["Content-ID"].strip("<>"): p.get_payload(decode=True) for p in rest}
        envelope = etree.fromstring(root.get_payload(decode=True))
        for include in list(envelope.iter(f"{{{XOP}}}Include")):
            holder = include.getparent()
            holder.remove(include)
            name = include.get("href").removeprefix("cid:")
            holder.text = base64.b64encode(attached.pop(name)).decode()
        assert not attached
        return envelope

    def answer(self, path, envelope, asked):
        header = {etree.QName(h).localname: h for h in envelope.find("{*}Header")}
        name = etree.QName(asked).localname
        assert header["To"].text.endswith("/pfc-mock/services/Pfc/soap/v1")
        # GetOrder's WSDL names no action: the default one (WS-Addressing Metadata §4.4.4).
        told = f"{ADDRESSED}:Orders:GetOrderRequest" if name == "GetOrder" else None
        assert header["Action"].text == (told or f"{ADDRESSED}:{name}Request")
        assert header["ReplyTo"][0].text == f"{WSA}/anonymous"
        signed = verify_signature(envelope)
        assert {"Body", "Timestamp", "To", "Action", "MessageID", "ReplyTo"} == signed
        related = self.relates_to or header["MessageID"].text
        head = f'<w:RelatesTo xmlns:w="{WSA}">{related}</w:RelatesTo>'
        kind = "application/soap+xml; charset=utf-8"
        if self.refusal:
            return self.envelope(self.fault(*self.refusal), SOAP_12, head), kind, 400
        inner = self.reply(name, asked)
        content = self.envelope(inner, SOAP_12, head)
        if name == "CollectOrder":
            return (*self.packed(content), 200)
        return content, kind, 200

    def fault(self, code, reason, where=""):
        place = f"<t:Where>{where}</t:Where>" if where else ""
        return (
            "<e:Fault><e:Code><e:Value>e:Sender</e:Value></e:Code><e:Reason>"
            '<e:Text xml:lang="en">no</e:Text></e:Reason><e:Detail>'
            f'<t:Problem xmlns:t="{ADDRESSED}" code="{code}"><t:Reason>{reason}</t:Reason>{place}'
            "</t:Problem></e:Detail></e:Fault>"
        )

    def packed(self, content: bytes) -> tuple[bytes, str]:
        """An MTOM answer: the bundle, line ends and all, in a part of its own."""
        bundle = self.pem(self.leaf, self.authority)
        text = base64.b64encode(bundle)
        assert text in content
        include = f'<x:Include xmlns:x="{XOP}" href="cid:a%2Bb@addressed"/>'.encode()
        parts = (
            b"--=_edge\r\nContent-ID: <a+b@addressed>\r\nContent-Transfer-Encoding: binary\r\n\r\n"
            + bundle
            + b"\r\n--=_edge\r\nContent-ID: <0@addressed>\r\n"
            b'Content-Type: application/xop+xml; type="application/soap+xml"\r\n\r\n'
            + content.replace(text, include)
            + b"\r\n--=_edge--\r\n"
        )
        kind = (
            'multipart/related; boundary="=_edge"; start="<0@addressed>"; '
            'type="application/xop+xml"; start-info="application/soap+xml"'
        )
        return parts, kind

    def list_entitlements(self, asked):
        return (
            f'<EntitlementList xmlns="{ADDRESSED}"><Entitlement>{self.organisation(True)}'
            "<Offer>organisation</Offer><Purposes><Purpose>client-authentication</Purpose>"
            "<Purpose>signature</Purpose></Purposes><Limit><Kind>none</Kind></Limit>"
            "<World>test</World></Entitlement></EntitlementList>"
        )

    def create_order(self, asked):
        told = texts(asked)
        self.product = {"reference": told["ClientReference"], "cn": told.get("Service", "")}
        return self.accepted("O-1")

    def renew_order(self, asked):
        return self.accepted("O-2")

    def find_orders(self, asked):
        return f'<OrderList xmlns="{ADDRESSED}" count="41">{self.order()}</OrderList>'

    def get_order(self, asked):
        return f'<OrderDetails xmlns="{ADDRESSED}">{self.order()}</OrderDetails>'

    def collect_order(self, asked):
        self.status = "active"
        bundle = base64.b64encode(self.pem(self.leaf, self.authority)).decode()
        return f'<Delivery xmlns="{ADDRESSED}"><Bundle>{bundle}</Bundle></Delivery>'

    def revoke_certificate(self, asked):
        self.status = "revoked"
        return f'<RevocationDone xmlns="{ADDRESSED}"><At>2026-11-22T10:00:00Z</At></RevocationDone>'

    def accepted(self, number):
        return (
            f'<OrderAccepted xmlns="{ADDRESSED}"><OrderId>{number}</OrderId><Status>ready</Status>'
            "</OrderAccepted>"
        )

    def organisation(self, named):
        name = "<Name>CLINIQUE</Name><Department>Paris (75)</Department>" if named else ""
        return (
            "<Organisation><Scheme>SIRET</Scheme><Identifier>18751275100020</Identifier>"
            f"{name}</Organisation>"
        )

    def order(self):
        certificate = collected = ""
        if self.status != "ready":
            end = "<RevokedAt>2026-11-22T11:00:00+01:00</RevokedAt><RevocationCause>lost"
            collected = "<CollectedOn>2026-11-22T10:00:00+01:00</CollectedOn>"
            certificate = (
                "<Certificate><Serial>2815</Serial><Subject>CN=DMP</Subject><Issuer>CN=AC</Issuer>"
                "<NotBefore>2026-11-22T09:00:00Z</NotBefore>"
                "<NotAfter>2029-11-22T09:00:00Z</NotAfter>"
                f"{end + '</RevocationCause>' if self.status == 'revoked' else ''}</Certificate>"
            )
        return (
            f"<Order><OrderId>O-1</OrderId><ClientReference>{self.product['reference']}"
            "</ClientReference><Offer>organisation</Offer><Purpose>client-authentication</Purpose>"
            f"{self.organisation(True)}<CommonName>{self.product['cn']}</CommonName>"
            f"<Status>{self.status}</Status><OrderedOn>2026-11-22T08:30:00Z</OrderedOn>{collected}"
            f"<KeyMadeBy>client</KeyMadeBy>{certificate}<Contacts><Contact><Mail>a@exemple.fr"
            "</Mail></Contact><Contact><Mail>b@exemple.fr</Mail></Contact></Contacts>"
            "<Renewable>false</Renewable></Order>"
        )


def verify_signature(envelope: etree._Element) -> set[str]:
    """The local names of what the envelope's signature covers, once it holds (XML-DSig §3.2)."""
    signature = envelope.find(f".//{{{DS}}}Signature")
    info = signature.find(f"{{{DS}}}SignedInfo")
    named = {e.get(f"{{{WSU}}}Id"): e for e in envelope.iter() if e.get(f"{{{WSU}}}Id")}
    signed = set()
    for reference in info.iterfind(f"{{{DS}}}Reference"):
        element = named[reference.get("URI")[1:]]
        told = base64.b64decode(reference.find(f"{{{DS}}}DigestValue").text)
        assert hashlib.sha256(canonical(element)).digest() == told
        signed.add(etree.QName(element).localname)
    pointer = signature.find(f"{{{DS}}}KeyInfo//{{*}}Reference").get("URI")[1:]
    certificate = x509.load_der_x509_certificate(base64.b64decode(named[pointer].text))
    certificate.public_key().verify(
        base64.b64decode(signature.find(f"{{{DS}}}SignatureValue").text),
        canonical(info),
        PKCS1v15(),
        hashes.SHA256(),
    )
    return signed


def canonical(element: etree._Element) -> bytes:
    return etree.tostring(element, method="c14n", exclusive=True, with_comments=False)


# -- bare: attributes and codes -----------------------------------------------------------

BARE = "urn:x-igcsante-tests:bare:v1"


class BareDesk(Desk):
    folder = "bare"
    state = "R"

    def answer(self, path, envelope, asked):
        if self.refusal:
            severity, code, message, *where = self.refusal
            place = f' rubrique="{where[0]}"' if where else ""
            inner = (
                "<e:Fault><faultcode>e:Server</faultcode><faultstring>Erreur</faultstring><detail>"
                f'<b:Erreur xmlns:b="{BARE}" severite="{severity}" code="{code}"{place}>{message}'
                "</b:Erreur></detail></e:Fault>"
            )
            return self.envelope(inner, SOAP_11), "text/xml", 500
        inner = self.reply(etree.QName(asked).localname, asked)
        return self.envelope(inner, SOAP_11), "text/xml; charset=utf-8", 200

    def droits(self, asked):
        assert asked.get("version") == "2.1"
        return (
            f'<b:listeDroits xmlns:b="{BARE}"><droit offre="1">{self.etab}<usage>01</usage>'
            "<usage>02</usage></droit></b:listeDroits>"
        )

    def commande(self, asked):
        assert re.fullmatch(r"[0-9a-f-]{36}", asked.get("lot"))
        assert re.fullmatch(r"20\d{12}", asked.get("le"))
        self.product = {"service": "", **asked.attrib}
        return f'<b:accuse xmlns:b="{BARE}" id="O-1"/>'

    def renouvellement(self, asked):
        return f'<b:accuse xmlns:b="{BARE}" id="O-2"/>'

    def recherche(self, asked):
        return f'<b:resultats xmlns:b="{BARE}">{self.produit("produit")}</b:resultats>'

    def etat(self, asked):
        assert asked.text == "O-1"
        return self.produit(f'b:produit xmlns:b="{BARE}"')

    def retrait(self, asked):
        self.state = "A"
        pem = self.pem(self.authority, self.leaf).decode()
        text = base64.b64encode(pem.encode()).decode()
        return f'<b:remise xmlns:b="{BARE}" fichier="../../certificat.pem">{text}</b:remise>'

    def revocation(self, asked):
        self.state = "V"
        return f'<b:revoque xmlns:b="{BARE}">20261122110000</b:revoque>'

    etab = (
        '<etab TypeStructure="3" IdentifiantStructure="18751275100020" Dep="Paris (75)">CLINIQUE'
        "</etab>"
    )

    def produit(self, tag):
        certificate = ""
        if self.state != "R":
            end = ' fin="20261122110000" cause="1"' if self.state == "V" else ""
            certificate = (
                '<cert sn="0AFF" sujet="CN=DMP" emetteur="CN=AC" du="20261122100000" '
                f'au="20291122100000" le="20261122100000"{end}/>'
            )
        reference, name = self.product["ReferenceCommandeClient"], self.product["service"]
        return (
            f'<{tag} id="O-1" ReferenceCommandeClient="{reference}" offre="1" usage="01" '
            f'cn="{name}" etat="{self.state}" demande="20261122093000">{self.etab}{certificate}'
            f"<avis>a@exemple.fr</avis><avis>b@exemple.fr</avis></{tag.split()[0]}>"
        )


# -- two services, two WSDLs ----------------------------------------------------------------

ORDERS, FOLLOW_UP = "urn:x-igcsante-tests:split:commandes", "urn:x-igcsante-tests:split:suivi"


class SplitDesk(Desk):
    folder = "split"
    schemas = ("commandes.xsd", "suivi.xsd")
    state = "A_RETIRER"

    def answer(self, path, envelope, asked):
        name = etree.QName(asked)
        orders = name.namespace == ORDERS
        assert path == ("/pfc-mock/services/Pfc/soap/v1" if orders else "/services/suivi/v2")
        soap = SOAP_11 if orders else SOAP_12
        assert etree.QName(envelope).namespace == soap
        kind = "text/xml" if orders else "application/soap+xml"
        if orders:
            self.valid(envelope.find("{*}Header")[0])
            context = texts(asked.find("contexte"))
            assert context["logiciel"] == "igc"
            assert re.fullmatch(r"[0-9a-f-]{36}", context["idRequete"])
        if self.refusal:
            element, code, message, *where = self.refusal
            place = f"<rubrique>{where[0]}</rubrique>" if where else ""
            inner = (
                f"<e:Fault><faultcode>e:Client</faultcode><faultstring>x</faultstring><detail>"
                f'<c:{element} xmlns:c="{ORDERS}"><code>{code}</code><libelle>{message}</libelle>'
                f"{place}</c:{element}></detail></e:Fault>"
            )
            return self.envelope(inner, soap), kind, 500
        content = self.envelope(self.reply(name.localname, asked), soap)
        if name.localname == "retirerCertificat":
            return self.with_attachment(content)
        return content, kind, 200

    def with_attachment(self, content):
        """SOAP with attachments: a swaRef, and the file in base64 beside the envelope."""
        file = base64.encodebytes(b"\x00\xff\r\n--not-the-edge\r\n\n").replace(b"\n", b"\r\n")
        body = (
            b"--edge\r\nContent-Type: text/xml; charset=utf-8\r\n\r\n"
            + content
            + b"\r\n--edge\r\nContent-ID: <fichier>\r\nContent-Transfer-Encoding: base64\r\n\r\n"
            + file
            + b"\r\n--edge--"
        )
        return body, "multipart/related; type=text/xml; boundary=edge", 200

    beneficiaire = (
        "<beneficiaire><id>318751275100020</id><nom>CLINIQUE</nom><dep>Paris (75)</dep>"
        "</beneficiaire>"
    )

    def mes_droits(self, asked):
        return (
            f'<mesDroitsReponse xmlns="{FOLLOW_UP}"><droit>{self.beneficiaire}'
            "<typeProduit>ORG</typeProduit><usage>AUTH_CLI</usage><usage>SIGN</usage>"
            "<perimetre>AUCUN</perimetre><monde>TEST</monde></droit></mesDroitsReponse>"
        )

    def passer_commande(self, asked):
        self.product = texts(asked.find("commande"))
        return self.placed("O-1")

    def prolonger_commande(self, asked):
        return self.placed("O-2")

    def placed(self, number):
        return (
            f'<c:passerCommandeReponse xmlns:c="{ORDERS}"><numero>{number}</numero>'
            "<statut>A_RETIRER</statut></c:passerCommandeReponse>"
        )

    def chercher(self, asked):
        return (
            f'<chercherReponse xmlns="{FOLLOW_UP}"><ligne><no>O-1</no>'
            f"<ref>{self.product['refClient']}</ref><produit>ORG</produit><usage>AUTH_CLI</usage>"
            f"{self.beneficiaire}<objet>{self.product['objet/application']}</objet>"
            f"<st>{self.state}</st><date>2026-11-22</date></ligne></chercherReponse>"
        )

    def detailler(self, asked):
        nil = 'xmlns:i="http://www.w3.org/2001/XMLSchema-instance" i:nil="true"'
        certificate = f"<retireLe {nil}/><numeroSerie {nil}/>"
        if self.state != "A_RETIRER":
            certificate = (
                "<retireLe>2026-11-22T10:00:00</retireLe><numeroSerie>0AFF</numeroSerie>"
                "<sujet>CN=DMP</sujet><emetteur>CN=AC</emetteur>"
                "<debut>2026-11-22T10:00:00</debut><fin>2029-11-22T10:00:00</fin>"
            )
        end = ""
        if self.state == "REVOQUE":
            end = "<revoqueLe>2026-11-22T11:00:00</revoqueLe><motif>PERTE_OU_VOL</motif>"
        return (
            f'<detaillerReponse xmlns="{FOLLOW_UP}"><fiche><numero>O-1</numero>'
            f"<refClient>{self.product['refClient']}</refClient><typeProduit>ORG</typeProduit>"
            f"<usage>AUTH_CLI</usage>{self.beneficiaire}"
            f"<objet>{self.product['objet/application']}</objet><statut>{self.state}</statut>"
            f"<demandeLe>2026-11-22T08:30:00Z</demandeLe>{certificate}<cle>CSR</cle>"
            f"<courriel>a@exemple.fr</courriel><courriel>b@exemple.fr</courriel>{end}"
            "<renouvelable>false</renouvelable></fiche></detaillerReponse>"
        )

    def retirer_certificat(self, asked):
        self.state = "ACTIF"
        leaf = base64.b64encode(self.der(self.leaf)).decode()
        authority = self.pem(self.authority).decode()
        return (
            f'<c:retirerCertificatReponse xmlns:c="{ORDERS}"><nom>a.p7b</nom>'
            "<mime>application/x-pkcs7</mime><fichier>cid:fichier</fichier>"
            f"<certificat>{leaf}</certificat><autorite>{authority}</autorite>"
            "</c:retirerCertificatReponse>"
        )

    def revoquer_certificat(self, asked):
        self.state = "REVOQUE"
        return (
            f'<c:revoquerCertificatReponse xmlns:c="{ORDERS}"><statut>REVOQUE</statut>'
            "<le>2026-11-22T11:00:00</le></c:revoquerCertificatReponse>"
        )

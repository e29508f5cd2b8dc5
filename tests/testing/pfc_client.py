"""What the tests of the mock platform share: a PKI, and a client that speaks raw SOAP."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from lxml import etree

from igcsante.testing.cards.material import CardMaterial
from igcsante.testing.cards.profile import CardProfile, load_profile
from igcsante.testing.pki import SimulatedPki
from igcsante.testing.platform import MockPlatform, default_settings
from igcsante.testing.platform.soap import PATH, PEER, SoapApplication
from igcsante.testing.platform.wire import NAMESPACE

SOAP = "http://schemas.xmlsoap.org/soap/envelope/"
NOW = datetime.now(UTC).replace(microsecond=0)
FINESS = "10B0999003"
CODE = "code de révocation"
DEFAULT_LINES = default_settings().habilitations.default[:4]
Children = Iterable[tuple[str, Any]]


@cache
def shared_pki() -> SimulatedPki:
    """One PKI for the whole run: nothing here depends on what else it has issued."""
    return SimulatedPki.create(at=NOW, base_url="http://127.0.0.1:9")


@cache
def card_profile() -> CardProfile:
    return load_profile("cps3")


@cache
def card_material() -> CardMaterial:
    return shared_pki().issue_card(card_profile(), NOW)


@cache
def some_key(name: str = "") -> rsa.RSAPrivateKey:
    """A key by name: making one takes a while."""
    return rsa.generate_private_key(65537, 2048)


def quick_keys(bits: int = 2048) -> Iterator[rsa.RSAPrivateKey]:
    """Keys that no other call gives, out of few primes: quick to make, and as bad as that."""
    primes: list[int] = []
    while True:
        numbers = rsa.generate_private_key(65537, bits).private_numbers()
        for p in (numbers.p, numbers.q):
            for q in primes:
                if (p * q).bit_length() == bits:
                    yield _key_of(p, q)
            primes.append(p)


def _key_of(p: int, q: int) -> rsa.RSAPrivateKey:
    d = pow(65537, -1, (p - 1) * (q - 1))
    iqmp, public = pow(q, -1, p), rsa.RSAPublicNumbers(65537, p * q)
    numbers = rsa.RSAPrivateNumbers(p, q, d, d % (p - 1), d % (q - 1), iqmp, public)
    return numbers.private_key(unsafe_skip_rsa_key_validation=True)


_KEYS = quick_keys()


def request_for(key: rsa.RSAPrivateKey | None = None, encoding: Encoding = Encoding.DER) -> bytes:
    """A CSR; for a key of its own when none is given."""
    key = key or next(_KEYS)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "sera ignoré")])
    builder = x509.CertificateSigningRequestBuilder().subject_name(name)
    return builder.sign(key, hashes.SHA256()).public_bytes(encoding)


def order(request: bytes | None = None, **changes: Any) -> list[tuple[str, Any]]:
    """The children of a demanderProduit that is accepted; None takes a child away."""
    values: dict[str, Any] = {
        "offre": "ORG",
        "usage": "AUTH_CLI",
        "idStructure": FINESS,
        "serviceApplicatif": "service de test",
        "fqdn": None,
        "email": None,
        "titulaire": None,
        "csr": base64.b64encode(request).decode() if request else None,
        "motDePasseCle": None if request else "mot de passe",
        "emails": "certificats@ch-simulation.example",
        "referenceClient": None,
        **changes,
    }
    children = []
    for name, value in values.items():
        values_of_name = value if isinstance(value, list) and name != "titulaire" else [value]
        children += [(name, item) for item in values_of_name if item is not None]
    return children


class Clock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.time = NOW

    def __call__(self) -> datetime:
        return self.time

    def advance(self, **by: int) -> None:
        self.time += timedelta(**by)


class SoapFault(Exception):  # noqa: N818 - the word of SOAP
    def __init__(self, status: str, fault: etree._Element) -> None:
        detail = fault.find("detail")[0]
        self.status = status
        self.who = fault.findtext("faultcode")
        self.code = detail.findtext("code")
        self.field = detail.findtext("champ")
        self.message = detail.findtext("message")
        super().__init__(f"{self.code} {self.field} {self.message}")


class SoapClient:
    """A client of the WSGI application, with a verified certificate or none."""

    def __init__(self, platform: MockPlatform, peer: x509.Certificate | None = None) -> None:
        self._application = SoapApplication(platform)
        peer = peer or card_material().authentication.certificate
        self.peer: bytes | None = peer.public_bytes(Encoding.DER)

    def call(self, operation: str, children: Children = ()) -> etree._Element:
        """The answer's element; raises SoapFault."""
        status, _, body = self.post(envelope(operation, children))
        answer = etree.fromstring(body).find(f"{{{SOAP}}}Body")[0]
        if answer.tag == f"{{{SOAP}}}Fault":
            raise SoapFault(status, answer)
        assert status == "200 OK"
        return answer

    def order(self, request: bytes | None = None, **changes: Any) -> str:
        """Order a product; its identifier."""
        return self.call("demanderProduit", order(request, **changes)).findtext("idProduit")

    def withdraw(self, product: str, *, password: str | None = None, **changes: Any) -> Any:
        values = {
            "idProduit": product,
            "codeRevocation": CODE,
            "confirmationCode": CODE,
            "acceptationBeneficiaire": "true",
            **changes,
        }
        children = [*values.items(), *([("motDePasseCle", password)] if password else [])]
        return self.call("retirerProduit", children)

    def revoke(self, product: str, code: str = CODE) -> etree._Element:
        children = [("idProduit", product), ("codeRevocation", code), ("motif", "NON_PRECISE")]
        return self.call("revoquerProduit", children)

    def product(self, product: str) -> etree._Element:
        return self.call("consulterProduit", [("idProduit", product)]).find("produit")

    def search(self, *children: tuple[str, str], page: int = 1, size: int = 50) -> etree._Element:
        ends = [("page", str(page)), ("taille", str(size))]
        return self.call("rechercherProduits", [*children, *ends])

    def post(self, body: bytes, **environ: str) -> tuple[str, dict[str, str], bytes]:
        """Status, headers and body of the answer to a POST."""
        values = {
            "REQUEST_METHOD": "POST",
            "PATH_INFO": PATH,
            "QUERY_STRING": "",
            "CONTENT_TYPE": "text/xml; charset=utf-8",
            "CONTENT_LENGTH": str(len(body)),
            "wsgi.input": io.BytesIO(body),
            PEER: self.peer,
            **environ,
        }
        told: list[Any] = []
        answer = b"".join(self._application(values, lambda *start: told.extend(start)))
        return told[0], dict(told[1]), answer

    def get(self, query: str) -> tuple[str, dict[str, str], bytes]:
        return self.post(b"", REQUEST_METHOD="GET", QUERY_STRING=query)


def envelope(operation: str, children: Children) -> bytes:
    root = etree.Element(f"{{{SOAP}}}Envelope")
    body = etree.SubElement(root, f"{{{SOAP}}}Body")
    _fill(etree.SubElement(body, f"{{{NAMESPACE}}}{operation}"), children)
    return etree.tostring(root)


def certificate_of(answer: etree._Element) -> x509.Certificate:
    return x509.load_der_x509_certificate(base64.b64decode(answer.findtext("certificat")))


def platform_at(folder: Path, **arguments: Any) -> MockPlatform:
    return MockPlatform(shared_pki(), folder / "platform.sqlite", **arguments)


def _fill(parent: etree._Element, children: Children) -> None:
    for name, value in children:
        element = etree.SubElement(parent, name)
        if isinstance(value, str):
            element.text = value
        else:
            _fill(element, value)

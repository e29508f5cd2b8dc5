"""The mock platform as a WSGI application: SOAP 1.1, document/literal wrapped.

What comes in and what goes out is validated against the schema of the contract. XML is
untrusted: no DTD, no entity, no network, a size limit. The client's certificate, verified by
TLS, is ``environ[PEER]`` (DER), or ``SSL_CLIENT_CERT`` (PEM) as Apache's mod_ssl names it. A
header of the request is never taken for it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib import resources
from typing import Any

from cryptography import x509
from lxml import etree

from ...errors import ContractError
from ..http import Environ, StartResponse
from .faults import (
    FUNCTIONAL,
    TECHNICAL,
    ClientRefused,
    FunctionalFault,
    HangUp,
    TechnicalFault,
)
from .products import number_of
from .service import WITHDRAWAL_PATH, MockPlatform
from .wire import NAMESPACE, OPERATIONS

PATH = "/pfc-mock/services/Pfc/soap/v1"
PEER = "igcsante.peer_certificate"
MAX_REQUEST_BYTES = 256 * 1024
MAX_FIELD_NAME = 64
ERROR = "500 Internal Server Error"
NOTICE = "contrat simulé, non publié par l'ANS"

_SOAP = "http://schemas.xmlsoap.org/soap/envelope/"
_CONTRACT = resources.files("igcsante.ws") / "contract"
_PLACEHOLDER = b"https://pfc-mock.invalid" + PATH.encode()
_XML = "text/xml; charset=utf-8"
_HTML = "text/html; charset=utf-8"
_PAGE = b"<!DOCTYPE html><html><body><h1>Service indisponible</h1></body></html>"


@dataclass(frozen=True)
class Answer:
    """An HTTP answer: status line, content type, body, other headers."""

    status: str
    content_type: str
    body: bytes
    headers: tuple[tuple[str, str], ...] = ()


class SoapApplication:
    """WSGI application (PEP 3333) of one platform: the web service and its description.

    ``pause`` waits for the seconds that the option ``delay`` asks for. An incident that cuts
    the line is the exception :class:`HangUp`, which goes through to the server.
    """

    def __init__(
        self, platform: MockPlatform, *, pause: Callable[[float], object] = time.sleep
    ) -> None:
        self._platform = platform
        self._pause = pause
        self._schema = etree.XMLSchema(_parse((_CONTRACT / "pfc-mock.xsd").read_bytes()))
        self._schema_lock = threading.Lock()  # a validator keeps its last errors

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        answer = self._answer(environ)
        headers = [
            ("Content-Type", answer.content_type),
            ("Content-Length", str(len(answer.body))),
            *answer.headers,
        ]
        start_response(answer.status, headers)
        return [answer.body]

    def _answer(self, environ: Environ) -> Answer:
        path = environ.get("PATH_INFO", "")
        if path.startswith(WITHDRAWAL_PATH) and self._platform.portal_url:
            return self._to_portal(path.removeprefix(WITHDRAWAL_PATH))
        if path != PATH:
            return _plain("404 Not Found", "Rien ici.")
        if environ["REQUEST_METHOD"] == "GET":
            return self._description(environ.get("QUERY_STRING", ""))
        if environ["REQUEST_METHOD"] != "POST":
            return _plain("405 Method Not Allowed", "POST, ou GET ?wsdl.")
        if not environ.get("CONTENT_TYPE", "").lower().startswith("text/xml"):
            return _plain("415 Unsupported Media Type", "SOAP 1.1 : text/xml.")
        length = environ.get("CONTENT_LENGTH", "")
        if not (length.isascii() and length.isdigit()):
            return _plain("411 Length Required", "Content-Length est nécessaire.")
        if len(length) > 9 or int(length) > MAX_REQUEST_BYTES:
            return _plain("413 Content Too Large", f"{MAX_REQUEST_BYTES} octets au plus.")
        body = environ["wsgi.input"].read(int(length))
        if self._platform.options.delay:
            self._pause(self._platform.options.delay)
        return self._call(body, _peer(environ))

    def _call(self, body: bytes, peer: x509.Certificate | None) -> Answer:
        planned = self._platform.faults.take()
        if planned == "hang-up":
            raise HangUp
        if planned in ("html", "503"):
            status = "200 OK" if planned == "html" else "503 Service Unavailable"
            return Answer(status, _HTML, _PAGE)
        try:
            if planned in TECHNICAL:
                raise TechnicalFault(planned)
            if planned in FUNCTIONAL:
                raise FunctionalFault(planned)
            answer = self._operate(body, peer)
        except FunctionalFault as fault:
            return self._fault("Client", _functional_detail(fault), fault.message)
        except TechnicalFault as fault:
            status = "503 Service Unavailable" if fault.number == "T03" else ERROR
            return self._fault("Server", _technical_detail(fault), fault.message, status)
        except ClientRefused as refusal:
            return _plain("403 Forbidden", refusal.message)
        if planned == "lost-answer":
            raise HangUp
        return answer

    def _operate(self, body: bytes, peer: x509.Certificate | None) -> Answer:
        if peer is None:
            raise ClientRefused("Un certificat client est nécessaire.")
        client = self._platform.identify(peer)
        request = self._request(body)
        self._platform.send_notices()
        operation = OPERATIONS[etree.QName(request).localname]
        return self._reply(operation(self._platform, client, request), "200 OK")

    def _request(self, body: bytes) -> etree._Element:
        """The operation element of a valid request. Raises F04, which repeats no value."""
        try:
            root = _parse(body)
        except etree.XMLSyntaxError:
            raise FunctionalFault("F04", "Le message n'est pas du XML lisible.") from None
        if root.getroottree().docinfo.internalDTD is not None:
            raise FunctionalFault("F04", "Une DTD n'est pas acceptée.")
        operations = root.findall(f"{{{_SOAP}}}Body/*")
        if root.tag != f"{{{_SOAP}}}Envelope" or len(operations) != 1:
            raise FunctionalFault("F04", "Le message n'est pas une enveloppe SOAP 1.1.")
        name = etree.QName(operations[0])
        if name.namespace != NAMESPACE or name.localname not in OPERATIONS:
            raise FunctionalFault("F04", "Cette opération n'existe pas.")
        invalid = self._invalid_element(operations[0])
        if invalid is not None:
            raise FunctionalFault("F04", "Il ne suit pas le schéma du contrat.", field=invalid)
        return operations[0]

    def _reply(self, content: etree._Element, status: str) -> Answer:
        """``content`` in an envelope. Raises ContractError when it breaks our own schema."""
        # A copy: the validator wants a document of its own.
        invalid = self._invalid_element(etree.fromstring(etree.tostring(content)))
        if invalid is not None:
            raise ContractError(f"the mock's own answer breaks its schema at {invalid}")
        return _envelope(content, status)

    def _fault(
        self,
        who: str,
        detail: etree._Element,
        message: str,
        status: str = ERROR,
    ) -> Answer:
        invalid = self._invalid_element(detail)
        if invalid is not None:
            raise ContractError(f"the mock's own fault breaks its schema at {invalid}")
        fault = etree.Element(f"{{{_SOAP}}}Fault", nsmap={"soap": _SOAP})
        etree.SubElement(fault, "faultcode").text = f"soap:{who}"
        etree.SubElement(fault, "faultstring").text = message
        etree.SubElement(fault, "detail").append(detail)
        return _envelope(fault, status)

    def _invalid_element(self, element: etree._Element) -> str | None:
        """The local name of the first element that breaks the schema."""
        with self._schema_lock:
            if self._schema.validate(element):
                return None
            errors: Any = self._schema.error_log
            path = errors[0].path or ""
        last = path.rpartition("/")[2].partition("[")[0].rpartition(":")[2]
        return last[:MAX_FIELD_NAME] or etree.QName(element).localname

    def _to_portal(self, product_id: str) -> Answer:
        """The page of a product, for who follows the link of a mail."""
        if number_of(product_id) is None:
            return _plain("404 Not Found", "Ce produit n'existe pas.")
        location = f"{self._platform.portal_url}produits/{product_id}"
        return _plain("303 See Other", location, ("Location", location))

    def _description(self, query: str) -> Answer:
        """The contract with this platform's address in it."""
        address = (self._platform.url + PATH).encode()
        if query.lower() == "wsdl":
            wsdl = (_CONTRACT / "pfc-mock.wsdl").read_bytes()
            wsdl = wsdl.replace(_PLACEHOLDER, address)
            wsdl = wsdl.replace(b'"pfc-mock.xsd"', b'"' + address + b'?xsd"')
            return Answer("200 OK", _XML, wsdl)
        if query.lower() == "xsd":
            return Answer("200 OK", _XML, (_CONTRACT / "pfc-mock.xsd").read_bytes())
        return _plain("404 Not Found", "GET ?wsdl ou ?xsd.")


def _parse(data: bytes) -> etree._Element:
    # One parser per document: lxml's are not meant to be shared between threads.
    parser = etree.XMLParser(
        resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False
    )
    return etree.fromstring(data, parser)


def _envelope(content: etree._Element, status: str) -> Answer:
    envelope = etree.Element(f"{{{_SOAP}}}Envelope", nsmap={"soap": _SOAP})
    header = etree.SubElement(envelope, f"{{{_SOAP}}}Header")
    etree.SubElement(
        header, f"{{{NAMESPACE}}}Avertissement", nsmap={"pfc": NAMESPACE}
    ).text = NOTICE
    etree.SubElement(envelope, f"{{{_SOAP}}}Body").append(content)
    return Answer(status, _XML, etree.tostring(envelope, xml_declaration=True, encoding="utf-8"))


def _functional_detail(fault: FunctionalFault) -> etree._Element:
    detail = _detail("ErreurFonctionnelle", fault.fields["fault"], fault.message)
    if fault.field:
        etree.SubElement(detail, "champ").text = fault.field
    return detail


def _technical_detail(fault: TechnicalFault) -> etree._Element:
    return _detail("ErreurTechnique", fault.fields["fault"], fault.message)


def _detail(name: str, code: str, message: str) -> etree._Element:
    detail = etree.Element(f"{{{NAMESPACE}}}{name}", nsmap={"pfc": NAMESPACE})
    etree.SubElement(detail, "code").text = code
    etree.SubElement(detail, "message").text = message
    return detail


def _plain(status: str, text: str, *headers: tuple[str, str]) -> Answer:
    return Answer(status, "text/plain; charset=utf-8", text.encode(), headers)


def _peer(environ: Environ) -> x509.Certificate | None:
    """The client's certificate, None without one that can be read."""
    der, pem = environ.get(PEER), environ.get("SSL_CLIENT_CERT", "")
    try:
        if der is not None:
            return x509.load_der_x509_certificate(der)
        return x509.load_pem_x509_certificate(pem.encode()) if pem else None
    except ValueError:
        return None

"""A TLS server on loopback that says what a test wants, with a CA made for the occasion."""

from __future__ import annotations

import contextlib
import datetime
import ipaddress
import ssl
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID
from lxml import etree

from igcsante.ws.contract.mapping import contract_file


def _certificate(subject, issuer, key, signer, *, ca, names=()):
    start = datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=1)
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject)]))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + datetime.timedelta(days=30))
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False
        )
    )
    if ca:
        key_identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
        signs = x509.KeyUsage(False, False, False, False, False, True, True, False, False)
        builder = builder.add_extension(key_identifier, critical=False)
        builder = builder.add_extension(signs, critical=True)
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return builder.sign(signer, hashes.SHA256())


class ThrowAwayCa:
    """A CA, a server certificate for 127.0.0.1, one for another name, client certificates."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self.certificate = _certificate("TEST CA", "TEST CA", self._key, self._key, ca=True)
        loopback = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
        self.server_key = ec.generate_private_key(ec.SECP256R1())
        self.leaf, self.server_file = self._issue("platform", loopback)
        _, self.other_server_file = self._issue("other", x509.DNSName("other.example"))

    def _issue(self, name: str, alternative: x509.GeneralName) -> tuple[x509.Certificate, Path]:
        key = self.server_key
        leaf = _certificate(name, "TEST CA", key, self._key, ca=False, names=[alternative])
        file = self._folder / f"{name}.pem"
        file.write_bytes(
            leaf.public_bytes(serialization.Encoding.PEM)
            + key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        return leaf, file

    def issue_client(self, key: rsa.RSAPrivateKey) -> x509.Certificate:
        return _certificate("client", "TEST CA", key, self._key, ca=False)

    def crl(self, revoked: dict[int, x509.ReasonFlags], at: datetime.datetime) -> bytes:
        """A list (DER) that is good for two days."""
        builder = x509.CertificateRevocationListBuilder(
            self.certificate.subject, at, at + datetime.timedelta(days=2)
        )
        own = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
        builder = builder.add_extension(own, False).add_extension(x509.CRLNumber(1), False)
        for serial, reason in revoked.items():
            entry = x509.RevokedCertificateBuilder(serial, at, [])
            entry = entry.add_extension(x509.CRLReason(reason), False)
            builder = builder.add_revoked_certificate(entry.build())
        return builder.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)

    def client_context(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(
            cadata=self.certificate.public_bytes(serialization.Encoding.DER)
        )
        return context


@pytest.fixture(scope="session")
def throw_away_ca(tmp_path_factory) -> ThrowAwayCa:
    return ThrowAwayCa(tmp_path_factory.mktemp("ca"))


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: SoapServer

    def setup(self) -> None:
        self.request.settimeout(10)
        self.request = self.server.context.wrap_socket(self.request, server_side=True)
        self.server.connections += 1
        super().setup()

    def finish(self) -> None:
        with contextlib.suppress(OSError):
            super().finish()
        self.rfile.close()  # whatever happened: an open reader would keep the socket open
        self.request.close()

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.requests.append((self.path, dict(self.headers), body))
        with contextlib.suppress(OSError):
            self.server.behaviour(self, body)

    def send(self, content: bytes, status: int = 200, kind: str = "text/xml", **headers) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_) -> None:
        pass


class SoapServer(ThreadingHTTPServer):
    """``server.behaviour(handler, body)`` answers; what came is in ``requests``."""

    def __init__(self, ca: ThrowAwayCa) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(ca.server_file)
        self.connections = 0
        self.requests: list[tuple[str, dict[str, str], bytes]] = []
        self.behaviour: Callable[[_Handler, bytes], None] = lambda handler, body: handler.send(b"")
        self.stopping = threading.Event()

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.server_port}/pfc-mock/services/Pfc/soap/v1"

    def handle_error(self, *_) -> None:
        """A client that refuses our handshake is what some tests are about."""

    def always(self, content: bytes | str, status: int = 200, kind: str = "text/xml", **headers):
        data = content.encode() if isinstance(content, str) else content
        self.behaviour = lambda handler, body: handler.send(data, status, kind, **headers)


@pytest.fixture
def soap_server(throw_away_ca) -> Iterator[SoapServer]:
    server = SoapServer(throw_away_ca)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.stopping.set()
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def platform(soap_server, throw_away_ca):
    from igcsante.ws.client import ZeepPlatform
    from igcsante.ws.soap.transport import Limits

    limits = Limits(connect=5, silence=5, total=10)
    with ZeepPlatform(soap_server.url, throw_away_ca.client_context(), limits=limits) as client:
        yield client


@pytest.fixture(scope="session")
def mock_schema() -> etree.XMLSchema:
    return etree.XMLSchema(etree.parse(contract_file("pfc-mock.xsd")))


OTHER_WSDL = """<w:definitions name="Other" targetNamespace="urn:other" xmlns:o="urn:other"
    xmlns:w="http://schemas.xmlsoap.org/wsdl/" xmlns:s="http://schemas.xmlsoap.org/wsdl/soap12/"
    xmlns:x="http://www.w3.org/2001/XMLSchema">
  <w:types><x:schema targetNamespace="urn:other" elementFormDefault="qualified">
    <x:element name="NewOrder"><x:complexType><x:sequence>
      <x:element name="product" type="x:string"/>
      <x:element name="use" type="x:string"/>
      <x:element name="subject"><x:complexType><x:sequence>
        <x:element name="number" type="x:string"/>
        <x:element name="cn" type="x:string"/>
      </x:sequence></x:complexType></x:element>
      <x:element name="pkcs10" type="x:string"/>
      <x:element name="notify"><x:complexType><x:sequence>
        <x:element name="mail" type="x:string" maxOccurs="unbounded"/>
      </x:sequence></x:complexType></x:element>
    </x:sequence></x:complexType></x:element>
    <x:element name="NewOrderResult"><x:complexType><x:sequence>
      <x:element name="order"><x:complexType><x:sequence>
        <x:element name="ref" type="x:string"/>
        <x:element name="status" type="x:string"/>
      </x:sequence></x:complexType></x:element>
    </x:sequence></x:complexType></x:element>
    <x:element name="Refusal" type="x:anyType"/>
  </x:schema></w:types>
  <w:message name="in"><w:part name="p" element="o:NewOrder"/></w:message>
  <w:message name="out"><w:part name="p" element="o:NewOrderResult"/></w:message>
  <w:portType name="Orders"><w:operation name="NewOrder">
    <w:input message="o:in"/><w:output message="o:out"/>
  </w:operation></w:portType>
  <w:binding name="Orders12" type="o:Orders">
    <s:binding transport="http://schemas.xmlsoap.org/soap/http"/>
    <w:operation name="NewOrder"><s:operation soapAction="urn:other:new"/>
      <w:input><s:body use="literal"/></w:input><w:output><s:body use="literal"/></w:output>
    </w:operation>
  </w:binding>
  <w:service name="Service"><w:port name="Port" binding="o:Orders12">
    <s:address location="http://nowhere.invalid/"/>
  </w:port></w:service>
</w:definitions>"""

OTHER_MAPPING = """format = 1
[formats]
binary = "text"
[operations.order_product]
name = "NewOrder"
[operations.order_product.request]
offre = "product"
usage = "use"
structure = "subject.number"
service_name = "subject.cn"
csr = "pkcs10"
emails = "notify.mail"
[operations.order_product.response]
product_id = "order.ref"
state = "order.status"
[enums.offre]
ORG = ["organisation"]
[enums.usage]
AUTH_CLI = ["client-auth"]
[enums.productstate]
A_RETIRER = ["ready", "waiting"]
[faults]
functional = ["Refusal"]
code = "id"
message = "why"
[faults.kinds]
7 = "not_habilitated"
"""


@pytest.fixture
def other_contract(tmp_path) -> tuple[Path, Path]:
    """A second, tiny contract: SOAP 1.2, qualified children, nested elements, other words."""
    wsdl, mapping = tmp_path / "other.wsdl", tmp_path / "other.toml"
    wsdl.write_text(OTHER_WSDL)
    mapping.write_text(OTHER_MAPPING)
    return wsdl, mapping

"""WSDLs read from disk with zeep, and the operations that a mapping file picks in them.

Nothing is ever fetched: an import that points at the network is refused, and so are DTDs.
zeep writes requests and checks the structure of answers; values are ours to read.
"""

# zeep is only partly typed.
# mypy: disallow-untyped-calls=False

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import zeep
import zeep.exceptions
from lxml import etree
from zeep.loader import parse_xml
from zeep.transports import Transport
from zeep.wsdl.bindings.soap import Soap12Binding, SoapBinding
from zeep.wsdl.messages import DocumentMessage

from ...errors import ConfigError, ContractError, IgcError
from ...files import read_bounded
from ...messages import tr
from ...text import did_you_mean
from .mapping import ContractMapping, contract_file
from .shape import ShapeError, is_simple, shaped

MAX_DOCUMENT_BYTES = 8 * 1024 * 1024
SETTINGS = zeep.Settings(
    strict=True,
    raw_response=True,
    forbid_dtd=True,
    forbid_entities=True,
    forbid_external=True,
    xml_huge_tree=False,
)
SOAP_11 = "http://schemas.xmlsoap.org/soap/envelope/"
SOAP_12 = "http://www.w3.org/2003/05/soap-envelope"

# zeep writes what passes through these to its log: envelopes, or the values it can't read.
for _name in (
    "zeep.transports",
    "zeep.xsd.elements.attribute",
    "zeep.xsd.types.any",
    "zeep.xsd.types.simple",
):
    logging.getLogger(_name).addFilter(lambda record: False)


class DiskTransport(Transport):
    """What zeep reads documents with: from disk only."""

    def __init__(self) -> None:
        self.documents: dict[str, bytes] = {}

    def __del__(self) -> None:
        """zeep's own would close a ``requests`` session, which there is none of."""

    def load(self, url: str) -> bytes:
        parts = urlsplit(str(url))
        if parts.scheme not in ("", "file"):
            raise zeep.exceptions.ExternalReferenceForbidden(url)
        path = Path(unquote(parts.path) if parts.scheme else url)
        self.documents[str(url)] = read_bounded(path, MAX_DOCUMENT_BYTES)
        return self.documents[str(url)]


@dataclass(frozen=True)
class Document:
    """A WSDL file as zeep read it, with the schemas that it imports."""

    path: Path
    client: zeep.Client
    sources: dict[str, bytes]

    @property
    def services(self) -> dict[str, Any]:
        """zeep's services, by name."""
        found: dict[str, Any] = self.client.wsdl.services
        return found


def read_document(path: Path) -> Document:
    """Read a WSDL. Raises ConfigError, or UsageError when the file can't be read."""
    transport = DiskTransport()
    try:
        client = zeep.Client(str(path.absolute()), transport=transport, settings=SETTINGS)
    except IgcError:
        raise
    except zeep.exceptions.ExternalReferenceForbidden as error:
        raise ConfigError(
            tr(
                "{path}: imports {url}, and nothing is fetched from the network",
                path=path,
                url=error.url,
            ),
            advice=tr("save that file beside the WSDL and make the import point at it"),
        ) from None
    except Exception as error:  # zeep raises all sorts of things for a bad WSDL
        raise ConfigError(
            tr("{path}: not a usable WSDL: {error}", path=path, error=error)
        ) from None
    return Document(path, client, transport.documents)


@dataclass(frozen=True)
class Bound:
    """A service's port: the WSDL it stands in, its SOAP binding, the address given there."""

    document: Document
    service: str
    port: str
    binding: SoapBinding
    address: str

    @property
    def soap(self) -> str:
        """The namespace of its envelopes: :data:`SOAP_11` or :data:`SOAP_12`."""
        return SOAP_12 if isinstance(self.binding, Soap12Binding) else SOAP_11


class WsdlContract:
    """WSDLs and the mapping file that goes with them.

    ``wsdl`` is the file of every binding that names none. Raises ConfigError when one can't
    be used, or has no such service or SOAP port.
    """

    def __init__(self, mapping: ContractMapping, wsdl: Path | None = None) -> None:
        self.mapping = mapping
        self.path = wsdl or contract_file("pfc-mock.wsdl")
        self._documents: dict[Path, Document] = {}
        self._bounds = {name: self._bind(name) for name in mapping.bindings if self._is_used(name)}

    @property
    def documents(self) -> list[Document]:
        """The WSDLs, in the order in which the mapping names them."""
        return list(self._documents.values())

    @property
    def global_elements(self) -> set[str]:
        """Local names of the elements that the schemas declare."""
        return {
            element.qname.localname
            for document in self.documents
            for element in document.client.wsdl.types.elements
        }

    def bound(self, name: str) -> Bound:
        """Where a domain operation is. Raises ConfigError when the mapping has none."""
        return self._bounds[self.mapping.operation(name).binding]

    def operation(self, name: str) -> Any:
        """The zeep operation of a domain operation. Raises ConfigError."""
        spelled, bound = self.mapping.operation(name), self.bound(name)
        known = sorted(bound.binding.all())
        if spelled.name not in known:
            raise ConfigError(
                tr(
                    "{source}: {path} has no operation {spelled!r}",
                    source=self.mapping.source,
                    path=bound.document.path.name,
                    spelled=spelled.name,
                ),
                advice=did_you_mean(spelled.name, known)
                or tr("it has: {names}", names=", ".join(known)),
            )
        operation = bound.binding.get(spelled.name)
        messages = (operation.input, operation.output)
        if not all(isinstance(message, DocumentMessage) and message.body for message in messages):
            raise ConfigError(
                tr(
                    "{path}: {spelled} is not document/literal SOAP",
                    path=bound.document.path.name,
                    spelled=spelled.name,
                )
            )
        return operation

    def action(self, name: str) -> str:
        """The SOAP action of an operation: the mapping's, WS-Addressing's, the binding's."""
        operation = self.operation(name)
        spelled = self.mapping.operation(name)
        return spelled.action or operation.abstract.wsa_action or operation.soapaction or ""

    def header_parts(self, name: str) -> dict[str, Any]:
        """The SOAP headers that the WSDL declares for a request: zeep's elements, by part."""
        header = self.operation(name).input.header
        return {part: element for part, element in header.type.elements if part}

    def envelope(
        self, name: str, elements: dict[str, Any], headers: dict[str, Any]
    ) -> etree._Element:
        """The SOAP envelope of a request; a header that the WSDL doesn't declare is left out.

        Raises ConfigError when the elements don't make the message that the WSDL wants.
        """
        operation = self.operation(name)
        type_ = operation.input.body.type
        try:
            value = shaped(type_, elements)
            told = self._headers(name, headers)
        except ShapeError as error:
            raise self._unwritable(name, f": {error}") from None
        given = ((value,), {}) if is_simple(type_) else ((), value)
        try:
            message = operation.create(*given[0], **given[1], _soapheaders=told)
        except zeep.exceptions.ValidationError as error:
            place = ".".join(str(step) for step in error.path)
            raise self._unwritable(
                name, tr(": see {place}", place=place) if place else ""
            ) from None
        except Exception:  # zeep's other complaints may quote a secret
            raise self._unwritable(name) from None
        envelope: etree._Element = message.content
        return envelope

    def response_body(self, name: str, envelope: etree._Element) -> etree._Element:
        """The element that the body of an answer holds, once its structure follows the WSDL.

        Raises ContractError.
        """
        soap, expected = self.bound(name).soap, self.operation(name).output.body
        body = envelope.find(f"{{{soap}}}Body")
        if envelope.tag != f"{{{soap}}}Envelope" or body is None or len(body) != 1:
            raise ContractError(
                tr("the answer is no SOAP envelope of the kind that the WSDL names")
            )
        if body[0].tag != expected.qname.text:
            raise ContractError(
                tr(
                    "the answer holds {localname!r} of another kind, {expected} is expected",
                    localname=etree.QName(body[0]).localname[:60],
                    expected=expected.name,
                )
            )
        try:
            expected.parse(body[0], self.bound(name).document.client.wsdl.types)
        except Exception:  # whatever zeep stumbles over, the answer is not the WSDL's
            raise ContractError(
                tr(
                    "the answer's {expected} does not have the elements that the WSDL gives it",
                    expected=expected.name,
                )
            ) from None
        return body[0]

    def _headers(self, name: str, headers: dict[str, Any]) -> dict[str, Any]:
        declared = self.header_parts(name)
        return {
            part: shaped(declared[part].type, tree, (part,))
            for part, tree in headers.items()
            if part in declared
        }

    def _is_used(self, binding: str) -> bool:
        """The first is, unless every operation names another."""
        operations = self.mapping.operations.values()
        return not operations or any(item.binding == binding for item in operations)

    def _bind(self, name: str) -> Bound:
        wanted = self.mapping.bindings[name]
        path = wanted.wsdl or self.path
        if path not in self._documents:
            self._documents[path] = read_document(path)
        document = self._documents[path]
        whose = self.mapping
        service = _pick(document.services, wanted.service, tr("service"), path, whose)
        port = _pick(service.ports, wanted.port, tr("port"), path, whose)
        if not isinstance(port.binding, SoapBinding):
            raise ConfigError(
                tr(
                    "{path}: the port of {service} is not a SOAP port",
                    path=path,
                    service=service.name,
                )
            )
        address = str(port.binding_options.get("address") or "")
        return Bound(document, service.name, port.name, port.binding, address)

    def _unwritable(self, name: str, where: str = "") -> ConfigError:
        return ConfigError(
            tr(
                "{source} does not fill {name} as {path} wants it{where}",
                source=self.mapping.source,
                name=self.mapping.operation(name).name,
                path=self.bound(name).document.path.name,
                where=where,
            ),
            advice=tr("run: igc ws check-mapping"),
        )


def parse_envelope(content: bytes) -> etree._Element:
    """The root of an answer. DTDs, entities and broken XML raise ContractError."""
    try:
        root: etree._Element = parse_xml(content, None, settings=SETTINGS)  # type: ignore[arg-type]
        return root
    except (zeep.exceptions.DTDForbidden, zeep.exceptions.EntitiesForbidden):
        raise ContractError(tr("the answer declares a DTD, which no SOAP answer has")) from None
    except (zeep.exceptions.Error, etree.LxmlError, ValueError):
        raise ContractError(tr("the answer is not well-formed XML")) from None


def soap_ports(document: Document) -> Iterator[tuple[str, str, SoapBinding, str]]:
    """Every SOAP port of a WSDL: service, port, binding, the address given there."""
    for service in document.services.values():
        for port in service.ports.values():
            if isinstance(port.binding, SoapBinding):
                options = port.binding_options or {}
                yield service.name, port.name, port.binding, str(options.get("address") or "")


def _pick(found: dict[str, Any], name: str, what: str, path: Path, mapping: ContractMapping) -> Any:
    if not found:
        raise ConfigError(tr("{path}: the WSDL has no {what}", path=path, what=what))
    if not name:
        return next(iter(found.values()))
    if name not in found:
        raise ConfigError(
            tr("{path}: the WSDL has no {what} {name!r}", path=path, what=what, name=name),
            advice=tr(
                "no mapping file is given, so the one of igcsante's own mock is used, which names "
                "it: give yours with --mapping. The WSDL has: {names}",
                names=", ".join(found),
            )
            if mapping.is_own
            else tr("it has: {names}", names=", ".join(found)),
        )
    return found[name]

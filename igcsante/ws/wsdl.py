"""A WSDL read from disk with zeep, and the operations that a mapping file picks in it.

Nothing is ever fetched: an import that points at the network is refused, and so are DTDs.
zeep writes requests and checks the structure of answers; values are ours to read.
"""

# zeep is only partly typed.
# mypy: disallow-untyped-calls=False

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import zeep
import zeep.exceptions
from lxml import etree
from zeep.loader import parse_xml
from zeep.transports import Transport
from zeep.wsdl.bindings.soap import SoapBinding
from zeep.wsdl.messages import DocumentMessage

from ..errors import ConfigError, ContractError, IgcError
from ..files import read_bounded
from ..text import did_you_mean
from .mapping import ContractMapping, contract_file
from .transport import Answer, HttpsTransport

MAX_DOCUMENT_BYTES = 8 * 1024 * 1024
SETTINGS = zeep.Settings(
    strict=True,
    raw_response=True,
    forbid_dtd=True,
    forbid_entities=True,
    forbid_external=True,
    xml_huge_tree=False,
)

# zeep writes what passes through these to its log: envelopes, or the values it can't read.
for _name in (
    "zeep.transports",
    "zeep.xsd.elements.attribute",
    "zeep.xsd.types.any",
    "zeep.xsd.types.simple",
):
    logging.getLogger(_name).addFilter(lambda record: False)


class DiskTransport(Transport):
    """What zeep reads documents with (from disk only) and posts with (through ours)."""

    def __init__(self, https: HttpsTransport | None = None) -> None:
        self.https = https
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

    def post(self, address: str, message: bytes, headers: dict[str, str]) -> Answer:
        if self.https is None:
            raise ConfigError("this contract was opened to be read, not called")
        return self.https.post(message, headers)


class WsdlContract:
    """A WSDL and the mapping file that goes with it.

    Raises ConfigError when the WSDL can't be used, or has no such service or SOAP port.
    """

    def __init__(
        self,
        mapping: ContractMapping,
        wsdl: Path | None = None,
        *,
        https: HttpsTransport | None = None,
        address: str = "",
    ) -> None:
        self.mapping = mapping
        self.path = wsdl or contract_file("pfc-mock.wsdl")
        self._transport = DiskTransport(https)
        self._client = self._read()
        self.binding = self._binding()
        self._proxy = self._client.create_service(self.binding.name.text, address)

    @property
    def documents(self) -> list[bytes]:
        """The WSDL and the schemas it imports, as they were read."""
        return list(self._transport.documents.values())

    @property
    def global_elements(self) -> set[str]:
        """Local names of the elements that the schemas declare."""
        return {element.qname.localname for element in self._client.wsdl.types.elements}

    def operation(self, name: str) -> Any:
        """The zeep operation of a domain operation. Raises ConfigError."""
        wsdl_name = self.mapping.operation(name).name
        known = sorted(self.binding.all())
        if wsdl_name not in known:
            raise ConfigError(
                f"{self.mapping.source}: {self.path.name} has no operation {wsdl_name!r}",
                advice=did_you_mean(wsdl_name, known) or "it has: " + ", ".join(known),
            )
        operation = self.binding.get(wsdl_name)
        messages = (operation.input, operation.output)
        if not all(isinstance(message, DocumentMessage) and message.body for message in messages):
            raise ConfigError(f"{self.path.name}: {wsdl_name} is not document/literal SOAP")
        return operation

    def call(self, name: str, elements: dict[str, Any]) -> Answer:
        """Write the request, post it, give back what came.

        Raises ConfigError when the elements don't make the message that the WSDL wants,
        and what the transport raises.
        """
        self.operation(name)
        wsdl_name = self.mapping.operation(name).name
        try:
            answer: Answer = self._proxy[wsdl_name](**elements)
        except IgcError:
            raise
        except zeep.exceptions.ValidationError as error:
            place = ".".join(str(step) for step in error.path)
            raise self._unwritable(wsdl_name, f": see {place}" if place else "") from None
        except Exception:  # zeep's other complaints may quote a secret
            raise self._unwritable(wsdl_name) from None
        return answer

    def response_body(self, name: str, envelope: etree._Element) -> etree._Element:
        """The wrapper element of an answer, once its structure follows the WSDL.

        Raises ContractError.
        """
        operation = self.operation(name)
        soap = operation.nsmap["soap-env"]
        body = envelope.find(f"{{{soap}}}Body")
        expected = operation.output.body
        if envelope.tag != f"{{{soap}}}Envelope" or body is None or len(body) != 1:
            raise ContractError("the answer is no SOAP envelope of the kind that the WSDL names")
        if body[0].tag != expected.qname.text:
            raise ContractError(
                f"the answer holds {etree.QName(body[0]).localname[:60]!r} of another kind, "
                f"{expected.name} is expected"
            )
        try:
            expected.parse(body[0], self._client.wsdl.types)
        except Exception:  # whatever zeep stumbles over, the answer is not the WSDL's
            raise ContractError(
                f"the answer's {expected.name} does not have the elements that the WSDL gives it"
            ) from None
        return body[0]

    def _read(self) -> zeep.Client:
        try:
            return zeep.Client(
                str(self.path.absolute()), transport=self._transport, settings=SETTINGS
            )
        except IgcError:
            raise
        except zeep.exceptions.ExternalReferenceForbidden as error:
            raise ConfigError(
                f"{self.path}: imports {error.url}, and nothing is fetched from the network",
                advice="save that file beside the WSDL and make the import point at it",
            ) from None
        except Exception as error:  # zeep raises all sorts of things for a bad WSDL
            raise ConfigError(f"{self.path}: not a usable WSDL: {error}") from None

    def _binding(self) -> SoapBinding:
        service = _pick(self._client.wsdl.services, self.mapping.service, "service", self.path)
        binding = _pick(service.ports, self.mapping.port, "port", self.path).binding
        if not isinstance(binding, SoapBinding):
            raise ConfigError(f"{self.path}: the port of {service.name} is not a SOAP port")
        return binding

    def _unwritable(self, wsdl_name: str, where: str = "") -> ConfigError:
        return ConfigError(
            f"{self.mapping.source} does not fill {wsdl_name} as {self.path.name} wants it{where}",
            advice="run: igc ws check-mapping",
        )


def parse_envelope(content: bytes) -> etree._Element:
    """The root of an answer. DTDs, entities and broken XML raise ContractError."""
    try:
        root: etree._Element = parse_xml(content, None, settings=SETTINGS)  # type: ignore[arg-type]
        return root
    except (zeep.exceptions.DTDForbidden, zeep.exceptions.EntitiesForbidden):
        raise ContractError("the answer declares a DTD, which no SOAP answer has") from None
    except (zeep.exceptions.Error, etree.LxmlError, ValueError):
        raise ContractError("the answer is not well-formed XML") from None


def _pick(found: dict[str, Any], name: str, what: str, path: Path) -> Any:
    if not found:
        raise ConfigError(f"{path}: the WSDL has no {what}")
    if not name:
        return next(iter(found.values()))
    if name not in found:
        raise ConfigError(
            f"{path}: the WSDL has no {what} {name!r}", advice="it has: " + ", ".join(found)
        )
    return found[name]

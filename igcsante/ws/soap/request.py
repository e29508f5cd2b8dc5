"""A whole request of the web service, ready to be posted: address, HTTP headers, envelope.

What SOAP 1.1 §6.1 and SOAP 1.2 part 2 §7 want in HTTP, and what the mapping file adds to the
envelope: WS-Addressing, WS-Security, attachments.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urljoin, urlsplit

from lxml import etree

from ...credentials import Credential
from ...errors import ConfigError
from ...messages import tr
from ..contract.codec import encode, encode_headers
from ..contract.wsdl import SOAP_12, WsdlContract
from ..operations import OPERATIONS, record_fields
from .addressing import add_addressing, new_message_id
from .attachments import packed
from .security import add_security, add_timestamp, sign


@dataclass(frozen=True)
class SoapRequest:
    """What is posted. ``message_id`` is empty without WS-Addressing."""

    address: str
    headers: dict[str, str]
    body: bytes
    message_id: str = ""

    @property
    def target(self) -> str:
        """Path and query of the address."""
        parts = urlsplit(self.address)
        return (parts.path or "/") + (f"?{parts.query}" if parts.query else "")


class RequestWriter:
    """Writes requests to the services below ``endpoint``, signed with ``credential`` if asked.

    With ``unsigned`` no key is needed and no signature made: for showing what would be sent.
    Raises ConfigError when a service would be on another server than ``endpoint``, or a
    signature is wanted and no credential given.
    """

    def __init__(
        self,
        contract: WsdlContract,
        endpoint: str,
        credential: Credential | None = None,
        *,
        unsigned: bool = False,
    ) -> None:
        self._contract = contract
        self._mapping = contract.mapping
        self._credential = credential
        self._unsigned = unsigned
        if self._mapping.security.sign and credential is None and not unsigned:
            raise ConfigError(
                tr(
                    "{source}: requests are to be signed, and there is no key for it",
                    source=self._mapping.source,
                )
            )
        self._addresses = {
            name: _same_server(endpoint, binding.path, self._mapping.source)
            for name, binding in self._mapping.bindings.items()
        }

    def write(self, name: str, request: Any, *, at: datetime) -> SoapRequest:
        """The request of a domain operation. Raises ConfigError, and what the key raises."""
        contract, spelled = self._contract, self._mapping.operation(name)
        headers = encode_headers(self._mapping, name, at=at)
        envelope = contract.envelope(name, encode(self._mapping, name, request, at=at), headers)
        address = self._addresses[spelled.binding]
        soap, action = contract.bound(name).soap, contract.action(name)
        message_id = ""
        signable: dict[str, list[etree._Element]] = {"body": [_body(envelope, soap)]}
        if self._is_addressed(name):
            message_id = new_message_id()
            action = action or default_action(contract, name)
            signable["addressing"] = add_addressing(
                _header(envelope, soap), to=address, action=action, message_id=message_id
            )
        if self._mapping.security.sign:
            self._secure(envelope, soap, signable, at)
        content_type, body = self._serialized(name, envelope, soap)
        return SoapRequest(address, _http_headers(soap, action, content_type), body, message_id)

    def _is_addressed(self, name: str) -> bool:
        use = self._mapping.addressing
        named = bool(self._contract.operation(name).abstract.wsa_action)
        return use == "always" or (use == "auto" and named)

    def _secure(
        self,
        envelope: etree._Element,
        soap: str,
        signable: dict[str, list[etree._Element]],
        at: datetime,
    ) -> None:
        wanted = self._mapping.security
        security = add_security(_header(envelope, soap), soap)
        if "timestamp" in wanted.sign:
            signable["timestamp"] = [add_timestamp(security, at=at, lifetime=wanted.lifetime)]
        if self._credential is not None and not self._unsigned:
            parts = [element for name in wanted.sign for element in signable.get(name, [])]
            sign(security, parts, self._credential)

    def _serialized(self, name: str, envelope: etree._Element, soap: str) -> tuple[str, bytes]:
        soap_type = "application/soap+xml" if soap == SOAP_12 else "text/xml"
        if self._mapping.formats.binary == "xop":
            elements = list(self._binaries(name, _body(envelope, soap)))
            return packed(envelope, elements, soap_type)
        octets = etree.tostring(envelope, xml_declaration=True, encoding="utf-8")
        return f"{soap_type}; charset=utf-8", octets

    def _binaries(self, name: str, body: etree._Element) -> Iterator[etree._Element]:
        paths = self._mapping.operation(name).request
        for field in record_fields(OPERATIONS[name].request).values():
            if field.kind is bytes:
                for path in paths.get(field.name, ()):
                    yield from (spot.element for spot in path.find(body[0]) if not spot.is_empty)


def default_action(contract: WsdlContract, name: str) -> str:
    """The action of a request whose WSDL names none (WS-Addressing Metadata §4.4.4)."""
    binding = contract.bound(name).binding
    namespace, operation = binding.port_name.namespace, contract.operation(name)
    mark = ":" if namespace.startswith("urn:") else "/"
    message = operation.input.name or f"{operation.name}Request"
    return mark.join((namespace.rstrip(mark), binding.port_name.localname, message))


def _same_server(endpoint: str, path: str, source: str) -> str:
    address = urljoin(endpoint, path) if path else endpoint
    there, here = urlsplit(address), urlsplit(endpoint)
    if (there.scheme, there.netloc) != (here.scheme, here.netloc):
        raise ConfigError(
            tr(
                "{source}: path {path!r} leads to another server than the address that is given",
                source=source,
                path=path,
            ),
            advice=tr(
                "services on several servers are not supported: one signature of the card "
                "opens one connection"
            ),
        )
    return address


def _header(envelope: etree._Element, soap: str) -> etree._Element:
    header = envelope.find(f"{{{soap}}}Header")
    if header is None:
        header = etree.Element(f"{{{soap}}}Header")
        envelope.insert(0, header)
    return header


def _body(envelope: etree._Element, soap: str) -> etree._Element:
    return next(envelope.iterchildren(f"{{{soap}}}Body"))


def _http_headers(soap: str, action: str, content_type: str) -> dict[str, str]:
    if soap != SOAP_12:
        return {"Content-Type": content_type, "SOAPAction": f'"{action}"'}
    return {"Content-Type": f'{content_type}; action="{action}"' if action else content_type}

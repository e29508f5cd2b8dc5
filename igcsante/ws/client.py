"""The Plateforme de confiance over SOAP: the platform port, with zeep, a WSDL and a mapping.

Nothing here names an operation or an element of the web service: the mapping file does
(facts sheet platform.md §7.1). No envelope is logged, and what a fault says is shown
without the secrets of the request it answers.
"""

from __future__ import annotations

import ssl
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, Self

from lxml import etree

from ..errors import ContractError
from ..secret import Secret
from .codec import decode, encode
from .faults import fault_error, find_fault, status_error
from .mapping import load_mapping
from .model import (
    Habilitation,
    Offre,
    OrderReceipt,
    Product,
    ProductPage,
    ProductRequest,
    ProductSearch,
    Renewal,
    Revocation,
    RevocationReceipt,
    Withdrawal,
    WithdrawnProduct,
)
from .operations import (
    OPERATIONS,
    HabilitationList,
    HabilitationQuery,
    ProductAnswer,
    ProductQuery,
)
from .transport import Answer, HttpsTransport, Limits
from .wsdl import WsdlContract, parse_envelope

XML_TYPES = ("text/xml", "application/xml", "application/soap+xml")


class ZeepPlatform:
    """The platform at ``endpoint`` (https), reached through a TLS context.

    ``wsdl`` and ``mapping`` are files on disk, by default those of the mock. One connection
    serves all calls; use it as a context manager, from one thread. Raises UsageError for a
    bad endpoint or an unverifying context, ConfigError for a bad WSDL or mapping; calls
    raise as :mod:`igcsante.ws.platform` says.
    """

    def __init__(
        self,
        endpoint: str,
        context: ssl.SSLContext,
        *,
        wsdl: Path | None = None,
        mapping: Path | None = None,
        limits: Limits | None = None,
    ) -> None:
        self.endpoint = endpoint
        self._https = HttpsTransport(endpoint, context, limits or Limits())
        self._mapping = load_mapping(mapping)
        self._contract = WsdlContract(self._mapping, wsdl, https=self._https, address=endpoint)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    @property
    def tls_version(self) -> str | None:
        """``TLSv1.2`` or ``TLSv1.3`` once a call was made, else None."""
        return self._https.tls_version

    def close(self) -> None:
        """Hang up."""
        self._https.close()

    @property
    def keeps_references(self) -> bool:
        sent = self._mapping.operation("order_product").request
        return "client_reference" in sent and "client_reference" in self._mapping.records.get(
            "product", {}
        )

    def list_habilitations(
        self, offre: Offre | None = None, structure_text: str = ""
    ) -> tuple[Habilitation, ...]:
        query = HabilitationQuery(offre, structure_text)
        answer: HabilitationList = self._call("list_habilitations", query)
        return answer.habilitations

    def order_product(self, request: ProductRequest) -> OrderReceipt:
        if "client_reference" not in self._mapping.operation("order_product").request:
            request = replace(request, client_reference="")  # the journal has it all the same
        receipt: OrderReceipt = self._call("order_product", request)
        return receipt

    def search_products(self, search: ProductSearch) -> ProductPage:
        page: ProductPage = self._call("search_products", search)
        return page

    def get_product(self, product_id: str) -> Product:
        answer: ProductAnswer = self._call("get_product", ProductQuery(product_id))
        return answer.product

    def withdraw_product(self, withdrawal: Withdrawal) -> WithdrawnProduct:
        product: WithdrawnProduct = self._call("withdraw_product", withdrawal)
        return product

    def revoke_product(self, revocation: Revocation) -> RevocationReceipt:
        receipt: RevocationReceipt = self._call("revoke_product", revocation)
        return receipt

    def renew_product(self, renewal: Renewal) -> OrderReceipt:
        receipt: OrderReceipt = self._call("renew_product", renewal)
        return receipt

    def _call(self, name: str, request: Any) -> Any:
        paths = self._mapping.operation(name)
        answer = self._contract.call(name, encode(self._mapping, request, paths.request))
        try:
            envelope = self._envelope(answer)
            fault = find_fault(envelope)
            if fault is not None:
                raise fault_error(self._mapping, name, fault, answer.status, _secrets(request))
            if answer.status != 200:
                raise status_error(answer.status)
            body = self._contract.response_body(name, envelope)
            return decode(self._mapping, OPERATIONS[name].response, body, paths.response)
        except ContractError as error:
            # The request was served somehow: only a refusal by HTTP says that it was not.
            if not 400 <= answer.status < 500:
                error.fields.setdefault("outcome_unknown", True)
            raise

    def _envelope(self, answer: Answer) -> etree._Element:
        if answer.media_type in XML_TYPES:
            try:
                return parse_envelope(answer.content)
            except ContractError:
                if answer.status == 200:
                    raise
        elif answer.status == 200:
            kind = "an HTML page" if "html" in answer.media_type else answer.media_type[:60]
            raise ContractError(
                f"{kind} came back instead of a SOAP answer",
                advice="the address may be that of a portal or proxy, not of the web service",
            )
        raise status_error(answer.status)


def _secrets(request: Any) -> tuple[str, ...]:
    values = (getattr(request, field.name) for field in fields(request))
    return tuple(value.text() for value in values if isinstance(value, Secret))

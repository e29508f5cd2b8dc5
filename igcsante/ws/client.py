"""The Plateforme de confiance over SOAP: the platform port, with zeep, a WSDL and a mapping.

Nothing here names an operation or an element of the web service: the mapping file does
(facts sheet platform.md §7.1). No envelope is logged, and what a fault says is shown
without the secrets of the request it answers.
"""

from __future__ import annotations

import ssl
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Self

from lxml import etree

from ..certs.network.proxy import ProxyLogin
from ..credentials import Credential
from ..errors import ContractError, IgcError, PlatformRefusedError
from ..messages import tr
from ..secret import Secret
from ..text import printable
from .contract.choice import mapping_for
from .contract.codec import decode
from .contract.completion import DERIVED, completed
from .contract.fault_kinds import FAULT_KINDS
from .contract.wsdl import WsdlContract, parse_envelope
from .listing import every_product, same_number
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
from .outcome import refused_by_status
from .server import ServerCheck
from .soap.addressing import check_relation
from .soap.attachments import MULTIPART, inline, unpacked
from .soap.faults import fault_error, find_fault, status_error
from .soap.request import RequestWriter
from .soap.transport import Answer, HttpsTransport, Limits
from .soap.unexpected import unexpected_answer

_HOW_FAR = tr("what was sent may have been carried out: igc orders says how far an order went")
XML_TYPES = ("text/xml", "application/xml", "application/soap+xml")


class ZeepPlatform:
    """The platform at ``endpoint`` (https), reached through a TLS context.

    ``wsdl`` and ``mapping`` are files on disk, on loopback by default those of the mock,
    ``contract`` what they make when they are loaded already; ``proxy`` the host and port of an
    HTTP proxy to go through, ``proxy_login`` what it is told of who asks; ``credential`` what
    signs requests, when the mapping wants WS-Security; ``server_check`` what speaks against the
    server's certificate (:func:`.server.revocation_check`). One connection serves all calls; use it
    as a context manager, from one thread. Raises UsageError for a bad endpoint or an unverifying
    context, ConfigError for a bad WSDL or mapping, or none with another machine; calls raise as
    :mod:`igcsante.ws.platform` says.
    """

    def __init__(
        self,
        endpoint: str,
        context: ssl.SSLContext,
        *,
        wsdl: Path | None = None,
        mapping: Path | None = None,
        limits: Limits | None = None,
        proxy: tuple[str, int] | None = None,
        proxy_login: ProxyLogin | None = None,
        credential: Credential | None = None,
        contract: WsdlContract | None = None,
        server_check: ServerCheck | None = None,
    ) -> None:
        self.endpoint = endpoint
        self._limits = limits or Limits()
        self._https = HttpsTransport(
            endpoint, context, self._limits, proxy, proxy_login, server_check
        )
        self._contract = contract or WsdlContract(mapping_for(endpoint, wsdl, mapping), wsdl)
        self._mapping = self._contract.mapping
        self._writer = RequestWriter(self._contract, endpoint, credential)

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
        if not {"order_product", "search_products"} <= self._mapping.operations.keys():
            return False
        told = self._mapping.record("search_products", Product).get("client_reference")
        return self._mapping.sends("order_product", "client_reference") and bool(told)

    @property
    def longest_attempt(self) -> timedelta:
        limits = self._limits  # reaching the host and the handshake have a limit each
        return timedelta(seconds=2 * limits.connect + limits.total)

    def list_habilitations(
        self, offre: Offre | None = None, structure_text: str = ""
    ) -> tuple[Habilitation, ...]:
        query = HabilitationQuery(offre, structure_text)
        answer: HabilitationList = self._call("list_habilitations", query)
        return answer.habilitations

    def order_product(self, request: ProductRequest) -> OrderReceipt:
        if not self._mapping.sends("order_product", "client_reference"):
            request = replace(request, client_reference="")  # the journal has it all the same
        receipt: OrderReceipt = self._call("order_product", request)
        return receipt

    def search_products(self, search: ProductSearch) -> ProductPage:
        if search.page > 1 and not self._mapping.sends("search_products", "page"):
            return ProductPage((), 0)  # the first page held them all
        page: ProductPage = self._call("search_products", search)
        return page

    def get_product(self, product_id: str) -> Product:
        if self._lacks("get_product") and not self._lacks("search_products"):
            return self._looked_for(product_id)
        answer: ProductAnswer = self._call("get_product", ProductQuery(product_id))
        if not same_number(answer.product.product_id, product_id):
            raise ContractError(
                tr(
                    "asked for product {product_id}, the platform told of {found}",
                    product_id=product_id,
                    found=printable(answer.product.product_id),
                ),
                advice=tr("check where the mapping writes the number of a product"),
            )
        return answer.product

    def _lacks(self, operation: str) -> bool:
        return operation not in self._mapping.operations

    def _looked_for(self, product_id: str) -> Product:
        """A product among all, by a contract that has no question for one."""
        for product in every_product(self):
            if same_number(product.product_id, product_id):
                return product
        raise PlatformRefusedError(
            tr("the platform lists no product {product_id}", product_id=product_id),
            advice=FAULT_KINDS["not_found"].advice,
            fault="",
            field="product_id",
            kind="not_found",
        )

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
        """One call. Its errors tell of a doubt only when it would have changed something."""
        try:
            return self._answered(name, request)
        except IgcError as error:
            if not OPERATIONS[name].changes:
                error.fields.pop("outcome_unknown", None)
            elif error.fields.get("outcome_unknown") and not error.advice:
                error.advice = _HOW_FAR
            raise

    def _answered(self, name: str, request: Any) -> Any:
        sent = self._writer.write(name, request, at=datetime.now(UTC))
        answer = self._https.post(sent.body, sent.headers, target=sent.target)
        try:
            envelope = self._envelope(answer)
            fault = find_fault(envelope)
            if fault is not None:
                error = fault_error(self._mapping, name, fault, answer.status, _secrets(request))
                if answer.retry_after is not None:
                    error.fields["retry_after"] = answer.retry_after
                raise error
            if answer.status != 200:
                raise status_error(answer.status, answer.retry_after)
            if sent.message_id:
                check_relation(envelope, sent.message_id)
            body = self._contract.response_body(name, envelope)
            response = OPERATIONS[name].response
            now = datetime.now(UTC)
            told = decode(self._mapping, name, response, body, DERIVED.get(name), at=now)
            return completed(request, told)
        except ContractError as strange:
            if not refused_by_status(answer.status):
                strange.fields["outcome_unknown"] = True
            raise

    def _envelope(self, answer: Answer) -> etree._Element:
        try:
            media_type, content, attachments = answer.media_type, answer.content, None
            if media_type == MULTIPART:
                media_type, content, attachments = unpacked(answer.content_type, content)
            if media_type in XML_TYPES:
                envelope = parse_envelope(content)
                inline(envelope, attachments or {})
                return envelope
            if answer.status == 200:
                raise unexpected_answer(answer)
        except ContractError:
            if answer.status == 200:
                raise
        raise status_error(answer.status, answer.retry_after)


def _secrets(request: Any) -> tuple[str, ...]:
    values = (getattr(request, field.name) for field in fields(request))
    return tuple(value.text() for value in values if isinstance(value, Secret))

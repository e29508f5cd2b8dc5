"""A platform in memory, for what is built on the port."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from cryptography import x509

from igcsante.errors import NetworkError
from igcsante.ws.model import (
    KeyMode,
    OrderReceipt,
    Product,
    ProductPage,
    ProductState,
    RevocationReceipt,
    Structure,
    WithdrawnProduct,
)

AT = datetime(2026, 11, 22, 9, tzinfo=UTC)


class FakePlatform:
    """Keeps its products in a list; ``fail_*`` happens after the work, or instead of it."""

    keeps_references = True
    longest_attempt = timedelta(0)

    def __init__(self, certificate: bytes) -> None:
        self.certificate = certificate
        self.products: list[Product] = []
        self.error: Exception | None = None
        self.works = True
        self.reachable = True
        self.seen_by_journal = None

    def _add(self, request):
        self.products.append(
            Product(
                product_id=f"P-{len(self.products) + 1}",
                offre=request.offre,
                usage=request.usage,
                structure=Structure(request.structure, "X"),
                label=request.label,
                state=ProductState.A_RETIRER,
                requested_at=AT,
                key_mode=KeyMode.CSR,
                renewable=False,
                client_reference=request.client_reference,
            )
        )
        return OrderReceipt(self.products[-1].product_id, ProductState.A_RETIRER)

    def _become(self, state):
        revoked_at = AT if state is ProductState.REVOQUE else None
        self.products[-1] = replace(
            self.products[-1], state=state, serial=self._serial(), revoked_at=revoked_at
        )

    def _serial(self):
        try:
            return f"{x509.load_der_x509_certificate(self.certificate).serial_number:X}"
        except ValueError:
            return "0AFF"

    def _finish(self, work, result=None):
        done = work() if self.works else None
        if self.error:
            raise self.error
        return result or done

    def order_product(self, request):
        if self.seen_by_journal:
            self.seen_by_journal(request)
        return self._finish(lambda: self._add(request))

    def withdraw_product(self, withdrawal):
        product = WithdrawnProduct("a.cer", "x", b"c", self.certificate, (self.certificate,))
        return self._finish(lambda: self._become(ProductState.ACTIF), product)

    def revoke_product(self, revocation):
        receipt = RevocationReceipt(ProductState.REVOQUE, AT)
        return self._finish(lambda: self._become(ProductState.REVOQUE), receipt)

    def renew_product(self, renewal):
        return self._finish(lambda: self._succeed(renewal))

    def _succeed(self, renewal):
        source = next(p for p in self.products if p.product_id == renewal.product_id)
        number = self.products.index(source)
        new = f"P-{len(self.products) + 1}"
        successor = replace(
            source,
            product_id=new,
            state=ProductState.A_RETIRER,
            client_reference="",
            renews=source.product_id,
            renewed_by="",
            serial="",
            not_after=None,
        )
        self.products[number] = replace(source, renewed_by=new)
        self.products.append(successor)
        return OrderReceipt(new, ProductState.A_RETIRER)

    def search_products(self, search):
        if not self.reachable:
            raise NetworkError("unreachable")
        start = (search.page - 1) * search.page_size
        found = self.products[start : start + search.page_size]
        return ProductPage(tuple(found), len(self.products))

    def get_product(self, product_id):
        if not self.reachable:
            raise NetworkError("unreachable")
        return next(p for p in self.products if p.product_id == product_id)

"""A platform in a file: what it did, and what is on its way to it, outlives a killed client."""

from __future__ import annotations

import pickle
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from igcsante.errors import PlatformRefusedError
from igcsante.ws.model import (
    KeyMode,
    OrderReceipt,
    Product,
    ProductPage,
    ProductRequest,
    ProductState,
    Renewal,
    Structure,
    WithdrawnProduct,
)

AT = datetime(2026, 11, 22, 9, tzinfo=UTC)
CA_KEY = ec.generate_private_key(ec.SECP256R1())
NAME = x509.Name([])


@dataclass(frozen=True)
class Call:
    """A request that changes something; ``subject`` tells one that is sent a second time."""

    operation: str
    subject: str
    request: ProductRequest | Renewal | None = None  # a withdrawal's holds a secret


class FilePlatform:
    """Orders, renews and withdraws; its file is replaced in one step. ``at`` is its time.

    ``sent`` is all that ever left a client; ``on_its_way`` what has not been served of it.
    """

    keeps_references = True
    longest_attempt = timedelta(minutes=1)

    def __init__(self, file: Path, at: datetime = AT) -> None:
        self._file, self._at = file, at
        self.products: list[tuple[Product, bytes]] = []
        self.sent: list[Call] = []
        self.on_its_way: list[Call] = []
        if file.exists():
            kept = pickle.loads(file.read_bytes())  # noqa: S301 - our own
            self.products, self.sent, self.on_its_way = kept

    def save(self) -> None:
        draft = self._file.with_suffix(".new")
        draft.write_bytes(pickle.dumps((self.products, self.sent, self.on_its_way)))
        draft.rename(self._file)

    # -- the port ----------------------------------------------------------------------

    def order_product(self, request: ProductRequest) -> OrderReceipt:
        return self._call(Call("order", request.label, request))

    def renew_product(self, renewal: Renewal) -> OrderReceipt:
        return self._call(Call("renew", renewal.product_id, renewal))

    def withdraw_product(self, withdrawal: Any) -> WithdrawnProduct:
        return self._call(Call("withdraw", withdrawal.product_id))

    def search_products(self, search: Any) -> ProductPage:
        return ProductPage(tuple(product for product, _ in self.products), len(self.products))

    def get_product(self, product_id: str) -> Product:
        return self.products[_index(product_id)][0]

    # -- the line ----------------------------------------------------------------------

    def _call(self, call: Call) -> Any:
        self.sent.append(call)
        self.on_its_way.append(call)
        self.save()
        return self.serve(call)

    def serve(self, call: Call) -> Any:
        """What has arrived; it is answered to whoever still listens."""
        self.on_its_way.remove(call)
        try:
            return getattr(self, f"_{call.operation}")(call)
        finally:
            self.save()

    def receive(self) -> None:
        """What was on its way arrives."""
        for call in tuple(self.on_its_way):
            self.serve(call)

    def lose(self) -> None:
        """What was on its way never arrives."""
        self.on_its_way.clear()
        self.save()

    # -- the work ----------------------------------------------------------------------

    def _order(self, call: Call) -> OrderReceipt:
        request = call.request
        assert isinstance(request, ProductRequest) and request.csr is not None
        if any(p.client_reference == request.client_reference for p, _ in self.products):
            raise PlatformRefusedError("this reference is known", kind="duplicate_reference")
        product = Product(
            f"P-{len(self.products) + 1}",
            request.offre,
            request.usage,
            Structure(request.structure, "X"),
            request.label,
            ProductState.A_RETIRER,
            self._at,
            KeyMode.CSR,
            renewable=False,
            client_reference=request.client_reference,
        )
        return self._add(product, request.csr)

    def _renew(self, call: Call) -> OrderReceipt:
        renewal = call.request
        assert isinstance(renewal, Renewal) and renewal.csr is not None
        number = _index(renewal.product_id)
        source, csr = self.products[number]
        if source.renewed_by:
            raise PlatformRefusedError("it is renewed already")
        successor = replace(
            source,
            product_id=f"P-{len(self.products) + 1}",
            state=ProductState.A_RETIRER,
            requested_at=self._at,
            client_reference="",
            renews=source.product_id,
            serial="",
            not_after=None,
        )
        self.products[number] = replace(source, renewed_by=successor.product_id), csr
        return self._add(successor, renewal.csr)

    def _add(self, product: Product, csr: bytes) -> OrderReceipt:
        self.products.append((product, csr))
        return OrderReceipt(product.product_id, product.state)

    def _withdraw(self, call: Call) -> WithdrawnProduct:
        number = _index(call.subject)
        product, csr = self.products[number]
        if product.state is not ProductState.A_RETIRER:
            raise PlatformRefusedError("it was withdrawn before")
        end = AT + timedelta(days=1095)
        certificate = (
            x509.CertificateBuilder(NAME, NAME, x509.load_pem_x509_csr(csr).public_key())
            .serial_number(1000 + number)
            .not_valid_before(AT)
            .not_valid_after(end)
            .sign(CA_KEY, hashes.SHA256())
        )
        der = certificate.public_bytes(Encoding.DER)
        issued = replace(
            product, state=ProductState.ACTIF, serial=f"{1000 + number:X}", not_after=end
        )
        self.products[number] = issued, csr
        return WithdrawnProduct("c.cer", "application/pkix-cert", der, der, (der,))


def _index(product_id: str) -> int:
    return int(product_id[2:]) - 1

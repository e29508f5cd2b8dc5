"""For programs that kill a client with SIGKILL at every point where it wrote or sent something.

Each runs alone in its process, so that it may fork, and prints what it found as JSON. The
platform is a file, so that what it did outlives the client that was killed.
"""

from __future__ import annotations

import json
import os
import pickle
import shutil
import signal
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from igcsante.certs import requests
from igcsante.errors import PlatformRefusedError
from igcsante.ws.model import (
    KeyMode,
    OrderReceipt,
    Product,
    ProductPage,
    ProductState,
    Structure,
    WithdrawnProduct,
)
from igcsante.ws.orders.journal import Entry, Journal

AT = datetime(2026, 11, 22, 9, tzinfo=UTC)
CA_KEY = ec.generate_private_key(ec.SECP256R1())
NAME = x509.Name([])


class FilePlatform:
    """Orders, renews and withdraws; its products are in a file that is replaced in one step."""

    keeps_references = True
    longest_attempt = timedelta(0)

    def __init__(self, file: Path) -> None:
        self._file = file
        self.products: list[tuple[Product, bytes]] = []
        if file.exists():
            self.products = pickle.loads(file.read_bytes())  # noqa: S301 - our own

    def save(self) -> None:
        draft = self._file.with_suffix(".new")
        draft.write_bytes(pickle.dumps(self.products))
        draft.rename(self._file)

    def order_product(self, request: Any) -> OrderReceipt:
        if any(p.client_reference == request.client_reference for p, _ in self.products):
            raise PlatformRefusedError("this reference is known", field="client_reference")
        product = Product(
            f"P-{len(self.products) + 1}",
            request.offre,
            request.usage,
            Structure(request.structure, "X"),
            request.label,
            ProductState.A_RETIRER,
            AT,
            KeyMode.CSR,
            renewable=False,
            client_reference=request.client_reference,
        )
        return self._add(product, request.csr)

    def renew_product(self, renewal: Any) -> OrderReceipt:
        number = int(renewal.product_id[2:]) - 1
        source, csr = self.products[number]
        if source.renewed_by:
            raise PlatformRefusedError("it is renewed already")
        successor = replace(
            source,
            product_id=f"P-{len(self.products) + 1}",
            state=ProductState.A_RETIRER,
            client_reference="",
            renews=source.product_id,
            serial="",
            not_after=None,
        )
        self.products[number] = replace(source, renewed_by=successor.product_id), csr
        return self._add(successor, renewal.csr)

    def _add(self, product: Product, csr: bytes) -> OrderReceipt:
        self.products.append((product, csr))
        self.save()
        return OrderReceipt(product.product_id, product.state)

    def withdraw_product(self, withdrawal: Any) -> WithdrawnProduct:
        number = int(withdrawal.product_id[2:]) - 1
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
        self.save()
        return WithdrawnProduct("c.cer", "application/pkix-cert", der, der, (der,))

    def search_products(self, search: Any) -> ProductPage:
        return ProductPage(tuple(product for product, _ in self.products), len(self.products))

    def get_product(self, product_id: str) -> Product:
        return self.products[int(product_id[2:]) - 1][0]


def die_at(number: int) -> None:
    """From now on: SIGKILL at the ``number``-th point, before or after something is done."""
    left = [number]

    def point() -> None:
        left[0] -= 1
        if not left[0]:
            os.kill(os.getpid(), signal.SIGKILL)

    def pointed(function: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(*arguments: Any, **named: Any) -> Any:
            point()
            result = function(*arguments, **named)
            point()
            return result

        return wrapped

    os.fsync = pointed(os.fsync)
    for owner, name in (
        (Path, "hardlink_to"),
        (Path, "unlink"),
        (Journal, "record"),
        (Journal, "_change"),
        *((FilePlatform, name) for name in vars(FilePlatform) if name.endswith("_product")),
        (FilePlatform, "search_products"),
    ):
        setattr(owner, name, pointed(getattr(owner, name)))


def killed(run: Callable[[], object], number: int) -> bool:
    """Run it in a child that dies at that point; whether it did."""
    child = os.fork()
    if child == 0:
        die_at(number)
        run()
        os._exit(0)
    return os.waitpid(child, 0)[1] == signal.SIGKILL


def kill_again_and_again(
    folder: Path,
    stride: int,
    run: Callable[[Path], object],
    wrong_after: Callable[[Path], list[str]],
    *,
    begin: Callable[[Path], object] = lambda place: None,
) -> None:
    """Print what ``wrong_after`` finds, for each point (each ``stride``-th) of ``run``.

    What both find in their folder at first, ``begin`` makes there.
    """
    start = folder / "begin"
    start.mkdir(parents=True)
    begin(start)
    told: list[list[str]] = []
    number, dead = 1, True
    while dead:
        place = folder / "place"
        shutil.copytree(start, place)
        dead = killed(lambda: run(place), number)  # noqa: B023 - it runs right here
        told.append(wrong_after(place))
        shutil.rmtree(place)
        number += stride
    print(json.dumps(told))


def wrong_with_files(entry: Entry) -> list[str]:
    """What does not fit of a certificate that was withdrawn."""
    found = []
    certificate = x509.load_pem_x509_certificate(Path(entry.certificate_path).read_bytes())
    key = requests.read_key(Path(entry.key_path))
    if key.public_key() != certificate.public_key():
        found.append("a key does not match its certificate")
    if not Path(entry.certificate_path.replace(".cert.pem", ".chain.pem")).is_file():
        found.append("a file is missing")
    return found

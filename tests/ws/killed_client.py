"""A batch of orders, killed with SIGKILL at every point where something was written or sent.

Run as a program, alone in its process so that it may fork; it prints what it found as JSON. The
platform is a file, so that what it did outlives the client that was killed.
"""

from __future__ import annotations

import json
import os
import pickle
import signal
import sys
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
from igcsante.identifiers import StructureId
from igcsante.secret import Secret
from igcsante.ws.model import (
    KeyMode,
    Offre,
    OrderReceipt,
    Product,
    ProductPage,
    ProductState,
    Structure,
    Usage,
    WithdrawnProduct,
)
from igcsante.ws.orders import batch, order_key
from igcsante.ws.orders.batch import Job, Run
from igcsante.ws.orders.batch_file import Row
from igcsante.ws.orders.enrolment import Delivery
from igcsante.ws.orders.journal import Journal, OrderState
from igcsante.ws.orders.reconcile import SETTLING

AT = datetime(2026, 11, 22, 9, tzinfo=UTC)
KEYS = [requests.new_key() for _ in range(5)]
CA_KEY = ec.generate_private_key(ec.SECP256R1())
NAME = x509.Name([])
ROWS, STRIDE = int(sys.argv[2]), int(sys.argv[3])


class FilePlatform:
    """Orders and withdraws; its products are in a file that is replaced in one step."""

    keeps_references = True

    def __init__(self, file: Path) -> None:
        self._file = file
        self.products: list[tuple[Product, bytes]] = []
        if file.exists():
            self.products = pickle.loads(file.read_bytes())  # noqa: S301 - our own

    def _save(self) -> None:
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
        self.products.append((product, request.csr))
        self._save()
        return OrderReceipt(product.product_id, product.state)

    def withdraw_product(self, withdrawal: Any) -> WithdrawnProduct:
        number = int(withdrawal.product_id[2:]) - 1
        product, csr = self.products[number]
        if product.state is not ProductState.A_RETIRER:
            raise PlatformRefusedError("it was withdrawn before")
        certificate = (
            x509.CertificateBuilder(NAME, NAME, x509.load_pem_x509_csr(csr).public_key())
            .serial_number(1000 + number)
            .not_valid_before(AT)
            .not_valid_after(AT + timedelta(days=1095))
            .sign(CA_KEY, hashes.SHA256())
        )
        der = certificate.public_bytes(Encoding.DER)
        issued = replace(product, state=ProductState.ACTIF, serial=f"{1000 + number:X}")
        self.products[number] = issued, csr
        self._save()
        return WithdrawnProduct("c.cer", "application/pkix-cert", der, der, (der,))

    def search_products(self, search: Any) -> ProductPage:
        return ProductPage(tuple(product for product, _ in self.products), len(self.products))

    def get_product(self, product_id: str) -> Product:
        return self.products[int(product_id[2:]) - 1][0]


def run(folder: Path, *, later: timedelta = timedelta(0)) -> list[batch.Outcome]:
    """The batch, over the platform and the journal of ``folder``."""
    keys = iter(KEYS[2:] if later else KEYS)
    order_key.new_key = lambda bits: next(keys)
    rows = [Row(f"line {n}", {"service": f"s{n}"}) for n in range(2, 2 + ROWS)]
    jobs = [
        Job(
            row,
            {
                "offre": Offre.ORG,
                "usage": Usage.AUTH_CLI,
                "structure": StructureId.parse("10B0999003"),
                "emails": ("pki@exemple.fr",),
                "service_name": row.cells["service"],
            },
            folder / "certs",
            row.cells["service"],
        )
        for row in rows
    ]
    password = Secret("password") if ROWS > 1 else None  # deriving its key takes long
    delivery = Delivery(Secret("code"), accepted=True, p12_password=password)
    with Journal(folder / "journal.sqlite") as journal:
        platform = FilePlatform(folder / "platform")
        work = Run(platform, journal, delivery, lambda: AT + later, sleep=lambda _: None)
        return list(work.do(jobs, keep_going=True))


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
        (FilePlatform, "order_product"),
        (FilePlatform, "withdraw_product"),
    ):
        setattr(owner, name, pointed(getattr(owner, name)))


def killed(folder: Path, number: int) -> bool:
    """Run the batch in a child that dies at that point; whether it did."""
    child = os.fork()
    if child == 0:
        die_at(number)
        run(folder)
        os._exit(0)
    return os.waitpid(child, 0)[1] == signal.SIGKILL


def state_after(folder: Path) -> list[str]:
    """What is wrong once the batch was run again; ``lost`` for what can't be had again."""
    outcomes = run(folder, later=SETTLING)
    platform = FilePlatform(folder / "platform")
    found = []
    if len(list((folder / "certs").glob("*.key.pem"))) != ROWS:
        found.append("a key was left behind, or lost")
    if len(platform.products) != ROWS:
        found.append(f"{len(platform.products)} products were ordered")
    for outcome in outcomes:
        entry = outcome.entry
        if entry is None:
            found.append("an order left no trace")
        elif entry.certificate_path:
            certificate = x509.load_pem_x509_certificate(Path(entry.certificate_path).read_bytes())
            key = requests.read_key(Path(entry.key_path))
            if key.public_key() != certificate.public_key():
                found.append("a key does not match its certificate")
            if not Path(entry.certificate_path.replace(".cert.pem", ".chain.pem")).is_file():
                found.append("a file is missing")
        elif entry.state is OrderState.WITHDRAWN and entry.serial and outcome.error:
            found.append("lost")
        else:
            found.append(f"{entry.state}: {outcome.error}")
    return found


def main(folder: Path) -> None:
    told: list[list[str]] = []
    number = 1
    while True:
        place = folder / str(number)
        place.mkdir(parents=True)
        dead = killed(place, number)
        told.append(state_after(place))
        if not dead:
            break
        number += STRIDE
    print(json.dumps(told))


if __name__ == "__main__":
    main(Path(sys.argv[1]))

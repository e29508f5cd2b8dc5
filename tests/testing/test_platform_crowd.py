"""Fifty clients at once, and a mock that is killed again and again: nothing lost, nothing twice."""

from __future__ import annotations

import http.client
import json
import os
import random
import ssl
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from lxml import etree
from pfc_client import CODE, NOW, card_profile, envelope, order, quick_keys, request_for
from pfc_world import SECRET, client_of, wanted

from igcsante.errors import IgcError, PlatformRefusedError
from igcsante.testing.pki.simulated import save_key_pair
from igcsante.testing.platform.soap import PATH
from igcsante.testing.world import SimulatedWorld
from igcsante.ws.client import ZeepPlatform
from igcsante.ws.model import ProductPage, ProductSearch, Revocation, Withdrawal
from igcsante.ws.vocabulary import ProductState

SECONDS = 60
CLIENTS = 50


def spki(key: Any) -> bytes:
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def every_product(world: SimulatedWorld) -> ProductPage:
    pages = [
        world.platform.browse(ProductSearch(page=number, page_size=100)) for number in range(1, 9)
    ]
    return ProductPage(tuple(item for page in pages for item in page.products), pages[0].total)


def certificates(world: SimulatedWorld) -> dict[str, x509.Certificate]:
    """By client reference, what the store has."""
    with world.platform.store.reading() as tx:
        numbers = range(1, every_product(world).total + 1)
        records = [record for record in map(tx.get, numbers) if record and record.certificate]
    return {r.reference: x509.load_der_x509_certificate(r.certificate) for r in records}


# -- at once ---------------------------------------------------------------------------------


def test_fifty_clients_at_once_get_one_product_for_each_reference(tmp_path) -> None:
    """Two clients a reference, over mutual TLS: one has the product, the other is told so."""
    keys = list(islice(quick_keys(), CLIENTS))
    with SimulatedWorld() as world:
        pair = world.pki.issue_card(card_profile(), NOW).authentication
        save_key_pair(tmp_path, "card", pair)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        roots = b"".join(root.public_bytes(Encoding.PEM) for root in world.pki.roots)
        context.load_verify_locations(cadata=roots.decode())
        context.load_cert_chain(tmp_path / "card.pem", tmp_path / "card.key")
        start = threading.Barrier(CLIENTS)

        def run(number: int) -> tuple[str, str]:
            connection = http.client.HTTPSConnection(
                "127.0.0.1", world.server.port, context=context, timeout=SECONDS
            )
            with closing(connection):
                connection.connect()
                start.wait(SECONDS)
                return f"commande-{number // 2}", order_and_withdraw(connection, number)

        def order_and_withdraw(connection: http.client.HTTPSConnection, number: int) -> str:
            children = order(request_for(keys[number]), referenceClient=f"commande-{number // 2}")
            told = call(connection, "demanderProduit", children)
            product = told.findtext(".//idProduit")
            if product is None:
                return told.findtext(".//code")
            codes = [("codeRevocation", CODE), ("confirmationCode", CODE)]
            accepted = ("acceptationBeneficiaire", "true")
            call(connection, "retirerProduit", [("idProduit", product), *codes, accepted])
            return product

        with ThreadPoolExecutor(CLIENTS) as workers:
            told = list(workers.map(run, range(CLIENTS)))
        products = [outcome for _, outcome in told if outcome.startswith("MOCK-0")]
        assert len(set(products)) == len(products) == CLIENTS // 2
        assert [outcome for _, outcome in told].count("MOCK-F19") == CLIENTS // 2
        found = every_product(world)
        assert found.total == CLIENTS // 2
        assert {item.state for item in found.products} == {ProductState.ACTIF}
        issued = certificates(world)
        for number, (reference, outcome) in enumerate(told):
            if outcome != "MOCK-F19":
                assert spki(issued[reference].public_key()) == spki(keys[number].public_key())
        assert len({leaf.serial_number for leaf in issued.values()}) == CLIENTS // 2
        assert world.server.handshakes == CLIENTS


def call(connection: http.client.HTTPSConnection, operation: str, children: Any) -> Any:
    headers = {"Content-Type": "text/xml; charset=utf-8", "SOAPAction": '""'}
    connection.request("POST", PATH, envelope(operation, children), headers)
    return etree.fromstring(connection.getresponse().read())


# -- killed ----------------------------------------------------------------------------------


class MortalPlatform:
    """``igc sim platform`` as a process that somebody kills with -9 every now and then.

    Each life lasts a random time, at most ``longest`` seconds; the last has no end.
    """

    def __init__(self, folder: Path, lives: int, longest: float, chance: random.Random) -> None:
        self.world = SimulatedWorld(folder / "sim")
        self._folder, self._chance = folder, chance
        self._lives, self._longest = lives, longest
        self._process: subprocess.Popen[bytes] | None = None
        self.killed = 0
        self.client = self._start()

    def _start(self) -> ZeepPlatform:
        """A new life; some end before they have begun."""
        while True:
            port = self.world.pki.base_url.rpartition(":")[2]
            command = ["sim", "platform", "--port", "0", "--pki-port", port, "--json"]
            self._process = process = subprocess.Popen(
                [sys.executable, "-m", "igcsante.cli.main", *command],
                stdout=subprocess.PIPE,
                env={**os.environ, "IGC_DATA_DIR": str(self._folder)},
            )
            mortal, early = self.killed < self._lives, self._chance.random() < 0.25
            if mortal and early:
                self._kill_soon(process)
            line = process.stdout.readline()
            if line:
                break
            self._bury()
        endpoint = json.loads(line)["platform"]
        self.world._platform_port = int(endpoint.split("/")[2].rpartition(":")[2])
        if mortal and not early:
            self._kill_soon(process)
        return client_of(self.world)

    def _kill_soon(self, process: subprocess.Popen[bytes]) -> None:
        timer = threading.Timer(self._chance.uniform(0, self._longest), process.kill)
        timer.daemon = True
        timer.start()

    def _bury(self) -> None:
        self._process.wait(SECONDS)
        self._process.stdout.close()
        self.killed += 1

    def insist(self, act: Callable[[ZeepPlatform], Any], done: Callable[[], Any]) -> Any:
        """``act`` until it succeeds, or ``done`` says that it had; a new life after each death."""
        while True:
            try:
                return act(self.client)
            except PlatformRefusedError:
                raise
            except IgcError:
                self.client.close()
                if self._process.poll() is None:
                    with suppress(subprocess.TimeoutExpired):
                        self._process.wait(2)
                if self._process.poll() is not None:
                    self._bury()
                    self.client = self._start()
                if (found := done()) is not None:
                    return found

    def stop(self) -> None:
        self.client.close()
        self._process.kill()
        self._process.wait(SECONDS)
        self._process.stdout.close()


@pytest.fixture
def folder(tmp_path) -> Iterator[Path]:
    SimulatedWorld(tmp_path / "sim", platform_port=0, pki_port=0).stop()
    settings = "[options]\nsecond_withdrawal = true\n"
    (tmp_path / "sim" / "platform.toml").write_text(settings)
    yield tmp_path


@pytest.mark.parametrize(
    ("orders", "lives", "longest"),
    [(3, 2, 0.3), pytest.param(200, 60, 1.5, marks=pytest.mark.long)],
)
def test_platform_killed_at_any_moment_loses_nothing_and_does_nothing_twice(
    folder, orders, lives, longest
) -> None:
    platform = MortalPlatform(folder, lives, longest, random.Random(orders))  # noqa: S311
    keys: dict[str, rsa.RSAPrivateKey] = {}
    new_keys = quick_keys()
    delivered: dict[str, bytes] = {}
    products: dict[str, str] = {}
    revoked = set()
    try:
        for number in range(orders):
            reference = f"commande-{number}"
            keys[reference] = next(new_keys)
            products[reference] = ordered(platform, reference, keys[reference])
            delivered[reference] = delivery(platform, products[reference])
            if number % 3 == 0:
                revoke(platform, products[reference])
                revoked.add(reference)
    finally:
        platform.stop()
    assert platform.killed >= lives // 2

    world = SimulatedWorld(folder / "sim")
    found = every_product(world).products
    assert sorted(item.client_reference for item in found) == sorted(keys)
    issued = certificates(world)
    for item in found:
        leaf = issued[item.client_reference]
        assert item.product_id == products[item.client_reference]
        assert leaf.public_bytes(Encoding.DER) == delivered[item.client_reference]
        assert spki(leaf.public_key()) == spki(keys[item.client_reference].public_key())
        gone = item.client_reference in revoked
        assert item.state is (ProductState.REVOQUE if gone else ProductState.ACTIF)
        assert (world.pki.revocation(leaf.serial_number, world.clock()) is not None) == gone
        told = [mail for mail in world.platform.mails() if item.product_id in mail.body]
        assert sum(mail.subject == "Demande enregistrée" for mail in told) == len(item.emails)
    assert world.pki.revoked_count("ACI-EL-ORG-TEST", world.clock()) == len(revoked)


def ordered(platform: MortalPlatform, reference: str, key: rsa.RSAPrivateKey) -> str:
    request = wanted(client_reference=reference, csr=request_for(key))

    def known() -> str | None:
        with suppress(IgcError):
            for page in range(1, 9):
                search = ProductSearch(page=page, page_size=100)
                for item in platform.client.search_products(search).products:
                    if item.client_reference == reference:
                        return item.product_id
        return None

    try:
        return platform.insist(lambda client: client.order_product(request).product_id, known)
    except PlatformRefusedError as refusal:  # it had been taken, and the line broke again
        assert refusal.fields["fault"] in ("MOCK-F19", "MOCK-F08")
        return platform.insist(lambda _: known() or lost(), lambda: None)


def lost() -> None:
    raise IgcError("ask again")


def delivery(platform: MortalPlatform, product: str) -> bytes:
    withdrawal = Withdrawal(product, SECRET, accepted=True)
    return platform.insist(
        lambda client: client.withdraw_product(withdrawal).certificate, lambda: None
    )


def revoke(platform: MortalPlatform, product: str) -> None:
    def known() -> bool | None:
        with suppress(IgcError):
            state = platform.client.get_product(product).state
            return True if state is ProductState.REVOQUE else None
        return None

    revocation = Revocation(SECRET, product_id=product)
    try:
        platform.insist(lambda client: client.revoke_product(revocation), known)
    except PlatformRefusedError as refusal:
        assert refusal.fields["fault"] == "MOCK-F11"

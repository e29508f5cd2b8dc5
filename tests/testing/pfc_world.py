"""A served world for the tests of the mock, and the real client with a card's credential."""

from __future__ import annotations

from typing import Any

from cryptography import x509
from pfc_client import CODE, request_for

from igcsante.credentials import Credential
from igcsante.identifiers import StructureId
from igcsante.secret import Secret
from igcsante.testing.cards import load_profile
from igcsante.testing.world import SimulatedWorld
from igcsante.tls import client_context
from igcsante.ws.client import ZeepPlatform
from igcsante.ws.model import ProductRequest, Withdrawal
from igcsante.ws.vocabulary import Offre, Usage

HOSPITAL = StructureId.parse("10B0999003")
PHARMACY = StructureId.parse("399999999700037")
SECRET = Secret(CODE)
TO_TELL = ("un@ch.example", "deux@ch.example")


def client_of(world: SimulatedWorld, card: str = "cps3") -> ZeepPlatform:
    """The real client, as the bearer of a card of ``world``."""
    pair = world.card_material(load_profile(card)).authentication
    context = client_context(Credential(pair.certificate, pair.private_key), world.anchors)
    return ZeepPlatform(world.endpoint, context)


def wanted(**changes: Any) -> ProductRequest:
    """An order with a CSR of its own, unless ``changes`` say otherwise."""
    request = {
        "offre": Offre.ORG,
        "usage": Usage.AUTH_CLI,
        "structure": HOSPITAL,
        "emails": TO_TELL,
        "service_name": "service",
        **changes,
    }
    if "key_password" not in request and "csr" not in request:
        request["csr"] = request_for()
    return ProductRequest(**request)


def withdrawn(platform: ZeepPlatform, product: str) -> x509.Certificate:
    """The certificate of a product."""
    delivery = platform.withdraw_product(Withdrawal(product, SECRET, accepted=True))
    return x509.load_der_x509_certificate(delivery.certificate)

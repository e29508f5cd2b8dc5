"""What the tests of the simulated cards share: quick keys and certificates, cards, traces."""

import functools
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

from igcsante.testing.cards import CardMaterial, KeyPair, SimulatedCard, load_profile

FIXTURES = Path(__file__).parent.parent / "fixtures"
BIRTH = datetime(2026, 1, 1, tzinfo=UTC)

AID_ROOT = "8025000001FF0100"
VERIFY_1234 = "0020000104 31323334"


def key_pair(common_name: str) -> KeyPair:
    private_key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
    certificate = (
        x509.CertificateBuilder(name, name, private_key.public_key(), 7)
        .not_valid_before(BIRTH)
        .not_valid_after(BIRTH + timedelta(days=1000))
        .sign(private_key, hashes.SHA256())
    )
    return KeyPair(private_key, certificate)


@functools.cache
def material() -> CardMaterial:
    return CardMaterial(key_pair("SIMULATION AUT"), key_pair("SIMULATION SIG"))


@functools.cache
def contactless_material() -> CardMaterial:
    return replace(material(), technical=key_pair("SIMULATION TECH"))


def powered_card(name: str, **changes: Any) -> SimulatedCard:
    """A card of the package, some of its profile changed."""
    profile = replace(load_profile(name), **changes)
    contactless = profile.variant == "contactless"
    card = SimulatedCard(profile, contactless_material() if contactless else material())
    card.power_on()
    return card


def send(card: SimulatedCard, command: str) -> str:
    """A command and its answer, in hexadecimal."""
    return card.transmit(bytes.fromhex(command)).hex().upper()


def answer(card: SimulatedCard, command: str) -> bytes:
    """The whole data of a command that must succeed, GET RESPONSE included."""
    raw = card.transmit(bytes.fromhex(command))
    data = raw[:-2]
    while raw[-2] == 0x61:
        raw = card.transmit(bytes([int(command[:2], 16), 0xC0, 0, 0, raw[-1]]))
        data += raw[:-2]
    assert raw[-2:] == b"\x90\x00", raw.hex()
    return data


@dataclass(frozen=True)
class Exchange:
    section: int
    command: bytes
    response: bytes


def trace(name: str) -> list[Exchange]:
    """The recorded exchanges of the official middleware with a card."""
    section, command, exchanges = 0, b"", []
    for line in (FIXTURES / "card_traces" / f"{name}.txt").read_text().splitlines():
        if line.startswith("===="):
            section = int(line.split()[1].rstrip("."))
        elif line.startswith("C> "):
            command = bytes.fromhex(line[3:])
        elif line.startswith("R< "):
            exchanges.append(Exchange(section, command, bytes.fromhex(line[3:])))
    return exchanges

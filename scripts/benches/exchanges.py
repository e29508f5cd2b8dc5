"""Exchanges with the card and bytes on the line, beside the official middleware's.

Ours are counted on a simulated card with the image that the official figures were recorded
on: the same directory files, certificates of the same length.
"""

from __future__ import annotations

import tempfile
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.asymmetric.padding import AsymmetricPadding
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from result import Result

from igcsante.card.cache import CardCache
from igcsante.card.monitor import Exchange
from igcsante.card.readers import open_card
from igcsante.card.session import CpsCard
from igcsante.cli.card_info import read_info
from igcsante.secret import Secret
from igcsante.testing.cards import (
    CardMaterial,
    CardProfile,
    KeyPair,
    SimulatedCard,
    SimulatedReader,
    load_profile,
)

OFFICIAL = tomllib.loads((Path(__file__).parent / "official_exchanges.toml").read_text())
GENERATIONS = ("cps3", "cps4")
SHORT = int(OFFICIAL["certificate_bytes"])  # as in the traces
LONG = 2200  # as on real cards (facts sheet card.md §4.2)
FILLING = x509.ObjectIdentifier("2.25.1")
ISSUED = datetime(2026, 1, 1, tzinfo=UTC)
PIN = Secret("1234")

Work = Callable[[CpsCard], object]


@dataclass(frozen=True)
class Count:
    exchanges: int
    bytes: int


def card_id() -> Iterator[Result]:
    """igc card id, on a card nobody has read yet."""
    yield from _compare("card-id", lambda card: card.national_id(), ("token", "objects"))


def card_id_long() -> Iterator[Result]:
    """The same on a card whose certificates are as long as real ones; the peer's were shorter."""
    yield from _compare(
        "card-id-long",
        lambda card: card.national_id(),
        ("token", "objects"),
        certificate_bytes=LONG,
    )


def card_id_cached() -> Iterator[Result]:
    """igc card id, on a card that was read before; the peer's is its list of tokens alone."""
    yield from _compare("card-id-cached", lambda card: card.national_id(), ("warm",), cached=True)


def card_info() -> Iterator[Result]:
    """igc card info, on a card nobody has read yet."""
    yield from _compare("card-info", read_info, ("token", "objects"))


def card_info_whole() -> Iterator[Result]:
    """The same with both certificates read to their end, as the peer does."""
    yield from _compare("card-info-whole", _read_info_whole, ("token", "objects"))


def card_objects() -> Iterator[Result]:
    """Only what the peer reads: tries, label, both certificates whole, the list of objects."""
    yield from _compare("card-objects", _read_objects, ("token", "objects"))


def sign() -> Iterator[Result]:
    """Tries, PIN and one signature of the authentication key, the directories being known."""
    yield from _compare("sign", _sign, ("sign",), before=_know_directories)


def sign_pss() -> Iterator[Result]:
    """Tries, PIN and one PSS signature, the directories of a CPS4 being known."""
    yield from _compare("sign-pss", _sign_pss, ("pss",), before=_know_directories)


def sign_from_start() -> Iterator[Result]:
    """Tries, PIN and one signature of the authentication key, on a card nobody has read yet."""
    yield from _compare("sign-from-start", _sign, ("token", "objects", "sign"))


def order() -> Iterator[Result]:
    """What igc order asks of a card nobody has read yet, up to the handshake's signature."""
    yield from _compare("order", _order, ("token", "objects", "sign"))


def _read_info_whole(card: CpsCard) -> None:
    card.certificates()
    read_info(card)


def _read_objects(card: CpsCard) -> None:
    card.certificates()
    card.pin_status()
    card.label()
    card.objects.update_journal()
    card.objects.labels()
    if not card.serial:
        raise AssertionError("a card without serial number")


def _know_directories(card: CpsCard) -> None:
    card.credential()
    card.pin_status()


def _sign(card: CpsCard) -> None:
    _sign_with(card, padding.PKCS1v15())


def _sign_pss(card: CpsCard) -> None:
    _sign_with(card, padding.PSS(padding.MGF1(hashes.SHA256()), padding.PSS.DIGEST_LENGTH))


def _sign_with(card: CpsCard, scheme: AsymmetricPadding) -> None:
    key = card.credential().private_key
    card.verify_pin(PIN)
    signature = key.sign(b"data", scheme, hashes.SHA256())
    key.public_key().verify(signature, b"data", scheme, hashes.SHA256())


def _order(card: CpsCard) -> None:
    card.check_pin_policy()
    _sign(card)
    card.card_number()


def _compare(
    name: str,
    work: Work,
    parts: tuple[str, ...],
    *,
    before: Work | None = None,
    cached: bool = False,
    certificate_bytes: int = SHORT,
) -> Iterator[Result]:
    for generation in GENERATIONS:
        if not OFFICIAL[generation].keys() >= set(parts):
            continue
        material = _material(generation, certificate_bytes)
        with tempfile.TemporaryDirectory() as folder:
            kept = CardCache(Path(folder), without_marker=True) if cached else None
            if kept:
                _count(material, generation, work, None, kept)
            ours = _count(material, generation, work, before, kept)
        official = [OFFICIAL[generation][part] for part in parts]
        peer = Count(
            sum(part["exchanges"] for part in official),
            sum(part["sent"] + part["received"] for part in official),
        )
        peer_name = "Cryptolib CPS 5.2.2 (" + " + ".join(parts) + ")"
        for unit in ("exchanges", "bytes"):
            figures = float(getattr(ours, unit)), float(getattr(peer, unit))
            yield Result(f"{name}/{generation}/{unit}", *figures, peer_name, unit)


def _count(
    material: CardMaterial,
    generation: str,
    work: Work,
    before: Work | None,
    kept: CardCache | None,
) -> Count:
    """What ``work`` costs, with the opening of the card unless ``before`` comes first."""
    seen: list[Exchange] = []
    profile = replace(load_profile(generation), files=OFFICIAL["image"][generation])
    reader = SimulatedReader(card=SimulatedCard(profile, material))
    with open_card(readers=[reader], monitor=seen.append, cache=kept) as card:
        if before:
            before(card)
            seen.clear()
        work(card)
    sent = sum(len(exchange.command) for exchange in seen)
    received = sum(len(exchange.response) + 2 for exchange in seen)
    return Count(len(seen), sent + received)


@cache
def _material(generation: str, certificate_bytes: int) -> CardMaterial:
    profile = load_profile(generation)
    return CardMaterial(
        _pair(profile, certificate_bytes, signature=False),
        _pair(profile, certificate_bytes, signature=True),
    )


def _pair(profile: CardProfile, wanted: int, *, signature: bool) -> KeyPair:
    """A key and a certificate of exactly the wanted length."""
    key = rsa.generate_private_key(65537, 2048)
    for filling in range(max(0, wanted - SHORT - 100), wanted):
        certificate = _certificate(profile, key, signature, filling)
        if len(certificate.public_bytes(Encoding.DER)) == wanted:
            return KeyPair(key, certificate)
    raise AssertionError(f"no certificate of {wanted} bytes")


def _certificate(
    profile: CardProfile, key: rsa.RSAPrivateKey, signature: bool, filling: int
) -> x509.Certificate:
    surname = x509.NameAttribute(NameOID.SURNAME, profile.surname)  # that of a person
    holder = x509.NameAttribute(NameOID.COMMON_NAME, str(profile.national_id))
    issuer = x509.NameAttribute(NameOID.COMMON_NAME, "SIMULATION")
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name([surname, holder]))
        .issuer_name(x509.Name([issuer]))
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(ISSUED)
        .not_valid_after(ISSUED + timedelta(days=1095))
        .add_extension(
            x509.KeyUsage(
                not signature, signature, False, False, False, False, False, False, False
            ),
            critical=True,
        )
        .add_extension(x509.UnrecognizedExtension(FILLING, bytes(filling)), critical=False)
        .sign(key, hashes.SHA256())
    )

"""How many exchanges each question takes: exact, since a real card takes 0.1 s for each.

The certificates of these cards are as long as real ones, 2.2 KB (card.md §4.2), and opening
the card counts. What the numbers are made of is in docs/cards.md; the comparison with the
official middleware, on its own card image, is in tests/scripts/test_scripts_bench.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding

from igcsante.card import readers
from igcsante.card.cache import CardCache
from igcsante.card.monitor import Exchange
from igcsante.card.readers import open_card
from igcsante.card.session import CpsCard
from igcsante.cli import inserted, main
from igcsante.cli.card_info import read_info
from igcsante.secret import Secret
from igcsante.testing.cards import SimulatedReader
from igcsante.testing.world import SimulatedWorld

PIN = Secret("1234")
TARGETS = {
    "identifier": {"CPS3": 16, "CPS4": 10},
    "signature": {"CPS3": 10, "CPS4": 8},
}


@pytest.fixture(scope="module")
def world() -> Iterator[SimulatedWorld]:
    with SimulatedWorld() as world:
        yield world


@dataclass
class Counted:
    """A card, and the exchanges with it."""

    card: CpsCard
    seen: list[Exchange] = field(default_factory=list)

    def exchanges(self, work: Callable[[CpsCard], object]) -> int:
        before = len(self.seen)
        work(self.card)
        return len(self.seen) - before


@pytest.fixture
def counted(request: pytest.FixtureRequest, world: SimulatedWorld) -> Iterator[Counted]:
    seen: list[Exchange] = []
    reader = SimulatedReader(card=world.card(request.param))
    with open_card(readers=[reader], monitor=seen.append) as card:
        yield Counted(card, seen)


def cards(*rows: tuple[object, ...]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize(("counted", "expected"), rows, indirect=["counted"])


@cards(("cps3", 12), ("cps4", 10))
def test_the_identifier_of_a_card_never_read(counted: Counted, expected: int) -> None:
    counted.exchanges(CpsCard.national_id)
    assert len(counted.seen) == expected <= TARGETS["identifier"][counted.card.generation]


@pytest.mark.parametrize(("name", "expected", "target"), [("cps3", 4, 6), ("cps4", 3, 3)])
def test_the_identifier_of_a_card_in_the_cache(
    world: SimulatedWorld, tmp_path: Path, name: str, expected: int, target: int
) -> None:
    seen: list[Exchange] = []
    reader = SimulatedReader(card=world.card(name))
    cache = CardCache(tmp_path / "cards", without_marker=True)
    for _ in range(2):
        seen.clear()
        with open_card(readers=[reader], monitor=seen.append, cache=cache) as card:
            card.national_id()
    assert len(seen) == expected <= target


@cards(("cps3", 43), ("cps4", 33))
def test_the_page_of_a_card_never_read(counted: Counted, expected: int) -> None:
    counted.exchanges(read_info)
    assert len(counted.seen) == expected


@cards(("cps3", 9), ("cps4", 6))
def test_tries_pin_and_signature_once_the_directories_are_known(
    counted: Counted, expected: int
) -> None:
    key = counted.card.credential().private_key
    counted.card.pin_status()

    def sign(card: CpsCard) -> None:
        card.verify_pin(PIN)
        key.sign(b"data", padding.PKCS1v15(), hashes.SHA256())

    assert counted.exchanges(sign) == expected <= TARGETS["signature"][counted.card.generation]


@cards(("cps4", 3))
def test_a_pss_signature_after_the_pin(counted: Counted, expected: int) -> None:
    key = counted.card.credential().private_key
    counted.card.verify_pin(PIN)
    pss = padding.PSS(padding.MGF1(hashes.SHA256()), padding.PSS.DIGEST_LENGTH)
    assert counted.exchanges(lambda card: key.sign(b"data", pss, hashes.SHA256())) == expected <= 4


@cards(("cps3", 38), ("cps4", 28))
def test_what_an_order_asks_of_a_card_never_read(counted: Counted, expected: int) -> None:
    """PIN, certificate, card number, and the one signature of the TLS handshake."""

    def order(card: CpsCard) -> None:
        card.check_pin_policy()
        card.verify_pin(PIN)
        credential = card.credential()
        card.card_number()
        credential.private_key.sign(b"data", padding.PKCS1v15(), hashes.SHA256())

    counted.exchanges(order)
    assert len(counted.seen) == expected <= 45


@pytest.mark.parametrize(
    ("name", "command", "without", "first", "next_time"),
    [
        ("cps3", "id", 12, 16, 4),
        ("cps4", "id", 10, 10, 10),
        ("cps3", "info", 43, 43, 10),
        ("cps4", "info", 33, 33, 33),
    ],
)
def test_what_the_command_line_asks_of_a_card(
    world: SimulatedWorld,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    command: str,
    without: int,
    first: int,
    next_time: int,
) -> None:
    """Without the cache, the first time with it, and from then on: docs/cards.md."""
    sent: list[bytes] = []
    card = world.card(name)
    transmit = card.transmit
    card.transmit = lambda raw: (sent.append(raw), transmit(raw))[1]  # type: ignore[method-assign]
    reader = SimulatedReader(card=card)
    monkeypatch.setattr(readers, "system_readers", lambda: [reader])
    monkeypatch.setenv("IGC_DATA_DIR", str(tmp_path))
    monkeypatch.delenv("IGC_CARD_CACHE", raising=False)
    counts = []
    for option in ("--no-cache", "--json", "--json"):
        sent.clear()
        assert main.run(["card", command, option]) == 0
        counts.append(len(sent))
    assert counts == [without, first, next_time]


@pytest.mark.parametrize(("name", "expected"), [("cps3", 3), ("cps4", 1)])
@pytest.mark.parametrize("source", ["env:PIN", "cmd:echo 1234"])
def test_a_pin_that_is_at_hand_has_its_counter_read_once(
    world: SimulatedWorld,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    expected: int,
    source: str,
) -> None:
    """A command may ask a person, so the counter is read before and after it."""
    monkeypatch.setenv("PIN", "1234")
    counters: list[bytes] = []
    card = world.card(name)
    transmit = card.transmit

    def counted(raw: bytes) -> bytes:
        if raw[1] == 0xCB or raw[1] == 0xC0 or raw.hex().upper().startswith("00A4090C023F00"):
            counters.append(raw)  # a CPS3: SELECT MF, GET DATA, GET RESPONSE
        if raw[1] == 0x20 and len(raw) <= 5:
            counters.append(raw)
        return transmit(raw)

    reader = SimulatedReader(card=card)
    monkeypatch.setattr(readers, "system_readers", lambda: [reader])
    with open_card(readers=[reader]) as opened:
        card.transmit = counted  # type: ignore[method-assign]
        opened.pin_lengths()  # the directories are known
        counters.clear()
        inserted.verify_pin(opened, source, use_last_try=False)
    assert len(counters) == expected * (2 if source.startswith("cmd") else 1)

"""What is final or costs an order is done to what was meant, with any contract, or not at all."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from e2e_support import ORDER, REVOCATION, WITHDRAWAL, Insert, Told, igc, outage

from igcsante.testing.world import SimulatedWorld
from igcsante.ws.contract.mapping import contract_file
from igcsante.ws.model import ProductSearch, ProductState

PIN = ("--pin-source", "env:E2E_PIN")
RETRIEVAL = (*WITHDRAWAL, *PIN)
SEARCH_SERIAL = (
    r"(\[operations\.search_products\.request\][^\[]*?)\nserial = .*",
    r"\1\nserial = []",
)
PRODUCT_SERIAL = (r"(\[records\.product\][^\[]*?)\nserial = .*", r"\1\nserial = []")
GET_PRODUCT = (r"\[operations\.get_product\].*?\n(?=\[(?!operations\.get_product))", "")


def sim(*arguments: str | Path) -> Told:
    return igc("--profile", "sim", "--json", *arguments)


def order(*more: str) -> str:
    """A certificate that is delivered: its serial."""
    told = sim(*ORDER, *WITHDRAWAL, *more)
    assert told.code == 0, told.err
    serial: str = told.lines[-1]["serial"]
    return serial


def without(folder: Path, *changes: tuple[str, str]) -> tuple[str, ...]:
    """The mock's contract with some of it left out."""
    text = contract_file("mapping.toml").read_text("utf-8")
    for pattern, new in changes:
        text, count = re.subn(pattern, new, text, flags=re.S if not new else 0)
        assert count == 1, pattern
    path = folder / "mine.toml"
    path.write_text(text, "utf-8")
    return ("--wsdl", str(contract_file("pfc-mock.wsdl")), "--mapping", str(path))


def states(world: SimulatedWorld, *serials: str) -> list[ProductState]:
    """Where the certificates of those serials are."""
    products = world.platform.browse(ProductSearch(page_size=100)).products
    known = {int(p.serial, 16): p.state for p in products if p.serial}
    return [known[int(serial, 16)] for serial in serials]


# -- igc revoke SERIAL -------------------------------------------------------------------


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, inserted: Insert) -> tuple[str, str]:
    """The serials of two certificates that were ordered on another machine."""
    inserted("cps3")
    monkeypatch.setenv("IGC_DATA_DIR", str(tmp_path / "there"))
    serials = order(), order()
    monkeypatch.setenv("IGC_DATA_DIR", str(tmp_path / "here"))
    return serials


@pytest.mark.parametrize("wanted", [0, 1])
def test_the_certificate_of_that_serial_is_revoked_though_none_can_be_searched(
    world: SimulatedWorld, home: Path, elsewhere: tuple[str, str], wanted: int
) -> None:
    contract = without(home, SEARCH_SERIAL)
    told = sim("revoke", elsewhere[wanted], *REVOCATION, *contract)
    assert told.code == 0, told.err
    expected = [ProductState.ACTIF, ProductState.ACTIF]
    expected[wanted] = ProductState.REVOQUE
    assert states(world, *elsewhere) == expected


def test_no_certificate_is_revoked_for_a_serial_that_no_one_has(
    world: SimulatedWorld, home: Path, elsewhere: tuple[str, str]
) -> None:
    before = states(world, *elsewhere)
    told = sim("revoke", "AABBCCDDEEFF0011", *REVOCATION, *without(home, SEARCH_SERIAL))
    assert (told.code, states(world, *elsewhere)) == (2, before)
    assert "AABBCCDDEEFF0011: nothing was revoked" in told.error["message"]
    assert igc("orders", "--json").lines == [], "nor taken into the journal"


def test_no_certificate_is_revoked_while_the_platform_tells_no_serial(
    world: SimulatedWorld, home: Path, elsewhere: tuple[str, str]
) -> None:
    told = sim("revoke", elsewhere[0], *REVOCATION, *without(home, PRODUCT_SERIAL))
    assert told.code == 2
    assert "whose serial it doesn't tell: nothing was revoked" in told.error["message"]
    assert "[records.product]" in told.error["advice"] and "portal" in told.error["advice"]
    assert states(world, *elsewhere) == [ProductState.ACTIF] * 2


# -- a contract without a question for one product ---------------------------------------


@pytest.fixture
def contract(home: Path) -> tuple[str, ...]:
    return without(home, GET_PRODUCT)


def state_of(number: str) -> str:
    """What the journal says of an order."""
    state: str = igc("orders", "show", number, "--json").lines[0]["state"]
    return state


def test_a_revocation_in_doubt_ends(
    world: SimulatedWorld, inserted: Insert, home: Path, contract: tuple[str, ...]
) -> None:
    inserted("cps3")
    order()
    with outage(world, 2, "lost-answer", lasting=True):
        assert sim("revoke", "1", *REVOCATION, *contract).code == 10
    assert state_of("1") == "revoking"
    (line,) = sim("orders", "sync", "1", *PIN, *contract).lines
    assert (line["before"], line["state"], line["error"]) == ("revoking", "revoked", None)
    told = sim("revoke", "1", *REVOCATION, *contract)
    assert told.code == 0, "told as done, and not sent again"


def test_a_withdrawal_in_doubt_ends_and_no_other_order_waits_for_it(
    world: SimulatedWorld, inserted: Insert, home: Path, contract: tuple[str, ...]
) -> None:
    inserted("cps3")
    assert sim(*ORDER, "--order-only").code == 0
    with outage(world, 1, "lost-answer", lasting=True):
        assert sim("retrieve", "1", *RETRIEVAL, *contract).code == 10
    with outage(world, 1, "lost-answer", lasting=True):
        assert sim(*ORDER, "--unchecked", "--reference", "later", "--order-only").code == 10
    assert state_of("1") == "withdrawing"
    lines = sim("orders", "sync", *PIN, *contract).lines
    assert {line["id"]: line["state"] for line in lines} == {1: "withdrawn", 2: "ordered"}


def test_check_mapping_says_how_a_product_is_found_then(
    home: Path, contract: tuple[str, ...]
) -> None:
    told = igc("ws", "check-mapping", *contract)
    assert told.code == 0
    assert "operations.get_product: is not mapped" in told.out
    assert "looked for among all" in " ".join(told.out.split())


# -- what an order is, when it is not what was wanted ------------------------------------


@pytest.mark.parametrize(("name", "more"), [("web-1", ("--order-only",)), ("web-2", WITHDRAWAL)])
def test_an_order_that_was_revoked_is_not_told_as_placed(
    inserted: Insert, home: Path, name: str, more: tuple[str, ...]
) -> None:
    inserted("cps3")
    order("--reference", name)
    assert sim("revoke", name, *REVOCATION).code == 0
    told = sim(*ORDER, "--reference", name, *more)
    assert told.code == 2
    assert "placed" not in told.err
    assert "order 1 has this reference: revoked; nothing was ordered now" in told.error["message"]
    assert "--reference" in told.error["advice"]
    assert len(igc("orders", "--json").lines) == 1


@pytest.mark.parametrize(("state", "code"), [("REFUSE", 11), ("ANNULE", 2)])
def test_an_order_that_comes_to_nothing_is_not_told_as_placed(
    inserted: Insert, home: Path, monkeypatch: pytest.MonkeyPatch, state: str, code: int
) -> None:
    from igcsante.ws.client import ZeepPlatform
    from igcsante.ws.model import OrderReceipt

    inserted("cps3")
    receipt = OrderReceipt("P-1", ProductState[state])
    monkeypatch.setattr(ZeepPlatform, "order_product", lambda platform, request: receipt)
    told = sim(*ORDER, "--order-only")
    assert told.code == code
    assert "placed" not in told.err
    assert told.error["order"] == 1 and told.error["advice"]


def test_an_order_in_doubt_is_retrieved_once_it_can_be_told(
    world: SimulatedWorld, inserted: Insert, home: Path
) -> None:
    inserted("cps3")
    with outage(world, 1, "hang-up"):
        assert sim(*ORDER, "--unchecked", "--order-only").code == 10
    told = sim("retrieve", "1", *RETRIEVAL)
    assert (told.code, told.error["code"]) == (12, "platform.unavailable")
    assert "order 1 is in doubt" in told.error["message"]
    assert re.search(r"try again in \d+ minutes, after \d{4}-\d\d-\d\d", told.error["advice"])


# -- a card that is turned away ----------------------------------------------------------


def test_a_batch_ends_at_what_no_row_would_survive(inserted: Insert, home: Path) -> None:
    inserted("opposed")
    file = home / "rows.csv"
    row = "AUTH_CLI,10B0999003,{},certificats@ch-simulation.example\n"
    file.write_text("usage,structure,service,email\n" + "".join(map(row.format, "abc")))
    for _ in range(2):  # the second time the first row is in doubt
        told = sim("order", "--batch", file, "--unchecked", "--keep-going", *RETRIEVAL)
        (first,) = (line for line in told.lines if line["schema"] == "igc.batch.row/1")
        assert (told.code, told.lines[-1]["not_begun"]) == (11, 2)
        assert "HTTP 403" in first["error"]["message"]
        assert len(igc("orders", "--json").lines) == 1, "one order and one key"
        assert "Only you" not in told.said


def test_a_card_that_is_turned_away_is_told_so_before_what_may_have_come_of_it(
    inserted: Insert, home: Path
) -> None:
    inserted("opposed")
    told = sim(*ORDER, "--unchecked", "--order-only")
    assert told.code == 11
    assert told.error["advice"].startswith("it may be expired, opposed or not known there. Order 1")
    assert told.error["advice"].endswith("Later: igc orders sync")
    assert "lost" not in told.error["advice"] + igc("orders").out, "an answer did come"


def test_other_renewals_are_not_tried_with_a_card_that_is_turned_away() -> None:
    from igcsante.cli.renew import _renew_all
    from igcsante.ws.platform import CardTurnedAwayError

    asked = []

    class Job:
        def renew(self, product: str) -> None:
            asked.append(product)
            raise CardTurnedAwayError("HTTP 403", outcome_unknown=True)

    with pytest.raises(CardTurnedAwayError):
        _renew_all(Job(), iter(["P-1", "P-2"]), as_json=True)  # type: ignore[arg-type]
    assert asked == ["P-1"]

"""The platform fails or dies at each operation: typed error, and a journal that tells the truth.

The journal never says that nothing was ordered when something was, nor the contrary, and
what was in doubt is settled by the next command once the platform is back.
"""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest
from e2e_support import ORDER as CHECKED_ORDER
from e2e_support import (
    PIN,
    RETRIEVAL,
    REVOCATION,
    WITHDRAWAL,
    Insert,
    Told,
    files_of,
    igc,
    insert,
    newer_generation,
    outage,
)

from igcsante.errors import IgcError
from igcsante.secret import Secret
from igcsante.testing.demo import main_job
from igcsante.testing.world import SimulatedWorld
from igcsante.ws.model import ProductSearch, ProductState
from igcsante.ws.orders.entries import Entry

ONCE, LASTING = False, True
ORDER = (*CHECKED_ORDER, "--unchecked")  # the order is then the first request
BUNDLE = {"key.pem", "cert.pem", "cert.der", "chain.pem", "p12"}
KEY = {"key.pem"}


def sim(*arguments: str, json: bool = True) -> Told:
    return igc("--profile", "sim", *(["--json"] if json else []), *arguments)


def the_order() -> dict[str, Any]:
    """What ``igc orders`` says of the only order, without card or platform."""
    (order,) = igc("orders", "--json").lines
    return order


def truth(world: SimulatedWorld, order: dict[str, Any]) -> ProductState | None:
    """What the platform itself has of an order."""
    for number in itertools.count(1):
        page = world.platform.browse(ProductSearch(page=number, page_size=100))
        for product in page.products:
            if product.client_reference == order["reference"]:
                return product.state
        if not page.products:
            return None
    raise AssertionError


TRUTHS = {
    "refused": {None},
    "failed": {None},
    "ordered": {ProductState.A_RETIRER},
    "withdrawn": {ProductState.ACTIF},
    "revoked": {ProductState.REVOQUE},
}


def check_truth(world: SimulatedWorld, order: dict[str, Any]) -> None:
    actual = truth(world, order)
    if order["in_doubt"]:
        assert order["state"] in ("sent", "unknown", "withdrawing", "revoking")
    else:
        assert actual in TRUTHS[order["state"]]


def suffixes(home: Path) -> set[str]:
    return {name.split(".", 1)[1] for name in files_of(home)}


# what happens, once or from then on; exit code, state in the journal, files that stay
AT_ORDER = [
    ("F04", ONCE, 11, "refused", set()),
    ("T01", ONCE, 12, "unknown", KEY),
    ("T03", ONCE, 0, "withdrawn", BUNDLE),
    ("503", ONCE, 12, "unknown", KEY),
    ("html", ONCE, 12, "unknown", KEY),
    ("hang-up", ONCE, 10, "unknown", KEY),
    ("lost-answer", ONCE, 0, "withdrawn", BUNDLE),
    ("T01", LASTING, 12, "unknown", KEY),
    ("503", LASTING, 12, "unknown", KEY),
    ("html", LASTING, 12, "unknown", KEY),
    ("hang-up", LASTING, 10, "unknown", KEY),
    ("lost-answer", LASTING, 10, "unknown", KEY),
]


@pytest.mark.parametrize(("kind", "lasting", "code", "state", "files"), AT_ORDER)
def test_platform_fails_at_the_order(
    world: SimulatedWorld,
    inserted: Insert,
    home: Path,
    monkeypatch: pytest.MonkeyPatch,
    kind: str,
    lasting: bool,
    code: int,
    state: str,
    files: set[str],
) -> None:
    inserted("cps3")
    with outage(world, 1, kind, lasting=lasting):
        told = sim(*ORDER, *WITHDRAWAL)
    order = the_order()
    assert (told.code, order["state"], suffixes(home)) == (code, state, files), told.err
    check_truth(world, order)
    if code:
        assert told.lines[-1]["ok"] is False and told.error["exit_code"] == code
        assert order["last_error"] in told.error["message"]
    monkeypatch.setattr(Entry, "settled", lambda entry, at: True)
    settled(world, home, state)


def settled(world: SimulatedWorld, home: Path, state: str) -> None:
    """Once the platform is back, ``igc retrieve`` gets the certificate or says why not."""
    before = the_order()
    told = sim("retrieve", "1", *RETRIEVAL)
    order = the_order()
    check_truth(world, order)
    assert not order["in_doubt"]
    if before["state"] in ("ordered", "unknown", "withdrawing") and order["state"] == "withdrawn":
        if order["certificate_path"]:
            assert told.code == 0, told.err
            assert suffixes(home) == BUNDLE
    else:
        assert told.code == 2
        assert "can't be retrieved" in told.said


AT_WITHDRAWAL = [
    ("F13", ONCE, 11, "ordered"),
    ("T01", ONCE, 12, "withdrawing"),
    ("503", ONCE, 12, "withdrawing"),
    ("503", LASTING, 12, "withdrawing"),
    ("html", ONCE, 12, "withdrawing"),
    ("hang-up", ONCE, 10, "withdrawing"),
    ("T01", LASTING, 12, "withdrawing"),
    ("html", LASTING, 12, "withdrawing"),
    ("hang-up", LASTING, 10, "withdrawing"),
]


@pytest.mark.parametrize(("kind", "lasting", "code", "state"), AT_WITHDRAWAL)
def test_platform_fails_at_the_withdrawal(
    world: SimulatedWorld,
    inserted: Insert,
    home: Path,
    kind: str,
    lasting: bool,
    code: int,
    state: str,
) -> None:
    inserted("cps4")
    with outage(world, 2, kind, lasting=lasting):
        told = sim(*ORDER, *WITHDRAWAL)
    order = the_order()
    assert (told.code, order["state"]) == (code, state), told.err
    check_truth(world, order)
    assert suffixes(home) == KEY, "the key stays: the order is alive"
    assert sim("retrieve", "1", *RETRIEVAL).code == 0
    assert the_order()["state"] == "withdrawn"
    assert suffixes(home) == BUNDLE


@pytest.mark.parametrize("lasting", [ONCE, LASTING])
def test_certificate_whose_delivery_was_lost_can_be_revoked(
    world: SimulatedWorld, inserted: Insert, home: Path, lasting: bool
) -> None:
    inserted("cps3")
    with outage(world, 2, "lost-answer", lasting=lasting):
        assert sim(*ORDER, *WITHDRAWAL).code == 10
    order = the_order()
    check_truth(world, order)
    assert order["state"] == ("withdrawing" if lasting else "withdrawn")
    assert suffixes(home) == KEY
    told = sim("retrieve", "1", *RETRIEVAL)
    assert told.code == 2
    assert "igc revoke 1" in told.said, "what to do about it is said"
    assert the_order()["serial"]
    assert sim("revoke", "1", *REVOCATION).code == 0
    check_truth(world, the_order())
    assert the_order()["state"] == "revoked"


AT_REVOCATION = [
    ("F15", ONCE, 11, "withdrawn"),
    ("T01", ONCE, 12, "revoking"),
    ("503", ONCE, 12, "revoking"),
    ("503", LASTING, 12, "revoking"),
    ("html", ONCE, 12, "revoking"),
    ("lost-answer", ONCE, 10, "revoked"),
    ("hang-up", LASTING, 10, "revoking"),
    ("lost-answer", LASTING, 10, "revoking"),
]


@pytest.fixture
def issued(inserted: Insert) -> None:
    inserted("cps3")
    assert sim(*ORDER, *WITHDRAWAL).code == 0


@pytest.mark.parametrize(("kind", "lasting", "code", "state"), AT_REVOCATION)
def test_platform_fails_at_the_revocation(
    world: SimulatedWorld, issued: None, kind: str, lasting: bool, code: int, state: str
) -> None:
    with outage(world, 2, kind, lasting=lasting):  # the first asks whether it is the right one
        told = sim("revoke", "1", *REVOCATION)
    order = the_order()
    assert (told.code, order["state"]) == (code, state), told.err
    check_truth(world, order)
    again = sim("revoke", "1", *REVOCATION)
    assert again.code == 0
    check_truth(world, the_order())
    assert the_order()["state"] == "revoked"


@pytest.mark.parametrize(
    ("kind", "code"), [("html", 12), ("503", 12), ("hang-up", 10), ("T02", 12)]
)
def test_platform_fails_at_the_habilitations(
    world: SimulatedWorld, inserted: Insert, kind: str, code: int
) -> None:
    held = inserted("cps3")
    with outage(world, 1, kind, lasting=True):
        told = sim("habilitations", "--pin-source", "env:E2E_PIN")
    assert told.code == told.error["exit_code"] == code
    assert (held.pins_sent, held.signatures) == (1, 1)


@pytest.mark.parametrize("kind", ["503", "hang-up", "T02"])
def test_a_platform_that_fails_once_is_asked_again(
    world: SimulatedWorld, inserted: Insert, kind: str
) -> None:
    held = inserted("cps4")
    with outage(world, 1, kind) as plan:
        told = sim("habilitations", "--pin-source", "env:E2E_PIN")
    assert told.code == 0 and told.lines
    assert "trying again in" in told.said
    assert plan.requests == 2
    assert (held.pins_sent, held.signatures) == (1, 1)


@pytest.mark.parametrize("kind", ["T01", "503", "lost-answer"])
def test_what_may_have_been_done_is_never_sent_again(
    world: SimulatedWorld, issued: None, kind: str
) -> None:
    with outage(world, 2, kind) as plan:
        sim("revoke", "1", *REVOCATION)
    assert plan.requests == 3, "a question, the revocation, the question what became of it"


@newer_generation
def test_job_ends_with_a_typed_error_wherever_the_platform_dies(
    world: SimulatedWorld, tmp_path: Path, generation: str
) -> None:
    for number in range(1, 9):
        folder = tmp_path / str(number)
        held = insert(world, generation)
        job = main_job([held.reader], world.profile, Secret(PIN), folder)
        with outage(world, number, "hang-up", lasting=True) as plan:
            try:
                done = [step.step for step in job]
            except IgcError as error:
                assert error.exit_code == 10
            else:
                assert done[-1] == "signatures"
                assert plan.requests == number - 1
                break
        assert (held.pins_sent, held.signatures) == (1, 1), "a dead platform costs no signature"
        delivered = {name for name in files_of(folder) if ".cert." in name or ".p12" in name}
        assert len(delivered) == (3 if number == 4 else 0)
    assert number == 5, "four operations make the job"


def test_unreachable_platform_costs_no_signature(inserted: Insert, home: Path) -> None:
    held = inserted("cps3")
    told = sim("--platform", "https://127.0.0.1:9/pfc", *ORDER, *WITHDRAWAL)
    assert (told.code, told.error["code"]) == (10, "network")
    assert held.signatures == 0
    assert the_order()["state"] == "failed"
    assert files_of(home) == set()


def test_orders_are_told_to_people_too(world: SimulatedWorld, inserted: Insert, home: Path) -> None:
    inserted("cps3")
    with outage(world, 1, "hang-up", lasting=True):
        told = sim(*ORDER, *WITHDRAWAL, json=False)
    assert told.out == ""
    assert "hung up in the middle of a call" in told.said and "igc orders" in told.said
    told = igc("orders")
    assert "ORG AUTH_CLI" in told.out and "it may have been ordered" in told.out
    assert "hung up" in told.out


def with_profile_key(home: Path, line: str) -> None:
    config = home.parent / "config" / "config.toml"
    config.write_text(config.read_text() + line + "\n")


def test_a_proxy_of_the_profile_is_the_only_way(
    world: SimulatedWorld, inserted: Insert, home: Path
) -> None:
    held = inserted("cps3")
    with_profile_key(home, 'proxy = "http://127.0.0.1:9"')
    told = sim("habilitations", "--pin-source", "env:E2E_PIN")
    assert (told.code, told.error["code"]) == (10, "network")
    assert "the proxy 127.0.0.1:9 can't be reached" in told.error["message"]
    assert held.signatures == 0


def test_a_proxy_that_can_not_be_one_is_refused_before_anything(
    inserted: Insert, home: Path
) -> None:
    held = inserted("cps3")
    with_profile_key(home, 'proxy = "https://user:geheim@proxy.example"')
    told = sim("habilitations", "--pin-source", "env:E2E_PIN")
    assert (told.code, held.sent) == (2, [])
    assert "geheim" not in told.out + told.err


def test_time_limits_of_the_profile_hold(
    world: SimulatedWorld, inserted: Insert, home: Path
) -> None:
    inserted("cps4")
    with_profile_key(home, "total_seconds = 0.000001")
    told = sim("habilitations", "--pin-source", "env:E2E_PIN")
    assert (told.code, told.error["code"]) == (13, "timeout")

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from unittest.mock import Mock

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from fake_platform import FakePlatform

from igcsante.errors import (
    CardRemovedError,
    ConfigError,
    ContractError,
    NetworkError,
    PlatformRefusedError,
    PlatformUnavailableError,
    StorageError,
    UsageError,
)
from igcsante.identifiers import StructureId
from igcsante.secret import Secret
from igcsante.ws import outcome
from igcsante.ws.model import (
    Offre,
    Product,
    ProductPage,
    ProductRequest,
    Revocation,
    Usage,
    Withdrawal,
)
from igcsante.ws.orders import lifecycle
from igcsante.ws.orders.doubts import InDoubtError
from igcsante.ws.orders.journal import Journal, OrderState
from igcsante.ws.orders.reconcile import refresh
from igcsante.ws.orders.settle import seems_older, settle_as_product
from igcsante.ws.outcome import SETTLING

AT = datetime(2026, 11, 22, 9, tzinfo=UTC)
STRUCTURE_ID = StructureId.parse("318751275100020")
REQUEST = ProductRequest(
    offre=Offre.ORG,
    usage=Usage.AUTH_CLI,
    structure=STRUCTURE_ID,
    emails=("pki@exemple.fr",),
    service_name="DMP",
    csr=b"csr",
)
LOST = NetworkError("hung up", outcome_unknown=True)
REFUSED = PlatformRefusedError("no", fault="MOCK-F03")
DOWN = PlatformUnavailableError("broken", outcome_unknown=True)


@pytest.fixture
def platform(throw_away_ca):
    return FakePlatform(throw_away_ca.leaf.public_bytes(Encoding.DER))


@pytest.fixture
def journal(tmp_path):
    with Journal(tmp_path / "journal.sqlite") as opened:
        yield opened


def place(platform, journal):
    about = {"profile": "sim", "platform": "https://pfc.invalid/", "key_path": "/k"}
    return lifecycle.place_order(platform, journal, REQUEST, at=AT, **about)


def test_an_order_is_in_the_journal_before_it_is_sent(platform, journal):
    def look(request):
        entry = journal.get(request.client_reference)
        assert (entry.state, entry.label, entry.profile) == (OrderState.SENT, "DMP", "sim")
        assert (entry.platform, entry.key_path) == ("https://pfc.invalid/", "/k")

    platform.seen_by_journal = look
    entry = place(platform, journal)
    assert (entry.state, entry.product_id) == (OrderState.ORDERED, "P-1")


@pytest.mark.parametrize(
    ("error", "state"),
    [
        (REFUSED, OrderState.REFUSED),
        (CardRemovedError("gone"), OrderState.FAILED),
        (NetworkError("unreachable"), OrderState.FAILED),
        (DOWN, OrderState.UNKNOWN),
        (ContractError("nonsense", outcome_unknown=True), OrderState.UNKNOWN),
        (LOST, OrderState.UNKNOWN),
    ],
)
def test_an_order_that_did_not_happen_says_how(platform, journal, error, state):
    platform.error, platform.works = error, False
    with pytest.raises(type(error)):
        place(platform, journal)
    entry = journal.list()[0]
    assert (entry.state, entry.last_error) == (state, error.message)


@pytest.mark.parametrize("error", [LOST, DOWN])
def test_an_order_whose_answer_was_lost_is_found_again(platform, journal, error):
    platform.error = error
    platform.products = [
        replace(FakePlatform._add(platform, REQUEST) and platform.products[0], product_id=f"X{n}")
        for n in range(150)
    ]
    entry = place(platform, journal)
    assert (entry.state, entry.product_id) == (OrderState.ORDERED, "P-151")


@pytest.mark.parametrize("error", [LOST, DOWN])
def test_an_order_stays_in_doubt_while_the_platform_is_out_of_reach(platform, journal, error):
    platform.error, platform.reachable = error, False
    with pytest.raises(type(error)):
        place(platform, journal)
    entry = journal.list()[0]
    assert (entry.state, entry.product_id) == (OrderState.UNKNOWN, "")
    platform.reachable = True
    assert refresh(platform, journal, entry, at=AT).product_id == "P-1"


PAGE = ContractError("a page", advice="is it the portal?", outcome_unknown=True)
BUSY = PlatformUnavailableError("503", advice="try again later", outcome_unknown=True)
THERE = PlatformRefusedError("twice", kind="duplicate_reference")


@pytest.mark.parametrize("error", [LOST, DOWN, PAGE, BUSY, THERE])
def test_an_error_that_leaves_an_order_in_doubt_says_so_and_where_to_look_later(
    platform, journal, error
):
    platform.error, platform.reachable = error, False
    with pytest.raises(type(error)) as caught:
        place(platform, journal)
    advice = caught.value.advice
    assert "Order 1: " in advice and "may have been ordered" in advice
    assert advice.endswith("Later: igc orders sync")
    assert "again" not in advice
    assert ("portal" in advice) is (error is PAGE)
    assert caught.value.fields["order"] == 1


def test_an_error_that_leaves_no_doubt_says_nothing_of_one(platform, journal):
    platform.error, platform.works = REFUSED, False
    with pytest.raises(PlatformRefusedError) as caught:
        place(platform, journal)
    assert "sync" not in caught.value.advice


@pytest.mark.parametrize(
    ("operation", "said"), [("withdraw", "may have been issued"), ("revoke", "may be revoked")]
)
def test_a_withdrawal_or_revocation_in_doubt_says_so(platform, journal, operation, said):
    entry = place(platform, journal)
    platform.error, platform.reachable = BUSY, False
    with pytest.raises(PlatformUnavailableError) as caught:
        if operation == "withdraw":
            withdraw(platform, journal, entry, pytest.fail)
        else:
            revocation = Revocation(Secret("code-1"), product_id="P-1")
            lifecycle.revoke(platform, journal, entry, revocation, at=AT)
    assert said in caught.value.advice
    assert "again" not in caught.value.advice


@pytest.mark.parametrize(
    ("earlier", "seems", "taken"),
    [
        (timedelta(minutes=-3), False, True),
        (timedelta(minutes=4), False, True),
        (timedelta(minutes=6), True, True),
        (timedelta(days=2), True, False),
    ],
)
@pytest.mark.parametrize("named", [False, True])
def test_a_person_s_product_that_is_older_than_the_order_is_told(
    platform, journal, earlier, seems, taken, named
):
    platform.error, platform.keeps_references = LOST, False
    with pytest.raises(NetworkError):
        place(platform, journal)
    entry = journal.list()[0]
    product = replace(platform.products[0], requested_at=AT - earlier)
    product = product if named else replace(product, client_reference="")
    assert seems_older(entry, product) is seems
    if taken or named:  # whoever chose that reference knows whose it is
        assert settle_as_product(journal, entry, product, at=AT).state is OrderState.ORDERED
    else:
        with pytest.raises(UsageError, match="before order 1 was made"):
            settle_as_product(journal, entry, product, at=AT)
        assert journal.list()[0] == entry


def test_an_order_in_doubt_that_the_platform_never_had_has_failed(platform, journal):
    platform.error, platform.works = LOST, False
    with pytest.raises(NetworkError):
        place(platform, journal)
    doubt = journal.list()[0]
    moment = AT + SETTLING - timedelta(seconds=1)
    assert refresh(platform, journal, doubt, at=moment).state is OrderState.UNKNOWN
    with pytest.raises(PlatformUnavailableError, match="nothing was sent again"):
        lifecycle.place_order(
            platform, journal, replace(REQUEST, client_reference=doubt.reference), at=AT
        )
    entry = refresh(platform, journal, doubt, at=AT + SETTLING)
    assert entry.state is OrderState.FAILED


@pytest.mark.parametrize("error", [LOST, DOWN])
def test_an_order_that_can_not_be_looked_up_stays_in_doubt(platform, journal, error):
    platform.error, platform.works, platform.keeps_references = error, False, False
    with pytest.raises(type(error)):
        place(platform, journal)
    assert journal.list()[0].state is OrderState.UNKNOWN


def test_products_without_end_settle_nothing(platform, journal, monkeypatch):
    platform.error, platform.works = DOWN, False
    endless = ProductPage((replace_reference(platform),), 10**9)
    monkeypatch.setattr(platform, "search_products", lambda search: endless)
    with pytest.raises(PlatformUnavailableError):
        place(platform, journal)
    assert journal.list()[0].state is OrderState.UNKNOWN


def replace_reference(platform) -> Product:
    platform._add(REQUEST)
    return replace(platform.products.pop(), client_reference="another")


@pytest.mark.parametrize("error", [LOST, DOWN])
def test_an_order_settles_from_when_its_answer_was_lost(platform, journal, monkeypatch, error):
    moments = iter([1000.0, 1000.2, 1075.5])
    monkeypatch.setattr(outcome, "seconds", lambda: next(moments))
    platform.error, platform.works = error, False
    with pytest.raises(type(error)):
        place(platform, journal)
    doubt = journal.list()[0]
    assert doubt.updated == AT + timedelta(seconds=75)
    assert refresh(platform, journal, doubt, at=AT + SETTLING).state is OrderState.UNKNOWN


@pytest.mark.parametrize("kind", ["duplicate_reference", "key_already_certified"])
def test_what_is_refused_since_it_is_there_already_counts_as_done(platform, journal, kind):
    platform.error = PlatformRefusedError("twice", kind=kind)  # a gateway sent it twice
    entry = place(platform, journal)
    assert (entry.state, entry.product_id) == (OrderState.ORDERED, "P-1")
    assert entry.key_path == "/k"


@pytest.mark.parametrize("reachable", [True, False])
def test_what_is_said_to_be_there_but_not_shown_stays_in_doubt(platform, journal, reachable):
    platform.error = PlatformRefusedError("twice", kind="duplicate_reference")
    platform.works, platform.reachable = False, reachable
    with pytest.raises(PlatformRefusedError):
        place(platform, journal)
    doubt = journal.list()[0]
    assert (doubt.state, doubt.last_error) == (OrderState.UNKNOWN, "twice")
    platform.error, platform.reachable = None, True
    platform._add(replace(REQUEST, client_reference=doubt.reference))  # its search lags behind
    assert refresh(platform, journal, doubt, at=AT).product_id == "P-1"


def test_an_order_that_arrived_late_keeps_the_key_that_it_was_made_with(platform, journal):
    platform.error, platform.works = LOST, False
    with pytest.raises(NetworkError):
        place(platform, journal)
    doubt = journal.list()[0]
    late = replace(REQUEST, client_reference=doubt.reference)
    assert refresh(platform, journal, doubt, at=AT + SETTLING).state is OrderState.FAILED
    platform._add(late)
    platform.error = PlatformRefusedError("twice", kind="duplicate_reference")
    again = lifecycle.place_order(platform, journal, late, at=AT + SETTLING, key_path="/other")
    assert (again.product_id, again.key_path) == ("P-1", "/k")


def test_a_reference_is_that_of_one_platform(platform, journal):
    entry = place(platform, journal)
    same = replace(REQUEST, client_reference=entry.reference)
    for address in ("https://pfc.invalid", "https://PFC.invalid:443/"):
        assert lifecycle.place_order(platform, journal, same, at=AT, platform=address) == entry
    with pytest.raises(UsageError, match="another platform"):
        lifecycle.place_order(platform, journal, same, at=AT, platform="https://other.invalid/")


def test_an_interrupted_order_stays_as_sent(platform, journal):
    platform.error = KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        place(platform, journal)
    assert journal.list()[0].state is OrderState.SENT


# -- withdrawal and revocation -------------------------------------------------------

WITHDRAWAL = Withdrawal("P-1", Secret("code"), accepted=True)
REVOCATION = Revocation(Secret("code"), product_id="P-1")


def withdraw(platform, journal, entry, save):
    return lifecycle.withdraw(platform, journal, entry, WITHDRAWAL, at=AT, save=save)


def test_a_withdrawn_certificate_is_saved_then_noted(platform, journal, tmp_path, throw_away_ca):
    entry = place(platform, journal)

    def save(product):
        kept = journal.get("P-1")
        assert (kept.state, kept.certificate_path) == (OrderState.WITHDRAWN, "")
        assert journal.certificates(kept) == (product.certificate, *product.chain)
        return tmp_path / "a.pem"

    entry = withdraw(platform, journal, entry, save)
    assert entry.state is OrderState.WITHDRAWN
    assert entry.certificate_path == str(tmp_path / "a.pem")
    assert int(entry.serial, 16) == throw_away_ca.leaf.serial_number


@pytest.mark.parametrize(
    ("error", "works", "reachable", "state"),
    [
        (REFUSED, False, True, OrderState.ORDERED),
        (NetworkError("unreachable"), False, False, OrderState.ORDERED),
        (LOST, True, False, OrderState.WITHDRAWING),
        (LOST, True, True, OrderState.WITHDRAWN),
        (LOST, False, True, OrderState.WITHDRAWING),
    ],
)
def test_a_withdrawal_that_went_wrong_says_how_far(
    platform, journal, error, works, reachable, state
):
    entry = place(platform, journal)
    platform.error, platform.works, platform.reachable = error, works, reachable
    with pytest.raises(type(error)):
        withdraw(platform, journal, entry, lambda product: pytest.fail("nothing to save"))
    entry = journal.get("P-1")
    assert (entry.state, entry.certificate_path) == (state, "")
    assert entry.last_error == error.message


def test_a_certificate_that_could_not_be_saved_is_noted_as_issued(platform, journal):
    entry = place(platform, journal)

    def save(product):
        raise StorageError("disk full")

    with pytest.raises(StorageError):
        withdraw(platform, journal, entry, save)
    entry = journal.get("P-1")
    assert (entry.state, entry.certificate_path) == (OrderState.WITHDRAWN, "")
    assert "disk full" in entry.last_error
    assert entry.serial


def test_a_certificate_that_is_none_is_a_contract_error(platform, journal, tmp_path):
    platform.certificate = b"\x30\x00"
    with pytest.raises(ContractError):
        withdraw(platform, journal, place(platform, journal), lambda product: tmp_path)


@pytest.mark.parametrize(
    ("error", "works", "reachable", "state"),
    [
        (None, True, True, OrderState.REVOKED),
        (REFUSED, False, True, OrderState.WITHDRAWN),
        (LOST, True, False, OrderState.REVOKING),
        (LOST, True, True, OrderState.REVOKED),
        (LOST, False, True, OrderState.REVOKING),
    ],
)
def test_a_revocation_says_how_far_it_went(
    platform, journal, tmp_path, error, works, reachable, state
):
    entry = withdraw(platform, journal, place(platform, journal), lambda product: tmp_path)
    platform.error, platform.works, platform.reachable = error, works, reachable
    if error:
        with pytest.raises(type(error)):
            lifecycle.revoke(platform, journal, entry, REVOCATION, at=AT)
    else:
        revoked = lifecycle.revoke(platform, journal, entry, REVOCATION, at=AT)
        assert (revoked.revoked_at, revoked.already) == (AT, False)
    assert journal.get("P-1").state is state


def test_a_revocation_whose_answer_was_lost_is_told_and_not_sent_again(platform, journal, tmp_path):
    entry = withdraw(platform, journal, place(platform, journal), lambda product: tmp_path)
    platform.error, platform.reachable = LOST, False
    with pytest.raises(NetworkError):
        lifecycle.revoke(platform, journal, entry, REVOCATION, at=AT)

    platform.error, platform.reachable = REFUSED, True  # what a second one would get
    again = lifecycle.revoke(platform, journal, journal.get("P-1"), REVOCATION, at=AT)
    assert (again.entry.state, again.entry.last_error) == (OrderState.REVOKED, "")
    assert (again.revoked_at, again.already) == (AT, True)


def test_a_revocation_in_doubt_that_can_not_be_looked_up_is_sent_again_after_its_time(
    platform, journal, tmp_path, monkeypatch
):
    entry = withdraw(platform, journal, place(platform, journal), lambda product: tmp_path)
    monkeypatch.setattr(platform, "get_product", Mock(side_effect=ConfigError("no question")))
    platform.error, platform.works = LOST, False
    with pytest.raises(NetworkError):
        lifecycle.revoke(platform, journal, entry, REVOCATION, at=AT)

    platform.error, platform.works = None, True
    entry = journal.get("P-1")
    assert entry.state is OrderState.REVOKING
    with pytest.raises(InDoubtError, match="was not asked"):
        lifecycle.revoke(platform, journal, entry, REVOCATION, at=AT)
    again = lifecycle.revoke(platform, journal, entry, REVOCATION, at=AT + SETTLING)
    assert (again.entry.state, again.already) == (OrderState.REVOKED, False)
    with pytest.raises(ConfigError):  # nothing is in doubt any more
        lifecycle.revoke(platform, journal, again.entry, REVOCATION, at=AT + 2 * SETTLING)

"""The platform's view in the journal, and what one makes of both: sync, renewals, the park."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from unittest.mock import Mock

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from fake_platform import FakePlatform

from igcsante.errors import (
    ContractError,
    NetworkError,
    PlatformRefusedError,
    StorageError,
    TimeoutExceededError,
    UsageError,
)
from igcsante.identifiers import StructureId
from igcsante.secret import Secret
from igcsante.ws.contract.completion import UNCOUNTED, completed
from igcsante.ws.model import (
    Offre,
    ProductPage,
    ProductRequest,
    ProductState,
    Structure,
    Usage,
)
from igcsante.ws.orders import enrolment, lifecycle, reconcile, renewal
from igcsante.ws.orders.doubts import InDoubtError
from igcsante.ws.orders.journal import Journal, OrderState, check_platform
from igcsante.ws.orders.park import Standing, survey
from igcsante.ws.orders.reconcile import FEW, adopt, synchronise, wait_until_made
from igcsante.ws.outcome import SETTLING

AT = datetime(2026, 11, 22, 9, tzinfo=UTC)
LATER = AT + SETTLING
END = AT + timedelta(days=30)
LOST = NetworkError("hung up", outcome_unknown=True)


@pytest.fixture
def platform(throw_away_ca):
    return FakePlatform(throw_away_ca.leaf.public_bytes(Encoding.DER))


@pytest.fixture
def journal(tmp_path):
    with Journal(tmp_path / "journal.sqlite") as opened:
        yield opened


def request(name="DMP"):
    return ProductRequest(
        offre=Offre.ORG,
        usage=Usage.AUTH_CLI,
        structure=StructureId.parse("318751275100020"),
        emails=("pki@exemple.fr",),
        service_name=name,
        csr=b"csr",
    )


def place(platform, journal, name="DMP", **about):
    return lifecycle.place_order(platform, journal, request(name), at=AT, **about)


def in_doubt(platform, journal, name="DMP", *, done=True):
    """An order whose answer was lost, carried out or not."""
    platform.error, platform.works, platform.reachable = LOST, done, False
    with pytest.raises(NetworkError):
        place(platform, journal, name)
    platform.error, platform.works, platform.reachable = None, True, True
    return journal.list()[0]


def become(platform, number, **changes):
    platform.products[number] = replace(platform.products[number], **changes)


# -- sync ------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [1, FEW + 5])
def test_orders_follow_the_platform_one_by_one_or_by_one_listing(
    platform, journal, monkeypatch, count
):
    for number in range(count):
        place(platform, journal, f"S{number}")
    doubt = in_doubt(platform, journal, "doubt")
    become(platform, 0, state=ProductState.REVOQUE, serial="0AFF", not_after=END)
    asked = []
    monkeypatch.setattr(
        platform,
        "get_product",
        lambda name, get=platform.get_product: asked.append(name) or get(name),
    )
    told = list(synchronise(platform, journal, journal.list(), at=LATER))
    assert len(told) == count + 1
    assert all(trouble is None for _, _, trouble in told)
    assert (journal.get("P-1").state, journal.get("P-1").serial) == (OrderState.REVOKED, "aff")
    assert journal.get("P-1").ends == END
    assert journal.get(doubt.reference).state is OrderState.ORDERED
    assert len(asked) == (1 if count == 1 else 0)


def test_an_order_that_is_not_there_is_given_time_before_it_has_failed(platform, journal):
    entry = in_doubt(platform, journal, done=False)
    for at, state in ((AT, OrderState.UNKNOWN), (LATER, OrderState.FAILED)):
        ((_, after, _),) = synchronise(platform, journal, [entry], at=at)
        assert after.state is state


@pytest.mark.parametrize("ignored", [False, True])
def test_an_order_on_a_later_page_than_is_told_has_not_failed(
    platform, journal, monkeypatch, ignored
):
    entry = in_doubt(platform, journal)
    for number in range(2):
        place(platform, journal, f"S{number}")

    def one_a_page(search):
        """The newest first; no total, or one that no page leads to."""
        newest = platform.products[::-1][0 if ignored else search.page - 1 :][:1]
        page = ProductPage(tuple(newest), 3 if ignored else UNCOUNTED)
        return completed(search, page)

    monkeypatch.setattr(platform, "search_products", one_a_page)
    ((_, after, trouble),) = synchronise(platform, journal, [entry], at=LATER)
    if ignored:
        assert (after, type(trouble)) == (entry, ContractError)
    else:
        assert (after.state, after.product_id) == (OrderState.ORDERED, "P-1")


def test_a_question_that_is_not_answered_in_time_ends_the_waiting_with_the_order_s_state(
    platform, journal, monkeypatch
):
    entry = in_doubt(platform, journal)
    late = TimeoutExceededError("it did not answer in time")
    monkeypatch.setattr(platform, "search_products", Mock(side_effect=late))
    with pytest.raises(TimeoutExceededError, match=r"order 1: .*in time") as caught:
        wait_until_made(platform, journal, entry, seconds=9, clock=lambda: AT)
    assert "igc orders wait 1" in caught.value.advice


def test_one_order_in_trouble_does_not_keep_the_others(platform, journal, monkeypatch):
    first, second = place(platform, journal, "a"), place(platform, journal, "b")

    def get(name, get=platform.get_product):
        if name == first.product_id:
            raise PlatformRefusedError("not visible", fault="F10")
        return get(name)

    monkeypatch.setattr(platform, "get_product", get)
    become(platform, 1, state=ProductState.ANNULE)
    told = {before.id: (after, trouble) for before, after, trouble in
            synchronise(platform, journal, journal.list(), at=LATER)}  # fmt: skip
    assert told[first.id][1].fields["fault"] == "F10"
    assert told[second.id][0].state is OrderState.CANCELLED


def test_an_order_is_sent_again_only_once_it_is_certain_that_it_was_not(platform, journal):
    entry = in_doubt(platform, journal, done=False)
    again = replace(request(), client_reference=entry.reference)
    entry = lifecycle.place_order(platform, journal, again, at=LATER)
    assert (entry.state, len(platform.products)) == (OrderState.ORDERED, 1)
    same = lifecycle.place_order(platform, journal, again, at=LATER)
    assert (same, len(platform.products)) == (entry, 1), "a repeated order is the same order"
    other = replace(again, service_name="another")
    with pytest.raises(UsageError, match="something else"):
        lifecycle.place_order(platform, journal, other, at=LATER)


def test_a_product_ordered_elsewhere_is_adopted_once(platform, journal):
    platform.order_product(request())
    become(platform, 0, state=ProductState.ACTIF, serial="0BEE")
    entry = adopt(journal, platform.products[0], at=AT, profile="sim")
    assert (entry.state, entry.serial, entry.profile) == (OrderState.WITHDRAWN, "bee", "sim")
    assert adopt(journal, platform.products[0], at=AT) == entry


def test_products_of_two_platforms_are_not_mixed_up(platform, journal):
    platform.order_product(request())
    become(platform, 0, state=ProductState.ACTIF, serial="0BEE")
    here = adopt(journal, platform.products[0], at=AT, platform="https://a.invalid/")
    become(platform, 0, serial="0CAFE")
    there = adopt(journal, platform.products[0], at=AT, platform="https://b.invalid/")
    assert here.id != there.id and (here.serial, there.serial) == ("bee", "cafe")
    assert journal.get("P-1", "https://B.invalid:443") == there
    assert journal.of_product("P-1", "https://a.invalid/") == here
    assert journal.of_product("P-1", "https://c.invalid/") is None
    check_platform(here, "https://A.invalid:443/")
    with pytest.raises(UsageError, match="nothing was sent"):
        check_platform(here, "https://b.invalid/")


@pytest.mark.parametrize("more", [0, FEW])
def test_another_certificate_under_the_same_number_is_not_taken(platform, journal, more):
    for number in range(more + 1):
        place(platform, journal, f"S{number}")
    entry = journal.update(journal.get("P-1"), at=AT, serial="bee")
    become(platform, 0, state=ProductState.REVOQUE, serial="0CAFE")
    told = {before.id: trouble for before, _, trouble in
            synchronise(platform, journal, journal.list(), at=LATER)}  # fmt: skip
    assert "its serial is 'cafe' instead of 'bee'; nothing was changed" in told[entry.id].message
    assert journal.get("P-1") == entry


SOMETHING_ELSE = [
    ("offre", {"offre": Offre.PRO}),
    ("usage", {"usage": Usage.SIGN}),
    ("structure", {"structure": Structure(StructureId.parse("10B0999003"), "Y")}),
    ("name", {"label": "somebody else"}),
    ("number", {"product_id": "P-9"}),
    ("renewed product", {"renews": "P-8"}),
]


@pytest.mark.parametrize(("what", "changes"), SOMETHING_ELSE)
@pytest.mark.parametrize("more", [0, FEW])
def test_an_answer_about_something_else_changes_nothing(
    platform, journal, monkeypatch, more, what, changes
):
    for number in range(more + 1):
        place(platform, journal, f"S{number}")
    entry = journal.update(journal.get("P-1"), at=AT, renews="P-7")
    become(platform, 0, state=ProductState.REVOQUE, **changes)
    other = platform.products[0]
    monkeypatch.setattr(platform, "get_product", lambda _: other)
    with pytest.raises(UsageError, match=f"its {what} is .* instead of") as caught:
        reconcile.refresh(platform, journal, entry, at=LATER)
    assert caught.value.fields["field"] == what
    told = list(synchronise(platform, journal, journal.list(), at=LATER))
    if what != "number":  # then it isn't listed at all
        assert [before.id for before, _, trouble in told if trouble][-1:] == [entry.id]
    assert journal.get(str(entry.id)) == entry


def test_what_a_contract_does_not_tell_is_no_difference(platform, journal):
    entry = place(platform, journal, "Élan")
    for label in ("", "E\u0301LAN"):
        become(platform, 0, label=label, state=ProductState.EN_COURS)
        reconcile.check_same(entry, platform.products[0])


@pytest.mark.parametrize(("what", "changes"), SOMETHING_ELSE[:4])
@pytest.mark.parametrize("again", [False, True])
def test_something_else_is_not_withdrawn_under_the_number_of_an_order(
    platform, journal, tmp_path, what, changes, again
):
    enrolled = enrolment.prepare(
        tmp_path,
        offre=Offre.ORG,
        usage=Usage.AUTH_CLI,
        structure=StructureId.parse("318751275100020"),
        emails=("pki@exemple.fr",),
        service_name="DMP",
    )
    entry = enrolment.submit(enrolled, platform, journal, at=AT)
    if again:
        entry = journal.update(entry, at=AT, state=OrderState.WITHDRAWN)
    before = sorted((path.name, path.read_bytes()) for path in tmp_path.glob("*.pem"))
    become(platform, 0, **changes)
    delivery = enrolment.Delivery(Secret("code"), accepted=True)
    with pytest.raises(UsageError, match=f"its {what} is .* instead of"):
        enrolment.retrieve(entry, platform, journal, delivery, at=LATER, again=again)
    assert platform.products[0].state is ProductState.A_RETIRER
    assert journal.get(str(entry.id)) == entry
    assert sorted((path.name, path.read_bytes()) for path in tmp_path.glob("*.pem")) == before


def test_a_product_of_another_name_is_not_adopted_as_an_order_of_ours(platform, journal):
    entry = place(platform, journal)
    become(platform, 0, label="another")
    with pytest.raises(UsageError, match="instead of 'DMP'"):
        adopt(journal, platform.products[0], at=AT)
    assert journal.list() == (entry,)


# -- renewals --------------------------------------------------------------------------------


@pytest.fixture
def active(platform, journal):
    """A product that is active and ends within its window."""
    entry = place(platform, journal)
    become(platform, 0, state=ProductState.ACTIF, renewable=True, serial="0AFF", not_after=END)
    return reconcile.refresh(platform, journal, entry, at=AT)


def renew(platform, journal, folder, at=AT, **more):
    return renewal.renew(platform.products[0], platform, journal, folder, at=at, **more)


def test_a_renewal_is_ordered_once_whatever_happened_to_its_answer(
    platform, journal, active, tmp_path
):
    platform.error, platform.reachable = LOST, False
    with pytest.raises(NetworkError):
        renew(platform, journal, tmp_path)
    platform.error, platform.reachable = None, True
    entry = renew(platform, journal, tmp_path, at=LATER)
    assert (entry.product_id, entry.renews) == ("P-2", "P-1")
    assert renew(platform, journal, tmp_path, at=LATER) == entry
    assert len(platform.products) == 2
    assert len(list(tmp_path.glob("*.key.pem"))) == 1


def test_a_renewal_that_did_not_happen_is_ordered_again(platform, journal, active, tmp_path):
    platform.error, platform.works, platform.reachable = LOST, False, False
    with pytest.raises(NetworkError):
        renew(platform, journal, tmp_path)
    platform.error, platform.works, platform.reachable = None, True, True
    with pytest.raises(InDoubtError):  # it may still be on its way
        renew(platform, journal, tmp_path)
    assert renew(platform, journal, tmp_path, at=LATER).product_id == "P-2"


def test_a_refused_renewal_leaves_no_key(platform, journal, active, tmp_path):
    platform.error, platform.works = PlatformRefusedError("no"), False
    with pytest.raises(PlatformRefusedError):
        renew(platform, journal, tmp_path)
    assert list(tmp_path.glob("*.pem")) == []
    assert journal.list()[0].state is OrderState.REFUSED


def test_a_renewal_that_was_stopped_before_it_was_sent_leaves_no_key(
    platform, journal, active, tmp_path, monkeypatch
):
    with monkeypatch.context() as patch:
        patch.setattr(
            renewal, "place_renewal", lambda *_, **__: (_ for _ in ()).throw(KeyboardInterrupt)
        )
        with pytest.raises(KeyboardInterrupt):
            renew(platform, journal, tmp_path)
    assert journal.list()[0].state is OrderState.FAILED
    assert list(tmp_path.glob("*.key.pem")) == []
    entry = renew(platform, journal, tmp_path)
    assert [str(path) for path in tmp_path.glob("*.key.pem")] == [entry.key_path]


def test_a_renewal_of_another_platform_s_product_is_another_one(
    platform, journal, active, tmp_path
):
    about = {"platform": "https://b.invalid/"}
    source = platform.products[0]
    there = renewal.renew(source, platform, journal, tmp_path, at=AT, **about)
    assert renewal.begun(journal, "P-1", "https://b.invalid/") == there
    assert renewal.begun(journal, "P-1", "https://a.invalid/") is None


def test_a_renewal_whose_key_can_not_be_kept_is_not_sent(
    platform, journal, active, tmp_path, monkeypatch
):
    def full(*_, **__):
        raise StorageError("disk full")

    monkeypatch.setattr(enrolment, "write_key", full)
    with pytest.raises(StorageError):
        renew(platform, journal, tmp_path)
    assert len(platform.products) == 1
    assert journal.list()[0].state is OrderState.FAILED


@pytest.mark.parametrize(
    ("changes", "early", "message"),
    [
        ({"state": ProductState.EXPIRE}, True, "EXPIRE"),
        ({"renewable": False}, True, "can't be renewed"),
        ({"renewed_by": "P-9"}, True, "renewed already"),
        ({"not_after": AT + timedelta(days=61)}, False, "more than 60 days"),
    ],
)
def test_what_can_not_be_renewed_is_told_before_anything_is_sent(
    platform, journal, active, tmp_path, changes, early, message
):
    become(platform, 0, **changes)
    with pytest.raises(UsageError, match=message):
        renew(platform, journal, tmp_path, early=early)
    assert len(journal.list()) == 1
    assert list(tmp_path.glob("*.pem")) == []


def test_sixty_days_before_its_end_a_product_is_due(platform, active):
    product = platform.products[0]
    due = replace(product, not_after=AT + timedelta(days=60))
    assert renewal.ends_soon(due, AT)
    assert not renewal.ends_soon(replace(due, not_after=due.not_after + timedelta(seconds=1)), AT)
    assert not renewal.ends_soon(replace(due, renewed_by="P-2"), AT)
    assert not renewal.ends_soon(replace(due, state=ProductState.REVOQUE), AT)


# -- the park --------------------------------------------------------------------------------


def standings(lines):
    return {line.label: line.standing for line in lines}


def test_every_product_stands_somewhere_and_the_most_urgent_comes_first(platform, journal):
    states = {
        "active": {"state": ProductState.ACTIF, "not_after": AT + timedelta(days=61)},
        "expiring": {"state": ProductState.ACTIF, "not_after": AT + timedelta(days=60)},
        "expired": {"state": ProductState.EXPIRE, "not_after": AT - timedelta(days=1)},
        "revoked": {"state": ProductState.REVOQUE, "not_after": END},
        "cancelled": {"state": ProductState.ANNULE},
        "pending": {"state": ProductState.EN_COURS},
        "to withdraw": {},
    }
    for number, (name, changes) in enumerate(states.items()):
        platform.order_product(request(name))
        become(platform, number, serial=f"{number:X}", **changes)
    in_doubt(platform, journal, "in doubt", done=False)
    lines = survey(journal.list(), platform.products, at=AT)
    assert standings(lines) == {name: Standing(name) for name in (*states, "in doubt")}
    assert [line.standing for line in lines] == [s for s in Standing if s is not Standing.LOST]
    assert [line.label for line in lines if line.due] == ["expiring"]
    assert [line.order for line in lines if line.order] == [1]


def test_an_order_in_doubt_is_told_by_its_reference(platform, journal):
    in_doubt(platform, journal)
    (line,) = survey(journal.list(), platform.products, at=AT)
    assert (line.standing, line.order, line.product_id) == (Standing.TO_WITHDRAW, 1, "P-1")


def test_what_does_not_fit_between_journal_platform_and_files_is_told(platform, journal, tmp_path):
    key = tmp_path / "a.key.pem"
    entry = place(platform, journal, "a", key_path=str(key))
    become(platform, 0, state=ProductState.ACTIF, serial="0AFF", not_after=END)
    journal.update(entry, at=AT, state=OrderState.WITHDRAWN, serial="bee")
    lost = survey(journal.list(), platform.products, at=AT)[0]
    assert lost.standing is Standing.LOST
    assert [f"{key} is not there any more", "the journal has another serial: bee"] == sorted(
        problem for problem in lost.problems if "issued" not in problem
    )
    (unseen,) = survey(journal.list(), [], at=AT)
    assert "the platform does not show it to this card" in unseen.problems
    (found,) = survey(journal.list(), platform.products, at=AT, found={"aff": tmp_path / "x.pem"})
    assert (found.standing, found.certificate_path) == (Standing.EXPIRING, str(tmp_path / "x.pem"))


def test_what_was_never_ordered_is_not_in_the_park(platform, journal):
    journal.record("never sent", at=AT)
    assert survey(journal.list(), None, at=AT) == ()


def test_a_renewal_that_is_under_way_takes_its_predecessor_off_the_list(
    platform, journal, active, tmp_path
):
    entry = renew(platform, journal, tmp_path)
    for products in (platform.products, None):
        lines = {line.order: line for line in survey(journal.list(), products, at=AT)}
        assert lines[active.id].renewed_by == entry.product_id
        assert not lines[active.id].due

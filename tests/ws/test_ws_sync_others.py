"""``igc orders sync``: what goes wrong with one order never keeps the others waiting."""

from __future__ import annotations

from datetime import UTC, datetime
from unittest.mock import Mock

import pytest
from fake_platform import FakePlatform

from igcsante.errors import (
    ConfigError,
    ContractError,
    IgcError,
    NetworkError,
    PlatformRefusedError,
    PlatformUnavailableError,
    StorageError,
    TimeoutExceededError,
)
from igcsante.identifiers import StructureId
from igcsante.ws.model import Offre, ProductRequest, Usage
from igcsante.ws.orders.journal import Journal, OrderState
from igcsante.ws.orders.lifecycle import place_order
from igcsante.ws.orders.reconcile import FEW, synchronise
from igcsante.ws.platform import CardTurnedAwayError

AT = datetime(2026, 11, 22, 9, tzinfo=UTC)

ITS_OWN = (
    ConfigError("not mapped"),
    ContractError("an unknown state"),
    PlatformRefusedError("not yours"),
    PlatformUnavailableError("T01"),
    NetworkError("hung up"),
    TimeoutExceededError("no answer"),
)


class Answering(FakePlatform):
    """Fails when it is asked for one of the products in ``errors``."""

    def __init__(self) -> None:
        super().__init__(b"")
        self.errors: dict[str, IgcError] = {}
        self.unlisted: IgcError | None = None

    def get_product(self, product_id):
        if product_id in self.errors:
            raise self.errors[product_id]
        return super().get_product(product_id)

    def search_products(self, search):
        if self.unlisted:
            raise self.unlisted
        return super().search_products(search)


@pytest.fixture
def platform():
    return Answering()


@pytest.fixture
def journal(tmp_path):
    with Journal(tmp_path / "journal.sqlite") as opened:
        yield opened


def placed(platform, journal, count):
    """Orders that are to be withdrawn, of products P-1 and so on, which say pending."""
    for number in range(count):
        request = ProductRequest(
            offre=Offre.ORG,
            usage=Usage.AUTH_CLI,
            structure=StructureId.parse("318751275100020"),
            emails=("pki@exemple.fr",),
            service_name=f"s{number}",
            csr=b"csr",
        )
        entry = place_order(platform, journal, request, at=AT)
        journal.update(entry, at=AT, state=OrderState.PENDING)
    return journal.list()[::-1]


@pytest.mark.parametrize("error", ITS_OWN, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("which", [1, 2, 3])
def test_an_order_that_fails_is_told_and_the_others_are_brought_up_to_date(
    platform, journal, error, which
):
    entries = placed(platform, journal, 3)
    platform.errors[f"P-{which}"] = error
    told = list(synchronise(platform, journal, entries, at=AT))
    assert [after.state for _, after, trouble in told if trouble is None] == ["ordered"] * 2
    ((before, after, _),) = [each for each in told if each[2] is error]
    assert before == after and after.product_id == f"P-{which}"


@pytest.mark.parametrize("error", ITS_OWN[:4], ids=lambda error: type(error).__name__)
def test_neighbours_that_the_platform_fails_at_do_not_end_it_either(platform, journal, error):
    entries = placed(platform, journal, 4)
    platform.errors.update({"P-1": error, "P-2": error, "P-3": error})
    *_, (_, after, trouble) = synchronise(platform, journal, entries, at=AT)
    assert (after.state, trouble) == (OrderState.ORDERED, None)


@pytest.mark.parametrize("error", ITS_OWN[4:], ids=lambda error: type(error).__name__)
def test_no_answer_twice_in_a_row_ends_it(platform, journal, error):
    entries = placed(platform, journal, 4)
    platform.errors.update({"P-1": error, "P-3": error, "P-4": error})
    told = synchronise(platform, journal, entries, at=AT)
    assert [trouble for _, _, trouble in (next(told), next(told), next(told))] == [
        error,
        None,
        error,
    ]
    with pytest.raises(type(error)):
        next(told)


@pytest.mark.parametrize("error", [CardTurnedAwayError("HTTP 403"), StorageError("disk full")])
def test_what_no_order_would_survive_ends_it_at_once(platform, journal, error):
    entries = placed(platform, journal, 2)
    platform.errors["P-1"] = error
    with pytest.raises(type(error)):
        next(synchronise(platform, journal, entries, at=AT))


@pytest.mark.parametrize("error", [ContractError("an unknown state"), ConfigError("not mapped")])
def test_many_orders_are_asked_for_one_by_one_when_the_list_can_not_be_read(
    platform, journal, error
):
    entries = placed(platform, journal, FEW + 1)
    platform.unlisted = error
    told = list(synchronise(platform, journal, entries, at=AT))
    assert {after.state for _, after, _ in told} == {OrderState.ORDERED}


def test_many_orders_are_not_asked_for_one_by_one_without_a_platform(platform, journal):
    entries = placed(platform, journal, FEW + 1)
    platform.unlisted = NetworkError("unreachable")
    with pytest.raises(NetworkError):
        next(synchronise(platform, journal, entries, at=AT))


def failed(journal, entries):
    """Orders that failed since the platform didn't show them, and may have arrived since."""
    until = AT.isoformat()
    return [journal.update(e, at=AT, state=OrderState.FAILED, doubt_until=until) for e in entries]


@pytest.mark.parametrize("error", ITS_OWN[2:], ids=lambda error: type(error).__name__)
def test_a_list_that_is_refused_is_told_of_the_order_that_was_to_be_looked_for_in_it(
    platform, journal, error
):
    *entries, last = placed(platform, journal, 3)
    (late,) = failed(journal, [last])
    platform.unlisted = error
    told = list(synchronise(platform, journal, entries, at=AT, late=[late]))
    assert [after.state for _, after, _ in told[:-1]] == [OrderState.ORDERED] * 2
    assert told[-1] == (late, late, error)


def test_orders_that_may_have_arrived_late_share_one_list_also_when_it_fails(
    platform, journal, monkeypatch
):
    late = failed(journal, placed(platform, journal, 3))
    platform.unlisted = PlatformUnavailableError("T01")
    asked = Mock(side_effect=platform.search_products)
    monkeypatch.setattr(platform, "search_products", asked)
    told = list(synchronise(platform, journal, [], at=AT, late=late))
    assert told == [(entry, entry, platform.unlisted) for entry in late]
    assert asked.call_count == 1


def test_a_card_that_is_turned_away_at_the_list_ends_it(platform, journal):
    late = failed(journal, placed(platform, journal, 1))
    platform.unlisted = CardTurnedAwayError("HTTP 403")
    with pytest.raises(CardTurnedAwayError):
        next(synchronise(platform, journal, [], at=AT, late=late))

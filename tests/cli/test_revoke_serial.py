"""``igc revoke SERIAL``: of all that a platform lists, the certificate of that serial or none."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from igcsante.cli.lifecycle import _found
from igcsante.errors import UsageError
from igcsante.identifiers import StructureId
from igcsante.ws.model import (
    KeyMode,
    Offre,
    Product,
    ProductPage,
    ProductSearch,
    ProductState,
    Structure,
    Usage,
)
from igcsante.ws.orders.journal import Journal

ABOUT = {"platform": "https://platform.example/ws"}
PRODUCT = Product(
    product_id="P-0",
    offre=Offre.ORG,
    usage=Usage.AUTH_CLI,
    structure=Structure(StructureId.parse("318751275100020"), "X"),
    label="dmp",
    state=ProductState.ACTIF,
    requested_at=datetime(2026, 11, 22, 9, tzinfo=UTC),
    key_mode=KeyMode.CSR,
    renewable=True,
)


class Listing:
    """A platform that passes over what is searched for, and shows all, page after page."""

    def __init__(self, *products: Product) -> None:
        self.products = products

    def search_products(self, search: ProductSearch) -> ProductPage:
        start = (search.page - 1) * search.page_size
        shown = self.products[start : start + search.page_size]
        return ProductPage(shown, len(self.products))


def listing(count: int) -> Listing:
    numbers = range(1, count + 1)
    return Listing(
        *(replace(PRODUCT, product_id=f"P-{n}", serial=f"{0xABC000 + n:X}") for n in numbers)
    )


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with Journal(tmp_path / "journal.sqlite") as opened:
        yield opened


@pytest.mark.parametrize("number", [1, 2, 100, 101, 250])
@pytest.mark.parametrize("form", ["{:X}", "{:x}", "00{:X}"])
def test_it_is_found_on_any_page_however_it_is_written(
    journal: Journal, number: int, form: str
) -> None:
    entry = _found(listing(250), journal, form.format(0xABC000 + number), ABOUT)
    assert (entry.product_id, entry.serial) == (f"P-{number}", f"{0xABC000 + number:x}")


@pytest.mark.parametrize("count", [0, 1, 250])
def test_what_is_listed_instead_is_not_taken(journal: Journal, count: int) -> None:
    with pytest.raises(UsageError, match="ABCFFF: nothing was revoked"):
        _found(listing(count), journal, "ABCFFF", ABOUT)
    assert journal.list() == ()


def test_of_two_certificates_of_one_serial_none_is_taken(journal: Journal) -> None:
    platform = Listing(*listing(2).products, replace(PRODUCT, product_id="P-9", serial="0ABC001"))
    with pytest.raises(UsageError, match="2 certificates of serial ABC001"):
        _found(platform, journal, "ABC001", ABOUT)


def test_a_product_that_is_listed_twice_is_one(journal: Journal) -> None:
    first, second = listing(2).products
    assert _found(Listing(first, second, first), journal, "ABC001", ABOUT).product_id == "P-1"


def test_certificates_whose_serial_is_not_told_are_counted_and_left_alone(
    journal: Journal,
) -> None:
    waiting = replace(PRODUCT, product_id="P-8", state=ProductState.A_RETIRER)
    platform = Listing(*listing(2).products, PRODUCT, waiting)
    with pytest.raises(UsageError, match="and 1 whose serial it doesn't tell") as caught:
        _found(platform, journal, "ABCFFF", ABOUT)
    assert "portal" in caught.value.advice
    assert _found(platform, journal, "ABC002", ABOUT).product_id == "P-2"

"""All products that a search finds, page after page, and one of them looked for among them.

A contract may lack the filter that one asks with, or a server may pass over it: what is found is
therefore compared with what was asked for. Nor does it have to give as many a page as it is
asked for, or to count them (facts sheet platform.md §0): what was seen is what counts.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Protocol

from ..errors import ContractError
from ..messages import tr
from .model import Product, ProductPage, ProductSearch
from .rules import MAX_PAGE_SIZE

MAX_PAGES_OF_ALL = 20_000


class Uncounted(int):
    """A total that the platform didn't tell: what was seen, and one more after a full page."""


class Searchable(Protocol):
    """What can be searched for products."""

    def search_products(self, search: ProductSearch) -> ProductPage:
        """As :meth:`igcsante.ws.platform.Platform.search_products`."""


def every_product(
    platform: Searchable, search: ProductSearch | None = None, *, pages: int = MAX_PAGES_OF_ALL
) -> Iterator[Product]:
    """What a search finds, page after page; a product may come twice while others are ordered.

    It ends once as many products were seen as the platform tells that there are, or at a page
    that is empty or has none but those. Raises what the platform raises, and ContractError when
    its pages repeat before its total is reached, and after that many ``pages``.
    """
    search, seen = replace(search or ProductSearch(), page_size=MAX_PAGE_SIZE), set[str]()
    for number in range(1, pages + 1):
        page = platform.search_products(replace(search, page=number))
        told = not isinstance(page.total, Uncounted)
        numbers = {product.product_id for product in page.products}
        if numbers <= seen:
            if numbers and told and len(seen) < page.total:
                raise _repeated(len(seen), page.total)
            return
        yield from page.products
        seen |= numbers
        if told and len(seen) == page.total:  # one that is too low is no total
            return
    raise ContractError(tr("the platform lists too many products to look through"))


def _repeated(seen: int, total: int) -> ContractError:
    return ContractError(
        tr(
            "the platform tells of {total} products, but its pages repeat the same {seen}",
            total=total,
            seen=seen,
        ),
        advice=tr("check where the mapping writes page and page_size, and reads total"),
    )


def same_number(one: str, other: str) -> bool:
    """Whether two texts are the number of one product, however its letters are written."""
    return one.casefold() == other.casefold()

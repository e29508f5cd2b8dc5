"""All products that a search finds, page after page, and one of them looked for among them.

A contract may lack the filter that one asks with, or a server may pass over it: what is found is
therefore compared with what was asked for.
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


class Searchable(Protocol):
    """What can be searched for products."""

    def search_products(self, search: ProductSearch) -> ProductPage:
        """As :meth:`igcsante.ws.platform.Platform.search_products`."""


def every_product(
    platform: Searchable, search: ProductSearch | None = None, *, pages: int = MAX_PAGES_OF_ALL
) -> Iterator[Product]:
    """What a search finds, page after page; a product may come twice while others are ordered.

    Raises what the platform raises, and ContractError after that many ``pages``.
    """
    search, seen = replace(search or ProductSearch(), page_size=MAX_PAGE_SIZE), 0
    for number in range(1, pages + 1):
        page = platform.search_products(replace(search, page=number))
        yield from page.products
        seen += len(page.products)  # a server may give fewer a page than were asked for
        if not page.products or seen >= page.total:
            return
    raise ContractError(tr("the platform lists too many products to look through"))


def same_number(one: str, other: str) -> bool:
    """Whether two texts are the number of one product, however its letters are written."""
    return one.casefold() == other.casefold()

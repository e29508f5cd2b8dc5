"""Questions to the platform: answered for what was asked, and never told as a change."""

from __future__ import annotations

import re
from math import ceil
from pathlib import Path
from types import SimpleNamespace

import pytest
from ws_contract import envelope, fault, product_xml, reply, soap_body

from igcsante.errors import (
    ConfigError,
    ContractError,
    IgcError,
    PlatformRefusedError,
    PlatformUnavailableError,
)
from igcsante.secret import Secret
from igcsante.ws.client import ZeepPlatform
from igcsante.ws.contract.completion import UNCOUNTED, completed
from igcsante.ws.contract.mapping import contract_file
from igcsante.ws.listing import every_product
from igcsante.ws.model import ProductPage, ProductSearch, Revocation
from igcsante.ws.operations import OPERATIONS
from igcsante.ws.platform import CardTurnedAwayError
from igcsante.ws.rules import MAX_PAGE_SIZE
from igcsante.ws.soap.transport import Limits

QUESTIONS = {
    "list_habilitations": lambda p: p.list_habilitations(),
    "search_products": lambda p: p.search_products(ProductSearch()),
    "get_product": lambda p: p.get_product("P-1"),
}


def test_every_operation_is_a_question_or_a_change():
    changing = {"order_product", "withdraw_product", "revoke_product", "renew_product"}
    assert {name for name, operation in OPERATIONS.items() if operation.changes} == changing
    assert OPERATIONS.keys() - changing == QUESTIONS.keys()


# -- what ends badly ---------------------------------------------------------------------


def hang_up(server):
    server.behaviour = lambda handler, body: setattr(handler, "close_connection", True)


ENDS = {
    "cut": hang_up,
    "silent": lambda server: setattr(
        server, "behaviour", lambda handler, body: server.stopping.wait()
    ),
    "502": lambda server: server.always("", 502),
    "403": lambda server: server.always("", 403),
    "redirect": lambda server: server.always("", 302, Location="https://127.0.0.1:9/"),
    "page": lambda server: server.always("<html/>", kind="text/html"),
    "nonsense": lambda server: server.always(envelope("<a/>")),
    "T01": lambda server: server.always(fault("ErreurTechnique", "MOCK-T01", "non"), 500),
    "T04": lambda server: server.always(fault("ErreurTechnique", "MOCK-T04", "non"), 500),
}


@pytest.fixture
def hasty(soap_server, throw_away_ca):
    limits = Limits(connect=5, silence=0.2, total=10)
    with ZeepPlatform(soap_server.url, throw_away_ca.client_context(), limits=limits) as client:
        yield client


@pytest.mark.parametrize("end", ENDS)
def test_a_question_that_fails_says_nothing_of_a_change(soap_server, hasty, end):
    ENDS[end](soap_server)
    for ask in QUESTIONS.values():
        with pytest.raises(IgcError) as caught:
            ask(hasty)
        assert "outcome_unknown" not in caught.value.fields
        assert "carried out" not in caught.value.advice
        assert "igc orders" not in caught.value.advice


@pytest.mark.parametrize("end", ENDS)
def test_a_change_that_fails_in_the_same_way_may_have_been_carried_out(soap_server, hasty, end):
    ENDS[end](soap_server)
    with pytest.raises(IgcError) as caught:
        hasty.revoke_product(Revocation(Secret("code-1"), product_id="P-1"))
    assert caught.value.fields["outcome_unknown"]
    assert caught.value.advice
    if end in ("cut", "silent", "502"):
        assert "may have been carried out" in caught.value.advice


@pytest.mark.parametrize("status", [401, 403])
def test_a_card_that_is_not_let_in_is_told_from_a_refusal(soap_server, platform, status):
    soap_server.always("", status)
    with pytest.raises(CardTurnedAwayError) as caught:
        platform.get_product("P-1")
    assert (caught.value.code, caught.value.exit_code) == ("platform.refused", 11)


# -- the product that was asked for ------------------------------------------------------


def product(number: str) -> str:
    return f"<produit>{product_xml(number)}</produit>"


@pytest.mark.parametrize("found", ["P-1", "p-1"])
def test_the_product_of_that_number_is_taken(soap_server, platform, found):
    soap_server.always(reply("consulterProduit", product(found)))
    assert platform.get_product("P-1").product_id == found


def test_a_product_of_another_number_is_never_taken(soap_server, platform):
    soap_server.always(reply("consulterProduit", product("P-2")))
    with pytest.raises(ContractError, match="asked for product P-1, the platform told of P-2"):
        platform.get_product("P-1")


@pytest.fixture
def without(soap_server, throw_away_ca, tmp_path):
    """A client by a mapping that lacks some operations."""
    opened: list[ZeepPlatform] = []

    def make(*operations: str) -> ZeepPlatform:
        text = contract_file("mapping.toml").read_text("utf-8")
        for name in operations:
            table = rf"\[operations\.{name}\].*?(?=\n\[(?!operations\.{name}\.))"
            text, count = re.subn(table, "", text, flags=re.S)
            assert count == 1
        mapping: Path = tmp_path / "mapping.toml"
        mapping.write_text(text, "utf-8")
        wsdl = contract_file("pfc-mock.wsdl")
        context = throw_away_ca.client_context()
        opened.append(ZeepPlatform(soap_server.url, context, wsdl=wsdl, mapping=mapping))
        return opened[-1]

    yield make
    for client in opened:
        client.close()


def list_of(server, numbers: list[str]) -> None:
    """Answer searches with those products, as many a page as are asked for."""

    def behaviour(handler, body):
        asked = {child.tag: child.text for child in soap_body(body)}
        page, size = int(asked["page"]), int(asked["taille"])
        shown = numbers[(page - 1) * size : page * size]
        inner = "".join(f"<produits>{product_xml(number)}</produits>" for number in shown)
        handler.send(reply("rechercherProduits", f"{inner}<total>{len(numbers)}</total>").encode())

    server.behaviour = behaviour


def test_without_a_question_for_one_product_it_is_looked_for_on_every_page(soap_server, without):
    list_of(soap_server, [f"P-{number}" for number in range(2 * MAX_PAGE_SIZE + 1)])
    client = without("get_product")
    last = f"P-{2 * MAX_PAGE_SIZE}"
    assert client.get_product(last).product_id == last
    assert len(soap_server.requests) == 3


def test_a_product_that_is_not_listed_is_one_that_is_not_known(soap_server, platform, without):
    soap_server.always(fault("ErreurFonctionnelle", "MOCK-F10", "inconnu", "idProduit"), 500)
    with pytest.raises(PlatformRefusedError) as unknown:
        platform.get_product("P-9")
    list_of(soap_server, ["P-1", "P-99"])
    with pytest.raises(PlatformRefusedError, match="lists no product P-9") as caught:
        without("get_product").get_product("P-9")
    assert caught.value.advice == unknown.value.advice
    for name in ("kind", "field"):
        assert caught.value.fields[name] == unknown.value.fields[name]


def test_a_platform_that_fails_while_a_product_is_looked_for_shows_none(soap_server, without):
    soap_server.always("", 502)
    with pytest.raises(PlatformUnavailableError):
        without("get_product").get_product("P-1")


def test_without_any_question_for_products_the_mapping_is_named(without):
    with pytest.raises(ConfigError, match=r"no \[operations.get_product\]"):
        without("get_product", "search_products").get_product("P-1")


# -- all pages ---------------------------------------------------------------------------


class Pages:
    """A server that gives ``size`` products a page, whatever is asked for."""

    def __init__(
        self, size: int, total: int, told: int | None = None, last: int | None = None
    ) -> None:
        self.size, self.asked, self.last = size, 0, last
        self.products = [SimpleNamespace(product_id=f"P-{number}") for number in range(total)]
        self.told = total if told is None else told

    def search_products(self, search: ProductSearch) -> ProductPage:
        """Of the pages after ``last`` none is given, but that one again."""
        self.asked += 1
        start = (min(search.page, self.last or search.page) - 1) * self.size
        page = ProductPage(tuple(self.products[start : start + self.size]), self.told)
        return completed(search, page)


@pytest.mark.parametrize("size", [7, 50, MAX_PAGE_SIZE, 1000])
def test_every_product_is_listed_whatever_the_size_of_a_page_and_no_page_more(size):
    pages = Pages(size, 250)
    assert list(every_product(pages)) == pages.products
    assert pages.asked == ceil(250 / size)


@pytest.mark.parametrize("told", [UNCOUNTED, 0, 3])
@pytest.mark.parametrize("size", [7, 50, MAX_PAGE_SIZE, 1000])
@pytest.mark.parametrize("clamped", [False, True])
def test_a_total_that_is_not_told_or_too_low_ends_no_list(size, told, clamped):
    pages = Pages(size, 250, told, ceil(250 / size) if clamped else None)
    assert list(every_product(pages)) == pages.products
    assert pages.asked == ceil(250 / size) + 1, "until a page brings nothing new"


def test_a_list_that_grows_meanwhile_is_listed_to_its_end():
    pages = Pages(100, 250)
    found = every_product(pages)
    first = [next(found) for _ in range(100)]
    new = SimpleNamespace(product_id="new")  # it comes first and pushes the others on
    pages.products.insert(0, new)
    pages.told += 1
    assert {p.product_id for p in (*first, *found, new)} == {p.product_id for p in pages.products}


@pytest.mark.parametrize(("last", "seen"), [(1, 100), (2, 200)])
def test_a_page_that_comes_again_before_the_total_is_no_whole_list(last, seen):
    pages = Pages(100, 250, last=last)
    with pytest.raises(ContractError, match=f"tells of 250 products, .* the same {seen}"):
        list(every_product(pages))
    assert pages.asked == last + 1


def test_a_list_without_end_is_given_up():
    pages = Pages(1, 1000, told=10**9)
    with pytest.raises(ContractError, match="too many products"):
        list(every_product(pages, pages=50))
    assert pages.asked == 50

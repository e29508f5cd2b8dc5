"""The links of the pages that were written: each leads to a page, and to a place on it."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from urllib.parse import unquote, urlsplit

from lxml import html


def check_links(site: Path) -> tuple[list[str], list[str]]:
    """What is wrong with links within ``site``, and the addresses outside it that it names."""
    wrong, external = [], set()
    for page in sorted(site.rglob("*.html")):
        for link in _links(page):
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                external.add(link)
            elif problem := _problem(page, unquote(parts.path), unquote(parts.fragment)):
                wrong.append(f"{page.relative_to(site)}: {link}: {problem}")
    return wrong, sorted(external)


def _problem(page: Path, path: str, fragment: str) -> str:
    target = (page.parent / path).resolve() if path else page
    if not target.is_file():
        return "no such page"
    if fragment and target.suffix == ".html" and fragment not in _places(target):
        return "no such place on it"
    return ""


def _links(page: Path) -> list[str]:
    found = _tree(page).xpath("//a/@href | //img/@src | //link/@href | //script/@src")
    return [str(link) for link in found if not str(link).startswith(("data:", "mailto:"))]


@cache
def _places(page: Path) -> frozenset[str]:
    return frozenset(map(str, _tree(page).xpath("//@id | //a/@name"))) | {""}


@cache
def _tree(page: Path) -> html.HtmlElement:
    return html.fromstring(page.read_bytes())

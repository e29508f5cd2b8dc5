"""The site is built from the pages without a warning, and every link leads somewhere."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from doc_blocks import DOCS, PAGES, REPOSITORY, name_of
from lxml import html

SECONDS = 300
COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
FENCE = re.compile(r"^```.*?^```\s*?$", re.DOTALL | re.MULTILINE)
READ_ON_A_FORGE = [
    *(REPOSITORY / name for name in ("README.md", "README.fr.md", "CONTRIBUTING.md")),
    *PAGES,
]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Both languages, built as scripts/docs does it."""
    out = tmp_path_factory.mktemp("docs") / "site"
    done = build(out)
    assert done.returncode == 0, done.stdout + done.stderr
    return out


def build(out: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "_site", "--out", str(out)],
        env={**os.environ, "PYTHONPATH": str(DOCS)},
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )


def text_of(page: Path) -> str:
    return " ".join(html.fromstring(page.read_bytes()).text_content().split())


def test_every_page_is_there_in_its_language(site: Path) -> None:
    for page in PAGES:
        built = html.fromstring((site / f"{name_of(page)}.html").read_bytes())
        assert built.get("lang") == ("fr" if "fr" in page.parts else "en"), page


def test_the_reference_has_every_command_code_schema_key_and_check(site: Path) -> None:
    from igcsante.cli.main import COMMANDS
    from igcsante.cli.schemas import names
    from igcsante.config import VARIABLES
    from igcsante.doctor.run import CHECKS
    from igcsante.errors import ExitCode

    reference = site / "reference"
    commands = " ".join(text_of(page) for page in reference.glob("cli-*.html"))
    assert [name for name in COMMANDS if f"Usage: igc {name} " not in commands] == []
    schemas = text_of(reference / "json-schemas.html")
    assert [name for name in names() if name not in schemas] == []
    codes = text_of(reference / "exit-codes.html")
    assert [code for code in ExitCode if f"{code} {code.name} " not in codes] == []
    configuration = text_of(reference / "configuration.html")
    assert [variable for variable in VARIABLES if variable not in configuration] == []
    checks = text_of(reference / "doctor.html")
    assert [check.id for check in CHECKS if check.id not in checks] == []
    assert "CpsCard" in text_of(reference / "api.html")


def test_no_page_cites_what_readers_do_not_have(site: Path) -> None:
    for page in site.rglob("*.html"):
        told = re.findall(r"\b(?:card|pki|platform)\.md\s+§|[Ff]acts sheet", text_of(page))
        assert told == [], page


def test_docstrings_keep_their_public_sources(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(DOCS))
    from _site.docstrings import public

    for text, shown in [
        ("Its use (RFC 5280 §4.2, card.md §4.2).", "Its use (RFC 5280 §4.2)."),
        ("Numbers (facts sheet pki.md\n§6, TRE_G08).", "Numbers (TRE_G08)."),
        ("Both are\ntaken (card.md\n§4): a, b", "Both are\ntaken: a, b"),
        ("Ports.\n\nFacts sheet platform.md §7.3, §7.4. Any does.", "Ports.\n\nAny does."),
        ("As (pki.md §1 and §2); so", "As; so"),
        ("See docs/mapping.md and RFC 9525 §2.", "See docs/mapping.md and RFC 9525 §2."),
    ]:
        assert public(text) == shown


def test_names_of_fields_are_shown_as_they_are(site: Path) -> None:
    for page in (site / "reference").glob("*.html"):
        assert "\\_" not in text_of(page), page


def test_french_pages_lead_to_what_is_in_english_only(site: Path) -> None:
    for page in ("fr/index", "fr/how-to/developer"):
        built = html.fromstring((site / f"{page}.html").read_bytes())
        side = {a.text_content(): a.get("href") for a in built.xpath("//a[@hreflang='en'][@class]")}
        assert {"Exit codes and errors", "Python API", "Architecture"} <= set(side), side
        assert side["Exit codes and errors"].endswith("../reference/exit-codes.html")
    english = html.fromstring((site / "index.html").read_bytes())
    assert english.xpath("//a[@hreflang='en'][@class]") == []


def test_a_page_in_english_only_says_where_french_leads(site: Path) -> None:
    for page, words in [
        ("reference/cli", "Français\xa0: accueil (cette page n'existe qu'en anglais)"),
        ("tutorial/first-order", "Français"),
        ("search", "Français"),
        ("fr/tutorial/first-order", "English"),
        ("fr/search", "English"),
    ]:
        built = html.fromstring((site / f"{page}.html").read_bytes())
        assert built.xpath("//p[@class='language-switch']/a/text()") == [words], page


def test_tables_have_words_above_each_column(site: Path) -> None:
    for page in site.rglob("reference/*.html"):
        headings = html.fromstring(page.read_bytes()).xpath("//table//th")
        assert [h for h in headings if not h.text_content().strip()] == [], page


def test_nothing_is_fetched_from_elsewhere(site: Path) -> None:
    """A page is read offline, and nobody learns that it is."""
    for page in site.rglob("*.html"):
        tree = html.fromstring(page.read_bytes())
        loaded = tree.xpath("//script/@src | //img/@src | //link[@rel='stylesheet']/@href")
        assert [link for link in loaded if "//" in str(link)] == [], page


def test_a_wrong_link_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(DOCS))
    from _site.pages import check_links

    (tmp_path / "a.html").write_text(
        "<a href='b.html'></a><a href='b.html#there'></a><a href='https://example.org/'></a>"
        "<a href='c.html'></a><a href='b.html#nowhere'></a>"
    )
    (tmp_path / "b.html").write_text("<p id='there'></p>")
    wrong, external = check_links(tmp_path)
    assert wrong == ["a.html: c.html: no such page", "a.html: b.html#nowhere: no such place on it"]
    assert external == ["https://example.org/"]


@pytest.mark.parametrize("page", READ_ON_A_FORGE, ids=lambda page: page.name)
def test_links_lead_somewhere_on_a_forge_too(page: Path) -> None:
    text = FENCE.sub("", COMMENT.sub("", page.read_text("utf-8")))
    for target, anchor in re.findall(r"\]\(([^()\s#:]*)(?:#([^()\s]*))?\)", text):
        file = (page.parent / target).resolve() if target else page
        assert file.exists(), f"{page}: {target}"
        if anchor:
            assert anchor in anchors(file), f"{page}: {target}#{anchor}"


def anchors(page: Path) -> set[str]:
    """Those that forges give headings: lower case, words joined by dashes."""
    headings = re.findall(r"^#+ (.+)$", FENCE.sub("", page.read_text("utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}

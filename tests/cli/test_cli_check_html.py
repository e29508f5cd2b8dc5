"""The HTML report of ``igc check`` in a real browser: it sorts, filters, and runs nothing else."""

from __future__ import annotations

import html
import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from check_fleet import HOSTILE, Fleet
from lxml import etree
from lxml import html as parser

from igcsante.cli import check_html, main

SECONDS = 60
PROBE = """
<script>
const column = number => Array.from(document.querySelectorAll("#certificates tbody tr"))
  .filter(row => !row.hidden).map(row => row.cells[number].textContent);
const told = {started: column(0)};
const heads = document.querySelectorAll("#certificates th button");
heads[4].click(); told.up = column(4);
heads[4].click(); told.down = column(4);
told.sorted = heads[4].parentElement.getAttribute("aria-sort");
const filter = document.getElementById("filter");
filter.value = "SCRIPT revoked"; filter.dispatchEvent(new Event("input"));
told.filtered = column(0); told.shown = document.getElementById("shown").textContent;
told.wide = document.documentElement.scrollWidth <= window.innerWidth;
document.title = JSON.stringify(told);
</script>
"""


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Fleet:
    return Fleet(tmp_path_factory.mktemp("fleet"))


@pytest.fixture(scope="module")
def report(fleet: Fleet) -> Path:
    path = fleet.folder / "report.html"
    noise = fleet.folder / "<img src=x onerror=alert(1)>.pem"
    noise.write_text("noise")
    told = ("--format", "html", "--out", path, "--expires-within", "30")
    main.run([str(word) for word in (*fleet.offline(), fleet.work, noise, *told)])
    return path


@pytest.fixture(scope="module")
def page(report: Path) -> str:
    return report.read_text("utf-8")


@pytest.fixture
def browser() -> str:
    found = shutil.which("chromium") or shutil.which("chromium-browser")
    if not found:
        pytest.skip("no Chromium here: install Debian's package chromium")
    return found


def in_browser(browser: str, page: Path, *options: str) -> str:
    """The document after its scripts have run."""
    command = [browser, "--headless", "--no-sandbox", "--disable-gpu", "--dump-dom"]
    command += [f"--user-data-dir={page.parent / 'profile'}", *options, page.as_uri()]
    done = subprocess.run(command, capture_output=True, timeout=SECONDS, check=True)
    return done.stdout.decode()


def title(document: str) -> str:
    found = re.search(r"<title>(.*?)</title>", document, re.S)
    assert found
    return html.unescape(found[1])


def test_everything_foreign_is_escaped(page: str) -> None:
    root = parser.document_fromstring(page)
    assert len(root.findall(".//script")) == 1
    assert not root.findall(".//img")
    assert HOSTILE in root.text_content()
    for element in root.iter(etree.Element):
        handlers = [name for name in element.attrib if name.startswith("on")]
        assert not handlers, element.tag


def test_nothing_is_loaded_from_anywhere(page: str) -> None:
    root = parser.document_fromstring(page)
    assert not root.xpath("//@src | //link | //iframe | //@href")
    assert "url(" not in page and "@import" not in page
    (policy,) = root.xpath("//meta[@http-equiv='Content-Security-Policy']/@content")
    assert policy.startswith("default-src 'none';") and "unsafe" not in policy


def test_it_tells_what_the_check_told(page: str, fleet: Fleet) -> None:
    root = parser.document_fromstring(page)
    counts = [(item.findtext("span"), item.findtext("b")) for item in root.xpath("//header//li")]
    assert counts == [
        *(("unreadable", "1"), ("invalid", "1"), ("revoked", "1"), ("ends soon", "1")),
        *(("good", "1"), ("in all", "5")),
    ]
    verdicts = [cell.text_content() for cell in root.xpath("//table[@id]/tbody/tr/td[1]")]
    assert verdicts == ["unreadable", "invalid", "revoked", "ends soon", "good"], "worst first"
    (revoked,) = root.xpath("//section[@aria-labelledby='revoked']//tbody/tr")
    cells = [cell.text_content() for cell in revoked]
    assert (
        cells[0] == f"{fleet.pki.revocation(fleet.revoked.serial_number, fleet.now).date:%Y-%m-%d}"
    )
    assert cells[1:] == [HOSTILE, f"{fleet.revoked.serial_number:x}", "keyCompromise"]
    months = root.xpath("//svg/@aria-label")[0]
    for leaf in (fleet.good, fleet.expired, fleet.ending):
        assert f"{leaf.not_valid_after_utc:%Y-%m}: " in months


def test_each_region_and_column_is_named(page: str) -> None:
    root = parser.document_fromstring(page)
    for name in root.xpath("//@aria-labelledby"):
        assert root.xpath(f"//*[@id='{name}']"), name
    assert all(head.get("scope") == "col" for head in root.iter("th"))
    assert root.xpath("//label//input[@id='filter']")
    assert root.get("lang") == "en"


def test_it_sorts_and_filters_in_a_browser(browser: str, page: str, tmp_path: Path) -> None:
    open_policy = re.sub(r"<meta http-equiv=[^>]*>", "", page)  # lets the probe run
    probed = tmp_path / "probed.html"
    probed.write_text(open_policy.replace("</body>", PROBE + "</body>"), "utf-8")
    told = json.loads(title(in_browser(browser, probed, "--window-size=1280,900")))
    assert told["started"][0] == "unreadable"
    numbers = [int(cell) for cell in told["up"] if cell]
    assert numbers == sorted(numbers) and len(numbers) == 4
    assert [int(cell) for cell in told["down"] if cell] == numbers[::-1]
    assert told["up"][-1] == told["down"][-1] == "", "what has no end comes last"
    assert told["sorted"] == "descending"
    assert (told["filtered"], told["shown"]) == (["revoked"], "1 / 5")
    assert told["wide"] is True, "the page fits the window"


def test_its_own_policy_lets_its_script_run_and_no_other(
    browser: str, page: str, tmp_path: Path
) -> None:
    own = tmp_path / "own.html"
    own.write_text(page, "utf-8")
    assert "5 / 5" in in_browser(browser, own), "its script has run"
    other = tmp_path / "other.html"
    other.write_text(page.replace("</body>", PROBE + "</body>"), "utf-8")
    assert title(in_browser(browser, other)).startswith("igc check 20"), "the other has not"


def test_it_speaks_french_to_a_french_browser(browser: str, report: Path, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    shutil.copy(report, page)
    shown = in_browser(browser, page, "--accept-lang=fr-FR")
    assert '<html lang="fr">' in shown and "Révocations" in shown


def test_good_ones_past_the_limit_are_counted_only(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(check_html, "MAX_ROWS", 1)
    main.run([str(word) for word in (*fleet.offline(), fleet.work, "--format", "html")])
    root = parser.document_fromstring(capsys.readouterr().out)
    shown = [cell.text_content() for cell in root.xpath("//table[@id]/tbody/tr/td[1]")]
    assert sorted(set(shown)) == ["good", "invalid", "revoked"]
    assert root.xpath("string(//p[@class='note'])").startswith("1 more certificates")

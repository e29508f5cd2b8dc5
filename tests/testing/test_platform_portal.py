"""The mock's own pages: what they show, whom they obey, and how a real browser takes them."""

from __future__ import annotations

import io
from datetime import timedelta
from urllib.parse import urlencode

import pytest
from chromium import chromium
from lxml import html
from pfc_client import SoapClient, certificate_of, platform_at, request_for, some_key

from igcsante.testing.clock import WorldClock
from igcsante.testing.pki import PkiServer
from igcsante.testing.platform import Options, Portal, Validation
from igcsante.testing.platform.portal import MAX_FORM_BYTES, PORTAL_PATH

HOSTILE = '<b onclick="x">&quot;'
PAGES = ("", "courriels", "autorites", "habilitations", "reglages")


@pytest.fixture
def platform(tmp_path):
    options = Options(validation=Validation.MANUAL)
    return platform_at(tmp_path, options=options, clock=WorldClock(tmp_path / "clock.json"))


@pytest.fixture
def client(platform):
    return SoapClient(platform)


class Visitor:
    """A browser without a screen."""

    def __init__(self, platform) -> None:
        self._portal = Portal(platform)
        self.headers: dict[str, str] = {}

    def get(self, path="", query="", host="127.0.0.1:14480", method="GET", body=b"", **more):
        environ = {
            "REQUEST_METHOD": method,
            "PATH_INFO": PORTAL_PATH + path,
            "QUERY_STRING": query,
            "CONTENT_LENGTH": str(len(body)),
            "HTTP_HOST": host,
            "wsgi.input": io.BytesIO(body),
            **more,
        }
        told = []
        content = b"".join(self._portal(environ, lambda *start: told.extend(start)))
        self.headers = dict(told[1])
        return told[0][:3], content.decode()

    def page(self, path="", query=""):
        status, text = self.get(path, query)
        assert status == "200", text
        return html.document_fromstring(text)

    def post(self, path, **fields):
        token = self.page("reglages").xpath("//input[@name='jeton']/@value")[0]
        body = urlencode({"jeton": token, **fields}).encode()
        return self.get(path, method="POST", body=body)


@pytest.fixture
def visitor(platform):
    return Visitor(platform)


def texts(page, path) -> list[str]:
    return [" ".join(element.text_content().split()) for element in page.xpath(path)]


def test_products_are_listed_filtered_and_counted(visitor, client) -> None:
    first = client.order(request_for(some_key("a")), serviceApplicatif="Un service")
    second = client.order(request_for(some_key("b")), usage="SIGN", serviceApplicatif="un autre")
    client._application._platform.decide(first, accept=True)
    client.withdraw(first)
    assert texts(visitor.page(), "//tbody/tr/th") == [second, first]
    assert texts(visitor.page("", "etat=ACTIF"), "//tbody/tr/th") == [first]
    assert texts(visitor.page("", "texte=AUTRE"), "//tbody/tr/th") == [second]
    assert texts(visitor.page("", "offre=SERV"), "//tbody/tr/th") == []
    choices = texts(visitor.page(), "//select[@name='etat']/option")
    assert {"en cours (1)", "actif (1)", "révoqué (0)"} <= set(choices)
    for wrong in ("etat=x", "offre=x", "page=0", "page=x", "texte=" + "x" * 300):
        assert visitor.get("", wrong)[0] == "400", wrong


def test_long_lists_have_pages(visitor, client, monkeypatch) -> None:
    monkeypatch.setattr("igcsante.testing.platform.portal.PAGE_SIZE", 1)
    products = [client.order(request_for(some_key(name))) for name in "ab"]
    page = visitor.page("", "offre=ORG")
    assert texts(page, "//tbody/tr/th") == products[1:]
    (following,) = page.xpath("//nav[@aria-label='Pages']//a/@href")
    assert texts(visitor.page("", following.removeprefix("?")), "//tbody/tr/th") == products[:1]
    assert len(texts(visitor.page("courriels", "page=2"), "//article")) == 1


def test_product_shows_its_certificate_and_its_mails(visitor, client, platform) -> None:
    product = client.order(request_for(some_key("a")), referenceClient="commande-7")
    platform.decide(product, accept=True)
    leaf = certificate_of(client.withdraw(product))
    page = visitor.page(f"produits/{product}")
    assert "commande-7" in texts(page, "//dd")
    assert f"{leaf.serial_number:X}" in texts(page, "//dd")
    subjects = ["Demande enregistrée", "Demande enregistrée", "Téléchargement effectué"]
    assert texts(page, "//article/h3") == subjects
    status, pem = visitor.get(f"produits/{product}.pem")
    assert (status, pem.splitlines()[0]) == ("200", "-----BEGIN CERTIFICATE-----")
    client.revoke(product)
    assert texts(visitor.page(f"produits/{product}"), "//dd")[0] == "révoqué"


def test_order_is_accepted_or_refused_by_hand(visitor, client) -> None:
    products = [client.order(request_for(some_key(name))) for name in "ab"]
    assert visitor.post(f"produits/{products[0]}/decision", decision="accepter")[0] == "303"
    assert visitor.post(f"produits/{products[1]}/decision", decision="refuser")[0] == "303"
    states = [client.product(product).findtext("etat") for product in products]
    assert states == ["A_RETIRER", "REFUSE"]
    assert visitor.post(f"produits/{products[0]}/decision", decision="refuser")[0] == "409"
    assert not visitor.page(f"produits/{products[0]}").xpath("//form")


def test_clock_is_moved_and_mails_follow(visitor, client, platform) -> None:
    product = client.order(request_for(some_key("a")))
    platform.decide(product, accept=True)
    client.withdraw(product)
    real = platform.now()
    assert visitor.post("horloge", jours=str(3 * 365 - 30))[0] == "303"
    assert platform.now() - real > timedelta(days=1000)
    assert "Expiration dans moins de 60 jours" in texts(visitor.page("courriels"), "//h3")
    assert visitor.post("horloge", jours="")[0] == "303"
    assert platform.now() - real < timedelta(days=1)
    for wrong in ("x", "99999", "1e3"):
        assert visitor.post("horloge", jours=wrong)[0] == "400"


def test_clock_of_someone_else_is_left_alone(tmp_path) -> None:
    visitor = Visitor(platform_at(tmp_path))
    assert "Horloge" not in texts(visitor.page("reglages"), "//h2")
    assert visitor.post("horloge", jours="1")[0] == "400"


def test_fault_is_planned(visitor, platform) -> None:
    assert visitor.post("pannes", panne="T03")[0] == "303"
    assert platform.faults.planned() == ["T03"]
    assert "Prévues : T03." in texts(visitor.page("reglages"), "//p")
    assert visitor.post("pannes", panne="T99")[0] == "400"


def test_authorities_lead_to_their_files(visitor, platform) -> None:
    page = visitor.page("autorites")
    assert set(texts(page, "//tbody/tr/th")) == set(platform.pki.authorities)
    assert page.xpath("//a/@href[contains(., '/CRL/ACI-EL-ORG-TEST.crl')]")


def test_everything_foreign_is_escaped(visitor, client) -> None:
    name = HOSTILE[:64]
    product = client.order(request_for(some_key("a")), serviceApplicatif=name)
    for path in ("", f"produits/{product}", "courriels"):
        page = visitor.page(path)
        assert not page.xpath("//b | //@onclick | //script")
    assert name in texts(visitor.page(), "//td")
    status, text = visitor.get("nulle-part/<script>")
    assert status == "404" and "<script>" not in text


def test_every_page_says_that_it_is_a_simulation(visitor, client) -> None:
    product = client.order(request_for(some_key("a")))
    for path in (*PAGES, f"produits/{product}"):
        page = visitor.page(path)
        assert "SIMULATION" in page.xpath("string(//header)")
        assert "plateforme simulée" in page.findtext(".//title")
    assert "SIMULATION" in visitor.get("ailleurs")[1]


@pytest.mark.parametrize("host", ["", "evil.example", "127.0.0.1.evil.example", "10.0.0.1:14480"])
def test_it_answers_to_this_machines_names_only(visitor, host) -> None:
    status, text = visitor.get(host=host)
    assert status == "403" and "Produits : " not in text
    assert visitor.get(host="localhost:14480")[0] == "200"


def test_form_of_another_page_is_refused(visitor, platform) -> None:
    for token in ("", "x"):
        body = urlencode({"jeton": token, "panne": "T01"}).encode()
        assert visitor.get("pannes", method="POST", body=body)[0] == "403"
    long = visitor.get("pannes", method="POST", body=b"x" * (MAX_FORM_BYTES + 1))
    assert long[0] == "400"
    assert platform.faults.planned() == []


def test_unknown_products_pages_and_methods(visitor, client) -> None:
    waiting = client.order(request_for(some_key("a")))
    for path in ("produits/MOCK-00000042", f"produits/{waiting}.pem", "produits/x", "x/y"):
        assert visitor.get(path)[0] == "404", path
    assert visitor.get(method="PUT")[0] == "405"
    assert visitor.get(f"produits/{waiting}/decision")[0] == "404"


def test_nothing_may_be_loaded_or_run(visitor) -> None:
    visitor.get()
    policy = visitor.headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none';") and "script" not in policy
    css = visitor.get("style.css")[1]
    assert "url(" not in css and "@import" not in css


def test_a_mails_link_leads_to_the_page_of_its_product(client, platform) -> None:
    product = client.order(request_for(some_key("a")))
    path = {"PATH_INFO": f"/pfc-mock/retrait/{product}"}
    assert client.post(b"", REQUEST_METHOD="GET", **path)[0].startswith("404")
    platform.portal_url = "http://127.0.0.1:14480/portail/"
    status, headers, _ = client.post(b"", REQUEST_METHOD="GET", **path)
    assert status.startswith("303")
    assert headers["Location"] == f"http://127.0.0.1:14480/portail/produits/{product}"
    path["PATH_INFO"] = "/pfc-mock/retrait//evil.example"
    assert client.post(b"", REQUEST_METHOD="GET", **path)[0].startswith("404")


def test_a_person_looks_around_in_a_browser(platform, client, tmp_path) -> None:
    product = client.order(request_for(some_key("a")), serviceApplicatif="servicetreslong" * 4)
    with (
        PkiServer(platform.pki, pages=Portal(platform)) as server,
        chromium(tmp_path) as browser,
    ):
        home = server.base_url + PORTAL_PATH
        for path in PAGES:
            browser.open(home + path)
            check_page(browser)
        browser.open(home)
        browser.submit("document.querySelector('tbody a').click()")
        assert browser.evaluate("document.querySelector('h1').textContent") == product
        browser.submit("document.querySelector('button[value=accepter]').click()")
        assert browser.evaluate("document.querySelector('dd').textContent") == "à retirer"
        assert client.withdraw(product) is not None
        browser.open(home + "reglages")
        browser.evaluate("document.querySelector('[name=jours]').value = '1080'")
        browser.submit("document.querySelector('form button').click()")
        browser.open(home + "courriels")
        titles = "Array.from(document.querySelectorAll('h3')).map(item => item.textContent)"
        assert "Expiration dans moins de 60 jours" in browser.evaluate(titles)
        assert browser.log == []


NAMED = {"link", "button", "textbox", "spinbutton", "combobox", "navigation", "region", "search"}


def check_page(browser) -> None:
    """Names for all that can be used, one main part and heading, no wider than the screen."""
    found = browser.accessible()
    assert not [role for role, name in found if role in NAMED and not name], found
    roles = [role for role, _ in found]
    assert roles.count("main") == 1 and roles.count("navigation") >= 1
    assert browser.evaluate("document.querySelectorAll('h1').length") == 1
    assert browser.evaluate("document.documentElement.lang") == "fr"
    assert browser.evaluate("getComputedStyle(document.querySelector('nav ul')).display") == "flex"
    for width in (1280, 360):
        browser.width(width)
        assert browser.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), width
    for scheme in ("light", "dark"):
        media = {"name": "prefers-color-scheme", "value": scheme}
        browser.send("Emulation.setEmulatedMedia", features=[media])
        weakest = browser.evaluate(CONTRAST)
        assert weakest >= 4.5, f"{scheme}: text with a contrast of {weakest}"


# The least contrast (WCAG 2.2 §1.4.3) of any text against what is behind it.
CONTRAST = """
(() => {
  const channels = colour => colour.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) => [r, g, b].map(c => c / 255)
    .map(c => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
    .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
  const behind = element => {
    for (let at = element; at; at = at.parentElement) {
      const colour = channels(getComputedStyle(at).backgroundColor);
      if (colour.length === 3 || colour[3] > 0) return colour;
    }
    return [255, 255, 255];
  };
  const ratios = Array.from(document.querySelectorAll('body *'))
    .filter(e => Array.from(e.childNodes).some(n => n.nodeType === 3 && n.data.trim()))
    .map(e => [light(channels(getComputedStyle(e).color)), light(behind(e))].sort((a, b) => b - a))
    .map(([high, low]) => (high + 0.05) / (low + 0.05));
  return Math.min(...ratios);
})()
"""

"""The mock's own portal: pages on which people see products, mails and the CA, and steer it.

It is no imitation of the ANS's portal, and every page says that this is a simulation. It shows
everything to whoever can reach it, so it answers to this machine's own names only; a form
is taken with the token of its page only.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from importlib import resources
from urllib.parse import parse_qs

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from ...errors import IgcError, UsageError
from ...ws.model import ProductSearch
from ...ws.vocabulary import Offre, ProductState
from ..clock import WorldClock
from ..http import Environ, StartResponse
from . import portal_pages as pages
from .faults import FunctionalFault
from .products import number_of, to_product
from .service import MockPlatform

PORTAL_PATH = "/portail/"
LOOPBACK_NAMES = frozenset({"127.0.0.1", "localhost", "[::1]"})
MAX_FORM_BYTES = 4096
PAGE_SIZE = 50
_POLICY = (
    "default-src 'none'; style-src 'self'; img-src data:; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'"
)
_PRODUCT = re.compile(r"produits/(MOCK-\d{8})(\.pem|/decision)?", re.ASCII)


@dataclass(frozen=True)
class _Answer:
    status: str
    content_type: str
    body: bytes
    location: str = ""


class Portal:
    """WSGI application (PEP 3333) of one platform, under ``/portail/``.

    ``names`` are the host names under which it answers.
    """

    def __init__(self, platform: MockPlatform, names: Iterable[str] = LOOPBACK_NAMES) -> None:
        self._platform = platform
        self._names = frozenset(names)
        self._token = secrets.token_urlsafe(16)

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        answer = self._answer(environ)
        headers = [
            ("Content-Type", answer.content_type),
            ("Content-Length", str(len(answer.body))),
            ("Content-Security-Policy", _POLICY),
            ("X-Content-Type-Options", "nosniff"),
            ("Referrer-Policy", "same-origin"),
            ("Cache-Control", "no-store"),
        ]
        if answer.location:
            headers.append(("Location", answer.location))
        start_response(answer.status, headers)
        return [answer.body]

    def _answer(self, environ: Environ) -> _Answer:
        host = re.sub(r":\d+$", "", environ.get("HTTP_HOST", ""))
        if host not in self._names:
            return self._failure("403 Forbidden", "Ce portail ne répond qu'à sa propre machine.")
        path = environ.get("PATH_INFO", "")
        if path in ("", "/", PORTAL_PATH.rstrip("/")):
            return _redirect("")
        if not path.startswith(PORTAL_PATH):
            return self._failure("404 Not Found", "Il n'y a rien à cette adresse.")
        rest, method = path.removeprefix(PORTAL_PATH), environ["REQUEST_METHOD"]
        try:
            if method == "GET":
                self._platform.send_notices()
                return self._get(rest, parse_qs(environ.get("QUERY_STRING", "")))
            if method == "POST":
                return self._post(rest, environ)
        except FunctionalFault as fault:
            status = "404 Not Found" if fault.number == "F10" else "409 Conflict"
            return self._failure(status, fault.message)
        except (IgcError, ValueError) as error:
            return self._failure("400 Bad Request", str(error))
        return self._failure("405 Method Not Allowed", "GET ou POST.")

    # -- pages -------------------------------------------------------------------------

    def _get(self, path: str, query: dict[str, list[str]]) -> _Answer:
        if path == "style.css":
            return _Answer("200 OK", "text/css; charset=utf-8", _style())
        if path == "":
            return self._page(self._products(query))
        if match := _PRODUCT.fullmatch(path):
            return self._product(match[1], match[2] or "")
        if path == "courriels":
            number = _page_number(query)
            with self._platform.store.reading() as tx:
                mails, total = tx.latest_mails(PAGE_SIZE, (number - 1) * PAGE_SIZE)
            return self._page(pages.mails(mails, total, number, PAGE_SIZE))
        if path == "autorites":
            return self._page(pages.authorities(self._platform.pki, self._platform.now()))
        if path == "habilitations":
            return self._page(pages.habilitations(self._platform.habilitations))
        if path == "reglages":
            clock = isinstance(self._platform.clock, WorldClock)
            planned, options = self._platform.faults.planned(), self._platform.options
            return self._page(pages.settings(options, planned, self._token, clock=clock))
        return self._failure("404 Not Found", "Il n'y a rien à cette adresse.")

    def _products(self, query: dict[str, list[str]]) -> pages.Page:
        state, offre = _first(query, "etat"), _first(query, "offre")
        search = ProductSearch(
            states=(ProductState.parse(state),) if state else (),
            offre=Offre.parse(offre) if offre else None,
            label=_first(query, "texte").strip(),
            page=_page_number(query),
            page_size=PAGE_SIZE,
        )
        with self._platform.store.reading() as tx:
            counts = tx.count_states(self._platform.now())
        return pages.products(self._platform.browse(search), search, counts)

    def _product(self, product_id: str, suffix: str) -> _Answer:
        with self._platform.store.reading() as tx:
            number = number_of(product_id) or 0
            record, mails = tx.get(number), tx.mails(number)
        if record is None:
            raise FunctionalFault("F10")
        if suffix == ".pem" and record.certificate:
            certificate = x509.load_der_x509_certificate(record.certificate)
            pem = certificate.public_bytes(Encoding.PEM)
            return _Answer("200 OK", "application/x-pem-file", pem)
        if suffix:
            raise FunctionalFault("F10")
        product = to_product(record, self._platform.now(), self._platform.options)
        return self._page(pages.product(product, record.bearer, mails, self._token))

    # -- forms -------------------------------------------------------------------------

    def _post(self, path: str, environ: Environ) -> _Answer:
        form = _form(environ)
        if not secrets.compare_digest(_first(form, "jeton").encode(), self._token.encode()):
            return self._failure("403 Forbidden", "Ce formulaire n'est pas de cette page.")
        if path == "horloge":
            self._move_clock(_first(form, "jours"))
            return _redirect("reglages")
        if path == "pannes":
            self._platform.fail_next(_first(form, "panne"))
            return _redirect("reglages")
        match = _PRODUCT.fullmatch(path)
        if match and match[2] == "/decision":
            self._platform.decide(match[1], accept=_first(form, "decision") == "accepter")
            return _redirect(f"produits/{match[1]}")
        return self._failure("404 Not Found", "Il n'y a rien à cette adresse.")

    def _move_clock(self, days: str) -> None:
        clock = self._platform.clock
        if not isinstance(clock, WorldClock):
            raise UsageError("L'horloge de ce monde ne se règle pas ici.")
        if days == "":
            clock.reset()
        elif re.fullmatch(r"-?\d{1,5}", days, re.ASCII):
            clock.advance(timedelta(days=int(days)))
        else:
            raise UsageError("Un nombre de jours est attendu.")
        self._platform.send_notices()

    # -- answers -----------------------------------------------------------------------

    def _page(self, page: pages.Page, status: str = "200 OK") -> _Answer:
        text = pages.layout(page, PORTAL_PATH, self._platform.now())
        return _Answer(status, "text/html; charset=utf-8", text.encode())

    def _failure(self, status: str, message: str) -> _Answer:
        return self._page(pages.failure(status, message), status)


def _form(environ: Environ) -> dict[str, list[str]]:
    length = environ.get("CONTENT_LENGTH", "")
    if not (length.isascii() and length.isdigit()) or int(length) > MAX_FORM_BYTES:
        raise UsageError("Ce formulaire est trop long.")
    return parse_qs(environ["wsgi.input"].read(int(length)).decode("utf-8", "replace"))


def _first(values: dict[str, list[str]], name: str) -> str:
    return values.get(name, [""])[0]


def _page_number(query: dict[str, list[str]]) -> int:
    number = _first(query, "page") or "1"
    if not re.fullmatch(r"[1-9]\d{0,4}", number, re.ASCII):
        raise UsageError("Cette page n'existe pas.")
    return int(number)


def _redirect(page: str) -> _Answer:
    return _Answer("303 See Other", "text/plain; charset=utf-8", b"", PORTAL_PATH + page)


def _style() -> bytes:
    return (resources.files(__package__) / "portal.css").read_bytes()

"""Who calls, by the certificate of their CPS: a decorator for Flask views behind nginx.

nginx does the TLS handshake, which proves that the caller has the card, and hands on the
certificate in a header (see ../nginx). A header proves nothing by itself, so it counts only
with the secret that nginx and this application share. The certificate is then checked here
once more, by igcsante: chain, dates, revocation.
"""

from __future__ import annotations

import functools
import hmac
import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NoReturn, ParamSpec, TypeVar
from urllib.parse import unquote_to_bytes

from cryptography import x509
from flask import abort, g, request

from igcsante.certs.anchors import TrustStore
from igcsante.certs.check import Checker
from igcsante.certs.crl.store import CrlStore
from igcsante.certs.policy import Policy
from igcsante.certs.profile import decode
from igcsante.certs.verdict import Kind
from igcsante.errors import UnreadableError
from igcsante.identifiers import NationalId
from igcsante.secret import Secret

MAX_HEADER = 16 * 1024  # a certificate of a CPS is 2 KB, percent-encoded PEM about 4
NO_FETCH = Policy(name="web", fetch=False)  # a request waits for nobody's network

P = ParamSpec("P")
R = TypeVar("R")
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Person:
    """Who calls. ``profession`` is as the card's certificate tells it, empty if it doesn't."""

    national_id: NationalId
    surname: str
    given_name: str
    profession: str


class CpsAuth:
    """``@auth.required`` lets a view be called by the holder of a good CPS, as ``g.person``.

    The revocation lists are those that ``igc crl update`` keeps for this user (../daily-check).
    """

    def __init__(
        self,
        anchors: Iterable[x509.Certificate],
        proxy_secret: Secret,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._trust = TrustStore.from_certificates(anchors)
        self._proxy_secret = proxy_secret
        self._clock = clock

    def required(self, view: Callable[P, R]) -> Callable[P, R]:
        """The view, for those who are let in; the others get 401 or 403, without a reason."""

        @functools.wraps(view)
        def guarded(*args: P.args, **kwargs: P.kwargs) -> R:
            g.person = self.person()
            return view(*args, **kwargs)

        return guarded

    def person(self) -> Person:
        """Who makes the current request. Ends it with 401 or 403 otherwise."""
        certificate = self._certificate()
        # A Checker is for one thread; with indexed lists a new one costs little.
        checker = Checker(self._trust, crl_store=CrlStore(), policy=NO_FETCH)
        verdict = checker.check(certificate, at=self._clock())
        if verdict.kind is not Kind.GOOD:
            _refuse(403, ", ".join(reason.code for reason in verdict.reasons))
        try:
            profile = decode(certificate)
        except UnreadableError:
            _refuse(403, "unreadable names")
        if profile.product != "card" or profile.usage != "AUTH" or profile.national_id is None:
            _refuse(403, "not the authentication certificate of a person's card")
        return Person(profile.national_id, profile.surname, profile.given_name, profile.profession)

    def _certificate(self) -> x509.Certificate:
        """The one that nginx verified."""
        headers = request.headers
        given = headers.get("X-Proxy-Secret", "").encode("utf-8", "replace")
        if not hmac.compare_digest(given, self._proxy_secret.reveal()):
            _refuse(403, "the request did not come through nginx")
        if headers.get("X-Client-Verify") != "SUCCESS":
            _refuse(401, "no certificate that nginx accepts")
        text = headers.get("X-Client-Certificate", "")
        try:
            if len(text) > MAX_HEADER:
                raise ValueError
            return x509.load_pem_x509_certificate(unquote_to_bytes(text))
        except ValueError:
            _refuse(403, "no certificate that can be read")


def _refuse(status: int, why: str) -> NoReturn:
    """The log says why; the caller doesn't learn it."""
    log.warning("refused (%d): %s", status, why)
    abort(status)

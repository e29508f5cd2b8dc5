"""The mock as WSGI applications (PEP 3333) under a server that is not ours."""

from __future__ import annotations

import io
import threading
from collections.abc import Iterator
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, make_server
from wsgiref.util import setup_testing_defaults
from wsgiref.validate import validator

import pytest
import requests
from cryptography.hazmat.primitives.serialization import Encoding
from pfc_client import card_material, card_profile, envelope, platform_at, shared_pki

from igcsante.testing.platform import Portal, SoapApplication
from igcsante.testing.platform.portal import PORTAL_PATH
from igcsante.testing.platform.soap import PATH

LIST = envelope("listerHabilitations", ())
PEM = card_material().authentication.certificate.public_bytes(Encoding.PEM).decode()


@pytest.fixture
def platform(tmp_path):
    return platform_at(tmp_path)


def asked(application: Any, method: str = "POST", body: bytes = LIST, **more: Any) -> tuple:
    """Status and body, as a checker of both sides of PEP 3333 lets them through."""
    environ: dict[str, Any] = {}
    setup_testing_defaults(environ)
    environ |= {"REQUEST_METHOD": method, "PATH_INFO": PATH, "SCRIPT_NAME": "", "QUERY_STRING": ""}
    environ |= {"CONTENT_TYPE": "text/xml", "CONTENT_LENGTH": str(len(body))}
    environ |= {"wsgi.input": io.BytesIO(body), **more}
    told: list[Any] = []
    answer = validator(application)(environ, lambda *start: told.extend(start))
    try:
        return told[0] if told else "", b"".join(answer)
    finally:
        answer.close()


def test_both_applications_follow_the_standard(platform) -> None:
    service, portal = SoapApplication(platform), Portal(platform)
    asked(service, SSL_CLIENT_CERT=PEM)
    asked(service, body=b"noise", SSL_CLIENT_CERT=PEM)
    asked(service, "GET", b"", QUERY_STRING="wsdl")
    asked(service, PATH_INFO="/")
    for path in ("", "courriels", "style.css", "nulle-part"):
        asked(portal, "GET", b"", PATH_INFO=PORTAL_PATH + path, HTTP_HOST="localhost")


def test_the_clients_certificate_is_the_one_that_the_server_verified(platform) -> None:
    service = SoapApplication(platform)
    assert b"habilitations" in asked(service, SSL_CLIENT_CERT=PEM)[1]
    for nobody in (
        {},
        {"SSL_CLIENT_CERT": ""},
        {"SSL_CLIENT_CERT": "noise"},
        {"HTTP_SSL_CLIENT_CERT": PEM},
    ):
        status, _ = asked(service, **nobody)
        assert status == "403 Forbidden", nobody


@pytest.fixture
def served(platform) -> Iterator[str]:
    """The address of the service under wsgiref, whose front end vouches for the card."""
    service = SoapApplication(platform)

    def behind_a_front_end(environ: Any, start: Any) -> Any:
        return service({**environ, "SSL_CLIENT_CERT": PEM}, start)

    class Quiet(WSGIRequestHandler):
        def log_message(self, *_: Any) -> None:
            pass

    with make_server("127.0.0.1", 0, behind_a_front_end, handler_class=Quiet) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}{PATH}"
        server.shutdown()
        thread.join()


def test_it_serves_under_the_standard_librarys_server(served) -> None:
    answer = requests.post(served, LIST, headers={"Content-Type": "text/xml"}, timeout=20)
    assert answer.status_code == 200 and b"habilitations" in answer.content
    assert requests.get(served + "?wsdl", timeout=20).content.count(b"<soap:operation") == 7


def test_revoked_card_is_refused_whatever_the_server_let_through(platform) -> None:
    leaf = shared_pki().issue_card(card_profile(), platform.now()).authentication.certificate
    shared_pki().revoke(leaf.serial_number, platform.now())
    pem = leaf.public_bytes(Encoding.PEM).decode()
    status, answer = asked(SoapApplication(platform), SSL_CLIENT_CERT=pem)
    assert status == "403 Forbidden" and "révoqué" in answer.decode()

"""Mutual TLS with a key behind a callback, against openssl's own server."""

from __future__ import annotations

import contextlib
import http.client
import logging
import socket
import ssl
import sys
import threading
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
import sslcontext._openssl
from requests.adapters import HTTPAdapter
from sslcontext import UnsupportedOpenSSLError
from tls_server import Pki, make_pki, openssl_server

from igcsante.credentials import Credential, RsaScheme
from igcsante.errors import CardRemovedError, TlsError
from igcsante.tls import client_context, native, signatures_made, signing_failure

CPS3 = (RsaScheme.PKCS1_SHA256,)
CPS4 = (RsaScheme.PSS_SHA256,)


@pytest.fixture(params=["openssl", "tlslite"], autouse=True)
def library(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Each test runs on this Python's OpenSSL, and as if it could not be reached."""
    if request.param == "tlslite":
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # it imports asyncore
            pytest.importorskip("tlslite.api")
        monkeypatch.setattr(native, "available", lambda: False)
    return str(request.param)


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Pki:
    return make_pki(tmp_path_factory.mktemp("pki"))


@pytest.fixture(scope="module")
def tls12(pki: Pki) -> Iterator[int]:
    with openssl_server(pki, "-tls1_2") as port:
        yield port


@pytest.fixture(scope="module")
def tls13(pki: Pki) -> Iterator[int]:
    with openssl_server(pki, "-tls1_3") as port:
        yield port


@pytest.fixture(scope="module")
def any_tls(pki: Pki) -> Iterator[int]:
    with openssl_server(pki) as port:
        yield port


def get(context: ssl.SSLContext, port: int, host: str = "localhost") -> str:
    """One connection, one request; the server's page about the handshake."""
    connection = http.client.HTTPSConnection(host, port, context=context, timeout=20)
    try:
        connection.request("GET", "/")
        return connection.getresponse().read().decode()
    finally:
        connection.close()


# -- handshakes -------------------------------------------------------------------------


def test_pkcs1_key_authenticates_in_tls_1_2(pki: Pki, tls12: int) -> None:
    credential, signer = pki.external(*CPS3)
    page = get(client_context(credential, [pki.root]), tls12)
    assert "TLSv1.2" in page and "New, TLSv1.2" in page
    assert "899700735741" in page  # the server shows the client certificate it got
    assert signer.used == [RsaScheme.PKCS1_SHA256]


def test_pss_key_authenticates_in_tls_1_3(pki: Pki, tls13: int) -> None:
    credential, signer = pki.external(*CPS4)
    page = get(client_context(credential, [pki.root]), tls13)
    assert "New, TLSv1.3" in page and "899700735741" in page
    assert signer.used == [RsaScheme.PSS_SHA256]


def test_pkcs1_key_stays_at_tls_1_2_with_a_server_of_both(pki: Pki, any_tls: int) -> None:
    credential, signer = pki.external(*CPS3)
    assert "New, TLSv1.2" in get(client_context(credential, [pki.root]), any_tls)
    assert signer.used == [RsaScheme.PKCS1_SHA256]


def test_only_schemes_of_the_key_are_used_in_tls_1_2(pki: Pki, tls12: int) -> None:
    credential, signer = pki.external(RsaScheme.PSS_SHA384)
    get(client_context(credential, [pki.root]), tls12)
    assert signer.used == [RsaScheme.PSS_SHA384]


def test_software_key_works_alike(pki: Pki, any_tls: int) -> None:
    credential = Credential(pki.client, pki.client_key, (pki.intermediate,))
    context = client_context(credential, [pki.root])
    assert "New, TLSv1.3" in get(context, any_tls)
    assert signatures_made(context) == 1
    assert signing_failure(context) is None


def test_requests_works_and_adds_no_root(pki: Pki, any_tls: int) -> None:
    credential, signer = pki.external(*CPS4)
    context = client_context(credential, [pki.root])

    class Adapter(HTTPAdapter):
        def init_poolmanager(self, *args: object, **kwargs: object) -> None:
            super().init_poolmanager(*args, ssl_context=context, **kwargs)

    with requests.Session() as session:
        session.trust_env = False
        session.mount("https://", Adapter())
        for _ in range(2):  # verify=True: requests tries to add certifi's roots
            answer = session.get(f"https://localhost:{any_tls}/", timeout=20)
            assert answer.status_code == 200
    assert context.cert_store_stats()["x509"] == 1
    assert len(signer.used) == 1


# -- the server is verified first --------------------------------------------------------


@pytest.mark.parametrize("version", ["tls12", "tls13"])
def test_untrusted_server_gets_no_signature(
    pki: Pki, version: str, request: pytest.FixtureRequest
) -> None:
    port = request.getfixturevalue(version)
    credential, signer = pki.external(*CPS3, *CPS4)
    context = client_context(credential, [pki.stranger])
    with pytest.raises(ssl.SSLCertVerificationError):
        get(context, port)
    assert signer.used == []
    assert signatures_made(context) == 0


@pytest.mark.parametrize("version", ["tls12", "tls13"])
def test_server_of_another_name_gets_no_signature(
    pki: Pki, version: str, request: pytest.FixtureRequest
) -> None:
    port = request.getfixturevalue(version)
    credential, signer = pki.external(*CPS3, *CPS4)
    context = client_context(credential, [pki.root])
    with (
        socket.create_connection(("localhost", port), timeout=20) as sock,
        pytest.raises(ssl.SSLCertVerificationError, match="doctor"),
    ):
        context.wrap_socket(sock, server_hostname="doctor.example")
    assert signer.used == []


def test_an_intermediate_alone_is_no_anchor(pki: Pki, any_tls: int) -> None:
    credential, signer = pki.external(*CPS4)
    with pytest.raises(ssl.SSLCertVerificationError):
        get(client_context(credential, [pki.intermediate]), any_tls)
    assert signer.used == []


def test_verification_can_not_be_turned_off(pki: Pki) -> None:
    context = client_context(pki.external(*CPS4)[0], [pki.root])
    with pytest.raises(TlsError):
        context.check_hostname = False
    with pytest.raises(TlsError):
        context.verify_mode = ssl.CERT_NONE
    context.load_default_certs()
    context.set_default_verify_paths()
    assert context.cert_store_stats()["x509"] == 1


def test_old_versions_compression_and_renegotiation_are_off(pki: Pki) -> None:
    context = client_context(pki.external(*CPS4)[0], [pki.root])
    assert context.minimum_version == ssl.TLSVersion.TLSv1_2
    assert context.options & ssl.OP_NO_COMPRESSION
    assert context.options & ssl.OP_NO_RENEGOTIATION


def test_no_anchor_and_no_usable_scheme_are_clear_errors(pki: Pki) -> None:
    with pytest.raises(TlsError, match="no trust anchor"):
        client_context(pki.external(*CPS4)[0], [])
    with pytest.raises(TlsError, match="no signature"):
        client_context(pki.external(RsaScheme.PKCS1_SHA1)[0], [pki.root])


# -- the card's signatures are counted, and its failures reported ---------------------------


@pytest.mark.parametrize(("schemes", "version"), [(CPS3, "tls12"), (CPS4, "tls13")])
def test_second_connection_resumes_without_a_signature(
    pki: Pki, schemes: tuple[RsaScheme, ...], version: str, request: pytest.FixtureRequest
) -> None:
    port = request.getfixturevalue(version)
    credential, signer = pki.external(*schemes)
    context = client_context(credential, [pki.root])
    assert get(context, port).count("New, ") >= 1
    for _ in range(3):
        assert "Reused, " in get(context, port)
    assert len(signer.used) == 1
    assert signatures_made(context) == 1


def test_sessions_without_tickets_resume_in_tls_1_2(pki: Pki) -> None:
    with openssl_server(pki, "-tls1_2", "-no_ticket") as port:
        context = client_context(pki.external(*CPS3)[0], [pki.root])
        get(context, port)
        assert "Reused, " in get(context, port)


def test_a_session_is_not_given_to_another_host(pki: Pki, tls12: int, tls13: int) -> None:
    for port, schemes in ((tls12, CPS3), (tls13, CPS4)):
        credential, signer = pki.external(*schemes)
        context = client_context(credential, [pki.root], max_signatures=2)
        get(context, port)
        assert "New, " in get(context, port, "127.0.0.1")
        assert len(signer.used) == 2


def test_second_signature_is_refused(pki: Pki, tls12: int, tls13: int) -> None:
    credential, signer = pki.external(*CPS3, *CPS4)
    context = client_context(credential, [pki.root])
    get(context, tls12)
    with pytest.raises(OSError, match=r".*"):
        get(context, tls13)
    assert len(signer.used) == 1
    failure = signing_failure(context)
    assert isinstance(failure, TlsError)
    assert "one more card signature was refused" in failure.message


@pytest.mark.parametrize(("schemes", "version"), [(CPS3, "tls12"), (CPS4, "tls13")])
def test_what_the_card_raises_is_recovered(
    pki: Pki,
    schemes: tuple[RsaScheme, ...],
    version: str,
    request: pytest.FixtureRequest,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    port = request.getfixturevalue(version)
    credential, signer = pki.external(*schemes)
    removed = CardRemovedError("the card was taken out of the reader")

    def remove() -> None:
        raise removed

    signer.before = remove
    context = client_context(credential, [pki.root], max_signatures=5)
    with caplog.at_level(logging.INFO), pytest.raises(OSError, match=r".*"):
        get(context, port)
    assert signing_failure(context) is removed
    assert caplog.records == []
    assert capfd.readouterr().err == ""

    signer.before = lambda: None
    with pytest.raises(OSError, match=r".*"):
        get(context, port)
    assert len(signer.used) == 1, "a failed key is not asked again"
    assert signing_failure(context) is removed


def test_interruption_while_the_card_signs_is_recovered(pki: Pki, tls12: int) -> None:
    credential, signer = pki.external(*CPS3)

    def interrupt() -> None:
        raise KeyboardInterrupt

    signer.before = interrupt
    context = client_context(credential, [pki.root])
    with pytest.raises(ssl.SSLError):
        get(context, tls12)
    assert isinstance(signing_failure(context), KeyboardInterrupt)


def test_parallel_connections_stay_within_the_bound(pki: Pki, tls13: int) -> None:
    credential, signer = pki.external(*CPS4)
    context = client_context(credential, [pki.root], max_signatures=2)
    threads = [threading.Thread(target=_try_to_get, args=(context, tls13)) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert 1 <= len(signer.used) <= 2


def _try_to_get(context: ssl.SSLContext, port: int) -> None:
    with contextlib.suppress(OSError):
        get(context, port)


def test_plain_contexts_have_no_failure_and_no_signature() -> None:
    context = ssl.create_default_context()
    assert signing_failure(context) is None
    assert signatures_made(context) == 0


def test_anchors_may_be_any_iterable(pki: Pki, any_tls: int, tmp_path: Path) -> None:
    credential, _ = pki.external(*CPS4)
    assert "899700735741" in get(client_context(credential, iter([pki.root])), any_tls)


# -- Pythons whose OpenSSL can't be reached -------------------------------------------------


@pytest.mark.parametrize("error", [UnsupportedOpenSSLError("static"), AttributeError("__file__")])
def test_static_openssl_is_noticed(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    monkeypatch.undo()  # of the fixture that picks the library
    assert native.available()

    def unreachable() -> None:
        raise error

    monkeypatch.setattr(sslcontext._openssl, "openssl", unreachable)
    assert not native.available()


def test_without_any_library_the_error_says_what_to_do(
    pki: Pki, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(native, "available", lambda: False)
    monkeypatch.delitem(sys.modules, "igcsante.tls.fallback", raising=False)
    monkeypatch.delattr("igcsante.tls.fallback", raising=False)
    monkeypatch.setitem(sys.modules, "tlslite.api", None)
    with pytest.raises(TlsError) as caught:
        client_context(pki.external(*CPS4)[0], [pki.root])
    assert "extra tlslite" in caught.value.advice

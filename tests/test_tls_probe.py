"""Whether a server accepts a credential, against openssl's own server."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tls_server import Pki, make_pki, openssl_server

from igcsante.credentials import RsaScheme
from igcsante.errors import CardRemovedError, NetworkError, TimeoutExceededError, TlsError
from igcsante.tls import native
from igcsante.tls.probe import Outcome, Probe, _authorities, probe

CPS3 = (RsaScheme.PKCS1_SHA256,)
CPS4 = (RsaScheme.PSS_SHA256, RsaScheme.PKCS1_SHA256)
SECONDS = 20

pytestmark = pytest.mark.skipif(
    not native.available(), reason="this Python's OpenSSL can't be reached"
)


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Pki:
    return make_pki(tmp_path_factory.mktemp("pki"))


@pytest.fixture(scope="module")
def server(pki: Pki) -> Iterator[int]:
    with openssl_server(pki) as port:
        yield port


def tried(pki: Pki, port: int, version: str, *schemes: RsaScheme, **changes: object) -> Probe:
    credential, _ = pki.external(*schemes)
    anchors = changes.get("anchors", [pki.root])
    return probe("localhost", port, version, credential, anchors, timeout=SECONDS)  # type: ignore[arg-type]


@pytest.mark.parametrize("version", ["TLSv1.2", "TLSv1.3"])
def test_server_that_accepts_is_seen_with_its_authorities(
    pki: Pki, server: int, version: str
) -> None:
    found = tried(pki, server, version, *CPS4)
    assert (found.outcome, found.http_status, found.signatures) == (Outcome.ACCEPTED, 200, 1)
    assert found.authorities == (pki.root.subject.public_bytes(),)
    assert found.cipher


def test_key_without_pss_is_not_shown_to_tls_1_3(pki: Pki, server: int) -> None:
    found = tried(pki, server, "TLSv1.3", *CPS3)
    assert (found.outcome, found.signatures) == (Outcome.KEY_CANNOT, 0)
    assert tried(pki, server, "TLSv1.2", *CPS3).outcome is Outcome.ACCEPTED


@pytest.mark.parametrize("version", ["TLSv1.2", "TLSv1.3"])
def test_server_that_refuses_the_certificate(pki: Pki, version: str, tmp_path: Path) -> None:
    """It takes certificates of other authorities only."""
    other = make_pki(tmp_path)
    with openssl_server(pki, "-CAfile", str(other.directory / "root.pem")) as port:
        found = tried(pki, port, version, *CPS4)
    assert found.outcome is Outcome.REFUSED
    assert found.signatures == 1
    assert "unknown ca" in found.detail


@pytest.mark.parametrize(("version", "other"), [("TLSv1.2", "-tls1_3"), ("TLSv1.3", "-tls1_2")])
def test_server_that_does_not_speak_a_version(pki: Pki, version: str, other: str) -> None:
    with openssl_server(pki, other) as port:
        found = tried(pki, port, version, *CPS4)
    assert (found.outcome, found.signatures) == (Outcome.NO_VERSION, 0)


def test_server_of_others_gets_no_signature(pki: Pki, server: int) -> None:
    found = tried(pki, server, "TLSv1.2", *CPS3, anchors=[pki.stranger])
    assert (found.outcome, found.signatures) == (Outcome.UNTRUSTED_SERVER, 0)
    assert found.detail


def test_server_that_asks_for_no_certificate(pki: Pki) -> None:
    with openssl_server(pki, "-verify", "0") as port:
        asked = tried(pki, port, "TLSv1.2", *CPS3)
    assert asked.outcome is Outcome.ACCEPTED
    with openssl_server(pki, plain=True) as port:
        found = tried(pki, port, "TLSv1.2", *CPS3)
    assert (found.outcome, found.authorities, found.signatures) == (Outcome.NOT_ASKED, None, 0)


def test_server_without_a_signature_that_the_key_makes(pki: Pki) -> None:
    with openssl_server(pki, "-client_sigalgs", "RSA-PSS+SHA512", "-tls1_2") as port:
        found = tried(pki, port, "TLSv1.2", *CPS3)
    assert found.outcome in (Outcome.FAILED, Outcome.NOT_SIGNED)
    assert found.signatures == 0 and found.detail


def test_what_the_card_raises_is_raised(pki: Pki, server: int) -> None:
    credential, signer = pki.external(*CPS3)

    def removed() -> None:
        raise CardRemovedError("the card was removed")

    signer.before = removed
    with pytest.raises(CardRemovedError):
        probe("localhost", server, "TLSv1.2", credential, [pki.root], timeout=SECONDS)


def test_server_that_cannot_be_reached(pki: Pki) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        with pytest.raises(NetworkError, match="can't be reached"):
            tried(pki, unused.getsockname()[1], "TLSv1.2", *CPS3)


def test_server_that_says_nothing_is_not_waited_for(pki: Pki) -> None:
    credential, _ = pki.external(*CPS3)
    with socket.create_server(("127.0.0.1", 0)) as mute:
        port = mute.getsockname()[1]
        with pytest.raises(TimeoutExceededError):
            probe("localhost", port, "TLSv1.2", credential, [pki.root], timeout=0.2)


def test_server_that_is_no_tls_server(pki: Pki) -> None:
    with socket.create_server(("127.0.0.1", 0)) as plain:

        def answer() -> None:
            with contextlib.suppress(OSError):
                client, _ = plain.accept()
                with client:
                    client.recv(4096)
                    client.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

        thread = threading.Thread(target=answer)
        thread.start()
        found = tried(pki, plain.getsockname()[1], "TLSv1.2", *CPS3)
        thread.join()
    assert (found.outcome, found.signatures) == (Outcome.FAILED, 0)


@given(st.binary(max_size=80), st.sampled_from(["TLSv1.2", "TLSv1.3"]))
def test_any_request_for_a_certificate_is_read_or_refused(message: bytes, version: str) -> None:
    with contextlib.suppress(TlsError):
        assert isinstance(_authorities(message, version), tuple)

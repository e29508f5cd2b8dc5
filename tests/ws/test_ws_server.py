"""A platform whose certificate a kept list says is revoked is told nothing."""

from __future__ import annotations

import datetime
import warnings

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa

from igcsante.certs.anchors import TrustStore
from igcsante.certs.crl.store import CrlStore
from igcsante.credentials import Credential
from igcsante.errors import TlsError
from igcsante.tls import client_context, native
from igcsante.ws.server import revocation_check
from igcsante.ws.soap.transport import HttpsTransport, Limits

DAY = datetime.timedelta(days=1)
NOW = datetime.datetime.now(datetime.UTC).replace(microsecond=0)
HOLD, COMPROMISE = x509.ReasonFlags.certificate_hold, x509.ReasonFlags.key_compromise


@pytest.fixture(params=["openssl", "tlslite"])
def library(request, monkeypatch) -> None:
    """On this Python's OpenSSL, and as if it could not be reached."""
    if request.param == "tlslite":
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # it imports asyncore
            pytest.importorskip("tlslite.api")
        monkeypatch.setattr(native, "available", lambda: False)


@pytest.fixture
def post(library, throw_away_ca, soap_server, tmp_path):
    """A call at an instant, with a list of the server's authority kept, or none."""
    lists = CrlStore(tmp_path / "crl", key_file=tmp_path / "key")
    key = rsa.generate_private_key(65537, 2048)
    card = Credential(throw_away_ca.issue_client(key), key)
    store = TrustStore.from_certificates([throw_away_ca.certificate])

    def call(kept: bytes | None, at: datetime.datetime = NOW) -> bytes:
        if kept is not None:
            lists.add(kept, throw_away_ca.certificate, source="the test's")
        soap_server.always(b"answered")
        transport = HttpsTransport(
            soap_server.url,
            client_context(card, store.roots),
            Limits(connect=10, silence=10, total=10),
            server_check=revocation_check(store, lists, lambda: at),
        )
        try:
            return transport.post(b"to the platform only", {}).content
        finally:
            transport.close()

    return call


def test_a_revoked_server_is_told_nothing(post, throw_away_ca, soap_server) -> None:
    revoked = throw_away_ca.crl({throw_away_ca.leaf.serial_number: COMPROMISE}, NOW)
    with pytest.raises(
        TlsError, match=r"127\.0\.0\.1 was revoked on .*; nothing was sent"
    ) as caught:
        post(revoked)
    assert soap_server.requests == []
    assert "outcome_unknown" not in caught.value.fields


@pytest.mark.parametrize("kept", ["none", "of others"])
def test_a_server_that_no_kept_list_revokes_is_asked(
    post, throw_away_ca, soap_server, kept
) -> None:
    others = None if kept == "none" else throw_away_ca.crl({4711: COMPROMISE}, NOW)
    assert post(others) == b"answered"
    assert len(soap_server.requests) == 1


@pytest.mark.parametrize(("reason", "told"), [(COMPROMISE, False), (HOLD, True)])
def test_an_outdated_list_still_tells_of_a_revocation_but_not_of_a_hold(
    post, throw_away_ca, soap_server, reason, told
) -> None:
    """A revocation is for ever (RFC 5280 §5.3.1); a hold may have been lifted since."""
    old = throw_away_ca.crl({throw_away_ca.leaf.serial_number: reason}, NOW - 5 * DAY)
    if told:
        assert post(old) == b"answered"
    else:
        with pytest.raises(TlsError, match="was revoked"):
            post(old)
    assert len(soap_server.requests) == told

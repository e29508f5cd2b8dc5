"""A simulated PKI is kept in a folder and served over HTTP."""

from __future__ import annotations

import stat
import urllib.error
import urllib.request
from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.x509.oid import AuthorityInformationAccessOID
from pfc_client import NOW, card_material, shared_pki

from igcsante.errors import ConfigError, StorageError
from igcsante.testing.pki import PkiServer, SimulatedPki
from igcsante.testing.pki.revocations import RevocationRegister

ORG = "ACI-EL-ORG-TEST"


@pytest.fixture
def kept(tmp_path):
    """A PKI with the shared keys in a folder, and that folder."""
    folder = tmp_path / "pki"
    pki = SimulatedPki(shared_pki().authorities, shared_pki().base_url, RevocationRegister())
    pki.save(folder)
    return pki, folder


def fetch(url: str) -> tuple[str, bytes]:
    with urllib.request.urlopen(url, timeout=10) as answer:  # noqa: S310 - loopback
        return answer.headers["Content-Type"], answer.read()


def test_loaded_pki_is_the_one_that_was_saved(kept):
    pki, folder = kept
    loaded = SimulatedPki.load(folder)
    assert loaded.roots == pki.roots
    assert loaded.intermediates == pki.intermediates
    assert loaded.base_url == pki.base_url
    assert loaded.crl(ORG, NOW) == pki.crl(ORG, NOW)


def test_keys_are_for_their_owner_only(kept):
    _, folder = kept
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    files = [path for path in folder.iterdir() if path.is_file()]
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}


def test_revocation_is_seen_by_every_user_of_the_folder(kept):
    pki, folder = kept
    other = SimulatedPki.load(folder)
    serial = pki.authorities[ORG].new_serial()
    pki.revoke(serial, NOW)
    assert other.revocation(serial, NOW).date == NOW
    assert other.revoke(serial, NOW + timedelta(days=1)).date == NOW
    assert SimulatedPki.load(folder).crl(ORG, NOW) == pki.crl(ORG, NOW)


def test_revocation_made_before_saving_is_kept(tmp_path):
    pki = SimulatedPki(shared_pki().authorities, shared_pki().base_url, RevocationRegister())
    serial = pki.authorities[ORG].new_serial()
    pki.revoke(serial, NOW, x509.ReasonFlags.superseded)
    pki.save(tmp_path / "pki")
    found = SimulatedPki.load(tmp_path / "pki").revocation(serial, NOW)
    assert (found.date, found.reason) == (NOW, x509.ReasonFlags.superseded)


def test_folder_that_holds_a_pki_is_not_overwritten(kept):
    pki, folder = kept
    with pytest.raises(StorageError, match="already there"):
        pki.save(folder)


@pytest.mark.parametrize("damage", ["pki.json", "ACR-EL-TEST.key", "ACI-EL-ORG-TEST.pem"])
@pytest.mark.parametrize("content", [None, b"", b"[]", b"not what it should be"])
def test_damaged_folder_is_reported(kept, damage, content):
    _, folder = kept
    (folder / damage).unlink()
    if content is not None:
        (folder / damage).write_bytes(content)
    with pytest.raises(ConfigError, match="no simulated PKI"):
        SimulatedPki.load(folder)


def test_certificates_say_where_crl_and_issuer_are_served():
    with PkiServer(shared_pki(), clock=lambda: NOW) as server:
        leaf = card_material().authentication.certificate
        points = leaf.extensions.get_extension_for_class(x509.CRLDistributionPoints).value
        access = leaf.extensions.get_extension_for_class(x509.AuthorityInformationAccess).value
        crl_url = points[0].full_name[0].value
        locations = {item.access_method: item.access_location.value for item in access}
        issuer_url = locations[AuthorityInformationAccessOID.CA_ISSUERS]
        assert locations[AuthorityInformationAccessOID.OCSP] == shared_pki().base_url + "/OCSP"
        here = server.base_url
        kind, data = fetch(crl_url.replace(shared_pki().base_url, here))
        assert kind == "application/pkix-crl"
        assert x509.load_der_x509_crl(data).issuer == leaf.issuer
        kind, data = fetch(issuer_url.replace(shared_pki().base_url, here))
        assert kind == "application/pkix-cert"
        leaf.verify_directly_issued_by(x509.load_der_x509_certificate(data))
        assert "/AC%20TEST/ACI-FO-PP-TEST.cer" in issuer_url


def test_crl_is_fresh_at_each_request(kept):
    pki, _ = kept
    with PkiServer(pki, clock=lambda: NOW) as server:
        url = f"{server.base_url}/CRL/{ORG}.crl"
        assert len(x509.load_der_x509_crl(fetch(url)[1])) == 0
        pki.revoke(pki.authorities[ORG].new_serial(), NOW)
        assert len(x509.load_der_x509_crl(fetch(url)[1])) == 1


@pytest.mark.parametrize(
    "path", ["/", "/CRL/", "/CRL/../pki.json", "/CRL/ACR-EL-TEST.key", "/x" * 999]
)
def test_nothing_else_is_served(path):
    with PkiServer(shared_pki()) as server, pytest.raises(urllib.error.HTTPError) as refused:
        fetch(server.base_url + path)
    refused.value.close()
    assert refused.value.code == 404

"""CRLs of the simulated PKI: their shape, their numbers, what they say and when."""

from __future__ import annotations

from datetime import timedelta
from itertools import pairwise

import pytest
from cryptography import x509
from hypothesis import given, settings
from hypothesis import strategies as st
from pfc_client import NOW, shared_pki

from igcsante.errors import UsageError
from igcsante.testing.pki import SimulatedPki
from igcsante.testing.pki.revocations import RevocationRegister

ORG, ROOT = "ACI-EL-ORG-TEST", "ACR-EL-TEST"


@pytest.fixture
def pki() -> SimulatedPki:
    """Keys of the shared PKI, revocations of one's own."""
    return SimulatedPki(shared_pki().authorities, shared_pki().base_url, RevocationRegister())


def crl(pki, at=NOW, code=ORG) -> x509.CertificateRevocationList:
    return x509.load_der_x509_crl(pki.crl(code, at))


def number(parsed: x509.CertificateRevocationList) -> int:
    return parsed.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number


def serial_of(pki, code=ORG) -> int:
    return pki.authorities[code].new_serial()


def test_crl_has_the_observed_shape(pki):
    parsed = crl(pki)
    assert {type(item.value) for item in parsed.extensions} == {
        x509.AuthorityKeyIdentifier,
        x509.CRLNumber,
    }
    assert parsed.next_update_utc - parsed.last_update_utc == timedelta(days=6)
    assert parsed.last_update_utc <= NOW
    root = crl(pki, code=ROOT)
    assert root.next_update_utc - root.last_update_utc == timedelta(days=45)
    assert parsed.is_signature_valid(pki.authorities[ORG].certificate.public_key())


def test_revocation_enters_the_crl_at_once_and_its_number_grows(pki):
    before, serial = crl(pki), serial_of(pki)
    pki.revoke(serial, NOW)
    after = crl(pki)
    entry = after.get_revoked_certificate_by_serial_number(serial)
    assert entry.revocation_date_utc == NOW
    assert len(entry.extensions) == 0
    assert number(after) == number(before) + 1
    assert before.get_revoked_certificate_by_serial_number(serial) is None


def test_only_the_issuer_lists_a_revocation(pki):
    serial = serial_of(pki)
    pki.revoke(serial, NOW)
    other = crl(pki, code="ACI-FO-PP-TEST")
    assert other.get_revoked_certificate_by_serial_number(serial) is None


def test_crl_of_an_earlier_time_does_not_know_the_future(pki):
    pki.revoke(serial_of(pki), NOW)
    assert len(crl(pki, NOW - timedelta(seconds=1))) == 0
    assert len(crl(pki, NOW)) == 1


@settings(max_examples=20, deadline=None)
@given(st.lists(st.integers(0, 90 * 24 * 3600), min_size=2, max_size=5, unique=True))
def test_numbers_and_dates_never_go_back(seconds):
    pki = SimulatedPki(shared_pki().authorities, shared_pki().base_url, RevocationRegister())
    pki.revoke(serial_of(pki), NOW + timedelta(seconds=min(seconds) + 1))
    pki.revoke(serial_of(pki), NOW + timedelta(days=30))
    for code in (ORG, ROOT):
        crls = [crl(pki, NOW + timedelta(seconds=moment), code) for moment in sorted(seconds)]
        for one, next_one in pairwise(crls):
            assert one.last_update_utc <= next_one.last_update_utc
            assert number(one) <= number(next_one)
            assert (number(one) == number(next_one)) == (one == next_one)


def test_same_time_gives_the_same_bytes(pki):
    pki.revoke(serial_of(pki), NOW)
    assert pki.crl(ORG, NOW) == pki.crl(ORG, NOW)


def test_number_grows_every_day_and_every_month_for_a_root(pki):
    later = NOW + timedelta(days=40)
    assert number(crl(pki, later)) == number(crl(pki)) + 40
    assert number(crl(pki, later, ROOT)) > number(crl(pki, NOW, ROOT))


def test_first_revocation_holds(pki):
    serial = serial_of(pki)
    pki.revoke(serial, NOW)
    again = pki.revoke(serial, NOW + timedelta(hours=1))
    assert again.date == NOW
    assert len(crl(pki, NOW + timedelta(hours=2))) == 1


def test_reason_shows_only_when_told(pki):
    serial = serial_of(pki)
    pki.revoke(serial, NOW, x509.ReasonFlags.key_compromise)
    entry = crl(pki).get_revoked_certificate_by_serial_number(serial)
    reason = entry.extensions.get_extension_for_class(x509.CRLReason).value.reason
    assert reason is x509.ReasonFlags.key_compromise


def base_number(parsed: x509.CertificateRevocationList) -> int:
    return parsed.extensions.get_extension_for_class(x509.DeltaCRLIndicator).value.crl_number


def test_delta_has_what_the_midnight_list_had_not(pki):
    early, late = serial_of(pki), serial_of(pki)
    midnight = NOW.replace(hour=0, minute=0, second=0, microsecond=0)
    pki.revoke(early, midnight - timedelta(hours=1))
    pki.revoke(late, midnight + timedelta(seconds=1))
    delta = x509.load_der_x509_crl(pki.delta_crl(ORG, NOW))
    assert [entry.serial_number for entry in delta] == [late]
    assert base_number(delta) == number(crl(pki, midnight))
    assert number(delta) == number(crl(pki)) == base_number(delta) + 1
    assert delta.next_update_utc - delta.last_update_utc == timedelta(days=1)
    assert delta.is_signature_valid(pki.authorities[ORG].certificate.public_key())
    with pytest.raises(UsageError, match="ACI-XX"):
        pki.delta_crl("ACI-XX", NOW)


def test_leaves_announce_their_delta_in_the_directory_only(pki):
    for http_deltas in (False, True):
        made = SimulatedPki(
            pki.authorities, "http://pki.example", RevocationRegister(), http_deltas=http_deltas
        )
        urls = made.authorities[ORG].delta_urls
        assert [url.partition(":")[0] for url in urls] == ["http"] * http_deltas + ["ldap"]
    entry, _, query = urls[-1].partition("?")
    assert "/cn=TEST%20AC%20IGC-SANTE%20ELEMENTAIRE%20ORGANISATIONS%20SIMULATION,ou=TEST" in entry
    assert query == "deltarevocationlist;binary?base?objectClass=pkiCA"


def test_stranger_is_refused(pki):
    with pytest.raises(UsageError, match="no authority"):
        pki.revoke(12345, NOW)
    with pytest.raises(UsageError, match="ACI-XX"):
        pki.crl("ACI-XX", NOW)

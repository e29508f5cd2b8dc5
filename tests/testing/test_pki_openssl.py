"""What the simulated PKI issues is real X.509 for OpenSSL, with the observed profiles."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from openssl_verdict import openssl_verify, pem_file
from pfc_client import NOW, card_material, card_profile, shared_pki, some_key

from igcsante.certs.anchors import PINNED
from igcsante.certs.profile import decode
from igcsante.errors import UsageError
from igcsante.identifiers import NationalId
from igcsante.testing.cards import Activity
from igcsante.testing.pki import PersonName, SimulatedPki, SoftwareSubject, StructureName
from igcsante.testing.pki.revocations import RevocationRegister

STRUCTURE = StructureName("Côte-d'Or (21)", "CENTRE HOSPITALIER SIMULATION", "10B0999003")
PERSON = PersonName("Médecin", "CAMILLE", "SIMULATION", str(card_profile().national_id))
SERVICE = SoftwareSubject("service", STRUCTURE)
SERVER = SoftwareSubject("a.example", STRUCTURE, names=("a.example", "b.example"))
MAILBOX = SoftwareSubject("boite", STRUCTURE, mail="boite@a.example")
PROFESSIONAL = SoftwareSubject(
    person=PERSON, mail="camille@a.example", profession_code=10, specialty="SM54"
)
EMPLOYEE = SoftwareSubject(structure=STRUCTURE, person=PERSON, mail="camille@a.example")

# offer, usage, subject, key usages, extended key usages
PROFILES = [
    ("ORG", "AUTH_CLI", SERVICE, {"digitalSignature"}, {"clientAuth"}),
    ("ORG", "SIGN", SERVICE, {"digitalSignature", "contentCommitment"}, {"emailProtection"}),
    ("ORG", "CONF", SERVICE, {"keyEncipherment"}, {"emailProtection", "anyExtendedKeyUsage"}),
    (
        "SERV",
        "SSL_SERV",
        SERVER,
        {"digitalSignature", "keyEncipherment"},
        {"serverAuth", "clientAuth"},
    ),
    ("SERV", "SMIME", MAILBOX, {"digitalSignature", "keyEncipherment"}, {"emailProtection"}),
    ("PS", "AUTH", PROFESSIONAL, {"digitalSignature"}, {"clientAuth", "msSmartcardLogon"}),
    ("PS", "SIGN", PROFESSIONAL, {"contentCommitment"}, {"emailProtection"}),
    ("PRO", "AUTH", EMPLOYEE, {"digitalSignature"}, {"clientAuth", "msSmartcardLogon"}),
]


def issue(offre: str, usage: str, subject: SoftwareSubject) -> x509.Certificate:
    key = some_key("leaf").public_key()
    return shared_pki().issue_software(
        offre=offre, usage=usage, subject=subject, public_key=key, at=NOW
    )


def test_delta_crl_adds_to_the_midnight_list_for_openssl_too(tmp_path):
    pki = SimulatedPki(shared_pki().authorities, shared_pki().base_url, RevocationRegister())
    midnight = NOW.replace(hour=0, minute=0, second=0, microsecond=0)
    leaf = shared_pki().issue_software(
        offre="ORG",
        usage="AUTH_CLI",
        subject=SERVICE,
        public_key=some_key("leaf").public_key(),
        at=NOW - timedelta(days=30),
    )
    lists = [pki.crl(code, midnight) for code in pki.authorities]
    pki.revoke(leaf.serial_number, midnight + timedelta(seconds=1))
    delta = pki.delta_crl("ACI-EL-ORG-TEST", NOW)
    told = []
    for crls in (lists, [*lists, delta]):
        pem = [x509.load_der_x509_crl(crl).public_bytes(Encoding.PEM) for crl in crls]
        (tmp_path / "crls.pem").write_bytes(b"".join(pem))
        arguments = ["-attime", str(int(NOW.timestamp())), "-crl_check_all"]
        arguments += ["-extended_crl", "-use_deltas"]
        arguments += ["-CAfile", str(pem_file(tmp_path / "roots.pem", *pki.roots))]
        arguments += ["-untrusted", str(pem_file(tmp_path / "cas.pem", *pki.intermediates))]
        arguments += ["-CRLfile", str(tmp_path / "crls.pem")]
        arguments += [str(pem_file(tmp_path / "leaf.pem", leaf))]
        ran = subprocess.run(["openssl", "verify", *arguments], capture_output=True, text=True)
        told.append((ran.returncode == 0, "certificate revoked" in ran.stderr))
    assert told == [(True, False), (False, True)]


@pytest.mark.parametrize(("offre", "usage", "subject", "usages", "extended"), PROFILES)
def test_software_leaf_is_accepted_by_openssl_and_decodes(
    tmp_path, offre, usage, subject, usages, extended
):
    leaf = issue(offre, usage, subject)
    verified = openssl_verify(tmp_path, shared_pki(), leaf, at=NOW)
    assert verified.returncode == 0, verified.stderr
    profile = decode(leaf)
    assert (profile.offer, profile.usage) == (offre, usage)
    assert (profile.world, profile.product) == ("test", "software")
    assert set(profile.key_usages) == usages
    assert set(profile.extended_key_usages) == extended
    assert profile.policies == ("1.2.250.1.213.1.7.2.1.1.1.1",)
    assert not profile.warnings


@pytest.mark.parametrize("purpose", ["authentication", "signature"])
def test_card_certificate_is_accepted_by_openssl_and_names_card_and_holder(tmp_path, purpose):
    leaf = getattr(card_material(), purpose).certificate
    verified = openssl_verify(tmp_path, shared_pki(), leaf, at=NOW)
    assert verified.returncode == 0, verified.stderr
    profile = decode(leaf)
    assert profile.product == "card"
    assert (profile.card_type, profile.card_number) == ("CPS", card_profile().card_number)
    assert profile.national_id == card_profile().national_id
    assert profile.profession_code == 10
    assert profile.usage == {"authentication": "AUTH", "signature": "SIGN"}[purpose]
    assert not profile.warnings


def test_staff_card_comes_from_the_standard_authority_and_names_its_structure(tmp_path):
    profile = replace(
        card_profile(),
        card_type="CPE",
        national_id=NationalId.parse("30B0999003/CPET0001"),
        activities=(Activity("CENTRE HOSPITALIER SIMULATION", "10B0999003", "SA01"),),
    )
    leaf = shared_pki().issue_card(profile, NOW).authentication.certificate
    assert openssl_verify(tmp_path, shared_pki(), leaf, at=NOW).returncode == 0
    read = decode(leaf)
    assert "STANDARD PERSONNES" in leaf.issuer.rfc4514_string()
    assert (read.card_type, str(read.structure_id)) == ("CPE", "10B0999003")
    assert str(read.national_id) == "30B0999003/CPET0001"
    assert not read.warnings


def test_staff_card_without_activity_is_refused():
    profile = replace(card_profile(), card_type="CPA", activities=())
    with pytest.raises(UsageError, match="activity"):
        shared_pki().issue_card(profile, NOW)


def test_revoked_leaf_is_revoked_for_openssl(tmp_path):
    leaf = issue("ORG", "AUTH_CLI", SERVICE)
    shared_pki().revoke(leaf.serial_number, NOW + timedelta(minutes=1))
    assert openssl_verify(tmp_path, shared_pki(), leaf, at=NOW).returncode == 0
    later = openssl_verify(tmp_path, shared_pki(), leaf, at=NOW + timedelta(minutes=2))
    assert "certificate revoked" in later.stderr


def test_leaf_lives_three_years_and_its_signature_a_month_more():
    client, signature = issue("ORG", "AUTH_CLI", SERVICE), issue("ORG", "SIGN", SERVICE)
    assert client.not_valid_before_utc == signature.not_valid_before_utc == NOW
    end = client.not_valid_after_utc
    assert (end.year, end.time()) == (NOW.year + 3, NOW.time())
    assert timedelta(days=28) <= signature.not_valid_after_utc - end <= timedelta(days=31)
    period = signature.extensions.get_extension_for_oid(x509.ObjectIdentifier("2.5.29.16"))
    assert end.strftime("%Y%m%d%H%M%SZ").encode() in period.value.public_bytes()


def test_leap_day_gives_a_leaf_that_ends_on_28_february():
    at = NOW.replace(year=2028, month=2, day=29)
    leaf = shared_pki().issue_software(
        offre="ORG",
        usage="AUTH_CLI",
        subject=SERVICE,
        public_key=some_key("leaf").public_key(),
        at=at,
    )
    end = leaf.not_valid_after_utc
    assert (end.year, end.month, end.day) == (2031, 2, 28)


def test_serial_is_16_bytes_that_start_alike_for_one_authority():
    serials = [issue("ORG", "AUTH_CLI", SERVICE).serial_number for _ in range(3)]
    assert {(serial.bit_length() + 7) // 8 for serial in serials} == {16}
    assert len({serial >> 64 for serial in serials}) == 1
    assert len(set(serials)) == 3


def test_long_organisation_is_cut_at_40_characters():
    structure = replace(
        STRUCTURE, organisation="AGENCE DES SYSTEMES D'INFORMATION PARTAGES DE SANTE"
    )
    assert decode(issue("ORG", "AUTH_CLI", SoftwareSubject("s", structure))).organisation == (
        "AGENCE DES SYSTEMES D'INFORMATION PARTAG"
    )


def test_professional_is_named_in_one_rdn_without_structure():
    subject = issue("PS", "AUTH", PROFESSIONAL).subject
    assert [len(rdn) for rdn in subject.rdns] == [1, 1, 3]


def test_names_are_plainly_ours():
    pki = shared_pki()
    for authority in (*pki.roots, *pki.intermediates):
        text = authority.subject.rfc4514_string()
        assert "SIMULATION" in text
        assert "ASIP-SANTE" not in text
    ours = {
        authority.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)[0].value
        for authority in (*pki.roots, *pki.intermediates)
    }
    assert not ours & {pin.common_name for pin in PINNED}


def test_usage_that_the_offer_lacks_is_refused():
    with pytest.raises(UsageError, match="SSL_SERV"):
        issue("ORG", "SSL_SERV", SERVICE)


def test_server_certificate_names_host_and_address():
    pair = shared_pki().issue_server(("localhost", "127.0.0.1"), NOW)
    names = pair.certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["localhost"]
    assert [str(a) for a in names.get_values_for_type(x509.IPAddress)] == ["127.0.0.1"]

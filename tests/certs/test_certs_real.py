"""The real certificates: what their profiles say, and the verdicts of design §5.

The expected values were read with ``openssl x509 -text`` and ``openssl asn1parse``, and
from the folder's manifest, not with the code under test.
"""

from __future__ import annotations

import csv
from datetime import UTC, datetime
from pathlib import Path

import pytest

from igcsante.certs.anchors import PINNED, TrustStore, fingerprint, pinned_entry
from igcsante.certs.chain import build_chain
from igcsante.certs.check import Checker
from igcsante.certs.load import certificates_from_path, crls_from_path
from igcsante.certs.policy import Policy
from igcsante.certs.profile import decode
from igcsante.certs.verdict import Kind
from igcsante.certs.x509.signatures import AlgorithmPolicy
from igcsante.errors import ExitCode

CUT = "the organisation has exactly 40 characters: it may be cut"
ANS = "318751275100020"
PARIS, RHONE, COTE_D_OR = "Paris (75)", "Rhône (69)", "Côte-d'Or (21)"

# digest: world, product, offer, usage, structure, department, DNS names, warnings
ORGANISATIONS = {
    "c6dac0ea": ("production", "software", "ORG", "AUTH_CLI", ANS, PARIS, (), ()),
    "0dedffec": ("production", "software", "ORG", "SIGN", ANS, PARIS, (), (CUT,)),
    "ebe1d268": (
        "production", "software", "SERV", "SSL_SERV", ANS, PARIS,
        ("tops.demo.asipsante.fr", "topspsc.demo.asipsante.fr"), (CUT,),
    ),
    "4311fb12": ("test", "software", "ORG", "AUTH_CLI", "10B0152872", RHONE, (), ()),
    "59df3bd6": ("test", "software", "ORG", "AUTH_CLI", "10B0152872", RHONE, (), ()),
    "150125b6": ("test", "software", "ORG", "AUTH_CLI", "10B0221636", RHONE, (), ()),
    "b182c665": ("test", "software", "ORG", "AUTH_CLI", "10B0152872", RHONE, (), ()),
    "c1b6d344": ("test", "software", "ORG", "AUTH_CLI", "300000000077081", COTE_D_OR, (), ()),
    "1375ead2": ("test", "software", "ORG", "CONF", "10B0152872", RHONE, (), ()),
    "e738302c": ("test", "software", "ORG", "SIGN", "499700367909006", PARIS, (), ()),
    "7f1521cc": ("test", "software", "ORG", "SIGN", "10B0152872", RHONE, (), ()),
    "36db3f9a": ("test", "software", "ORG", "SIGN", ANS, PARIS, (), ()),
    "c1079cb0": ("test", "software", "ORG", "SIGN", ANS, PARIS, (), ()),
    "0f446d72": ("test", "software", "ORG", "SIGN", ANS, PARIS, (), ()),
    "1f96a77b": ("test", "software", "ORG", "SIGN", ANS, PARIS, (), ()),
    "6bf4c24c": ("test", "software", "ORG", "SIGN", "300000000077081", COTE_D_OR, (), ()),
    "51521f42": ("test", "software", "ORG", "SIGN", ANS, PARIS, (), ()),
    "f50f8dcf": ("test", "software", "ORG", "SIGN", ANS, PARIS, (), ()),
    "48fc0327": ("test", "software", "ORG", "SIGN", ANS, PARIS, (), ()),
    "694395bf": ("test", "software", "ORG", "SIGN", "10B0039129", PARIS, (), ()),
    "95f920e1": ("test", "software", "ORG", "SIGN", ANS, PARIS, (), ()),
    "8f613149": ("test", "software", "ORG", "SIGN", ANS, PARIS, (), ()),
    "dd616762": ("test", "software", "ORG", "SIGN", "300000000077081", COTE_D_OR, (), ()),
    "dcc91494": ("test", "software", "ORG", "SIGN", ANS, PARIS, (), ()),
    "742d8553": ("test", "software", "ORG", "SIGN", ANS, PARIS, (), ()),
    "d4d97a29": (
        "test", "software", "SERV", "SSL_SERV", ANS, PARIS, ("cnom.henix.asipsante.fr",), (),
    ),
    "a78637e7": (
        "test", "software", "SERV", "SSL_SERV", ANS, PARIS,
        ("mock.platines.henix.asipsante.fr", "mockservices.platines.henix.asipsante.fr"), (),
    ),
    "7217bf03": (
        "test", "software", "SERV", "SSL_SERV", ANS, PARIS,
        ("platines.qualif1.henix.asipsante.fr", "platines.qualif2.henix.asipsante.fr"), (),
    ),
    # legacy IGC-CPS, class 4: a security module, department in L
    "57d1757c": (
        "test", "module", None, "SSL_SERV", ANS, PARIS, ("cpxservices.tra.asipsante.fr",), (),
    ),
    "c79a9557": (
        "test", "module", None, "SSL_SERV", ANS, PARIS, ("smtp.psig.henix.asipsante.fr",), (),
    ),
}  # fmt: skip

# digest: product, card type, card number, offer, usage, national id, structure, title,
#         surname, given name, profession code and label, specialties, UPN
PERSONS = {
    "e23b6d8e": (
        "software", None, None, "PS", "AUTH", "899700523527", None, "Médecin",
        "MED-CS RPPS0052352", "ANNE", 10, "Médecin", ("SM26",), "medical@padoa-group.com",
    ),
    "2a340f11": (
        "card", "CPS", "2500634598", None, "AUTH", "899700041983", None, "Chirurgien-Dentiste",
        "DENTISTE RPPS-ADELI", "GERALDINE", 40, "Chirurgien-Dentiste", (),
        "8.99700041983@carte-cps.fr",
    ),
    "c3d58763": (
        "card", "CPS", "2800262487", None, "SIGN", "00B6077602", None, "Infirmier",
        "INFIRMCH7760", "GUY", 60, "Infirmier", (), "",
    ),
    "67053d18": (
        "card", "CPS", "2800636234", None, "SIGN", "00B6087510", None, "Infirmier",
        "INFIRMCS ADELI8751", "OLIVIER", 60, "Infirmier", (), "",
    ),
    "5da0d21f": (
        "card", "CPE", "2600301752", None, "AUTH", "30B0057881/CPET0002", "10B0057881",
        "Personnel santé ou social", "ADMINISTRATIF-CH057880002", "CHARLES", None, "", (),
        "30B0057881/CPET0002@carte-cps.fr",
    ),
    "366e9148": (
        "card", "CPA", "2800539055", None, "AUTH", "500000000087098/CPAT0001",
        "300000000087098", "Personnel autorisé", "MAITRE0000087090001", "PATRICE", None, "", (),
        "5.00000000087098.CPAT0001@carte-cps.fr",
    ),
}  # fmt: skip
PERSONS["a2a0df5d"] = PERSONS["5da0d21f"]  # the altered copy says the same

IN_JUNE_2019 = datetime(2019, 6, 28, 12, tzinfo=UTC)
IN_JULY_2019 = datetime(2019, 7, 10, tzinfo=UTC)
SIBLINGS = (  # same CA, valid in both months
    "0f446d72", "1f96a77b", "f50f8dcf", "95f920e1", "dcc91494", "d4d97a29", "a78637e7", "7217bf03",
)  # fmt: skip


def _file(folder: Path, digest: str) -> Path:
    (row,) = [
        row
        for row in csv.DictReader((folder / "MANIFEST.csv").read_text().splitlines())
        if row["sha256"].startswith(digest)
    ]
    return folder / row["file"]


@pytest.fixture(scope="module")
def checker(real_certificates):
    anchors = TrustStore.from_certificates(certificates_from_path(real_certificates / "ca"))
    return Checker(anchors, crls=crls_from_path(real_certificates / "crl"))


def _verdict(checker, folder, digest, at):
    (certificate,) = certificates_from_path(_file(folder, digest))
    return checker.check(certificate, at=at)


# -- profiles ----------------------------------------------------------------------------


def test_every_real_leaf_has_an_expected_profile(real_certificates):
    leaves = [*real_certificates.glob("ee/*.pem"), *real_certificates.glob("legacy/ee-*.pem")]
    leaves += real_certificates.glob("negative/*.pem")
    known = {**ORGANISATIONS, **PERSONS}
    found = [fingerprint(certificates_from_path(leaf)[0])[:8] for leaf in leaves]
    assert sorted(found) == sorted(known)


@pytest.mark.parametrize("digest", ORGANISATIONS)
def test_profile_of_a_real_organisation_certificate(real_certificates, digest):
    profile = decode(certificates_from_path(_file(real_certificates, digest))[0])
    assert not profile.is_person and profile.national_id is None and not profile.authority
    assert (
        profile.world,
        profile.product,
        profile.offer,
        profile.usage,
        str(profile.structure_id),
        profile.department,
        profile.dns_names,
        profile.warnings,
    ) == ORGANISATIONS[digest]
    assert (profile.card_type, profile.card_number, profile.profession_code) == (None, None, None)


@pytest.mark.parametrize("digest", PERSONS)
def test_profile_of_a_real_person_certificate(real_certificates, digest):
    profile = decode(certificates_from_path(_file(real_certificates, digest))[0])
    assert profile.is_person and profile.world == "test" and profile.hierarchy == "IGC-SANTE"
    assert (
        profile.product,
        profile.card_type,
        profile.card_number,
        profile.offer,
        profile.usage,
        str(profile.national_id),
        str(profile.structure_id) if profile.structure_id else None,
        profile.title,
        profile.surname,
        profile.given_name,
        profile.profession_code,
        profile.profession,
        profile.specialties,
        profile.upn,
    ) == PERSONS[digest]
    assert profile.warnings == ()
    assert profile.card_issuer == ("8025000001" if profile.product == "card" else "")


def test_profile_agrees_with_the_manifest(real_certificates):
    for row in csv.DictReader((real_certificates / "MANIFEST.csv").read_text().splitlines()):
        if row["kind"] != "CERT" or row["file"].endswith("bundle.pem"):
            continue
        profile = decode(certificates_from_path(real_certificates / row["file"])[0])
        assert profile.world == ("test" if "TEST" in row["env"] else "production"), row["file"]
        assert profile.authority == ("EE" not in row["role"] and "/ee-" not in row["file"])
        assert f"{profile.serial:x}" == row["serial"].lstrip("0")
        assert profile.to_dict()["not_after"] == row["not_after"].replace(" ", "T")
        assert row["policy"] in ("", *profile.policies)
        if row["role"].startswith("EE "):
            usage = row["role"].rsplit(" ", 1)[1]
            assert profile.usage == usage, row["file"]
            assert profile.ocsp_url == "http://ocsp.esante.gouv.fr"
            code = row["role"].split()[1] + ("-TEST" if profile.world == "test" else "")
            assert profile.crl_urls[0] == f"http://igc-sante.esante.gouv.fr/CRL/{code}.crl"
            assert profile.delta_crl_urls[0].startswith("ldap://")
        assert profile.conflicts == ()


# -- anchors -------------------------------------------------------------------------------


def test_pins_are_those_of_the_real_authorities(real_certificates):
    certificates = certificates_from_path(real_certificates / "ca")
    assert len(certificates) == len(PINNED) == 14
    for certificate in certificates:
        pin = pinned_entry(certificate)
        profile = decode(certificate)
        assert pin is not None
        assert (pin.common_name, pin.world) == (profile.common_name, profile.world)
        assert (pin.role == "root") == (certificate.subject == certificate.issuer)
        assert (real_certificates / "ca" / f"{pin.name}.pem").is_file()


# -- verdicts ------------------------------------------------------------------------------


def test_real_revoked_leaf_is_reported_with_its_date(checker, real_certificates):
    verdict = _verdict(checker, real_certificates, "742d8553", IN_JUNE_2019)
    assert verdict.kind is Kind.REVOKED and verdict.exit_code is ExitCode.REVOKED
    assert verdict.revoked_on == datetime(2019, 6, 14, 13, 26, 24, tzinfo=UTC)
    leaf, intermediate = verdict.evidence
    assert (leaf.number, intermediate.number) == (1287, 73)
    assert leaf.sha256.startswith("47fae530")


@pytest.mark.parametrize("digest", SIBLINGS)
def test_real_siblings_are_good_then_stale(checker, real_certificates, digest):
    assert _verdict(checker, real_certificates, digest, IN_JUNE_2019).kind is Kind.GOOD
    later = _verdict(checker, real_certificates, digest, IN_JULY_2019)
    assert later.kind is Kind.STALE and later.exit_code is ExitCode.STALE
    assert later.revoked_on is None


def test_outdated_list_makes_the_revoked_leaf_stale_but_says_what_it_knew(
    checker, real_certificates
):
    verdict = _verdict(checker, real_certificates, "742d8553", IN_JULY_2019)
    assert verdict.kind is Kind.STALE
    assert verdict.revoked_on == datetime(2019, 6, 14, 13, 26, 24, tzinfo=UTC)
    assert "already says revoked on 2019-06-14 13:26:24 UTC" in str(verdict.reasons[0])


@pytest.mark.parametrize("at", [IN_JUNE_2019, IN_JULY_2019])
def test_altered_copy_is_invalid_and_its_original_is_not(checker, real_certificates, at):
    altered = _verdict(checker, real_certificates, "a2a0df5d", at)
    assert altered.kind is Kind.INVALID and altered.exit_code is ExitCode.INVALID
    assert [reason.code for reason in altered.reasons] == ["signature.bad"]
    original = _verdict(checker, real_certificates, "5da0d21f", at)
    assert original.kind is Kind.UNKNOWN  # no CRL of that CA is held
    assert len(original.chain) == 3


def test_list_that_was_not_made_yet_tells_nothing(checker, real_certificates):
    before = datetime(2019, 6, 20, tzinfo=UTC)
    verdict = _verdict(checker, real_certificates, "742d8553", before)
    assert verdict.kind is Kind.UNKNOWN
    assert "made later" in str(verdict.reasons[0])


def test_test_twin_of_a_ca_is_not_taken_for_it(checker, real_certificates):
    """Same CN under another OU (RECETTE): pki.md §1.2."""
    verdict = _verdict(checker, real_certificates, "2a340f11", datetime(2019, 1, 1, tzinfo=UTC))
    assert [reason.code for reason in verdict.reasons] == ["chain.issuer_missing"]
    assert "OU=RECETTE" in str(verdict.reasons[0])


def test_every_real_leaf_chains_on_its_first_day(checker, real_certificates):
    for leaf in real_certificates.glob("ee/*.pem"):
        (certificate,) = certificates_from_path(leaf)
        day = certificate.not_valid_before_utc.replace(hour=23, minute=59, second=59)
        verdict = checker.check(certificate, at=day)
        assert (verdict.kind is Kind.INVALID) == ("ACI-FO-PP" in leaf.name), leaf.name


# -- the legacy PKI ----------------------------------------------------------------------------

IN_2010 = datetime(2010, 1, 8, tzinfo=UTC)


@pytest.fixture(scope="module")
def anonyme(real_certificates):
    folder = real_certificates / "legacy"
    (cert_signer,) = certificates_from_path(folder / "GIP-CPS-ANONYME-certsign.pem")
    (crl_signer,) = certificates_from_path(folder / "GIP-CPS-ANONYME-crlsign.pem")
    return cert_signer, crl_signer


def test_legacy_crl_signer_is_no_anchor_of_its_own(anonyme):
    cert_signer, crl_signer = anonyme
    anchors = TrustStore.from_certificates(anonyme)
    assert anchors.roots == (cert_signer,) and anchors.intermediates == (crl_signer,)


def test_legacy_algorithms_are_refused_unless_asked_for(anonyme):
    cert_signer, crl_signer = anonyme
    anchors = TrustStore.from_certificates([cert_signer])
    refused = build_chain(crl_signer, anchors, at=IN_2010)
    assert [reason.code for reason in refused.reasons] == ["algorithm.weak"]
    legacy = Policy(algorithms=AlgorithmPolicy(legacy=True))
    accepted = build_chain(crl_signer, anchors, at=IN_2010, policy=legacy)
    assert accepted.valid and accepted.certificates == (crl_signer, cert_signer)


def test_legacy_crl_is_believed_by_the_key_that_signs_crls(anonyme, real_certificates):
    cert_signer, crl_signer = anonyme
    (crl,) = crls_from_path(real_certificates / "crl" / "GIP-CPS-ANONYME-20100107.crl.pem")
    assert crl.number == 2947 and len(crl) == 0
    assert crl.signed_by(crl_signer.public_key()) and not crl.signed_by(cert_signer.public_key())
    checker = Checker(
        TrustStore.from_certificates(anonyme),
        crls=[crl],
        policy=Policy(algorithms=AlgorithmPolicy(legacy=True)),
    )
    # The only list about the key that signs lists is signed by that key.
    verdict = checker.check(crl_signer, at=IN_2010)
    assert verdict.kind is Kind.UNKNOWN and "vouch for itself" in str(verdict.reasons[0])

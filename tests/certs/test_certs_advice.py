"""What looks wrong, how sure that is, and what a key may be used for."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from selfmade_pki import AT, DAY, END, START, Authority, distribution_points, rsa_key, usages
from test_certs_profile import (
    TEST_POLICY,
    card,
    category,
    issuer_name,
    make,
    organisation,
    person,
    policy,
    upn,
)

from igcsante.certs.inspect.advice import (
    Basis,
    Level,
    about_certificate,
    about_crl,
    about_key,
    about_request,
)
from igcsante.certs.inspect.objects import PrivateKey
from igcsante.certs.inspect.words import level, summary, uses
from igcsante.certs.load import certificates_from_path
from igcsante.certs.profile import decode
from igcsante.certs.requests import build_csr
from igcsante.certs.x509.certificate_list import Crl

CLIENT = (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), False)
PUBLISHED = (distribution_points(["http://lists.example/x.crl"]), False)


def client(common_name: str = "service", *more, world: str = "TEST", value: int = 0x83, **subject):
    return make(
        organisation(common_name, **subject),
        (usages("digital_signature"), True),
        CLIENT,
        category(value),
        PUBLISHED,
        *more,
        world=world,
    )


def advice(certificate: x509.Certificate, at=AT, world=None) -> dict[str, tuple[str, str | None]]:
    found = about_certificate(certificate, decode(certificate), at, world=world)
    order = [item.level for item in found]
    assert order == sorted(order, key=list(Level).index), "worst first"
    return {item.code: (str(item.level), item.basis and str(item.basis)) for item in found}


# -- dates, worlds, authorities --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("at", "code"),
    [
        (START - DAY, "validity.not_yet"),
        (START, None),
        (END - timedelta(days=31), None),
        (END - timedelta(days=30), "validity.soon"),
        (END, "validity.soon"),
        (END + timedelta(seconds=1), "validity.expired"),
    ],
)
def test_dates_are_judged_at_the_given_instant(at, code) -> None:
    found = {name for name in advice(client(), at) if name.startswith("validity.")}
    assert found == ({code} if code else set())


def test_a_test_certificate_is_a_note_and_in_production_a_problem() -> None:
    assert advice(client())["world.test"] == ("note", "observed")
    assert advice(client(), world="production")["world.other"] == ("problem", "observed")
    assert "world.other" not in advice(client(), world="test")
    real = client(world="production", value=0x03)
    assert not {"world.test", "world.other"} & set(advice(real, world="production"))
    assert "world.claimed" not in advice(real), "nobody asked"
    assert advice(real, world="production")["world.claimed"] == ("note", None)
    assert "world.claimed" not in advice(real, world="test")
    assert "world.other" in advice(real, world="test")
    unclear = client(world="production", value=0x83)
    assert {"world.other", "profile.conflict"} <= set(advice(unclear, world="production"))


def test_an_authority_of_that_name_is_not_one_by_its_name() -> None:
    fake = Authority.root(subject=issuer_name("production")).certificate
    assert advice(fake)["anchor.unknown"] == ("warning", None)


def test_the_legacy_pki_and_what_it_signed_with() -> None:
    legacy = x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, "GIP-CPS")])
    authority = Authority.root(subject=legacy, key=rsa_key("legacy"))
    weak = authority.leaf(
        key=rsa_key("weak", 1024), extensions=[(usages("digital_signature"), True), CLIENT]
    )
    found = advice(weak)
    assert found["hierarchy.legacy"] == ("warning", "official")
    assert found["algorithm.weak"] == ("problem", None)
    assert found["revocation.unpublished"] == ("warning", None)


def test_old_algorithms_of_a_real_legacy_certificate(real_certificates: Path) -> None:
    certificate = _real(real_certificates, "smtp.psig.henix.asipsante.fr")
    found = about_certificate(certificate, decode(certificate), AT)
    weak = [item.message for item in found if item.code == "algorithm.weak"]
    assert "an RSA key of 1024 bits" in weak[0] and "SHA1" in weak[1]


# -- names -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("common_name", "expected"),
    [
        ("INSI-AUTO", "note"),
        ("INSI-MANU", "note"),
        ("INSI_AUTO", "warning"),
        ("insi-auto", "warning"),
        ("INSI-AUTO ", "warning"),
        ("service", "note"),
    ],
)
def test_the_rule_of_insi_is_never_told_as_certain(common_name: str, expected: str) -> None:
    assert advice(client(common_name))["name.insi"] == (expected, "secondary")


def test_the_rule_of_insi_is_told_of_clients_only() -> None:
    signs = make(organisation(), (usages("content_commitment"), True), category(0x83))
    assert "name.insi" not in advice(signs)


def test_forty_characters_are_an_inferred_note() -> None:
    assert advice(client(o="A" * 40))["name.cut"] == ("note", "inferred")
    assert "name.cut" not in advice(client(o="A" * 39))


def test_missing_alternative_names() -> None:
    assert advice(client())["name.no_san"] == ("note", "observed")
    assert advice(card())["name.no_upn"] == ("warning", "observed")
    assert "name.no_upn" not in advice(card(None, upn("8.99700523527@carte-cps.fr")))
    purposes = (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False)
    server = make(organisation("a.example"), (usages("key_encipherment"), True), purposes)
    found = about_certificate(server, decode(server), AT)
    assert any("no DNS name" in item.message for item in found)


# -- policies, conflicts -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("oid", "world", "value", "expected"),
    [
        (TEST_POLICY, "TEST", 0x83, None),
        ("1.2.250.1.213.1.7.1.1.2.4.1", "production", 0x03, None),
        ("1.2.250.1.213.1.7.1.1.2.99.1", "production", 0x03, "warning"),
        ("1.2.3", "TEST", 0x83, "warning"),
    ],
)
def test_policies_that_nobody_has_seen(oid, world, value, expected) -> None:
    found = advice(client("service", policy(oid), world=world, value=value))
    assert found.get("policy.unknown") == (expected and (expected, "observed"))


def test_policies_of_production_persons_are_not_public() -> None:
    bits = (usages("digital_signature"), True)
    leaf = make(person(), bits, CLIENT, category(0x03), policy("1.2.3"), world="production")
    assert advice(leaf)["policy.unknown"] == ("note", "observed")
    assert advice(client())["policy.none"] == ("warning", "observed")


def test_contradictions_are_problems_once() -> None:
    leaf = client("service", policy("1.2.250.1.213.1.7.1.1.2.3.1"))
    found = about_certificate(leaf, decode(leaf), AT)
    (conflict,) = [item for item in found if "is that of SIGN" in item.message]
    assert (conflict.code, conflict.level) == ("profile.conflict", Level.PROBLEM)


# -- requests, lists, keys -------------------------------------------------------------------------


def test_a_request_that_its_key_did_not_sign() -> None:
    request = build_csr(rsa_key("request"), "INSI-AUTO")
    assert about_request(request) == ()
    octets = bytearray(request.public_bytes(Encoding.DER))
    octets[-1] ^= 1
    changed = x509.load_der_x509_csr(bytes(octets))
    assert [item.code for item in about_request(changed)] == ["signature.bad"]


def test_lists_are_judged_at_the_given_instant(issuing) -> None:
    made = Crl(issuing.crl(this_update=AT, next_update=AT + DAY))
    for at, code in ((AT, None), (AT + DAY, None), (AT - DAY, "crl.later")):
        assert [item.code for item in about_crl(made, at)] == ([code] if code else [])
    assert [item.code for item in about_crl(made, AT + 2 * DAY)] == ["crl.outdated"]
    strange = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\x05\x00")
    unusable = Crl(issuing.crl(extensions=[(strange, True)]))
    assert about_crl(unusable, AT)[0].code == "crl.unusable"


def test_a_key_that_others_may_read() -> None:
    key = PrivateKey("PKCS#8", encrypted=False, algorithm="RSA 2048", public_key_sha256="00")
    assert about_key(key, 0o100600) == about_key(key, None) == ()
    assert [item.code for item in about_key(key, 0o100640)] == ["key.readable"]
    assert about_key(replace(key, encrypted=True, algorithm=""), 0o100644) == ()
    assert [item.code for item in about_key(replace(key, algorithm="RSA 1024"), None)] == [
        "algorithm.weak"
    ]


# -- words ---------------------------------------------------------------------------------------

ALL = {"tls_client", "tls_server", "sign", "decrypt"}
MAIL, ANY = ExtendedKeyUsageOID.EMAIL_PROTECTION, ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE
USES = [
    (("digital_signature",), (ExtendedKeyUsageOID.CLIENT_AUTH,), {"tls_client"}),
    (
        ("digital_signature", "key_encipherment"),
        (ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH),
        {"tls_client", "tls_server"},
    ),
    (("digital_signature", "content_commitment"), (MAIL,), {"sign"}),
    (("content_commitment",), (MAIL,), {"sign"}),
    (("key_encipherment",), (MAIL, ANY), {"decrypt"}),
    (("digital_signature",), (ExtendedKeyUsageOID.OCSP_SIGNING,), {"ocsp"}),
    (("content_commitment",), (ExtendedKeyUsageOID.CLIENT_AUTH,), set()),
]


@pytest.mark.parametrize(("bits", "purposes", "expected"), USES)
def test_uses_need_key_usage_and_purpose(bits, purposes, expected) -> None:
    eku = (x509.ExtendedKeyUsage(purposes), False)
    may, may_not = uses(decode(make(organisation(), (usages(*bits), True), eku)))
    assert {use.code for use in may} == expected
    assert {use.code for use in may_not} == ALL - expected


def test_uses_of_authorities(issuing) -> None:
    may, _ = uses(decode(issuing.certificate))
    assert {use.code for use in may} == {"certificates", "crls"}


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("TEST AC IGC-SANTE FORT PERSONNES", "FORT, PERSONNES"),
        ("AC IGC-SANTE ELEMENTAIRE ORGANISATIONS", "ELEMENTAIRE, ORGANISATIONS"),
        ("AC RACINE IGC-SANTE STANDARD", "STANDARD"),
        ("AC IGC-SANTE ELEMENTAIRE STANDARD FORT", ""),
        ("SOMEBODY", ""),
    ],
)
def test_level_and_domain_are_read_from_the_issuer_s_name(name: str, told: str) -> None:
    assert level(name) == told


# -- real ones -----------------------------------------------------------------------------------


def _real(folder: Path, digest: str) -> x509.Certificate:
    (path,) = folder.glob(f"*/*{digest}.pem")
    return certificates_from_path(path)[0]


def test_real_certificates_in_words(real_certificates: Path) -> None:
    told = {
        digest: summary(decode(_real(real_certificates, digest)))
        for digest in ("c6dac0ea", "ebe1d268", "e23b6d8e", "366e9148")
    }
    assert told == {
        "c6dac0ea": "production software certificate for an organisation (offer ORG), "
        "usage AUTH_CLI",
        "ebe1d268": "production software certificate for a server (offer SERV), usage SSL_SERV",
        "e23b6d8e": "TEST software certificate for a health professional (offer PS), usage AUTH",
        "366e9148": "TEST certificate of a CPA card, usage AUTH",
    }


def test_a_real_certificate_in_force_has_nothing_wrong(real_certificates: Path) -> None:
    """Read with openssl x509: an ORG AUTH_CLI certificate of production, of May 2023."""
    certificate = _real(real_certificates, "c6dac0ea")
    at = certificate.not_valid_before_utc + DAY
    as_expected = {"name.insi", "name.no_san", "world.claimed"}
    assert set(advice(certificate, at, "production")) == as_expected
    assert set(advice(certificate, at, "test")) == {"name.insi", "name.no_san", "world.other"}


def test_every_real_certificate_is_at_worst_what_it_should_be(real_certificates: Path) -> None:
    problems = {}
    for path in sorted((real_certificates / "ee").glob("*.pem")):
        (certificate,) = certificates_from_path(path)
        at = certificate.not_valid_before_utc + DAY
        found = about_certificate(certificate, decode(certificate), at)
        for item in found:
            if item.level is not Level.NOTE:
                problems.setdefault(item.code, set()).add(path.stem[-8:])
    assert problems == {"issuer.internal": {"2a340f11"}}


def test_pinned_authorities_are_told_with_the_weight_of_their_pin(real_certificates: Path) -> None:
    for name, basis in (("ACI-FO-PP", Basis.OFFICIAL), ("ACI-EL-PP-TEST", Basis.OBSERVED)):
        (certificate,) = certificates_from_path(real_certificates / "ca" / f"{name}.pem")
        assert advice(certificate)["anchor.pinned"] == ("note", str(basis))

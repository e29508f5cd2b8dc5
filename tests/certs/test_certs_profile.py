"""Profiles of self-made certificates shaped like those of IGC-Santé."""

from __future__ import annotations

import contextlib
import json

import pytest
from asn1crypto import core
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier
from hypothesis import given, settings
from hypothesis import strategies as st
from selfmade_pki import Authority, name, usages

from igcsante.certs.profile import decode
from igcsante.errors import UnreadableError

TEST_POLICY = "1.2.250.1.213.1.7.2.1.1.1.1"
UPN = "1.3.6.1.4.1.311.20.2.3"
SMARTCARD = ObjectIdentifier("1.3.6.1.4.1.311.20.2.2")


def issuer_name(world: str = "TEST", kind: str = "PERSONNES") -> x509.Name:
    suffix = " TEST" if world == "TEST" else ""
    return x509.Name(
        [
            x509.NameAttribute(NameOID.COUNTRY_NAME, "FR"),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "ASIP-SANTE"),
            x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, "0002 187512751"),
            x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, f"IGC-SANTE{suffix}"),
            x509.NameAttribute(NameOID.COMMON_NAME, f"SIMULATION {kind}"),
        ]
    )


def private(oid: str, octets: bytes):
    return x509.UnrecognizedExtension(ObjectIdentifier(oid), octets), False


def category(value: int):
    return private("1.2.250.1.71.1.2.5", bytes((4, 1, value)))


def upn(text: str):
    other = x509.OtherName(ObjectIdentifier(UPN), core.UTF8String(text).dump())
    return x509.SubjectAlternativeName([other]), False


def policy(oid: str):
    information = x509.PolicyInformation(ObjectIdentifier(oid), None)
    return x509.CertificatePolicies([information]), False


def person(*order: NameOID, common_name: str = "899700523527") -> x509.Name:
    values = {
        NameOID.GIVEN_NAME: "ANNE",
        NameOID.COMMON_NAME: common_name,
        NameOID.SURNAME: "MEDECIN",
    }
    return x509.Name(
        [
            x509.RelativeDistinguishedName([x509.NameAttribute(NameOID.COUNTRY_NAME, "FR")]),
            x509.RelativeDistinguishedName([x509.NameAttribute(NameOID.TITLE, "Médecin")]),
            x509.RelativeDistinguishedName(
                [x509.NameAttribute(oid, values[oid]) for oid in order or values]
            ),
        ]
    )


def organisation(common_name: str = "INSI-AUTO", o: str = "CENTRE", ou: str = "10B0152872"):
    return x509.Name(
        [
            x509.NameAttribute(NameOID.COUNTRY_NAME, "FR"),
            x509.NameAttribute(NameOID.STATE_OR_PROVINCE_NAME, "Rhône (69)"),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, o),
            x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, ou),
            x509.NameAttribute(NameOID.COMMON_NAME, common_name),
        ]
    )


def make(subject: x509.Name, *extensions, world: str = "TEST", issuer: x509.Name | None = None):
    authority = Authority.root(subject=issuer or issuer_name(world))
    return authority.leaf(subject=subject, extensions=extensions)


def card(subject: x509.Name | None = None, *more, number: bytes = b"8025000001/2800636234"):
    return make(
        subject or person(),
        (usages("digital_signature"), True),
        (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH, SMARTCARD]), False),
        category(0x80),
        private("1.2.250.1.71.1.2.2", b"\x02\x01\x00"),
        private("1.2.250.1.71.1.2.3", bytes((0x13, len(number))) + number),
        private("1.2.250.1.71.1.2.7", b"\x02\x01\x0a"),
        *more,
    )


ORDERS = [
    (NameOID.GIVEN_NAME, NameOID.COMMON_NAME, NameOID.SURNAME),
    (NameOID.SURNAME, NameOID.GIVEN_NAME, NameOID.COMMON_NAME),
    (NameOID.COMMON_NAME, NameOID.SURNAME, NameOID.GIVEN_NAME),
]


@pytest.mark.parametrize("order", ORDERS)
def test_holder_is_read_whatever_the_order_in_the_multivalued_rdn(order):
    profile = decode(card(person(*order)))
    assert str(profile.national_id) == "899700523527"
    assert (profile.surname, profile.given_name, profile.title) == ("MEDECIN", "ANNE", "Médecin")


def test_card_certificate_says_card_type_number_and_profession():
    profile = decode(card(None, upn("8.99700523527@carte-cps.fr")))
    assert (profile.product, profile.card_type) == ("card", "CPS")
    assert (profile.card_issuer, profile.card_number) == ("8025000001", "2800636234")
    assert (profile.profession_code, profile.profession) == (10, "Médecin")
    assert (profile.offer, profile.usage, profile.world) == (None, "AUTH", "test")
    assert profile.warnings == ()


def test_upn_of_somebody_else_is_a_warning():
    profile = decode(card(None, upn("8.99700041983@carte-cps.fr")))
    assert profile.warnings == (
        "the user principal name says 899700041983, the common name 899700523527",
    )


def test_wrong_luhn_key_is_a_warning():
    profile = decode(card(person(common_name="899700523528")))
    assert str(profile.national_id) == "899700523528"
    assert profile.warnings == ("the last digit is not the Luhn key of the RPPS number",)


def test_unreadable_national_identifier_is_a_warning_not_a_crash():
    profile = decode(card(person(common_name="nobody")))
    assert profile.national_id is None and "common name" in profile.warnings[0]


def test_missing_card_extensions_are_warnings():
    profile = decode(make(person(), (usages("content_commitment"), True), category(0x80)))
    assert profile.card_type is None and profile.card_number is None
    assert len(profile.warnings) == 2


def test_missing_category_is_a_warning_and_the_issuer_tells_the_world():
    profile = decode(make(organisation(), (usages("content_commitment"), True)))
    assert profile.world == "test" and profile.product is None
    assert "category" in profile.warnings[0]


def test_category_against_issuer_is_a_conflict_and_no_world():
    for world, value in (("TEST", 0x03), ("production", 0x83)):
        leaf = make(
            organisation(), (usages("content_commitment"), True), category(value), world=world
        )
        profile = decode(leaf)
        assert profile.world == "unknown" and len(profile.conflicts) == 1
        assert profile.conflicts[0] in profile.warnings


USAGES = [
    (("digital_signature",), ("CLIENT_AUTH",), "AUTH_CLI", "ORG"),
    (("digital_signature", "content_commitment"), ("EMAIL_PROTECTION",), "SIGN", "ORG"),
    (("key_encipherment",), ("EMAIL_PROTECTION",), "CONF", "ORG"),
    (("digital_signature", "key_encipherment"), ("SERVER_AUTH", "CLIENT_AUTH"), "SSL_SERV", "SERV"),
    (("digital_signature", "key_encipherment"), ("EMAIL_PROTECTION",), "SMIME", "SERV"),
    (("data_encipherment",), ("EMAIL_PROTECTION",), None, None),
]


@pytest.mark.parametrize(("bits", "purposes", "usage", "offer"), USAGES)
def test_usage_and_offer_are_derived_from_the_key_usages(bits, purposes, usage, offer):
    eku = x509.ExtendedKeyUsage([getattr(ExtendedKeyUsageOID, item) for item in purposes])
    names = x509.SubjectAlternativeName([x509.DNSName("a.example")])
    leaf = make(
        organisation("a.example"), (usages(*bits), True), (eku, False), (names, False),
        category(0x83),
    )  # fmt: skip
    profile = decode(leaf)
    assert (profile.usage, profile.offer, profile.product) == (usage, offer, "software")
    assert bool(profile.conflicts) == (usage is None)


def test_person_attached_to_a_structure_reads_as_pro():
    attached = x509.Name(
        [x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, "10B0152872"), *person()]
    )
    eku = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH])
    for subject, offer in ((attached, "PRO"), (person(), "PS")):
        leaf = make(subject, (usages("digital_signature"), True), (eku, False), category(0x83))
        assert (decode(leaf).offer, decode(leaf).usage) == (offer, "AUTH")


def test_policy_of_another_usage_is_a_conflict():
    sign = "1.2.250.1.213.1.7.1.1.2.3.1"
    eku = (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), False)
    bits = (usages("digital_signature"), True)
    leaf = make(organisation(), bits, eku, category(0x03), policy(sign), world="production")
    assert "is that of SIGN" in decode(leaf).conflicts[0]
    leaf = make(organisation(), bits, eku, category(0x03), policy(TEST_POLICY), world="production")
    assert "under the TEST policy" in decode(leaf).conflicts[0]


def test_organisation_of_forty_characters_may_be_cut():
    eku = (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), False)
    bits = (usages("digital_signature"), True)
    for length, expected in ((39, 0), (40, 1), (41, 0)):
        leaf = make(organisation(o="A" * length), bits, eku, category(0x83))
        assert len(decode(leaf).warnings) == expected


def test_server_whose_name_is_not_among_its_dns_names_is_a_warning():
    eku = (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False)
    san = (x509.SubjectAlternativeName([x509.DNSName("b.example")]), False)
    leaf = make(organisation("a.example"), (usages("key_encipherment"), True), eku, san,
                category(0x83))  # fmt: skip
    assert decode(leaf).warnings == ("the common name of this server is not among its DNS names",)


def test_unknown_private_bytes_are_kept_raw():
    leaf = card(None, private("1.2.250.1.71.1.2.99", b"\x04\x02\xca\xfe"))
    profile = decode(leaf)
    assert profile.raw_extensions == (("1.2.250.1.71.1.2.99", b"\x04\x02\xca\xfe"),)
    assert profile.to_dict()["raw_extensions"] == {"1.2.250.1.71.1.2.99": "0402cafe"}


@pytest.mark.parametrize("octets", [b"", b"\x04", b"\x04\x02\x80\x80", b"\x05\x00", b"\x04\x81"])
def test_category_that_makes_no_sense_is_shown_not_guessed(octets):
    leaf = make(
        organisation(), (usages("content_commitment"), True), private("1.2.250.1.71.1.2.5", octets)
    )
    profile = decode(leaf)
    assert profile.product is None
    assert any(octets.hex() in warning for warning in profile.warnings)


def test_several_specialties_are_all_read():
    octets = core.SequenceOf(["SM26", "SM54"], spec=core.UTF8String).dump()
    profile = decode(card(None, private("1.2.250.1.71.4.2.5", octets)))
    assert profile.specialties == ("SM26", "SM54")


def test_legacy_names_in_t61_with_accents_are_read():
    """cryptography refuses those octets; the second reader takes them (pki.md §1.3)."""
    t61, plain = 0x14, 0x0C
    made = make(organisation(o="H?pital"), (usages("content_commitment"), True), category(0x82))
    octets = made.public_bytes(Encoding.DER).replace(
        bytes((plain, 7)) + b"H?pital", bytes((t61, 7)) + "Hôpital".encode("latin-1")
    )
    certificate = x509.load_der_x509_certificate(octets)
    with pytest.raises(ValueError, match="subject"):
        _ = certificate.subject
    assert decode(certificate).organisation == "Hôpital"


def test_profile_is_ready_for_json():
    shown = json.loads(json.dumps(decode(card(None, upn("8.99700523527@carte-cps.fr"))).to_dict()))
    assert shown["national_id"] == "899700523527"
    assert shown["not_before"] == "2025-01-01T00:00:00Z"
    assert shown["key_usages"] == ["digitalSignature"]
    assert shown["extended_key_usages"] == ["clientAuth", "msSmartcardLogon"]


def test_other_hierarchies_are_told_apart_by_their_whole_name():
    leaf = make(organisation(), (usages("content_commitment"), True), category(0x83),
                issuer=name("TEST AC IGC-SANTE ELEMENTAIRE ORGANISATIONS", "SOMEBODY"))  # fmt: skip
    assert decode(leaf).hierarchy == "other"


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_mutated_certificates_never_crash_the_decoder(data):
    octets = bytearray(_CARD)
    for _ in range(data.draw(st.integers(1, 4))):
        octets[data.draw(st.integers(4, len(octets) - 1))] = data.draw(st.integers(0, 255))
    try:
        certificate = x509.load_der_x509_certificate(bytes(octets))
    except Exception:
        return
    with contextlib.suppress(UnreadableError):
        decode(certificate).to_dict()


_CARD = card(None, upn("8.99700523527@carte-cps.fr")).public_bytes(Encoding.DER)

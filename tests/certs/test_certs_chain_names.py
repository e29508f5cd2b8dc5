"""Name constraints, and which names are the same (RFC 5280 §4.2.1.10 and §7.1)."""

from __future__ import annotations

import ipaddress

import pytest
from cryptography import x509
from cryptography.x509.name import _ASN1Type
from cryptography.x509.oid import NameOID
from selfmade_pki import (
    AT,
    Authority,
    ca_extensions,
    certificate,
    ec_key,
    leaf_extensions,
    name,
)

from igcsante.certs.anchors import TrustStore
from igcsante.certs.chain import build_chain
from igcsante.certs.path import name_constraints
from igcsante.certs.x509 import names

UPN = x509.ObjectIdentifier("1.3.6.1.4.1.311.20.2.3")
DNS, MAIL, URI = x509.DNSName, x509.RFC822Name, x509.UniformResourceIdentifier


def ip(text: str) -> x509.IPAddress:
    return x509.IPAddress(ipaddress.ip_network(text) if "/" in text else ipaddress.ip_address(text))


def upn(text: str) -> x509.OtherName:
    return x509.OtherName(UPN, bytes((12, len(text))) + text.encode())


def constrained(root: Authority, permitted=None, excluded=None, **options) -> Authority:
    constraints = x509.NameConstraints(permitted, excluded)
    extensions = [*ca_extensions(), (constraints, True)]
    return root.authority("CONSTRAINED", extensions=extensions, **options)


def leaf_named(authority: Authority, *alternative, **options) -> x509.Certificate:
    extensions = leaf_extensions()
    if alternative:
        extensions.append((x509.SubjectAlternativeName(alternative), False))
    return authority.leaf(extensions=extensions, **options)


def codes(leaf, *authorities: Authority) -> list[str]:
    store = TrustStore.from_certificates(item.certificate for item in authorities)
    return [reason.code for reason in build_chain(leaf, store, at=AT).reasons]


WITHIN = [
    (DNS("sante.example"), DNS("sante.example")),
    (DNS("sante.example"), DNS("A.SANTE.example")),
    (DNS(".sante.example"), DNS("a.sante.example")),
    (DNS(""), DNS("anything.example")),
    (MAIL("sante.example"), MAIL("x@SANTE.example")),
    (MAIL(".sante.example"), MAIL("x@a.sante.example")),
    (MAIL("x@sante.example"), MAIL("x@Sante.example")),
    (URI("sante.example"), URI("https://u@sante.example:8443/p?q#f")),
    (URI(".sante.example"), URI("ldap://a.b.sante.example/")),
    (ip("10.0.0.0/8"), ip("10.1.2.3")),
    (ip("2001:db8::/32"), ip("2001:db8::1")),
    (x509.DirectoryName(name("x")), x509.DirectoryName(name("X"))),
]
OUTSIDE = [
    (DNS("sante.example"), DNS("xsante.example")),
    (DNS(".sante.example"), DNS("sante.example")),
    (DNS("sante.example"), DNS("sante.example.org")),
    (MAIL("sante.example"), MAIL("x@a.sante.example")),
    (MAIL(".sante.example"), MAIL("x@sante.example")),
    (MAIL("x@sante.example"), MAIL("X@sante.example")),
    (MAIL("sante.example"), MAIL("sante.example@other.example")),
    (URI("sante.example"), URI("https://a.sante.example/")),
    (URI(".sante.example"), URI("https://sante.example/")),
    (URI("sante.example"), URI("https://sante.example@other.example/")),
    (ip("10.0.0.0/8"), ip("11.0.0.1")),
    (ip("10.0.0.0/8"), ip("::ffff:10.0.0.1")),
    (x509.DirectoryName(name("x")), x509.DirectoryName(name("y"))),
]


@pytest.mark.parametrize(("base", "found"), WITHIN, ids=repr)
def test_name_within_a_subtree_passes_when_permitted_and_fails_when_excluded(root, base, found):
    allowing, forbidding = constrained(root, [base]), constrained(root, None, [base])
    subject = name("x")
    assert codes(leaf_named(allowing, found, subject=subject), root, allowing) == []
    leaf = leaf_named(forbidding, found, subject=name("z"))
    assert codes(leaf, root, forbidding) == ["constraints.name_excluded"]


@pytest.mark.parametrize(("base", "found"), OUTSIDE, ids=repr)
def test_name_outside_a_subtree_fails_when_permitted_and_passes_when_excluded(root, base, found):
    allowing, forbidding = constrained(root, [base]), constrained(root, None, [base])
    leaf = leaf_named(allowing, found, subject=name("x"))
    assert codes(leaf, root, allowing) == ["constraints.name_not_permitted"]
    assert codes(leaf_named(forbidding, found, subject=name("z")), root, forbidding) == []


@pytest.mark.parametrize("found", [URI("urn:oid:1.2.3"), URI("https://10.0.0.1/"), MAIL("nobody")])
def test_name_that_cant_be_compared_is_refused_when_constrained(root, found):
    for lists in (([type(found)("sante.example")], None), (None, [type(found)("sante.example")])):
        authority = constrained(root, *lists)
        leaf = leaf_named(authority, found)
        assert codes(leaf, root, authority) == ["constraints.name_unprocessed"]
    unrelated = constrained(root, [DNS("sante.example")])
    assert codes(leaf_named(unrelated, found), root, unrelated) == []


def test_constraint_on_upns_refuses_upns_and_nothing_else(root):
    authority = constrained(root, [upn("@carte-cps.fr")])
    assert codes(leaf_named(authority), root, authority) == []
    leaf = leaf_named(authority, upn("8.99700000001@carte-cps.fr"))
    assert codes(leaf, root, authority) == ["constraints.name_unprocessed"]
    other = x509.OtherName(x509.ObjectIdentifier("1.2.3.4"), b"\x05\x00")
    assert codes(leaf_named(authority, other), root, authority) == []


def test_mail_address_in_the_subject_is_constrained_too(root):
    authority = constrained(root, [MAIL("sante.example")])
    for address, expected in (
        ("x@sante.example", []),
        ("x@other.example", ["constraints.name_not_permitted"]),
    ):
        subject = x509.Name([*name("x"), x509.NameAttribute(NameOID.EMAIL_ADDRESS, address)])
        assert codes(leaf_named(authority, subject=subject), root, authority) == expected


def test_constraints_of_every_ca_hold(root):
    """Permitted by one and not by the other is not permitted, in whatever order."""
    wide, narrow = DNS("example"), DNS("sante.example")
    for first, second in ((wide, narrow), (narrow, wide)):
        upper = constrained(root, [first])
        extensions = [*ca_extensions(), (x509.NameConstraints([second], None), True)]
        lower = upper.authority("LOWER", extensions=extensions)
        assert codes(leaf_named(lower, DNS("a.sante.example")), root, upper, lower) == []
        leaf = leaf_named(lower, DNS("a.example"))
        assert codes(leaf, root, upper, lower) == ["constraints.name_not_permitted"]


def test_constraints_hold_for_cas_but_not_for_self_issued_ones(root):
    upper = constrained(root, [x509.DirectoryName(name("ONLY THIS"))])
    stranger = upper.authority("STRANGER", extensions=ca_extensions())
    leaf = stranger.leaf("ONLY THIS")
    assert codes(leaf, root, upper, stranger) == ["constraints.name_not_permitted"]
    again = upper.authority("CONSTRAINED", key=ec_key("NEW"), extensions=ca_extensions())
    assert codes(again.leaf("ONLY THIS"), root, upper, again) == []


def test_constraints_with_fields_that_are_not_processed_are_refused(root):
    """``minimum`` 1: RFC 5280 has it 0 always, and the parser doesn't tell it."""
    octets = bytes.fromhex("300e a00c 300a 8205") + b"e.org" + bytes.fromhex("800101")
    plain = bytes.fromhex("300b a009 3007 8205") + b"e.org"
    for value, expected in ((plain, []), (octets, ["chain.unreadable"])):
        extension = x509.UnrecognizedExtension(x509.NameConstraints.oid, value)
        authority = root.authority("MINIMUM", extensions=[*ca_extensions(), (extension, True)])
        assert codes(leaf_named(authority, DNS("e.org")), root, authority) == expected


def test_comparisons_are_bounded(root, monkeypatch):
    monkeypatch.setattr(name_constraints, "MAX_COMPARISONS", 99)
    authority = constrained(root, None, [DNS(f"{number}.example") for number in range(10)])
    leaf = leaf_named(authority, *(DNS(f"{number}.org") for number in range(9)))
    assert codes(leaf, root, authority) == ["constraints.name_unprocessed"]
    leaf = leaf_named(authority, *(DNS(f"{number}.org") for number in range(8)))
    assert codes(leaf, root, authority) == []


# -- which names are the same ------------------------------------------------------------------


def of(*values: str, kind: _ASN1Type = _ASN1Type.UTF8String) -> names.Comparable:
    attributes = [x509.NameAttribute(NameOID.COMMON_NAME, value, kind) for value in values]
    return names.comparable(x509.Name(attributes))


def test_names_match_whatever_the_case_the_spaces_and_the_string_type():
    assert of("AC  Racine ", "b") == of(" ac racine", "B", kind=_ASN1Type.PrintableString)
    assert of("AC Racine") != of("ACRacine")
    assert of("a", "b") != of("b", "a")


LOOK_ALIKES = [  # of AC IGC-SANTE: letters, spaces and hyphens that only look the same
    "\u0410C IGC-SANTE",
    "\uff21C IGC-SANTE",
    "AC\u00a0IGC-SANTE",
    "AC IGC\u2011SANTE",
    "AC IGC-\u017fANTE",
    "AC IGC-SANTE\u200b",
    "AC\tIGC-SANTE",
]


@pytest.mark.parametrize("text", LOOK_ALIKES, ids=ascii)
def test_look_alikes_are_other_names(text):
    assert of(text) != of("AC IGC-SANTE")


def test_issuer_is_found_when_its_name_is_written_otherwise(root):
    issuing = root.authority("Some  CA", extensions=ca_extensions())
    leaf = certificate(
        name("leaf"), ec_key("leaf"), name("SOME ca"), issuing.key, extensions=leaf_extensions()
    )
    assert codes(leaf, root, issuing) == []

"""Lists with changed octets: never a good that isn't one, and never anything but a verdict."""

from __future__ import annotations

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given, settings
from hypothesis import strategies as st
from selfmade_pki import (
    AT,
    DAY,
    Authority,
    certificate,
    ec_key,
    leaf_extensions,
    name,
    revoked_entry,
    usages,
)

from igcsante.certs.anchors import TrustStore
from igcsante.certs.check import check
from igcsante.certs.load import load_crls
from igcsante.certs.verdict import Kind
from igcsante.certs.x509 import der
from igcsante.errors import IgcError

SERIAL = 0x1234
ROOT = Authority.root("MUTATED")
STORE = TrustStore((ROOT.certificate,))
LISTER = certificate(
    name("LISTER"),
    ec_key("lister"),
    ROOT.subject,
    ROOT.key,
    extensions=[(usages("crl_sign"), True)],
    serial=7,
)
MIDDLE = ROOT.authority("MIDDLE")
PLACE = [x509.UniformResourceIdentifier("http://pki.example/list.crl")]


def leaf(issuer, crl_issuer=None):
    point = x509.DistributionPoint(PLACE, None, None, crl_issuer)
    extensions = [*leaf_extensions(), (x509.CRLDistributionPoints([point]), False)]
    return issuer.leaf(serial=SERIAL, extensions=extensions)


def scope(indirect):
    value = x509.IssuingDistributionPoint(PLACE, None, False, False, None, indirect, False)
    return value, True


def reason(why):
    return x509.CRLReason(why), False


HELD = revoked_entry(SERIAL, AT - DAY, reason(x509.ReasonFlags.certificate_hold))
REMOVED = revoked_entry(SERIAL, AT - DAY, reason(x509.ReasonFlags.remove_from_crl))
NAMED = revoked_entry(
    SERIAL, AT - DAY, (x509.CertificateIssuer([x509.DirectoryName(MIDDLE.subject)]), True)
)
PLAIN_LEAF = leaf(ROOT)
LISTED_ELSEWHERE = leaf(MIDDLE, [x509.DirectoryName(LISTER.subject)])
COMPLETE = ROOT.crl([5, HELD], number=10, extensions=[scope(False)])
INDIRECT = Authority(LISTER.subject, ec_key("lister"), LISTER).crl(
    [5, NAMED, 6], extensions=[scope(True)]
)
DELTA = ROOT.crl(
    [REMOVED], number=11, extensions=[scope(False), (x509.DeltaCRLIndicator(10), True)]
)
ROOT_LIST = ROOT.crl(number=3)


def verdict(certificate_, *octets):
    crls = [crl for item in octets for crl in load_crls(item)]
    return check(certificate_, STORE, untrusted=[LISTER, MIDDLE.certificate], crls=crls, at=AT)


def changed(data, octets):
    octets = bytearray(octets)
    for _ in range(data.draw(st.integers(1, 3))):
        octets[data.draw(st.integers(0, len(octets) - 1))] = data.draw(st.integers(0, 255))
    return bytes(octets)


def test_unchanged_lists_say_what_they_should():
    assert verdict(PLAIN_LEAF, COMPLETE).kind is Kind.REVOKED
    assert verdict(LISTED_ELSEWHERE, INDIRECT, ROOT_LIST).kind is Kind.REVOKED
    assert verdict(PLAIN_LEAF, COMPLETE, DELTA).kind is Kind.GOOD


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_changed_complete_list_gives_no_good(data):
    octets = changed(data, COMPLETE)
    try:
        kind = verdict(PLAIN_LEAF, octets).kind
    except IgcError:
        return
    assert kind is (Kind.REVOKED if octets == COMPLETE else Kind.UNKNOWN)


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_changed_indirect_list_gives_no_good(data):
    octets = changed(data, INDIRECT)
    try:
        kind = verdict(LISTED_ELSEWHERE, octets, ROOT_LIST).kind
    except IgcError:
        return
    assert kind is (Kind.REVOKED if octets == INDIRECT else Kind.UNKNOWN)


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_changed_delta_list_lifts_nothing(data):
    octets = changed(data, DELTA)
    try:
        kind = verdict(PLAIN_LEAF, COMPLETE, octets).kind
    except IgcError:
        return
    assert kind is (Kind.GOOD if octets == DELTA else Kind.REVOKED)


def signed_anew(octets: bytes, key: ec.EllipticCurvePrivateKey, change) -> bytes:
    """What a CA could sign: the list with changed octets under a good signature."""
    to_be_signed, algorithm, _ = der.signed_part(octets)
    to_be_signed = change(to_be_signed)
    signature = key.sign(to_be_signed, ec.ECDSA(hashes.SHA256()))
    bits = der.encoded(der.BIT_STRING, b"\0" + signature)
    return der.encoded(der.SEQUENCE, to_be_signed + algorithm + bits)


LISTS = [
    (COMPLETE, ROOT.key, PLAIN_LEAF, ()),
    (INDIRECT, ec_key("lister"), LISTED_ELSEWHERE, (ROOT_LIST,)),
    (DELTA, ROOT.key, PLAIN_LEAF, (COMPLETE,)),
]


@pytest.mark.parametrize("which", range(3), ids=["complete", "indirect", "delta"])
@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_broken_list_that_is_signed_is_a_verdict_too(which, data):
    octets, key, certificate_, others = LISTS[which]
    broken = signed_anew(octets, key, lambda signed: changed(data, signed))
    try:
        found = verdict(certificate_, broken, *others)
    except IgcError:
        return
    assert found.kind in Kind
    assert found.kind is Kind.GOOD or found.reasons


def test_signing_anew_is_believed():
    """The test above reaches what is behind the signature."""
    same = signed_anew(COMPLETE, ROOT.key, lambda signed: signed)
    assert same != COMPLETE and verdict(PLAIN_LEAF, same).kind is Kind.REVOKED
    off_the_list = signed_anew(
        COMPLETE, ROOT.key, lambda signed: signed.replace(b"\x02\x02\x12\x34", b"\x02\x02\x12\x35")
    )
    assert verdict(PLAIN_LEAF, off_the_list).kind is Kind.GOOD

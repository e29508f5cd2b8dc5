"""Chains: how issuers are found, and everything that makes one invalid."""

from __future__ import annotations

import datetime as dt

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from hypothesis import given, settings
from hypothesis import strategies as st
from selfmade_pki import (
    AT,
    DAY,
    END,
    START,
    Authority,
    ca_extensions,
    certificate,
    ec_key,
    leaf_extensions,
    name,
    rsa_key,
    unknown_extension,
    usages,
)

from igcsante.certs import profile
from igcsante.certs.anchors import TrustStore
from igcsante.certs.chain import build_chain
from igcsante.certs.check import check
from igcsante.certs.load import load_certificates
from igcsante.certs.policy import PathPolicy, Policy
from igcsante.certs.verdict import Kind
from igcsante.certs.x509.signatures import AlgorithmPolicy, is_self_signed
from igcsante.errors import IgcError


def codes(chain) -> list[str]:
    return sorted(reason.code for reason in chain.reasons)


def chain_of(leaf, *authorities: Authority, at: dt.datetime = AT, **options):
    """Build a chain when exactly these authorities are known."""
    known = TrustStore.from_certificates(authority.certificate for authority in authorities)
    return build_chain(leaf, known, at=at, **options)


# -- finding the way ---------------------------------------------------------------------------


def test_chain_runs_from_the_leaf_to_the_root(root, issuing, store):
    leaf = issuing.leaf()
    chain = build_chain(leaf, store, at=AT)
    assert chain.valid and chain.certificates == (leaf, issuing.certificate, root.certificate)


def test_rsa_chain_is_valid_like_an_ecdsa_one():
    key = rsa_key("load")
    root = Authority.root("RSA ROOT", key=key)
    assert chain_of(root.leaf(key=key), root).valid


def test_rsa_pss_signatures_are_verified():
    key = rsa_key("load")
    root = Authority.root("PSS ROOT", key=key)
    pss = padding.PSS(padding.MGF1(hashes.SHA256()), 32)
    builder = (
        x509.CertificateBuilder()
        .subject_name(name("pss"))
        .issuer_name(root.subject)
        .public_key(key.public_key())
        .serial_number(7)
        .not_valid_before(START)
        .not_valid_after(END)
    )
    leaf = builder.sign(key, hashes.SHA256(), rsa_padding=pss)
    assert chain_of(leaf, root).valid


def test_intermediates_may_come_from_the_peer_but_never_roots(root, issuing):
    leaf = issuing.leaf()
    only_root = TrustStore.from_certificates([root.certificate])
    assert build_chain(leaf, only_root, [issuing.certificate], at=AT).valid
    stranger = TrustStore.from_certificates([Authority.root("OTHER").certificate])
    chain = build_chain(leaf, stranger, [issuing.certificate, root.certificate], at=AT)
    assert codes(chain) == ["chain.untrusted"]


def test_intermediate_alone_is_no_anchor(issuing):
    assert codes(chain_of(issuing.leaf(), issuing)) == ["chain.issuer_missing"]


def test_same_common_name_under_another_organisation_is_another_ca(root, issuing):
    twin = Authority.root(subject=name("ISSUING", "SOMEBODY ELSE"), key=issuing.key)
    chain = chain_of(issuing.leaf(), root, twin)
    assert codes(chain) == ["chain.issuer_missing"]


def test_namesake_with_another_key_is_passed_over(root, issuing, store):
    """A re-keyed CA: same name, the key identifier tells which."""
    old = root.authority("ISSUING", key=ec_key("OLD ISSUING"))
    for order in ((old, issuing), (issuing, old)):
        assert chain_of(issuing.leaf(), root, *order).valid
        assert chain_of(old.leaf(), root, *order).valid
    missing = chain_of(old.leaf(), root, issuing)
    assert codes(missing) == ["chain.issuer_missing"]
    assert "with another key" in str(missing.reasons[0])


def test_without_key_identifiers_every_namesake_is_tried(root):
    old = root.authority("ISSUING", key=ec_key("OLD ISSUING"), key_ids=False)
    new = root.authority("ISSUING", key=ec_key("ISSUING"), key_ids=False)
    for order in ((old, new), (new, old)):
        for authority in order:
            assert chain_of(authority.leaf(key_ids=False), root, *order).valid


def test_cross_certificates_in_a_loop_end():
    one, two = Authority.root("ONE"), Authority.root("TWO")
    one_by_two = two.authority("ONE", key=one.key, extensions=ca_extensions())
    two_by_one = one.authority("TWO", key=two.key, extensions=ca_extensions())
    chain = chain_of(one.leaf(), one_by_two, two_by_one)
    assert "chain.issuer_missing" in codes(chain) or "chain.too_long" in codes(chain)
    assert chain_of(one.leaf(), one_by_two, two_by_one, two).valid


def test_hostile_mesh_of_namesakes_is_bounded(root):
    mesh = [
        certificate(name("M"), ec_key("M"), name("M"), ec_key("M2"), key_ids=False, serial=n + 1)
        for n in range(40)
    ]
    leaf = certificate(name("leaf"), ec_key("leaf"), name("M"), ec_key("M"), key_ids=False)
    store = TrustStore.from_certificates([root.certificate])
    assert not build_chain(leaf, store, mesh, at=AT).valid


def test_chain_longer_than_the_policy_allows_is_invalid():
    authority = top = Authority.root("TOP")
    known = [top]
    for level in range(4):
        authority = authority.authority(f"L{level}", extensions=ca_extensions())
        known.append(authority)
    leaf = authority.leaf()
    assert chain_of(leaf, *known).valid
    short = chain_of(leaf, *known, policy=Policy(path=PathPolicy(max_length=5)))
    assert codes(short) == ["chain.too_long"]
    assert chain_of(leaf, *known, policy=Policy(path=PathPolicy(max_length=6))).valid


def test_anchor_checks_itself(root, store):
    chain = build_chain(root.certificate, store, at=AT)
    assert chain.valid and chain.certificates == (root.certificate,)


def test_self_signed_stranger_is_untrusted(store):
    stranger = Authority.root("STRANGER")
    assert codes(build_chain(stranger.certificate, store, at=AT)) == ["chain.untrusted"]


def test_self_issued_but_not_self_signed_is_no_root(root):
    fake = certificate(root.subject, ec_key("fake"), root.subject, root.key)
    assert not is_self_signed(fake) and is_self_signed(root.certificate)
    assert TrustStore.from_certificates([fake]).roots == ()


def test_untrusted_copy_of_an_anchors_name_does_not_make_a_leaf_valid(root):
    """Same name, same key identifier, another key."""
    fake = certificate(
        root.subject,
        ec_key("fake"),
        root.subject,
        ec_key("fake"),
        extensions=[*ca_extensions()],
        key_ids=False,
    )
    forged = certificate(
        name("victim"), ec_key("leaf"), root.subject, ec_key("fake"),
        extensions=leaf_extensions(), key_ids=False,
    )  # fmt: skip
    chain = build_chain(forged, TrustStore((root.certificate,)), [fake], at=AT)
    assert not chain.valid and "signature.bad" in codes(chain)


# -- what makes it invalid ---------------------------------------------------------------------


def test_validity_is_that_of_the_time_asked(store, issuing):
    leaf = issuing.leaf(not_before=AT, not_after=AT + DAY)
    second = dt.timedelta(seconds=1)
    assert codes(build_chain(leaf, store, at=AT - second)) == ["validity.not_yet"]
    assert build_chain(leaf, store, at=AT).valid
    assert build_chain(leaf, store, at=AT + DAY).valid
    assert codes(build_chain(leaf, store, at=AT + DAY + second)) == ["validity.expired"]


def test_expired_intermediate_makes_the_chain_invalid(root):
    issuing = root.authority("SHORT", not_after=AT - DAY)
    assert codes(chain_of(issuing.leaf(), root, issuing)) == ["validity.expired"]


@pytest.mark.parametrize("offset", [5, 100, 300, -1, -20])
def test_one_changed_bit_is_never_valid(store, issuing, offset):
    octets = bytearray(issuing.leaf().public_bytes(Encoding.DER))
    octets[offset] ^= 1
    try:
        altered = x509.load_der_x509_certificate(bytes(octets))
    except ValueError:
        return
    assert not build_chain(altered, store, at=AT).valid


def test_signature_algorithm_stated_outside_must_be_the_signed_one(store, issuing):
    octets = issuing.leaf().public_bytes(Encoding.DER)
    sha256, sha384 = bytes.fromhex("2a8648ce3d040302"), bytes.fromhex("2a8648ce3d040303")
    end = octets.rindex(sha256)
    swapped = octets[:end] + sha384 + octets[end + len(sha384) :]
    altered = x509.load_der_x509_certificate(swapped)
    chain = build_chain(altered, store, at=AT)
    assert codes(chain) == ["signature.bad"]
    assert "not the one stated outside" in str(chain.reasons[0])


AUTHORITY_FAULTS = {
    "constraints.not_ca": ca_extensions(ca=False),
    "usage.cert_sign": ca_extensions(usage=usages("crl_sign")),
    "extension.unprocessed": [*ca_extensions(), unknown_extension(critical=True)],
}


@pytest.mark.parametrize("code", AUTHORITY_FAULTS)
def test_faulty_authority_makes_the_chain_invalid(root, code):
    issuing = root.authority("FAULTY", extensions=AUTHORITY_FAULTS[code])
    assert codes(chain_of(issuing.leaf(), root, issuing)) == [code]


def test_authority_without_basic_constraints_is_none(root):
    issuing = root.authority("BARE", extensions=[])
    assert codes(chain_of(issuing.leaf(), root, issuing)) == ["constraints.not_ca"]


def test_path_length_counts_authorities_but_not_self_issued_ones(root):
    zero = root.authority("ZERO", extensions=ca_extensions(0))
    below = zero.authority("BELOW", extensions=ca_extensions())
    assert codes(chain_of(below.leaf(), root, zero, below)) == ["constraints.path_length"]
    self_issued = zero.authority("ZERO", key=ec_key("NEW ZERO"), extensions=ca_extensions())
    assert chain_of(self_issued.leaf(), root, zero, self_issued).valid


def test_restrictions_of_the_anchors_own_certificate_hold():
    constraints = x509.NameConstraints(None, [x509.DirectoryName(name("leaf"))])
    demand = x509.PolicyConstraints(0, None)
    for extension, code in (
        (constraints, "constraints.name_excluded"),
        (demand, "policy.none_valid"),
    ):
        top = Authority.root("RESTRICTED", extensions=[*ca_extensions(), (extension, True)])
        assert codes(chain_of(top.leaf(), top)) == [code]


def test_critical_unknown_extension_of_a_leaf_is_refused_and_others_pass(store, issuing):
    for critical in (True, False):
        extensions = [*leaf_extensions(), unknown_extension(critical)]
        chain = build_chain(issuing.leaf(extensions=extensions), store, at=AT)
        assert codes(chain) == (["extension.unprocessed"] if critical else [])


def test_every_reason_is_told(root):
    issuing = root.authority("BAD", extensions=ca_extensions(ca=False), not_after=AT - DAY)
    leaf = issuing.leaf(
        not_before=AT + DAY, extensions=[unknown_extension(critical=True)], key=ec_key("leaf")
    )
    assert codes(chain_of(leaf, root, issuing)) == [
        "constraints.not_ca",
        "extension.unprocessed",
        "validity.expired",
        "validity.not_yet",
    ]


def test_the_least_wrong_of_several_chains_is_told(root):
    expired = root.authority("TWICE", key=ec_key("TWICE"), not_after=AT - DAY)
    worse = root.authority(
        "TWICE", key=ec_key("TWICE"), not_after=AT - DAY, extensions=ca_extensions(ca=False)
    )
    for order in ((expired, worse), (worse, expired)):
        chain = chain_of(expired.leaf(), root, *order)
        assert codes(chain) == ["validity.expired"]


# -- algorithms ----------------------------------------------------------------------------------


def test_small_rsa_keys_are_refused_unless_legacy_is_asked(root):
    leaf = root.leaf(key=rsa_key("small", 1024))
    assert codes(chain_of(leaf, root)) == ["algorithm.weak"]
    assert chain_of(leaf, root, policy=Policy(algorithms=AlgorithmPolicy(legacy=True))).valid


def test_sha1_and_md5_are_refused_unless_legacy_is_asked():
    """A fresh SHA-1 signature can't be made with cryptography: see also test_certs_real."""
    strict, legacy = AlgorithmPolicy(), AlgorithmPolicy(legacy=True)
    sha1, md5 = hashes.SHA1(), hashes.MD5()  # noqa: S303
    assert "SHA1" in (strict.hash_weakness(sha1) or "")
    assert legacy.hash_weakness(sha1) is None
    assert legacy.hash_weakness(md5) is not None
    assert strict.hash_weakness(None) is not None


def test_keys_of_other_kinds_are_refused(root):
    for key in (ed25519.Ed25519PrivateKey.generate(), ec.generate_private_key(ec.SECP192R1())):
        assert codes(chain_of(root.leaf(key=key), root)) == ["algorithm.weak"]


# -- profile of an IGC-Santé leaf ----------------------------------------------------------------


@pytest.fixture(scope="module")
def ans_like():
    """A root that bears an IGC-Santé TEST issuer's shape, with a name of ours."""
    attributes = [
        (NameOID.COUNTRY_NAME, "FR"),
        (NameOID.ORGANIZATION_NAME, "ASIP-SANTE"),
        (NameOID.ORGANIZATIONAL_UNIT_NAME, "IGC-SANTE TEST"),
        (NameOID.COMMON_NAME, "SIMULATION"),
    ]
    subject = x509.Name([x509.NameAttribute(oid, value) for oid, value in attributes])
    return Authority.root(subject=subject)


def test_leaf_that_contradicts_its_profile_is_invalid(ans_like):
    def category(value):
        oid = x509.ObjectIdentifier("1.2.250.1.71.1.2.5")
        return x509.UnrecognizedExtension(oid, bytes((4, 1, value))), False

    good = ans_like.leaf(extensions=[*leaf_extensions(), category(0x83)])
    assert chain_of(good, ans_like).valid
    production = ans_like.leaf(extensions=[*leaf_extensions(), category(0x03)])
    assert codes(chain_of(production, ans_like)) == ["profile.conflict"]
    aimless = ans_like.leaf(extensions=[(usages("key_agreement"), True), category(0x83)])
    assert codes(chain_of(aimless, ans_like)) == ["profile.conflict"]


# -- properties ------------------------------------------------------------------------------------

SUBJECT_ROOT = Authority.root("MUTATION ROOT")
SUBJECT_LEAF = SUBJECT_ROOT.leaf(serial=0x1234)
SUBJECT_STORE = TrustStore((SUBJECT_ROOT.certificate,))


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_no_changed_certificate_has_a_valid_chain(data):
    original = SUBJECT_LEAF.public_bytes(Encoding.DER)
    octets = bytearray(original)
    for _ in range(data.draw(st.integers(1, 3))):
        octets[data.draw(st.integers(0, len(octets) - 1))] = data.draw(st.integers(0, 255))
    try:
        (changed,) = load_certificates(bytes(octets))
    except IgcError:
        return
    verdict = check(changed, SUBJECT_STORE, at=AT)
    assert (verdict.kind is not Kind.INVALID) == (changed == SUBJECT_LEAF)
    assert verdict.to_dict()


def test_signature_with_unused_bits_is_refused():
    """Bits that no signature covers would give one certificate many digests."""
    leaves = (SUBJECT_ROOT.leaf() for _ in range(64))
    leaf = next(leaf for leaf in leaves if leaf.signature[-1] & 1 == 0)
    octets = leaf.public_bytes(Encoding.DER)
    unused = len(octets) - len(leaf.signature) - 1
    assert octets[unused] == 0
    (changed,) = load_certificates(octets[:unused] + b"\x01" + octets[unused + 1 :])
    assert check(leaf, SUBJECT_STORE, at=AT).kind is not Kind.INVALID
    assert check(changed, SUBJECT_STORE, at=AT).kind is Kind.INVALID


def test_serial_number_that_is_not_positive_is_told_not_a_crash():
    octets = SUBJECT_LEAF.public_bytes(Encoding.DER)
    negative = octets.replace(b"\x02\x02\x12\x34", b"\x02\x02\x92\x34")
    (certificate,) = load_certificates(negative)
    assert "the serial number is not positive" in profile.decode(certificate).warnings
    assert check(certificate, SUBJECT_STORE, at=AT).to_dict()["exit_code"] == 6

"""Which lists tell of which certificates (RFC 5280 §6.3.3 b to e): each rule, and a near miss."""

from __future__ import annotations

import pytest
from cryptography import x509
from cryptography.x509 import ReasonFlags as Reason
from cryptography.x509.oid import NameOID
from selfmade_pki import (
    AT,
    DAY,
    Authority,
    ca_extensions,
    certificate,
    ec_key,
    leaf_extensions,
    name,
    revoked_entry,
    rsa_key,
    unknown_extension,
    usages,
)

from igcsante.certs.anchors import TrustStore
from igcsante.certs.check import check
from igcsante.certs.crl.scope import ALL_REASONS
from igcsante.certs.load import load_crls
from igcsante.certs.policy import Policy, Requirement, RevocationPolicy
from igcsante.certs.revocation import CrlSource
from igcsante.certs.verdict import Kind
from igcsante.certs.x509.signatures import AlgorithmPolicy

SERIAL = 0x1234
HERE, THERE = "http://pki.example/here.crl", "http://pki.example/there.crl"


def uri(url):
    return x509.UniformResourceIdentifier(url)


def directory(subject):
    return x509.DirectoryName(subject)


def relative(common_name):
    attribute = x509.NameAttribute(NameOID.COMMON_NAME, common_name)
    return x509.RelativeDistinguishedName([attribute])


def below(base, common_name):
    return x509.Name([*base.rdns, relative(common_name)])


def point(full=None, rdn=None, reasons=None, issuer=None):
    reasons = frozenset(reasons) if reasons is not None else None
    return x509.DistributionPoint(full, rdn, reasons, issuer)


def idp(
    full=None, rdn=None, users=False, cas=False, reasons=None, indirect=False, attributes=False
):
    reasons = frozenset(reasons) if reasons is not None else None
    value = x509.IssuingDistributionPoint(full, rdn, users, cas, reasons, indirect, attributes)
    return value, True


def leaf_with(issuing, *points, serial=SERIAL, **options):
    extensions = leaf_extensions()
    if points:
        extensions.append((x509.CRLDistributionPoints(points), False))
    return issuing.leaf(serial=serial, extensions=extensions, **options)


@pytest.fixture(scope="module")
def root_list(root):
    return root.crl()


@pytest.fixture
def told(store, root_list):
    def told(leaf, *octets, **options):
        crls = [crl for item in (*octets, root_list) for crl in load_crls(item)]
        return check(leaf, store, crls=crls, at=AT, **options)

    return told


def codes(verdict):
    return [reason.code for reason in verdict.reasons]


# -- distribution points -------------------------------------------------------------------------


def test_list_for_the_point_of_the_certificate_tells(issuing, told):
    leaf = leaf_with(issuing, point([uri(HERE)]))
    assert told(leaf, issuing.crl(extensions=[idp([uri(HERE)])])).kind is Kind.GOOD
    assert told(leaf, issuing.crl([SERIAL], extensions=[idp([uri(HERE)])])).kind is Kind.REVOKED
    several = idp([uri("http://else.example/"), uri(HERE)])
    assert told(leaf, issuing.crl(extensions=[several])).kind is Kind.GOOD


def test_list_for_another_point_tells_nothing(issuing, told):
    leaf = leaf_with(issuing, point([uri(HERE)]))
    verdict = told(leaf, issuing.crl(extensions=[idp([uri(THERE)])]))
    assert verdict.kind is Kind.UNKNOWN and codes(verdict) == ["revocation.crl_unusable"]
    assert "distribution point is none of the certificate's" in str(verdict.reasons[0])
    # neither for a certificate without points
    assert told(leaf_with(issuing), issuing.crl(extensions=[idp([uri(HERE)])])).kind is Kind.UNKNOWN


def test_partitions_are_told_apart(issuing, told):
    """The list of the other partition names nobody of this one, and the reverse."""
    here = issuing.crl([SERIAL], extensions=[idp([uri(HERE)])], this_update=AT - 2 * DAY)
    there = issuing.crl(extensions=[idp([uri(THERE)])], this_update=AT - DAY)
    leaf = leaf_with(issuing, point([uri(HERE)]))
    for order in ((here, there), (there, here)):
        assert told(leaf, *order).kind is Kind.REVOKED
    other = leaf_with(issuing, point([uri(THERE)]), serial=77)
    assert told(other, here, there).kind is Kind.GOOD
    assert told(other, here).kind is Kind.UNKNOWN


def test_list_without_a_scope_tells_of_every_point(issuing, told):
    leaf = leaf_with(issuing, point([uri(HERE)]))
    assert told(leaf, issuing.crl()).kind is Kind.GOOD
    assert told(leaf, issuing.crl([SERIAL])).kind is Kind.REVOKED


def test_relative_names_are_those_below_the_issuer(issuing, told):
    leaf = leaf_with(issuing, point(rdn=relative("part 1")))
    full = idp([directory(below(issuing.subject, "part 1"))])
    for same in (idp(rdn=relative("part 1")), full):
        assert told(leaf, issuing.crl(extensions=[same])).kind is Kind.GOOD
        assert told(leaf, issuing.crl([SERIAL], extensions=[same])).kind is Kind.REVOKED
    elsewhere = idp([directory(below(name("ELSEWHERE"), "part 1"))])
    for other in (idp(rdn=relative("part 2")), elsewhere):
        assert told(leaf, issuing.crl(extensions=[other])).kind is Kind.UNKNOWN
    full_in_leaf = leaf_with(issuing, point([directory(below(issuing.subject, "part 1"))]))
    verdict = told(full_in_leaf, issuing.crl(extensions=[idp(rdn=relative("part 1"))]))
    assert verdict.kind is Kind.GOOD


def test_directory_names_match_as_names_do(issuing, told):
    leaf = leaf_with(issuing, point([directory(name("part  ONE"))]))
    verdict = told(leaf, issuing.crl(extensions=[idp([directory(name("Part One"))])]))
    assert verdict.kind is Kind.GOOD


# -- kinds of certificates -----------------------------------------------------------------------


def test_lists_for_users_and_for_authorities_are_told_apart(issuing, told, store, root):
    leaf = leaf_with(issuing)
    users, cas = idp(users=True), idp(cas=True)
    assert told(leaf, issuing.crl(extensions=[users])).kind is Kind.GOOD
    assert told(leaf, issuing.crl([SERIAL], extensions=[users])).kind is Kind.REVOKED
    assert told(leaf, issuing.crl(extensions=[cas])).kind is Kind.UNKNOWN

    def of_the_authority(extension):
        crls = [*load_crls(issuing.crl()), *load_crls(root.crl(extensions=[extension]))]
        return check(leaf, store, crls=crls, at=AT)

    assert of_the_authority(cas).kind is Kind.GOOD
    verdict = of_the_authority(users)
    assert verdict.kind is Kind.UNKNOWN and "not for CA" in str(verdict.reasons[0])


def test_list_of_attribute_certificates_never_tells(issuing, told):
    verdict = told(leaf_with(issuing), issuing.crl(extensions=[idp(attributes=True)]))
    assert verdict.kind is Kind.UNKNOWN and "attribute certificates" in str(verdict.reasons[0])


# -- reasons ---------------------------------------------------------------------------------------

COMPROMISES = {Reason.key_compromise, Reason.ca_compromise, Reason.aa_compromise}
OTHERS = ALL_REASONS - COMPROMISES


def test_reasons_of_several_lists_add_up(issuing, told):
    leaf = leaf_with(issuing)
    some, rest = idp(reasons=COMPROMISES), idp(reasons=OTHERS)
    first, second = issuing.crl(extensions=[some]), issuing.crl(extensions=[rest])
    assert told(leaf, first, second).kind is Kind.GOOD
    for partial in (first, second):
        verdict = told(leaf, partial)
        assert verdict.kind is Kind.UNKNOWN
        assert codes(verdict) == ["revocation.reasons_uncovered"]
    entry = revoked_entry(SERIAL, AT - DAY, (x509.CRLReason(Reason.superseded), False))
    listed = issuing.crl([entry], extensions=[rest])
    for others in ((), (first,)):
        assert told(leaf, listed, *others).kind is Kind.REVOKED


def test_one_missing_reason_is_missing(issuing, told):
    almost = idp(reasons=ALL_REASONS - {Reason.certificate_hold})
    verdict = told(leaf_with(issuing), issuing.crl(extensions=[almost]))
    assert verdict.kind is Kind.UNKNOWN and "certificateHold" in str(verdict.reasons[0])
    assert told(leaf_with(issuing), issuing.crl(extensions=[idp(reasons=ALL_REASONS)])).kind is (
        Kind.GOOD
    )


def test_reasons_of_the_points_count_too(issuing, told):
    """§6.3.3 (d): of what the list tells, only what the point is for."""
    here, there = idp([uri(HERE)]), idp([uri(THERE)])
    leaf = leaf_with(
        issuing, point([uri(HERE)], reasons=COMPROMISES), point([uri(THERE)], reasons=OTHERS)
    )
    first, second = issuing.crl(extensions=[here]), issuing.crl(extensions=[there])
    assert told(leaf, first, second).kind is Kind.GOOD
    assert told(leaf, first).kind is told(leaf, second).kind is Kind.UNKNOWN
    wrong = issuing.crl(extensions=[idp([uri(THERE)], reasons=COMPROMISES)])
    assert told(leaf, first, wrong).kind is Kind.UNKNOWN
    assert told(leaf, first, issuing.crl([SERIAL], extensions=[there])).kind is Kind.REVOKED


def test_one_list_under_two_points_has_the_reasons_of_both(issuing, told):
    both = idp([uri(HERE), uri(THERE)])
    leaf = leaf_with(
        issuing, point([uri(HERE)], reasons=COMPROMISES), point([uri(THERE)], reasons=OTHERS)
    )
    assert told(leaf, issuing.crl(extensions=[both])).kind is Kind.GOOD


def test_outdated_part_makes_the_whole_stale(issuing, told):
    leaf = leaf_with(issuing)
    fresh = issuing.crl(extensions=[idp(reasons=COMPROMISES)])
    outdated = issuing.crl(
        extensions=[idp(reasons=OTHERS)], this_update=AT - 9 * DAY, next_update=AT - DAY
    )
    verdict = told(leaf, fresh, outdated)
    assert verdict.kind is Kind.STALE and codes(verdict) == ["revocation.stale"]
    assert len(verdict.statuses[0].evidence) == 2


# -- indirect lists ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def lister(root):
    """Who issues lists for others: no CA, under the same root."""
    subject = name("LISTER")
    made = certificate(
        subject, ec_key("lister"), root.subject, root.key, extensions=[(usages("crl_sign"), True)]
    )
    return Authority(subject, ec_key("lister"), made)


@pytest.fixture(scope="module")
def listed_elsewhere(issuing, lister):
    return leaf_with(issuing, point([uri(HERE)], issuer=[directory(lister.subject)]))


def naming(issuer, serial=SERIAL, date=AT - DAY):
    return revoked_entry(serial, date, (x509.CertificateIssuer([directory(issuer)]), True))


INDIRECT = idp([uri(HERE)], indirect=True)


def test_indirect_list_tells_of_the_issuers_that_it_names(issuing, lister, listed_elsewhere, told):
    extra = {"untrusted": [lister.certificate]}
    empty = lister.crl(extensions=[INDIRECT])
    assert told(listed_elsewhere, empty, **extra).kind is Kind.GOOD
    listed = lister.crl([naming(issuing.subject)], extensions=[INDIRECT])
    assert told(listed_elsewhere, listed, **extra).kind is Kind.REVOKED


def test_entry_of_an_indirect_list_is_of_the_issuer_named_last(
    issuing, lister, listed_elsewhere, told
):
    """§5.3.3: the CRL's own, until one is named; then that one, until the next."""
    extra = {"untrusted": [lister.certificate]}

    def of(*entries):
        return told(listed_elsewhere, lister.crl(entries, extensions=[INDIRECT]), **extra).kind

    plain = revoked_entry(SERIAL)
    assert of(plain) is Kind.GOOD  # the lister's own serial
    assert of(plain, naming(issuing.subject, 5)) is Kind.GOOD
    assert of(naming(issuing.subject, 5), plain) is Kind.REVOKED
    assert of(naming(issuing.subject, 5), naming(name("OTHER"), 6), plain) is Kind.GOOD
    assert of(naming(name("OTHER"), 6), naming(issuing.subject, 5), plain) is Kind.REVOKED


def test_indirect_list_needs_its_certificate_and_its_authorisation(
    issuing, lister, listed_elsewhere, told, root
):
    extra = {"untrusted": [lister.certificate]}
    indirect = lister.crl(extensions=[INDIRECT])
    assert told(listed_elsewhere, indirect).kind is Kind.UNKNOWN
    # the certificate does not name the lister
    for points in ((), (point([uri(HERE)]),), (point(issuer=[directory(name("OTHER"))]),)):
        leaf = leaf_with(issuing, *points)
        assert told(leaf, indirect, **extra).kind is Kind.UNKNOWN
    # the list is not flagged as indirect, or is for another point
    for extension in (idp([uri(HERE)]), idp([uri(THERE)], indirect=True)):
        listing = lister.crl(extensions=[extension])
        assert told(listed_elsewhere, listing, **extra).kind is Kind.UNKNOWN
    assert told(listed_elsewhere, lister.crl(), **extra).kind is Kind.UNKNOWN


def test_revocation_in_either_list_is_one(issuing, lister, listed_elsewhere, told):
    """The issuer's own list, without a scope, tells of all its certificates (§6.3.3, end)."""
    extra = {"untrusted": [lister.certificate]}
    indirect = lister.crl(extensions=[INDIRECT])
    assert told(listed_elsewhere, issuing.crl(), **extra).kind is Kind.GOOD
    assert told(listed_elsewhere, issuing.crl([SERIAL]), indirect, **extra).kind is Kind.REVOKED
    for this_update in (AT - DAY / 2, AT - 2 * DAY):
        entries = [naming(issuing.subject)]
        listed = lister.crl(entries, extensions=[INDIRECT], this_update=this_update)
        assert told(listed_elsewhere, issuing.crl(), listed, **extra).kind is Kind.REVOKED


def test_point_that_only_names_an_issuer_matches_by_that_name(issuing, lister, told):
    extra = {"untrusted": [lister.certificate]}
    leaf = leaf_with(issuing, point(issuer=[directory(lister.subject)]))
    named = idp([directory(lister.subject)], indirect=True)
    assert told(leaf, lister.crl(extensions=[named]), **extra).kind is Kind.GOOD
    other = idp([directory(name("OTHER"))], indirect=True)
    assert told(leaf, lister.crl(extensions=[other]), **extra).kind is Kind.UNKNOWN
    anywhere = idp(indirect=True)
    assert told(leaf, lister.crl(extensions=[anywhere]), **extra).kind is Kind.GOOD


def test_lister_of_another_anchor_is_not_believed(issuing, store, root_list, lister):
    """§6.3.3 (f): the anchor is that of the certificate."""
    elsewhere = Authority.root("ELSEWHERE")
    twin = certificate(
        lister.subject,
        ec_key("twin"),
        elsewhere.subject,
        elsewhere.key,
        extensions=[(usages("crl_sign"), True)],
    )
    leaf = leaf_with(issuing, point([uri(HERE)], issuer=[directory(lister.subject)]))
    listing = lister.crl(extensions=[INDIRECT], key=ec_key("twin"))
    both = store + TrustStore((elsewhere.certificate,))
    crls = [*load_crls(listing), *load_crls(root_list), *load_crls(elsewhere.crl())]
    verdict = check(leaf, both, untrusted=[twin], crls=crls, at=AT)
    assert verdict.kind is Kind.UNKNOWN and "no valid chain" in str(verdict.reasons[0])


def test_lister_that_is_revoked_is_not_believed(issuing, store, root, lister, listed_elsewhere):
    def told(root_octets):
        crls = [*load_crls(lister.crl(extensions=[INDIRECT])), *load_crls(root_octets)]
        return check(listed_elsewhere, store, untrusted=[lister.certificate], crls=crls, at=AT)

    assert told(root.crl()).kind is Kind.GOOD
    verdict = told(root.crl([lister.certificate.serial_number]))
    assert verdict.kind is Kind.UNKNOWN and "is revoked" in str(verdict.reasons[0])
    outdated = root.crl(this_update=AT - 9 * DAY, next_update=AT - DAY)
    assert told(outdated).kind is Kind.UNKNOWN


def test_direct_list_that_names_another_issuer_is_refused(issuing, told):
    listing = issuing.crl([naming(name("OTHER"))])
    verdict = told(leaf_with(issuing), listing)
    assert verdict.kind is Kind.UNKNOWN and "2.5.29.29" in str(verdict.reasons[0])


def test_critical_extensions_of_indirect_entries_are_not_passed_over(
    issuing, lister, listed_elsewhere, told
):
    entry = revoked_entry(
        5,
        AT - DAY,
        (x509.CertificateIssuer([directory(issuing.subject)]), True),
        unknown_extension(critical=True),
    )
    nameless = revoked_entry(5, AT - DAY, (x509.CertificateIssuer([uri(HERE)]), True))
    for bad in (entry, nameless):
        listing = lister.crl([bad], extensions=[INDIRECT])
        verdict = told(listed_elsewhere, listing, untrusted=[lister.certificate])
        assert verdict.kind is Kind.UNKNOWN and codes(verdict)[0] == "revocation.crl_unusable"


# -- keys kept for lists -------------------------------------------------------------------------


def crl_signer(issuer: Authority, subject, label="crl key", **options):
    return certificate(
        subject,
        ec_key(label),
        issuer.subject,
        issuer.key,
        extensions=[(usages("crl_sign"), True)],
        **options,
    )


def test_legacy_pair_of_keys_is_believed_though_its_lists_vouch_for_their_own_key():
    """pki.md §1.3: one name, a key for certificates, a self-issued one for lists."""
    legacy = Authority.root("LEGACY", extensions=ca_extensions(usage=usages("key_cert_sign")))
    signer = crl_signer(legacy, legacy.subject)
    leaf = legacy.leaf(serial=SERIAL)
    store = TrustStore((legacy.certificate,))

    def told(*octets):
        crls = [crl for item in octets for crl in load_crls(item)]
        return check(leaf, store, untrusted=[signer], crls=crls, at=AT).kind

    key = ec_key("crl key")
    assert told(legacy.crl(key=key)) is Kind.GOOD
    assert told(legacy.crl([SERIAL], key=key)) is Kind.REVOKED
    assert told(legacy.crl()) is Kind.UNKNOWN  # that key may not sign lists
    # its own list says that the key is revoked
    assert told(legacy.crl([signer.serial_number], key=key)) is Kind.UNKNOWN


def test_two_keys_that_vouch_for_each_other_end_somewhere(root):
    signers = [crl_signer(root, root.subject, label) for label in ("one", "two", "three")]
    leaf = root.leaf(serial=SERIAL)
    store = TrustStore((root.certificate,))
    crls = [
        crl for label in ("one", "two", "three") for crl in load_crls(root.crl(key=ec_key(label)))
    ]
    verdict = check(leaf, store, untrusted=signers, crls=crls, at=AT)
    assert verdict.kind in (Kind.GOOD, Kind.UNKNOWN)
    revoking = load_crls(root.crl([SERIAL], this_update=AT - DAY / 2, key=ec_key("one")))
    verdict = check(leaf, store, untrusted=signers, crls=[*crls, *revoking], at=AT)
    assert verdict.kind is not Kind.GOOD


def test_expired_key_kept_for_lists_is_not_believed(issuing, root, store, root_list):
    signer = crl_signer(root, issuing.subject, not_after=AT - DAY)
    crls = [*load_crls(issuing.crl(key=ec_key("crl key"))), *load_crls(root_list)]
    verdict = check(issuing.leaf(), store, untrusted=[signer], crls=crls, at=AT)
    assert verdict.kind is Kind.UNKNOWN and "no valid chain" in str(verdict.reasons[0])


def test_key_kept_for_lists_needs_as_much_proof_as_an_authority(issuing, root, store):
    signer = crl_signer(root, issuing.subject)
    listing = issuing.crl(key=ec_key("crl key"))
    leaf = issuing.leaf(serial=SERIAL)

    def told(requirement, *octets):
        policy = Policy(revocation=RevocationPolicy(cas=requirement))
        crls = [crl for item in (listing, *octets) for crl in load_crls(item)]
        source = CrlSource(crls, store, [signer], policy)
        return source.status(leaf, issuing.certificate, AT).kind

    for requirement in Requirement:
        assert told(requirement, root.crl()) is Kind.GOOD
    revoked = root.crl([signer.serial_number])
    for requirement, without, against in (
        (Requirement.REQUIRE, Kind.UNKNOWN, Kind.UNKNOWN),
        (Requirement.PREFER, Kind.GOOD, Kind.UNKNOWN),
        (Requirement.OFF, Kind.GOOD, Kind.GOOD),
    ):
        assert told(requirement) is without
        assert told(requirement, revoked) is against


def test_many_keys_that_vouch_for_each_other_cost_a_bounded_search(root):
    labels = [f"key {number}" for number in range(5)]
    signers = [crl_signer(root, root.subject, label) for label in labels]
    crls = [crl for label in labels for crl in load_crls(root.crl(key=ec_key(label)))]
    asked = []
    for crl in crls:
        crl.weakness = lambda policy, ask=crl.weakness: asked.append(1) or ask(policy)
    source = CrlSource(crls, TrustStore((root.certificate,)), signers)
    source.status(root.leaf(), root.certificate, AT)
    assert 0 < len(asked) < 1000  # without a bound, 5 for each of 326 arrangements


def test_list_signed_with_a_weak_key_is_not_believed(root):
    weak = Authority.root("WEAK", key=rsa_key("weak", 1024))
    crls = load_crls(weak.crl())
    store = TrustStore((weak.certificate,))
    assert CrlSource(crls, store).of_serial(5, weak.certificate, AT).kind is Kind.UNKNOWN
    policy = Policy(algorithms=AlgorithmPolicy(legacy=True))
    source = CrlSource(crls, store, policy=policy)
    assert source.of_serial(5, weak.certificate, AT).kind is Kind.GOOD

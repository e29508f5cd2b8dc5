"""How much proof of non-revocation a policy asks for: freshness, requirements, sources."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

import pytest
from cryptography import x509
from selfmade_pki import AT, DAY, Authority, ca_extensions, ec_key, revoked_entry

from igcsante.certs.anchors import TrustStore
from igcsante.certs.check import Checker, check
from igcsante.certs.crl.scope import Scope
from igcsante.certs.freshness import freshness
from igcsante.certs.load import load_crls
from igcsante.certs.policy import Policy, Requirement, RevocationPolicy, Source
from igcsante.certs.revocation import CrlSource
from igcsante.certs.verdict import Kind, Reason, RevocationStatus
from igcsante.errors import UnreadableError

SERIAL = 0x1234
HOUR = dt.timedelta(hours=1)
OUTDATED = {"this_update": AT - 9 * DAY, "next_update": AT - HOUR}


def lists(*octets):
    return [crl for item in octets for crl in load_crls(item)]


def asking(**options) -> Policy:
    return Policy("tried", revocation=RevocationPolicy(**options))


def codes(reasons):
    return [reason.code for reason in reasons]


@pytest.fixture(scope="module")
def leaf(issuing):
    return issuing.leaf(serial=SERIAL)


@pytest.fixture(scope="module")
def root_list(root):
    return root.crl(this_update=AT - HOUR / 2, next_update=AT + 30 * DAY)


# -- freshness -----------------------------------------------------------------------------------


def test_list_older_than_the_policy_wants_is_stale(leaf, store, issuing, root_list):
    crls = lists(issuing.crl(this_update=AT - 3 * HOUR), root_list)
    for hours, kind in ((4, Kind.GOOD), (3, Kind.GOOD), (2, Kind.STALE)):
        policy = asking(max_age=hours * HOUR)
        verdict = check(leaf, store, crls=crls, at=AT, policy=policy)
        assert verdict.kind is kind
    assert "older than 2 h" in str(verdict.reasons[0])


def test_list_within_its_grace_counts_with_a_notice(leaf, store, issuing, root_list):
    crls = lists(issuing.crl(**OUTDATED), root_list)
    verdict = check(leaf, store, crls=crls, at=AT, policy=asking(grace=HOUR))
    assert verdict.kind is Kind.GOOD and verdict.reasons == ()
    assert codes(verdict.notices) == ["revocation.grace"]
    assert verdict.to_dict()["notices"][0]["code"] == "revocation.grace"
    after = check(
        leaf, store, crls=crls, at=AT + dt.timedelta(seconds=1), policy=asking(grace=HOUR)
    )
    assert after.kind is Kind.STALE and after.notices == ()


def test_revocation_in_a_list_within_its_grace_is_one(leaf, store, issuing, root_list):
    crls = lists(issuing.crl([SERIAL], **OUTDATED), root_list)
    verdict = check(leaf, store, crls=crls, at=AT, policy=asking(grace=DAY))
    assert verdict.kind is Kind.REVOKED


def test_fresh_list_needs_no_grace(leaf, store, issuing, root_list):
    crls = lists(issuing.crl(**OUTDATED), issuing.crl(number=2), root_list)
    verdict = check(leaf, store, crls=crls, at=AT, policy=asking(grace=DAY))
    assert verdict.kind is Kind.GOOD and verdict.notices == ()


def test_extreme_dates_and_limits_are_no_trouble():
    never = dt.datetime(9999, 12, 31, 23, 59, 59, tzinfo=dt.UTC)
    policy = RevocationPolicy(max_age=dt.timedelta.max, grace=dt.timedelta.max)
    assert freshness(AT, never, AT, policy).fresh
    assert freshness(AT, AT, never, policy).usable
    assert not freshness(AT, None, AT, RevocationPolicy(grace=dt.timedelta(days=365))).usable


# -- numbers -------------------------------------------------------------------------------------


def test_number_that_goes_back_gives_no_good(leaf, store, issuing, root_list):
    """§5.2.3. The revocations of such a list count, what it leaves out does not."""
    before = issuing.crl([SERIAL], number=9, this_update=AT - 3 * DAY)
    replayed = issuing.crl(number=8, this_update=AT - DAY)
    for order in ((before, replayed), (replayed, before)):
        assert check(leaf, store, crls=lists(*order, root_list), at=AT).kind is Kind.REVOKED
    clean = issuing.crl(number=9, this_update=AT - 3 * DAY)
    verdict = check(leaf, store, crls=lists(clean, replayed, root_list), at=AT)
    assert verdict.kind is Kind.GOOD
    assert codes(verdict.statuses[0].notices) == ["revocation.number_back"]
    named = issuing.crl([SERIAL], number=8, this_update=AT - DAY)
    verdict = check(leaf, store, crls=lists(clean, named, root_list), at=AT)
    assert verdict.kind is Kind.REVOKED


def test_numbers_of_different_keys_are_not_compared(root, root_list):
    """A re-keyed CA counts anew."""
    old, new = root.authority("REKEYED"), root.authority("REKEYED", key=ec_key("new"))
    leaf = new.leaf(serial=SERIAL)
    store = TrustStore((root.certificate,), (old.certificate, new.certificate))
    before = old.crl([SERIAL], number=900, this_update=AT - 3 * DAY)
    after = new.crl(number=1, this_update=AT - DAY)
    assert check(leaf, store, crls=lists(before, root_list), at=AT).kind is Kind.REVOKED
    for order in ((before, after), (after, before)):
        verdict = check(leaf, store, crls=lists(*order, root_list), at=AT)
        assert verdict.kind is Kind.GOOD and verdict.notices == ()


def test_newer_but_outdated_list_still_tells_of_revocations(leaf, store, issuing, root_list):
    lasting = issuing.crl(number=1, this_update=AT - 9 * DAY, next_update=AT + DAY)
    newer = {"number": 2, "this_update": AT - 2 * DAY, "next_update": AT - DAY}
    revoking, empty = issuing.crl([SERIAL], **newer), issuing.crl(**newer)
    assert check(leaf, store, crls=lists(lasting, empty, root_list), at=AT).kind is Kind.GOOD
    verdict = check(leaf, store, crls=lists(lasting, revoking, root_list), at=AT)
    assert verdict.kind is Kind.REVOKED


@pytest.mark.parametrize("number", [1, None])
def test_of_two_lists_made_at_once_the_revocation_counts(leaf, store, issuing, root_list, number):
    """Whichever is given first."""
    naming, empty = issuing.crl([SERIAL], number=number), issuing.crl(number=number)
    for order in ((naming, empty), (empty, naming)):
        verdict = check(leaf, store, crls=lists(*order, root_list), at=AT)
        assert verdict.kind is Kind.REVOKED


# -- requirements --------------------------------------------------------------------------------


def test_preferred_status_that_can_not_be_had_is_a_notice(leaf, store, issuing, root_list):
    policy = asking(leaf=Requirement.PREFER, cas=Requirement.PREFER)
    verdict = check(leaf, store, at=AT, policy=policy)
    assert verdict.kind is Kind.GOOD and verdict.reasons == ()
    assert codes(verdict.notices) == ["revocation.no_crl"] * 2
    stale = check(leaf, store, crls=lists(issuing.crl(**OUTDATED), root_list), at=AT, policy=policy)
    assert stale.kind is Kind.GOOD and codes(stale.notices) == ["revocation.stale"]


def test_preferred_status_does_not_let_a_revocation_pass(leaf, store, issuing, root_list):
    policy = asking(leaf=Requirement.PREFER, cas=Requirement.PREFER)
    crls = lists(issuing.crl([SERIAL]), root_list)
    assert check(leaf, store, crls=crls, at=AT, policy=policy).kind is Kind.REVOKED
    outdated = lists(issuing.crl([SERIAL], **OUTDATED), root_list)
    verdict = check(leaf, store, crls=outdated, at=AT, policy=policy)
    assert verdict.kind is Kind.REVOKED and codes(verdict.reasons) == ["revocation.stale"]


def test_leaf_and_authorities_have_requirements_of_their_own(leaf, store, issuing, root):
    crls = lists(issuing.crl())
    assert check(leaf, store, crls=crls, at=AT).kind is Kind.UNKNOWN
    lenient = asking(cas=Requirement.PREFER)
    assert check(leaf, store, crls=crls, at=AT, policy=lenient).kind is Kind.GOOD
    assert check(leaf, store, crls=[], at=AT, policy=lenient).kind is Kind.UNKNOWN
    other = asking(leaf=Requirement.OFF)
    assert check(leaf, store, crls=crls, at=AT, policy=other).kind is Kind.UNKNOWN
    assert check(leaf, store, crls=lists(root.crl()), at=AT, policy=other).kind is Kind.GOOD
    revoking = lists(root.crl([issuing.certificate.serial_number]))
    for policy in (lenient, other):
        found = [*crls, *revoking]
        assert check(leaf, store, crls=found, at=AT, policy=policy).kind is Kind.REVOKED


def test_status_that_is_off_is_not_asked_and_says_so(leaf, store, issuing):
    policy = Policy("tried").with_revocation(Requirement.OFF)
    asked = Told(RevocationStatus(Kind.REVOKED))
    verdict = check_with(leaf, store, {Source.CRL: asked}, policy)
    assert verdict.kind is Kind.GOOD and asked.times == 0
    assert codes(verdict.notices) == ["revocation.off"] * 2
    assert [status.kind for status in verdict.statuses] == [Kind.UNKNOWN] * 2


def test_invalid_chain_is_invalid_without_revocation_too(store, issuing):
    expired = issuing.leaf(not_after=AT - DAY)
    policy = Policy("tried").with_revocation(Requirement.OFF)
    assert check(expired, store, at=AT, policy=policy).kind is Kind.INVALID


# -- sources -------------------------------------------------------------------------------------


class Told:
    """A source that always tells the same, and has ``kept`` at hand."""

    def __init__(self, status, kept=None):
        self.told, self.kept, self.times = status, kept, 0

    def status(self, certificate, issuer, at):
        self.times += 1
        return self.told

    def at_hand(self, certificate, issuer, at):
        return self.kept

    def of_serial(self, serial, issuer, at):
        return self.kept


def check_with(leaf, store, sources, policy=None):
    return Checker(store, sources=sources, policy=policy).check(leaf, at=AT)


GOOD = RevocationStatus(Kind.GOOD)
GRACED = RevocationStatus(Kind.GOOD, notices=(Reason("revocation.grace", "old"),))
REVOKED = RevocationStatus(Kind.REVOKED, (Reason("revocation.revoked", "r"),), revoked_on=AT)
STALE = RevocationStatus(Kind.STALE, (Reason("revocation.stale", "s"),))
STALE_REVOKED = replace(STALE, revoked_on=AT)
UNKNOWN = RevocationStatus(Kind.UNKNOWN, (Reason("revocation.no_crl", "u"),))

COMBINED = [
    (GOOD, REVOKED, Kind.GOOD, 0),  # the first can tell: the second isn't asked to fetch
    (REVOKED, GOOD, Kind.REVOKED, 0),
    (UNKNOWN, GOOD, Kind.GOOD, 2),
    (UNKNOWN, REVOKED, Kind.REVOKED, 2),
    (UNKNOWN, STALE, Kind.STALE, 2),
    (STALE, UNKNOWN, Kind.STALE, 2),
    (STALE, GOOD, Kind.GOOD, 2),
    (STALE_REVOKED, GOOD, Kind.STALE, 2),
    (GRACED, GOOD, Kind.GOOD, 2),
    (GRACED, REVOKED, Kind.REVOKED, 2),
    (GRACED, UNKNOWN, Kind.GOOD, 2),
    (UNKNOWN, UNKNOWN, Kind.UNKNOWN, 2),
]


@pytest.mark.parametrize(("first", "second", "kind", "times"), COMBINED)
def test_sources_are_asked_in_order_until_one_can_tell(leaf, store, first, second, kind, times):
    one, two = Told(first), Told(second)
    verdict = check_with(leaf, store, {Source.CRL: one, Source.OCSP: two})
    assert verdict.kind is kind and two.times == times
    reverse = asking(sources=(Source.OCSP, Source.CRL))
    one, two = Told(first), Told(second)
    verdict = check_with(leaf, store, {Source.OCSP: one, Source.CRL: two}, reverse)
    assert verdict.kind is kind and two.times == times


@pytest.mark.parametrize("order", [(Source.CRL, Source.OCSP), (Source.OCSP, Source.CRL)])
@pytest.mark.parametrize(
    ("kept", "kind"),
    [
        (None, Kind.GOOD),
        (GOOD, Kind.GOOD),
        (UNKNOWN, Kind.GOOD),
        (STALE, Kind.GOOD),
        (REVOKED, Kind.REVOKED),
        (STALE_REVOKED, Kind.STALE),
    ],
)
def test_revocation_at_hand_counts_although_another_source_says_good(
    leaf, store, order, kept, kind
):
    first, second = Told(GOOD), Told(GOOD, kept)
    sources = dict(zip(order, (first, second), strict=True))
    verdict = check_with(leaf, store, sources, asking(sources=order))
    assert (verdict.kind, second.times) == (kind, 0)
    assert (verdict.reasons, verdict.notices) == (() if kind is Kind.GOOD else kept.reasons, ())


def test_lists_at_hand_count_after_a_good_answer(leaf, store, issuing, root_list):
    """And nothing is fetched for it."""

    class Never:
        def allows(self, url):
            raise AssertionError(url)

        fetch = allows

    policy = asking(sources=(Source.OCSP, Source.CRL))
    crls = lists(issuing.crl([SERIAL]), root_list)
    for fetcher in (None, Never()):
        sources = {Source.OCSP: Told(GOOD)}
        checker = Checker(store, crls=crls, sources=sources, fetcher=fetcher, policy=policy)
        assert checker.check(leaf, at=AT).kind is Kind.REVOKED
        assert checker.check(issuing.leaf(serial=7), at=AT).kind is Kind.GOOD


def test_serials_are_told_by_the_sources_of_the_policy(store, issuing, root_list):
    crls = lists(issuing.crl([SERIAL]), root_list)

    def told(serial, kept, *sources):
        answers = Told(GOOD, kept)
        policy = asking(sources=sources, cas=Requirement.PREFER)
        checker = Checker(store, crls=crls, sources={Source.OCSP: answers}, policy=policy)
        return checker.check_serial(serial, issuing.certificate, at=AT)

    verdict = told(SERIAL, None, Source.OCSP)
    assert (verdict.kind, codes(verdict.reasons)) == (Kind.UNKNOWN, ["revocation.no_source"])
    assert told(SERIAL, GOOD, Source.OCSP).kind is Kind.GOOD
    assert told(7, REVOKED, Source.CRL).kind is Kind.GOOD
    for order in ((Source.CRL, Source.OCSP), (Source.OCSP, Source.CRL)):
        assert told(7, None, *order).kind is Kind.GOOD
        assert told(7, REVOKED, *order).kind is Kind.REVOKED
        assert told(SERIAL, GOOD, *order).kind is Kind.REVOKED


def test_notices_of_what_a_second_source_made_needless_are_gone(leaf, store):
    verdict = check_with(leaf, store, {Source.CRL: Told(GRACED), Source.OCSP: Told(GOOD)})
    assert verdict.notices == ()
    verdict = check_with(leaf, store, {Source.CRL: Told(GRACED), Source.OCSP: Told(UNKNOWN)})
    assert codes(verdict.notices) == ["revocation.grace"]


def test_reasons_of_all_sources_are_told(leaf, store):
    verdict = check_with(leaf, store, {Source.CRL: Told(UNKNOWN), Source.OCSP: Told(STALE)})
    assert codes(verdict.reasons) == ["revocation.stale", "revocation.no_crl"]


def test_source_that_is_not_at_hand_tells_nothing(leaf, store, issuing, root_list):
    policy = asking(sources=(Source.OCSP,))
    crls = lists(issuing.crl(), root_list)
    verdict = check(leaf, store, crls=crls, at=AT, policy=policy)
    assert verdict.kind is Kind.UNKNOWN and codes(verdict.reasons) == ["revocation.no_source"] * 2


# -- a store of lists, and bare serial numbers ---------------------------------------------------


class KeptLists:
    def __init__(self, *crls, damaged=()):
        self.crls, self.damaged = crls, damaged

    def kept(self, issuer):
        if issuer in self.damaged:
            raise UnreadableError("an index that is not what it was")
        return tuple(crl for crl in self.crls if crl.issuer == issuer), ()


def test_kept_lists_tell_like_given_ones(leaf, store, issuing, root_list):
    kept = KeptLists(*lists(issuing.crl([SERIAL]), root_list))
    assert Checker(store, crl_store=kept).check(leaf, at=AT).kind is Kind.REVOKED
    newer = lists(issuing.crl(number=2, this_update=AT - HOUR))
    assert Checker(store, crls=newer, crl_store=kept).check(leaf, at=AT).kind is Kind.GOOD


def test_newer_lists_of_the_store_are_seen_at_the_next_instant(leaf, store, issuing, root_list):
    kept = KeptLists(*lists(issuing.crl(), root_list))
    checker = Checker(store, crl_store=kept)
    assert checker.check(leaf, at=AT).kind is Kind.GOOD
    kept.crls = lists(issuing.crl([SERIAL], number=2, this_update=AT - HOUR), root_list)
    assert checker.check(leaf, at=AT + HOUR).kind is Kind.REVOKED


def test_damaged_store_is_a_reason(leaf, store, issuing, root_list):
    kept = KeptLists(*lists(root_list), damaged=[issuing.subject])
    verdict = Checker(store, crl_store=kept).check(leaf, at=AT)
    assert verdict.kind is Kind.UNKNOWN and "an index" in str(verdict.reasons[0])


def test_store_that_answers_with_lists_of_others_changes_nothing(leaf, store, root_list):
    other = Authority.root("OTHER")

    class Careless(KeptLists):
        def kept(self, issuer):
            return self.crls, ()

    kept = Careless(*lists(root_list, other.crl()))
    assert Checker(store, crl_store=kept).check(leaf, at=AT).kind is Kind.UNKNOWN


def test_serial_numbers_are_told_without_certificates(store, issuing, leaf):
    source = CrlSource(lists(issuing.crl([SERIAL])), store)
    asked = source.serials(issuing.certificate, AT)
    assert asked.status(SERIAL).kind is Kind.REVOKED
    assert "serial 1234" in str(asked.status(SERIAL).reasons[0])
    assert asked.status(7).kind is Kind.GOOD
    assert source.serials(issuing.certificate, AT + 20 * DAY).status(7).kind is Kind.STALE
    assert source.serials(issuing.certificate, AT - 20 * DAY).status(7).kind is Kind.UNKNOWN
    for number in (0, -5, 2**300):
        assert asked.status(number).kind is Kind.GOOD


def test_lists_of_authorities_tell_of_serial_numbers_of_authorities(store, root):
    idp = x509.IssuingDistributionPoint(None, None, False, True, None, False, False)
    crls = lists(root.crl([SERIAL], extensions=[(idp, True)]))
    source = CrlSource(crls, store)
    assert source.lists(root.certificate, AT, Scope(is_ca=True)).status(SERIAL).kind is (
        Kind.REVOKED
    )
    leaves = source.lists(root.certificate, AT, Scope(is_ca=False))
    assert leaves.status(SERIAL).kind is Kind.UNKNOWN
    assert source.of_serial(SERIAL, root.certificate, AT).kind is Kind.REVOKED


def of_one_kind(users=False, cas=False, attributes=False, full=None):
    value = x509.IssuingDistributionPoint(full, None, users, cas, None, False, attributes)
    return [(value, True)]


USERS, AUTHORITIES = of_one_kind(users=True), of_one_kind(cas=True)
PART = of_one_kind(full=[x509.UniformResourceIdentifier("http://pki.example/part.crl")])


@pytest.mark.parametrize(
    ("scopes", "kind"),
    [
        ([[]], Kind.GOOD),
        ([USERS], Kind.UNKNOWN),
        ([AUTHORITIES], Kind.UNKNOWN),
        ([USERS, AUTHORITIES], Kind.GOOD),
        ([of_one_kind(attributes=True)], Kind.UNKNOWN),
        ([PART], Kind.UNKNOWN),
        ([[], PART], Kind.GOOD),
    ],
)
def test_serial_may_be_that_of_an_authority(store, issuing, scopes, kind):
    """It is good when what covers leaves and what covers authorities says so."""
    for order in (scopes, scopes[::-1]):
        found = CrlSource(lists(*(issuing.crl(extensions=each) for each in order)), store)
        status = found.of_serial(SERIAL, issuing.certificate, AT)
        assert status.kind is kind and bool(status.reasons) == (kind is not Kind.GOOD)
        assert len(status.evidence) == (len(scopes) if kind is Kind.GOOD else 0)


@pytest.mark.parametrize("scope", [[], USERS, AUTHORITIES, PART])
@pytest.mark.parametrize("beside", [[], USERS, AUTHORITIES])
def test_serial_that_any_list_of_its_issuer_names_is_revoked(store, issuing, scope, beside):
    naming = issuing.crl([SERIAL], number=2, extensions=scope)
    for order in ((naming, issuing.crl(extensions=beside)),):
        for octets in (order, order[::-1]):
            source = CrlSource(lists(*octets), store)
            assert source.of_serial(SERIAL, issuing.certificate, AT).kind is Kind.REVOKED


def test_signatures_are_verified_once_for_all(store, issuing, root_list):
    crls = lists(issuing.crl(), root_list)
    verified = []
    for crl in crls:
        crl.signed_by = lambda key, ask=crl.signed_by: verified.append(1) or ask(key)
    checker = Checker(store, crls=crls)
    for serial in range(1, 20):
        assert checker.check(issuing.leaf(serial=serial), at=AT).kind is Kind.GOOD
        assert checker.check(issuing.leaf(serial=serial), at=AT + HOUR).kind is Kind.GOOD
    assert len(verified) == 2


def test_entry_with_serial_zero_or_below_is_found(store, root):
    """Against RFC 5280 §4.1.2.2, and PKITS 4.4.15."""
    crl = lists(root.crl([revoked_entry(5)]))[0]
    assert crl.lookup(-5) is None and crl.lookup(0) is None and crl.lookup(5) is not None


def test_status_of_an_authority_is_asked_of_the_list_above(store, root, issuing):
    other = root.authority("OTHER", extensions=ca_extensions(0))
    revoking = lists(root.crl([other.certificate.serial_number]), other.crl(), issuing.crl())
    store = TrustStore((root.certificate,), (issuing.certificate, other.certificate))
    assert check(issuing.leaf(), store, crls=revoking, at=AT).kind is Kind.GOOD
    assert check(other.leaf(), store, crls=revoking, at=AT).kind is Kind.REVOKED
    assert check(other.certificate, store, crls=revoking, at=AT).kind is Kind.REVOKED

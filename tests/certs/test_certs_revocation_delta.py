"""Delta CRLs (RFC 5280 §5.2.4, §6.3.3 c): when they complete a list, and when they don't."""

from __future__ import annotations

import datetime as dt
from itertools import permutations

import pytest
from cryptography import x509
from cryptography.x509 import ReasonFlags as Reason
from selfmade_pki import (
    AT,
    DAY,
    ca_extensions,
    certificate,
    distribution_points,
    ec_key,
    leaf_extensions,
    revoked_entry,
    unknown_extension,
    usages,
)

from igcsante.certs.anchors import TrustStore
from igcsante.certs.check import Checker, check
from igcsante.certs.load import load_crls
from igcsante.certs.policy import Policy, RevocationPolicy
from igcsante.certs.verdict import Kind
from igcsante.errors import NetworkError
from igcsante.testing.pki import PkiServer, SimulatedPki, SoftwareSubject, StructureName
from igcsante.testing.pki.simulated import new_key

SERIAL = 0x1234
HOUR = dt.timedelta(hours=1)
URL = "http://pki.example/delta.crl"


def because(reason, serial=SERIAL, date=AT - DAY):
    return revoked_entry(serial, date, (x509.CRLReason(reason), False))


HELD, REMOVED = because(Reason.certificate_hold), because(Reason.remove_from_crl)


def delta(issuing, entries=(), *, base=10, number=12, extensions=(), **options):
    made = [(x509.DeltaCRLIndicator(base), True), *extensions]
    options = {"this_update": AT - HOUR, "next_update": AT + DAY, **options}
    return issuing.crl(entries, number=number, extensions=made, **options)


@pytest.fixture(scope="module")
def leaf(issuing):
    return issuing.leaf(serial=SERIAL)


@pytest.fixture(scope="module")
def told(store, root, leaf):
    root_list = root.crl(next_update=AT + 40 * DAY)

    def told(*octets, at=AT, **options):
        crls = [crl for item in (*octets, root_list) for crl in load_crls(item)]
        return check(leaf, store, crls=crls, at=at, **options)

    return told


def test_delta_adds_revocations(issuing, told):
    complete = issuing.crl(number=10)
    assert told(complete).kind is Kind.GOOD
    verdict = told(complete, delta(issuing, [SERIAL]))
    assert verdict.kind is Kind.REVOKED
    assert [item.type for item in verdict.statuses[0].evidence] == ["crl", "delta-crl"]
    assert [item.number for item in verdict.statuses[0].evidence] == [10, 12]
    assert told(complete, delta(issuing, [99])).kind is Kind.GOOD
    empty = told(complete, delta(issuing))
    assert [item.number for item in empty.statuses[0].evidence] == [10, 12]


def test_delta_lifts_a_hold(issuing, told):
    complete = issuing.crl([HELD], number=10)
    assert told(complete).kind is Kind.REVOKED
    assert told(complete, delta(issuing)).kind is Kind.REVOKED
    assert told(complete, delta(issuing, [REMOVED])).kind is Kind.GOOD
    again = delta(issuing, [HELD], number=13, this_update=AT - HOUR / 2)
    assert told(complete, delta(issuing, [REMOVED]), again).kind is Kind.REVOKED


def test_removal_beside_a_revocation_lifts_nothing(issuing, told):
    complete = issuing.crl(number=10)
    for entries in ([REMOVED, HELD], [HELD, REMOVED]):
        assert told(complete, delta(issuing, entries)).kind is Kind.REVOKED


def test_removal_counts_in_delta_lists_only(issuing, told):
    assert told(issuing.crl([REMOVED], number=10)).kind is Kind.REVOKED


@pytest.mark.parametrize(
    ("base", "number", "complete", "counts"),
    [
        (10, 12, 10, True),
        (9, 12, 10, True),  # an older base: the changes since are all there
        (11, 12, 10, False),  # changes between 10 and 11 are missing
        (10, 12, 11, True),
        (10, 12, 12, False),  # the list has them already
        (10, 12, 13, False),  # the list is newer
    ],
)
def test_numbers_decide_which_delta_completes_which_list(
    issuing, told, base, number, complete, counts
):
    whole = issuing.crl([HELD], number=complete)
    verdict = told(whole, delta(issuing, [REMOVED], base=base, number=number))
    assert (verdict.kind is Kind.GOOD) == counts
    assert (verdict.kind is Kind.REVOKED) != counts


IDP = (x509.IssuingDistributionPoint(None, None, True, False, None, False, False), True)
MISFITS = {
    "another scope": {"extensions": [IDP]},
    "another key": {"key": ec_key("somebody")},
    "no key identifier": {"key_ids": False},
    "no number": {"number": None},
    "made later": {"this_update": AT + HOUR},
    "a critical extension": {"extensions": [unknown_extension(critical=True)]},
}


@pytest.mark.parametrize("why", MISFITS)
def test_delta_that_does_not_fit_changes_nothing(issuing, told, why):
    complete = issuing.crl([HELD], number=10)
    assert told(complete, delta(issuing, [REMOVED])).kind is Kind.GOOD
    assert told(complete, delta(issuing, [REMOVED], **MISFITS[why])).kind is Kind.REVOKED


def test_delta_of_another_believed_key_does_not_fit(root, issuing, store, leaf):
    """§6.3.3 (h): the key that signed the complete list."""
    signer = certificate(
        issuing.subject,
        ec_key("crl key"),
        root.subject,
        root.key,
        extensions=[(usages("crl_sign"), True)],
    )

    def told(complete_key, delta_key):
        complete = issuing.crl([HELD], number=10, key=complete_key, key_ids=False)
        lifting = delta(issuing, [REMOVED], key=delta_key, key_ids=False)
        crls = [crl for item in (complete, lifting, root.crl()) for crl in load_crls(item)]
        return check(leaf, store, untrusted=[signer], crls=crls, at=AT).kind

    kept = ec_key("crl key")
    assert told(issuing.key, issuing.key) is told(kept, kept) is Kind.GOOD
    assert told(issuing.key, kept) is told(kept, issuing.key) is Kind.REVOKED


def test_delta_of_the_same_scope_fits(issuing, told):
    complete = issuing.crl([HELD], number=10, extensions=[IDP])
    assert told(complete, delta(issuing, [REMOVED])).kind is Kind.REVOKED
    assert told(complete, delta(issuing, [REMOVED], extensions=[IDP])).kind is Kind.GOOD


def test_delta_alone_tells_of_revocations_only(issuing, told):
    for entries in ([], [REMOVED], [99]):
        verdict = told(delta(issuing, entries))
        assert verdict.kind is Kind.UNKNOWN and "delta CRL" in str(verdict.reasons[0])
    assert told(delta(issuing, [SERIAL])).kind is Kind.REVOKED
    ended = {"this_update": AT - 2 * DAY, "next_update": AT - DAY}
    verdict = told(delta(issuing, [SERIAL], **ended))
    assert (verdict.kind, verdict.revoked_on) == (Kind.STALE, AT - 2 * DAY)
    assert told(delta(issuing, **ended)).kind is Kind.UNKNOWN


def either_way(told, complete, *deltas):
    """What they tell in every order."""
    (kind,) = {told(complete, *order).kind for order in permutations(deltas)}
    return kind


def test_of_two_deltas_made_at_once_the_revocation_counts(issuing, told):
    empty, naming = delta(issuing), delta(issuing, [SERIAL])
    assert either_way(told, issuing.crl(number=10), empty, naming) is Kind.REVOKED
    removing, holding = delta(issuing, [REMOVED]), delta(issuing, [HELD])
    held = issuing.crl([HELD], number=10)
    assert either_way(told, held, removing, holding) is Kind.REVOKED
    assert either_way(told, held, removing, empty) in (Kind.GOOD, Kind.REVOKED)


@pytest.mark.parametrize(
    "options",
    [
        {"base": 11, "number": 13},  # changes are missing before it
        {"base": 11, "number": 13, "this_update": AT - HOUR / 2},
        {"number": None},
        {"extensions": [IDP]},
        {"number": 13, "this_update": AT - 3 * HOUR, "next_update": AT - 2 * HOUR},
    ],
)
def test_revocation_in_a_delta_that_is_passed_over_counts(issuing, told, options):
    complete = issuing.crl(number=10)
    naming, other = delta(issuing, [SERIAL], **options), delta(issuing)
    assert either_way(told, complete, naming) is Kind.REVOKED
    assert either_way(told, complete, naming, other) is Kind.REVOKED
    harmless = delta(issuing, [99], **options)
    assert either_way(told, complete, harmless, other) is Kind.GOOD


def test_outdated_delta_does_not_displace_one_that_holds(issuing, told):
    """Whatever its number."""
    ended = {"number": 13, "this_update": AT - 3 * HOUR, "next_update": AT - 2 * HOUR}
    for entries in ([], [REMOVED]):
        outdated = delta(issuing, entries, **ended)
        complete = issuing.crl(number=10)
        assert either_way(told, complete, outdated, delta(issuing, [SERIAL])) is Kind.REVOKED
    old = issuing.crl(number=10, this_update=AT - 9 * DAY, next_update=AT - DAY)
    assert either_way(told, old, delta(issuing, **ended), delta(issuing)) is Kind.GOOD


def test_delta_made_before_what_tells_is_not_asked(issuing, told):
    """A hold that the newer ones don't have any more."""
    earlier = delta(issuing, [HELD], number=11, this_update=AT - 3 * HOUR)
    lifted = delta(issuing, [REMOVED], number=12)
    assert either_way(told, issuing.crl(number=10), earlier, lifted) is Kind.GOOD
    newer = issuing.crl(number=13, this_update=AT - HOUR / 2)
    assert told(newer, earlier).kind is Kind.GOOD


def test_delta_keeps_its_list_current(issuing, told):
    """RFC 5280 §6.3.3 (a): the two together are as of the delta."""
    old = issuing.crl(number=10, this_update=AT - 9 * DAY, next_update=AT - DAY)
    assert told(old).kind is Kind.STALE
    assert told(old, delta(issuing)).kind is Kind.GOOD
    assert told(old, delta(issuing, [SERIAL])).kind is Kind.REVOKED
    assert told(old, delta(issuing, base=11)).kind is Kind.STALE
    outdated = delta(issuing, this_update=AT - 2 * DAY, next_update=AT - DAY)
    assert told(old, outdated).kind is Kind.STALE
    policy = Policy(revocation=RevocationPolicy(max_age=2 * HOUR))
    assert told(issuing.crl(number=10), policy=policy).kind is Kind.STALE


def test_outdated_delta_still_adds_to_a_list_that_holds(issuing, told):
    outdated = delta(issuing, [SERIAL], this_update=AT - 12 * HOUR, next_update=AT - HOUR)
    assert told(issuing.crl(number=10), outdated).kind is Kind.REVOKED


def test_newest_delta_tells(issuing, told):
    complete = issuing.crl(number=10)
    first = delta(issuing, [SERIAL], number=11, this_update=AT - 3 * HOUR)
    second = delta(issuing, [REMOVED], number=12)
    for order in ((first, second), (second, first)):
        assert told(complete, *order).kind is Kind.GOOD


# -- where they are published --------------------------------------------------------------------


class Site:
    def __init__(self, answers):
        self.answers, self.asked = answers, []

    def allows(self, url):
        return url.startswith("http")

    def fetch(self, url):
        self.asked.append(url)
        if url not in self.answers:
            raise NetworkError(f"{url}: nobody there")
        return self.answers[url]


def announcing(issuing, *urls):
    points = x509.FreshestCRL(list(distribution_points(urls)))
    return issuing.leaf(serial=SERIAL, extensions=[*leaf_extensions(), (points, False)])


def test_announced_delta_is_fetched_although_the_list_is_fresh(issuing, root, store):
    leaf = announcing(issuing, "ldap://pki.example/cn=x?deltarevocationlist;binary", URL)
    crls = [*load_crls(issuing.crl(number=10)), *load_crls(root.crl())]
    site = Site({URL: delta(issuing, [SERIAL])})
    checker = Checker(store, crls=crls, fetcher=site)
    for _ in range(2):
        assert checker.check(leaf, at=AT).kind is Kind.REVOKED
    assert site.asked == [URL]


def test_announced_delta_may_lift_a_hold(issuing, root, store):
    crls = [*load_crls(issuing.crl([HELD], number=10)), *load_crls(root.crl())]
    for entries, kind in (([REMOVED], Kind.GOOD), ([], Kind.REVOKED)):
        site = Site({URL: delta(issuing, entries)})
        verdict = check(announcing(issuing, URL), store, crls=crls, fetcher=site, at=AT)
        assert verdict.kind is kind


def test_delta_that_the_list_announces_is_fetched(issuing, root, store, leaf):
    freshest = (x509.FreshestCRL(list(distribution_points([URL]))), False)
    crls = [*load_crls(issuing.crl(number=10, extensions=[freshest])), *load_crls(root.crl())]
    site = Site({URL: delta(issuing, [SERIAL])})
    assert check(leaf, store, crls=crls, fetcher=site, at=AT).kind is Kind.REVOKED


def test_delta_where_nothing_may_be_fetched_is_passed_over(issuing, root, store):
    class Forbidden(Site):
        def allows(self, url):
            return False

    crls = [*load_crls(issuing.crl(number=10)), *load_crls(root.crl())]
    site = Forbidden({URL: delta(issuing, [SERIAL])})
    verdict = check(announcing(issuing, URL), store, crls=crls, fetcher=site, at=AT)
    assert verdict.kind is Kind.GOOD and verdict.notices == () and site.asked == []


def test_delta_that_can_not_be_had_is_a_notice_only(issuing, root, store):
    leaf = announcing(issuing, URL)
    crls = [*load_crls(issuing.crl(number=10)), *load_crls(root.crl())]
    verdict = check(leaf, store, crls=crls, fetcher=Site({}), at=AT)
    assert verdict.kind is Kind.GOOD
    assert [notice.code for notice in verdict.notices] == ["revocation.fetch"]
    offline = Policy(fetch=False)
    site = Site({URL: delta(issuing, [SERIAL])})
    verdict = check(leaf, store, crls=crls, fetcher=site, at=AT, policy=offline)
    assert verdict.kind is Kind.GOOD and site.asked == [] and verdict.notices == ()


def test_authority_with_a_delta_of_its_own(root, store):
    """Deltas complete the lists of roots too."""
    points = (x509.FreshestCRL(list(distribution_points([URL]))), False)
    middle = root.authority("ANNOUNCING", extensions=[*ca_extensions(0), points])
    crls = [*load_crls(middle.crl()), *load_crls(root.crl(number=10))]
    site = Site({URL: delta(root, [middle.certificate.serial_number])})
    store = TrustStore.from_certificates([root.certificate, middle.certificate])
    assert check(middle.leaf(), store, crls=crls, fetcher=site, at=AT).kind is Kind.REVOKED


# -- the simulated PKI ---------------------------------------------------------------------------


def test_simulated_pki_publishes_deltas_that_complete_the_midnight_list():
    noon = dt.datetime(2026, 3, 3, 12, tzinfo=dt.UTC)
    base_url = "http://simulation.invalid"
    pki = SimulatedPki.create(at=noon, base_url=base_url, http_deltas=True)
    subject = SoftwareSubject("service", StructureName("Paris (75)", "SIMULATION", "300000000"))
    leaf = pki.issue_software(
        offre="ORG",
        usage="AUTH_CLI",
        subject=subject,
        public_key=new_key().public_key(),
        at=noon - 30 * DAY,
    )
    store = TrustStore(pki.roots, pki.intermediates)
    code = "ACI-EL-ORG-TEST"
    lists = [
        crl for each in pki.authorities for crl in load_crls(pki.crl(each, noon.replace(hour=0)))
    ]
    assert check(leaf, store, crls=lists, at=noon).kind is Kind.GOOD
    pki.revoke(leaf.serial_number, noon - HOUR)
    assert check(leaf, store, crls=lists, at=noon).kind is Kind.GOOD  # not in the midnight list
    made = pki.delta_crl(code, noon)
    deltas = load_crls(made)
    assert made == pki.delta_crl(code, noon) and deltas[0].base_number == lists[3].number
    assert check(leaf, store, crls=[*lists, *deltas], at=noon).kind is Kind.REVOKED
    announced = leaf.extensions.get_extension_for_class(x509.FreshestCRL).value
    urls = [point.full_name[0].value for point in announced]
    assert urls[0] == f"{base_url}/CRL/{code}-delta.crl"
    assert urls[1].startswith("ldap://") and "?deltarevocationlist;binary?base?" in urls[1]
    with PkiServer(pki, clock=lambda: noon) as server:
        assert server.content(f"/CRL/{code}-delta.crl") == ("application/pkix-crl", made)

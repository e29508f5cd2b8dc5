"""Revocation and verdicts, against lists of a self-made PKI."""

from __future__ import annotations

import datetime as dt
import json

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from hypothesis import given, settings
from hypothesis import strategies as st
from selfmade_pki import (
    AT,
    DAY,
    Authority,
    ca_extensions,
    certificate,
    ec_key,
    name,
    revoked_entry,
    unknown_extension,
    usages,
)

from igcsante.certs.anchors import TrustStore
from igcsante.certs.check import Checker, check
from igcsante.certs.load import load_crls
from igcsante.certs.verdict import Kind
from igcsante.certs.x509.certificate_list import Crl
from igcsante.errors import (
    CertificateInvalidError,
    CertificateRevokedError,
    ExitCode,
    IgcError,
    NetworkError,
    StatusStaleError,
    StatusUnknownError,
    UnreadableError,
    UsageError,
)


def lists(*octets: bytes) -> list[Crl]:
    return [crl for item in octets for crl in load_crls(item)]


def codes(verdict) -> list[str]:
    return [reason.code for reason in verdict.reasons]


@pytest.fixture(scope="module")
def leaf(issuing):
    return issuing.leaf(serial=0x1234)


@pytest.fixture(scope="module")
def root_list(root):
    return root.crl(next_update=AT + 30 * DAY)


def told(leaf, store, *octets, at=AT, **options):
    return check(leaf, store, crls=lists(*octets), at=at, **options)


# -- the five kinds ------------------------------------------------------------------------------


def test_unlisted_leaf_of_an_unlisted_authority_is_good(leaf, store, issuing, root_list):
    verdict = told(leaf, store, issuing.crl([1, 2]), root_list)
    assert verdict.kind is Kind.GOOD and verdict.exit_code is ExitCode.GOOD
    assert verdict.reasons == () and len(verdict.evidence) == 2
    verdict.raise_unless_good()


def test_listed_leaf_is_revoked_with_date_and_reason(leaf, store, issuing, root_list):
    date = AT - dt.timedelta(hours=30)
    why = (x509.CRLReason(x509.ReasonFlags.key_compromise), False)
    entry = revoked_entry(0x1234, date, why)
    verdict = told(leaf, store, issuing.crl([entry], number=42), root_list)
    assert verdict.kind is Kind.REVOKED and verdict.exit_code is ExitCode.REVOKED
    assert verdict.revoked_on == date
    assert verdict.statuses[0].revocation_reason == "keyCompromise"
    assert verdict.evidence[0].number == 42
    with pytest.raises(CertificateRevokedError, match="revoked on 2025-05-31"):
        verdict.raise_unless_good()


def test_revoked_authority_makes_its_leaves_revoked(leaf, store, issuing, root):
    revoking = root.crl([issuing.certificate.serial_number])
    assert told(leaf, store, issuing.crl(), revoking).kind is Kind.REVOKED


def test_root_itself_is_not_looked_for_in_lists(root, store):
    verdict = told(root.certificate, store, root.crl([root.certificate.serial_number]))
    assert verdict.kind is Kind.GOOD and verdict.statuses == ()


def test_without_lists_the_status_is_unknown(leaf, store, issuing):
    verdict = told(leaf, store)
    assert verdict.kind is Kind.UNKNOWN and verdict.exit_code is ExitCode.UNKNOWN
    assert codes(verdict) == ["revocation.no_crl"] * 2
    assert told(leaf, store, issuing.crl()).kind is Kind.UNKNOWN  # none of the root
    with pytest.raises(StatusUnknownError):
        verdict.raise_unless_good()


def test_outdated_list_makes_the_status_stale(leaf, store, issuing, root_list):
    old = issuing.crl(this_update=AT - 9 * DAY, next_update=AT - 3 * DAY)
    verdict = told(leaf, store, old, root_list)
    assert verdict.kind is Kind.STALE and verdict.exit_code is ExitCode.STALE
    assert verdict.revoked_on is None
    with pytest.raises(StatusStaleError):
        verdict.raise_unless_good()


def test_outdated_list_that_names_the_leaf_is_stale_and_says_so(leaf, store, issuing, root_list):
    date = AT - 20 * DAY
    old = issuing.crl(
        [revoked_entry(0x1234, date)], this_update=AT - 9 * DAY, next_update=AT - 3 * DAY
    )
    verdict = told(leaf, store, old, root_list)
    assert verdict.kind is Kind.STALE and verdict.revoked_on == date
    assert "already says revoked on" in str(verdict.reasons[0])


def test_list_holds_until_the_second_of_its_next_update(leaf, store, issuing, root_list):
    until = issuing.crl(next_update=AT)
    assert told(leaf, store, until, root_list).kind is Kind.GOOD
    after = AT + dt.timedelta(seconds=1)
    assert told(leaf, store, until, root_list, at=after).kind is Kind.STALE


def test_bad_chain_is_invalid_whatever_the_lists_say(store, issuing, root_list):
    expired = issuing.leaf(serial=0x1234, not_after=AT - DAY)
    verdict = told(expired, store, issuing.crl([0x1234]), root_list)
    assert verdict.kind is Kind.INVALID and verdict.exit_code is ExitCode.INVALID
    assert codes(verdict) == ["validity.expired"]
    with pytest.raises(CertificateInvalidError):
        verdict.raise_unless_good()


def test_worst_status_wins_and_all_reasons_are_kept(leaf, store, issuing, root):
    stale_root = root.crl(this_update=AT - 9 * DAY, next_update=AT - DAY)
    revoked = told(leaf, store, issuing.crl([0x1234]), stale_root)
    assert revoked.kind is Kind.REVOKED
    assert codes(revoked) == ["revocation.revoked", "revocation.stale"]
    unknown = told(leaf, store, stale_root)
    assert unknown.kind is Kind.UNKNOWN
    assert codes(unknown) == ["revocation.no_crl", "revocation.stale"]


# -- which list is believed ----------------------------------------------------------------------


def test_newest_list_tells(leaf, store, issuing, root_list):
    before = issuing.crl(number=1, this_update=AT - 3 * DAY)
    after = issuing.crl([0x1234], number=2, this_update=AT - DAY)
    for order in ((before, after), (after, before)):
        assert told(leaf, store, *order, root_list).kind is Kind.REVOKED
    lifted = issuing.crl(number=3, this_update=AT - dt.timedelta(hours=1))
    verdict = told(leaf, store, before, after, lifted, root_list)
    assert verdict.kind is Kind.GOOD and verdict.evidence[0].number == 3


def test_newest_is_told_by_date_when_numbers_are_missing(leaf, store, issuing, root_list):
    before = issuing.crl([0x1234], number=9, this_update=AT - 3 * DAY)
    after = issuing.crl(number=None, this_update=AT - DAY)
    assert told(leaf, store, before, after, root_list).kind is Kind.GOOD
    same_day = issuing.crl(number=10, this_update=AT - 3 * DAY)
    for order in ((before, same_day), (same_day, before)):
        assert told(leaf, store, *order, root_list).kind is Kind.GOOD


def test_list_made_later_is_not_used_for_an_earlier_time(leaf, store, issuing, root_list):
    older = issuing.crl(number=1, this_update=AT - 3 * DAY)
    later = issuing.crl([0x1234], number=2, this_update=AT + DAY)
    assert told(leaf, store, older, later, root_list).kind is Kind.GOOD
    verdict = told(leaf, store, later, root_list)
    assert verdict.kind is Kind.UNKNOWN and "made later" in str(verdict.reasons[0])


UNUSABLE = {
    "critical extension": {"extensions": [unknown_extension(critical=True)]},
    "delta CRL": {"extensions": [(x509.DeltaCRLIndicator(1), True)]},
    "signature is that of no key": {"key": ec_key("somebody"), "key_ids": False},
    "an entry has a critical extension": {
        "revoked": [revoked_entry(5, AT - DAY, unknown_extension(critical=True))]
    },
}


@pytest.mark.parametrize("why", UNUSABLE)
def test_list_that_may_not_be_used_gives_no_status(leaf, store, issuing, root_list, why):
    verdict = told(leaf, store, issuing.crl(**UNUSABLE[why]), root_list)
    assert verdict.kind is Kind.UNKNOWN
    assert codes(verdict) == ["revocation.crl_unusable"] and why in str(verdict.reasons[0])


def test_unusable_list_does_not_hide_a_usable_one(leaf, store, issuing, root_list):
    forged = issuing.crl(key=ec_key("somebody"), this_update=AT - dt.timedelta(hours=1))
    assert told(leaf, store, forged, issuing.crl([0x1234]), root_list).kind is Kind.REVOKED


def test_non_critical_unknown_extensions_are_no_obstacle(leaf, store, issuing, root_list):
    entry = revoked_entry(0x1234, AT - DAY, unknown_extension(critical=False))
    listing = issuing.crl([entry], extensions=[unknown_extension(critical=False)])
    assert told(leaf, store, listing, root_list).kind is Kind.REVOKED


def test_octets_that_look_like_a_critical_flag_in_a_serial_are_harmless(
    leaf, store, issuing, root_list
):
    serial = int.from_bytes(b"\x11\x01\x01\xff\x11")
    assert told(leaf, store, issuing.crl([serial]), root_list).kind is Kind.GOOD


def test_changed_list_is_not_believed(leaf, store, issuing, root_list):
    octets = bytearray(issuing.crl([0x1234]))
    position = octets.index(b"\x02\x02\x12\x34")
    octets[position + 3] ^= 1  # takes the leaf off the list
    verdict = told(leaf, store, bytes(octets), root_list)
    assert verdict.kind is Kind.UNKNOWN


def test_weakly_signed_list_is_not_believed(root):
    """SHA-1 lists can't be made afresh; the policy is asked with a hash taken away."""
    from igcsante.certs.policy import Policy
    from igcsante.certs.x509.signatures import AlgorithmPolicy

    leaf = root.leaf(algorithm=hashes.SHA256())
    listing = root.crl(algorithm=hashes.SHA384())
    policy = Policy(algorithms=AlgorithmPolicy(hash_names=frozenset({"sha256"})))
    store = TrustStore((root.certificate,))
    assert told(leaf, store, listing).kind is Kind.GOOD
    verdict = told(leaf, store, listing, policy=policy)
    assert verdict.kind is Kind.UNKNOWN and "SHA384" in str(verdict.reasons[0])


def test_list_of_a_namesake_is_not_believed(leaf, store, root_list):
    namesake = Authority.root("ISSUING", key=ec_key("namesake"))
    verdict = told(leaf, store, namesake.crl(), root_list)
    assert verdict.kind is Kind.UNKNOWN
    # neither when the namesake's certificate is handed over as well
    verdict = told(leaf, store, namesake.crl(), root_list, untrusted=[namesake.certificate])
    assert verdict.kind is Kind.UNKNOWN
    assert "no valid chain" in str(verdict.reasons[0])


def test_key_kept_for_lists_under_the_same_name_is_believed(leaf, store, root, issuing, root_list):
    """The legacy PKI signs certificates and CRLs with two keys (pki.md §1.3)."""
    signer = certificate(
        issuing.subject,
        ec_key("crl key"),
        root.subject,
        root.key,
        extensions=[(usages("crl_sign"), True)],
    )
    listing = issuing.crl([0x1234], key=ec_key("crl key"))
    assert told(leaf, store, listing, root_list).kind is Kind.UNKNOWN
    assert told(leaf, store, listing, root_list, untrusted=[signer]).kind is Kind.REVOKED


def test_key_that_may_not_sign_lists_is_not_believed(root):
    mute = root.authority("MUTE", extensions=ca_extensions(0, usage=usages("key_cert_sign")))
    store = TrustStore.from_certificates([root.certificate, mute.certificate])
    verdict = told(mute.leaf(), store, mute.crl(), root.crl())
    assert verdict.kind is Kind.UNKNOWN and "may not sign CRLs" in str(verdict.reasons[0])


def test_key_does_not_vouch_for_itself(root):
    signer = certificate(
        root.subject,
        ec_key("crl key"),
        root.subject,
        root.key,
        extensions=[(usages("crl_sign"), True)],
        serial=77,
    )
    store = TrustStore((root.certificate,), (signer,))
    own = root.crl(key=ec_key("crl key"))
    assert told(signer, store, own).kind is Kind.UNKNOWN
    assert told(signer, store, root.crl()).kind is Kind.GOOD
    assert told(signer, store, root.crl([77], key=ec_key("crl key"))).kind is Kind.REVOKED


# -- fetching ------------------------------------------------------------------------------------


class FakeFetcher:
    def __init__(self, answers):
        self.answers, self.asked = answers, []

    def allows(self, url):
        return url.startswith("http")

    def fetch(self, url):
        self.asked.append(url)
        answer = self.answers.get(url, NetworkError(f"{url}: nobody there"))
        if isinstance(answer, Exception):
            raise answer
        return answer


URL = "http://pki.example/ISSUING.crl"


@pytest.fixture
def published(root):
    """A leaf and its CA that say where their lists are."""
    from selfmade_pki import distribution_points

    issuing = root.authority(
        "PUBLISHED",
        extensions=[*ca_extensions(0), (distribution_points(["http://pki.example/R.crl"]), False)],
    )
    leaf = issuing.leaf(serial=9, crl_urls=["ldap://pki.example/cn=x", URL])
    return issuing, leaf, TrustStore.from_certificates([root.certificate, issuing.certificate])


def test_lists_are_fetched_once_from_the_http_points(published, root):
    issuing, leaf, store = published
    answers = {URL: issuing.crl([9]), "http://pki.example/R.crl": root.crl()}
    fetcher = FakeFetcher(answers)
    checker = Checker(store, fetcher=fetcher)
    verdict = checker.check(leaf, at=AT)
    assert verdict.kind is Kind.REVOKED and verdict.evidence[0].source == URL
    assert checker.check(issuing.leaf(crl_urls=[URL]), at=AT).kind is Kind.GOOD
    assert fetcher.asked == ["http://pki.example/R.crl", URL]


def test_one_address_that_tells_is_enough(root, published):
    issuing, _, store = published
    mirror = "http://mirror.example/ISSUING.crl"
    leaf = issuing.leaf(crl_urls=["ldap://pki.example/cn=x", URL, mirror])
    for broken, asked in (((), [URL]), ((URL,), [URL, mirror])):
        answers = {url: issuing.crl() for url in (URL, mirror) if url not in broken}
        fetcher = FakeFetcher(answers)
        verdict = check(leaf, store, crls=lists(root.crl()), fetcher=fetcher, at=AT)
        assert verdict.kind is Kind.GOOD and fetcher.asked == asked


def test_directory_is_asked_when_http_fails_and_it_may_be(root, published):
    issuing, _, store = published
    directory = "ldap://pki.example/cn=x"
    leaf = issuing.leaf(crl_urls=[directory, URL])
    for allowed, kind in ((True, Kind.GOOD), (False, Kind.UNKNOWN)):
        fetcher = FakeFetcher({directory: issuing.crl()})
        fetcher.allows = lambda url, allowed=allowed: allowed or url.startswith("http")
        verdict = check(leaf, store, crls=lists(root.crl()), fetcher=fetcher, at=AT)
        assert verdict.kind is kind
        assert fetcher.asked == [URL, *([directory] if allowed else [])]


def test_list_that_is_at_hand_and_fresh_is_not_fetched(published, root):
    issuing, leaf, store = published
    fetcher = FakeFetcher({})
    verdict = check(leaf, store, crls=lists(issuing.crl(), root.crl()), fetcher=fetcher, at=AT)
    assert verdict.kind is Kind.GOOD and fetcher.asked == []


def test_stale_list_is_replaced_by_a_fetched_one(published, root):
    issuing, leaf, store = published
    stale = issuing.crl(this_update=AT - 9 * DAY, next_update=AT - DAY)
    fetcher = FakeFetcher({URL: issuing.crl()})
    verdict = check(leaf, store, crls=lists(stale, root.crl()), fetcher=fetcher, at=AT)
    assert verdict.kind is Kind.GOOD and fetcher.asked == [URL]


def test_published_list_that_does_not_help_is_not_fetched_again(published, root):
    issuing, leaf, store = published
    outdated = issuing.crl(this_update=AT - 9 * DAY, next_update=AT - DAY)
    fetcher = FakeFetcher({URL: outdated})
    checker = Checker(store, crls=lists(root.crl()), fetcher=fetcher)
    for _ in range(2):
        assert checker.check(leaf, at=AT).kind is Kind.STALE
    assert fetcher.asked == [URL]


def test_failed_fetch_is_unknown_with_its_reason(published, root):
    _, leaf, store = published
    crls = lists(root.crl())
    for answer in (NetworkError("nobody there"), b"<html>not a list</html>"):
        verdict = check(leaf, store, crls=crls, fetcher=FakeFetcher({URL: answer}), at=AT)
        assert verdict.kind is Kind.UNKNOWN
        assert codes(verdict) == ["revocation.no_crl", "revocation.fetch"]


# -- use -----------------------------------------------------------------------------------------


def test_check_wants_a_time_zone_and_an_anchor(leaf, store):
    with pytest.raises(UsageError, match="time zone"):
        check(leaf, store, at=AT.replace(tzinfo=None))
    with pytest.raises(UsageError, match="no trust anchor"):
        check(leaf, TrustStore(), at=AT)


def test_verdict_is_ready_for_json(leaf, store, issuing, root_list):
    verdict = told(leaf, store, issuing.crl([0x1234]), root_list)
    shown = json.loads(json.dumps(verdict.to_dict()))
    assert shown["verdict"] == "revoked" and shown["exit_code"] == 7
    assert shown["at"] == "2025-06-01T12:00:00Z"
    assert shown["revoked_on"] == "2025-05-30T12:00:00Z"
    assert [item["code"] for item in shown["reasons"]] == ["revocation.revoked"]
    assert [len(shown["chain"]), len(shown["revocation"])] == [3, 2]
    assert shown["revocation"][0]["evidence"][0]["number"] == 1
    assert shown["certificate"]["serial"] == "1234"


def test_crl_says_what_it_is(issuing):
    (crl,) = lists(issuing.crl([5, 6, 7], number=12))
    assert len(crl) == 3 and crl.number == 12 and crl.problem is None
    assert crl.issuer == issuing.subject
    assert crl.lookup(6) is not None and crl.lookup(8) is None
    assert crl.lookup(6, issuing.subject) and crl.lookup(6, name("OTHER")) is None
    with pytest.raises(UnreadableError):
        Crl(b"\x30\x00")


LISTED = Authority.root("LISTED")
LISTED_LEAF = LISTED.leaf(serial=0x1234)
LISTING = LISTED.crl([1, 0x1234, 2])


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_no_changed_list_makes_a_revoked_leaf_good(data):
    octets = bytearray(LISTING)
    for _ in range(data.draw(st.integers(1, 3))):
        octets[data.draw(st.integers(0, len(octets) - 1))] = data.draw(st.integers(0, 255))
    try:
        crls = load_crls(bytes(octets))
    except IgcError:
        return
    verdict = check(LISTED_LEAF, TrustStore((LISTED.certificate,)), crls=crls, at=AT)
    expected = Kind.REVOKED if bytes(octets) == LISTING else Kind.UNKNOWN
    assert verdict.kind is expected

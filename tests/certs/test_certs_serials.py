"""Serial numbers alone: the list of a pinned issuer is fetched, of others it is told what to do."""

from __future__ import annotations

import pytest
from cryptography import x509
from selfmade_pki import AT, DAY, Authority, ec_key

from igcsante.certs import anchors
from igcsante.certs.anchors import PinnedAnchor, TrustStore, fingerprint
from igcsante.certs.check import Checker
from igcsante.certs.policy import Policy, Requirement
from igcsante.certs.serials import SerialChecker
from igcsante.certs.verdict import Kind
from igcsante.certs.x509.certificate_list import Crl
from igcsante.errors import NetworkError

ROOT = Authority.root("SERIALS ROOT")
ISSUING = ROOT.authority("SERIALS ISSUING")
STORE = TrustStore.from_certificates([ROOT.certificate, ISSUING.certificate])
ABOVE = Crl(ROOT.crl())


class Fetcher:
    def __init__(self, answer: bytes | Exception) -> None:
        self.answer, self.asked = answer, []

    def fetch(self, url: str) -> bytes:
        self.asked.append(url)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    def allows(self, url: str) -> bool:
        return True


@pytest.fixture
def pin(monkeypatch: pytest.MonkeyPatch) -> PinnedAnchor:
    sha256 = fingerprint(ISSUING.certificate)
    pin = PinnedAnchor("ACI-X", "SERIALS ISSUING", "test", "intermediate", sha256, "observed")
    monkeypatch.setitem(anchors._BY_FINGERPRINT, sha256, pin)
    return pin


def serials(
    fetcher: Fetcher | None,
    *crls: Crl,
    issuer: x509.Certificate | None = None,
    revocation: Requirement = Requirement.REQUIRE,
):
    policy = Policy().with_revocation(revocation)
    checker = Checker(STORE, crls=(ABOVE, *crls), policy=policy)
    return SerialChecker(checker, issuer or ISSUING.certificate, fetcher)


def codes(told) -> list[str]:
    return [reason.code for reason in told.reasons]


def test_list_of_a_pinned_issuer_is_fetched_once(pin: PinnedAnchor) -> None:
    fetcher = Fetcher(ISSUING.crl([7]))
    checker = serials(fetcher)
    assert [checker.check(serial, at=AT).kind for serial in (7, 8, 9)] == [
        Kind.REVOKED,
        Kind.GOOD,
        Kind.GOOD,
    ]
    assert fetcher.asked == [pin.crl_url]


def test_list_at_hand_spares_the_fetch_and_an_outdated_one_does_not(pin: PinnedAnchor) -> None:
    fetcher = Fetcher(ISSUING.crl([7]))
    assert serials(fetcher, Crl(ISSUING.crl())).check(7, at=AT).kind is Kind.GOOD
    assert fetcher.asked == []
    old = Crl(ISSUING.crl(number=0, this_update=AT - 9 * DAY, next_update=AT - 8 * DAY))
    assert serials(fetcher, old).check(7, at=AT).kind is Kind.REVOKED


def test_what_is_fetched_counts_only_when_the_issuer_signed_it(pin: PinnedAnchor) -> None:
    forged = Authority.root("SERIALS ISSUING", key=ec_key("FORGER")).crl()
    assert serials(Fetcher(forged)).check(7, at=AT).kind is Kind.UNKNOWN


@pytest.mark.parametrize("failure", [NetworkError("nobody there"), b"no list"])
def test_failure_is_told_and_not_repeated(pin: PinnedAnchor, failure: bytes | Exception) -> None:
    fetcher = Fetcher(failure)
    checker = serials(fetcher)
    for serial in (7, 8):
        told = checker.check(serial, at=AT)
        assert (told.kind, codes(told)) == (
            Kind.UNKNOWN,
            ["revocation.no_crl", "revocation.fetch"],
        )
    assert len(fetcher.asked) == 1


def test_unknown_address_is_told_with_what_to_do() -> None:
    fetcher = Fetcher(ISSUING.crl([7]))
    told = serials(fetcher).check(7, at=AT)
    assert (told.kind, fetcher.asked) == (Kind.UNKNOWN, [])
    assert codes(told) == ["revocation.no_crl", "revocation.no_address"]
    assert "igc crl update FILE" in str(told.reasons[-1])


def test_nothing_is_fetched_offline_or_under_an_invalid_issuer(pin: PinnedAnchor) -> None:
    assert codes(serials(None).check(7, at=AT)) == ["revocation.no_crl"]
    fetcher = Fetcher(ISSUING.crl())
    stranger = Authority.root("STRANGER").certificate
    assert serials(fetcher, issuer=stranger).check(7, at=AT).kind is Kind.INVALID
    assert fetcher.asked == []


def test_nothing_is_fetched_for_a_status_that_is_not_looked_at(pin: PinnedAnchor) -> None:
    fetcher = Fetcher(ISSUING.crl([7]))
    told = serials(fetcher, revocation=Requirement.OFF).check(7, at=AT)
    assert (told.kind, told.reasons, fetcher.asked) == (Kind.GOOD, (), [])


def test_failure_that_the_policy_lets_pass_is_a_notice(pin: PinnedAnchor) -> None:
    fetcher = Fetcher(NetworkError("nobody there"))
    told = serials(fetcher, revocation=Requirement.PREFER).check(7, at=AT)
    assert (told.kind, told.reasons) == (Kind.GOOD, ())
    assert "revocation.fetch" in [notice.code for notice in told.notices]
    fetcher = Fetcher(ISSUING.crl([7]))
    told = serials(fetcher, revocation=Requirement.PREFER).check(7, at=AT)
    assert told.kind is Kind.REVOKED, "it is fetched all the same"

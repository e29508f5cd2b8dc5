"""The world of a chain is its anchor's: no certificate makes itself one of production."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from selfmade_pki import AT, Authority, leaf_extensions, name, rsa_key

from igcsante.certs import anchors
from igcsante.certs.anchors import PinnedAnchor, TrustStore, fingerprint
from igcsante.certs.check import Checker
from igcsante.certs.fleet.bulk import SerialOf, bulk_checker
from igcsante.certs.fleet.snapshot import Snapshot
from igcsante.certs.policy import PathPolicy, Policy, load_policy
from igcsante.certs.verdict import Kind
from igcsante.certs.x509.certificate_list import Crl
from igcsante.testing.pki import extensions as ext

KEY, LEAF_KEY = rsa_key("world CA"), rsa_key("world leaf")
REVOKED = 7


def ans_name(common_name: str, world: str) -> x509.Name:
    unit = "IGC-SANTE TEST" if world == "test" else "IGC-SANTE"
    return x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "ASIP-SANTE"),
            x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, unit),
            x509.NameAttribute(NameOID.COMMON_NAME, common_name),
        ]
    )


class Pki:
    """A root, which is pinned or not, and a CA whose name is of a world or of none."""

    def __init__(self, pinned: str | None, named: str | None) -> None:
        label = f"{pinned} {named}"
        subject = ans_name(label, named) if named else name(label)
        self.root = Authority.root(f"ROOT {label}")
        self.ca = self.root.authority(label, key=KEY, subject=subject)
        self.store = TrustStore.from_certificates([self.root.certificate])
        self.crls = (Crl(self.root.crl(), "root"), Crl(self.ca.crl([REVOKED]), "ca"))
        self.given: dict[str, Any] = {"untrusted": [self.ca.certificate], "crls": self.crls}

    def leaf(self, category: str | None, serial: int = 1) -> x509.Certificate:
        told = (ext.product_category(3, test=category == "test"), False)
        extensions = [*leaf_extensions(), *([told] if category else [])]
        return self.ca.leaf(f"leaf {serial}", key=LEAF_KEY, serial=serial, extensions=extensions)

    def check(self, leaf: x509.Certificate, policy: Policy) -> tuple[Kind, list[str]]:
        """Alone, which must be the same as thrice in a fleet."""
        alone = Checker(self.store, policy=policy, **self.given).check(leaf, at=AT)
        fleet = [leaf.public_bytes(Encoding.DER)] * 3
        with bulk_checker(self.snapshot(policy)) as checker:
            assert {item.reasons for item in checker.check(fleet)} == {alone.reasons}
        return alone.kind, [reason.code for reason in alone.reasons]

    def check_serial(self, policy: Policy, serial: int = 1) -> tuple[Kind, list[str]]:
        checker = Checker(self.store, policy=policy, **self.given)
        alone = checker.check_serial(serial, self.ca.certificate, at=AT)
        subject = SerialOf(serial, self.ca.certificate.public_bytes(Encoding.DER))
        with bulk_checker(self.snapshot(policy)) as bulk:
            for record in bulk.check([subject] * 2):
                assert (record.kind, record.reasons) == (alone.kind, alone.reasons)
        return alone.kind, [reason.code for reason in alone.reasons]

    def snapshot(self, policy: Policy) -> Snapshot:
        return Snapshot.of(self.store, at=AT, policy=policy, **self.given)


@pytest.fixture
def pki(monkeypatch: pytest.MonkeyPatch):
    def made(pinned: str | None, named: str | None = None) -> Pki:
        pki = Pki(pinned, named)
        if pinned:
            sha256 = fingerprint(pki.root.certificate)
            pin = PinnedAnchor("ACR-X", "ROOT", pinned, "root", sha256, "observed")
            monkeypatch.setitem(anchors._BY_FINGERPRINT, sha256, pin)
        return pki

    return made


def only(*worlds: str) -> Policy:
    return Policy(worlds=frozenset(worlds))


GOOD: tuple[Kind, list[str]] = (Kind.GOOD, [])
REFUSED = (Kind.INVALID, ["world.refused"])
CONFLICT = (Kind.INVALID, ["profile.conflict"])


@pytest.mark.parametrize("named", [None, "production"])
def test_claim_of_production_under_an_unpinned_anchor_counts_as_other(pki, named):
    made = pki(None, named)
    leaf = made.leaf("production")
    assert made.check(leaf, only("production")) == REFUSED
    assert made.check(leaf, load_policy("guide-ans")) == REFUSED
    assert made.check(leaf, only("test")) == REFUSED
    assert made.check(leaf, only("other")) == made.check(leaf, Policy()) == GOOD
    verdict = Checker(made.store, policy=only("production"), **made.given).check(leaf, at=AT)
    assert "claims production, but its anchor is not one of the ANS's" in str(verdict.reasons[0])


@pytest.mark.parametrize("named", [None, "test"])
def test_claim_of_test_under_an_unpinned_anchor_stays_test(pki, named):
    made = pki(None, named)
    assert made.check(made.leaf("test"), only("test")) == GOOD
    assert made.check(made.leaf("test"), only("production", "other")) == REFUSED


@pytest.mark.parametrize("world", ["production", "test"])
@pytest.mark.parametrize("named", [True, False])
@pytest.mark.parametrize("says", [True, False])
def test_world_under_a_pinned_anchor_is_that_of_the_anchor(pki, world, named, says):
    made = pki(world, world if named else None)
    leaf = made.leaf(world if says else None)
    assert made.check(leaf, only(world)) == GOOD
    assert made.check(leaf, only(*{"production", "test", "other"} - {world})) == REFUSED


@pytest.mark.parametrize(
    ("pinned", "named", "category"),
    [
        ("production", None, "test"),
        ("test", None, "production"),
        ("production", "test", None),
        ("test", "production", None),
    ],
)
def test_claim_that_contradicts_a_pinned_anchor_is_a_conflict(pki, pinned, named, category):
    made = pki(pinned, named)
    assert made.check(made.leaf(category), Policy()) == CONFLICT


def test_fleets_that_differ_in_world_alone_are_told_apart(pki):
    made = pki(None)
    worlds = ["test", "production", None] * 3
    leaves = [made.leaf(world, serial) for serial, world in enumerate(worlds, 10)]
    with bulk_checker(made.snapshot(only("test"))) as checker:
        records = checker.check(leaf.public_bytes(Encoding.DER) for leaf in leaves)
    assert [record.kind for record in records] == [Kind.GOOD, Kind.INVALID, Kind.INVALID] * 3


# -- serial numbers --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pinned", "named", "world"),
    [
        ("production", None, "production"),
        ("test", "test", "test"),
        (None, "test", "test"),
        (None, "production", "other"),
        (None, None, "other"),
    ],
)
def test_serial_number_is_of_the_world_of_its_issuers_chain(pki, pinned, named, world):
    made = pki(pinned, named)
    assert made.check_serial(only(world)) == GOOD
    assert made.check_serial(only(*{"production", "test", "other"} - {world})) == REFUSED


def test_serial_number_under_a_name_that_contradicts_the_anchor_is_invalid(pki):
    assert pki("production", "test").check_serial(Policy()) == CONFLICT


@pytest.mark.parametrize(
    "policy",
    [
        Policy(usages=frozenset({"clientAuth"})),
        Policy(path=PathPolicy(explicit_policy=True)),
        Policy(path=PathPolicy(frozenset({"1.2.3"}))),
        replace(load_policy("strict"), worlds=frozenset({"test"})),
    ],
)
def test_serial_number_is_never_good_when_its_certificate_is_asked_about(pki, policy):
    made = pki("test")
    needed = "serial.certificate_needed"
    assert made.check_serial(policy) == (Kind.UNKNOWN, [needed])
    kind, reasons = made.check_serial(policy, REVOKED)
    assert kind is Kind.REVOKED and reasons[-1] == needed


def test_strict_policy_refuses_serial_numbers_of_the_test_world(pki):
    assert pki("test", "test").check_serial(load_policy("strict")) == REFUSED

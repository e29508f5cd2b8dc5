"""The NIST Public Key Interoperability Test Suite (PKITS), every test of its section 4.

What is expected, by section number, is data in ``fixtures/pkits.toml``; the certificates and
lists are those of the package cryptography-vectors. Verdict and codes of the reasons must be
the expected ones, the latter exactly.
"""

from __future__ import annotations

import datetime as dt
import tomllib
from importlib import resources
from pathlib import Path

import pytest

from igcsante.certs.anchors import TrustStore
from igcsante.certs.chain import build_chain
from igcsante.certs.check import Checker
from igcsante.certs.load import load_certificates, load_crls
from igcsante.certs.policy import ANY_POLICY, PathPolicy, Policy
from igcsante.errors import UnreadableError

AT = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)  # the vectors hold from 2010 to 2030
FIXTURE = Path(__file__).parents[1] / "fixtures" / "pkits.toml"
TESTS = tomllib.loads(FIXTURE.read_text())["test"]
VECTORS = resources.files("cryptography_vectors") / "x509" / "PKITS_data"
SECTIONS = (6, 8, 11, 21, 8, 17, 5, 20, 8, 14, 11, 10, 38, 35, 10, 2)
POLICIES = {"anyPolicy": ANY_POLICY} | {
    f"NIST-test-policy-{number}": f"2.16.840.1.101.3.2.1.48.{number}" for number in range(1, 10)
}


def certificates(*names: str):
    return [
        certificate
        for name in names
        for certificate in load_certificates((VECTORS / "certs" / f"{name}.crt").read_bytes())
    ]


def crls(*names: str):
    return [
        crl
        for name in names
        for crl in load_crls((VECTORS / "crls" / f"{name}.crl").read_bytes(), source=name)
    ]


def policy_of(test) -> Policy:
    initial = frozenset(POLICIES[name] for name in test.get("initial_policies", ["anyPolicy"]))
    inputs = ("explicit_policy", "inhibit_mapping", "inhibit_any_policy")
    chosen = {name: test[name] for name in inputs if name in test}
    return Policy("pkits", path=PathPolicy(initial_policies=initial, **chosen))


@pytest.fixture(scope="module")
def store() -> TrustStore:
    store = TrustStore.from_certificates(certificates("TrustAnchorRootCertificate"))
    assert len(store.roots) == 1
    return store


def test_every_test_of_the_suite_is_there():
    numbers = {tuple(map(int, test["number"].split(".")))[1:3] for test in TESTS}
    assert numbers == {
        (section, test) for section, count in enumerate(SECTIONS, 1) for test in range(1, count + 1)
    }
    good = {"good", "unreadable"}
    assert all((test["verdict"] in good) == (not test.get("reasons")) for test in TESTS)


@pytest.mark.parametrize("test", TESTS, ids=lambda test: f"{test['number']} {test['title']}")
def test_pkits(store, test):
    if test["verdict"] == "unreadable":
        with pytest.raises(UnreadableError):
            certificates(test["path"][-1])
        return
    *authorities, leaf = certificates(*test["path"])
    policy = policy_of(test)
    checker = Checker(store, untrusted=authorities, crls=crls(*test["crls"]), policy=policy)
    verdict = checker.check(leaf, at=AT)
    codes = sorted({reason.code for reason in verdict.reasons})
    told = (str(verdict.kind), codes)
    assert told == (test["verdict"], test.get("reasons", [])), [*map(str, verdict.reasons)]
    if "policies" in test:
        chain = build_chain(leaf, store, authorities, at=AT, policy=policy)
        assert chain.policies == {POLICIES[name] for name in test["policies"]}

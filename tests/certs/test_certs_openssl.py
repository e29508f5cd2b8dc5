"""The same questions put to ``openssl verify``: the answers agree, certificate by certificate.

openssl stops at its first complaint, so it is asked apart for the chain and for the
revocation of each certificate. Paths are compared at length in test_certs_openssl_paths.
"""

from __future__ import annotations

import datetime as dt
import re
import subprocess
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from selfmade_pki import (
    AT,
    DAY,
    Authority,
    ca_extensions,
    ec_key,
    leaf_extensions,
    revoked_entry,
    unknown_extension,
    usages,
)

from igcsante.certs.anchors import TrustStore
from igcsante.certs.check import Checker, check
from igcsante.certs.load import certificates_from_path, crls_from_path, load_crls
from igcsante.certs.verdict import Kind, Verdict

# openssl's error numbers (x509_vfy.h) about revocation, as kinds
KINDS = {
    "": Kind.GOOD,
    "3": Kind.UNKNOWN,  # unable to get certificate CRL
    "8": Kind.UNKNOWN,  # CRL signature failure
    "11": Kind.UNKNOWN,  # CRL is not yet valid
    "12": Kind.STALE,  # CRL has expired
    "23": Kind.REVOKED,
    "35": Kind.UNKNOWN,  # key usage does not include CRL signing
    "36": Kind.UNKNOWN,  # unhandled critical CRL extension
}


class OpenSsl:
    """``openssl verify`` with these anchors, intermediates and lists, at a time."""

    def __init__(self, folder: Path, roots, intermediates, crls, at: dt.datetime) -> None:
        self._folder = folder
        self._command = ["openssl", "verify", "-attime", str(int(at.timestamp()))]
        self._command += ["-CAfile", self._write("roots.pem", roots)]
        self._command += ["-untrusted", self._write("intermediates.pem", intermediates)]
        if crls:
            self._command += ["-CRLfile", self._write("crls.pem", crls)]

    def error(self, certificate, *options: str) -> str:
        """The number of its first error, empty when it is content."""
        target = self._write("target.pem", [certificate])
        done = subprocess.run(
            [*self._command, *options, target], capture_output=True, text=True, check=False
        )
        numbers = re.findall(r"^error (\d+) at", done.stderr, re.MULTILINE)
        return numbers[0] if done.returncode else ""

    def _write(self, file: str, objects) -> Path:
        path = self._folder / file
        path.write_bytes(b"".join(item.public_bytes(Encoding.PEM) for item in objects))
        return path


def compare(verdict: Verdict, openssl: OpenSsl) -> None:
    """The chain is valid to both or to none, and so is the status of each certificate."""
    error = openssl.error(verdict.certificate)
    assert (verdict.kind is Kind.INVALID) == bool(error), (verdict.reasons, error)
    for certificate, status in zip(verdict.chain, verdict.statuses, strict=False):
        error = openssl.error(certificate, "-crl_check")
        assert KINDS[error] is status.kind, (status.reasons, error)


def ask(leaf, authority, crls, folder: Path, at: dt.datetime = AT) -> tuple[Verdict, OpenSsl]:
    store = TrustStore.from_certificates([ROOT.certificate, authority.certificate])
    verdict = check(leaf, store, crls=[crl for item in crls for crl in load_crls(item)], at=at)
    parsed = [x509.load_der_x509_crl(crl) for crl in crls]
    openssl = OpenSsl(folder, [ROOT.certificate], [authority.certificate], parsed, at)
    return verdict, openssl


ROOT = Authority.root("DIFFERENTIAL ROOT")
ISSUERS = {
    "plain": ROOT.authority("PLAIN"),
    "expired": ROOT.authority("EXPIRED", not_after=AT - DAY),
    "no CA": ROOT.authority("NO CA", extensions=ca_extensions(ca=False)),
    "no certSign": ROOT.authority("NO SIGN", extensions=ca_extensions(usage=usages("crl_sign"))),
    "no cRLSign": ROOT.authority("NO CRL", extensions=ca_extensions(usage=usages("key_cert_sign"))),
    "critical": ROOT.authority("CRIT", extensions=[*ca_extensions(), unknown_extension(True)]),
    "revoked": ROOT.authority("REVOKED", serial=666),
}
LEAF_OPTIONS = {
    "plain": {},
    "revoked": {"serial": 1234},
    "expired": {"not_after": AT - DAY},
    "future": {"not_before": AT + DAY},
    "critical": {"extensions": [*leaf_extensions(), unknown_extension(True)]},
    "no key ids": {"key_ids": False},
}
LISTS = {
    "fresh": {},
    "absent": None,
    "outdated": {"this_update": AT - 9 * DAY, "next_update": AT - DAY},
    "future": {"this_update": AT + DAY, "next_update": AT + 9 * DAY},
    "forged": {"key": ec_key("forger"), "key_ids": False},
    "critical": {"extensions": [unknown_extension(True)]},
}


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    issuer=st.sampled_from(sorted(ISSUERS)),
    options=st.sampled_from(sorted(LEAF_OPTIONS)),
    listing=st.sampled_from(sorted(LISTS)),
    root_listing=st.sampled_from(["fresh", "absent", "outdated"]),
)
def test_verdicts_agree_with_openssl(tmp_path, issuer, options, listing, root_listing):
    authority = ISSUERS[issuer]
    leaf = authority.leaf(**LEAF_OPTIONS[options])
    crls = []
    if LISTS[listing] is not None:
        crls.append(authority.crl([1234], **LISTS[listing]))
    if LISTS[root_listing] is not None:
        crls.append(ROOT.crl([666], **LISTS[root_listing]))
    compare(*ask(leaf, authority, crls, tmp_path))


def test_outdated_list_that_names_the_leaf_is_an_expired_list_to_openssl_too(tmp_path):
    issuing = ISSUERS["plain"]
    old = issuing.crl([revoked_entry(1234)], this_update=AT - 9 * DAY, next_update=AT - DAY)
    leaf = issuing.leaf(serial=1234)
    verdict, openssl = ask(leaf, issuing, [old, ROOT.crl()], tmp_path)
    assert verdict.kind is Kind.STALE and openssl.error(leaf, "-crl_check_all") == "12"


@pytest.mark.parametrize("day", ["2017-01-01", "2019-06-28", "2019-07-10", "2022-06-01"])
def test_real_leaves_get_openssls_answer(real_certificates, tmp_path, day):
    at = dt.datetime.fromisoformat(f"{day}T12:00:00Z")
    store = TrustStore.from_certificates(certificates_from_path(real_certificates / "ca"))
    checker = Checker(store, crls=crls_from_path(real_certificates / "crl"))
    files = [*real_certificates.glob("crl/AC[IR]*.pem")]
    crls = [x509.load_pem_x509_crl(file.read_bytes()) for file in files]
    openssl = OpenSsl(tmp_path, store.roots, store.intermediates, crls, at)
    for folder in ("ee", "negative"):
        for path in sorted(real_certificates.glob(f"{folder}/*.pem")):
            (leaf,) = certificates_from_path(path)
            compare(checker.check(leaf, at=at), openssl)

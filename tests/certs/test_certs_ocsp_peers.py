"""OCSP with others: the simulated responder over HTTP, openssl both ways, certomancer."""

from __future__ import annotations

import datetime as dt
import shutil
import subprocess

import pytest
from asn1crypto import ocsp as asn1
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from cryptography.x509 import load_der_x509_certificate
from selfmade_pki import ec_key

from igcsante.certs.anchors import TrustStore
from igcsante.certs.check import Checker
from igcsante.certs.ocsp.client import OcspClient
from igcsante.certs.ocsp.request import CertId
from igcsante.certs.ocsp.response import OcspResponse
from igcsante.certs.ocsp.source import OcspSource
from igcsante.certs.policy import Source
from igcsante.certs.revocation import CrlSource
from igcsante.certs.verdict import Kind
from igcsante.certs.x509.certificate_list import Crl
from igcsante.testing.http import listen
from igcsante.testing.pki import OcspBehaviour, PkiServer, SimulatedPki, SoftwareSubject
from igcsante.testing.pki.leaves import StructureName
from igcsante.testing.pki.ocsp import OcspResponder
from igcsante.testing.pki.simulated import new_key

NOW = dt.datetime.now(dt.UTC).replace(microsecond=0)
ORG = "ACI-EL-ORG-TEST"
HOSPITAL = StructureName("Paris (75)", "CENTRE HOSPITALIER SIMULATION", "10B0999003")
HOUR = dt.timedelta(hours=1)
LATE = dt.datetime(2045, 1, 1, tzinfo=dt.UTC)


@pytest.fixture(scope="module")
def served():
    """A simulated PKI, its server, a good leaf and a revoked one."""
    listener = listen()
    host = f"127.0.0.1:{listener.getsockname()[1]}"
    pki = SimulatedPki.create(at=NOW, base_url=f"http://{host}")
    subject, key = SoftwareSubject("service", HOSPITAL), new_key().public_key()
    good, bad = (
        pki.issue_software(
            offre="ORG", usage="AUTH_CLI", subject=subject, public_key=key, at=NOW - HOUR
        )
        for _ in range(2)
    )
    pki.revoke(bad.serial_number, NOW - HOUR)
    with PkiServer(pki, listener, clock=lambda: NOW) as server:
        yield pki, server, good, bad, host


def ask(served, behaviour, *, nonce=True, revoked=False):
    pki, server, good, bad, host = served
    server.responder.behaviour = behaviour
    leaf = bad if revoked else good
    source = OcspSource(client=OcspClient([host], nonce=nonce))
    return source.status(leaf, pki.chain(leaf)[0], NOW)


@pytest.mark.parametrize("nonce", [True, False])
@pytest.mark.parametrize("signer", ["delegated", "direct"])
def test_simulated_responder_is_believed(served, nonce, signer):
    behaviour = OcspBehaviour(signer=signer)
    assert ask(served, behaviour, nonce=nonce).kind is Kind.GOOD
    found = ask(served, behaviour, nonce=nonce, revoked=True)
    assert (found.kind, found.revoked_on) == (Kind.REVOKED, NOW - HOUR)


WRONG = {
    "stranger": (OcspBehaviour(signer="stranger"), "revocation.ocsp_unusable"),
    "unmeant": (OcspBehaviour(signer="unmeant"), "revocation.ocsp_unusable"),
    "expired": (OcspBehaviour(signer="expired"), "revocation.ocsp_unusable"),
    "nonce": (OcspBehaviour(nonce="wrong"), "revocation.fetch"),
    "later": (OcspBehaviour(status="try_later"), "revocation.ocsp_refused"),
    "unauthorized": (OcspBehaviour(status="unauthorized"), "revocation.ocsp_refused"),
    "unchecked": (OcspBehaviour(no_check=False), "revocation.ocsp_unusable"),
    "another": (OcspBehaviour(about_another=True), "revocation.ocsp_unusable"),
    "old": (OcspBehaviour(age=dt.timedelta(days=2)), "revocation.stale"),
    "from the future": (OcspBehaviour(age=-HOUR), "revocation.ocsp_unusable"),
}


@pytest.mark.parametrize(("behaviour", "code"), WRONG.values(), ids=WRONG)
def test_simulated_responder_that_errs_is_not_believed(served, behaviour, code):
    found = ask(served, behaviour)
    assert found.kind in (Kind.UNKNOWN, Kind.STALE)
    assert {reason.code for reason in found.reasons} == {code}


def test_responder_that_leaves_the_nonce_out_is_believed(served):
    assert ask(served, OcspBehaviour(nonce="ignored")).kind is Kind.GOOD
    assert ask(served, OcspBehaviour(lifetime=None)).kind is Kind.GOOD


@pytest.mark.parametrize("revoked", [False, True])
def test_check_asks_the_responder_when_no_list_tells(served, revoked):
    pki, server, good, bad, host = served
    server.responder.behaviour = OcspBehaviour()
    leaf = bad if revoked else good
    store = TrustStore.from_certificates([*pki.roots, *pki.intermediates])
    lists = [Crl(pki.crl(code, NOW)) for code, item in pki.authorities.items() if item.name.is_root]
    ocsp = {Source.OCSP: OcspSource(client=OcspClient([host]))}
    verdict = Checker(store, crls=lists, sources=ocsp).check(leaf, at=NOW)
    assert verdict.kind is (Kind.REVOKED if revoked else Kind.GOOD), verdict.reasons
    assert {item.type for item in verdict.statuses[0].evidence} == {"ocsp"}
    assert {item.type for item in verdict.statuses[1].evidence} == {"crl"}


def test_responder_that_is_not_allowed_is_not_asked(served):
    pki, _, good, _, _ = served
    source = OcspSource(client=OcspClient(["ocsp.example"]))
    found = source.status(good, pki.chain(good)[0], NOW)
    assert [reason.code for reason in found.reasons] == ["revocation.fetch"]
    assert "http_hosts" in found.reasons[0].message


def test_strange_requests_are_answered_too(served):
    pki, *_ = served
    responder = OcspResponder(pki, clock=lambda: NOW)
    for request in (b"", b"x" * 100, b"\x30\x03\x02\x01\x00"):
        told = OcspResponse(responder.respond(request))
        assert told.refusal


# -- openssl ---------------------------------------------------------------------------------------


@pytest.fixture
def openssl(tmp_path):
    program = shutil.which("openssl")
    if program is None:
        pytest.skip("openssl is not installed")

    def run(*arguments):
        done = subprocess.run(
            [program, "ocsp", *map(str, arguments)], capture_output=True, cwd=tmp_path, check=False
        )
        return done.returncode, (done.stdout + done.stderr).decode()

    return run


def pem(path, *certificates, key=None):
    octets = b"".join(item.public_bytes(Encoding.PEM) for item in certificates)
    if key is not None:
        octets = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    path.write_bytes(octets)
    return path


@pytest.mark.parametrize("signer", ["delegated", "direct"])
@pytest.mark.parametrize("revoked", [False, True])
def test_openssl_believes_the_simulated_responder(served, openssl, tmp_path, signer, revoked):
    pki, _, good, bad, _ = served
    leaf = bad if revoked else good
    issuer, root = pki.chain(leaf)
    files = [pem(tmp_path / f"{n}.pem", item) for n, item in enumerate((leaf, issuer, root))]
    assert openssl("-issuer", files[1], "-cert", files[0], "-reqout", "request", "-nonce")[0] == 0
    clock = dt.datetime.now(dt.UTC)
    responder = OcspResponder(pki, OcspBehaviour(signer=signer), clock=lambda: clock)
    octets = responder.respond((tmp_path / "request").read_bytes())
    (tmp_path / "response").write_bytes(octets)
    trusted = pem(tmp_path / "ca.pem", issuer, root)
    code, said = openssl(
        *("-issuer", files[1], "-cert", files[0], "-respin", "response", "-CAfile", trusted),
        "-no_nonce",  # else it expects that of a new request
    )
    assert code == 0, said
    assert "Response verify OK" in said
    assert f"{files[0]}: {'revoked' if revoked else 'good'}" in said
    found = OcspSource(responses=[OcspResponse(octets)]).status(leaf, issuer, clock)
    assert found.kind is (Kind.REVOKED if revoked else Kind.GOOD)


def test_openssl_answers_our_requests(issuing, openssl, tmp_path, store):
    """Delegated responder without nocheck: its own status comes from the CA's list."""
    from cryptography import x509
    from cryptography.x509.oid import ExtendedKeyUsageOID

    leaves = [issuing.leaf(f"leaf {n}", serial=0x1000 + n) for n in range(3)]
    entries = [
        "V\t351231235959Z\t\t1000\tunknown\t/CN=leaf 0",
        "R\t351231235959Z\t250601000000Z,keyCompromise\t1001\tunknown\t/CN=leaf 1",
    ]
    (tmp_path / "index.txt").write_text("\n".join(entries) + "\n")
    key = ec_key("openssl responder")
    purposes = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.OCSP_SIGNING])
    signer = issuing.leaf("R", key=key, extensions=[(purposes, False)], serial=9, not_after=LATE)
    options = (
        *("-index", "index.txt", "-CA", pem(tmp_path / "ca.pem", issuing.certificate)),
        *("-rsigner", pem(tmp_path / "r.pem", signer), "-rkey", pem(tmp_path / "r.key", key=key)),
        *("-ndays", 1, "-reqin", "request", "-respout", "response"),
    )
    at = dt.datetime.now(dt.UTC)
    lists = CrlSource([Crl(issuing.crl(this_update=at - HOUR, next_update=at + HOUR))], store)
    expected = {0: (Kind.GOOD, None), 1: (Kind.REVOKED, "keyCompromise"), 2: (Kind.UNKNOWN, None)}
    for number, leaf in enumerate(leaves):
        for algorithm in ("sha1", "sha256"):
            request = CertId.of(leaf, issuing.certificate).request(
                nonce=b"n" * 32, algorithm=algorithm
            )
            (tmp_path / "request").write_bytes(request)
            code, said = openssl(*options)
            assert code == 0, said
            response = OcspResponse((tmp_path / "response").read_bytes())
            assert response.nonce == b"n" * 32
            source = OcspSource(responses=[response], responders=lists)
            found = source.status(leaf, issuing.certificate, at)
            assert (found.kind, found.revocation_reason) == expected[number]


# -- certomancer -----------------------------------------------------------------------------------

CERTOMANCER = """
keysets:
  keys:
    keys:
      root: {path: root.pem}
      ca: {path: ca.pem}
      responder: {path: responder.pem}
      leaf: {path: leaf.pem}
pki-architectures:
  certomancer:
    keyset: keys
    entities:
      root: {country-name: FR, common-name: Certomancer root}
      ca: {country-name: FR, common-name: Certomancer CA}
      responder: {country-name: FR, common-name: Certomancer responder}
      good: {country-name: FR, common-name: Good}
      bad: {country-name: FR, common-name: Bad}
    certs:
      root:
        issuer: root
        subject: root
        subject-key: root
        authority-key: root
        validity: {valid-from: "2020-01-01T00:00:00+0000", valid-to: "2040-01-01T00:00:00+0000"}
        profiles: [{id: simple-ca, params: {crl-repo: root}}]
      ca:
        issuer: root
        subject: ca
        subject-key: ca
        authority-key: root
        validity: {valid-from: "2020-01-01T00:00:00+0000", valid-to: "2040-01-01T00:00:00+0000"}
        profiles: [{id: simple-ca, params: {crl-repo: ca, ocsp-service: ca, max-path-len: 0}}]
      responder:
        issuer: ca
        subject: responder
        subject-key: responder
        authority-key: ca
        validity: {valid-from: "2020-01-01T00:00:00+0000", valid-to: "2040-01-01T00:00:00+0000"}
        profiles: [ocsp-responder]
      good:
        issuer: ca
        subject: good
        subject-key: leaf
        authority-key: ca
        validity: {valid-from: "2020-01-01T00:00:00+0000", valid-to: "2040-01-01T00:00:00+0000"}
        profiles: [digsig-commitment]
      bad:
        issuer: ca
        subject: bad
        subject-key: leaf
        authority-key: ca
        validity: {valid-from: "2020-01-01T00:00:00+0000", valid-to: "2040-01-01T00:00:00+0000"}
        profiles: [digsig-commitment]
        revocation: {revoked-since: "2025-01-01T00:00:00+0000", reason: key_compromise}
    services:
      ocsp:
        ca:
          for-issuer: ca
          responder-cert: responder
          signing-key: responder
        pss:
          for-issuer: ca
          responder-cert: responder
          signing-key: responder
          signature-algo: rsassa_pss
      crl-repo:
        root: {for-issuer: root, signing-key: root, simulated-update-schedule: P30D}
        ca: {for-issuer: ca, signing-key: ca, simulated-update-schedule: P1D}
"""


@pytest.fixture(scope="module")
def certomancer(tmp_path_factory):
    registry = pytest.importorskip("certomancer.registry")
    config = pytest.importorskip("certomancer.registry.config")
    import yaml

    folder = tmp_path_factory.mktemp("certomancer")
    for label in ("root", "ca", "responder", "leaf"):
        pem(folder / f"{label}.pem", key=new_key())
    made = config.CertomancerConfig(yaml.safe_load(CERTOMANCER), key_search_dir=str(folder))
    return made.get_pki_arch(registry.ArchLabel("certomancer"))


@pytest.mark.parametrize(("label", "kind"), [("good", Kind.GOOD), ("bad", Kind.REVOKED)])
def test_certomancer_is_believed(certomancer, label, kind):
    """Its OCSP responder, and its list; the one and the other tell the same."""
    from certomancer.registry import CertLabel, ServiceLabel

    at = dt.datetime(2025, 6, 1, 12, tzinfo=dt.UTC)
    root, ca, leaf = (
        load_der_x509_certificate(certomancer.get_cert(CertLabel(name)).dump())
        for name in ("root", "ca", label)
    )
    request = CertId.of(leaf, ca).request(nonce=b"n" * 32)
    for service in ("ca", "pss"):
        responder = certomancer.service_registry.summon_responder(ServiceLabel(service), at)
        answer = responder.build_ocsp_response(asn1.OCSPRequest.load(request))
        found = OcspSource(responses=[OcspResponse(answer.dump())]).status(leaf, ca, at)
        assert found.kind is kind, found.reasons
    listing = certomancer.service_registry.get_crl(ServiceLabel("ca"), at).dump()
    told = CrlSource([Crl(listing)], TrustStore((root,), (ca,))).status(leaf, ca, at)
    assert (told.kind, told.revoked_on) == (kind, found.revoked_on), told.reasons

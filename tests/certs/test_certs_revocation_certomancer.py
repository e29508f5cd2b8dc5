"""Lists of an independent CA, certomancer: direct, partitioned by reasons, indirect, delta."""

from __future__ import annotations

import datetime as dt

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from igcsante.certs.anchors import TrustStore
from igcsante.certs.check import check
from igcsante.certs.load import load_certificates, load_crls
from igcsante.certs.policy import Policy, RevocationPolicy
from igcsante.certs.verdict import Kind

certomancer = pytest.importorskip("certomancer", reason="certomancer is not installed")

AT = dt.datetime(2025, 6, 1, 12, tzinfo=dt.UTC)
KEYS = ("root", "interm", "lister", "leaf")
CONFIGURATION = """
external-url-prefix: "http://ca.example"
keysets:
  keys:
    path-prefix: "."
    keys:
{keys}
pki-architectures:
  arch:
    keyset: keys
    entities:
      root: {{country-name: FR, common-name: Independent Root}}
      interm: {{country-name: FR, common-name: Independent CA}}
      lister: {{country-name: FR, common-name: Independent Lister}}
{holders}
    certs:
      root:
        subject: root
        issuer: root
        subject-key: root
        authority-key: root
        validity: {{valid-from: "2020-01-01T00:00:00+0000", valid-to: "2030-01-01T00:00:00+0000"}}
        profiles: [{{id: simple-ca, params: {{crl-repo: root}}}}]
      interm:
        subject: interm
        issuer: root
        subject-key: interm
        authority-key: root
        validity: {{valid-from: "2020-01-01T00:00:00+0000", valid-to: "2030-01-01T00:00:00+0000"}}
        profiles: [{{id: simple-ca, params: {{max-path-len: 0}}}}]
        extensions:
          - id: crl_distribution_points
            smart-value: {{schema: crl-dist-url, params: {{crl-repo-names: [root]}}}}
      lister:
        subject: lister
        issuer: root
        subject-key: lister
        authority-key: root
        validity: {{valid-from: "2020-01-01T00:00:00+0000", valid-to: "2030-01-01T00:00:00+0000"}}
        extensions:
          - id: key_usage
            critical: true
            smart-value: {{schema: key-usage, params: [crl_sign]}}
          - id: crl_distribution_points
            smart-value: {{schema: crl-dist-url, params: {{crl-repo-names: [root]}}}}
{leaves}
    services:
      crl-repo:
        root:
          for-issuer: root
          signing-key: root
          simulated-update-schedule: "P30D"
          issuer-cert: root
        direct:
          for-issuer: interm
          signing-key: interm
          simulated-update-schedule: "P3D"
          issuer-cert: interm
        compromises:
          for-issuer: interm
          signing-key: interm
          simulated-update-schedule: "P3D"
          issuer-cert: interm
          covered-reasons: [key_compromise, ca_compromise, aa_compromise]
        others:
          for-issuer: interm
          signing-key: interm
          simulated-update-schedule: "P3D"
          issuer-cert: interm
          covered-reasons: [affiliation_changed, superseded, cessation_of_operation,
                            certificate_hold, privilege_withdrawn]
        indirect:
          for-issuer: interm
          crl-issuer: lister
          signing-key: lister
          simulated-update-schedule: "P3D"
          issuer-cert: lister
        indirect-users:
          for-issuer: interm
          crl-issuer: lister
          signing-key: lister
          simulated-update-schedule: "P3D"
          issuer-cert: lister
          crl-type: user-only
"""
LEAF = """
      {label}:
        subject: {label}
        issuer: interm
        subject-key: leaf
        authority-key: interm
        validity: {{valid-from: "2024-01-01T00:00:00+0000", valid-to: "2027-01-01T00:00:00+0000"}}
        extensions:
          - id: key_usage
            critical: true
            smart-value: {{schema: key-usage, params: [digital_signature]}}
          - id: crl_distribution_points
            smart-value: {{schema: crl-dist-url, params: {{crl-repo-names: [{repositories}]}}}}
"""
REVOKED = """        revocation:
          revoked-since: "2025-01-15T00:00:00+0000"
          reason: superseded
"""
REPOSITORIES = {
    "direct": ["direct"],
    "partitioned": ["compromises", "others"],
    "indirect": ["indirect"],
    "indirect-users": ["indirect-users"],
}


@pytest.fixture(scope="module")
def arch(tmp_path_factory):
    from certomancer.registry import ArchLabel, CertomancerConfig

    folder = tmp_path_factory.mktemp("certomancer")
    for label in KEYS:
        key = ec.generate_private_key(ec.SECP256R1())
        pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        (folder / f"{label}.pem").write_bytes(pem)
    leaves, holders = "", ""
    for kind, repositories in REPOSITORIES.items():
        for label, revocation in ((f"{kind}-good", ""), (f"{kind}-revoked", REVOKED)):
            leaves += LEAF.format(label=label, repositories=", ".join(repositories)) + revocation
            holders += f"      {label}: {{country-name: FR, common-name: {label}}}\n"
    text = CONFIGURATION.format(
        keys="".join(f"      {label}: {{path: {label}.pem}}\n" for label in KEYS),
        leaves=leaves,
        holders=holders,
    )
    config = CertomancerConfig.from_yaml(text, key_search_dir=str(folder))
    return config.get_pki_arch(ArchLabel("arch"))


@pytest.fixture(scope="module")
def certificate(arch):
    def certificate(label):
        (found,) = load_certificates(arch.get_cert(label).dump())
        return found

    return certificate


@pytest.fixture(scope="module")
def listing(arch):
    def listing(label, at=AT):
        (found,) = load_crls(arch.service_registry.get_crl(label, at).dump(), source=label)
        return found

    return listing


@pytest.fixture(scope="module")
def told(certificate, listing):
    store = TrustStore((certificate("root"),), (certificate("interm"),))

    def told(label, *lists, at=AT, policy=None):
        found = [listing("root"), *lists]
        untrusted = [certificate("lister")]
        leaf = certificate(label)
        return check(leaf, store, untrusted=untrusted, crls=found, at=at, policy=policy)

    return told


@pytest.mark.parametrize("kind", REPOSITORIES)
def test_lists_of_every_kind_tell_good_and_revoked(told, listing, kind):
    lists = [listing(label) for label in REPOSITORIES[kind]]
    verdict = told(f"{kind}-good", *lists)
    assert verdict.kind is Kind.GOOD, [*map(str, verdict.reasons)]
    verdict = told(f"{kind}-revoked", *lists)
    assert verdict.kind is Kind.REVOKED
    assert verdict.revoked_on == dt.datetime(2025, 1, 15, tzinfo=dt.UTC)
    assert verdict.statuses[0].revocation_reason == "superseded"


@pytest.mark.parametrize("kind", REPOSITORIES)
def test_lists_of_other_kinds_tell_nothing(told, listing, kind):
    others = [
        listing(label)
        for repositories in REPOSITORIES.values()
        for label in repositories
        if repositories != REPOSITORIES[kind]
    ]
    for status in ("good", "revoked"):
        assert told(f"{kind}-{status}", *others).kind is Kind.UNKNOWN


@pytest.mark.parametrize("missing", ["compromises", "others"])
def test_a_partition_alone_is_not_enough(told, listing, missing):
    (label,) = set(REPOSITORIES["partitioned"]) - {missing}
    assert told("partitioned-good", listing(label)).kind is Kind.UNKNOWN


def test_outdated_lists_are_stale(told, listing):
    before = listing("direct", AT - dt.timedelta(days=6))
    assert told("direct-good", before).kind is Kind.STALE
    policy = Policy(revocation=RevocationPolicy(grace=dt.timedelta(days=6)))
    assert told("direct-good", before, policy=policy).kind is Kind.GOOD
    # before the revocation was listed
    early = listing("direct", dt.datetime(2025, 1, 10, tzinfo=dt.UTC))
    assert told("direct-revoked", early).kind is Kind.STALE
    assert told("direct-revoked", early, listing("direct")).kind is Kind.REVOKED


def test_delta_list_completes_a_direct_one(arch, told, listing, certificate):
    """certomancer signs deltas when it is handed the entries and the indicator."""
    from asn1crypto import core, crl
    from certomancer.services import CRLBuilder, choose_signed_digest

    keys = arch.key_set.get_asym_key("interm")
    complete = arch.service_registry.get_crl("direct", AT)
    number = complete.crl_number_value.native
    indicator = {"extn_id": "delta_crl_indicator", "critical": True}
    builder = CRLBuilder(
        issuer_name=arch.entities["interm"],
        issuer_key=keys.private,
        signature_algo=choose_signed_digest("sha256", keys.public),
        authority_key_identifier=arch.get_cert("interm").key_identifier_value,
        extra_crl_extensions=[
            crl.TBSCertListExtension({**indicator, "extn_value": core.Integer(number)})
        ],
    )
    idp = arch.service_registry.get_crl_repo_info("direct").format_idp(arch.entities)

    def delta(reason, distribution=idp):
        serial = certificate("direct-good").serial_number
        entry = CRLBuilder.format_revoked_cert(serial, crl.CRLReason(reason), AT)
        hour = dt.timedelta(hours=1)
        made = builder.build_crl(number + 1, AT - hour, AT + hour, [entry], distribution)
        return load_crls(made.dump())[0]

    assert told("direct-good", listing("direct"), delta("key_compromise")).kind is Kind.REVOKED
    assert told("direct-good", listing("direct"), delta("remove_from_crl")).kind is Kind.GOOD
    other_scope = delta("key_compromise", None)
    assert told("direct-good", listing("direct"), other_scope).kind is Kind.REVOKED
    lifting = delta("remove_from_crl", None)
    assert told("direct-revoked", listing("direct"), lifting).kind is Kind.REVOKED
    assert told("direct-good", delta("key_compromise")).kind is Kind.REVOKED

"""Certificate policies along a chain: inputs, mappings, bounds (RFC 5280 §6.1, RFC 9618)."""

from __future__ import annotations

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID
from selfmade_pki import AT, Authority, ca_extensions, leaf_extensions, usages

from igcsante.certs.anchors import TrustStore
from igcsante.certs.chain import Chain, build_chain
from igcsante.certs.path.policy_tree import POLICY_MAPPINGS, PolicyExtensions, PolicyState
from igcsante.certs.policy import ANY_POLICY, PathPolicy, Policy
from igcsante.certs.x509.der import object_identifier

GOLD, SILVER = "1.2.3.1", "1.2.3.2"


def policies(*oids: str):
    found = [x509.PolicyInformation(x509.ObjectIdentifier(oid), None) for oid in oids]
    return x509.CertificatePolicies(found), False


def tlv(tag: int, content: bytes) -> bytes:
    size = len(content)
    length = bytes((size,)) if size < 128 else bytes((0x82, size >> 8, size & 255))
    return bytes((tag,)) + length + content


def mapped(*pairs: tuple[str, str]):
    def encoded(oid: str) -> bytes:
        arcs = [int(arc) for arc in oid.split(".")]
        return tlv(6, bytes((40 * arcs[0] + arcs[1], *arcs[2:])))

    items = b"".join(tlv(0x30, encoded(one) + encoded(other)) for one, other in pairs)
    return x509.UnrecognizedExtension(POLICY_MAPPINGS, tlv(0x30, items)), True


def chain_of(leaf, *authorities: Authority, usages=frozenset(), worlds=None, **inputs) -> Chain:
    store = TrustStore.from_certificates(item.certificate for item in authorities)
    policy = Policy(usages=frozenset(usages), path=PathPolicy(**inputs))
    if worlds is not None:
        policy = Policy(worlds=frozenset(worlds))
    return build_chain(leaf, store, at=AT, policy=policy)


def codes(chain: Chain) -> list[str]:
    return [reason.code for reason in chain.reasons]


def test_initial_policies_must_hold_when_one_is_required(root):
    issuing = root.authority("GOLD", extensions=[*ca_extensions(), policies(GOLD, SILVER)])
    leaf = issuing.leaf(extensions=[*leaf_extensions(), policies(GOLD)])
    assert chain_of(leaf, root, issuing).policies == {GOLD}
    assert chain_of(leaf, root, issuing, initial_policies=frozenset({SILVER})).valid
    for wanted, valid in ((GOLD, True), (SILVER, False)):
        inputs = {"initial_policies": frozenset({wanted}), "explicit_policy": True}
        chain = chain_of(leaf, root, issuing, **inputs)
        assert chain.valid == valid and codes(chain) == ([] if valid else ["policy.none_valid"])


def test_any_policy_all_along_allows_what_is_asked_for(root):
    issuing = root.authority("ANY", extensions=[*ca_extensions(), policies(ANY_POLICY)])
    leaf = issuing.leaf(extensions=[*leaf_extensions(), policies(GOLD)])
    asked = {"initial_policies": frozenset({GOLD}), "explicit_policy": True}
    assert chain_of(leaf, root, issuing, **asked).policies == {GOLD}
    inhibited = chain_of(leaf, root, issuing, inhibit_any_policy=True, explicit_policy=True)
    assert codes(inhibited) == ["policy.none_valid"]


def test_policy_is_known_by_the_name_of_the_topmost_domain(root):
    extensions = [*ca_extensions(), policies(GOLD), mapped((GOLD, SILVER))]
    issuing = root.authority("MAPPING", extensions=extensions)
    leaf = issuing.leaf(extensions=[*leaf_extensions(), policies(SILVER)])
    assert chain_of(leaf, root, issuing).policies == {GOLD}
    inhibited = chain_of(leaf, root, issuing, inhibit_mapping=True, explicit_policy=True)
    assert codes(inhibited) == ["policy.none_valid"]


def test_malformed_policies_and_mappings_are_refused(root):
    twice = x509.UnrecognizedExtension(
        x509.CertificatePolicies.oid, bytes.fromhex("300c 3004 0602 2a03 3004 0602 2a03")
    )
    for extension in (
        (twice, False),
        (x509.UnrecognizedExtension(POLICY_MAPPINGS, b"\x30\x00"), True),
        (x509.UnrecognizedExtension(POLICY_MAPPINGS, b"\x30\x04\x30\x02\x06\x00"), True),
        (x509.UnrecognizedExtension(POLICY_MAPPINGS, b"\x05\x00"), True),
    ):
        issuing = root.authority("MALFORMED", extensions=[*ca_extensions(), extension])
        assert codes(chain_of(issuing.leaf(), root, issuing)) == ["chain.unreadable"]


def test_hostile_mappings_stay_small():
    """RFC 9618 §2: each CA maps every policy to every other; a tree would have 64^8 leaves."""
    oids = [f"1.2.3.{number}" for number in range(64)]
    extensions = PolicyExtensions(
        frozenset(oids), tuple((one, other) for one in oids for other in oids)
    )
    state = PolicyState.at_anchor(PathPolicy(explicit_policy=True), PolicyExtensions())
    for _ in range(8):
        state = state.below(extensions, self_issued=False)
    assert sum(len(level) for level in state.levels) <= 1 + 8 * len(oids)
    assert state.leaf(PolicyExtensions(frozenset(oids)), frozenset({ANY_POLICY})) == set(oids)


@pytest.mark.parametrize(
    ("octets", "text"),
    [("2a03", "1.2.3"), ("8837", "2.999"), ("551d20", "2.5.29.32"), ("7f", "2.47"), ("00", "0.0")],
)
def test_object_identifiers_are_read(octets, text):
    assert object_identifier(bytes.fromhex(octets)) == text


@pytest.mark.parametrize("octets", ["", "80", "2a83", "2a8001", "2a" * 65])
def test_malformed_object_identifiers_are_refused(octets):
    with pytest.raises(ValueError, match="object identifier"):
        object_identifier(bytes.fromhex(octets))


# -- usages ------------------------------------------------------------------------------------

CLIENT, MAIL = ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.EMAIL_PROTECTION
ANY_PURPOSE = ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE
SIGNING, ENCIPHERING = usages("digital_signature"), usages("key_encipherment")
ALLOWANCES = {  # extended key usages and key usage of a leaf; does it allow clientAuth?
    "the purpose": ([CLIENT], SIGNING, True),
    "another purpose": ([MAIL], SIGNING, False),
    "no restriction": (None, SIGNING, True),
    "any purpose": ([MAIL, ANY_PURPOSE], SIGNING, True),
    "the purpose with a key that can't": ([CLIENT], ENCIPHERING, False),
    "CONF of IGC-Santé": ([MAIL, ANY_PURPOSE], ENCIPHERING, False),
}


@pytest.mark.parametrize("case", ALLOWANCES)
def test_leaf_must_allow_each_usage_that_is_asked(root, case):
    purposes, usage, allowed = ALLOWANCES[case]
    extensions = [(usage, True)]
    if purposes:
        extensions.append((x509.ExtendedKeyUsage(purposes), True))
    leaf = root.leaf(extensions=extensions)
    assert chain_of(leaf, root).valid
    for wanted in ("clientAuth", CLIENT.dotted_string):
        chain = chain_of(leaf, root, usages=[wanted])
        assert codes(chain) == ([] if allowed else ["usage.purpose"])


def test_each_usage_that_lacks_is_told(root):
    chain = chain_of(root.leaf(), root, usages=["emailProtection", "clientAuth", "serverAuth"])
    assert codes(chain) == ["usage.purpose", "usage.purpose"]


def test_usages_of_a_ca_restrict_what_is_below_it(root):
    extensions = [*ca_extensions(), (x509.ExtendedKeyUsage([MAIL]), False)]
    issuing = root.authority("MAIL ONLY", extensions=extensions)
    leaf = issuing.leaf(extensions=leaf_extensions())
    assert chain_of(leaf, root, issuing).valid
    assert codes(chain_of(leaf, root, issuing, usages=["clientAuth"])) == ["usage.purpose"]


# -- worlds ------------------------------------------------------------------------------------


def of_category(root: Authority, value: int | None) -> x509.Certificate:
    oid = x509.ObjectIdentifier("1.2.250.1.71.1.2.5")
    category = (
        [] if value is None else [(x509.UnrecognizedExtension(oid, bytes((4, 1, value))), False)]
    )
    return root.leaf(extensions=[*leaf_extensions(), *category])


@pytest.mark.parametrize(("value", "world"), [(0x03, "other"), (0x83, "test"), (None, "other")])
def test_certificate_of_a_world_that_is_not_accepted_is_invalid(root, value, world):
    leaf = of_category(root, value)
    everything = {"production", "test", "other"}
    assert chain_of(leaf, root, worlds=everything).valid
    assert chain_of(leaf, root, worlds={world}).valid
    chain = chain_of(leaf, root, worlds=everything - {world})
    assert codes(chain) == ["world.refused"]
    assert world in str(chain.reasons[0])

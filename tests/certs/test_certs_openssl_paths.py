"""Paths put to ``openssl verify``: hierarchies drawn at random, sound or broken once or twice.

Both call the same paths valid, and openssl's first complaint is among ours. Where the two
differ, :data:`DISAGREEMENTS` says why, and a test of its own shows each.
"""

from __future__ import annotations

import datetime as dt
import re
import subprocess
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from selfmade_pki import (
    AT,
    DAY,
    END,
    START,
    certificate,
    ec_key,
    leaf_extensions,
    name,
    unknown_extension,
    usages,
)
from test_certs_chain_policies import mapped, policies

from igcsante.certs.anchors import TrustStore
from igcsante.certs.chain import Chain, build_chain
from igcsante.certs.policy import ANY_POLICY, PathPolicy, Policy

GOLD, SILVER = "1.2.3.1", "1.2.3.2"
POLICY_MAPPINGS = "2.5.29.33"
OPENSSL_SAYS = {  # its error numbers (x509_vfy.h), and what we call the same
    "2": {"chain.issuer_missing"},
    "7": {"signature.bad"},
    "9": {"validity.not_yet"},
    "10": {"validity.expired"},
    "18": {"chain.untrusted"},
    # An issuer that may not sign is none to openssl.
    "20": {"chain.issuer_missing", "usage.cert_sign"},
    "24": {"constraints.not_ca", "usage.cert_sign"},
    "25": {"constraints.path_length"},
    "32": {"usage.cert_sign"},
    "34": {"extension.unprocessed"},
    "42": {"policy.mapping", "chain.unreadable"},
    "43": {"policy.none_valid"},
    "47": {"constraints.name_not_permitted"},
    "48": {"constraints.name_excluded"},
    "79": {"constraints.not_ca", "usage.cert_sign"},
}


P224 = ec.generate_private_key(ec.SECP224R1())
ANS_TEST = x509.Name(
    [
        x509.NameAttribute(NameOID.ORGANIZATION_NAME, "ASIP-SANTE"),
        x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, "IGC-SANTE TEST"),
        x509.NameAttribute(NameOID.COMMON_NAME, "SIMULATION"),
    ]
)


@dataclass(frozen=True)
class Spec:
    """One certificate to make; ``ca`` None means no basic constraints."""

    subject: str
    key: str
    ca: bool | None = True
    path_length: int | None = None
    usage: tuple[str, ...] | None = ("key_cert_sign", "crl_sign")
    not_before: dt.datetime = START
    not_after: dt.datetime = END
    extra: tuple[tuple[x509.ExtensionType, bool], ...] = ()
    forged: bool = False
    issuer: str | None = None
    ans: bool = False

    @property
    def name(self) -> x509.Name:
        return ANS_TEST if self.ans else name(self.subject)

    @property
    def private_key(self) -> Any:
        return P224 if self.key == "P-224" else ec_key(self.key)

    def made(self, issuer: Spec) -> x509.Certificate:
        extensions: list[Any] = [*self.extra]
        if self.usage is not None:
            extensions.append((usages(*self.usage), True))
        if self.ca is not None:
            extensions.append(
                (x509.BasicConstraints(self.ca, self.path_length if self.ca else None), True)
            )
        key_id = x509.SubjectKeyIdentifier.from_public_key(ec_key(issuer.key).public_key())
        return certificate(
            self.name,
            self.private_key,
            name(self.issuer) if self.issuer else issuer.name,
            ec_key("forger" if self.forged else issuer.key),
            extensions=extensions,
            not_before=self.not_before,
            not_after=self.not_after,
            authority_key_id=key_id.digest,
        )


@dataclass(frozen=True)
class Case:
    """A path, anchor first, and the inputs."""

    specs: tuple[Spec, ...]
    inputs: PathPolicy = field(default_factory=PathPolicy)

    def made(self) -> list[x509.Certificate]:
        issuers = (self.specs[0], *self.specs)
        return [spec.made(issuer) for spec, issuer in zip(self.specs, issuers, strict=False)]


def with_extra(spec: Spec, *extra: Any) -> Spec:
    return replace(spec, extra=(*spec.extra, *extra))


def name_constraints(permitted=None, excluded=None):
    return x509.NameConstraints(permitted, excluded), True


DN, DNS = x509.DirectoryName, x509.DNSName
ANYWHERE = {  # what can be wrong with any certificate of a path
    "expired": lambda spec: replace(spec, not_before=START, not_after=AT - DAY),
    "not yet valid": lambda spec: replace(spec, not_before=AT + DAY, not_after=END),
    "unknown critical extension": lambda spec: with_extra(spec, unknown_extension(True)),
    "unknown extension": lambda spec: with_extra(spec, unknown_extension(False)),
}
BELOW_THE_ANCHOR = {
    "signature of another key": lambda spec: replace(spec, forged=True),
    "issuer of another name": lambda spec: replace(spec, issuer="NOBODY"),
}
OF_A_CA = {
    "no CA": lambda spec: replace(spec, ca=False, path_length=None),
    "no basic constraints": lambda spec: replace(spec, ca=None),
    "no certSign": lambda spec: replace(spec, usage=("crl_sign",)),
    "no key usage": lambda spec: replace(spec, usage=None),
    "path length 0": lambda spec: replace(spec, path_length=0),
    "path length 1": lambda spec: replace(spec, path_length=1),
    "leaf's name excluded": lambda spec: with_extra(
        spec, name_constraints(None, [DN(name("leaf"))])
    ),
    "another name permitted": lambda spec: with_extra(spec, name_constraints([DN(name("x"))])),
    "all our names permitted": lambda spec: with_extra(
        spec, name_constraints([DN(x509.Name([*name("x")][:2]))])
    ),
    "DNS name permitted": lambda spec: with_extra(spec, name_constraints([DNS("sante.example")])),
    "DNS name excluded": lambda spec: with_extra(
        spec, name_constraints(None, [DNS("www.sante.example")])
    ),
    "other DNS names permitted": lambda spec: with_extra(
        spec, name_constraints([DNS("other.example")])
    ),
}
POLICY_FAULTS = {  # of an intermediate: openssl doesn't look at the anchor's
    "policy required": lambda spec: with_extra(spec, (x509.PolicyConstraints(0, None), True)),
    "policy required below": lambda spec: with_extra(spec, (x509.PolicyConstraints(1, None), True)),
    "no mapping": lambda spec: with_extra(spec, (x509.PolicyConstraints(None, 0), True)),
    "no any policy": lambda spec: with_extra(spec, (x509.InhibitAnyPolicy(0), True)),
    "no any policy below": lambda spec: with_extra(spec, (x509.InhibitAnyPolicy(1), True)),
    "mapping": lambda spec: with_extra(spec, mapped((GOLD, SILVER))),
    "mapping back": lambda spec: with_extra(spec, mapped((SILVER, GOLD))),
    "mapping to any": lambda spec: with_extra(spec, mapped((GOLD, ANY_POLICY))),
}
POLICY_SETS = [(), (GOLD,), (SILVER,), (GOLD, SILVER), (ANY_POLICY,), (ANY_POLICY, GOLD)]


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """One to three CAs below the anchor, one of them re-keyed maybe; up to two faults."""
    subjects = ["ROOT", "ONE", "TWO", "THREE"][: draw(st.integers(2, 4))]
    specs = [Spec(subject, subject) for subject in subjects]
    if draw(st.booleans()):
        again = draw(st.integers(1, len(specs) - 1))
        specs.insert(again + 1, Spec(specs[again].subject, f"NEW {specs[again].key}"))
    leaf = Spec("leaf", "leaf", ca=False, usage=None, extra=tuple(leaf_extensions()[1:]))
    if draw(st.booleans()):
        leaf = with_extra(leaf, (x509.SubjectAlternativeName([DNS("www.sante.example")]), False))
    specs.append(leaf)
    for index in range(1, len(specs)):
        if chosen := draw(st.sampled_from(POLICY_SETS)):
            specs[index] = with_extra(specs[index], policies(*chosen))
    for _ in range(draw(st.integers(0, 2))):
        index = draw(st.integers(0, len(specs) - 1))
        faults = dict(ANYWHERE)
        if index:
            faults |= BELOW_THE_ANCHOR
        if index < len(specs) - 1:
            faults |= OF_A_CA
            if index:
                faults |= POLICY_FAULTS
        fault = draw(st.sampled_from(sorted(faults)))
        changed = faults[fault](specs[index])
        kinds = [extension.oid for extension, _ in changed.extra]
        if len(kinds) == len(set(kinds)):
            specs[index] = changed
    initial = draw(st.sampled_from([ANY_POLICY, GOLD, SILVER]))
    inputs = PathPolicy(frozenset({initial}), *(draw(st.booleans()) for _ in range(3)))
    assume(not any(differs_on_purpose(spec, inputs) for spec in specs))
    return Case(tuple(specs), inputs)


def openssl_error(
    case: Case, made: list[x509.Certificate], folder: Path, at: dt.datetime = AT
) -> str:
    """The number of openssl's first error, empty when it is content."""
    for file, part in (("anchor", made[:1]), ("cas", made[1:-1]), ("leaf", made[-1:])):
        pem = b"".join(item.public_bytes(Encoding.PEM) for item in part)
        (folder / f"{file}.pem").write_bytes(pem)
    command = ["openssl", "verify", "-attime", str(int(at.timestamp())), "-policy_check"]
    for policy in case.inputs.initial_policies:  # without -policy none is accepted, not any
        command += ["-policy", policy]
    for wanted, option in (
        (case.inputs.explicit_policy, "-explicit_policy"),
        (case.inputs.inhibit_mapping, "-inhibit_map"),
        (case.inputs.inhibit_any_policy, "-inhibit_any"),
    ):
        command += [option] if wanted else []
    command += ["-CAfile", "anchor.pem", "-untrusted", "cas.pem", "leaf.pem"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder)
    numbers = re.findall(r"^error (\d+) at", done.stderr, re.MULTILINE)
    return numbers[0] if done.returncode else ""


def ours(case: Case, made: list[x509.Certificate], at: dt.datetime = AT) -> Chain:
    store = TrustStore((made[0],))
    return build_chain(made[-1], store, made[1:-1], at=at, policy=Policy(path=case.inputs))


def differs_on_purpose(spec: Spec, inputs: PathPolicy) -> bool:
    """Of what is drawn: see DISAGREEMENTS."""
    kinds = {extension.oid.dotted_string for extension, _ in spec.extra}
    states_any = policies(ANY_POLICY) in spec.extra
    return (
        (spec.key == "ROOT" and spec.ca is None and spec.usage is not None)
        or (
            mapped((GOLD, ANY_POLICY)) in spec.extra
            and x509.CertificatePolicies.oid.dotted_string not in kinds
        )
        or (inputs.inhibit_any_policy and states_any and POLICY_MAPPINGS in kinds)
    )


def compare(case: Case, folder: Path) -> None:
    made = case.made()
    chain, error = ours(case, made), openssl_error(case, made, folder)
    codes = {reason.code for reason in chain.reasons}
    assert chain.valid == (not error), (error, chain.reasons)
    if error:
        assert codes & OPENSSL_SAYS[error], (error, chain.reasons)


@settings(
    max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(case=cases())
def test_paths_drawn_at_random_get_openssls_answer(tmp_path, case):
    compare(case, tmp_path)


@pytest.mark.long
@settings(
    max_examples=3000, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(case=cases())
def test_many_paths_drawn_at_random_get_openssls_answer(tmp_path, case):
    compare(case, tmp_path)


# -- where we differ -----------------------------------------------------------------------------

ROOT, ONE = Spec("ROOT", "ROOT"), Spec("ONE", "ONE")
LEAF = Spec("leaf", "leaf", ca=False, usage=None, extra=tuple(leaf_extensions()[1:]))
NETSCAPE_TYPE = (
    x509.UnrecognizedExtension(
        x509.ObjectIdentifier("2.16.840.1.113730.1.1"), bytes.fromhex("03020780")
    ),
    True,
)
PRODUCTION = (
    x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.250.1.71.1.2.5"), b"\4\1\3"),
    False,
)


@dataclass(frozen=True)
class Disagreement:
    """A path, what we say, openssl's error number ("" is content), and why ours stands."""

    case: Case
    ours: tuple[str, ...]
    openssl: str
    why: str
    at: dt.datetime = AT


DISAGREEMENTS = {
    "anchor without basic constraints": Disagreement(
        Case((replace(ROOT, ca=None), ONE, LEAF)),
        ("constraints.not_ca",),
        "",
        "what issues is a CA, and says so (6.1.4 (k)); openssl takes a self-signed anchor that "
        "may sign certificates for one, unless -x509_strict",
    ),
    "mapping of anyPolicy by a CA without policies": Disagreement(
        Case((ROOT, with_extra(ONE, mapped((GOLD, ANY_POLICY))), LEAF)),
        ("policy.mapping",),
        "",
        "6.1.4 (a) forbids it always; openssl looks at mappings of CAs with policies only",
    ),
    "mapping by a CA whose anyPolicy is inhibited": Disagreement(
        Case(
            (
                ROOT,
                with_extra(ONE, policies(ANY_POLICY), mapped((SILVER, GOLD))),
                with_extra(replace(ONE, key="NEW ONE"), policies(GOLD)),
                with_extra(LEAF, policies(GOLD)),
            ),
            PathPolicy(explicit_policy=True, inhibit_any_policy=True),
        ),
        ("policy.none_valid",),
        "",
        "6.1.3 (d)(2): an inhibited anyPolicy allows nothing, so that no policy is left to be "
        "mapped (6.1.4 (b)); openssl maps from it all the same",
    ),
    "policy constraints of the anchor": Disagreement(
        Case((with_extra(ROOT, (x509.PolicyConstraints(0, None), True)), ONE, LEAF)),
        ("policy.none_valid",),
        "",
        "RFC 5937: what an anchor's certificate restricts holds; openssl passes over it",
    ),
    "critical Netscape certificate type": Disagreement(
        Case((ROOT, ONE, with_extra(LEAF, NETSCAPE_TYPE))),
        ("extension.unprocessed",),
        "",
        "openssl processes that extension of 1995, we don't: RFC 5280 4.2 then says refuse",
    ),
    "host name as common name": Disagreement(
        Case(
            (
                ROOT,
                with_extra(ONE, name_constraints([DNS("other.example")])),
                replace(LEAF, subject="www.sante.example"),
            )
        ),
        (),
        "47",
        "RFC 5280 4.2.1.10 constrains dNSNames; openssl also common names that look like one "
        "where there is no dNSName. No host is known by its common name here",
    ),
    "last second of the validity": Disagreement(
        Case((ROOT, ONE, LEAF)),
        (),
        "10",
        "4.1.2.5: valid through notAfter, inclusive; openssl takes that second for expired",
        END,
    ),
    "tabulator for a space in a name": Disagreement(
        Case((ROOT, replace(ONE, subject="AC ONE"), replace(LEAF, issuer="AC\tONE"))),
        ("chain.issuer_missing",),
        "",
        "spaces are folded, nothing that only looks like one; openssl folds all ASCII blanks",
    ),
    "elliptic curve of 224 bits": Disagreement(
        Case((ROOT, ONE, replace(LEAF, key="P-224"))),
        ("algorithm.weak",),
        "",
        "the policy's algorithms; openssl's security level 1 takes it, and RSA-1024 and SHA-1 "
        "at lower levels",
    ),
    "profile that contradicts itself": Disagreement(
        Case((ROOT, replace(ONE, ans=True), replace(LEAF, extra=(*LEAF.extra, PRODUCTION)))),
        ("profile.conflict",),
        "",
        "a production category under a TEST issuer: IGC-Santé's rules, which openssl can't know",
    ),
}


@pytest.mark.parametrize("what", DISAGREEMENTS)
def test_disagreement_is_as_explained(tmp_path, what):
    known = DISAGREEMENTS[what]
    made = known.case.made()
    codes = tuple(reason.code for reason in ours(known.case, made, known.at).reasons)
    assert codes == known.ours, known.why
    assert openssl_error(known.case, made, tmp_path, known.at) == known.openssl, known.why

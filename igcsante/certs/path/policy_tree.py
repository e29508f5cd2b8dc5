"""Certificate policies along a path: RFC 5280 §6.1, as RFC 9618 bounds it.

Step by step from the anchor down: :meth:`PolicyState.below` for each CA, :meth:`PolicyState.leaf`
for the last certificate. The valid policies are kept as a graph with one node per policy
and level, not as the tree of RFC 5280, which mappings can make grow exponentially: a level
never has more nodes than the policies and mappings of the certificates above it, plus one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from cryptography import x509

from ..policy import ANY_POLICY, PathPolicy
from ..x509 import der

MAX_POLICIES = 1024  # in one certificate, mappings likewise; nobody needs as many
POLICY_MAPPINGS = x509.ObjectIdentifier("2.5.29.33")

_UNBOUNDED = 1 << 30
_NO_POLICY: frozenset[str] = frozenset()
_ANY = frozenset({ANY_POLICY})


@dataclass(frozen=True)
class PolicyExtensions:
    """What one certificate says about policies (dotted OIDs).

    ``policies`` is None without the extension; ``mappings`` are pairs (policy of the
    issuer's domain, policy of the subject's).
    """

    policies: frozenset[str] | None = None
    mappings: tuple[tuple[str, str], ...] = ()
    require_explicit: int | None = None
    inhibit_mapping: int | None = None
    inhibit_any: int | None = None

    @classmethod
    def of(cls, extensions: x509.Extensions) -> PolicyExtensions:
        """Raises ValueError when they are malformed, or more than anybody needs."""
        values = {extension.oid: extension.value for extension in extensions}
        policies = values.get(x509.CertificatePolicies.oid)
        constraints = values.get(x509.PolicyConstraints.oid)
        inhibition = values.get(x509.InhibitAnyPolicy.oid)
        mappings = values.get(POLICY_MAPPINGS)
        return cls(
            _policies(policies) if isinstance(policies, x509.CertificatePolicies) else None,
            _mappings(mappings.public_bytes()) if mappings is not None else (),
            getattr(constraints, "require_explicit_policy", None),
            getattr(constraints, "inhibit_policy_mapping", None),
            getattr(inhibition, "skip_certs", None),
        )


@dataclass(frozen=True)
class _Node:
    """Of a level: the policies that the next certificate may use for it, and its parents."""

    expected: frozenset[str]
    parents: frozenset[str]


_Level = Mapping[str, _Node]


@dataclass(frozen=True)
class PolicyState:
    """The working variables of RFC 5280 §6.1.2 that concern policies.

    ``levels`` has a level per certificate, empty when no policy is valid any more (a NULL
    tree); the counters tell how many more certificates may go without.
    """

    levels: tuple[_Level, ...]
    explicit: int
    mapping: int
    any_policy: int

    @classmethod
    def at_anchor(cls, inputs: PathPolicy, extensions: PolicyExtensions) -> PolicyState:
        """Before the first certificate. What the anchor's own certificate restricts holds
        (RFC 5937), its policies don't count.
        """
        state = cls(
            ({ANY_POLICY: _Node(_ANY, _NO_POLICY)},),
            0 if inputs.explicit_policy else _UNBOUNDED,
            0 if inputs.inhibit_mapping else _UNBOUNDED,
            0 if inputs.inhibit_any_policy else _UNBOUNDED,
        )
        return state._constrained(extensions)

    def below(self, extensions: PolicyExtensions, *, self_issued: bool) -> PolicyState:
        """After one more CA: §6.1.3 (d), (e), then §6.1.4 (b) and (h) to (j)."""
        state = self._with(extensions, any_policy=self.any_policy > 0 or self_issued)
        state = state._mapped(_grouped(extensions.mappings))
        if not self_issued:
            state = replace(
                state,
                explicit=max(state.explicit - 1, 0),
                mapping=max(state.mapping - 1, 0),
                any_policy=max(state.any_policy - 1, 0),
            )
        return state._constrained(extensions)

    def leaf(
        self, extensions: PolicyExtensions, acceptable: frozenset[str]
    ) -> frozenset[str] | None:
        """The valid policies under those the user accepts (§6.1.5); None when one is required
        and there is none.
        """
        state = self._with(extensions, any_policy=self.any_policy > 0)
        explicit = 0 if extensions.require_explicit == 0 else max(state.explicit - 1, 0)
        valid = _constrained_by_user(_constrained_by_authorities(state.levels), acceptable)
        return None if explicit == 0 and not valid else valid

    def _with(self, extensions: PolicyExtensions, *, any_policy: bool) -> PolicyState:
        """§6.1.3 (d) and (e): a level for one more certificate."""
        if not self.levels or extensions.policies is None:
            return replace(self, levels=())
        last = self.levels[-1]
        expecting: dict[str, set[str]] = {}
        for policy, node in last.items():
            for expected in node.expected:
                expecting.setdefault(expected, set()).add(policy)
        level: dict[str, _Node] = {}
        for policy in extensions.policies - _ANY:
            parents = expecting.get(policy) or expecting.get(ANY_POLICY)
            if parents:
                level[policy] = _Node(frozenset({policy}), frozenset(parents))
        if any_policy and ANY_POLICY in extensions.policies:
            for policy, parents in expecting.items():
                if policy not in level:
                    level[policy] = _Node(frozenset({policy}), frozenset(parents))
        return replace(self, levels=(*self.levels, level) if level else ())

    def _mapped(self, mappings: Mapping[str, frozenset[str]]) -> PolicyState:
        """§6.1.4 (b)."""
        if not self.levels or not mappings:
            return self
        level = dict(self.levels[-1])
        for policy, expected in mappings.items():
            if self.mapping == 0:
                level.pop(policy, None)
            elif policy in level:
                level[policy] = replace(level[policy], expected=expected)
            elif ANY_POLICY in level:
                level[policy] = _Node(expected, _ANY)
        return replace(self, levels=(*self.levels[:-1], level) if level else ())

    def _constrained(self, extensions: PolicyExtensions) -> PolicyState:
        """§6.1.4 (i) and (j)."""
        return replace(
            self,
            explicit=_least(self.explicit, extensions.require_explicit),
            mapping=_least(self.mapping, extensions.inhibit_mapping),
            any_policy=_least(self.any_policy, extensions.inhibit_any),
        )


def _constrained_by_authorities(levels: tuple[_Level, ...]) -> frozenset[str]:
    """§6.1.5 (g): policies right under anyPolicy, of those that lead down to the last level."""
    found: set[str] = set()
    reached: set[str] = set(levels[-1]) if levels else set()
    if ANY_POLICY in reached:
        found.add(ANY_POLICY)
    for level in reversed(levels[1:]):
        above: set[str] = set()
        for policy in reached:
            parents = level[policy].parents
            if policy != ANY_POLICY and ANY_POLICY in parents:
                found.add(policy)
            above |= parents
        reached = above
    return frozenset(found)


def _constrained_by_user(valid: frozenset[str], acceptable: frozenset[str]) -> frozenset[str]:
    if ANY_POLICY in acceptable:
        return valid
    return acceptable if ANY_POLICY in valid else valid & acceptable


def maps_any_policy(extensions: PolicyExtensions) -> bool:
    """Whether anyPolicy is mapped, from or to, which no CA may do (§6.1.4 (a))."""
    return any(ANY_POLICY in pair for pair in extensions.mappings)


def _grouped(mappings: Iterable[tuple[str, str]]) -> Mapping[str, frozenset[str]]:
    grouped: dict[str, set[str]] = {}
    for issuers, subjects in mappings:
        if ANY_POLICY not in (issuers, subjects):
            grouped.setdefault(issuers, set()).add(subjects)
    return {policy: frozenset(mapped) for policy, mapped in grouped.items()}


def _least(counter: int, bound: int | None) -> int:
    return counter if bound is None else min(counter, bound)


def _policies(extension: x509.CertificatePolicies) -> frozenset[str]:
    found = [item.policy_identifier.dotted_string for item in extension]
    if len(found) > MAX_POLICIES:
        raise ValueError(f"more than {MAX_POLICIES} certificate policies")
    if len(set(found)) < len(found):
        raise ValueError("a certificate policy twice (RFC 5280 §4.2.1.4)")
    return frozenset(found)


def _mappings(octets: bytes) -> tuple[tuple[str, str], ...]:
    """SEQUENCE OF SEQUENCE of two object identifiers (§4.2.1.5)."""
    tag, start, end = der.element(octets)
    items = der.children(octets, start, end, MAX_POLICIES + 1)
    if tag != der.SEQUENCE or end != len(octets) or not 1 <= len(items) <= MAX_POLICIES:
        raise ValueError("policy mappings that can't be read")
    pairs = []
    for kind, _, content, stop in items:
        pair = der.children(octets, content, stop, 3)
        if kind != der.SEQUENCE or [item[0] for item in pair] != [der.OID, der.OID]:
            raise ValueError("policy mappings that can't be read")
        first, second = (der.object_identifier(octets[item[2] : item[3]]) for item in pair)
        pairs.append((first, second))
    return tuple(pairs)

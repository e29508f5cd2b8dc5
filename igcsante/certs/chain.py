"""From a certificate up to an anchor: which issuers there are, and the best way (RFC 5280 §6).

Issuers are found by full name and key identifier, never by common name alone: the ANS has
several CAs of the same CN, and re-keyed ones (pki.md §1.2, §1.3). Cross-certificates make
loops and dead ends; paths and their length are bounded. What is wrong with a path is told by
:mod:`.path.validation`.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import islice

from cryptography import x509

from ..messages import tr
from .anchors import TrustStore
from .path.validation import PathRules, PathState
from .policy import Policy
from .verdict import Reason
from .x509 import names
from .x509.extensions import extension_of

Pool = dict[names.Comparable, list[x509.Certificate]]
_Route = tuple[x509.Certificate, ...]  # from a CA up to an anchor, or to where no issuer is known


@dataclass(frozen=True)
class Chain:
    """Certificates from the leaf to the anchor, or as far as they go, and what is wrong.

    ``valid`` when nothing is. ``policies`` are the dotted OIDs of the policies that hold all
    along and that the inputs accept (RFC 5280 §6.1.5 (g)), anyPolicy among them maybe.
    ``unanswered`` is what can't be told of a leaf that isn't at hand.
    """

    certificates: tuple[x509.Certificate, ...]
    reasons: tuple[Reason, ...] = ()
    policies: frozenset[str] = frozenset()
    unanswered: tuple[Reason, ...] = ()

    @property
    def valid(self) -> bool:
        return not self.reasons


class ChainBuilder:
    """Builds chains to the roots of one store, by one policy.

    What concerns the CAs of a path is worked out once for each instant asked, however many
    leaves hang on them. Not for several threads at a time.
    """

    def __init__(
        self,
        store: TrustStore,
        untrusted: Iterable[x509.Certificate] = (),
        policy: Policy | None = None,
    ) -> None:
        self._policy = policy or Policy()
        self._roots = frozenset(store.roots)
        self._pool = by_subject((*store.roots, *store.intermediates, *untrusted))
        self._routes: dict[x509.Certificate, tuple[_Route, ...]] = {}
        self._rules: PathRules | None = None
        self._states: dict[_Route, PathState] = {}
        self._unseen: dict[x509.Certificate, Chain] = {}

    def build(self, leaf: x509.Certificate, at: datetime) -> Chain:
        """The first valid chain from ``leaf`` to a root; else the least wrong one.

        ``at`` is timezone-aware. Never raises: a certificate that can't be read is a reason.
        """
        rules = self._rules_at(at)
        routes = islice(self._routes_above(leaf), self._policy.path.max_candidates)
        chains = (self._judged(leaf, route, rules) for route in routes)
        return self._best(chains) or self._judged(leaf, (), rules)

    def build_authority(self, authority: x509.Certificate, at: datetime) -> Chain:
        """The same from a CA, judged as the issuer of what is below it: nothing is asked of
        it that concerns leaves alone (usages, world, profile), and the rules for
        self-issued CAs hold. Once for each instant, however often it is asked.
        """
        rules = self._rules_at(at)
        routes = self._routes_from(authority)
        chains = (self._judged_authority(route, rules) for route in routes)
        return self._best(chains) or self._judged_authority((authority,), rules)

    def build_unseen(self, issuer: x509.Certificate, at: datetime) -> Chain:
        """The same from the issuer of a certificate that isn't at hand: that one's world, which
        is the path's, is judged too, and what the policy asks of it is ``unanswered``.
        """
        rules = self._rules_at(at)
        if issuer not in self._unseen:
            routes = self._routes_from(issuer)
            chains = (self._judged_unseen(route, rules) for route in routes)
            found = self._best(chains) or self._judged_unseen((issuer,), rules)
            self._unseen[issuer] = found
        return self._unseen[issuer]

    def issuers(self, certificate: x509.Certificate) -> tuple[x509.Certificate, ...]:
        """The first way up, roots left out; nothing is verified."""
        route = next(self._routes_above(certificate), ())
        return tuple(item for item in route if item not in self._roots)

    def _rules_at(self, at: datetime) -> PathRules:
        if self._rules is None or self._rules.at != at:
            self._rules = PathRules(self._policy, at)
            self._states.clear()
            self._unseen.clear()
        return self._rules

    def _best(self, chains: Iterable[Chain]) -> Chain | None:
        """The first valid one, else the least wrong."""
        best: Chain | None = None
        for chain in chains:
            if chain.valid:
                return chain
            if best is None or self._wrongness(chain) < self._wrongness(best):
                best = chain
        return best

    def _wrongness(self, chain: Chain) -> tuple[bool, int, int]:
        anchored = chain.certificates[-1] in self._roots
        return (not anchored, len(chain.reasons), -len(chain.certificates))

    # -- ways up -----------------------------------------------------------------------------

    def _routes_above(self, leaf: x509.Certificate) -> Iterator[_Route]:
        if leaf in self._roots:
            yield ()
            return
        for issuer in self._candidates(leaf):
            if issuer != leaf:
                for route in self._routes_from(issuer):
                    yield route[: route.index(leaf)] if leaf in route else route

    def _routes_from(self, issuer: x509.Certificate) -> tuple[_Route, ...]:
        if issuer not in self._routes:
            limit = self._policy.path.max_candidates
            self._routes[issuer] = tuple(islice(self._extended((issuer,)), limit))
        return self._routes[issuer]

    def _extended(self, route: _Route) -> Iterator[_Route]:
        """Depth first; a way ends at a root, or where it can't go on without a loop."""
        last = route[-1]
        issuers = [] if last in self._roots else self._candidates(last)
        issuers = [issuer for issuer in issuers if issuer not in route]
        if not issuers or len(route) + 1 >= self._policy.path.max_length:
            yield route
            return
        for issuer in issuers:
            yield from self._extended((*route, issuer))

    def _candidates(self, certificate: x509.Certificate) -> list[x509.Certificate]:
        """Roots first, then those whose key identifier is the one that is told."""
        try:
            key_id = _authority_key_id(certificate)
            found = bearers(certificate.issuer, key_id, self._pool)
        except names.PARSE_ERRORS:
            return []
        return sorted(
            found, key=lambda item: (item not in self._roots, _subject_key_id(item) != key_id)
        )

    # -- judging one -------------------------------------------------------------------------

    def _judged(self, leaf: x509.Certificate, route: _Route, rules: PathRules) -> Chain:
        state = self._state(route, rules) if route else None
        path = (leaf, *route)
        reasons, policies = rules.leaf(state, leaf, self._anchor(path))
        return self._told(path, reasons, policies)

    def _judged_authority(self, route: _Route, rules: PathRules) -> Chain:
        return self._told(route, self._state(route, rules).reasons, frozenset())

    def _judged_unseen(self, route: _Route, rules: PathRules) -> Chain:
        state = self._state(route, rules)
        reasons = (*rules.unseen(route[0], self._anchor(route)), *state.reasons)
        told = self._told(route, reasons, frozenset())
        return replace(told, unanswered=rules.unanswered(state))

    def _anchor(self, path: _Route) -> x509.Certificate | None:
        return path[-1] if path[-1] in self._roots else None

    def _told(self, path: _Route, reasons: tuple[Reason, ...], policies: frozenset[str]) -> Chain:
        if path[-1] not in self._roots:
            reasons = (*reasons, self._no_anchor(path))
        return Chain(path, tuple(dict.fromkeys(reasons)), policies)

    def _state(self, route: _Route, rules: PathRules) -> PathState:
        state = self._states.get(route)
        if state is None:
            if len(route) == 1:
                state = rules.top(route[0])
            else:
                state = rules.below(self._state(route[1:], rules), route[0])
            self._states[route] = state
        return state

    def _no_anchor(self, path: tuple[x509.Certificate, ...]) -> Reason:
        last, limit = path[-1], self._policy.path.max_length
        if len(path) >= limit and self._candidates(last):
            return Reason(
                "chain.too_long", tr("no anchor within {limit} certificates", limit=limit)
            )
        try:
            shown = names.display(last.issuer)
            name = names.comparable(last.issuer)
            self_issued = name == names.comparable(last.subject)
        except names.PARSE_ERRORS:
            return Reason("chain.unreadable", tr("its names can't be read"))
        namesakes = [item for item in self._pool.get(name, ()) if item != last]
        if self_issued and not namesakes:
            return Reason(
                "chain.untrusted",
                tr("{shown} is self-issued and not among the anchors", shown=shown),
            )
        more = tr(" (a certificate of that name is known, with another key)") if namesakes else ""
        return Reason(
            "chain.issuer_missing",
            tr("no certificate of the issuer {shown}{more}", shown=shown, more=more),
        )


def build_chain(
    leaf: x509.Certificate,
    store: TrustStore,
    untrusted: Iterable[x509.Certificate] = (),
    *,
    at: datetime,
    policy: Policy | None = None,
) -> Chain:
    """Build one chain: see :class:`ChainBuilder`, which builds many."""
    return ChainBuilder(store, untrusted, policy).build(leaf, at)


def issuers_of(certificate: x509.Certificate, store: TrustStore) -> tuple[x509.Certificate, ...]:
    """What to show beside a certificate: its issuers as far as they are known, roots left out.

    Nothing is verified: whoever receives the chain does that.
    """
    return ChainBuilder(store).issuers(certificate)


# -- certificates by name --------------------------------------------------------------------


def by_subject(certificates: Iterable[x509.Certificate]) -> Pool:
    """Certificates by subject name; those whose name can't be read are left out."""
    pool: Pool = {}
    for certificate in dict.fromkeys(certificates):
        with contextlib.suppress(*names.PARSE_ERRORS):
            pool.setdefault(names.comparable(certificate.subject), []).append(certificate)
    return pool


def bearers(name: x509.Name, key_id: bytes | None, pool: Pool) -> list[x509.Certificate]:
    """Those of the subject ``name`` and, where both tell a key identifier, of ``key_id``."""
    found = pool.get(names.comparable(name), ())
    return [item for item in found if _may_have_key(item, key_id)]


def _may_have_key(certificate: x509.Certificate, key_id: bytes | None) -> bool:
    try:
        own = _subject_key_id(certificate)
    except names.PARSE_ERRORS:
        return False
    return key_id is None or own is None or own == key_id


def _authority_key_id(certificate: x509.Certificate) -> bytes | None:
    found = extension_of(certificate.extensions, x509.AuthorityKeyIdentifier)
    return found.key_identifier if found else None


def _subject_key_id(certificate: x509.Certificate) -> bytes | None:
    found = extension_of(certificate.extensions, x509.SubjectKeyIdentifier)
    return found.digest if found else None

"""What is wrong with a certification path, step by step from the anchor down (RFC 5280 §6.1).

:class:`PathRules` carries the inputs; a :class:`PathState` is what is known below a CA, whatever
comes under it: the work above a leaf is done once for all the leaves of its issuer. Every
reason is collected, none ends the walk. What an anchor's own certificate restricts holds for
what is under it (RFC 5937).

The world of a path is that of its anchor where that one is pinned; what contradicts it is a
conflict. An anchor that its user alone answers for vouches for no production: a claim of
production under it counts as ``other``, one of ``test`` as it is.

``cryptography.x509.verification`` isn't used: its profile is the web's and refuses leaves of
IGC-Santé (no alternative name, signature and encipherment, pki.md §4.2), it stops at its first
complaint, and it knows neither policies nor most name constraints; the checks here cover its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes
from cryptography.x509.oid import ExtensionOID

from ...errors import UnreadableError
from ...instants import shown
from ...messages import joined, tr
from .. import profile
from ..anchors import pinned_entry
from ..policy import ANY_POLICY, Policy
from ..verdict import Reason
from ..x509 import names
from ..x509.extensions import extension_of
from ..x509.signatures import KEY_ERRORS, Signed
from .name_constraints import NameConstraintState
from .policy_tree import POLICY_MAPPINGS, PolicyExtensions, PolicyState, maps_any_policy
from .purposes import purpose_reasons

_PROCESSED = {
    ExtensionOID.BASIC_CONSTRAINTS,
    ExtensionOID.KEY_USAGE,
    ExtensionOID.EXTENDED_KEY_USAGE,
    ExtensionOID.SUBJECT_ALTERNATIVE_NAME,
    ExtensionOID.CERTIFICATE_POLICIES,
    POLICY_MAPPINGS,
    ExtensionOID.POLICY_CONSTRAINTS,
    ExtensionOID.INHIBIT_ANY_POLICY,
    ExtensionOID.NAME_CONSTRAINTS,
    ExtensionOID.CRL_DISTRIBUTION_POINTS,
    ExtensionOID.AUTHORITY_KEY_IDENTIFIER,
    ExtensionOID.SUBJECT_KEY_IDENTIFIER,
}


@dataclass(frozen=True)
class PathState:
    """What holds for whatever the last of these CAs issues. ``reasons``: lowest CA first.

    ``key`` is that CA's, None when it can't be read; ``room`` how many CAs may follow, as
    ``room_of`` demands.
    """

    reasons: tuple[Reason, ...]
    key: PublicKeyTypes | None
    names: NameConstraintState
    policies: PolicyState
    room: int | None = None
    room_of: str = ""


@dataclass(frozen=True)
class PathRules:
    """The policy and the time that paths are judged by. No method raises."""

    policy: Policy
    at: datetime

    def top(self, certificate: x509.Certificate) -> PathState:
        """Under the anchor, or under the CA that a path comes no further than."""
        who = names.Label(certificate)
        reasons: list[Reason] = []
        state = self._nothing_yet()
        try:
            reasons += self._own_reasons(certificate, who)
            state = self._as_issuer(state, certificate, who, reasons, under=None)
        except KEY_ERRORS as error:
            reasons.append(_unreadable(who, error))
        return _with_reasons(state, reasons, ())

    def below(self, above: PathState, certificate: x509.Certificate) -> PathState:
        """Under one more CA: §6.1.3 and §6.1.4."""
        who = names.Label(certificate)
        reasons: list[Reason] = []
        state = replace(above, key=None)
        try:
            self_issued = _is_self_issued(certificate)
            reasons += self._own_reasons(certificate, who)
            reasons += self._signature_reasons(certificate, above, who)
            if not self_issued:
                reasons += above.names.reasons(certificate, who)
                reasons += _room_reasons(above, who)
            state = self._as_issuer(above, certificate, who, reasons, under=self_issued)
        except KEY_ERRORS as error:
            reasons.append(_unreadable(who, error))
        return _with_reasons(state, reasons, above.reasons)

    def leaf(
        self,
        above: PathState | None,
        certificate: x509.Certificate,
        anchor: x509.Certificate | None,
    ) -> tuple[tuple[Reason, ...], frozenset[str]]:
        """All the reasons of a path that ends here, and its valid policies: §6.1.3 and §6.1.5.

        ``above`` is None for a certificate that is its own path, ``anchor`` when the path
        reaches none.
        """
        who = names.Label(certificate)
        reasons = [*self._profile_reasons(certificate, who, anchor)]
        policies: frozenset[str] = frozenset()
        try:
            extensions = certificate.extensions
            reasons += self._own_reasons(certificate, who)
            reasons += purpose_reasons(extensions, self.policy.usages, who, authority=False)
            if above is not None:
                reasons += self._signature_reasons(certificate, above, who)
                reasons += above.names.reasons(certificate, who)
                valid = above.policies.leaf(
                    PolicyExtensions.of(extensions), self.policy.path.initial_policies
                )
                if valid is None:
                    message = tr(
                        "{who}: no certificate policy holds along its chain, one must", who=who
                    )
                    reasons.append(Reason("policy.none_valid", message))
                policies = valid or frozenset()
        except KEY_ERRORS as error:
            reasons.append(_unreadable(who, error))
        return (*reasons, *(above.reasons if above else ())), policies

    def unseen(
        self, issuer: x509.Certificate, anchor: x509.Certificate | None
    ) -> tuple[Reason, ...]:
        """What is wrong with all that an authority issues, beside its own path: the world."""
        who = names.Label(issuer)
        try:
            world, conflicts = profile.world_below(issuer, _pinned_world(anchor))
        except UnreadableError as error:
            return (Reason("chain.unreadable", error.message),)
        told = self._world_reasons(tr("what {who} issued", who=who), world, anchor)
        return (*told, *(Reason("profile.conflict", conflict) for conflict in conflicts))

    def unanswered(self, above: PathState) -> tuple[Reason, ...]:
        """What is demanded of a leaf, by the policy or by the names that an authority may give,
        and that none can tell of one that isn't at hand.
        """
        demands = (
            (self.policy.usages, tr("its key usages")),
            # One more certificate is to come, and takes one off the counter (§6.1.5 (a)).
            (above.policies.explicit <= 1, tr("that it states a certificate policy")),
            (self.policy.path.initial_policies != {ANY_POLICY}, tr("which certificate policies")),
            (above.names.constraints, tr("names that its authorities may certify")),
        )
        asked = [demand for is_made, demand in demands if is_made]
        if not asked:
            return ()
        message = tr(
            "asked for: {asked}; a serial number does not tell: give the certificate",
            asked=joined(", ", asked),
        )
        return (Reason("serial.certificate_needed", message),)

    # -- the parts ---------------------------------------------------------------------------

    def _nothing_yet(self) -> PathState:
        policies = PolicyState.at_anchor(self.policy.path, PolicyExtensions())
        return PathState((), None, NameConstraintState(), policies)

    def _as_issuer(
        self,
        above: PathState,
        certificate: x509.Certificate,
        who: names.Label,
        reasons: list[Reason],
        *,
        under: bool | None,
    ) -> PathState:
        """§6.1.4. ``under``: None for the top, else whether the certificate is self-issued."""
        extensions = certificate.extensions
        reasons += _authority_reasons(extensions, who)
        reasons += purpose_reasons(extensions, self.policy.usages, who, authority=True)
        own = PolicyExtensions.of(extensions)
        if maps_any_policy(own):
            reasons.append(
                Reason("policy.mapping", tr("{who}: maps anyPolicy, which no CA may do", who=who))
            )
        if under is None:
            policies = PolicyState.at_anchor(self.policy.path, own)
        else:
            policies = above.policies.below(own, self_issued=under)
        room, room_of = above.room, above.room_of
        if room and under is False:
            room -= 1
        constraints = extension_of(extensions, x509.BasicConstraints)
        allowed = constraints.path_length if constraints else None
        if allowed is not None and (room is None or allowed < room):
            room, room_of = allowed, str(who)
        return PathState(
            (),
            certificate.public_key(),
            above.names.and_those_of(extensions, certificate.tbs_certificate_bytes),
            policies,
            room,
            room_of,
        )

    def _profile_reasons(
        self, leaf: x509.Certificate, who: names.Label, anchor: x509.Certificate | None
    ) -> Iterator[Reason]:
        pinned = _pinned_world(anchor)
        try:
            decoded = profile.decode(leaf, pinned)
        except UnreadableError as error:
            yield Reason("chain.unreadable", error.message)
            return
        yield from self._world_reasons(who, decoded.world, anchor)
        if pinned or decoded.hierarchy == "IGC-SANTE":
            for conflict in decoded.conflicts:
                yield Reason("profile.conflict", conflict)

    def _world_reasons(
        self, who: names.Label | str, world: str, anchor: x509.Certificate | None
    ) -> Iterator[Reason]:
        claimed = world == "production" and anchor is not None and _pinned_world(anchor) is None
        counts = "other" if claimed or world == "unknown" else world
        if counts not in self.policy.worlds:
            accepted = joined(tr(" and "), sorted(self.policy.worlds))
            message = tr(
                "{who}: its world is {counts}, the policy accepts {accepted}",
                who=who,
                counts=counts,
                accepted=accepted,
            )
            if claimed:
                message = tr(
                    "{who}: its world is {counts} (it claims production, but its anchor is not "
                    "one of the ANS's), the policy accepts {accepted}",
                    who=who,
                    counts=counts,
                    accepted=accepted,
                )
            yield Reason("world.refused", message)

    def _own_reasons(self, certificate: x509.Certificate, who: names.Label) -> Iterator[Reason]:
        if self.at < certificate.not_valid_before_utc:
            since = shown(certificate.not_valid_before_utc, seconds=True)
            yield Reason(
                "validity.not_yet", tr("{who}: not valid before {since}", who=who, since=since)
            )
        if self.at > certificate.not_valid_after_utc:
            until = shown(certificate.not_valid_after_utc, seconds=True)
            yield Reason("validity.expired", tr("{who}: expired on {until}", who=who, until=until))
        if weakness := self.policy.algorithms.key_weakness(certificate.public_key()):
            yield Reason(
                "algorithm.weak",
                tr("{who}: {weakness} is not accepted", who=who, weakness=weakness),
            )
        for extension in certificate.extensions:
            if extension.critical and extension.oid not in _PROCESSED:
                oid = extension.oid.dotted_string
                message = tr(
                    "{who}: has a critical extension {oid} that is not processed", who=who, oid=oid
                )
                yield Reason("extension.unprocessed", message)

    def _signature_reasons(
        self, certificate: x509.Certificate, above: PathState, who: names.Label
    ) -> Iterator[Reason]:
        try:
            signed = Signed.of_certificate(certificate)
        except KEY_ERRORS as error:
            yield Reason(
                "signature.bad",
                tr("{who}: its signature can't be checked: {error}", who=who, error=error),
            )
            return
        if weakness := self.policy.algorithms.hash_weakness(signed.hash_algorithm):
            yield Reason(
                "algorithm.weak",
                tr("{who}: {weakness} is not accepted", who=who, weakness=weakness),
            )
        if above.key is None:
            return  # which is a reason already
        if not isinstance(above.key, RSAPublicKey | EllipticCurvePublicKey):
            message = tr("{who}: signed with a key that is neither RSA nor ECDSA", who=who)
            yield Reason("algorithm.weak", message)
        elif not signed.verifies_with(above.key):
            yield Reason("signature.bad", tr("{who}: its signature is not its issuer's", who=who))


def _pinned_world(anchor: x509.Certificate | None) -> str | None:
    pin = pinned_entry(anchor) if anchor is not None else None
    return pin.world if pin else None


def _authority_reasons(extensions: x509.Extensions, who: names.Label) -> Iterator[Reason]:
    """§6.1.4 (k) and (n), for the anchor too."""
    constraints = extension_of(extensions, x509.BasicConstraints)
    if constraints is None or not constraints.ca:
        yield Reason(
            "constraints.not_ca", tr("{who}: is not a CA, yet issued a certificate", who=who)
        )
    usage = extension_of(extensions, x509.KeyUsage)
    if usage is not None and not usage.key_cert_sign:
        yield Reason("usage.cert_sign", tr("{who}: its key may not sign certificates", who=who))


def _room_reasons(above: PathState, who: names.Label) -> Iterator[Reason]:
    """§6.1.4 (l)."""
    if above.room == 0:
        message = tr(
            "{who}: one CA more than {room_of} allows below it", who=who, room_of=above.room_of
        )
        yield Reason("constraints.path_length", message)


def _with_reasons(state: PathState, own: list[Reason], others: tuple[Reason, ...]) -> PathState:
    return replace(state, reasons=(*dict.fromkeys(own), *others))


def _unreadable(who: names.Label, error: BaseException) -> Reason:
    return Reason("chain.unreadable", tr("{who}: can't be read: {error}", who=who, error=error))


def _is_self_issued(certificate: x509.Certificate) -> bool:
    return names.comparable(certificate.subject) == names.comparable(certificate.issuer)

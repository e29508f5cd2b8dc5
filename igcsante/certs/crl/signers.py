"""Whose signature a CRL bears, and whether that key is believed (RFC 5280 §6.3.3 f, g).

The issuer's own key, or another certificate of the CRL issuer's name whose key may sign CRLs:
the legacy PKI keeps such keys (pki.md §1.3), re-keyed CAs have several, an indirect CRL is of
someone else altogether. Such a signer needs a valid chain to the anchor that the certificate
under question hangs on, and must not be revoked itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import datetime
from typing import Protocol

from cryptography import x509

from ...messages import tr
from ..anchors import TrustStore
from ..chain import ChainBuilder, bearers, build_chain, by_subject
from ..policy import ANY_POLICY, WORLDS, PathPolicy, Policy, Requirement
from ..verdict import Kind, RevocationStatus
from ..x509 import names
from ..x509.certificate_list import RevocationList
from ..x509.signatures import KEY_ERRORS, public_key_octets

CIRCULAR = "revocation.circular"
_MAX_NESTING = 3

Asking = tuple[x509.Certificate, ...]


class _StatusOf(Protocol):
    def __call__(
        self,
        certificate: x509.Certificate,
        issuer: x509.Certificate,
        at: datetime,
        asking: Asking,
    ) -> RevocationStatus: ...


class CrlSigners:
    """Finds who signed a list. Each signature is checked once, however often it is asked.

    ``status_of`` tells the status of a signer's certificate; ``asking`` names the signers
    whose status is being found already, so that lists which vouch for each other's signers
    don't go round in circles.
    """

    def __init__(
        self,
        store: TrustStore,
        untrusted: Iterable[x509.Certificate],
        policy: Policy,
        status_of: _StatusOf,
    ) -> None:
        self._store = store
        self._untrusted = tuple(untrusted)
        self._policy = policy
        self._chain_policy = _for_signers(policy)
        self._chains = ChainBuilder(store, self._untrusted, self._chain_policy)
        self._status_of = status_of
        self._pool = by_subject((*store.roots, *store.intermediates, *self._untrusted))
        self._signed: dict[tuple[str, bytes], bool] = {}

    def signer(
        self, listing: RevocationList, issuer: x509.Certificate, at: datetime, asking: Asking
    ) -> tuple[x509.Certificate | None, str]:
        """The certificate whose key signed a list that ``issuer``'s certificates hang on.

        Or None, and why no key that is believed did.
        """
        refusal = tr("its signature is that of no key of its issuer")
        for signer in self._candidates(listing, issuer):
            if not self.is_signed_by(listing, signer):
                continue
            if not may_sign_crls(signer):
                refusal = tr("the key that signed it may not sign CRLs")
            elif signer == issuer:
                return signer, ""
            elif why := self._distrust(signer, issuer, at, asking):
                refusal = tr("the certificate of the key that signed it {why}", why=why)
            else:
                return signer, ""
        return None, refusal

    def is_signed_by(self, listing: RevocationList, signer: x509.Certificate) -> bool:
        """Whether the signer's key made the signature, and is strong enough to count."""
        try:
            key = signer.public_key()
            octets = public_key_octets(signer)
        except KEY_ERRORS:
            return False
        if self._policy.algorithms.key_weakness(key):
            return False
        known = (listing.sha256, octets)
        if known not in self._signed:
            self._signed[known] = listing.signed_by(key)
        return self._signed[known]

    def _candidates(
        self, listing: RevocationList, issuer: x509.Certificate
    ) -> Iterator[x509.Certificate]:
        if names.comparable(listing.issuer) == names.comparable(issuer.subject):
            yield issuer
        for signer in bearers(listing.issuer, listing.authority_key_id, self._pool):
            if signer != issuer:
                yield signer

    def _distrust(
        self, signer: x509.Certificate, issuer: x509.Certificate, at: datetime, asking: Asking
    ) -> str | None:
        """Why a signer other than the issuer isn't believed, or None."""
        anchor = self._anchor(issuer, at)
        if anchor is None:
            return tr("is beside an issuer that has no valid chain")
        others = (*self._store.intermediates, *self._store.roots)
        chain = build_chain(
            signer,
            TrustStore((anchor,), others),
            self._untrusted,
            at=at,
            policy=self._chain_policy,
        )
        if not chain.valid:
            return tr("has no valid chain")
        requirement = self._policy.revocation.cas
        if requirement is Requirement.OFF or signer in asking:
            return None
        if len(asking) >= _MAX_NESTING:
            return tr("takes too many other lists to check")
        for certificate, above in zip(chain.certificates, chain.certificates[1:], strict=False):
            if certificate == issuer:  # whoever asks looks at the issuer's own status
                return None
            status = self._status_of(certificate, above, at, (*asking, signer))
            if status.revoked_on is not None:
                return tr("is revoked")
            if requirement is Requirement.REQUIRE and not _acceptable(status):
                return tr("has the revocation status {kind}", kind=status.kind)
        return None

    def _anchor(self, issuer: x509.Certificate, at: datetime) -> x509.Certificate | None:
        chain = self._chains.build_authority(issuer, at)
        return chain.certificates[-1] if chain.valid else None


def _acceptable(status: RevocationStatus) -> bool:
    """Good; or told only by lists of its own key, as of every key kept for CRLs alone."""
    if status.kind is Kind.UNKNOWN:
        return any(reason.code == CIRCULAR for reason in status.reasons)
    return status.kind is Kind.GOOD


def _for_signers(policy: Policy) -> Policy:
    """The same, without what is only asked of the certificate under question."""
    path = PathPolicy(
        frozenset({ANY_POLICY}),
        max_length=policy.path.max_length,
        max_candidates=policy.path.max_candidates,
    )
    return replace(policy, worlds=WORLDS, usages=frozenset(), path=path)


def may_sign_crls(certificate: x509.Certificate) -> bool:
    """RFC 5280 §6.3.3 (f): if the extension is there, it must have cRLSign."""
    try:
        return certificate.extensions.get_extension_for_class(x509.KeyUsage).value.crl_sign
    except x509.ExtensionNotFound:
        return True
    except names.PARSE_ERRORS:
        return False

"""Whether a certificate is revoked, told from CRLs (RFC 5280 §6.3).

A CRL counts when it bears the issuer's name, its signer is the issuer's own key or another
certificate of the same name whose key may sign CRLs (the legacy PKI has such keys, pki.md
§1.3), and the signer's chain is valid. Among those that count, the newest tells. One whose
next update is past makes the status stale, whatever it says: an outdated list is no proof,
but what it said about a revocation is kept.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Protocol

from cryptography import x509

from ..errors import UnreadableError
from ..instants import iso
from . import names
from .anchors import TrustStore
from .chain import ChainPolicy, bearers, build_chain, by_subject
from .crl import Crl, Revocation
from .signatures import KEY_ERRORS, public_key_octets
from .verdict import Evidence, Kind, Reason, RevocationStatus


class RevocationSource(Protocol):
    """What tells the status of a certificate under a given issuer."""

    def status(
        self, certificate: x509.Certificate, issuer: x509.Certificate, at: datetime
    ) -> RevocationStatus: ...


class CrlSource:
    """Status from a set of CRLs. Each signature is checked once, however many are asked."""

    def __init__(
        self,
        crls: Iterable[Crl],
        store: TrustStore,
        untrusted: Iterable[x509.Certificate] = (),
        policy: ChainPolicy | None = None,
    ) -> None:
        self._policy = policy or ChainPolicy()
        self._store = store
        self._untrusted = tuple(untrusted)
        self._crls: dict[x509.Name, list[Crl]] = {}
        self._pool = by_subject((*store.roots, *store.intermediates, *self._untrusted))
        self._signed: dict[tuple[str, bytes], bool] = {}
        self.add(crls)

    def add(self, crls: Iterable[Crl]) -> None:
        """Take more CRLs into account."""
        for crl in crls:
            self._crls.setdefault(crl.issuer, []).append(crl)

    def status(
        self, certificate: x509.Certificate, issuer: x509.Certificate, at: datetime
    ) -> RevocationStatus:
        """Never raises: what can't be told is ``unknown`` or ``stale``, with reasons."""
        issuer_name = names.display(issuer.subject)
        found = self._crls.get(issuer.subject, [])
        if not found:
            return _unknown(Reason("revocation.no_crl", f"no CRL of {issuer_name}"))
        usable: list[tuple[Crl, x509.Certificate]] = []
        refusals: list[Reason] = []
        for crl in found:
            signer, refusal = self._authenticate(crl, issuer, at)
            if signer is not None:
                usable.append((crl, signer))
            else:
                message = f"the CRL of {issuer_name} can't be used: {refusal}"
                refusals.append(Reason("revocation.crl_unusable", message))
        if not usable:
            return _unknown(*dict.fromkeys(refusals))
        crl, signer = max(usable, key=lambda item: _freshness(item[0], at))
        return _told_by(crl, signer, certificate, at)

    def _authenticate(
        self, crl: Crl, issuer: x509.Certificate, at: datetime
    ) -> tuple[x509.Certificate | None, str]:
        """The certificate whose key signed a CRL that may be used at ``at``, or why not."""
        if at < crl.this_update:
            return None, f"it was made later, on {iso(crl.this_update)}"
        if crl.problem:
            return None, crl.problem
        if weakness := crl.weakness(self._policy.algorithms):
            return None, f"{weakness} is not accepted"
        refusal = "its signature is that of no key of this CA"
        for signer in self._possible_signers(crl, issuer):
            if not self._is_signed_by(crl, signer):
                continue
            if not _may_sign_crls(signer):
                refusal = "the key that signed it may not sign CRLs"
            elif signer != issuer and not self._is_trusted(signer, at):
                refusal = "the certificate of the key that signed it has no valid chain"
            else:
                return signer, ""
        return None, refusal

    def _possible_signers(self, crl: Crl, issuer: x509.Certificate) -> Iterator[x509.Certificate]:
        yield issuer
        for signer in bearers(crl.issuer, crl.authority_key_id, self._pool):
            if signer != issuer:
                yield signer

    def _is_signed_by(self, crl: Crl, signer: x509.Certificate) -> bool:
        try:
            key = signer.public_key()
            octets = public_key_octets(signer)
        except KEY_ERRORS:
            return False
        if self._policy.algorithms.key_weakness(key):
            return False
        known = (crl.sha256, octets)
        if known not in self._signed:
            self._signed[known] = crl.signed_by(key)
        return self._signed[known]

    def _is_trusted(self, signer: x509.Certificate, at: datetime) -> bool:
        # The revocation of a key kept for CRLs alone is published in the CRLs that it signs:
        # asking for it would go round in circles.
        chain = build_chain(signer, self._store, self._untrusted, at=at, policy=self._policy)
        return chain.valid


def _told_by(
    crl: Crl, signer: x509.Certificate, certificate: x509.Certificate, at: datetime
) -> RevocationStatus:
    evidence = _evidence(crl)
    try:
        entry = crl.lookup(names.serial_number(certificate))
    except UnreadableError as error:
        return _unknown(Reason("revocation.crl_unusable", error.message))
    who = names.label(certificate)
    if crl.next_update is None or crl.next_update < at:
        until = f"ended on {iso(crl.next_update)}" if crl.next_update else "has no end date"
        message = f"{who}: the validity of its CRL {until}"
        if entry:
            message += f"; that outdated list already says revoked on {iso(entry.date)}"
        return _status(Kind.STALE, Reason("revocation.stale", message), entry, evidence)
    if entry:
        why = f" ({entry.reason})" if entry.reason else ""
        message = f"{who}: revoked on {iso(entry.date)}{why}"
        return _status(Kind.REVOKED, Reason("revocation.revoked", message), entry, evidence)
    if _same_key(signer, certificate):
        message = f"{who}: its only CRL is signed with its own key, which can't vouch for itself"
        return _unknown(Reason("revocation.crl_unusable", message))
    return RevocationStatus(Kind.GOOD, evidence=evidence)


def _status(
    kind: Kind, reason: Reason, entry: Revocation | None, evidence: Evidence
) -> RevocationStatus:
    return RevocationStatus(
        kind,
        (reason,),
        revoked_on=entry.date if entry else None,
        revocation_reason=entry.reason if entry else None,
        evidence=evidence,
    )


def _unknown(*reasons: Reason) -> RevocationStatus:
    return RevocationStatus(Kind.UNKNOWN, reasons)


def _evidence(crl: Crl) -> Evidence:
    return Evidence(
        issuer=names.display(crl.issuer),
        number=crl.number,
        this_update=crl.this_update,
        next_update=crl.next_update,
        sha256=crl.sha256,
        source=crl.source,
    )


def _freshness(crl: Crl, at: datetime) -> tuple[bool, datetime, int]:
    fresh = crl.next_update is not None and crl.next_update >= at
    return fresh, crl.this_update, crl.number or 0


def _may_sign_crls(certificate: x509.Certificate) -> bool:
    """RFC 5280 §6.3.3 (f): if the extension is there, it must have cRLSign."""
    try:
        return certificate.extensions.get_extension_for_class(x509.KeyUsage).value.crl_sign
    except x509.ExtensionNotFound:
        return True
    except names.PARSE_ERRORS:
        return False


def _same_key(one: x509.Certificate, other: x509.Certificate) -> bool:
    try:
        return public_key_octets(one) == public_key_octets(other)
    except KEY_ERRORS:
        return True

"""Good leaves by the thousand: what was decided about one holds for those that are like it.

The first leaf of a kind takes the whole check. When it is good, and nothing about it deserves a
notice, a :class:`Cohort` keeps what that rests on; another leaf that is like it (:mod:`.likeness`)
is then good when its own parts are: dates, signature, no entry in the lists. None of which an OCSP
response tells is asked about here (:mod:`.bulk`). A cohort says nothing but good: whatever does
not pass takes the whole check, which tells why.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding

from ...errors import UnreadableError
from ..crl.scope import Scope
from ..crl.scoped import ScopedLists
from ..policy import Policy, Requirement, Source
from ..revocation import CrlSource
from ..verdict import Kind, RevocationStatus, Verdict
from ..x509.signatures import KEY_ERRORS
from .likeness import Leaf


@dataclass(frozen=True)
class Cohort:
    """What leaves rest on that are like one which is good.

    ``chain`` is what is above them (DER), ``statuses`` those of a leaf and of that chain.
    """

    at: datetime
    chain: tuple[bytes, ...]
    statuses: tuple[RevocationStatus, ...]
    _verify: Callable[[bytes, bytes], None]
    _lists: ScopedLists
    _signer_keys: frozenset[bytes]

    def may_have(self, certificate: x509.Certificate, leaf: Leaf) -> bool:
        """Whether a leaf that is like the first is as good, if the issuer's key signed it.

        False says nothing about it.
        """
        if (
            self.at < certificate.not_valid_before_utc
            or self.at > certificate.not_valid_after_utc
            or leaf.key in self._signer_keys
        ):
            return False
        try:
            return not self._lists.have_entry(leaf.serial)
        except UnreadableError:
            return False

    def has_signed(self, leaf: Leaf) -> bool:
        """Whether its issuer's key did. False says nothing more about it."""
        try:
            self._verify(leaf.signature, leaf.signed)
        except InvalidSignature:
            return False
        return True


def cohort_of(verdict: Verdict, policy: Policy, lists: CrlSource) -> Cohort | None:
    """The cohort of a verdict by ``policy`` on ``lists``, None when others need a whole check."""
    if (
        verdict.kind is not Kind.GOOD
        or verdict.notices
        or len(verdict.chain) < 2
        or policy.revocation.leaf is not Requirement.REQUIRE
        or policy.revocation.sources[0] is not Source.CRL
    ):
        return None
    (leaf, issuer), own = verdict.chain[:2], verdict.statuses[0]
    try:
        if _is_special(leaf) or any(map(_constrains_names, verdict.chain[1:])):
            return None
        scoped = lists.lists(issuer, verdict.at, Scope.of(leaf))
        if scoped.have_entry(leaf.serial_number) or scoped.status(leaf.serial_number) != own:
            return None
        verify = _verifier(leaf, issuer)
        keys = frozenset(telling.signer_key for telling in scoped.lists)
    except (UnreadableError, *KEY_ERRORS):
        return None
    if verify is None:
        return None
    above = tuple(item.public_bytes(Encoding.DER) for item in verdict.chain[1:])
    return Cohort(verdict.at, above, verdict.statuses, verify, scoped, keys)


def _is_special(leaf: x509.Certificate) -> bool:
    """Whether it may issue certificates or lists, so that its name and key matter elsewhere."""
    values = {extension.oid: extension.value for extension in leaf.extensions}
    usage, constraints = values.get(x509.KeyUsage.oid), values.get(x509.BasicConstraints.oid)
    if not isinstance(usage, x509.KeyUsage) or usage.crl_sign or usage.key_cert_sign:
        return True
    return isinstance(constraints, x509.BasicConstraints) and constraints.ca


def _constrains_names(authority: x509.Certificate) -> bool:
    return any(isinstance(item.value, x509.NameConstraints) for item in authority.extensions)


def _verifier(
    leaf: x509.Certificate, issuer: x509.Certificate
) -> Callable[[bytes, bytes], None] | None:
    key, parameters = issuer.public_key(), leaf.signature_algorithm_parameters
    algorithm = leaf.signature_hash_algorithm
    if (
        not isinstance(key, rsa.RSAPublicKey)
        or not isinstance(parameters, padding.PKCS1v15 | padding.PSS)
        or algorithm is None
    ):
        return None

    def verify(signature: bytes, signed: bytes) -> None:
        key.verify(signature, signed, parameters, algorithm)

    return verify

"""A certificate revocation list: parsed, asked for one serial, authenticated (RFC 5280 §5).

Only complete, direct CRLs are used, as IGC-Santé publishes them (pki.md §4): one with a
critical unknown extension, an issuing distribution point, a delta indicator or entries of
other issuers has a ``problem`` and no status is read from it.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes
from cryptography.x509.oid import CRLEntryExtensionOID, ExtensionOID

from ..errors import UnreadableError
from . import der
from .names import PARSE_ERRORS
from .signatures import KEY_ERRORS, AlgorithmPolicy, Signed

_DER_TRUE = b"\x01\x01\xff"  # how a critical extension is flagged
_KNOWN_ENTRY_EXTENSIONS = {
    CRLEntryExtensionOID.CRL_REASON,
    CRLEntryExtensionOID.INVALIDITY_DATE,
}


@dataclass(frozen=True)
class Revocation:
    """An entry of a CRL: when, and the reason code of RFC 5280 §5.3.1 when there is one."""

    serial: int
    date: datetime
    reason: str | None = None


class Crl:
    """One CRL. ``source`` says where it came from (file, URL), for evidence.

    ``next_update`` is None when the CRL has none: nobody can tell how long it holds.
    """

    def __init__(self, octets: bytes, source: str = "") -> None:
        """Raises UnreadableError when the octets are no CRL."""
        try:
            self._crl = x509.load_der_x509_crl(octets)
            self.issuer: x509.Name = self._crl.issuer
            self.this_update: datetime = self._crl.last_update_utc
            self.next_update: datetime | None = self._crl.next_update_utc
            extensions = {extension.oid: extension for extension in self._crl.extensions}
        except KEY_ERRORS as error:
            raise UnreadableError(f"not a CRL that can be read: {error}") from None
        self._octets = octets
        self.source = source
        self._extensions = extensions

    def __len__(self) -> int:
        return len(self._crl)

    @cached_property
    def sha256(self) -> str:
        """Of the DER octets, in hexadecimal."""
        return hashlib.sha256(self._octets).hexdigest()

    @property
    def number(self) -> int | None:
        found = self._extensions.get(ExtensionOID.CRL_NUMBER)
        return found.value.crl_number if found else None

    @property
    def authority_key_id(self) -> bytes | None:
        found = self._extensions.get(ExtensionOID.AUTHORITY_KEY_IDENTIFIER)
        return found.value.key_identifier if found else None

    @cached_property
    def problem(self) -> str | None:
        """Why no status may be read from this CRL, or None."""
        if ExtensionOID.DELTA_CRL_INDICATOR in self._extensions:
            return "it is a delta CRL, which only completes another one"
        point = self._extensions.get(ExtensionOID.ISSUING_DISTRIBUTION_POINT)
        if point is not None:
            indirect = getattr(point.value, "indirect_crl", False)
            return (
                "it is an indirect CRL"
                if indirect
                else "it has an issuing distribution point, which is not processed yet"
            )
        for oid, extension in self._extensions.items():
            if extension.critical and oid != ExtensionOID.AUTHORITY_KEY_IDENTIFIER:
                return f"it has a critical extension {oid.dotted_string} that is not processed"
        return self._entry_problem()

    def lookup(self, serial: int) -> Revocation | None:
        """The entry for a serial number, or None when it isn't listed. Raises UnreadableError."""
        try:
            entry = self._crl.get_revoked_certificate_by_serial_number(serial)
            if entry is None:
                return None
            return Revocation(serial, entry.revocation_date_utc, _reason(entry))
        except PARSE_ERRORS as error:
            raise UnreadableError(f"an entry of the CRL can't be read: {error}") from None

    def signed_by(self, key: PublicKeyTypes) -> bool:
        """Whether ``key`` made the signature, over the octets as received."""
        try:
            return Signed.of_crl(self._octets, self._crl).verifies_with(key)
        except KEY_ERRORS:
            return False

    def weakness(self, policy: AlgorithmPolicy) -> str | None:
        """Why the signature's algorithm isn't believed, or None."""
        try:
            return policy.hash_weakness(self._crl.signature_hash_algorithm)
        except KEY_ERRORS:
            return "a signature of an unknown kind"

    def _entry_problem(self) -> str | None:
        # Entries are walked only when some octets could flag a critical extension: walking
        # a long list costs seconds, finding three octets costs nothing.
        try:
            if _DER_TRUE not in self._entries():
                return None
            for entry in self._crl:
                for extension in entry.extensions:
                    if extension.critical and extension.oid not in _KNOWN_ENTRY_EXTENSIONS:
                        oid = extension.oid.dotted_string
                        return f"an entry has a critical extension {oid} that is not processed"
        except PARSE_ERRORS as error:
            return f"an entry can't be read: {error}"
        return None

    def _entries(self) -> bytes:
        """The octets of revokedCertificates (RFC 5280 §5.1): the SEQUENCE after the dates."""
        to_be_signed, _, _ = der.signed_part(self._octets)
        _, start, end = der.element(to_be_signed)
        parts = der.children(to_be_signed, start, end, 7)
        dates = [index for index, part in enumerate(parts) if part[0] in (0x17, 0x18)]
        for tag, offset, _, stop in parts[dates[-1] + 1 :]:
            if tag == der.SEQUENCE:
                return to_be_signed[offset:stop]
        return b""


def _reason(entry: x509.RevokedCertificate) -> str | None:
    try:
        return entry.extensions.get_extension_for_class(x509.CRLReason).value.reason.value
    except x509.ExtensionNotFound:
        return None

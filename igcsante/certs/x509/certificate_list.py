"""A certificate revocation list: parsed, asked for one serial, authenticated (RFC 5280 §5).

Complete and delta lists, of one issuer or of several (indirect). What a list covers is told
(``idp``, ``base_number``) and judged elsewhere (:mod:`..crl.scope`); one with a critical
extension that nobody here processes has a ``problem``, and no status is read from it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Protocol

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes
from cryptography.x509.oid import CRLEntryExtensionOID, ExtensionOID

from ...errors import UnreadableError
from ...messages import tr
from . import der
from .extensions import extension_of
from .names import PARSE_ERRORS, Comparable, comparable
from .signatures import KEY_ERRORS, AlgorithmPolicy, Signed

REMOVED = "removeFromCRL"

_DER_TRUE = b"\x01\x01\xff"  # how a critical extension is flagged
_PROCESSED = {
    ExtensionOID.AUTHORITY_KEY_IDENTIFIER,
    ExtensionOID.CRL_NUMBER,
    ExtensionOID.DELTA_CRL_INDICATOR,
    ExtensionOID.ISSUING_DISTRIBUTION_POINT,
    ExtensionOID.FRESHEST_CRL,
}
_PROCESSED_IN_ENTRIES = {
    CRLEntryExtensionOID.CRL_REASON,
    CRLEntryExtensionOID.INVALIDITY_DATE,
}


@dataclass(frozen=True)
class Revocation:
    """An entry of a CRL: when, and the reason code of RFC 5280 §5.3.1 when there is one.

    ``removeFromCRL`` in a delta CRL says that the certificate is not revoked any more.
    """

    serial: int
    date: datetime
    reason: str | None = None


class RevocationList(Protocol):
    """What a status is read from: a :class:`Crl`, or the verified index of one.

    ``next_update`` is None when nobody can tell how long the list holds, ``base_number``
    None unless it is a delta CRL (RFC 5280 §5.2.4). ``problem`` says why no status may be
    read from it. ``source`` says where it came from (file, URL), for evidence; ``sha256``
    is of its DER octets, in hexadecimal.
    """

    @property
    def issuer(self) -> x509.Name: ...
    @property
    def this_update(self) -> datetime: ...
    @property
    def next_update(self) -> datetime | None: ...
    @property
    def number(self) -> int | None: ...
    @property
    def base_number(self) -> int | None: ...
    @property
    def authority_key_id(self) -> bytes | None: ...
    @property
    def idp(self) -> x509.IssuingDistributionPoint | None: ...
    @property
    def freshest(self) -> tuple[x509.DistributionPoint, ...]: ...
    @property
    def problem(self) -> str | None: ...
    @property
    def sha256(self) -> str: ...
    @property
    def source(self) -> str: ...
    def __len__(self) -> int: ...

    def lookup(self, serial: int, certificate_issuer: x509.Name | None = None) -> Revocation | None:
        """The entry for a serial number of an issuer, by default the list's own; or None.

        Raises UnreadableError.
        """

    def signed_by(self, key: PublicKeyTypes) -> bool:
        """Whether ``key`` made the signature."""

    def weakness(self, policy: AlgorithmPolicy) -> str | None:
        """Why the signature's algorithm isn't believed, or None."""


class Crl:
    """One CRL in memory, a :class:`RevocationList`."""

    def __init__(self, octets: bytes, source: str = "") -> None:
        """Raises UnreadableError when the octets are no CRL."""
        try:
            self._crl = x509.load_der_x509_crl(octets)
            self.issuer: x509.Name = self._crl.issuer
            self.this_update: datetime = self._crl.last_update_utc
            self.next_update: datetime | None = self._crl.next_update_utc
            extensions = {extension.oid: extension for extension in self._crl.extensions}
        except KEY_ERRORS as error:
            raise UnreadableError(tr("not a CRL that can be read: {error}", error=error)) from None
        self._octets = octets
        self.source = source
        self._extensions = extensions

    def __len__(self) -> int:
        return len(self._crl)

    @property
    def octets(self) -> bytes:
        """The DER octets, as received."""
        return self._octets

    @cached_property
    def sha256(self) -> str:
        return hashlib.sha256(self._octets).hexdigest()

    @property
    def number(self) -> int | None:
        found = self._extensions.get(ExtensionOID.CRL_NUMBER)
        return found.value.crl_number if found else None

    @property
    def base_number(self) -> int | None:
        found = self._extensions.get(ExtensionOID.DELTA_CRL_INDICATOR)
        return found.value.crl_number if found else None

    @property
    def authority_key_id(self) -> bytes | None:
        found = self._extensions.get(ExtensionOID.AUTHORITY_KEY_IDENTIFIER)
        return found.value.key_identifier if found else None

    @property
    def idp(self) -> x509.IssuingDistributionPoint | None:
        found = self._extensions.get(ExtensionOID.ISSUING_DISTRIBUTION_POINT)
        return found.value if found else None

    @property
    def freshest(self) -> tuple[x509.DistributionPoint, ...]:
        found = self._extensions.get(ExtensionOID.FRESHEST_CRL)
        return tuple(found.value) if found else ()

    @cached_property
    def problem(self) -> str | None:
        for oid, extension in self._extensions.items():
            if extension.critical and oid not in _PROCESSED:
                return tr(
                    "it has a critical extension {dotted_string} that is not processed",
                    dotted_string=oid.dotted_string,
                )
        try:
            return self._entry_problem()
        except PARSE_ERRORS as error:
            return tr("an entry can't be read: {error}", error=error)

    def lookup(self, serial: int, certificate_issuer: x509.Name | None = None) -> Revocation | None:
        name = certificate_issuer or self.issuer
        try:
            if self._is_indirect:
                return self._by_issuer.get((comparable(name), serial))
            if name is not self.issuer and comparable(name) != comparable(self.issuer):
                return None
            return self._direct(serial)
        except PARSE_ERRORS as error:
            raise UnreadableError(
                tr("an entry of the CRL can't be read: {error}", error=error)
            ) from None

    def signed_by(self, key: PublicKeyTypes) -> bool:
        """Whether ``key`` made the signature, over the octets as received."""
        try:
            return Signed.of_crl(self._octets, self._crl).verifies_with(key)
        except KEY_ERRORS:
            return False

    def weakness(self, policy: AlgorithmPolicy) -> str | None:
        try:
            return policy.hash_weakness(self._crl.signature_hash_algorithm)
        except KEY_ERRORS:
            return tr("a signature of an unknown kind")

    def _direct(self, serial: int) -> Revocation | None:
        if serial >= 0:
            entry = self._crl.get_revoked_certificate_by_serial_number(serial)
            found = None if entry is None else _revocation(entry)
            if found is None or found.reason != REMOVED:
                return found
        # cryptography finds the first entry, and no serial number below zero.
        return _worst(_revocation(entry) for entry in self._crl if entry.serial_number == serial)

    @cached_property
    def _is_indirect(self) -> bool:
        return self.idp is not None and self.idp.indirect_crl

    @cached_property
    def _by_issuer(self) -> dict[tuple[Comparable, int], Revocation]:
        found: dict[tuple[Comparable, int], list[Revocation]] = {}
        for entry, issuers in self._entries_with_issuers():
            for issuer in issuers:
                key = comparable(issuer), entry.serial_number
                found.setdefault(key, []).append(_revocation(entry))
        return {key: worst for key, entries in found.items() if (worst := _worst(entries))}

    def _entries_with_issuers(
        self,
    ) -> Iterator[tuple[x509.RevokedCertificate, tuple[x509.Name, ...]]]:
        """RFC 5280 §5.3.3: an entry that names no issuer has that of the entry before it."""
        issuers: tuple[x509.Name, ...] = (self.issuer,)
        for entry in self._crl:
            named = extension_of(entry.extensions, x509.CertificateIssuer)
            if named is not None:
                issuers = tuple(named.get_values_for_type(x509.DirectoryName))
                if not issuers:
                    raise ValueError("it names an issuer that has no distinguished name")
            yield entry, issuers

    def _entry_problem(self) -> str | None:
        # Entries are walked only when some octets could flag a critical extension: walking
        # a long list costs seconds, finding three octets costs nothing.
        if not self._is_indirect and _DER_TRUE not in self._entries():
            return None
        processed = set(_PROCESSED_IN_ENTRIES)
        if self._is_indirect:
            processed.add(CRLEntryExtensionOID.CERTIFICATE_ISSUER)
        for entry, _ in self._entries_with_issuers():
            for extension in entry.extensions:
                if extension.critical and extension.oid not in processed:
                    oid = extension.oid.dotted_string
                    return tr(
                        "an entry has a critical extension {oid} that is not processed", oid=oid
                    )
        return None

    def _entries(self) -> bytes:
        to_be_signed, _, _ = der.signed_part(self._octets)
        _, start, end = der.element(to_be_signed)
        place = revoked_certificates(to_be_signed, start, end)
        return to_be_signed[place[0] : place[2]] if place else b""


def revoked_certificates(octets: bytes, start: int, end: int) -> tuple[int, int, int] | None:
    """Where the entries are in a TBSCertList, whose content is in [start, end): the element's
    offset, its content's start and end. None when there are none. Raises ValueError.

    RFC 5280 §5.1: revokedCertificates is the SEQUENCE after the dates.
    """
    fields = der.children(octets, start, end, 8)
    dates = [index for index, field in enumerate(fields) if field[0] in der.TIMES]
    if not dates or fields[-1][3] != end:
        raise ValueError("not the fields of a TBSCertList")
    after = dates[-1] + 1
    if after == len(fields) or fields[after][0] != der.SEQUENCE:
        return None
    _, offset, first, stop = fields[after]
    return offset, first, stop


def _revocation(entry: x509.RevokedCertificate) -> Revocation:
    reason = extension_of(entry.extensions, x509.CRLReason)
    return Revocation(
        entry.serial_number, entry.revocation_date_utc, reason.reason.value if reason else None
    )


def _worst(entries: Iterable[Revocation]) -> Revocation | None:
    """Of several entries for one certificate, the first one that revokes it."""
    return min(entries, key=lambda entry: entry.reason == REMOVED, default=None)

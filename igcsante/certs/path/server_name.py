"""Whether a certificate is that of the server that was meant (RFC 9525, which replaces RFC 6125).

Only the alternative names count, dNSName for a host name and iPAddress for an address. The
common name never does (RFC 9525 §2), whatever IGC-Santé certificates have in it (pki.md §3). A
wildcard is the whole leftmost label, stands for exactly one label (§6.3), and has two labels or
more after it: that last rule is OpenSSL's, so that no ``*.fr`` is believed.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace

from cryptography import x509
from cryptography.x509.oid import NameOID

from ...errors import UsageError
from ...messages import tr
from ..verdict import Kind, Reason, Verdict
from ..x509 import names

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address
_MAX_NAME = 253  # RFC 1035 §2.3.4, as it is written
# With the underscore that is found in names of services, though RFC 952 has none.
_LABEL = "[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
_HOST = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")
_MIN_LABELS = 3  # of a wildcard
_SHOWN = 5


@dataclass(frozen=True)
class ServerName:
    """A host name, as DNS has it (RFC 5890 A-labels, lower case), or an address."""

    name: str | _Address

    @classmethod
    def parse(cls, text: str) -> ServerName:
        """A host name, also with accents or a dot at its end, or an IP address.

        Accents are those of IDNA 2008 (RFC 5891), whatever the case. Raises UsageError.
        """
        bare = text[1:-1] if text.startswith("[") and text.endswith("]") else text
        try:
            return cls(ipaddress.ip_address(bare))
        except ValueError:
            pass
        name = _in_ascii(text.removesuffix(".")).lower()
        if len(name) > _MAX_NAME or not _HOST.fullmatch(name):
            raise UsageError(
                tr("{text!r} is neither a host name nor an address", text=text[:_MAX_NAME])
            )
        return cls(name)

    def __str__(self) -> str:
        return str(self.name)

    def is_in(self, certificate: x509.Certificate) -> bool:
        """Whether the certificate is for this name. Without names that can be read it isn't."""
        presented = _alternative_names(certificate)
        if not isinstance(self.name, str):
            return any(isinstance(n, x509.IPAddress) and n.value == self.name for n in presented)
        return any(isinstance(n, x509.DNSName) and _matches(n.value, self.name) for n in presented)


def for_server(verdict: Verdict, name: ServerName) -> Verdict:
    """The verdict on a certificate that must be for ``name``: invalid when it isn't."""
    if name.is_in(verdict.certificate):
        return verdict
    reason = Reason("name.mismatch", _mismatch(verdict.certificate, name))
    return replace(verdict, kind=Kind.INVALID, reasons=(reason, *verdict.reasons))


def _in_ascii(name: str) -> str:
    """The name with its A-labels, empty when it can't have any."""
    if name.isascii() or len(name) > _MAX_NAME:
        return name
    import idna  # Python's own codec is that of 2003, which makes of straße another name

    try:
        return idna.encode(name, uts46=True).decode("ascii")
    except idna.IDNAError:
        return ""


def _matches(presented: str, wanted: str) -> bool:
    presented = presented.lower() if presented.isascii() else ""
    head, _, rest = presented.partition(".")
    if head != "*":
        return presented == wanted
    return presented.count(".") >= _MIN_LABELS - 1 and rest == wanted.partition(".")[2]


def _alternative_names(certificate: x509.Certificate) -> tuple[x509.GeneralName, ...]:
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except (x509.ExtensionNotFound, *names.PARSE_ERRORS):
        return ()
    return tuple(found.value)


def _mismatch(certificate: x509.Certificate, name: ServerName) -> str:
    who = names.label(certificate)
    told = _told(_alternative_names(certificate))
    if told:
        return tr("{who}: not for {name}, but for {told}", who=who, name=name, told=told)
    message = tr(
        "{who}: not for {name}: it has no host name or address among its alternative names",
        who=who,
        name=name,
    )
    return (
        tr("{message}; its common name doesn't count", message=message)
        if _has_common_name(certificate)
        else message
    )


def _told(presented: Iterable[x509.GeneralName]) -> str:
    shown = [str(n.value) for n in presented if isinstance(n, (x509.DNSName, x509.IPAddress))]
    names = ", ".join(shown[:_SHOWN])
    if len(shown) <= _SHOWN:
        return names
    return tr("{names} and {count} more", names=names, count=len(shown) - _SHOWN)


def _has_common_name(certificate: x509.Certificate) -> bool:
    try:
        return bool(certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME))
    except names.PARSE_ERRORS:
        return False

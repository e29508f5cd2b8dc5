"""Name constraints along a path (RFC 5280 §4.2.1.10 and §6.1.3 (b), (c), §6.1.4 (g)).

Directory names, e-mail addresses, DNS names, URIs and IP addresses are compared. A
constraint on any other form (the UPNs of cards are otherNames) can't be, so that a name of
that form below it is refused. Every constraint is kept apart: a name must satisfy each,
which is the intersection that the RFC asks for, and costs nothing to compute.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

from cryptography import x509

from ...messages import tr
from ..verdict import Reason
from ..x509 import names

MAX_COMPARISONS = 1 << 18  # of names with subtrees, in one certificate

_EMAIL = "1.2.840.113549.1.9.1"
_COMPARED = {
    x509.DirectoryName,
    x509.RFC822Name,
    x509.DNSName,
    x509.UniformResourceIdentifier,
    x509.IPAddress,
}
_Form = type[x509.GeneralName] | str


@dataclass(frozen=True)
class NameConstraintState:
    """The constraints so far: those of each CA, from the anchor down."""

    constraints: tuple[x509.NameConstraints, ...] = ()

    def and_those_of(self, extensions: x509.Extensions, signed: bytes) -> NameConstraintState:
        """With those of one more CA. ``signed`` are the octets that its signature covers.

        Raises ValueError when the extension says more than can be read of it.
        """
        try:
            own = extensions.get_extension_for_class(x509.NameConstraints).value
        except x509.ExtensionNotFound:
            return self
        # The parser passes over the fields minimum and maximum, which must not be used.
        if own.public_bytes() not in signed:
            raise ValueError("name constraints with fields that are not processed")
        return NameConstraintState((*self.constraints, own))

    def reasons(self, certificate: x509.Certificate, who: names.Label) -> Iterator[Reason]:
        """Which names of a certificate are not allowed. Raises ValueError on unreadable ones."""
        if not self.constraints:
            return
        found = tuple(_names(certificate))
        subtrees = sum(
            len(own.permitted_subtrees or ()) + len(own.excluded_subtrees or ())
            for own in self.constraints
        )
        if len(found) * subtrees > MAX_COMPARISONS:
            message = tr("{who}: too many names to compare with the constraints above it", who=who)
            yield Reason("constraints.name_unprocessed", message)
            return
        for name in found:
            yield from dict.fromkeys(self._reasons(name, who))

    def _reasons(self, name: x509.GeneralName, who: names.Label) -> Iterator[Reason]:
        for own in self.constraints:
            permitted = list(_of_form(name, own.permitted_subtrees))
            excluded = list(_of_form(name, own.excluded_subtrees))
            if not permitted and not excluded:
                continue
            shown = _shown(name)
            if type(name) not in _COMPARED or not _is_comparable(name):
                message = tr(
                    "{who}: the name {shown} can't be compared with the constraints on it",
                    who=who,
                    shown=shown,
                )
                yield Reason("constraints.name_unprocessed", message)
                continue
            if permitted and not any(_is_within(name, base) for base in permitted):
                message = tr(
                    "{who}: the name {shown} is not among those that a CA above permits",
                    who=who,
                    shown=shown,
                )
                yield Reason("constraints.name_not_permitted", message)
            if any(_is_within(name, base) for base in excluded):
                message = tr(
                    "{who}: the name {shown} is among those that a CA above excludes",
                    who=who,
                    shown=shown,
                )
                yield Reason("constraints.name_excluded", message)


def _names(certificate: x509.Certificate) -> Iterator[x509.GeneralName]:
    """The subject, its e-mail addresses, and the alternative names."""
    subject = certificate.subject
    if subject.rdns:
        yield x509.DirectoryName(subject)
    for address in subject:
        if address.oid.dotted_string == _EMAIL:
            yield x509.RFC822Name(str(address.value))
    try:
        yield from certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return


def _of_form(
    name: x509.GeneralName, subtrees: Iterable[x509.GeneralName] | None
) -> Iterator[x509.GeneralName]:
    form = _form(name)
    return (base for base in subtrees or () if _form(base) == form)


def _form(name: x509.GeneralName) -> _Form:
    return name.type_id.dotted_string if isinstance(name, x509.OtherName) else type(name)


def _is_comparable(name: x509.GeneralName) -> bool:
    """A URI without a host name can't be constrained, and must then be refused (§4.2.1.10)."""
    if isinstance(name, x509.UniformResourceIdentifier):
        return bool(_host(name.value))
    return not isinstance(name, x509.RFC822Name) or "@" in name.value


def _is_within(name: x509.GeneralName, base: x509.GeneralName) -> bool:
    """Whether a name lies in the subtree of the same form."""
    match name, base:
        case x509.DirectoryName(), x509.DirectoryName():
            rdns = names.comparable(base.value)
            return names.comparable(name.value)[: len(rdns)] == rdns
        case x509.RFC822Name(), x509.RFC822Name():
            return _is_mailbox_within(name.value, base.value)
        case x509.DNSName(), x509.DNSName():
            return _is_dns_within(name.value, base.value)
        case x509.UniformResourceIdentifier(), x509.UniformResourceIdentifier():
            return _is_host_within(_host(name.value), base.value)
        case x509.IPAddress(), x509.IPAddress():
            return _is_address_within(name.value, base.value)
    raise AssertionError(name)


def _is_mailbox_within(mailbox: str, base: str) -> bool:
    """A mailbox, all those of a host, or all those of the hosts of a domain (leading dot)."""
    local, _, host = mailbox.rpartition("@")
    if "@" in base:
        base_local, _, base_host = base.rpartition("@")
        return local == base_local and host.lower() == base_host.lower()
    return _is_host_within(host, base)


def _is_dns_within(name: str, base: str) -> bool:
    """The base with any labels added on the left, or none; a leading dot asks for some."""
    name, base = name.lower(), base.lower()
    if base.startswith("."):
        return name.endswith(base)
    return not base or name == base or name.endswith(f".{base}")


def _is_host_within(host: str, base: str) -> bool:
    """That host only, or the hosts of a domain when the base has a leading dot."""
    host, base = host.lower(), base.lower()
    return host.endswith(base) if base.startswith(".") else not base or host == base


def _is_address_within(address: object, base: object) -> bool:
    match address, base:
        case ipaddress.IPv4Address(), ipaddress.IPv4Network():
            return address in base
        case ipaddress.IPv6Address(), ipaddress.IPv6Network():
            return address in base
    return False


def _host(uri: str) -> str:
    """The host name of a URI; empty without one, also for an IP address."""
    try:
        host = urlsplit(uri).hostname or ""
        ipaddress.ip_address(host)
    except ValueError:
        return host if "." in host else ""
    return ""


def _shown(name: x509.GeneralName) -> str:
    match name:
        case x509.DirectoryName():
            return names.display(name.value)
        case x509.OtherName():
            return tr("of the form {dotted_string}", dotted_string=name.type_id.dotted_string)
        case x509.RegisteredID():
            return name.value.dotted_string
    return repr(str(name.value))

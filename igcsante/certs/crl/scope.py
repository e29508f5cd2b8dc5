"""Which CRLs may tell of which certificates, and of which reasons (RFC 5280 §6.3.3 b, d, e).

A certificate says where its revocation is published, by distribution points; a CRL says what
it covers, by its issuing distribution point. Only when the two agree does a missing entry
mean that the certificate is not revoked, and only for the reasons that both name.
"""

from __future__ import annotations

from dataclasses import dataclass

from cryptography import x509

from ...messages import tr
from ..x509.certificate_list import RevocationList
from ..x509.extensions import extension_of
from ..x509.names import Comparable, comparable

ALL_REASONS = frozenset(x509.ReasonFlags) - {
    x509.ReasonFlags.unspecified,
    x509.ReasonFlags.remove_from_crl,
}


@dataclass(frozen=True)
class Scope:
    """What decides which lists may tell of a certificate: all but its serial number.

    ``points`` are its CRL distribution points; ``unseen`` says that nobody knows them, nor
    therefore which part of its issuer's lists would name it: all one has is a serial number.
    """

    is_ca: bool
    points: tuple[x509.DistributionPoint, ...] = ()
    unseen: bool = False

    @classmethod
    def of(cls, certificate: x509.Certificate) -> Scope:
        """Raises one of names.PARSE_ERRORS when its extensions can't be read."""
        constraints = extension_of(certificate.extensions, x509.BasicConstraints)
        points = extension_of(certificate.extensions, x509.CRLDistributionPoints)
        return cls(bool(constraints and constraints.ca), tuple(points or ()))


def freshest_points(certificate: x509.Certificate) -> tuple[x509.DistributionPoint, ...]:
    """Where its delta CRLs are (RFC 5280 §4.2.1.15). Raises one of names.PARSE_ERRORS."""
    return tuple(extension_of(certificate.extensions, x509.FreshestCRL) or ())


def implied_point(issuer: x509.Name) -> x509.DistributionPoint:
    """The point that every certificate has: lists issued under its issuer's name (§6.3.3)."""
    return x509.DistributionPoint([x509.DirectoryName(issuer)], None, None, None)


def crl_issuers(point: x509.DistributionPoint, issuer: x509.Name) -> tuple[x509.Name, ...]:
    """Who issues the lists of a point: whom it names, else the certificate's issuer."""
    if point.crl_issuer is None:
        return (issuer,)
    return tuple(item.value for item in point.crl_issuer if isinstance(item, x509.DirectoryName))


def is_issued_under(name: x509.Name, point: x509.DistributionPoint, issuer: x509.Name) -> bool:
    """Whether ``name`` is that of an issuer of a point's lists."""
    return comparable(name) in map(comparable, crl_issuers(point, issuer))


def out_of_scope(
    listing: RevocationList, point: x509.DistributionPoint, scope: Scope, issuer: x509.Name
) -> str | None:
    """Why this list doesn't tell of certificates in the scope, by this point of theirs, or None.

    ``issuer`` is the name of the certificates' issuer.
    """
    idp = listing.idp
    if point.crl_issuer is not None and not (idp and idp.indirect_crl):
        return tr("it is not an indirect CRL, which the certificate asks for")
    if not is_issued_under(listing.issuer, point, issuer):
        return tr("its issuer is not the one that the certificate names")
    if idp is None:
        return None
    if idp.only_contains_attribute_certs:
        return tr("it is for attribute certificates only")
    if idp.only_contains_user_certs and scope.is_ca:
        return tr("it is not for CA certificates")
    if idp.only_contains_ca_certs and not scope.is_ca:
        return tr("it is for CA certificates only")
    if not scope.unseen and not _same_place(idp, point, listing.issuer, issuer):
        return tr("its distribution point is none of the certificate's")
    return None


def told_reasons(
    point: x509.DistributionPoint, idp: x509.IssuingDistributionPoint | None, scope: Scope
) -> frozenset[x509.ReasonFlags]:
    """The reasons for which such a list would name a certificate of the point (§6.3.3 d).

    None where nobody can tell whether it would name it: only its revocations count.
    """
    told = ALL_REASONS
    if scope.unseen and idp is not None and (idp.full_name or idp.relative_name):
        return frozenset()
    if point.reasons is not None:
        told &= point.reasons
    if idp is not None and idp.only_some_reasons is not None:
        told &= idp.only_some_reasons
    return told


def _same_place(
    idp: x509.IssuingDistributionPoint,
    point: x509.DistributionPoint,
    crl_issuer: x509.Name,
    issuer: x509.Name,
) -> bool:
    """§6.3.3 (b) (2) (i): one name in common, where the list has any."""
    published = _names(idp.full_name, idp.relative_name, crl_issuer)
    if not published:
        return True
    if point.full_name is None and point.relative_name is None:
        wanted = set(map(_comparable, point.crl_issuer or ()))
    else:
        # Relative to the CRL issuer's name, of which there is one (§4.2.1.13).
        bases = crl_issuers(point, issuer)
        base = bases[0] if len(bases) == 1 else None
        wanted = _names(point.full_name, point.relative_name, base)
    return bool(published & wanted)


def _names(
    full: list[x509.GeneralName] | None,
    relative: x509.RelativeDistinguishedName | None,
    base: x509.Name | None,
) -> set[x509.GeneralName | Comparable]:
    if relative is None:
        return set(map(_comparable, full or ()))
    return set() if base is None else {comparable(x509.Name([*base.rdns, relative]))}


def _comparable(name: x509.GeneralName) -> x509.GeneralName | Comparable:
    return comparable(name.value) if isinstance(name, x509.DirectoryName) else name

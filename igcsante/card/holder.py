"""Who an authentication certificate belongs to: CN and UPN name the holder (card.md §4)."""

from __future__ import annotations

from cryptography import x509

from ..certs.profile import CertificateProfile, decode
from ..errors import CardError, UsageError
from ..identifiers import NationalId
from ..messages import tr


def holder_of(certificate: x509.Certificate) -> NationalId:
    """The holder's national identifier: the CN, which the UPN repeats where there is one.

    Raises CardError when there is none or when the two disagree.
    """
    profile = decode(certificate)
    if profile.national_id is None:
        raise CardError(tr("the card's authentication certificate names no national identifier"))
    check_holder(profile)
    return profile.national_id


def check_holder(profile: CertificateProfile) -> None:
    """Raise CardError when a certificate that names a holder twice names two.

    The UPN of a software certificate is something else: an e-mail address.
    """
    if profile.national_id is None or not profile.upn or profile.product == "software":
        return
    named = profile.national_id.masked
    try:
        repeated = NationalId.from_upn(profile.upn)
    except UsageError:
        raise CardError(
            tr("the user principal name in the card's certificate is no national identifier"),
            common_name=named,
        ) from None
    if repeated != profile.national_id:
        raise CardError(
            tr(
                "the card's certificate names two different holders: "
                "{named} (CN) and {masked} (UPN)",
                named=named,
                masked=repeated.masked,
            ),
            common_name=named,
            upn=repeated.masked,
        )

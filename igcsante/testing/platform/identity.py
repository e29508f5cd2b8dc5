"""Who is at the other end of the mutual TLS, from the client's certificate.

A card's certificate names the card and its holder (card.md §4.2); the category byte says
which world it opens (platform.md §7.2). Whether the ANS's service takes a software
certificate is unknown: the mock does, unless its options say otherwise.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from cryptography import x509

from ...certs.profile import decode
from ...errors import IgcError
from ...messages import tr
from ...ws.vocabulary import World
from ..pki import SimulatedPki
from ..pki.leaves import years_after
from .faults import ClientRefused

TEST_CARD_YEARS = 3


@dataclass(frozen=True)
class Identity:
    """``bearer`` is what habilitations are given to: a card number, or a structure
    identifier when the certificate is a software one."""

    bearer: str
    holder: str
    world: World


def identify(
    certificate: x509.Certificate, pki: SimulatedPki, at: datetime, *, accept_software: bool
) -> Identity:
    """The client that a certificate names. Raises ClientRefused.

    The chain was verified by TLS; this looks at what TLS doesn't: revocation, and validity
    by the platform's own clock; a test card is opposed after three years, whatever its
    certificate says.
    """
    serial, start = certificate.serial_number, certificate.not_valid_before_utc
    if not start <= at <= certificate.not_valid_after_utc:
        raise ClientRefused(tr("Le certificat présenté n'est pas en cours de validité."))
    if pki.revocation(serial, at) is not None:
        raise ClientRefused(tr("Le certificat présenté est révoqué : la carte est opposée."))
    try:
        profile = decode(certificate)
    except IgcError:
        raise ClientRefused(tr("Le certificat présenté est illisible.")) from None
    world = World.PROD if profile.world == "production" else World.TEST
    if profile.product == "card" and profile.usage == "AUTH" and profile.card_number:
        if world is World.TEST and at > years_after(start, TEST_CARD_YEARS):
            raise ClientRefused(tr("La carte de test a plus de trois ans : elle est opposée."))
        return Identity(profile.card_number, profile.common_name, world)
    if profile.usage == "AUTH_CLI" and profile.structure_id and accept_software:
        return Identity(str(profile.structure_id), profile.common_name, world)
    raise ClientRefused(
        tr("Ce type de certificat n'ouvre pas de session : présentez une carte CPx.")
    )

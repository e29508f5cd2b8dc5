"""The words of the Plateforme de confiance (facts sheet platform.md §2, §7.3).

Members keep their French names, which are those of the portal and the ANS's forms; parsing
takes every spelling that the portal, the forms and the people use.
"""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Self

from ..errors import UsageError
from ..messages import tr
from ..text import did_you_mean


class _DomainEnum(StrEnum):
    @classmethod
    def parse(cls, text: str) -> Self:
        """The member that ``text`` names, however it is spelled. Raises UsageError."""
        wanted = compact(text)
        for member in cls:
            if compact(member.value) == wanted:
                return member
        allowed = [str(member) for member in cls]
        raise UsageError(
            tr(
                "{cls}: {text!r} is not one of {allowed}",
                cls=cls.__name__.lower(),
                text=text,
                allowed=", ".join(allowed),
            ),
            advice=did_you_mean(text.upper(), allowed),
            field=cls.__name__.lower(),
            allowed=allowed,
        )


class Offre(_DomainEnum):
    """What a certificate designates: an organisation, a server, a person (platform.md §2)."""

    ORG = "ORG"
    SERV = "SERV"
    PRO = "PRO"
    PS = "PS"

    @property
    def usages(self) -> tuple[Usage, ...]:
        """The usages that this offer has (F413 §4.3, F414 §5.2; PS is inferred)."""
        return USAGES[self]


class Usage(_DomainEnum):
    """What a certificate is for. ``S/MIME`` and ``SSL_SERVEUR`` are aliases of the forms."""

    AUTH_CLI = "AUTH_CLI"
    SIGN = "SIGN"
    CONF = "CONF"
    SSL_SERV = "SSL_SERV"
    SMIME = "SMIME"
    AUTH = "AUTH"

    @classmethod
    def parse(cls, text: str) -> Self:
        """The usage that ``text`` names: ``S/MIME``, ``SERV_SSL``, ``ORG AUTH_CLI``… too."""
        wanted = compact(text)
        for prefix in ("", *Offre):
            name = wanted.removeprefix(prefix) if wanted.startswith(prefix) else ""
            if name in _USAGE_ALIASES:
                return cls(_USAGE_ALIASES[name])
        return super().parse(text)


class ProductState(_DomainEnum):
    """Where a product is in its life. The last three are not attested by any public text."""

    A_RETIRER = "A_RETIRER"
    ACTIF = "ACTIF"
    EXPIRE = "EXPIRE"
    REVOQUE = "REVOQUE"
    EN_COURS = "EN_COURS"
    REFUSE = "REFUSE"
    ANNULE = "ANNULE"


class World(_DomainEnum):
    """The test world or the real one: the card's nature selects it."""

    TEST = "TEST"
    PROD = "PROD"


class ScopeKind(_DomainEnum):
    """What an habilitation is limited to, beyond its structure."""

    AUCUN = "AUCUN"
    DOMAINE = "DOMAINE"
    SERVEUR = "SERVEUR"
    DOMAINE_MESSAGERIE = "DOMAINE_MESSAGERIE"


class KeyMode(_DomainEnum):
    """Who makes the key: the client, who sends a CSR, or the platform."""

    CSR = "CSR"
    PLATEFORME = "PLATEFORME"


class RevocationReason(_DomainEnum):
    """Why a certificate is revoked: the causes that the arrêté of 4 April 2022 names (art. 3).

    The platform's own list is not public.
    """

    NON_PRECISE = "NON_PRECISE"
    PERTE_OU_VOL = "PERTE_OU_VOL"
    CESSATION_ACTIVITE = "CESSATION_ACTIVITE"
    CHANGEMENT_DONNEES = "CHANGEMENT_DONNEES"
    REMPLACEMENT = "REMPLACEMENT"


USAGES: dict[Offre, tuple[Usage, ...]] = {
    Offre.ORG: (Usage.AUTH_CLI, Usage.SIGN, Usage.CONF),
    Offre.SERV: (Usage.SSL_SERV, Usage.SMIME, Usage.SIGN, Usage.CONF),
    Offre.PRO: (Usage.AUTH, Usage.SIGN, Usage.CONF),
    Offre.PS: (Usage.AUTH, Usage.SIGN, Usage.CONF),
}


def compact(text: str) -> str:
    """Letters and digits only, in upper case: how two spellings are compared."""
    return re.sub(r"[^A-Z0-9]", "", text.upper())


_USAGE_ALIASES = {
    **{compact(usage.value): usage.value for usage in Usage},
    "SSL": "SSL_SERV",
    "SSLSERVEUR": "SSL_SERV",
    "SERVEURSSL": "SSL_SERV",
    "AUTHCLIENT": "AUTH_CLI",
}

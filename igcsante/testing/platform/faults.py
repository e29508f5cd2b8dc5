"""The faults of the mock platform, and those that a test asks for (platform.md §7.6).

Every code is ours and starts with ``MOCK``: the ANS's codes are not public. Messages are
French, as the people who read them at the other end are.
"""

from __future__ import annotations

from ...errors import PlatformRefusedError, PlatformUnavailableError, UsageError
from ...messages import tr
from .store import Store

PREFIX = "MOCK-"

FUNCTIONAL = {
    "F01": "Vous n'êtes pas habilité pour cette offre et cette structure.",
    "F02": "Cet usage n'existe pas dans cette offre.",
    "F03": "Ce nom est hors du périmètre de votre habilitation.",
    "F04": "Ce champ est invalide.",
    "F05": "Ce champ est obligatoire pour cet usage.",
    "F06": "La CSR est illisible ou sa signature est fausse.",
    "F07": "L'algorithme ou la taille de la clé n'est pas accepté.",
    "F08": "Cette clé a déjà servi à une autre demande.",
    "F09": "Transmettez soit une CSR, soit un mot de passe de clé, pas les deux.",
    "F10": "Ce produit n'existe pas ou ne vous est pas visible.",
    "F11": "L'état du produit ne permet pas cette opération.",
    "F12": "Le code de révocation et sa confirmation diffèrent.",
    "F13": "Le bénéficiaire doit accepter le certificat, les CGU et la PC.",
    "F14": "Le mot de passe de la clé est faux ; s'il est perdu, refaites la demande.",
    "F15": "Le code de révocation est faux.",
    "F16": "Seul un certificat actif se renouvelle ; faites une nouvelle demande.",
    "F17": "Votre carte et l'habilitation ne sont pas du même monde (TEST ou PROD).",
    "F18": "Trop de produits attendent leur retrait.",
    "F19": "Cette référence client désigne déjà un produit.",
}

TECHNICAL = {
    "T01": "L'autorité de certification est indisponible.",
    "T02": "L'annuaire est indisponible.",
    "T03": "La plateforme est en maintenance.",
    "T04": "Le délai de traitement est dépassé.",
}

# What a web server in front of the platform may do instead of a SOAP answer.
INCIDENTS = {
    "html": "Une page HTML avec le statut 200.",
    "503": "Une page HTML avec le statut 503.",
    "hang-up": "La connexion est coupée avant que l'opération soit faite.",
    "lost-answer": "L'opération est faite, puis la connexion est coupée.",
}


class FunctionalFault(PlatformRefusedError):  # noqa: N818 - the word of SOAP
    """The request is understood and refused. ``number`` is F01 to F19."""

    def __init__(self, number: str, detail: str = "", *, field: str | None = None) -> None:
        message = " ".join(part for part in (FUNCTIONAL[number], detail) if part)
        self.number = number
        self.field = field
        super().__init__(message, fault=PREFIX + number, field=field)


class TechnicalFault(PlatformUnavailableError):  # noqa: N818 - the word of SOAP
    """The platform can't serve the request. ``number`` is T01 to T04."""

    def __init__(self, number: str) -> None:
        self.number = number
        super().__init__(TECHNICAL[number], fault=PREFIX + number)


class ClientRefused(PlatformRefusedError):  # noqa: N818 - the word of the domain
    """The client's certificate opens no session: HTTP 403."""


class HangUp(Exception):  # noqa: N818 - not an error: an order to the server
    """Close the connection without an answer."""


class FaultPlan:
    """What goes wrong with the next requests, in the order it was asked.

    It is kept with the products: another process may ask for it, a restart forgets nothing.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    def add(self, kind: str) -> None:
        """Plan ``F01``…, ``T01``… or an incident for one request. Raises UsageError."""
        known = [*FUNCTIONAL, *TECHNICAL, *INCIDENTS]
        if kind not in known:
            raise UsageError(
                tr("unknown fault {kind!r}", kind=kind),
                advice=tr("known: {names}", names=", ".join(known)),
            )
        with self._store.transaction() as tx:
            tx.plan_fault(kind)

    def planned(self) -> list[str]:
        """What is to come."""
        with self._store.reading() as tx:
            return tx.faults()

    def take(self) -> str | None:
        """What is planned for this request, if anything."""
        if not self.planned():
            return None
        with self._store.transaction() as tx:
            return tx.take_fault()

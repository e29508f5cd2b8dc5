"""The services that IGC-Santé certificates are used with, and what each is known to want.

Offers by service: the ANS's forms F413 §4.3 and F414 §5.2 (facts sheet platform.md §2). The
two names of INSi are reported by integrators (error DESIR_560), not published with the
platform. A service takes what it takes: everything here is a warning, never a refusal.
"""

from __future__ import annotations

import unicodedata

from ..messages import joined, tr
from .vocabulary import Offre, compact

INSI_NAMES = ("INSI-AUTO", "INSI-MANU")

SERVICES: dict[str, tuple[Offre, ...]] = {
    "DMP": (Offre.ORG,),
    "ROR": (Offre.ORG,),
    "Annuaire Santé": (Offre.ORG,),
    "INSi": (Offre.ORG,),
    "MSSanté": (Offre.SERV,),
    "Diapason": (Offre.SERV,),
    "PSIG": (Offre.SERV,),
    "Hub Santé": (Offre.SERV,),
    "HPRIM NET": (Offre.SERV, Offre.PRO),
}


def service_warnings(offre: Offre, service_name: str, target: str) -> tuple[str, ...]:
    """What looks wrong for the service ``target``, or for what the name sounds like."""
    return (*_offer_warnings(offre, target), *_insi_warnings(offre, service_name, target))


def _offer_warnings(offre: Offre, target: str) -> tuple[str, ...]:
    for service, offers in SERVICES.items():
        if target and _same(service, target) and offre not in offers:
            return (
                tr(
                    "{service} works with {offers} certificates, not {offre}",
                    service=service,
                    offers=joined(tr(" or "), offers),
                    offre=offre,
                ),
            )
    return ()


def _insi_warnings(offre: Offre, service_name: str, target: str) -> tuple[str, ...]:
    if offre is not Offre.ORG or service_name in INSI_NAMES:
        return ()
    if not _same(target, "INSi") and not compact(service_name).startswith("INSI"):
        return ()
    return (
        tr(
            "INSi accepts only {names} as service name, in upper case; "
            "{service_name!r} would be refused there (DESIR_560)",
            names=joined(tr(" or "), INSI_NAMES),
            service_name=service_name,
        ),
    )


def _same(one: str, other: str) -> bool:
    """Whether two spellings name one service: case, accents and spaces aside."""
    plain = (unicodedata.normalize("NFKD", text) for text in (one, other))
    return compact(next(plain)) == compact(next(plain))

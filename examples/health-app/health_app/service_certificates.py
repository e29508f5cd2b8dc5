"""The certificate with which a service calls others, ordered by an administrator's card."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from igcsante.identifiers import StructureId
from igcsante.secret import Secret
from igcsante.ws.orders.enrolment import Delivery, Issued, prepare, retrieve, submit
from igcsante.ws.orders.journal import Journal
from igcsante.ws.platform import Platform
from igcsante.ws.vocabulary import Offre, Usage


def order_service_certificate(
    platform: Platform,
    folder: Path,
    *,
    structure: str,
    service: str,
    email: str,
    revocation_code: Secret,
    clock: Callable[[], datetime],
) -> Issued:
    """Order, withdraw, and write key, certificate and chain into ``folder``.

    The journal beside them makes it safe to run again: nothing is ordered twice under one
    reference. Raises what :mod:`igcsante.ws.orders.enrolment` raises.
    """
    folder.mkdir(mode=0o700, exist_ok=True)
    delivery = Delivery(revocation_code, accepted=True)
    wanted = prepare(
        folder,
        offre=Offre.ORG,
        usage=Usage.AUTH_CLI,
        structure=StructureId.parse(structure),
        service_name=service,
        emails=(email,),
        client_reference=f"health-app-{service}",
    )
    journal = Journal(folder / "orders.sqlite")
    try:
        entry = submit(wanted, platform, journal, at=clock())
        return retrieve(entry, platform, journal, delivery, at=clock())
    finally:
        journal.close()

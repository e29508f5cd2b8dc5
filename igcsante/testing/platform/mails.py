"""The messages of the platform (platform.md §4): at the order, when it can be withdrawn, at
the download, 60 days before the end. They go to a table of the store, never to a mail server.

That an order which has to be validated is announced apart, or that its refusal is told, is
invented: no public text knows such orders.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from .products import identifier
from .records import Mail, Record
from .store import Transaction

SENDER = "noreply@pfc-mock.invalid"
NOTICE = timedelta(days=60)


def order_received(tx: Transaction, record: Record, at: datetime) -> None:
    """The order has to be validated first."""
    body = f"Votre demande {identifier(record.number)} est enregistrée ; elle est en cours."
    _send(tx, record, at, "Demande enregistrée", body)


def product_available(tx: Transaction, record: Record, url: str, at: datetime) -> None:
    """The product waits for its withdrawal."""
    body = f"Votre demande {identifier(record.number)} est enregistrée. Retrait : {url}"
    _send(tx, record, at, "Demande enregistrée", body)


def order_refused(tx: Transaction, record: Record, at: datetime) -> None:
    """Nothing will be issued."""
    body = f"Votre demande {identifier(record.number)} est refusée."
    _send(tx, record, at, "Demande refusée", body)


def product_withdrawn(tx: Transaction, record: Record, at: datetime) -> None:
    """The product was downloaded."""
    body = f"Le produit {identifier(record.number)} a été téléchargé."
    _send(tx, record, at, "Téléchargement effectué", body)


def end_is_near(tx: Transaction, record: Record, at: datetime) -> None:
    """The certificate ends soon and can still be renewed."""
    end = record.not_after.date().isoformat() if record.not_after else ""
    body = (
        f"Le certificat {identifier(record.number)} expire le {end}. "
        "Renouvelez-le tant qu'il est actif."
    )
    _send(tx, record, at, "Expiration dans moins de 60 jours", body)


def _send(tx: Transaction, record: Record, at: datetime, subject: str, body: str) -> None:
    text = f"De : {SENDER}\n{body}\n[simulation, message non envoyé]"
    for recipient in record.emails:
        tx.post(Mail(at, recipient, subject, text, record.number))

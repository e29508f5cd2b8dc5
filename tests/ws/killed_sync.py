"""``igc orders sync`` once it is connected, killed at every point (:mod:`killed_support`)."""

from __future__ import annotations

import sys
from dataclasses import astuple, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from killed_support import AT, FilePlatform, kill_again_and_again

from igcsante.identifiers import StructureId
from igcsante.ws.model import Offre, ProductRequest, ProductState, Renewal, Usage
from igcsante.ws.orders.journal import Journal, OrderState
from igcsante.ws.orders.reconcile import FEW, OPEN, synchronise
from igcsante.ws.outcome import SETTLING

LATER = AT + SETTLING
END = AT + timedelta(days=1095)
# How far the journal says that an order went, and what became of it on the platform, if anything.
CASES = (
    (OrderState.SENT, ProductState.A_RETIRER),
    (OrderState.SENT, None),
    (OrderState.UNKNOWN, ProductState.EN_COURS),
    (OrderState.UNKNOWN, None),
    (OrderState.PENDING, ProductState.ANNULE),
    (OrderState.PENDING, ProductState.REFUSE),
    (OrderState.ORDERED, ProductState.ACTIF),
    (OrderState.WITHDRAWING, ProductState.A_RETIRER),
    (OrderState.WITHDRAWING, ProductState.ACTIF),
    (OrderState.WITHDRAWN, ProductState.REVOQUE),
    (OrderState.REVOKING, ProductState.ACTIF),
    (OrderState.REVOKING, ProductState.REVOQUE),
)
BEFORE_THE_ANSWER = (OrderState.SENT, OrderState.UNKNOWN)


def begin(folder: Path, more: int) -> None:
    """An order of each case, a renewal in doubt, and more orders, for one listing of all."""
    platform = FilePlatform(folder / "platform")
    with Journal(folder / "journal.sqlite") as journal:
        cases = (*CASES, *[(OrderState.PENDING, ProductState.A_RETIRER)] * more)
        for number, (state, there) in enumerate(cases):
            request = ProductRequest(
                offre=Offre.ORG,
                usage=Usage.AUTH_CLI,
                structure=StructureId.parse("10B0999003"),
                emails=("pki@exemple.fr",),
                service_name=f"s{number}",
                csr=b"csr",
                client_reference=f"r{number}",
            )
            about = {
                "offre": "ORG",
                "usage": "AUTH_CLI",
                "structure": str(request.structure),
                "label": request.label,
            }
            entry = journal.record(request.client_reference, at=AT, **about)
            known: dict[str, str] = {}
            if there is not None:
                receipt = platform.order_product(request)
                product, csr = platform.products[-1]
                platform.products[-1] = _become(product, there, number), csr
                if state not in BEFORE_THE_ANSWER:
                    known["product_id"] = receipt.product_id
            journal.update(entry, at=AT, state=state, **known)
        renewed = next(p for p, _ in platform.products if p.state is ProductState.ACTIF)
        platform.renew_product(Renewal(renewed.product_id, csr=b"csr"))
        entry = journal.record("renewal", at=AT, renews=renewed.product_id, label=renewed.label)
        journal.update(entry, at=AT, state=OrderState.UNKNOWN)
    platform.save()


def _become(product: Any, state: ProductState, number: int) -> Any:
    issued = state in (ProductState.ACTIF, ProductState.REVOQUE)
    facts = {"serial": f"{1000 + number:X}", "not_after": END} if issued else {}
    return replace(product, state=state, **facts)


def run(folder: Path, *, at: datetime = LATER) -> list[str]:
    """The command, as it goes on once it is connected; what went wrong."""
    with Journal(folder / "journal.sqlite") as journal:
        platform = FilePlatform(folder / "platform")
        told = synchronise(platform, journal, journal.list(states=OPEN), at=at)
        return [trouble.message for _, _, trouble in told if trouble]


def wrong_after(folder: Path, expected: list[Any]) -> list[str]:
    """What is otherwise, once it was run again, than after a run that nobody killed."""
    before = (folder / "platform").read_bytes()
    found = run(folder)
    if _known(folder) != expected:
        found.append("the journal says something else")
    if (folder / "platform").read_bytes() != before:
        found.append("the platform was made to do something")
    return found


def _known(folder: Path) -> list[Any]:
    with Journal(folder / "journal.sqlite") as journal:
        return [(astuple(entry), journal.history(entry)) for entry in journal.list()]


def main(folder: Path, stride: int, more: int) -> None:
    undisturbed = folder / "undisturbed"
    undisturbed.mkdir(parents=True)
    begin(undisturbed, more)
    before = _known(undisturbed)
    trouble = run(undisturbed)
    expected = _known(undisturbed)
    changed = sum(one != other for one, other in zip(before, expected, strict=True))
    if trouble or changed < len(CASES):
        sys.exit(f"{changed} orders changed; {trouble}")
    kill_again_and_again(
        folder / "killed",
        stride,
        run,
        lambda place: wrong_after(place, expected),
        begin=lambda place: begin(place, more),
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), FEW if sys.argv[3:] == ["many"] else 0)

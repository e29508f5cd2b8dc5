"""``igc orders sync`` once it is connected, killed at every point (:mod:`killed_support`)."""

from __future__ import annotations

import itertools
import json
import shutil
import sys
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

from killed_platform import AT, FilePlatform
from killed_support import EARLY, SETTLED, killed

from igcsante.identifiers import StructureId
from igcsante.ws.model import Offre, ProductRequest, ProductState, Renewal, Usage
from igcsante.ws.orders.journal import Entry, Journal, OrderState
from igcsante.ws.orders.reconcile import FEW, OPEN, synchronise

END = AT + timedelta(days=1095)
FAILED = OrderState.FAILED


class Case(NamedTuple):
    """What the journal says of an order, what became of it on the platform, if anything, and
    what the journal has to say before and after the doubt may end.
    """

    said: OrderState
    there: ProductState | None
    early: OrderState
    settled: OrderState
    renewal: bool = False


CASES = (
    Case(OrderState.SENT, ProductState.A_RETIRER, OrderState.ORDERED, OrderState.ORDERED),
    Case(OrderState.SENT, None, OrderState.SENT, FAILED),
    Case(OrderState.UNKNOWN, ProductState.EN_COURS, OrderState.PENDING, OrderState.PENDING),
    Case(OrderState.UNKNOWN, None, OrderState.UNKNOWN, FAILED),
    Case(OrderState.PENDING, ProductState.ANNULE, OrderState.CANCELLED, OrderState.CANCELLED),
    Case(OrderState.PENDING, ProductState.REFUSE, OrderState.REFUSED, OrderState.REFUSED),
    Case(OrderState.ORDERED, ProductState.ACTIF, OrderState.WITHDRAWN, OrderState.WITHDRAWN),
    Case(
        OrderState.WITHDRAWING, ProductState.A_RETIRER, OrderState.WITHDRAWING, OrderState.ORDERED
    ),
    Case(OrderState.WITHDRAWING, ProductState.ACTIF, OrderState.WITHDRAWN, OrderState.WITHDRAWN),
    Case(OrderState.WITHDRAWN, ProductState.REVOQUE, OrderState.REVOKED, OrderState.REVOKED),
    Case(OrderState.REVOKING, ProductState.ACTIF, OrderState.REVOKING, OrderState.WITHDRAWN),
    Case(OrderState.REVOKING, ProductState.REVOQUE, OrderState.REVOKED, OrderState.REVOKED),
    Case(OrderState.UNKNOWN, ProductState.A_RETIRER, OrderState.ORDERED, OrderState.ORDERED, True),
    Case(OrderState.SENT, None, OrderState.SENT, FAILED, True),
)
MORE = Case(OrderState.PENDING, ProductState.A_RETIRER, OrderState.ORDERED, OrderState.ORDERED)
UNANSWERED = (OrderState.SENT, OrderState.UNKNOWN)
ISSUED = (ProductState.ACTIF, ProductState.REVOQUE)


# -- the orders ----------------------------------------------------------------------------


def begin(folder: Path, cases: tuple[Case, ...]) -> None:
    """An order of each case; what has no product is on its way."""
    folder.mkdir(parents=True)
    platform = FilePlatform(folder / "platform")
    with Journal(folder / "journal.sqlite") as journal:
        for number, case in enumerate(cases):
            _begin_one(platform, journal, number, case)
    platform.save()


def _begin_one(platform: FilePlatform, journal: Journal, number: int, case: Case) -> None:
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
    if case.renewal:
        older = replace(request, client_reference=f"older-{number}")
        about["renews"] = renewed = platform.order_product(older).product_id
        platform.products[-1] = _become(platform.products[-1][0], ProductState.ACTIF, number), b""
    entry = journal.record(request.client_reference, at=AT, **about)
    doubt_until = SETTLED.isoformat()
    entry = journal.claim(entry, OrderState.SENT, at=AT, doubt_until=doubt_until)
    if case.renewal:
        platform.renew_product(Renewal(renewed, csr=b"csr"))
    else:
        platform.order_product(request)
    product, csr = platform.products[-1]
    if case.there is None:
        platform.products.pop()
        platform.on_its_way.append(platform.sent[-1])
        if case.renewal:
            platform.products[-1] = replace(platform.products[-1][0], renewed_by=""), b""
    else:
        platform.products[-1] = _become(product, case.there, number), csr
    if case.said is not OrderState.SENT:
        known = {} if case.said in UNANSWERED else {"product_id": product.product_id}
        journal.update(entry, at=AT, state=case.said, **known)


def _become(product: Any, state: ProductState, number: int) -> Any:
    facts = {"serial": f"{1000 + number:X}", "not_after": END} if state in ISSUED else {}
    return replace(product, state=state, **facts)


# -- the command ---------------------------------------------------------------------------


def run(folder: Path, at: datetime) -> list[str]:
    """The command, as it goes on once it is connected; what went wrong."""
    with Journal(folder / "journal.sqlite") as journal:
        platform = FilePlatform(folder / "platform", at)
        told = synchronise(platform, journal, journal.list(states=OPEN), at=at)
        return [trouble.message for _, _, trouble in told if trouble]


def wrong(folder: Path, cases: tuple[Case, ...], at: datetime, *, arrived: bool = False) -> Any:
    """What is otherwise than it has to be once it was run to its end at that time."""
    before = (folder / "platform").read_bytes()
    found = run(folder, at)
    if (folder / "platform").read_bytes() != before:
        found.append("the platform was made to do something")
    platform = FilePlatform(folder / "platform")
    with Journal(folder / "journal.sqlite") as journal:
        for number, case in enumerate(cases):
            entry = journal.find(f"r{number}")
            assert entry is not None
            state = case.early if at == EARLY else case.settled
            late = arrived and case.there is None
            expected = OrderState.ORDERED if late else state
            steps = [step.state for step in journal.history(entry)]
            way = [OrderState.PREPARED, OrderState.SENT, case.said, expected]
            if steps != [state for state, _ in itertools.groupby(way)]:
                found.append(f"{case}: {'; '.join(steps)}")
            found += _wrong_facts(platform, case, entry, number, late)
    return found


def _wrong_facts(
    platform: FilePlatform, case: Case, entry: Entry, number: int, late: bool
) -> list[str]:
    """What an entry says otherwise of its product than that is."""
    there = [
        product
        for product, _ in platform.products
        if (product.renews == entry.renews if case.renewal else product.label == entry.label)
        and bool(product.renews) == case.renewal
    ]
    if bool(there) != bool(case.there or late):
        return [f"{case}: {there}"]
    serial = f"{1000 + number:x}" if case.there in ISSUED else ""
    known = (entry.product_id, entry.serial, bool(entry.not_after))
    if known != (there[0].product_id if there else "", serial, bool(serial)):
        return [f"{case}: {known}"]
    return []


# -- killing -------------------------------------------------------------------------------


def undisturbed(start: Path, place: Path, cases: tuple[Case, ...]) -> list[list[str]]:
    """Nobody kills it: run before the doubt may end, and after, with what was late, and without."""
    told = []
    for arrived in (False, True):
        shutil.copytree(start, place)
        told.append(wrong(place, cases, EARLY))
        if arrived:
            FilePlatform(place / "platform", EARLY).receive()
        told.append(wrong(place, cases, SETTLED, arrived=arrived))
        shutil.rmtree(place)
    return told


def main(folder: Path, stride: int, more: int) -> None:
    cases = (*CASES, *[MORE] * more)
    start, place = folder / "begin", folder / "place"
    begin(start, cases)
    told = undisturbed(start, place, cases)
    for at in (EARLY, SETTLED):
        for number in itertools.count(1, stride):
            shutil.copytree(start, place)
            died = killed(lambda: run(place, at), number, every_point=True)  # noqa: B023 - now
            told.append([f"{number} {at}: {what}" for what in wrong(place, cases, at)])
            shutil.rmtree(place)
            if not died:
                break
    print(json.dumps(told))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), FEW if sys.argv[3:] == ["many"] else 0)

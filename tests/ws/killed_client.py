"""A batch of orders, killed at every point (:mod:`killed_support`)."""

from __future__ import annotations

import sys
from datetime import datetime
from functools import partial
from pathlib import Path

from killed_platform import AT, FilePlatform
from killed_support import (
    EARLY,
    LONG_AFTER,
    SETTLED,
    kill_again_and_again,
    wrong_with_files,
    wrong_with_keys,
)

from igcsante.certs import requests
from igcsante.identifiers import StructureId
from igcsante.secret import Secret
from igcsante.ws.model import Offre, Usage
from igcsante.ws.orders import batch, order_key
from igcsante.ws.orders.batch import Job
from igcsante.ws.orders.batch_file import Row
from igcsante.ws.orders.enrolment import Delivery
from igcsante.ws.orders.journal import Journal, OrderState

KEYS = [requests.new_key() for _ in range(5)]
FIRST_KEY = {AT: 0, EARLY: 1, SETTLED: 3, LONG_AFTER: 0}


def run(folder: Path, at: datetime, *, rows: int) -> list[batch.Outcome]:
    """The batch, over the platform and the journal of ``folder``."""
    keys = iter(KEYS[FIRST_KEY[at] :])
    order_key.new_key = lambda bits: next(keys)
    lines = [Row(f"line {n}", {"service": f"s{n}"}) for n in range(2, 2 + rows)]
    jobs = [
        Job(
            row,
            {
                "offre": Offre.ORG,
                "usage": Usage.AUTH_CLI,
                "structure": StructureId.parse("10B0999003"),
                "emails": ("pki@exemple.fr",),
                "service_name": row.cells["service"],
            },
            folder / "certs",
            row.cells["service"],
        )
        for row in lines
    ]
    password = Secret("password") if rows > 1 else None  # deriving its key takes long
    delivery = Delivery(Secret("code"), accepted=True, p12_password=password)
    with Journal(folder / "journal.sqlite") as journal:
        platform = FilePlatform(folder / "platform", at)
        work = batch.Run(platform, journal, delivery, lambda: at, sleep=lambda _: None)
        return list(work.do(jobs, keep_going=True))


def wrong_after(folder: Path, rows: int) -> list[str]:
    """What is wrong at the end; ``lost`` for what can't be had again."""
    sent = FilePlatform(folder / "platform").sent
    outcomes = run(folder, LONG_AFTER, rows=rows)
    platform = FilePlatform(folder / "platform")
    found = wrong_with_keys(folder)
    if len(list((folder / "certs").glob("*.key.pem"))) != rows:
        found.append("a key too many")  # one that was sent is used again
    if platform.sent != sent or len(platform.products) != rows:
        found.append(f"{len(platform.products)} products, {len(platform.sent)} requests")
    for outcome in outcomes:
        entry = outcome.entry
        if entry is None:
            found.append("an order left no trace")
        elif entry.certificate_path:
            found += wrong_with_files(entry)
        elif entry.state is OrderState.WITHDRAWN and entry.serial and outcome.error:
            found.append("lost")
        else:
            found.append(f"{entry.state}: {outcome.error}")
    return found


if __name__ == "__main__":
    every_point, count = sys.argv[2] == "every", int(sys.argv[3])
    kill_again_and_again(
        Path(sys.argv[1]),
        partial(run, rows=count),
        partial(wrong_after, rows=count),
        every_point=every_point,
    )

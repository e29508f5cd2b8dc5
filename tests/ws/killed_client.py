"""A batch of orders, killed at every point (:mod:`killed_support`)."""

from __future__ import annotations

import sys
from datetime import timedelta
from functools import partial
from pathlib import Path

from killed_support import AT, FilePlatform, kill_again_and_again, wrong_with_files

from igcsante.certs import requests
from igcsante.identifiers import StructureId
from igcsante.secret import Secret
from igcsante.ws.model import Offre, Usage
from igcsante.ws.orders import batch, order_key
from igcsante.ws.orders.batch import Job, Run
from igcsante.ws.orders.batch_file import Row
from igcsante.ws.orders.enrolment import Delivery
from igcsante.ws.orders.journal import Journal, OrderState
from igcsante.ws.outcome import SETTLING

KEYS = [requests.new_key() for _ in range(5)]


def run(folder: Path, rows: int, *, later: timedelta = timedelta(0)) -> list[batch.Outcome]:
    """The batch, over the platform and the journal of ``folder``."""
    keys = iter(KEYS[2:] if later else KEYS)
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
        platform = FilePlatform(folder / "platform")
        work = Run(platform, journal, delivery, lambda: AT + later, sleep=lambda _: None)
        return list(work.do(jobs, keep_going=True))


def wrong_after(folder: Path, rows: int) -> list[str]:
    """What is wrong once the batch was run again; ``lost`` for what can't be had again."""
    outcomes = run(folder, rows, later=SETTLING)
    platform = FilePlatform(folder / "platform")
    found = []
    if len(list((folder / "certs").glob("*.key.pem"))) != rows:
        found.append("a key was left behind, or lost")
    if len(platform.products) != rows:
        found.append(f"{len(platform.products)} products were ordered")
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
    count = int(sys.argv[3])
    kill_again_and_again(
        Path(sys.argv[1]),
        int(sys.argv[2]),
        partial(run, rows=count),
        partial(wrong_after, rows=count),
    )

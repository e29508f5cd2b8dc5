"""``igc renew --due`` once it is connected, killed at every point (:mod:`killed_support`)."""

from __future__ import annotations

import contextlib
import io
import sys
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from killed_support import AT, FilePlatform, kill_again_and_again, wrong_with_files

from igcsante.certs import requests
from igcsante.cli import renew
from igcsante.identifiers import StructureId
from igcsante.secret import Secret
from igcsante.ws.model import Offre, ProductState, Usage
from igcsante.ws.orders import order_key
from igcsante.ws.orders.enrolment import Delivery, prepare, retrieve, submit
from igcsante.ws.orders.journal import Entry, Journal, OrderState
from igcsante.ws.outcome import SETTLING

KEYS = [requests.new_key() for _ in range(4)]
ENDPOINT = "https://platform.example/ws"
DELIVERY = Delivery(Secret("code"), accepted=True)


class Clock(datetime):
    """What the command takes for the time of day."""

    offset = timedelta(0)

    @classmethod
    def now(cls, tz: Any = None) -> datetime:  # type: ignore[override]
        return AT + cls.offset


renew.datetime = Clock  # type: ignore[misc]


def begin(folder: Path) -> None:
    """Two certificates that end in a month."""
    keys = iter(KEYS)
    order_key.new_key = lambda bits: next(keys)
    platform = FilePlatform(folder / "platform")
    with Journal(folder / "journal.sqlite") as journal:
        for name in ("a", "b"):
            wanted = prepare(
                folder / "certs",
                offre=Offre.ORG,
                usage=Usage.AUTH_CLI,
                structure=StructureId.parse("10B0999003"),
                emails=("pki@exemple.fr",),
                service_name=name,
            )
            entry = submit(wanted, platform, journal, at=AT, platform=ENDPOINT)
            retrieve(entry, platform, journal, DELIVERY, at=AT)
    end = AT + timedelta(days=30)
    platform.products = [
        (replace(product, renewable=True, not_after=end), csr) for product, csr in platform.products
    ]
    platform.save()


def run(folder: Path, *, later: timedelta = timedelta(0)) -> str:
    """The command, as it goes on once it is connected; what it says."""
    keys = iter(KEYS[2:] if later else KEYS)
    order_key.new_key = lambda bits: next(keys)
    Clock.offset = later
    which = {"within": 60, "elsewhere": False}
    keys_wanted = {"out": folder / "certs", "csr": None, "key_bits": "2048"}
    platform = FilePlatform(folder / "platform")
    said = io.StringIO()
    with (
        Journal(folder / "journal.sqlite") as journal,
        contextlib.redirect_stdout(said),
        contextlib.redirect_stderr(said),
    ):
        job = renew.Renewing(
            platform, journal, DELIVERY, None, keys_wanted, False, AT, {"platform": ENDPOINT}
        )
        due = renew._due(platform, journal, which, AT, ENDPOINT)
        renew._renew_all(job, due, as_json=False)
    return said.getvalue()


def wrong_after(folder: Path) -> list[str]:
    """What is wrong once it was run again; ``lost`` for what can't be had again."""
    said = run(folder, later=SETTLING)
    told_of = said.count("igc retrieve")
    again = run(folder, later=2 * SETTLING)
    products = [product for product, _ in FilePlatform(folder / "platform").products]
    found = []
    successors = [product.renews for product in products if product.renews]
    if sorted(successors) != ["P-1", "P-2"]:
        found.append(f"renewed: {successors}")
    if {product.state for product in products} != {ProductState.ACTIF}:
        found.append(f"{[str(product.state) for product in products]}")
    with Journal(folder / "journal.sqlite") as journal:
        renewals = [e for e in journal.list() if e.renews and not e.state.nothing_ordered]
        unsent = [e for e in journal.list() if e.state is OrderState.PREPARED]
        keys = {e.key_path for e in journal.list() if e.certificate_path or _was_sent(journal, e)}
    if sorted(entry.renews for entry in renewals) != ["P-1", "P-2"] or unsent:
        found.append(f"in the journal: {[str(entry.state) for entry in (*renewals, *unsent)]}")
    there = {path.name for path in (folder / "certs").glob("*.key.pem")}
    if there != {Path(key).name for key in keys}:
        found.append("a key was left behind, or lost")
    for entry in renewals:
        if entry.certificate_path:
            found += wrong_with_files(entry)
        elif entry.state is OrderState.WITHDRAWN and entry.serial and told_of:
            found.append("lost")
        else:
            found.append(f"{entry.state}: {said} {again}")
    return found


def _was_sent(journal: Journal, entry: Entry) -> bool:
    """Its key stays, whatever the platform says: the request may have been seen by somebody."""
    return any(step.state is OrderState.SENT for step in journal.history(entry))


if __name__ == "__main__":
    kill_again_and_again(Path(sys.argv[1]), int(sys.argv[2]), run, wrong_after, begin=begin)

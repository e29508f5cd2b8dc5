"""``igc renew --due`` once it is connected, killed at every point (:mod:`killed_support`)."""

from __future__ import annotations

import contextlib
import io
import sys
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

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
from igcsante.cli import renew
from igcsante.errors import IgcError
from igcsante.identifiers import StructureId
from igcsante.secret import Secret
from igcsante.ws.model import Offre, ProductState, Usage
from igcsante.ws.orders import order_key
from igcsante.ws.orders.enrolment import Delivery, prepare, retrieve, submit
from igcsante.ws.orders.journal import Journal, OrderState

KEYS = [requests.new_key() for _ in range(7)]
FIRST_KEY = {AT: 2, EARLY: 3, SETTLED: 5, LONG_AFTER: 0}
ENDPOINT = "https://platform.example/ws"
DELIVERY = Delivery(Secret("code"), accepted=True)


class Clock(datetime):
    """What the command takes for the time of day."""

    time = AT

    @classmethod
    def now(cls, tz: Any = None) -> datetime:  # type: ignore[override]
        return cls.time


renew.datetime = Clock  # type: ignore[misc]


def begin(folder: Path, *, count: int) -> None:
    """Certificates that end in a month."""
    keys = iter(KEYS)
    order_key.new_key = lambda bits: next(keys)
    platform = FilePlatform(folder / "platform")
    with Journal(folder / "journal.sqlite") as journal:
        for name in "ab"[:count]:
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


def run(folder: Path, at: datetime) -> str:
    """The command, as it goes on once it is connected; what it says."""
    keys = iter(KEYS[FIRST_KEY[at] :])
    order_key.new_key = lambda bits: next(keys)
    Clock.time = at
    which = {"within": 60, "elsewhere": False}
    keys_wanted = {"out": folder / "certs", "csr": None, "key_bits": "2048"}
    platform = FilePlatform(folder / "platform", at)
    said = io.StringIO()
    with (
        Journal(folder / "journal.sqlite") as journal,
        contextlib.redirect_stdout(said),
        contextlib.redirect_stderr(said),
    ):
        job = renew.Renewing(
            platform, journal, DELIVERY, None, keys_wanted, False, AT, {"platform": ENDPOINT}
        )
        try:
            due = renew._due(platform, journal, which, AT, ENDPOINT)
            renew._renew_all(job, due, as_json=False)
        except IgcError as error:
            return f"{said.getvalue()} {error.message}; {error.advice}"
    return said.getvalue()


def wrong_after(folder: Path, *, count: int) -> list[str]:
    """What is wrong at the end; ``lost`` for what can't be had again."""
    sent = FilePlatform(folder / "platform").sent
    said = run(folder, LONG_AFTER)
    platform = FilePlatform(folder / "platform")
    products = [product for product, _ in platform.products]
    renewed = [product.product_id for product in products if not product.renews]
    found = wrong_with_keys(folder)
    if platform.sent != sent:
        found.append(f"{len(platform.sent) - len(sent)} requests more when all was done")
    if sorted(product.renews for product in products if product.renews) != renewed:
        found.append(f"renewed: {[product.renews for product in products]}")
    if {product.state for product in products} != {ProductState.ACTIF}:
        found.append(f"{[str(product.state) for product in products]}")
    with Journal(folder / "journal.sqlite") as journal:
        entries = [entry for entry in journal.list() if entry.renews]
    made = [entry for entry in entries if not entry.state.nothing_ordered]
    unsent = [entry for entry in entries if entry.state is OrderState.PREPARED]
    if sorted(entry.renews for entry in made) != renewed or unsent:
        found.append(f"in the journal: {[str(entry.state) for entry in entries]}")
    for entry in made:
        if entry.certificate_path:
            found += wrong_with_files(entry)
        elif entry.state is OrderState.WITHDRAWN and entry.serial and "igc retrieve" in said:
            found.append("lost")
        else:
            found.append(f"{entry.state}: {said}")
    return found


if __name__ == "__main__":
    every_point, count = sys.argv[2] == "every", int(sys.argv[3])
    kill_again_and_again(
        Path(sys.argv[1]),
        run,
        partial(wrong_after, count=count),
        begin=partial(begin, count=count),
        every_point=every_point,
    )

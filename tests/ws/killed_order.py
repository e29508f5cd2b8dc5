"""``igc order --reference R`` once connected, killed at every point (:mod:`killed_support`)."""

from __future__ import annotations

import sys
from datetime import datetime
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
from igcsante.errors import IgcError
from igcsante.identifiers import StructureId
from igcsante.secret import Secret
from igcsante.ws.model import Offre, Usage
from igcsante.ws.orders import order_key
from igcsante.ws.orders.enrolment import Delivery, prepare, submit
from igcsante.ws.orders.journal import Journal, OrderState
from igcsante.ws.orders.restore import bring_home, check_within_reach

KEYS = {at: requests.new_key() for at in (AT, EARLY, SETTLED, LONG_AFTER)}
DELIVERY = Delivery(Secret("code"), accepted=True)


def run(folder: Path, at: datetime) -> str:
    """The command, as it goes on once it is connected; what it failed with."""
    order_key.new_key = lambda bits: KEYS[at]
    wanted = prepare(
        folder / "certs",
        offre=Offre.ORG,
        usage=Usage.AUTH_CLI,
        structure=StructureId.parse("10B0999003"),
        emails=("pki@exemple.fr",),
        service_name="s",
        client_reference="chosen",
    )
    platform = FilePlatform(folder / "platform", at)
    with Journal(folder / "journal.sqlite") as journal:
        try:
            entry = submit(wanted, platform, journal, at=at)
            if not entry.certificate_path:
                check_within_reach(entry, journal)
                bring_home(entry, platform, journal, DELIVERY, at=at)
        except IgcError as error:
            return f"{error.message}; {error.advice}"
    return ""


def wrong_after(folder: Path) -> list[str]:
    """What is wrong at the end; ``lost`` for what can't be had again."""
    sent = FilePlatform(folder / "platform").sent
    said = run(folder, LONG_AFTER)
    platform = FilePlatform(folder / "platform")
    found = wrong_with_keys(folder)
    if platform.sent != sent or len(platform.products) != 1:
        found.append(f"{len(platform.products)} products, {len(platform.sent)} requests")
    with Journal(folder / "journal.sqlite") as journal:
        (entry,) = journal.list()
    if entry.certificate_path:
        found += wrong_with_files(entry)
    elif entry.state is OrderState.WITHDRAWN and "igc retrieve 1 --again" in said:
        found.append("lost")
    else:
        found.append(f"{entry.state}: {said}")
    return found


if __name__ == "__main__":
    every_point = sys.argv[2] == "every"
    kill_again_and_again(Path(sys.argv[1]), run, wrong_after, every_point=every_point)

"""For programs that kill a client with SIGKILL at every point where it wrote or sent something.

Each runs alone in its process, so that it may fork, and prints what it found as JSON. After each
death the journal is looked at; then the client runs again, before and after the doubt may end,
and what was on its way is lost, or arrives in between.
"""

from __future__ import annotations

import functools
import itertools
import json
import os
import shutil
import signal
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from killed_platform import AT, Call, FilePlatform

from igcsante.certs import requests
from igcsante.ws import outcome
from igcsante.ws.model import ProductRequest, ProductState
from igcsante.ws.orders.journal import Entry, Journal, OrderState

SETTLED = AT + FilePlatform.longest_attempt + outcome.SETTLING  # a doubt of AT may end
EARLY = SETTLED - timedelta(seconds=1)
LONG_AFTER = SETTLED + timedelta(days=1)

Run = Callable[[Path, datetime], object]  # in that folder, at that time

# What the journal notes before such a request leaves, and what it may say of an order while the
# platform has that product of it. Whoever was killed can't know more; less would be untrue.
NOTED_BEFORE = {
    "order": OrderState.SENT,
    "renew": OrderState.SENT,
    "withdraw": OrderState.WITHDRAWING,
}
MAY_SAY = {
    None: (OrderState.PREPARED, OrderState.SENT),
    ProductState.A_RETIRER: (OrderState.SENT, OrderState.ORDERED, OrderState.WITHDRAWING),
    ProductState.ACTIF: (OrderState.WITHDRAWING, OrderState.WITHDRAWN),
}


def _lose_no_time() -> None:
    """The clock is given and stands still; keys are our own and known to be good; and what a
    process wrote stays when it is killed, so nothing waits until it is on the disk.
    """
    opened = Journal.__init__

    def open_quickly(journal: Journal, *arguments: Any) -> None:
        opened(journal, *arguments)
        journal._database.execute("PRAGMA synchronous = OFF")

    Journal.__init__ = open_quickly  # type: ignore[method-assign]
    os.fsync = lambda fd: None
    outcome.seconds = lambda: 0.0
    requests.load_pem_private_key = functools.partial(  # type: ignore[attr-defined]
        load_pem_private_key, unsafe_skip_rsa_key_validation=True
    )


_lose_no_time()


# -- killing -------------------------------------------------------------------------------


def die_at(number: int, *, every_point: bool) -> None:
    """From now on: SIGKILL at the ``number``-th point, before or after something is done."""
    left = [number]

    def point() -> None:
        left[0] -= 1
        if not left[0]:
            os.kill(os.getpid(), signal.SIGKILL)

    def pointed(function: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(*arguments: Any, **named: Any) -> Any:
            point()
            result = function(*arguments, **named)
            point()
            return result

        return wrapped

    around: list[tuple[Any, str]] = [
        (Journal, "record"),
        (Journal, "_change"),
        (FilePlatform, "serve"),
    ]
    if every_point:
        around += [
            (os, "fsync"),
            (Path, "hardlink_to"),
            (Path, "unlink"),
            (FilePlatform, "search_products"),
            (FilePlatform, "get_product"),
        ]
    for owner, name in around:
        setattr(owner, name, pointed(getattr(owner, name)))


def killed(run: Callable[[], object], number: int, *, every_point: bool) -> bool:
    """Run it in a child that dies at that point; whether it did."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            die_at(number, every_point=every_point)
            run()
            status = 0
        finally:
            os._exit(status)
    status = os.waitpid(child, 0)[1]
    assert status in (0, signal.SIGKILL), f"it ended with {status}"
    return status == signal.SIGKILL


def kill_again_and_again(
    folder: Path,
    run: Run,
    wrong_after: Callable[[Path], list[str]],
    *,
    every_point: bool,
    begin: Callable[[Path], object] = lambda place: None,
) -> None:
    """Print what was wrong, for each point of ``run`` and each way it may go on from there.

    The points are those around what the journal notes and what the platform serves, and with
    ``every_point`` those around each file and question too. What all find in their folder at
    first, ``begin`` makes there; ``wrong_after`` looks at the folder once it was run to its end.
    """
    start, dead, place = folder / "begin", folder / "dead", folder / "place"
    place.mkdir(parents=True)  # always that one: the journal knows where files are
    begin(place)
    place.rename(start)
    told: list[list[str]] = []
    for number in itertools.count(1):
        shutil.copytree(start, place)
        died = killed(lambda: run(place, AT), number, every_point=every_point)
        place.rename(dead)
        for way in ways_on(dead):
            shutil.copytree(dead, place)
            found = untrue(place, first=True) + go_on(place, run, *way) + wrong_after(place)
            told.append([f"{number} {way}: {what}" for what in found])
            shutil.rmtree(place)
        shutil.rmtree(dead)
        if not died:
            break
    print(json.dumps(told))


def ways_on(place: Path) -> list[tuple[bool, bool]]:
    """Whether it is run before the doubt ends, and whether what was on its way then arrives."""
    with Journal(place / "journal.sqlite") as journal:
        doubtful = any(entry.state.in_doubt for entry in journal.list())
    ways = [(False, False)]
    if doubtful:
        ways.append((True, False))
    if FilePlatform(place / "platform").on_its_way:
        ways.append((True, True))
    return ways


def go_on(place: Path, run: Run, early: bool, late: bool) -> list[str]:
    """What is wrong when it is run again, and once more when the doubt may end."""
    file, found = place / "platform", []
    before = FilePlatform(file)
    if early:
        run(place, EARLY)
        found += untrue(place) + sent_again(before.sent, place, ())
    platform = FilePlatform(file, EARLY)
    lost = () if late else tuple(platform.on_its_way)
    platform.receive() if late else platform.lose()
    run(place, SETTLED)
    return found + sent_again(before.sent, place, lost)


# -- what is wrong -------------------------------------------------------------------------


def untrue(place: Path, *, first: bool = False) -> list[str]:
    """What the journal doesn't say of what was sent, or says wrongly of an order."""
    platform = FilePlatform(place / "platform")
    found = []
    with Journal(place / "journal.sqlite") as journal:
        for call in platform.sent:
            found += [f"{call.operation}: {what}" for what in _unnoted(journal, call)]
        for entry in journal.list():
            product = product_of(platform, entry)
            state = product.state if product else None
            if entry.state not in MAY_SAY[state]:
                found.append(f"order {entry.id} says {entry.state}, its product is {state}")
            if entry.product_id and (not product or entry.product_id != product.product_id):
                found.append(f"order {entry.id} says that it is product {entry.product_id}")
            if first and entry.state.in_doubt and entry.settles != SETTLED:
                found.append(f"order {entry.id} stays in doubt until {entry.settles}")
    return found


def _unnoted(journal: Journal, call: Call) -> list[str]:
    """What should have been on disk before that request left, and isn't."""
    entry = next((e for e in journal.list() if _asks(e, call)), None)
    if entry is None:
        return ["the journal doesn't know of it"]
    found = []
    if NOTED_BEFORE[call.operation] not in (step.state for step in journal.history(entry)):
        found.append("the journal noted nothing before it left")
    if call.request is not None:
        keys = [_public(key) for key in Path(entry.key_path).parent.glob("*.key.pem")]
        if _requested(call.request.csr) not in keys:
            found.append("its key is not on disk")
    return found


def _asks(entry: Entry, call: Call) -> bool:
    """Whether it is the order of that request."""
    if call.operation == "withdraw":
        return entry.product_id == call.subject
    if isinstance(call.request, ProductRequest):
        return entry.reference == call.request.client_reference
    return entry.renews == call.subject


def sent_again(before: list[Call], place: Path, lost: tuple[Call, ...]) -> list[str]:
    """What was sent a second time, of all that was sent ``before`` and is not known to be lost."""
    sent = FilePlatform(place / "platform").sent[len(before) :]
    known = {(call.operation, call.subject) for call in before}
    allowed = [(call.operation, call.subject) for call in lost]
    found = []
    for call in sent:
        name = (call.operation, call.subject)
        if name in allowed:
            allowed.remove(name)
        elif name in known:
            found.append(f"{call.operation} {call.subject} was sent twice")
    return found


def product_of(platform: FilePlatform, entry: Entry) -> Any:
    """The platform's product of an order, or None."""
    for product, _ in platform.products:
        by_reference = product.client_reference and product.client_reference == entry.reference
        if by_reference or (entry.renews and product.renews == entry.renews):
            return product
    return None


def wrong_with_keys(place: Path) -> list[str]:
    """A key that nobody can have seen the request of stays behind, or that of a product is lost."""
    platform = FilePlatform(place / "platform")
    there = {_public(path) for path in (place / "certs").glob("*.key.pem")}
    asked = [call.request for call in platform.sent if call.request]
    needed = {_requested(csr) for _, csr in platform.products}
    with Journal(place / "journal.sqlite") as journal:
        steps = [step for entry in journal.list() for step in journal.history(entry)]
    claimed = sum(step.state is OrderState.SENT for step in steps)
    unseen = len(there - {_requested(request.csr) for request in asked})
    found = ["a key was left behind"] if unseen > claimed - len(asked) else []
    return found if needed <= there else [*found, "a key was lost"]


def wrong_with_files(entry: Entry) -> list[str]:
    """What does not fit of a certificate that was withdrawn."""
    found = []
    certificate = x509.load_pem_x509_certificate(Path(entry.certificate_path).read_bytes())
    key = requests.read_key(Path(entry.key_path))
    if key.public_key() != certificate.public_key():
        found.append("a key does not match its certificate")
    if not Path(entry.certificate_path.replace(".cert.pem", ".chain.pem")).is_file():
        found.append("a file is missing")
    return found


def _public(path: Path) -> Any:
    return _public_of(path.read_bytes())


@functools.cache
def _public_of(pem: bytes) -> Any:
    key: Any = load_pem_private_key(pem, None, unsafe_skip_rsa_key_validation=True)
    return key.public_key().public_numbers()


def _requested(csr: bytes | None) -> Any:
    assert csr is not None
    key: Any = x509.load_pem_x509_csr(csr).public_key()
    return key.public_numbers()

"""``igc`` killed with SIGKILL, also while the platform serves it: nothing is done twice or lost."""

from __future__ import annotations

import itertools
import queue
import random
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from enum import Enum, auto
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from e2e_support import ORDER, RETRIEVAL, SECONDS, Machine, configure, next_line

from igcsante.certs.requests import read_key
from igcsante.testing.platform.faults import HangUp
from igcsante.testing.world import SimulatedWorld
from igcsante.ws.model import Product, ProductSearch, ProductState
from igcsante.ws.orders.journal import Entry, Journal, OrderState

ROWS = 200
SETTLED = timedelta(minutes=10)  # any doubt may end by then
# With a card of that world in the reader, and its clock for that of this machine.
IN_WORLD = """
import sys
from datetime import datetime
from pathlib import Path
from igcsante.card import readers
from igcsante.cli import order, order_batch, renew
from igcsante.cli.main import run
from igcsante.testing.cards import SimulatedReader
from igcsante.testing.world import SimulatedWorld
world = SimulatedWorld(Path(sys.argv[1]))
card = SimulatedReader("Simulated reader", world.card("cps3"))
readers.system_readers = lambda: [card]
class Clock(datetime):
    now = staticmethod(lambda zone: world.clock())
order.datetime = order_batch.datetime = renew.datetime = Clock
sys.exit(run(sys.argv[2:]))
"""


@pytest.fixture(scope="module")
def generous_world() -> Iterator[SimulatedWorld]:
    """It hands a certificate over twice: one that nobody received can be asked for again."""
    with SimulatedWorld() as running:
        running.platform.options = replace(running.platform.options, second_withdrawal=True)
        yield running


# -- killed while it waits for an answer ---------------------------------------------------


class Fate(Enum):
    """What becomes of the request whose client is killed."""

    LOST = auto()
    SERVED = auto()  # and the answer is lost
    LATE = auto()  # served once it is told to


class Ambush:
    """Who calls these operations is killed by the ``number``-th call (from 1).

    The process has to be told with :meth:`watch`. ``calls`` counts all; the fatal one is ``met``:
    the name of the operation, and its arguments.
    """

    def __init__(self, number: int, fate: Fate) -> None:
        self.calls = 0
        self.met: tuple[str, tuple[Any, ...], dict[str, Any]] | None = None
        self._number, self._fate = number, fate
        self._counting = threading.Lock()
        self._watched: queue.Queue[subprocess.Popen[str]] = queue.Queue()
        self._let_in, self._done = threading.Event(), threading.Event()

    def around(self, name: str, serve: Callable[..., Any]) -> Callable[..., Any]:
        """That operation, with the ambush."""

        def served(*arguments: Any, **named: Any) -> Any:
            with self._counting:
                self.calls += 1
                fatal = self.calls == self._number
            if not fatal:
                return serve(*arguments, **named)
            self.met = (name, arguments, named)
            self._watched.get(timeout=SECONDS).kill()
            if self._fate is Fate.LATE:
                self._let_in.wait(SECONDS)
            if self._fate is not Fate.LOST:
                serve(*arguments, **named)
            self._done.set()
            raise HangUp

        return served

    def watch(self, process: subprocess.Popen[str]) -> None:
        """That one is to be killed."""
        self._watched.put(process)

    def let_in(self) -> None:
        """Serve what was to come late."""
        self._let_in.set()

    def wait_until_done(self) -> None:
        """Until all was done with the request that will be."""
        assert self._done.wait(SECONDS)


OPERATIONS = ("demander_produit", "retirer_produit", "renouveler_produit")


@contextmanager
def ambush(world: SimulatedWorld, number: int, fate: Fate, *operations: str) -> Iterator[Ambush]:
    """The world's platform with an ambush around these operations, and in order again after."""
    lying = Ambush(number, fate)
    platform = world.platform
    for name in operations:
        setattr(platform, name, lying.around(name, getattr(platform, name)))
    try:
        yield lying
    finally:
        lying.let_in()
        for name in operations:
            delattr(platform, name)


def check_noted(machine: Machine, met: tuple[str, tuple[Any, ...], dict[str, Any]]) -> None:
    """Who was killed had noted what it was about to do, and its key is on disk."""
    name, (_, asked, *_), named = met
    if name == "demander_produit":
        (entry,) = (e for e in entries(machine) if e.reference == asked.reference_client)
        csr = asked.csr
    elif name == "renouveler_produit":
        (entry,) = (e for e in entries(machine) if e.renews == asked)
        csr = named["csr"]
    else:
        (entry,) = (e for e in entries(machine) if e.product_id == asked)
        assert entry.state is OrderState.WITHDRAWING
        return
    assert entry.state is OrderState.SENT
    requested = x509.load_pem_x509_csr if csr.startswith(b"-----") else x509.load_der_x509_csr
    assert read_key(Path(entry.key_path)).public_key() == requested(csr).public_key()


quickest = ("demander_produit", Fate.LATE)


@pytest.mark.parametrize(
    ("operation", "fate"),
    [
        pytest.param(*which, marks=() if which == quickest else pytest.mark.long)
        for which in itertools.product(OPERATIONS, Fate)
    ],
)
def test_killed_while_it_is_served_it_is_done_once(
    generous_world: SimulatedWorld, machine: Machine, operation: str, fate: Fate
) -> None:
    in_world = command(machine, generous_world)
    reference = f"{operation}-{fate.name}"
    order = (*in_world, *ORDER, *RETRIEVAL, "--reference", reference, "--out", "certs")
    if operation == "renouveler_produit":
        assert machine.run(*order).code == 0
        order = (*in_world, "renew", "1", "--early", *RETRIEVAL)
    number = str(len(entries(machine)) + 1)
    with ambush(generous_world, 1, fate, operation) as lying:
        with machine.start(*order) as process:
            lying.watch(process)
            process.communicate(timeout=SECONDS)
        assert process.returncode == -signal.SIGKILL
        if fate is not Fate.LATE:
            lying.wait_until_done()
        assert lying.met
        check_noted(machine, lying.met)
        issued = operation == "retirer_produit" and fate is not Fate.LOST
        early = machine.run(*order).code
        assert early == (12 if fate is not Fate.SERVED else 2 if issued else 0)
        assert lying.calls == 1, "while it may be on its way, it is not sent again"
        lying.let_in()
        lying.wait_until_done()
        generous_world.clock.advance(SETTLED)
        assert machine.run(*order).code == (2 if issued else 0)
        assert lying.calls == 1 + (fate is Fate.LOST)
    if issued:
        assert machine.run(*in_world, "retrieve", number, "--again", *RETRIEVAL).code == 0
    check_issued(generous_world, machine, known_here(generous_world, machine))
    assert len([entry for entry in entries(machine) if entry.certificate_path]) == int(number)


# -- many, killed again and again ----------------------------------------------------------


@pytest.mark.long
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_batch_killed_again_and_again_orders_each_row_once(
    generous_world: SimulatedWorld, machine: Machine, seed: int
) -> None:
    draw = random.Random(seed)  # noqa: S311 - a test's own
    in_world = command(machine, generous_world)
    before = products(generous_world)
    order = (*in_world, *batch(machine, ROWS))
    kills = 0
    while _killed(generous_world, machine, order, draw):
        kills += 1
        generous_world.clock.advance(SETTLED)
    assert kills > 5
    for entry in entries(machine):
        if not entry.certificate_path and entry.serial:
            again = (*in_world, "retrieve", str(entry.id), "--again", *RETRIEVAL)
            assert machine.run(*again).code == 0
    known = {name: p for name, p in products(generous_world).items() if name not in before}
    assert len(known) == ROWS
    check_issued(generous_world, machine, known)


def _killed(
    world: SimulatedWorld, machine: Machine, order: tuple[str | Path, ...], draw: random.Random
) -> bool:
    """Kill it, most often while the platform serves it; False if it came to its end."""
    if draw.random() < 0.2:
        return _killed_at_random(machine, order, draw.uniform(0, 4))
    fate = draw.choice((Fate.LOST, Fate.SERVED))
    with ambush(world, draw.randint(1, 40), fate, *OPERATIONS) as lying:
        with machine.start(*order) as process:
            lying.watch(process)
            process.communicate(timeout=10 * SECONDS)
        if lying.met:
            lying.wait_until_done()
            check_noted(machine, lying.met)
    return process.returncode == -signal.SIGKILL


def _killed_at_random(machine: Machine, order: tuple[str | Path, ...], seconds: float) -> bool:
    """Kill it whatever it does then; False if it came to its end."""
    with machine.start(*order) as process:
        next_line(process)  # the first row is told: it is at work
        try:
            process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate(timeout=SECONDS)
    return process.returncode == -signal.SIGKILL


@pytest.mark.long
def test_two_runs_of_a_batch_at_once_order_each_row_once(
    generous_world: SimulatedWorld, machine: Machine
) -> None:
    before = products(generous_world)
    order = (*command(machine, generous_world), *batch(machine, 12))
    for process in [machine.start(*order) for _ in range(3)]:
        process.communicate(timeout=SECONDS)
    assert machine.run(*order).code == 0
    known = {name: p for name, p in products(generous_world).items() if name not in before}
    assert len(known) == 12
    check_issued(generous_world, machine, known)


# -- what they share -----------------------------------------------------------------------


def products(world: SimulatedWorld) -> dict[str, Product]:
    """All that the platform has, by identifier; no two of one reference."""
    found: list[Product] = []
    for number in itertools.count(1):
        page = world.platform.browse(ProductSearch(page=number, page_size=100)).products
        if not page:
            break
        found += page
    references = [product.client_reference for product in found if product.client_reference]
    assert len(set(references)) == len(references)
    return {product.product_id: product for product in found}


def known_here(world: SimulatedWorld, machine: Machine) -> dict[str, Product]:
    """Those of the platform's products that this machine's orders ask for."""
    orders = entries(machine)
    references = {entry.reference for entry in orders}
    renewed = {entry.renews for entry in orders if entry.renews}
    return {
        name: product
        for name, product in products(world).items()
        if product.client_reference in references or product.renews in renewed
    }


def check_issued(world: SimulatedWorld, machine: Machine, known: dict[str, Product]) -> None:
    """Each is active, and its certificate is here, beside its key."""
    assert {product.state for product in known.values()} == {ProductState.ACTIF}
    issued = [entry for entry in entries(machine) if entry.certificate_path]
    assert {entry.product_id for entry in issued} == set(known)
    for entry in issued:
        certificate = x509.load_pem_x509_certificate(Path(entry.certificate_path).read_bytes())
        assert read_key(Path(entry.key_path)).public_key() == certificate.public_key()
        assert f"{certificate.serial_number:X}" == known[entry.product_id].serial


def command(machine: Machine, world: SimulatedWorld) -> tuple[str | Path, ...]:
    """``igc`` in a process of its own, with a card of that world in its reader."""
    configure(machine.folder / "config", world)
    return sys.executable, "-c", IN_WORLD, world.directory, "--profile", "sim"


def batch(machine: Machine, count: int) -> tuple[str | Path, ...]:
    """The words that order so many rows."""
    file = machine.folder / "orders.csv"
    lines = (f"AUTH_CLI,10B0999003,s{n},a@ch-simulation.example" for n in range(count))
    file.write_text("\n".join(("usage,structure,service,email", *lines)))
    return "order", "--batch", file, "--keep-going", "--out", "certs", *RETRIEVAL


def entries(machine: Machine) -> tuple[Entry, ...]:
    with Journal(machine.folder / "data" / "journal.sqlite") as journal:
        return journal.list()

"""``igc order --batch`` killed with SIGKILL again and again: each row is ordered once."""

from __future__ import annotations

import itertools
import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography import x509
from e2e_support import RETRIEVAL, SECONDS, Machine, configure, next_line

from igcsante.certs.requests import read_key
from igcsante.testing.world import SimulatedWorld
from igcsante.ws.model import Product, ProductSearch, ProductState
from igcsante.ws.orders.journal import Entry, Journal

ROWS = 200
IN_WORLD = """
import sys
from pathlib import Path
from igcsante.card import readers
from igcsante.cli.main import run
from igcsante.testing.cards import SimulatedReader
from igcsante.testing.world import SimulatedWorld
card = SimulatedReader("Simulated reader", SimulatedWorld(Path(sys.argv[1])).card("cps3"))
readers.system_readers = lambda: [card]
sys.exit(run(sys.argv[2:]))
"""


@pytest.fixture
def generous_world(tmp_path: Path) -> Iterator[SimulatedWorld]:
    """It hands a certificate over twice: one that nobody received can be asked for again."""
    with SimulatedWorld() as running:
        running.platform.options = replace(running.platform.options, second_withdrawal=True)
        yield running


def products(world: SimulatedWorld) -> dict[str, Product]:
    """All that the platform has, by identifier; no two of one reference."""
    found: list[Product] = []
    for number in itertools.count(1):
        page = world.platform.browse(ProductSearch(page=number, page_size=100)).products
        if not page:
            break
        found += page
    assert len({product.client_reference for product in found}) == len(found)
    return {product.product_id: product for product in found}


@pytest.mark.long
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_batch_killed_at_random_points_orders_each_row_once(
    generous_world: SimulatedWorld, machine: Machine, seed: int
) -> None:
    draw = random.Random(seed)  # noqa: S311 - a test's own
    in_world = command(machine, generous_world)
    order = (*in_world, *batch(machine, ROWS))
    kills = 0
    while True:
        with machine.start(*order) as process:
            next_line(process)  # the first row is told: it is at work
            try:
                process.communicate(timeout=draw.uniform(0, 8))
            except subprocess.TimeoutExpired:
                process.kill()
                process.communicate(timeout=SECONDS)
                kills += 1
        if process.returncode != -signal.SIGKILL:
            break
    assert kills > 5
    for entry in entries(machine):
        if not entry.certificate_path and entry.serial:
            again = (*in_world, "retrieve", str(entry.id), "--again", *RETRIEVAL)
            assert machine.run(*again).code == 0
    known = products(generous_world)
    assert len(known) == ROWS
    assert {product.state for product in known.values()} == {ProductState.ACTIF}
    issued = [entry for entry in entries(machine) if entry.certificate_path]
    assert {entry.product_id for entry in issued} == set(known)
    for entry in issued:
        certificate = x509.load_pem_x509_certificate(Path(entry.certificate_path).read_bytes())
        assert read_key(Path(entry.key_path)).public_key() == certificate.public_key()
        assert f"{certificate.serial_number:X}" == known[entry.product_id].serial


@pytest.mark.long
def test_two_runs_of_a_batch_at_once_order_each_row_once(
    generous_world: SimulatedWorld, machine: Machine
) -> None:
    order = (*command(machine, generous_world), *batch(machine, 12))
    for process in [machine.start(*order) for _ in range(3)]:
        process.communicate(timeout=SECONDS)
    assert machine.run(*order).code == 0
    known = products(generous_world)
    assert len(known) == 12
    assert {product.state for product in known.values()} == {ProductState.ACTIF}


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

"""One PIN, one TLS session and one signature of the card, whatever a command asks the platform."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from e2e_support import (
    ORDER,
    RETRIEVAL,
    REVOCATION,
    WITHDRAWAL,
    CardInReader,
    Insert,
    Told,
    igc,
    newer_generation,
)

from igcsante.cli.main import igc as root_command
from igcsante.testing.platform.server import _Handler
from igcsante.testing.world import SimulatedWorld
from igcsante.tls import native

PIN = ("--pin-source", "env:E2E_PIN")
BATCH = "usage,structure,service,email\n" + "".join(
    f"AUTH_CLI,10B0999003,batch-{number},certificats@ch-simulation.example\n"
    for number in range(1, 5)
)
# Commands in the order in which a person would give them; how many requests they make at least.
JOURNEY: dict[str, tuple[tuple[str, ...], int]] = {
    "habilitations": (("habilitations", *PIN), 1),
    "order --order-only": ((*ORDER, "--order-only"), 1),
    "orders sync": (("orders", "sync", *PIN), 1),
    "orders wait": (("orders", "wait", "1", *PIN), 0),  # the journal knows already
    "retrieve": (("retrieve", "1", *RETRIEVAL), 1),
    "order": ((*ORDER, *WITHDRAWAL), 2),
    "order --batch": (("order", "--batch", "batch.csv", *RETRIEVAL), 8),
    "status": (("status", *PIN), 1),
    "renew": (("renew", "1", "2", "--early", *RETRIEVAL), 4),
    "revoke": (("revoke", "2", *REVOCATION), 1),
}


@newer_generation
def test_every_command_costs_one_signature(
    world: SimulatedWorld, inserted: Insert, home: Path, generation: str
) -> None:
    (home / "batch.csv").write_text(BATCH)
    for name, (words, requests) in JOURNEY.items():
        told, held, handshakes, asked = counted(world, inserted, generation, *words)
        assert told.code == 0, f"{name}: {told.err}"
        assert asked >= requests, name
        once = int(asked > 0)
        assert (held.pins_sent, held.signatures, handshakes) == (once, once, once), name


@newer_generation
def test_a_python_whose_openssl_is_out_of_reach_orders_too(
    world: SimulatedWorld,
    inserted: Insert,
    home: Path,
    monkeypatch: pytest.MonkeyPatch,
    generation: str,
) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # tlslite imports asyncore
        pytest.importorskip("tlslite.api")
    monkeypatch.setattr(native, "available", lambda: False)
    told, held, handshakes, asked = counted(world, inserted, generation, *ORDER, *WITHDRAWAL)
    assert told.code == 0, told.err
    assert (held.signatures, handshakes) == (1, 1)
    assert asked >= 2


def counted(
    world: SimulatedWorld, inserted: Insert, generation: str, *words: str
) -> tuple[Told, CardInReader, int, int]:
    """A command: what it said, its card, full handshakes, requests."""
    server = world.server
    assert server is not None
    held = inserted(generation)
    before = server.handshakes, server.requests
    told = igc("--profile", "sim", "--json", *words)
    return told, held, server.handshakes - before[0], server.requests - before[1]


def test_a_platform_that_hangs_up_after_each_answer_costs_no_more(
    world: SimulatedWorld, inserted: Insert, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (home / "batch.csv").write_text(BATCH.replace("batch-", "cut-"))
    server = world.server
    assert server is not None
    run = _Handler._run

    def run_once(handler: _Handler) -> None:
        run(handler)
        handler.close_connection = True

    monkeypatch.setattr(_Handler, "_run", run_once)
    resumed = server.resumptions
    words = JOURNEY["order --batch"][0]
    told, held, handshakes, asked = counted(world, inserted, "cps4", *words)
    assert told.code == 0, told.err
    assert (held.signatures, handshakes) == (1, 1)
    assert server.resumptions - resumed == asked - 1 >= 7


def test_the_journey_has_every_command_that_shows_the_card_to_the_platform() -> None:
    found = {
        path
        for path, command in commands(root_command, click.Context(root_command))
        if any("--pin-source" in option.opts for option in command.params)
        and path.split()[0] not in ("card", "ws")
    }
    journey = {" ".join(w for w in name.split() if w[0] != "-") for name in JOURNEY}
    assert found == journey | {"orders settle"}, "its own test needs an order in doubt"


def commands(
    command: click.Command, context: click.Context, path: tuple[str, ...] = ()
) -> Iterator[tuple[str, click.Command]]:
    yield " ".join(path) or "igc", command
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            inner = command.get_command(context, name)
            assert inner is not None
            yield from commands(inner, click.Context(inner, parent=context), (*path, name))

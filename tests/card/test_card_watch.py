"""Cards that come and go in real PC/SC readers, as the library and the command tell of them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from simulated import held

from igcsante.errors import CardAbsentError, PcscUnavailableError
from igcsante.testing.cards import PrivatePcscd, VpcdCard

SECONDS = 20  # for what must happen; nothing waits that long unless it failed
FIRST, SECOND = "Virtual PCD 00 00", "Virtual PCD 00 01"
IGC = (sys.executable, "-m", "igcsante.cli.main")


@pytest.fixture(scope="module")
def service() -> Iterator[PrivatePcscd]:
    pytest.importorskip("smartcard", reason="pyscard is not installed")
    with ExitStack() as stack:
        try:
            running = stack.enter_context(PrivatePcscd())
        except PcscUnavailableError as missing:
            pytest.skip(str(missing))
        yield running


def igc(service: PrivatePcscd, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*IGC, "readers", *arguments],
        env={**os.environ, **service.environment()},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_hot_plug_is_told_as_it_happens(service: PrivatePcscd) -> None:
    with igc(service, "--watch", "--json") as command:
        assert command.stdout is not None
        told = (json.loads(line) for line in command.stdout)
        assert [(next(told)["reader"], "plugged") for _ in range(2)] == [
            (FIRST, "plugged"),
            (SECOND, "plugged"),
        ]
        for name, port, reader in (("cps3", 0, FIRST), ("cps4", 1, SECOND), ("cps4", 0, FIRST)):
            with VpcdCard(held(name).card, service.ports[port]):
                inserted = next(told)
                assert (inserted["reader"], inserted["change"]) == (reader, "inserted")
                assert inserted["generation"] == name.upper()
            removed = next(told)
            assert (removed["reader"], removed["change"]) == (reader, "removed")
        command.send_signal(signal.SIGINT)
        assert command.wait(SECONDS) == 130


def test_a_card_is_waited_for(service: PrivatePcscd) -> None:
    with igc(service, "--wait", str(SECONDS), "--reader", "00 01", "--json") as command:
        with VpcdCard(held("cps4").card, service.ports[1]):
            out, _ = command.communicate(timeout=SECONDS)
        assert command.returncode == 0
        assert json.loads(out)["generation"] == "CPS4"


def test_a_card_that_does_not_come_is_said(service: PrivatePcscd) -> None:
    with igc(service, "--wait", "0", "--json") as command:
        out, _ = command.communicate(timeout=SECONDS)
        assert (command.returncode, json.loads(out)["error"]["code"]) == (3, CardAbsentError.code)

"""Without a terminal, in any locale, interrupted, on a full disk: igc stays civil."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key
from e2e_support import (
    IGC,
    ORDER,
    RETRIEVAL,
    REVOCATION,
    SECONDS,
    WITHDRAWAL,
    Insert,
    Machine,
    Told,
    both_generations,
    files_of,
    free_ports,
    igc,
    next_line,
    serving,
    stop,
)

from igcsante.testing.cards import load_profile
from igcsante.testing.world import SimulatedWorld
from igcsante.ws.soap.transport import HttpsTransport

SIM = ("--profile", "sim")


# -- no terminal, any locale -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("command", "option"),
    [
        (("habilitations",), "--pin-source"),
        ((*ORDER, "--accept-cgu"), "--revocation-code-source"),
        ((*ORDER, "--revocation-code-source", "env:E2E_CODE"), "--accept-cgu"),
        (("retrieve", "1"), "--revocation-code-source"),
        (("revoke", "1"), "--yes"),
        (("revoke", "1", "--yes"), "--revocation-code-source"),
    ],
)
def test_nothing_is_asked_without_a_terminal(
    inserted: Insert, home: Path, command: tuple[str, ...], option: str
) -> None:
    held = inserted("cps3")
    order_only = command[0] == "retrieve"
    placed = igc(*SIM, *ORDER, *(("--order-only",) if order_only else WITHDRAWAL), "--out", "out")
    assert placed.code == 0
    before = held.pins_sent
    told = igc(*SIM, *command)
    assert (told.code, told.out) == (2, "")
    assert option in told.said, "which option to give is said"
    assert held.pins_sent == before
    assert files_of(home) == files_of(home / "out")


@pytest.mark.parametrize(
    ("locale", "shown"),
    [
        ({"PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "LC_ALL": "C"}, "Médecin"),
        ({"LC_ALL": "fr_FR.UTF-8"}, "Médecin"),
        ({"LC_ALL": "nonsense", "TERM": "nonsense", "COLUMNS": "0"}, "Médecin"),
        ({"PYTHONIOENCODING": "latin-1"}, "c\\u0153ur.der"),
    ],
    ids=["C", "absent", "nonsense", "latin-1"],
)
def test_any_locale_does(
    machine: Machine, world: SimulatedWorld, locale: dict[str, str], shown: str
) -> None:
    file = machine.folder / "cœur.der"
    pair = world.card_material(load_profile("cps3")).authentication
    file.write_bytes(pair.certificate.public_bytes(Encoding.DER))
    told = machine.igc("inspect", file, **locale)
    assert (told.code, told.err) == (0, "")
    assert shown in told.out
    if shown == "Médecin":
        (line,) = machine.igc("inspect", "--json", file, **locale).lines
        assert line["profession"] == "Médecin"
        assert line["file"].encode("utf-8", "surrogateescape").decode() == str(file)
    missing = machine.igc("check", "--json", "--anchors", "absent é", file, **locale)
    assert missing.code == 2


@pytest.mark.parametrize("closed", ["<&-", ">&-", "<&- >&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_standard_streams_are_no_defect(machine: Machine, closed: str) -> None:
    shell = ("/bin/sh", "-c", f'exec "$@" {closed}', "sh")
    told = machine.run(*shell, *IGC, "trust", "import", "absent.pem")
    assert told.code == 2
    assert "unexpected" not in told.said


def test_reader_that_leaves_ends_the_command_quietly(machine: Machine) -> None:
    with machine.start(*IGC, "demo", "--json", TMPDIR=str(machine.folder)) as process:
        assert next_line(process)
        process.stdout.close()
        err = process.stderr.read()
        assert process.wait(SECONDS) == 1
    assert err == ""
    assert list(machine.folder.iterdir()) == []


@pytest.mark.parametrize("arguments", [("help", "exit-codes"), ("trust", "list", "--json")])
def test_full_standard_output_is_an_error_with_a_reason(
    machine: Machine, arguments: tuple[str, ...]
) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [*IGC, *arguments],
            env=machine.environment(),
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            timeout=SECONDS,
        )
    assert done.returncode == 1
    assert done.stderr == "Error: the output can't be written: No space left on device\n"


# -- Ctrl-C ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "step",
    [*(pytest.param(name, marks=pytest.mark.long) for name in ("simulation", "pin")), "order"],
)
def test_interrupted_demo_leaves_nothing(machine: Machine, step: str) -> None:
    # Whoever runs the tests in the background has SIGINT ignored: not so here.
    attentive = ("env", "--default-signal=INT", *IGC)
    with machine.start(*attentive, "demo", "--json", TMPDIR=str(machine.folder)) as process:
        while f'"{step}"' not in (line := next_line(process)):
            assert line
        told = stop(process, signal.SIGINT)
    assert told.code == 130, told.err
    assert told.said == "Interrupted."
    assert list(machine.folder.iterdir()) == []


@both_generations
def test_interruption_at_any_exchange_leaves_nothing_half_done(
    inserted: Insert, home: Path, generation: str
) -> None:
    habilitations = (*SIM, "habilitations", "--pin-source", "env:E2E_PIN")
    whole = inserted(generation)
    assert igc(*habilitations).code == 0
    for exchange in range(1, len(whole.sent) + 1):
        held = inserted(generation)
        transmit = held.card.transmit

        def interrupted(command: bytes, held: Any = held, at: int = exchange) -> bytes:
            if len(held.sent) + 1 == at:
                raise KeyboardInterrupt
            return transmit(command)  # noqa: B023 - called before the next one is bound

        held.card.transmit = interrupted
        told = igc(*habilitations)
        assert (told.code, told.out, told.said) == (130, "", "Interrupted.")
    told = igc("orders")
    assert (told.code, told.out) == (0, "")


@pytest.mark.parametrize(("call", "state"), [(2, "sent"), (3, "withdrawing")])
def test_interrupted_order_is_in_doubt_until_it_is_looked_up(
    inserted: Insert, home: Path, monkeypatch: pytest.MonkeyPatch, call: int, state: str
) -> None:
    """Ctrl-C while the platform answers: it did what was asked, and nobody heard it.

    The first call asks for the habilitations.
    """
    inserted("cps3")
    read, calls = HttpsTransport._read, []

    def interrupted(self: HttpsTransport, response: Any) -> Any:
        answer = read(self, response)
        calls.append(answer)
        if len(calls) == call:
            raise KeyboardInterrupt
        return answer

    monkeypatch.setattr(HttpsTransport, "_read", interrupted)
    assert igc(*SIM, *ORDER, *WITHDRAWAL).code == 130
    (order,) = igc("orders", "--json").lines
    assert (order["state"], order["in_doubt"]) == (state, True)
    (key,) = files_of(home)
    assert key.endswith(".key.pem")
    told = igc(*SIM, "retrieve", "1", *RETRIEVAL)
    if state == "sent":
        assert told.code == 0, told.err
    else:
        assert told.code == 2 and "igc revoke 1" in told.said
        assert igc(*SIM, "revoke", "1", *REVOCATION).code == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_sim_platform_stops_when_told(machine: Machine, number: int) -> None:
    if signal.getsignal(number) is signal.SIG_IGN:
        pytest.skip("the tests were started with nohup, which has igc ignore SIGHUP")
    with free_ports(2) as ports:
        options = ("--port", str(ports[0]), "--pki-port", str(ports[1]))
        with serving(machine, "sim", "platform", *options) as (process, _):
            assert stop(process, number) == Told(0, "", "Stopped.\n")


# -- full or odd disks -------------------------------------------------------------------------


class FullDisk:
    """No file whose name holds ``word`` can be made: ENOSPC, as mkstemp gives it."""

    def __init__(self, word: str) -> None:
        self._word, self._mkstemp = word, tempfile.mkstemp

    def __call__(self, *, dir: Path, prefix: str) -> tuple[int, str]:  # noqa: A002
        if self._word in prefix:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return self._mkstemp(dir=dir, prefix=prefix)


@pytest.mark.parametrize("word", [".cert.der", ".chain.pem", ".p12"])
def test_certificate_is_kept_when_a_file_beside_it_cannot_be_written(
    inserted: Insert, home: Path, monkeypatch: pytest.MonkeyPatch, word: str
) -> None:
    inserted("cps3")
    monkeypatch.setattr(tempfile, "mkstemp", FullDisk(word))
    told = igc(*SIM, "--json", *ORDER, *WITHDRAWAL)
    assert (told.code, told.error["code"]) == (1, "storage")
    assert "No space left on device" in told.said
    (order,) = igc("orders", "--json").lines
    kept = Path(order["certificate_path"])
    assert kept.name in told.error["message"]
    assert len(files_of(home)) == 2
    certificate = x509.load_pem_x509_certificate(kept.read_bytes())
    assert f"{certificate.serial_number:x}" == order["serial"]


def test_certificate_that_cannot_be_written_is_given_in_the_error(
    inserted: Insert, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inserted("cps3")
    monkeypatch.setattr(tempfile, "mkstemp", FullDisk(".cert.pem"))
    told = igc(*SIM, "--json", *ORDER, *WITHDRAWAL)
    assert (told.code, told.error["code"]) == (1, "storage")
    assert "No space left on device" in told.said
    (key,) = files_of(home)
    private = load_pem_private_key((home / key).read_bytes(), None)
    rescued = x509.load_pem_x509_certificates(told.error["advice"].partition("\n")[2].encode())
    assert rescued[0].public_key() == private.public_key()
    assert len(rescued) == 3
    assert x509.load_pem_x509_certificates(told.err.encode()) == rescued
    (order,) = igc("orders", "--json").lines
    assert (order["state"], order["certificate_path"]) == ("withdrawn", "")
    assert int(order["serial"], 16) == rescued[0].serial_number
    assert "could not be written" in order["last_error"]
    assert igc(*SIM, "revoke", "1", *REVOCATION).code == 0


def test_key_that_cannot_be_written_stops_the_order(
    inserted: Insert, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = inserted("cps3")
    monkeypatch.setattr(tempfile, "mkstemp", FullDisk(".key.pem"))
    told = igc(*SIM, "--json", *ORDER, *WITHDRAWAL)
    assert (told.code, told.error["code"]) == (1, "storage")
    assert held.signatures == 1, "what the card may order was asked"
    assert files_of(home) == set()
    (order,) = igc("orders", "--json").lines
    assert order["state"] == "failed", "nothing was ordered"


def test_key_that_is_gone_stops_the_withdrawal(inserted: Insert, home: Path) -> None:
    held = inserted("cps3")
    assert igc(*SIM, *ORDER, "--order-only").code == 0
    (key,) = home.glob("*.key.pem")
    away = key.rename(home / "away")
    before = held.signatures
    told = igc(*SIM, "--json", "retrieve", "1", *RETRIEVAL)
    assert told.code == 2 and key.name in told.said
    assert held.signatures == before
    assert igc("orders", "--json").lines[0]["state"] == "ordered"
    away.rename(key)
    assert igc(*SIM, "retrieve", "1", *RETRIEVAL).code == 0


def test_file_that_is_there_is_never_replaced(inserted: Insert, home: Path) -> None:
    inserted("cps3")
    assert igc(*SIM, *ORDER, "--order-only").code == 0
    (key,) = home.glob("*.key.pem")
    mine = home / key.name.replace(".key.pem", ".chain.pem")
    mine.write_text("mine")
    told = igc(*SIM, "--json", "retrieve", "1", *RETRIEVAL)
    assert (told.code, told.error["code"]) == (1, "storage")
    assert "already there" in told.error["message"]
    assert igc("orders", "--json").lines[0]["state"] == "ordered", "nothing was sent"
    assert mine.read_text() == "mine"
    assert files_of(home) == {key.name, mine.name}


def test_data_folder_that_is_a_file_is_told(
    inserted: Insert, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inserted("cps3")
    (home / "file").write_text("")
    monkeypatch.setenv("IGC_DATA_DIR", str(home / "file" / "data"))
    told = igc(*SIM, "--json", *ORDER, *WITHDRAWAL)
    assert (told.code, told.error["code"]) == (1, "storage")
    assert files_of(home) == {"file"}

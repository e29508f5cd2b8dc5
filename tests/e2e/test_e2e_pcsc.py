"""Two terminals: simulated cards and platform in one set of processes, igc in another.

The cards are reached through a real pcscd, the platform through real TLS; nothing is shared
but a folder and what ``igc sim`` prints.
"""

from __future__ import annotations

import contextlib
import io
import os
import pty
import selectors
import shlex
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from e2e_support import (
    IGC,
    ORDER,
    RETRIEVAL,
    REVOCATION,
    SECONDS,
    WITHDRAWAL,
    Machine,
    files_of,
    free_ports,
    openssl,
    serving,
)
from processes import started

from igcsante.errors import PcscUnavailableError
from igcsante.testing.cards import load_profile
from igcsante.testing.cards.pcscd import _driver, _program

CPS3, CPS4 = "00 00", "00 01"  # of the names of vpcd's readers
SIM = ("--profile", "sim")
# Signs a file with a key of the card and writes the public key beside it.
SIGN = """
import os, sys
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding
from igcsante.card.readers import open_card
from igcsante.secret import Secret

reader, purpose, scheme, folder = sys.argv[1:]
pads = {"pkcs1": padding.PKCS1v15(), "pss": padding.PSS(padding.MGF1(hashes.SHA256()), 32)}
with open_card(reader) as card:
    card.verify_pin(Secret(os.environ["E2E_PIN"]))
    key = card.credential(purpose).private_key
    data = open(f"{folder}/data", "rb").read()
    open(f"{folder}/signature", "wb").write(key.sign(data, pads[scheme], hashes.SHA256()))
    pem, info = serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    open(f"{folder}/key", "wb").write(key.public_key().public_bytes(pem, info))
"""


@pytest.fixture(scope="module")
def hospital(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """A machine with a platform, a CPS3 in the first reader and a CPS4 in the second."""
    pytest.importorskip("smartcard", reason="pyscard is not installed")
    try:
        _program(), _driver()
    except PcscUnavailableError as error:
        pytest.skip(error.message)
    machine = Machine(tmp_path_factory.mktemp("hospital"))
    with ExitStack() as stack:
        ports = stack.enter_context(free_ports(2))
        platform = ("--port", str(ports[0]), "--pki-port", str(ports[1]))
        _, served = stack.enter_context(serving(machine, "sim", "platform", *platform))
        assert served["profile"] == "sim"
        assert f":{ports[0]}/" in served["platform"] and served["pki"].endswith(str(ports[1]))
        _, first = stack.enter_context(serving(machine, "sim", "run", "--card", "cps3", "--pcscd"))
        assert (first["card"], first["pin"]) == ("cps3", "1234")
        machine.variables.update(first["environment"])
        other = ("--card", "cps4", "--port", str(first["port"] + 1))
        stack.enter_context(serving(machine, "sim", "run", *other))
        yield machine


def test_readers_and_their_cards_are_listed(hospital: Machine) -> None:
    told = hospital.igc("readers", "--json")
    assert told.code == 0
    found = [(line["reader"], line["card_present"], line["generation"]) for line in told.lines]
    assert found == [("Virtual PCD 00 00", True, "CPS3"), ("Virtual PCD 00 01", True, "CPS4")]
    assert "--reader" in told.said


@pytest.mark.parametrize(("reader", "name"), [(CPS3, "cps3"), (CPS4, "cps4")])
def test_card_id_prints_the_identifier_and_nothing_else(
    hospital: Machine, reader: str, name: str
) -> None:
    told = hospital.igc("card", "id", "--reader", reader)
    assert (told.code, told.out, told.err) == (0, f"{load_profile(name).national_id}\n", "")


def test_two_cards_and_no_choice_is_a_question_not_a_guess(hospital: Machine) -> None:
    told = hospital.igc("card", "id")
    assert (told.code, told.out) == (2, "")
    assert "Virtual PCD 00 00" in told.said and "--reader" in told.said


@pytest.mark.parametrize(("reader", "name"), [(CPS3, "cps3"), (CPS4, "cps4")])
def test_card_info_and_certificates(
    hospital: Machine, tmp_path: Path, reader: str, name: str
) -> None:
    profile = load_profile(name)
    (info,) = hospital.igc("card", "info", "--json", "--reader", reader).lines
    assert info["generation"] == name.upper()
    assert (info["serial"], info["card_number"]) == (profile.serial, profile.card_number)
    assert info["holder"]["national_id"] == str(profile.national_id)
    assert info["holder"]["surname"] == profile.surname
    assert info["pin"]["max_tries"] == 3
    told = hospital.igc("card", "certs", "--json", "--reader", reader, "--out", tmp_path / "certs")
    assert {line["purpose"] for line in told.lines} == {"authentication", "signature"}
    anchors = hospital.folder / "data" / "sim" / "anchors"
    trusted = tmp_path / "trusted.pem"
    trusted.write_bytes(b"".join(file.read_bytes() for file in anchors.iterdir()))
    for line in told.lines:
        assert openssl("verify", "-CAfile", trusted, line["file"])
        assert hospital.igc(*SIM, "check", line["file"]).code == 0


@pytest.mark.parametrize(
    ("reader", "purpose", "scheme"),
    [
        (CPS3, "authentication", "pkcs1"),
        (CPS3, "signature", "pkcs1"),
        (CPS4, "authentication", "pkcs1"),
        (CPS4, "authentication", "pss"),
        (CPS4, "signature", "pss"),
    ],
)
def test_openssl_verifies_what_the_card_signs(
    hospital: Machine, tmp_path: Path, reader: str, purpose: str, scheme: str
) -> None:
    (tmp_path / "data").write_bytes(b"ordonnance " * 1000)
    done = hospital.run(sys.executable, "-c", SIGN, reader, purpose, scheme, tmp_path)
    assert done.code == 0, done.err
    pss = ("-sigopt", "rsa_padding_mode:pss", "-sigopt", "rsa_pss_saltlen:digest")
    verify = ["dgst", "-sha256", "-verify", tmp_path / "key", *(pss if scheme == "pss" else ())]
    verify += ["-signature", tmp_path / "signature"]
    assert "Verified OK" in openssl(*verify, tmp_path / "data")
    (tmp_path / "other").write_bytes(b"autre")
    assert "failure" in openssl(*verify, tmp_path / "other", fails=True).lower()


@pytest.mark.parametrize("reader", [pytest.param(CPS3, marks=pytest.mark.long), CPS4])
def test_life_of_a_certificate(hospital: Machine, tmp_path: Path, reader: str) -> None:
    card = ("--reader", reader)
    listed = hospital.igc(*SIM, "--json", "habilitations", "--pin-source", "env:E2E_PIN", *card)
    assert {line["structure_id"] for line in listed.lines} >= {"10B0999003"}
    out = tmp_path / "out"
    told = hospital.igc(*SIM, "--json", *ORDER, *WITHDRAWAL, "--out", out, *card)
    assert told.code == 0, told.err
    issued = told.lines[-1]
    assert issued["state"] == "withdrawn"
    assert set(issued["files"]) == {"key", "certificate", "certificate_der", "chain", "pkcs12"}
    assert files_of(out) == {Path(path).name for path in issued["files"].values()}
    order = hospital.igc("orders", "--json").lines[0]  # the newest
    assert order["serial"] == issued["serial"]
    certificate = issued["files"]["certificate"]
    assert hospital.igc(*SIM, "check", certificate).code == 0
    told = hospital.igc(*SIM, "--json", "revoke", str(order["id"]), *REVOCATION, *card)
    assert told.code == 0, told.err
    checked = hospital.igc(*SIM, "--json", "check", certificate)
    assert checked.code == 7
    assert checked.lines[0]["revoked_on"] == told.lines[0]["revoked_on"]


def test_wrong_pin_through_pcscd(hospital: Machine) -> None:
    command = (*SIM, "--json", "habilitations", "--pin-source", "env:E2E_PIN", "--reader", CPS3)
    told = hospital.igc(*command, E2E_PIN="4321")
    assert (told.code, told.error["tries_left"]) == (4, 2)
    assert hospital.igc(*command).code == 0, "the right one gives all tries back"
    (info,) = hospital.igc("card", "info", "--json", "--reader", CPS3).lines
    assert info["pin"]["tries_left"] == 3


def test_pin_is_asked_on_a_terminal_and_not_shown(hospital: Machine) -> None:
    controller, terminal = pty.openpty()
    with os.fdopen(controller, "r+b", buffering=0) as person:
        with started(
            [*IGC, *SIM, "--json", "habilitations", "--reader", CPS4],
            stdin=terminal,
            stdout=subprocess.PIPE,
            stderr=terminal,
            env=hospital.environment(),
            start_new_session=True,
        ) as process:
            os.close(terminal)
            shown = _read(person, until=b"PIN of the card:")
            person.write(b"1234\n")
            out, _ = process.communicate(timeout=SECONDS)
        shown += _read(person)
    assert process.returncode == 0
    assert len(out.splitlines()) == 7
    assert b"1234" not in shown


@pytest.mark.long
def test_order_survives_the_death_of_the_platform(machine: Machine, tmp_path: Path) -> None:
    out = tmp_path / "out"
    with ExitStack() as stack:
        ports = stack.enter_context(free_ports(2))
        platform = ("sim", "platform", "--port", str(ports[0]), "--pki-port", str(ports[1]))
        with serving(machine, *platform) as (process, _):
            card = ("sim", "run", "--card", "cps3", "--pcscd")
            _, ready = stack.enter_context(serving(machine, *card))
            machine.variables.update(ready["environment"])
            told = machine.igc(*SIM, "--json", *ORDER, "--order-only", "--out", out)
            assert told.code == 0, told.err
            assert told.lines[-1]["state"] == "ordered"
            process.kill()
            process.wait()
        told = machine.igc(*SIM, "--json", "retrieve", "1", *RETRIEVAL)
        assert (told.code, told.error["code"]) == (10, "network")
        (order,) = machine.igc("orders", "--json").lines
        assert (order["state"], order["in_doubt"]) == ("ordered", False)
        assert "can't be reached" in order["last_error"]
        assert {name.split(".", 1)[1] for name in files_of(out)} == {"key.pem"}
        with serving(machine, *platform):
            told = machine.igc(*SIM, "--json", "retrieve", "1", *RETRIEVAL)
            assert told.code == 0, told.err
    (order,) = machine.igc("orders", "--json").lines
    assert (order["state"], order["last_error"]) == ("withdrawn", "")
    assert Path(order["certificate_path"]).is_file()


# As PIN source: the card leaves after its counter was read, before the PIN is sent.
REMOVE = """
import os, select, sys
process = os.pidfd_open(int(sys.argv[1]))
os.kill(int(sys.argv[1]), 15)
select.select([process], [], [], 60)
print("1234")
"""


@pytest.mark.long
@pytest.mark.parametrize("leaving", ["card", "service"])
def test_card_or_service_that_leaves_in_the_middle(hospital: Machine, leaving: str) -> None:
    code = {"card": "card.removed", "service": "card.pcsc.unavailable"}[leaving]
    machine = Machine(hospital.folder)
    with ExitStack() as stack:
        run = ("sim", "run", "--card", "cps3")
        service, ready = stack.enter_context(serving(machine, *run, "--pcscd"))
        port = ("--port", str(ready["port"] + 1))
        card, _ = stack.enter_context(serving(machine, *run, *port))
        pid = {"card": card, "service": service}[leaving].pid
        source = f"cmd:{sys.executable} -c {shlex.quote(REMOVE)} {pid}"
        command = ("--json", "habilitations", "--reader", CPS4, "--pin-source", source)
        told = machine.igc(*SIM, *command, **ready["environment"])
    assert (told.code, told.error["code"]) == (3, code), told.err


def _read(terminal: io.RawIOBase | io.FileIO, until: bytes | None = None) -> bytes:
    """What is shown on a terminal, up to ``until`` or to its end."""
    shown = b""
    with selectors.DefaultSelector() as selector, contextlib.suppress(OSError):
        selector.register(terminal, selectors.EVENT_READ)
        while until is None or until not in shown:
            assert selector.select(SECONDS), shown
            shown += terminal.read(1) or b""  # EIO once nobody holds the terminal
    return shown

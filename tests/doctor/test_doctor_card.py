"""Readers and cards: what is wrong is found, and nothing is spent or changed by looking."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from doctor_support import Examine, seen
from processes import started

from igcsante.card import readers, waiting
from igcsante.certs import profile
from igcsante.doctor import Status, holders, middleware, packages, pcsc
from igcsante.doctor.holders import Program, Programs
from igcsante.errors import ExitCode, PcscUnavailableError
from igcsante.testing.cards import PrivatePcscd, SimulatedReader, VpcdCard
from igcsante.testing.cards.reader import SimulatedConnection
from igcsante.testing.world import SimulatedWorld

Insert = Callable[..., list[bytes]]
SECONDS = 30  # for what must happen; nothing waits that long unless it failed
NOW = datetime.now(UTC)
HOLDER = """
import sys
from smartcard import scard
from smartcard.System import readers
connection = readers()[0].createConnection()
connection.connect(mode=int(sys.argv[1]), disposition=0)
print("has it", flush=True)
sys.stdin.readline()
"""


# -- the card ------------------------------------------------------------------------------------


def test_a_sound_card_has_no_problem_and_loses_no_try(examined: Examine, insert: Insert) -> None:
    for name in ("cps3", "cps4"):
        sent = insert(name)
        found = examined("card")
        assert {finding.status for finding in found} <= {Status.OK, Status.NOTE}
        assert "3 of 3 PIN tries left" in seen(found) and "10 of 10 PUK" in seen(found)
        assert "CPS, test card" in seen(found)
        # VERIFY, CHANGE, RESET RETRY COUNTER with data; without data VERIFY only reads.
        assert [c for c in sent if c[1] in (0x20, 0x24, 0x2C) and len(c) > 4] == []
        # PUT DATA, UPDATE, ERASE, signatures
        assert [c for c in sent if c[1] in (0xD6, 0xDC, 0xDA, 0xDB, 0x0E, 0x2A, 0x88)] == []


@pytest.mark.parametrize(
    ("name", "check", "told", "code"),
    [
        ("blocked", "card.tries", "the PIN is blocked", ExitCode.PIN_REFUSED),
        ("expired", "card.certificates", "certificate ended on", ExitCode.INVALID),
        ("not-yet-valid", "card.certificates", "certificate begins on", ExitCode.INVALID),
    ],
)
def test_what_is_wrong_with_a_card(
    examined: Examine, insert: Insert, name: str, check: str, told: str, code: ExitCode
) -> None:
    insert(name)
    wrong = [finding for finding in examined(check) if finding.status is Status.PROBLEM]
    assert wrong and told in wrong[0].seen and wrong[0].remedy
    assert {finding.exit_code for finding in wrong} == {code}


def test_a_card_about_to_end_is_a_warning(examined: Examine, insert: Insert) -> None:
    insert("cps3")
    found = examined("card.certificates", at=NOW + timedelta(days=3 * 365 - 20))
    assert {finding.status for finding in found} == {Status.WARNING}


def test_a_test_card_is_opposed_before_its_certificate_ends(
    examined: Examine, insert: Insert, monkeypatch: pytest.MonkeyPatch
) -> None:
    insert("cps3")
    six_years = NOW + timedelta(days=6 * 365)
    decode = profile.decode
    monkeypatch.setattr(profile, "decode", lambda c: replace(decode(c), not_after=six_years))
    assert "opposed" not in seen(examined("card.certificates"))
    found = examined("card.certificates", at=NOW + timedelta(days=3 * 365 - 20))
    assert "opposed 3 years after it began" in found[-1].seen


def test_a_contactless_card_has_no_pin_to_count(examined: Examine, insert: Insert) -> None:
    insert("cps3-contactless")
    (found,) = examined("card.tries")
    assert (found.status, "no PIN on this interface" in found.seen) == (Status.NOTE, True)


def test_without_a_card_there_is_nothing_to_look_at(
    examined: Examine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(readers, "system_readers", lambda: [SimulatedReader("Empty")])
    found = examined("pcsc.readers", "card.generation", "card.tries")
    assert [f.status for f in found] == [Status.OK, Status.NOTE, Status.SKIPPED]


def test_a_card_that_makes_no_sense_is_a_problem(examined: Examine, insert: Insert) -> None:
    insert("cps3")
    (reader,) = readers.system_readers()
    card = reader.card  # type: ignore[attr-defined]
    card.transmit = lambda command: bytes.fromhex("6F00")
    found = examined("card")
    assert any(f.status is Status.PROBLEM and f.remedy for f in found)
    assert not any("failed" in f.seen for f in found), "no check may crash"


# -- readers, in process -------------------------------------------------------------------------


def test_no_reader_is_a_note_unless_one_is_asked_for(
    examined: Examine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(readers, "system_readers", list)
    assert [f.status for f in examined("pcsc.readers")] == [Status.NOTE]
    found = examined("pcsc.readers", flags={"reader": "Gemalto"})
    assert (found[-1].status, found[-1].exit_code) == (Status.PROBLEM, ExitCode.NO_CARD)


def test_a_reader_that_is_named_is_the_only_one_looked_at(
    examined: Examine, doctor_world: SimulatedWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = [SimulatedReader("First", doctor_world.card("cps3")), SimulatedReader("Second")]
    monkeypatch.setattr(readers, "system_readers", lambda: found)
    told = examined("card.generation", flags={"reader": "second"})
    assert [f.seen for f in told] == ["Second: no card is inserted"]


class _PcscError(Exception):
    def __init__(self, hresult: int) -> None:
        super().__init__()
        self.hresult = hresult


def unreachable(code: int) -> Callable[[], list[Any]]:
    def fail() -> list[Any]:
        raise PcscUnavailableError("no") from _PcscError(code - (1 << 32))

    return fail


def test_a_refusal_of_polkit_is_a_problem_of_permission(
    examined: Examine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(readers, "system_readers", unreachable(0x8010006A))
    (found,) = examined("pcsc.access")
    assert (found.status, found.exit_code) == (Status.PROBLEM, ExitCode.NO_CARD)
    assert "org.debian.pcsc-lite.access_pcsc" in found.seen


def test_without_a_service_cards_cannot_be_used_and_all_else_can(
    examined: Examine, monkeypatch: pytest.MonkeyPatch, folders: Path
) -> None:
    monkeypatch.setattr(readers, "system_readers", unreachable(0x8010001D))
    monkeypatch.setenv("PCSCLITE_CSOCK_NAME", str(folders / "absent.comm"))
    found = examined("pcsc.service")
    assert found[-1].status is Status.WARNING and "start" in found[-1].remedy
    if sys.platform.startswith("linux"):
        assert "there is no such socket" in found[-2].seen
    assert {f.status for f in examined("pcsc.readers", "card.tries")} == {Status.SKIPPED}


def test_without_pyscard_the_doctor_works(
    examined: Examine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "smartcard", None)
    monkeypatch.setitem(sys.modules, "smartcard.System", None)
    found = examined("pcsc", "card")
    assert {f.status for f in found} <= {Status.OK, Status.NOTE, Status.WARNING, Status.SKIPPED}
    assert found[0].status is Status.WARNING and "apt install" in found[0].remedy


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="pcsc-lite's socket")
@pytest.mark.parametrize("systemd", [True, False])
def test_the_service_is_started_by_what_runs_the_machine(
    examined: Examine, monkeypatch: pytest.MonkeyPatch, folders: Path, systemd: bool
) -> None:
    monkeypatch.setattr(readers, "system_readers", unreachable(0x8010001D))
    monkeypatch.setattr(pcsc, "_SYSTEMD", folders if systemd else folders / "absent")
    monkeypatch.setenv("PCSCLITE_CSOCK_NAME", str(folders / "absent.comm"))
    assert ("systemctl" in examined("pcsc.service")[-1].remedy) is systemd


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="pcsc-lite's socket")
def test_a_socket_that_this_user_may_not_use_is_told(
    examined: Examine, monkeypatch: pytest.MonkeyPatch, folders: Path
) -> None:
    monkeypatch.setattr(readers, "system_readers", unreachable(0x8010001D))
    (folders / "s").touch()
    monkeypatch.setenv("PCSCLITE_CSOCK_NAME", str(folders / "s"))
    access = os.access
    monkeypatch.setattr(
        os, "access", lambda path, mode: path != folders / "s" and access(path, mode)
    )
    assert "systemctl" not in seen(examined("pcsc.service"))
    assert not [f for f in examined("pcsc.service") if "systemctl" in f.remedy]
    (found,) = examined("pcsc.access")
    assert (found.status, found.exit_code) == (Status.PROBLEM, ExitCode.NO_CARD)
    assert "group" in found.remedy


@pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="no sockets of that kind here")
def test_a_dead_service_leaves_its_socket(tmp_path: Path) -> None:
    path = tmp_path / "s"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        server.listen()
        assert pcsc._socket_state(path) == ""
    assert "has died" in pcsc._socket_state(path)
    (tmp_path / "file").write_text("")
    assert "no socket" in pcsc._socket_state(tmp_path / "file")


def test_a_card_in_a_transaction_of_another_program_is_not_waited_for(
    examined: Examine, doctor_world: SimulatedWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting, "TOLD_SECONDS", 0.01)
    free = threading.Event()

    class Held(SimulatedReader):
        def createConnection(self) -> SimulatedConnection:  # noqa: N802 - pyscard's name
            connection = super().createConnection()
            connection.begin_transaction = lambda: free.wait(SECONDS)  # type: ignore[method-assign,assign]
            return connection

    reader = Held("Held", doctor_world.card("cps3"))
    monkeypatch.setattr(readers, "system_readers", lambda: [reader])
    try:
        found = examined("pcsc.holder", "card.generation")
    finally:
        free.set()
    assert [f.status for f in found] == [Status.PROBLEM, Status.SKIPPED]
    assert "another program is using its card" in found[0].seen
    assert found[0].exit_code is ExitCode.NO_CARD


@pytest.mark.parametrize(
    ("others", "told"),
    [
        (None, "can't be told on this system"),
        (Programs((), 4), "4 processes could not be looked into"),
        (Programs((), 0), "none that runs here shows that it uses readers"),
        (Programs((Program("scdaemon", 7, direct=True),), 0), "scdaemon (process 7, past PC/SC)"),
        (Programs((Program("java", 8, direct=False),), 2), "java (process 8); 2 processes"),
    ],
)
def test_who_holds_a_card_is_told_as_far_as_it_can_be_known(
    others: Programs | None, told: str
) -> None:
    assert told in pcsc._who(others)


def test_a_reader_that_a_program_took_past_pcsc_is_told(
    examined: Examine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(readers, "system_readers", list)
    monkeypatch.setattr(pcsc, "programs", lambda: Programs((), 0))
    assert [f.status for f in examined("pcsc.holder")] == [Status.SKIPPED]
    scdaemon = Programs((Program("scdaemon", 7, direct=True),), 0)
    monkeypatch.setattr(pcsc, "programs", lambda: scdaemon)
    (found,) = examined("pcsc.holder")
    assert found.status is Status.WARNING and "scdaemon" in found.seen
    assert found.remedy == "close that program"


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="proc(5) is Linux's")
def test_programs_are_found_by_the_files_that_they_have_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PCSCLITE_CSOCK_NAME", "/run/ours")
    library, ours = "7f00-7f01 /lib/libpcsclite.so.1", "PCSCLITE_CSOCK_NAME=/run/ours"
    for pid, name, maps, environ, words in (
        (1, "java", library, ours, "java -jar x.jar"),
        (2, "sh", "", ours, "sh"),
        (3, "scdaemon", "", "", "scdaemon"),
        (5, "java", library, "PCSCLITE_CSOCK_NAME=/run/theirs", "java"),
        (6, "java", library, "HOME=/", "java"),
        (7, "python3", library, ours, "python3 -u /srv/bin/igc card"),
        (8, "python3", library, ours, "python3 -m somebody.reads x"),
        (9, "python3", library, ours, "python3 -c 4321"),
    ):
        folder = tmp_path / str(pid)
        (folder / "fd").mkdir(parents=True)
        (folder / "maps").write_text(maps)
        (folder / "comm").write_text(f"{name}\n")
        (folder / "environ").write_text(f"PATH=/bin\0{environ}\0")
        (folder / "cmdline").write_text("\0".join([*words.split(), ""]))
    (tmp_path / "3" / "fd" / "5").symlink_to("/dev/bus/usb/001/004")
    (tmp_path / "4").mkdir()
    (tmp_path / "4" / "maps").symlink_to("maps")  # a loop: it can't be read
    monkeypatch.setattr(holders, "_PROCESSES", tmp_path)
    found = holders.programs()
    assert found is not None and found.hidden == 1
    assert [(program.name, program.pid, program.direct) for program in found.found] == [
        ("java", 1, False),
        ("scdaemon", 3, True),
        ("igc", 7, False),
        ("somebody.reads", 8, False),
        ("python3", 9, False),
    ]


# -- a real service ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("mode", "status", "told"),
    [(1, "problem", "holds its card alone"), (2, "note", "shared with another program")],
)
def test_the_program_that_holds_the_card_is_found(
    service: PrivatePcscd,
    doctor_world: SimulatedWorld,
    folders: Path,
    mode: int,
    status: str,
    told: str,
) -> None:
    environment = {**os.environ, **service.environment()}
    with VpcdCard(doctor_world.card("cps3"), service.port) as inserted:
        inserted.wait_powered(SECONDS)
        free = doctor(environment, "pcsc", "card")
        assert {line["status"] for line in free} <= {"ok", "note"}
        with started(
            [sys.executable, "-c", HOLDER, str(mode)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        ) as other:
            assert other.stdout and other.stdin
            assert other.stdout.readline() == "has it\n"
            (line,) = doctor(environment, "pcsc.holder")
            other.communicate("\n", timeout=SECONDS)
        assert (line["status"], told in line["seen"]) == (status, True)
        assert f"(process {other.pid})" in line["seen"]
        assert line["remedy"] == ("close that program" if status == "problem" else "")


def doctor(environment: dict[str, str], *checks: str) -> list[dict[str, Any]]:
    """The findings of the command in a process of its own."""
    command = [sys.executable, "-m", "igcsante.cli.main", "doctor", *checks, "--json"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=SECONDS)
    assert done.stderr == ""
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    return [line for line in lines if line["schema"] == "igc.doctor.finding/1"]


# -- the middleware ------------------------------------------------------------------------------


def test_the_middleware_is_found_where_it_is_installed(
    examined: Examine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(middleware, "PATHS", {sys.platform: ()})
    (absent,) = examined("card.middleware")
    assert absent.status is Status.NOTE
    library = tmp_path / "libcps3_pkcs11_lux.so"
    library.write_bytes(b"")
    monkeypatch.setattr(middleware, "PATHS", {sys.platform: (library,)})
    monkeypatch.setattr(middleware, "package_of", lambda _: "CryptolibCPS 5.2.2")
    (found,) = examined("card.middleware")
    assert found.status is Status.OK and found.seen.endswith(": CryptolibCPS 5.2.2")


def test_a_pkcs11_module_that_is_not_there_is_a_problem(examined: Examine, tmp_path: Path) -> None:
    found = examined("card.middleware", flags={"pkcs11": tmp_path / "absent.so"})
    assert found[-1].status is Status.PROBLEM


@pytest.mark.skipif(not Path("/var/lib/dpkg/status").exists(), reason="dpkg is not here")
def test_a_file_is_known_by_its_package(tmp_path: Path) -> None:
    assert packages.package_of(Path("/usr/bin/dpkg")).startswith("dpkg 1.")
    assert packages.package_of(tmp_path) == ""

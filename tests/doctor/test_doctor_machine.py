"""Python, configuration, storage and clock: each thing that is wrong is found, and told."""

from __future__ import annotations

import fcntl
import os
import shutil
import sqlite3
from collections import namedtuple
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from importlib import metadata
from pathlib import Path

import pytest
from doctor_support import Examine, seen

from igcsante.config import data_directory
from igcsante.doctor import Status, mounts, requirements
from igcsante.errors import ExitCode, StorageError
from igcsante.instants import iso
from igcsante.testing.clock import WorldClock
from igcsante.ws.orders.journal import DAMAGED_ADVICE, Journal
from igcsante.ws.orders.journal_schema import SCHEMA_VERSION

NOW = datetime.now(UTC)
not_root = pytest.mark.skipif(os.name != "posix", reason="modes are those of POSIX")


# -- python --------------------------------------------------------------------------------------


def test_versions_are_told(examined: Examine) -> None:
    found = examined("python")
    assert {finding.status for finding in found} <= {Status.OK, Status.NOTE}
    said = seen(found)
    assert "OpenSSL" in said and f"click {metadata.version('click')}" in said


def test_a_library_that_is_too_old_or_missing_is_a_problem(
    examined: Examine, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = [
        "click>=999.1",
        "no-such-library>=1",
        "asn1crypto>=1.5",
        "pyarrow>=999; extra == 'parquet'",
    ]
    monkeypatch.setattr(requirements.metadata, "requires", lambda _: wanted)
    found = examined("python.libraries")
    problems = [finding for finding in found if finding.status is Status.PROBLEM]
    assert [finding.exit_code for finding in problems] == [ExitCode.FAILURE] * 2
    assert "click" in problems[0].seen and "no-such-library is not installed" in problems[1].seen
    assert [f.remedy for f in found if f.status is Status.WARNING] == ["pip install 'pyarrow>=999'"]


def test_a_python_that_is_too_old_is_a_problem(
    examined: Examine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("igcsante.doctor.python.required_python", lambda: "3.99")
    (found,) = examined("python.version")
    assert (found.status, found.remedy) == (Status.PROBLEM, "install Python 3.99 or newer")


@pytest.mark.parametrize(
    ("installed", "operator", "version", "fits"),
    [
        ("2.10.1", ">=", "2.9", True),
        ("2.9", ">=", "2.10", False),
        ("45.0.0rc1", ">=", "45", True),
        ("2.1.2", "==", "2.1.1", False),
        (None, ">=", "1", False),
    ],
)
def test_versions_are_compared_number_by_number(
    installed: str | None, operator: str, version: str, fits: bool
) -> None:
    assert requirements.Required("x", operator, version, "", installed).fits is fits


# -- configuration -------------------------------------------------------------------------------


def test_without_a_configuration_the_defaults_count(examined: Examine) -> None:
    assert {finding.status for finding in examined("configuration")} == {Status.OK}


def test_a_wrong_configuration_is_told_with_its_line_and_the_rest_goes_on(
    examined: Examine, configured: Callable[[str], Path]
) -> None:
    configured('[profiles.default]\nplatfrom = "https://x"\n')
    found = examined("configuration", "platform.address")
    (wrong,) = [finding for finding in found if finding.status is Status.PROBLEM]
    assert wrong.exit_code is ExitCode.USAGE
    assert "config.toml:2:1: unknown key 'platfrom'" in wrong.seen
    assert "platform" in wrong.remedy
    assert (found[-1].status, found[-1].remedy) == (
        Status.SKIPPED,
        "see: igc doctor configuration",
    )


def test_each_value_is_told_with_its_origin(
    examined: Examine, configured: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    configured(
        '[profiles.default]\nhttp_hosts = ["a.example", "b.example:81"]\n'
        'proxy_user = "canary"\nproxy_password = "env:CANARY"\nproxy = "http://p.example:3128"\n'
    )
    monkeypatch.setenv("IGC_SILENCE_SECONDS", "7")
    said = seen(examined("configuration.values"))
    assert "http_hosts = ***, ***:81 (" in said and "config.toml:2)" in said
    assert "silence_seconds = 7 (variable IGC_SILENCE_SECONDS)" in said
    assert "proxy_user = ***" in said and "proxy_password = env:***" in said
    assert "canary" not in said.lower()


def test_a_variable_with_a_slip_is_a_warning(
    examined: Examine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IGC_PROFIL", "test")
    (found,) = [f for f in examined("configuration.environment") if f.status is Status.WARNING]
    assert "IGC_PROFIL" in found.seen and "IGC_PROFILE" in found.remedy


def test_a_slip_in_a_variable_is_told_once(
    examined: Examine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IGC_RAEDER", "x")
    assert [f.status for f in examined("configuration")].count(Status.WARNING) == 1


def test_what_is_wrong_with_a_variable_is_mended_there(
    examined: Examine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IGC_CONNECT_SECONDS", "soon")
    (found,) = [f for f in examined("configuration.values") if f.status is Status.PROBLEM]
    assert found.remedy == "mend or unset the variable IGC_CONNECT_SECONDS"


def test_a_folder_in_the_place_of_the_file_is_to_be_moved(examined: Examine, folders: Path) -> None:
    (folders / "config" / "config.toml").mkdir()
    wrong, skipped = examined("configuration.file", "configuration.values")
    assert wrong.remedy == "move it away, or name another folder in IGC_CONFIG_DIR"
    assert (wrong.status, skipped.status) == (Status.PROBLEM, Status.SKIPPED)


# -- storage -------------------------------------------------------------------------------------


@not_root
@pytest.mark.parametrize(
    ("mode", "status", "code"),
    [
        (0o700, Status.OK, ExitCode.GOOD),
        (0o755, Status.WARNING, ExitCode.GOOD),
        (0o777, Status.PROBLEM, ExitCode.INVALID),
    ],
)
def test_modes_of_the_data(
    examined: Examine, folders: Path, mode: int, status: Status, code: ExitCode
) -> None:
    (folders / "data").chmod(mode)
    (found,) = [f for f in examined("storage.folders") if "/data: " in f.seen]
    assert (found.status, found.exit_code) == (status, code)
    if status is not Status.OK:
        assert found.remedy.startswith("chmod 700 ")


def test_a_folder_that_may_not_be_looked_into_is_told_once(
    examined: Examine, folders: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, access, stat = folders / "data", os.access, Path.stat

    def refusing(path: Path, **how: bool) -> os.stat_result:
        if data in path.parents:
            raise PermissionError(13, "Permission denied", str(path))
        return stat(path, **how)

    monkeypatch.setattr(Path, "stat", refusing)
    monkeypatch.setattr(os, "access", lambda path, mode: path != data and access(path, mode))
    found = examined("storage", "certificates", "clock.local")
    (told,) = [f for f in found if f.status is Status.PROBLEM]
    assert told.seen.endswith("/data: this user may not look into it")
    assert "igcsante: please report" not in seen(found)
    assert {f.remedy for f in found if f.status is Status.SKIPPED} == {
        "see: igc doctor storage.folders"
    }


def test_a_file_that_may_not_be_read_is_no_defect(
    examined: Examine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: Path) -> object:
        raise PermissionError(13, "Permission denied", "/srv/dupont/journal.sqlite")

    monkeypatch.setattr(shutil, "disk_usage", refuse)
    (found,) = examined("storage.space")
    assert found.seen == "/srv/***/journal.sqlite: Permission denied"
    assert found.remedy == "look at its owner and mode: ls -ld /srv/***/journal.sqlite"


@not_root
def test_no_chmod_mends_a_file_system_that_is_read_only(
    examined: Examine, monkeypatch: pytest.MonkeyPatch
) -> None:
    flags = namedtuple("flags", "f_flag")(os.ST_RDONLY)
    monkeypatch.setattr(os, "statvfs", lambda _: flags)
    monkeypatch.setattr(os, "access", lambda _, mode: not mode & os.W_OK)
    wrong = [f for f in examined("storage.folders") if f.status is Status.PROBLEM]
    assert wrong and all("read-only" in f.seen and "mount" in f.remedy for f in wrong)


@not_root
def test_folders_within_are_looked_at_too(examined: Examine, folders: Path) -> None:
    inner = folders / "data" / "trust"
    inner.mkdir()
    inner.chmod(0o770)
    (found,) = [f for f in examined("storage.folders") if "trust" in f.seen]
    assert found.status is Status.PROBLEM


def test_a_file_in_the_place_of_a_folder_is_a_problem(examined: Examine, folders: Path) -> None:
    (folders / "data").rmdir()
    (folders / "data").write_text("")
    assert any(
        f.status is Status.PROBLEM and "is no folder" in f.seen for f in examined("storage.folders")
    )


@pytest.mark.parametrize(
    ("free", "status"), [(10**6, Status.PROBLEM), (10**8, Status.WARNING), (10**10, Status.OK)]
)
def test_free_space(
    examined: Examine, monkeypatch: pytest.MonkeyPatch, free: int, status: Status
) -> None:
    usage = namedtuple("usage", "total used free")(free, 0, free)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    assert [finding.status for finding in examined("storage.space")] == [status]


def test_a_shared_file_system_is_named(
    examined: Examine, folders: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = folders / "mountinfo"
    place = str(folders / "data").replace("_", r"\137")
    table.write_text(
        "21 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n"
        f"36 21 0:31 / {place} rw,nosuid shared:9 master:1 - nfs4 server:/export rw\n"
    )
    kind_of = mounts.kind_of
    monkeypatch.setattr(mounts, "kind_of", lambda folder: kind_of(folder, table))
    (found,) = examined("storage.locks")
    assert found.status is Status.WARNING and "nfs4" in found.seen
    assert mounts.kind_of(folders) == "ext4"


def test_a_file_system_without_locks_is_a_problem(
    examined: Examine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(fcntl, "flock", refuse)
    (found,) = examined("storage.locks")
    assert found.status is Status.PROBLEM and "not supported" in found.seen


def with_journal(orders: int) -> Path:
    path = data_directory() / "journal.sqlite"
    with Journal(path) as journal:
        for number in range(orders):
            journal.record(f"order-{number}", at=NOW, label="x" * 500)
    return path


def test_a_sound_journal_is_read_and_left_as_it_is(examined: Examine) -> None:
    path = with_journal(3)
    before = {item: (item.stat().st_mtime_ns, item.read_bytes()) for item in path.parent.iterdir()}
    (found,) = examined("storage.journal")
    assert (found.status, found.seen) == (Status.OK, "the journal is whole (3 orders)")
    after = {item: (item.stat().st_mtime_ns, item.read_bytes()) for item in path.parent.iterdir()}
    assert after == before


def test_a_journal_that_is_being_written_is_read_too(examined: Examine) -> None:
    path = data_directory() / "journal.sqlite"
    with Journal(path) as journal:
        journal.record("order", at=NOW)
        (found,) = examined("storage.journal")
    assert (found.status, found.seen) == (Status.OK, "the journal is whole (1 order)")


def test_a_damaged_journal_is_a_problem(examined: Examine) -> None:
    path = with_journal(60)
    content = bytearray(path.read_bytes())
    page = len(content) // 4096 // 2 * 4096
    content[page : page + 4096] = os.urandom(4096)
    path.write_bytes(content)
    (found,) = examined("storage.journal")
    assert found.status is Status.PROBLEM and found.remedy == DAMAGED_ADVICE


def test_what_is_no_journal_is_a_problem_with_the_advice_that_commands_give(
    examined: Examine,
) -> None:
    path = data_directory() / "journal.sqlite"
    path.write_text("this is no database" * 100)
    found = examined("storage.journal")[-1]
    assert found.status is Status.PROBLEM and found.seen.endswith("the journal is damaged")
    with pytest.raises(StorageError) as caught:
        Journal(path)
    assert found.remedy == caught.value.advice == DAMAGED_ADVICE


def test_a_journal_of_a_newer_igcsante_is_a_problem(examined: Examine) -> None:
    path = with_journal(1)
    with sqlite3.connect(path) as database:
        database.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    database.close()
    (found,) = examined("storage.journal")
    assert (found.status, found.remedy) == (Status.PROBLEM, "upgrade igcsante")


# -- clock ---------------------------------------------------------------------------------------


def test_a_clock_before_this_igcsante_is_wrong(examined: Examine) -> None:
    found = examined("clock.local", at=datetime(2020, 1, 1, tzinfo=UTC))
    assert (found[-1].status, found[-1].exit_code) == (Status.PROBLEM, ExitCode.INVALID)
    assert [finding.status for finding in examined("clock.local")] == [Status.OK]


def test_a_simulated_clock_is_told(
    examined: Examine, configured: Callable[[str], Path], folders: Path
) -> None:
    configured('[profiles.default]\nclock = "clock.json"\n')
    assert [f.status for f in examined("clock.simulated")] == [Status.OK]
    clock = WorldClock(folders / "config" / "clock.json")
    clock.advance(timedelta(days=400))
    (found,) = examined("clock.simulated")
    assert found.status is Status.NOTE and iso(clock())[:10] in found.seen

"""What can't work is a problem, told once, where it is; what rests on it is not looked at."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
from doctor_support import Examine, seen

from igcsante.config import data_directory
from igcsante.doctor import Context, Finding, Status, chosen, contacts, mounts
from igcsante.doctor.masking import foreign
from igcsante.errors import ConfigError, ExitCode
from igcsante.extras import EXTRAS, how_to_install
from igcsante.testing.clock import WorldClock
from igcsante.ws.contract.mapping import OWN_MAPPING, contract_file
from igcsante.ws.orders.journal import DAMAGED_ADVICE, Journal

Configured = Callable[[str], Path]
posix = pytest.mark.skipif(os.name != "posix", reason="folders are those of POSIX")


def wrong(findings: list[Finding]) -> list[Finding]:
    return [finding for finding in findings if finding.status is Status.PROBLEM]


# -- a profile that can't work ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "value", "check"),
    [
        ("wsdl", '"no.wsdl"', "platform.address"),
        ("mapping", '"no.toml"', "platform.address"),
        ("untrusted", '["no.pem"]', "certificates.anchors"),
        ("anchors", '["no.pem"]', "certificates.anchors"),
        ("pkcs11", '"no.so"', "card.middleware"),
        ("clock", '"no file"', "clock.simulated"),
    ],
)
def test_a_file_that_is_not_there_is_a_problem_of_its_key(
    examined: Examine, configured: Configured, key: str, value: str, check: str
) -> None:
    configured(f'[profiles.default]\nplatform = "https://127.0.0.1:9/ws"\n{key} = {value}\n')
    (found,) = wrong(examined("configuration", check))
    assert key in found.remedy.split()[1].strip(";") or f" {key} " in found.remedy
    (setting,) = [f for f in examined("configuration.values") if f.seen.startswith(f"{key} =")]
    assert setting.status is (Status.OK if key == "clock" else Status.NOTE)
    assert key == "clock" or setting.remedy == f"see: igc doctor {check}"


def test_the_contract_has_to_be_named_off_this_machine(
    examined: Examine, configured: Configured
) -> None:
    configured('[profiles.default]\nplatform = "https://pfc.example/ws"\n')
    (found,) = wrong(examined("platform.address"))
    assert found.exit_code is ExitCode.USAGE
    assert "no WSDL and mapping file are named" in found.seen and "wsdl" in found.remedy
    assert "pfc.example" not in found.seen
    configured(
        '[profiles.default]\nplatform = "https://pfc.example/ws"\n'
        f'mapping = "{contract_file(OWN_MAPPING)}"\n'
    )
    assert wrong(examined("platform.address")) == []


def test_a_contract_that_no_command_could_use_is_a_problem(
    examined: Examine, configured: Configured
) -> None:
    path = configured(
        '[profiles.default]\nplatform = "https://127.0.0.1:9/ws"\n'
        'wsdl = "x.wsdl"\nmapping = "x.toml"\n'
    )
    own = contract_file(OWN_MAPPING).read_text()
    (path.parent / "x.wsdl").write_text("no XML")
    (path.parent / "x.toml").write_text(own)
    (found,) = wrong(examined("platform.address"))
    assert found.seen.startswith("the platform's contract can't be used: ")


def test_the_clock_of_a_world_need_not_be_set(examined: Examine, configured: Configured) -> None:
    path = configured('[profiles.default]\nclock = "clock.json"\n')
    assert [f.status for f in examined("clock.simulated")] == [Status.OK]
    WorldClock(path.with_name("clock.json")).freeze()
    assert [f.status for f in examined("clock.simulated")] == [Status.NOTE]


# -- a configuration that can't be used -------------------------------------------------------


def test_with_a_wrong_configuration_nothing_is_said_of_the_defaults(
    examined: Examine, configured: Configured
) -> None:
    configured(
        '[profiles.default]\nplatform = "https://pfc.example/ws"\nanchors = ["certs"]\n'
        'proxy = "http://p.example:3128"\nreadr = "x"\n'
    )
    (found,) = wrong(examined("configuration"))
    assert "unknown key 'readr'" in found.seen
    for group in ("platform", "network", "certificates.anchors", "clock.simulated"):
        told = examined(group)
        assert {(f.status, f.seen, f.remedy) for f in told} == {
            (Status.SKIPPED, "the configuration can't be used", "see: igc doctor configuration")
        }


def test_no_host_is_contacted_for_a_profile_that_there_is_not(examined: Examine) -> None:
    def refuse() -> None:
        raise ConfigError("there is no profile 'nosuch'")

    context = Context(refuse, at=None, online=True)  # type: ignore[arg-type]
    assert contacts(chosen(()), context) == ()
    told = examined("network", "clock.network", "platform", online=True, profile="nosuch")
    assert {f.remedy for f in told} == {"see: igc doctor configuration"}


def test_a_file_that_is_no_toml_is_told_once(examined: Examine, configured: Configured) -> None:
    configured("[profiles\n")
    file, values = examined("configuration.file", "configuration.values")
    assert file.status is Status.PROBLEM and "not a TOML file" in file.seen
    assert "igc config edit" in file.remedy
    assert (values.status, values.remedy) == (
        Status.SKIPPED,
        "see: igc doctor configuration.file",
    )


def test_a_file_that_may_not_be_read_is_told_once_and_not_to_be_edited(
    examined: Examine, configured: Configured, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, opened = configured("[profiles.default]\n"), Path.open

    def refusing(self: Path, *how: object, **more: object) -> object:
        if self == path:
            raise PermissionError(13, "Permission denied", str(path))
        return opened(self, *how, **more)  # type: ignore[call-overload]

    monkeypatch.setattr(Path, "open", refusing)
    found = examined("configuration")
    (told,) = wrong(found)
    assert told.remedy.startswith("look at its owner and mode: ls -l ")
    assert "config edit" not in "".join(f.remedy for f in found)


def test_a_language_that_is_not_spoken_is_a_warning(
    examined: Examine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IGC_LANG", "xx")
    (found,) = [f for f in examined("configuration.environment") if f.status is Status.WARNING]
    assert "igc speaks fr and en" in found.seen


# -- folders that can't be made ----------------------------------------------------------------


@posix
def test_a_folder_that_cannot_be_made_is_a_problem(
    examined: Examine, folders: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    access = os.access
    monkeypatch.setattr(
        os, "access", lambda path, mode: (path != folders or not mode & os.W_OK) and
        access(path, mode)
    )  # fmt: skip
    monkeypatch.setenv("IGC_DATA_DIR", str(folders / "data2" / "igc"))
    monkeypatch.setenv("IGC_CONFIG_DIR", str(folders / "config2"))
    found = examined("storage")
    (told,) = wrong(found)  # once for what is in the data's folder and its cache
    assert "can't be made: " in told.seen and "nothing can be written in " in told.seen
    assert "IGC_DATA_DIR" in told.remedy
    assert [f.status for f in found if "config2" in f.seen or "can't be made" in f.seen] == [
        Status.NOTE,  # the configuration need not be there
        Status.PROBLEM,
    ]
    assert "made when it is needed" not in seen(found)


@posix
@pytest.mark.parametrize("data", ["/dev/null", "/proc/igcsante"])
def test_a_place_that_keeps_no_files_is_told_as_such(
    examined: Examine, monkeypatch: pytest.MonkeyPatch, data: str
) -> None:
    monkeypatch.setattr(mounts, "kind_of", lambda path: "proc" if path == Path("/proc") else "ext4")
    monkeypatch.setenv("IGC_DATA_DIR", data)
    found = examined("storage.folders", "storage.space", "storage.locks")
    (told,) = wrong(found)
    assert "IGC_DATA_DIR" in told.remedy and "move" not in told.remedy
    assert "made when it is needed" not in seen(found) and "free" not in seen(found)
    assert data == "/dev/null" or "/proc is on proc, which keeps no files" in told.seen
    assert {f.remedy for f in found if f.status is Status.SKIPPED} == {
        "see: igc doctor storage.folders"
    }


# -- a journal that is none ---------------------------------------------------------------------


def journal_of(examined: Examine) -> Finding:
    (found,) = examined("storage.journal")
    return found


def test_an_empty_journal_may_have_lost_its_orders(examined: Examine) -> None:
    path = data_directory() / "journal.sqlite"
    path.touch(0o600)
    found = journal_of(examined)
    assert (found.status, found.remedy) == (Status.PROBLEM, DAMAGED_ADVICE)
    assert "the journal is empty" in found.seen and "lost" in found.seen
    with Journal(path):  # a command has made a new one of it
        pass
    found = journal_of(examined)
    assert found.status is Status.NOTE and "backup" in found.remedy


def test_a_database_of_others_is_no_journal(examined: Examine) -> None:
    path = data_directory() / "journal.sqlite"
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE other (x)")
    database.close()
    path.chmod(0o600)
    assert journal_of(examined).seen.endswith("the journal is damaged")


def test_a_folder_in_the_place_of_the_journal_is_to_be_moved(examined: Examine) -> None:
    (data_directory() / "journal.sqlite").mkdir()
    found = journal_of(examined)
    assert found.status is Status.PROBLEM and "is no regular file" in found.seen
    assert found.remedy.startswith("move it away")


def test_why_the_journal_cannot_be_read_is_in_words(
    examined: Examine, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Journal(data_directory() / "journal.sqlite"):
        pass

    def refuse(*_: object, **__: object) -> None:
        raise sqlite3.OperationalError("unable to open database file")

    monkeypatch.setattr(sqlite3, "connect", refuse)
    found = journal_of(examined)
    assert found.seen.endswith("the journal can't be read: unable to open database file")
    assert "owner" not in found.remedy  # which is not at fault


# -- libraries ----------------------------------------------------------------------------------


@pytest.mark.parametrize("extra", EXTRAS)
def test_no_remedy_asks_an_index_for_a_name_that_is_not_ours_there(extra: str) -> None:
    told = how_to_install(extra)
    assert f"pip install '.[{extra}]' in the folder of its sources" in told
    assert foreign(told) == told  # nothing of it is masked


def test_every_remedy_that_names_an_extra_says_how() -> None:
    for path in Path(how_to_install.__code__.co_filename).parent.rglob("*.py"):
        assert "pip install 'igcsante" not in path.read_text(encoding="utf-8"), path

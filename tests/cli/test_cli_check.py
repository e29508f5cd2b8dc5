"""``igc check`` over a fleet: what it takes, what makes its exit code, going on after a stop."""

from __future__ import annotations

import csv
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from check_fleet import HOSTILE, Fleet
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.serialization import Encoding, pkcs12
from lxml import etree
from processes import started
from prometheus_client.parser import text_string_to_metric_families
from test_cli_schemas import problems
from tls_server import make_pki, openssl_server

from igcsante import files
from igcsante.cli import check_run, check_spool, main
from igcsante.cli.check import _FORMATS
from igcsante.cli.check_run import Run
from igcsante.errors import StorageError
from igcsante.files import lock
from igcsante.instants import shown
from igcsante.testing.pki.authority import CRL_LIFETIME

GOOD, INVALID, REVOKED, STALE, ENDING = 0, 6, 7, 9, 14
VERDICTS = {"good.pem": "good", "revoked.pem": "revoked", "expired.pem": "invalid"}
VERDICTS["ending.pem"] = "good"


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Fleet:
    return Fleet(tmp_path_factory.mktemp("fleet"))


@dataclass(frozen=True)
class Told:
    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.out.splitlines()]


Check = Callable[..., Told]


@pytest.fixture
def check(fleet: Fleet, capsys: pytest.CaptureFixture[str], monkeypatch: Any) -> Check:
    """Runs ``igc check`` offline, at the fleet's instant, with its anchors and lists."""

    def run(*arguments: object, options: tuple[object, ...] | None = None) -> Told:
        capsys.readouterr()
        words = (*(fleet.offline() if options is None else options), *arguments)
        code = main.run([str(word) for word in words])
        out, err = capsys.readouterr()
        assert "unexpected" not in err, err
        return Told(code, out, err)

    monkeypatch.chdir(fleet.folder)
    return run


def verdicts(told: Told) -> dict[str, str]:
    for line in told.lines:
        assert problems(line) == []
    return {line["file"]: line.get("verdict") or line["error"]["code"] for line in told.lines}


# -- what is taken -------------------------------------------------------------------------


def test_folder_is_read_with_all_below_it(check: Check, fleet: Fleet, tmp_path: Path) -> None:
    deep = tmp_path / "a" / "b"
    shutil.copytree(fleet.work, deep)
    shutil.copy(fleet.work / "good.pem", tmp_path / "good.pem")
    told = check(tmp_path, "--json")
    assert sorted(verdicts(told).values()) == ["good", "good", "invalid", "revoked"]
    assert "1 more were the same" in told.err
    told = check(tmp_path, "--json", "--no-recursive")
    assert list(verdicts(told).values()) == ["good"]


def test_folder_that_loops_ends(check: Check, fleet: Fleet, tmp_path: Path) -> None:
    shutil.copy(fleet.work / "good.pem", tmp_path)
    (tmp_path / "again").symlink_to(tmp_path)
    assert check(tmp_path).code == GOOD


@pytest.mark.parametrize("kind", ["zip", "tar", "tar.gz"])
def test_archive_is_read(check: Check, fleet: Fleet, tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"fleet.{kind}"
    if kind == "zip":
        with zipfile.ZipFile(path, "w") as archive:
            for file in fleet.work.iterdir():
                archive.write(file, f"../{file.name}")
            archive.writestr("noise.pem", "noise")
    else:
        with tarfile.open(path, "w:gz" if kind == "tar.gz" else "w") as tar:
            tar.add(fleet.work, "..")
    for given in (path, tmp_path):
        told = check(given, "--json")
        found = verdicts(told)
        for name, verdict in VERDICTS.items():
            assert found[f"{path}!../{name}"] == verdict
        assert (f"{path}!noise.pem" in found) == (kind == "zip")


@pytest.mark.parametrize("form", ["pem", "zip"])
def test_stdin_is_read(check: Check, fleet: Fleet, monkeypatch: Any, form: str) -> None:
    data = (fleet.work / "good.pem").read_bytes()
    if form == "zip":
        stream = io.BytesIO()
        with zipfile.ZipFile(stream, "w") as archive:
            archive.writestr("good.pem", data)
        data = stream.getvalue()
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))
    told = check("-", "--json")
    assert verdicts(told) == {"stdin" if form == "pem" else "stdin!good.pem": "good"}


def test_pkcs12_is_opened_with_its_password(
    check: Check, fleet: Fleet, tmp_path: Path, monkeypatch: Any
) -> None:
    encryption = serialization.BestAvailableEncryption(b"secret")
    data = pkcs12.serialize_key_and_certificates(b"x", fleet.key, fleet.good, None, encryption)
    (tmp_path / "good.p12").write_bytes(data)
    monkeypatch.setenv("P12", "secret")
    assert check(tmp_path, "--password-source", "env:P12").code == GOOD
    told = check(tmp_path / "good.p12", "--json")
    assert (told.code, told.lines[0]["error"]["code"]) == (INVALID, "certificate.unreadable")


def test_server_is_asked_and_not_believed(check: Check, tmp_path: Path) -> None:
    pki = make_pki(tmp_path)
    with openssl_server(pki, plain=True) as port:
        (line,) = check(f"127.0.0.1:{port}", "--json").lines
        assert line["certificate"]["subject"] == "CN=localhost"
        assert line["verdict"] == "invalid", "it vouches for itself alone"
        anchors = ("check", "--offline", "--anchors", tmp_path / "root.pem")
        options = (*anchors, "--revocation", "off")
        (line,) = check(f"localhost:{port}", "--json", options=options).lines
        assert (line["verdict"], len(line["chain"])) == ("good", 3), "with what the server sent"
    told = check(f"127.0.0.1:{port}", "work/good.pem", "--json")
    assert told.code == 10, "nobody is there any more"
    assert told.lines[1]["verdict"] == "good", "the others are checked all the same"


def test_server_whose_certificate_is_for_another_name_is_invalid(
    check: Check, tmp_path: Path
) -> None:
    pki = make_pki(tmp_path)
    options = ("check", "--offline", "--anchors", tmp_path / "root.pem", "--revocation", "off")
    with openssl_server(pki, plain=True) as port:
        local, address = f"localhost:{port}", f"127.0.0.1:{port}"
        named = ("--server-name", "sesame.example.org")
        told = check(local, address, *named, "--json", options=options)
        assert told.code == INVALID
        assert verdicts(told) == {local: "invalid"}, "both must be for one name: the same"
        (reason,) = told.lines[0]["reasons"]
        assert reason["code"] == "name.mismatch"
        assert "sesame.example.org" in reason["message"] and "localhost" in reason["message"]
        told = check(local, address, "--json", options=options)
        assert verdicts(told) == {local: "good", address: "good"}, "each for its own name"
        assert check(f"127.1:{port}", options=options).code == INVALID, "an alias that none has"
        assert check(f"127.1:{port}", "--any-name", options=options).code == GOOD


def test_file_must_be_for_the_name_that_was_asked_for(check: Check, tmp_path: Path) -> None:
    make_pki(tmp_path)
    options = ("check", "--offline", "--anchors", tmp_path, "--revocation", "off")
    path = tmp_path / "server.pem"
    state = tmp_path / "state"
    for name, code in (("LOCALHOST.", GOOD), ("127.0.0.1", GOOD), ("other", INVALID)):
        for more in ((), ("--jobs", "2"), ("--resume", state)):
            told = check(path, "--server-name", name, *more, options=options)
            assert told.code == code, (name, more, told)
    assert (
        check(path, "--resume", state, "--server-name", "localhost", options=options).code == GOOD
    )
    _unfinish(state)
    told = check(path, "--resume", state, "--server-name", "other", options=options)
    assert told.code == INVALID, "what is known is about the other name"


@pytest.mark.parametrize(
    "arguments",
    [
        ("work", "--server-name", "*.example.org"),
        ("work", "--server-name", "example.org", "--any-name"),
        ("work", "--server-name", "example.org", "--card"),
    ],
)
def test_expected_name_that_can_t_be_compared_is_wrong_use(
    check: Check, arguments: tuple[str, ...]
) -> None:
    assert check(*arguments).code == 2


def test_file_comes_before_a_server_of_its_name(
    check: Check, fleet: Fleet, tmp_path: Path, monkeypatch: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copy(fleet.work / "good.pem", "localhost:443")
    assert check("localhost:443").code == GOOD


def test_serial_numbers_are_looked_up_under_their_issuer(
    check: Check, fleet: Fleet, tmp_path: Path
) -> None:
    good, revoked = (f"{c.serial_number:x}" for c in (fleet.good, fleet.revoked))
    path = tmp_path / "serials.txt"
    spaced = ":".join(revoked[i : i + 2] for i in range(0, len(revoked), 2))
    path.write_text(f"serial\n# a comment\n{good}\n\n0x{good.upper()}\n{spaced}, x\nnot hex\n")
    told = check("--serials", path, "--issuer", fleet.issuer, "--json")
    assert verdicts(told) == {
        f"{path}:3": "good",
        f"{path}:6": "revoked",
        f"{path}:7": "certificate.unreadable",
    }
    assert told.lines[1]["revocation"][0]["reason"] == "keyCompromise"
    assert told.lines[1]["certificate"] == {"subject": None, "serial": revoked, "sha256": None}
    assert check("--serials", path).code == 2
    for kind in set(_FORMATS) - {"json", "ndjson"}:
        shown = check("--serials", path, "--issuer", fleet.issuer, "--format", kind).out
        assert revoked in shown or kind == "nagios"


@pytest.mark.parametrize("line", ["0", "00:00", "ab cd", "1" * 41, "-5", "0x"])
def test_what_is_no_serial_number_is_told_and_never_good(
    check: Check, fleet: Fleet, tmp_path: Path, line: str
) -> None:
    path = tmp_path / "serials.txt"
    path.write_text(f"{line}\n")
    told = check("--serials", path, "--issuer", fleet.issuer, "--json")
    assert verdicts(told) == {f"{path}:1": "certificate.unreadable"}


def test_every_authority_of_a_file_without_leaves_is_checked(
    check: Check, fleet: Fleet, tmp_path: Path
) -> None:
    authorities = [path.read_bytes() for path in (fleet.folder / "ca").iterdir()]
    path = tmp_path / "authorities.pem"
    path.write_bytes(b"".join(authorities))
    assert len(check(path, "--revocation", "off", "--json").lines) == len(authorities)


def test_card_is_checked(check: Check, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from igcsante.card import readers
    from igcsante.testing.cards import SimulatedReader
    from igcsante.testing.world import SimulatedWorld

    with SimulatedWorld() as world:
        (world.directory / "config.toml").write_text(world.profile_toml())
        monkeypatch.setenv("IGC_CONFIG_DIR", str(world.directory))
        reader = SimulatedReader("One", world.card("cps4"))
        monkeypatch.setattr(readers, "system_readers", lambda: [reader])
        told = check("--card", "--json", options=("--profile", "sim", "check"))
    found = verdicts(told)
    assert found["card:authentication"] == "good"
    assert len(found) == 2 and set(found.values()) == {"good"}


@pytest.mark.parametrize(
    "arguments",
    [
        ("work", "--server-name", ""),
        ("work", "--server-name="),
        ("work", "--policy", ""),
        ("work", "--anchors", ""),
        ("work", "--fail-on", ""),
        ("work", "--resume", ""),
        ("work", "--serials", "", "--issuer", ""),
        ("work", ""),
        ("",),
    ],
)
def test_what_is_given_empty_is_wrong_use(check: Check, arguments: tuple[str, ...]) -> None:
    """As a variable of a script that was not set: no demand is dropped unseen."""
    told = check(*arguments)
    assert (told.code, told.out) == (2, "") and "empty" in told.err


def test_closed_stdin_is_told(check: Check, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", None)
    told = check("-", "work/good.pem", "--json")
    assert (told.code, verdicts(told)) == (2, {"-": "usage", "work/good.pem": "good"})


def test_nothing_given_is_wrong_use(check: Check) -> None:
    told = check("--json")
    assert (told.code, told.lines[0]["error"]["code"]) == (2, "usage")


# -- what counts ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("names", "options", "code"),
    [
        (("good", "ending"), (), GOOD),
        (("good", "ending"), ("--expires-within", "9"), GOOD),
        (("good", "ending"), ("--expires-within", "10"), ENDING),
        (("good", "ending"), ("--expires-within", "10", "--fail-on", "revoked"), GOOD),
        (("ending", "revoked"), ("--expires-within", "10"), REVOKED),
        (("revoked", "expired"), (), INVALID),
        (("revoked", "expired"), ("--fail-on", "revoked,stale"), REVOKED),
        (("revoked", "expired"), ("--fail-on", "none"), GOOD),
        (("missing", "good"), (), 2),
        (("missing", "good"), ("--fail-on", "invalid"), GOOD),
    ],
)
def test_exit_code_is_the_worst_that_counts(
    check: Check, fleet: Fleet, names: tuple[str, ...], options: tuple[str, ...], code: int
) -> None:
    files = [fleet.work / f"{name}.pem" for name in names]
    assert check(*files, *options).code == code


def test_wrong_kinds_are_told(check: Check) -> None:
    told = check("work", "--fail-on", "revoked,wrong")
    assert told.code == 2 and "'wrong'" in told.err and "stale" in told.err
    assert check("work", "--fail-on", "none,revoked").code == 2
    assert check("work", "--json", "--format", "csv").code == 2


def test_several_are_summed_up_and_one_is_not(check: Check) -> None:
    told = check("work", "--expires-within", "30")
    assert told.err == "4 checked: 1 good, 1 ends soon, 1 revoked, 1 invalid\n"
    assert check("work/good.pem").err == ""


def test_engine_and_checker_tell_the_same(check: Check, monkeypatch: pytest.MonkeyPatch) -> None:
    one_by_one = check("work", "--json")
    monkeypatch.setattr(check_run, "_FEW", 0)
    assert check("work", "--json") == one_by_one


def test_engine_and_checker_tell_the_same_where_lists_are_missing(
    check: Check, fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = ("check", "--offline", "--at", fleet.now.isoformat(), "--anchors", "ca")
    one_by_one = check("work", "--json", options=options)
    assert "revocation.no_crl" in one_by_one.out and "no_ocsp" not in one_by_one.out
    monkeypatch.setattr(check_run, "_FEW", 0)
    assert check("work", "--json", options=options) == one_by_one


def test_jobs_need_what_is_there_already(check: Check, fleet: Fleet) -> None:
    online = tuple(word for word in fleet.offline() if word != "--offline")
    told = check("work", "--jobs", "2", options=online)
    assert told.code == 2 and "igc crl update" in told.err


# -- formats -------------------------------------------------------------------------------


def test_json_is_one_document_that_its_schema_describes(check: Check) -> None:
    told = check("work", "missing.pem", "--format", "json", "--expires-within", "30")
    document = json.loads(told.out)
    assert problems(document) == []
    assert document["summary"]["ending"] == document["summary"]["unreadable"] == 1
    assert document["summary"]["total"] == len(document["results"]) == 5
    assert document["exit_code"] == told.code == 2
    shown = {line["file"]: line for line in document["results"]}
    assert shown["work/ending.pem"]["ends_soon"] is True
    assert shown["work/ending.pem"]["days_left"] == 9


@pytest.mark.parametrize("text", ["", "# nothing\n", "serial\n"])
def test_file_without_serial_numbers_is_told(check: Check, tmp_path: Path, text: str) -> None:
    path = tmp_path / "list.txt"
    path.write_text(text)
    told = check("--serials", path, "--issuer", "ca/ACI-EL-ORG-TEST.pem", "--json")
    assert (told.code, verdicts(told)) == (INVALID, {str(path): "certificate.unreadable"})
    assert "no serial number in this file" in told.out


def test_csv_holds_no_formula(check: Check) -> None:
    told = check("work", "--format", "csv", "--fail-on", "none")
    table = list(csv.DictReader(io.StringIO(told.out)))
    by_file = {row["file"]: row for row in table}
    revoked = by_file["work/revoked.pem"]
    assert revoked["verdict"] == "revoked" and revoked["codes"] == "revocation.revoked"
    assert revoked["messages"].startswith(f"'{HOSTILE}"), "an apostrophe before the ="
    assert int(by_file["work/expired.pem"]["days_left"]) < 0, "numbers stay numbers"
    for row in table:
        for key, value in row.items():
            assert not value.startswith(("=", "+", "@")), key
            assert not value.startswith("-") or key == "days_left"


def test_file_that_is_named_like_a_formula_is_none_in_a_table(
    check: Check, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    hostile = ["=1+1", "+1", "-1", "@x", "\t=x", " =y", "＝z", "a;=b", "a; @b", "a;b=c"]
    for name in hostile:
        Path(name).write_text("no certificate")
    told = check("--format", "csv", "--", *hostile)
    shown = [row["file"] for row in csv.DictReader(io.StringIO(told.out))]
    expected = ["'=1+1", "'+1", "'-1", "'@x", "'=x", "'=y", "'＝z", "a;'=b", "a; '@b", "a;b=c"]
    assert shown == expected


@pytest.mark.parametrize(
    ("names", "options", "state"),
    [
        (("good", "ending"), (), 0),
        (("good", "ending"), ("--expires-within", "30"), 1),
        (("good", "revoked", "missing"), ("--expires-within", "30"), 2),
        (("expired",), (), 2),
        (("good", "missing"), (), 3),
        (("revoked", "good"), ("--fail-on", "invalid"), 0),
    ],
)
def test_nagios_has_one_line_and_its_own_codes(
    check: Check, fleet: Fleet, names: tuple[str, ...], options: tuple[str, ...], state: int
) -> None:
    files = [fleet.work / f"{name}.pem" for name in names]
    told = check(*files, *options, "--format", "nagios")
    words = ("OK", "WARNING", "CRITICAL", "UNKNOWN")
    assert (told.code, told.err) == (state, "")
    assert told.out.startswith(f"IGC {words[state]} - ")
    assert told.out.count("\n") == told.out.count("|") == 1
    perfdata = dict(item.split("=") for item in told.out.split("|")[1].split())
    assert perfdata["good"] == f"{sum(name in ('good', 'ending') for name in names)};;;0" or options


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("check", "--offline", "--format", "nagios", "work"), "no trust anchor"),
        (("check", "--format=nagios", "--policy", "none", "work"), "there is no policy 'none'"),
        (("check", "--format", "nagios", "--no-such-option"), "No such option"),
        (("check", "--expires-within", "soon", "--format", "nagios"), "Invalid value"),
        (("check", "--format", "nagios", "--json", "work"), "--json and --format nagios"),
        (("check", "--format", "nagios", "--server-name", ""), "an argument after --server-name"),
    ],
)
def test_nagios_says_in_its_line_why_it_could_not_check(
    check: Check, arguments: tuple[str, ...], why: str
) -> None:
    told = check(options=arguments)
    assert (told.code, told.err) == (3, "")
    assert told.out.startswith(f"IGC UNKNOWN - {why}") and told.out.count("\n") == 1


def test_prometheus_reads_its_file(check: Check, fleet: Fleet, tmp_path: Path) -> None:
    path = tmp_path / "igc.prom"
    noise = tmp_path / 'no"ise\\.pem'
    noise.write_text("noise")
    check("work", noise, noise, "--format", "prometheus", "--out", path)
    assert path.stat().st_mode & 0o777 == 0o644
    families = {family.name: family for family in text_string_to_metric_families(path.read_text())}
    ends = {
        sample.labels["file"]: sample.value
        for sample in families["igc_certificate_not_after_timestamp_seconds"].samples
    }
    assert ends["work/good.pem"] == fleet.good.not_valid_after_utc.timestamp()
    found = {
        sample.labels["file"]: sample.labels["verdict"]
        for sample in families["igc_certificate_verdict"].samples
    }
    assert found["work/revoked.pem"] == "revoked" and found[str(noise)] == "unreadable"
    for family in families.values():
        assert family.documentation
        labels = [tuple(sample.labels.items()) for sample in family.samples]
        assert len(labels) == len(set(labels)), "no sample twice"


def test_junit_is_read_as_xml(check: Check) -> None:
    told = check("work", "missing.pem", "--format", "junit", "--expires-within", "30")
    root = etree.fromstring(told.out.encode())
    suite = root.find("testsuite")
    assert suite is not None
    assert dict(suite.attrib) | {"tests": "5", "failures": "3", "errors": "1"} == suite.attrib
    types = [item.get("type") for item in root.iter("failure", "error")]
    assert sorted(types) == ["ending", "invalid", "revoked", "unreadable"]
    assert len(root.findall(".//testcase")) == 5


@pytest.mark.parametrize("kind", _FORMATS)
def test_output_is_replaced_whole_or_left(check: Check, tmp_path: Path, kind: str) -> None:
    path = tmp_path / "report"
    told = check("work", "--format", kind, "--out", path)
    assert told.out == "" and path.stat().st_size > 100
    assert "\x1b" not in path.read_text("utf-8")
    path.write_text("the one before")
    path.chmod(0o640)
    check("work", "--format", kind, "--out", path, options=("check", "--offline"))
    assert path.read_text() == "the one before", "the check could not be made"
    check("work", "--format", kind, "--out", path)
    assert path.stat().st_size > 100 and path.stat().st_mode & 0o777 == 0o640
    assert [item.name for item in tmp_path.iterdir()] == ["report"]


@pytest.mark.parametrize("place", ["missing/report", "pipe", "."])
def test_output_that_can_t_be_written_whole_is_refused_at_once(
    check: Check, tmp_path: Path, place: str
) -> None:
    os.mkfifo(tmp_path / "pipe")
    told = check("work", "--resume", tmp_path / "state", "--out", tmp_path / place)
    assert (told.code, told.out) == (1, "") and "nothing was checked" in told.err
    assert [item.name for item in tmp_path.iterdir()] == ["pipe"]


def test_standard_output_is_not_replaced_by_the_report(fleet: Fleet, tmp_path: Path) -> None:
    words = [*map(str, fleet.offline()), str(fleet.work), "--out", "/dev/stdout"]
    with (tmp_path / "told").open("wb") as stream:
        command = [sys.executable, "-m", "igcsante.cli.main", *words]
        done = subprocess.run(command, stdout=stream, stderr=subprocess.PIPE, text=True)
        assert done.returncode == 1 and "the standard output itself" in done.stderr
        assert os.path.samestat(os.fstat(stream.fileno()), (tmp_path / "told").stat())


# -- going on after a stop -----------------------------------------------------------------


def test_resumed_check_tells_the_same_and_checks_nothing_twice(
    check: Check, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = tmp_path / "state"
    whole = check("work", "--json", "--resume", state)
    assert state.stat().st_mode & 0o777 == 0o600
    with monkeypatch.context() as patched:
        patched.setattr(Run, "_by_engine", lambda *_: iter(()))
        state.write_bytes(b"".join(state.read_bytes().splitlines(keepends=True)[:-1]))
        again = check("work", "--json", "--resume", state)
    assert again.out == whole.out
    assert "4 were checked before" in again.err
    shorter = state.read_bytes().splitlines(keepends=True)
    for kept in range(len(shorter) + 1):
        for torn in (b"", b'{"key": "to'):
            state.write_bytes(b"".join(shorter[:kept]) + (torn if kept else b""))
            for _ in range(2):
                assert check("work", "--json", "--resume", state).out == whole.out


def test_instant_of_a_resumed_check_is_that_of_its_beginning(
    check: Check, fleet: Fleet, tmp_path: Path
) -> None:
    state = tmp_path / "state"
    without = tuple(word for word in fleet.offline() if word not in fleet.offline()[2:4])
    first = check("work", "--json", "--resume", state, options=without)
    _unfinish(state)
    again = check("work", "--json", "--resume", state, options=without)
    assert first.lines[0]["at"] == again.lines[0]["at"]
    assert first.out == again.out


def test_a_finished_check_begins_anew_at_its_own_instant(
    check: Check, fleet: Fleet, tmp_path: Path
) -> None:
    state = tmp_path / "state"
    without = tuple(word for word in fleet.offline() if word not in fleet.offline()[2:4])
    check("work", "--resume", state, options=without)
    before = state.read_bytes().partition(b"\n")[0]
    again = check("work", "--resume", state, options=without)
    assert state.read_bytes().partition(b"\n")[0] != before, "the instant is in the first line"
    assert "was finished: a new one begins" in again.err and "checked before" not in again.err
    other = check("work", "--resume", state, options=(*without, "--revocation", "off"))
    assert "a new one begins" in other.err


def test_a_check_whose_report_could_not_be_written_is_not_finished(
    check: Check, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, data: Iterable[bytes], **_: object) -> None:
        b"".join(data)
        raise StorageError(f"{path}: no space left")

    monkeypatch.setattr(files, "write_atomic", full)
    state = tmp_path / "state"
    assert check("work", "--resume", state, "--out", tmp_path / "report").code == 1
    assert b"finished" not in state.read_bytes()


def test_state_of_another_day_is_not_gone_on_with_unasked(
    check: Check, fleet: Fleet, tmp_path: Path
) -> None:
    state = tmp_path / "state"
    then = fleet.now - timedelta(hours=25)
    check("work", "--resume", state, options=fleet.offline(then))
    _unfinish(state)
    before = state.read_bytes()
    without = tuple(word for word in fleet.offline() if word not in fleet.offline()[2:4])
    told = check("work", "--resume", state, options=without)
    assert (told.code, told.out, state.read_bytes()) == (2, "", before)
    instant = shown(then, seconds=True)
    assert f"as of {instant}, more than 24 hours ago" in told.err and "--at" in told.err
    told = check("work", "--resume", state, options=fleet.offline(then))
    assert f"as of {instant}: 4 were checked before" in told.err, "as it was asked for"


def test_what_was_found_before_is_told_in_the_language_of_today(
    check: Check, fleet: Fleet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = tmp_path / "state"
    check("work", "--resume", state, options=fleet.offline())
    _unfinish(state)
    found_before = state.read_bytes()
    monkeypatch.setenv("IGC_LANG", "fr")
    again = check("work", "--resume", state, options=fleet.offline())
    assert again.out == check("work", options=fleet.offline()).out
    assert "révoqué le" in again.out
    state.write_bytes(found_before)
    monkeypatch.setenv("IGC_LANG", "en")
    anew = check("work", "--json", options=fleet.offline()).out
    monkeypatch.setenv("IGC_LANG", "fr")
    assert check("work", "--json", "--resume", state, options=fleet.offline()).out == anew


def test_good_by_lists_that_have_ended_since_is_told(
    check: Check, fleet: Fleet, tmp_path: Path
) -> None:
    then = fleet.now - 2 * CRL_LIFETIME
    (tmp_path / "crl").mkdir()
    for code in fleet.pki.authorities:
        (tmp_path / "crl" / f"{code}.crl").write_bytes(fleet.pki.crl(code, then))
    for name in ("one", "two"):
        leaf = fleet.leaf(name, then - timedelta(days=1))
        (tmp_path / f"{name}.der").write_bytes(leaf.public_bytes(Encoding.DER))
    state = tmp_path / "state"
    options = (*fleet.offline(then)[:-1], tmp_path / "crl")
    first = check(tmp_path, "--resume", state, options=options)
    assert first.code == GOOD and "ended since" not in first.err
    _unfinish(state)
    again = check(tmp_path, "--resume", state, options=options)
    assert again.out == first.out
    assert (
        f"2 rest on a list or answer that has ended since {shown(then, seconds=True)}" in again.err
    )


def _unfinish(state: Path) -> None:
    """As it is when the process is killed at the very end."""
    *lines, last = state.read_bytes().splitlines(keepends=True)
    assert b"finished" in last
    state.write_bytes(b"".join(lines))


def _changes(lines: list[bytes]) -> dict[str, list[bytes]]:
    head, first, second, *rest = lines
    forged = first.replace(b'"good"', b'"gone"').replace(b'"invalid"', b'"good"')
    assert forged != first
    return {
        "verdict": [head, forged, second, *rest],
        "order": [head, second, first, *rest],
        "left out": [head, second, *rest],
        "twice": [head, first, first, second, *rest],
        "added": [*lines, b'{"key": "00", "document": {}} ' + b"0" * 64 + b"\n"],
        "without HMAC": [head, first.rpartition(b" ")[0] + b"\n", second, *rest],
        "head": [head.replace(b'"at": "20', b'"at": "19'), first, second, *rest],
        "end": [*lines, b'{"finished": true} ' + b"0" * 64 + b"\n"],
    }


def test_what_was_changed_in_a_state_is_not_believed(check: Check, tmp_path: Path) -> None:
    state = tmp_path / "state"
    check("work", "--resume", state)
    _unfinish(state)
    for what, lines in _changes(state.read_bytes().splitlines(keepends=True)).items():
        changed = tmp_path / what
        changed.write_bytes(b"".join(lines))
        told = check("work", "--resume", changed)
        assert told.code == 2 and "not believed" in told.err and "remove it" in told.err, what
        assert told.out == "" and changed.read_bytes() == b"".join(lines)


def test_state_of_another_user_is_not_believed(
    check: Check, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = tmp_path / "state"
    check("work", "--resume", state)
    _unfinish(state)
    monkeypatch.setenv("IGC_DATA_DIR", str(tmp_path / "other"))
    told = check("work", "--resume", state)
    assert told.code == 2 and "another user" in told.err


def test_what_is_no_regular_file_keeps_no_state(check: Check, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (os.devnull, tmp_path / "pipe"):
        told = check("work", "--resume", path)
        assert told.code == 2 and "not a regular file" in told.err


def test_state_is_one_process_s_at_a_time(check: Check, tmp_path: Path) -> None:
    state = tmp_path / "state"
    check("work", "--resume", state)
    _unfinish(state)
    before = state.read_bytes()
    with state.open("rb") as other:
        assert lock(other, wait=False)
        told = check("work", "--resume", state)
        assert (told.code, told.out, state.read_bytes()) == (2, "", before)
        assert "another process" in told.err and "wait until it is done" in told.err
    assert "4 were checked before" in check("work", "--resume", state).err


def test_state_is_bound_to_what_verdicts_rest_on(
    check: Check, fleet: Fleet, tmp_path: Path
) -> None:
    state = tmp_path / "state"
    check("work", "--resume", state)
    _unfinish(state)
    before = state.read_bytes()
    later = fleet.offline(fleet.now + timedelta(hours=1))
    others = {
        "instant": {"options": later},
        "policy": {"options": (*fleet.offline(), "--revocation", "off")},
        "set of lists": {"options": fleet.offline()[:-2]},
    }
    for what, changed in others.items():
        told = check("work", "--resume", state, **changed)
        assert told.code == 2 and f"another {what}" in told.err
        assert state.read_bytes() == before


@pytest.mark.parametrize(
    "content", [b"my notes\n", b"my notes", b'{"format": "other"}\n', b"\xff\n"]
)
def test_file_that_is_no_state_is_left_untouched(
    check: Check, tmp_path: Path, content: bytes
) -> None:
    path = tmp_path / "precious"
    path.write_bytes(content)
    assert check("work", "--resume", path).code == 2
    assert path.read_bytes() == content


def test_killed_check_loses_nothing(fleet: Fleet, tmp_path: Path, check: Check) -> None:
    """SIGKILL as soon as something is done: what was done is known to the next run."""
    work = tmp_path / "work"
    work.mkdir()
    for number in range(400):
        leaf = fleet.leaf(f"n {number}", fleet.now - timedelta(days=2))
        (work / f"{number:03}.der").write_bytes(leaf.public_bytes(Encoding.DER))
    state = tmp_path / "state"
    words = [*map(str, fleet.offline()), str(work), "--json"]
    command = [sys.executable, "-m", "igcsante.cli.main", *words, "--resume", str(state)]
    with started(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.send_signal(signal.SIGKILL)
    done = state.read_bytes().count(b"\n") - 1
    assert done >= 1
    told = check(work, "--json", "--resume", state)
    assert f"{done} were checked before" in told.err
    assert told.out == check(work, "--json").out


INTERRUPTING = """
import os, signal, sys
if "--multiprocessing-fork" in sys.orig_argv:
    os.killpg(0, signal.SIGINT)
"""


def test_interrupt_while_workers_start_ends_quietly(
    fleet: Fleet, tmp_path: Path, check: Check
) -> None:
    """As the terminal does: to all processes at once, the worker that is being born too."""
    (tmp_path / "sitecustomize.py").write_text(INTERRUPTING)
    state = tmp_path / "state"
    words = [*map(str, fleet.offline()), str(fleet.work), "--json", "--resume", str(state)]
    done = subprocess.run(
        [sys.executable, "-m", "igcsante.cli.main", *words, "--jobs", "2"],
        capture_output=True,
        text=True,
        start_new_session=True,
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")]),
        },
    )
    assert (done.returncode, done.stderr.splitlines()[-1]) == (130, "Interrupted.")
    assert "Traceback" not in done.stderr and "Exception" not in done.stderr
    assert b"finished" not in state.read_bytes()
    told = check(fleet.work, "--json", "--resume", state)
    assert told.out == check(fleet.work, "--json").out


# -- as a process --------------------------------------------------------------------------

LOADED = """
import sys
from igcsante.cli.main import run
code = run(sys.argv[2:])
print([name for name in sys.argv[1].split(",") if name in sys.modules], file=sys.stderr)
sys.exit(code)
"""
HEAVY = (
    *("rich", "lxml", "asn1crypto", "numpy", "zeep", "smartcard", "requests", "multiprocessing"),
    *("ssl", "igcsante.certs.fleet.engines", "igcsante.certs.ocsp", "igcsante.certs.network"),
)


def test_check_of_one_file_loads_nothing_heavy(fleet: Fleet) -> None:
    words = [*map(str, fleet.offline()), str(fleet.work / "good.pem")]
    command = [sys.executable, "-c", LOADED, ",".join(HEAVY), *words]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (GOOD, "[]\n")


@pytest.mark.parametrize("kind", ["text", "csv", "html"])
def test_reader_that_leaves_ends_it_quietly(fleet: Fleet, tmp_path: Path, kind: str) -> None:
    """As head does; what was not told is not counted as done."""
    state = tmp_path / "state"
    words = [*map(str, fleet.offline()), str(fleet.work), "--format", kind]
    reading, writing = os.pipe()
    os.close(reading)
    try:
        done = subprocess.run(
            [sys.executable, "-m", "igcsante.cli.main", *words, "--resume", str(state)],
            stdout=writing,
            stderr=subprocess.PIPE,
            text=True,
        )
    finally:
        os.close(writing)
    assert (done.returncode, done.stderr) == (1, "")
    assert b"finished" not in state.read_bytes()


EARLY = """
import signal, sys
class Interrupting:
    def find_spec(self, name, *_):
        if name == "click":
            signal.raise_signal(signal.SIGINT)
sys.meta_path.insert(0, Interrupting())
from igcsante.cli.entry import main
main()
"""


def test_interrupt_while_it_is_loaded_ends_quietly() -> None:
    done = subprocess.run([sys.executable, "-c", EARLY], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (130, "Interrupted.\n")


TERMINATING = """
import os, signal, sys
if "--multiprocessing-fork" in sys.orig_argv:
    os.kill(os.getppid(), signal.SIGTERM)
"""


def test_terminated_check_leaves_nothing_behind(fleet: Fleet, tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(TERMINATING)
    (tmp_path / "tmp").mkdir()
    words = [*map(str, fleet.offline()), str(fleet.work), "--jobs", "2"]
    paths = [str(tmp_path), os.environ.get("PYTHONPATH", "")]
    done = subprocess.run(
        [sys.executable, "-m", "igcsante.cli.main", *words],
        capture_output=True,
        text=True,
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join(paths),
            "TMPDIR": str(tmp_path / "tmp"),
        },
    )
    assert (done.returncode, done.stderr) == (128 + signal.SIGTERM, "")
    assert list((tmp_path / "tmp").iterdir()) == []


def test_no_room_for_what_is_needed_meanwhile_is_told(
    check: Check, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "missing"))
    for more in (("--jobs", "2"), ("--resume", tmp_path / "state")):
        told = check("work", *more, "--json")
        assert (told.code, told.lines[-1]["error"]["code"]) == (1, "storage"), told
        assert "output" not in told.err
    monkeypatch.setattr(check_spool, "_IN_MEMORY", 1)
    told = check("work", "--json")
    assert (told.code, told.lines[-1]["error"]["code"]) == (1, "storage"), told
    assert "TMPDIR" in told.err and "nothing was checked" in told.err


@pytest.mark.parametrize("closed", [">&-", "2>&-", ">&- 2>&-"])
def test_closed_streams_change_no_exit_code(fleet: Fleet, closed: str) -> None:
    words = [*map(str, fleet.offline()), str(fleet.work)]
    command = ["sh", "-c", f'exec "$@" {closed}', "sh", sys.executable]
    done = subprocess.run(
        [*command, "-m", "igcsante.cli.main", *words], capture_output=True, text=True
    )
    assert done.returncode == INVALID and "Traceback" not in done.stderr

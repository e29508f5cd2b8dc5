"""What is said, where: --quiet, --verbose, --log-file, colours, width."""

from __future__ import annotations

import contextlib
import io
import logging
import os
import re
import stat
import subprocess
import sys
from pathlib import Path

import click
import pytest
from terminal import on_a_terminal

from igcsante.cli import layout, logs, main, output
from igcsante.cli.output import Settings
from igcsante.steps import step

IGC = (sys.executable, "-m", "igcsante.cli.main")


@pytest.fixture
def igc(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("IGC_CONFIG_DIR", str(tmp_path / "config"))
    monkeypatch.setenv("IGC_DATA_DIR", str(tmp_path / "data"))

    def call(*arguments: str | Path) -> tuple[int, str, str]:
        code = main.run([str(argument) for argument in arguments])
        return code, *capsys.readouterr()

    return call


# -- quiet -------------------------------------------------------------------------------------


def test_quiet_silences_remarks_before_or_after_the_command(igc) -> None:
    assert "No list is kept yet" in igc("crl", "list")[2]
    for arguments in (("--quiet", "crl", "list"), ("crl", "-q", "list"), ("crl", "list", "-q")):
        assert igc(*arguments) == (0, "", "")


def test_quiet_keeps_errors_and_answers(igc) -> None:
    code, _, err = igc("-q", "crl", "show", "nobody")
    assert code != 0 and err.startswith("Error: ")
    assert "strict" in igc("-q", "policy", "list")[1]


def test_quiet_keeps_what_the_person_must_do(capsys: pytest.CaptureFixture[str]) -> None:
    from igcsante.cli import ask

    with click.Context(click.Command("igc"), obj=Settings(quiet=True)):
        output.talk("a remark")
        ask.card_secret(True, None, "PIN of the card", "--pin-source")
    assert capsys.readouterr().err == "PIN of the card: type it on the reader.\n"


def test_quiet_ends_with_its_command(igc) -> None:
    igc("-q", "crl", "list")
    assert "No list is kept yet" in igc("crl", "list")[2]


# -- verbose and log file ----------------------------------------------------------------------


def test_verbose_tells_steps_on_stderr_and_the_answer_stays_alone(igc) -> None:
    plain = igc("policy", "list")
    for arguments in (("-v", "policy", "list"), ("policy", "list", "--verbose")):
        code, out, err = igc(*arguments)
        assert (code, out) == plain[:2]
        assert re.match(r"cli: igc \S+\ncli: igc policy list\ncli: done after [0-9.]+ s\n$", err)
    assert igc("policy", "list") == plain
    assert logging.getLogger("igcsante").handlers == []


def test_a_log_file_is_private_and_added_to(igc, tmp_path: Path) -> None:
    log = tmp_path / "steps.log"
    for _ in range(2):
        assert igc("policy", "list", "--log-file", log)[2] == ""
    assert stat.S_IMODE(log.stat().st_mode) == 0o600
    lines = log.read_text().splitlines()
    assert len([line for line in lines if line.endswith("igcsante.cli: igc policy list")]) == 2
    assert all(re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z INFO ", line) for line in lines)


def test_both_say_each_step_once_wherever_they_stand(igc, tmp_path: Path) -> None:
    log = tmp_path / "steps.log"
    _, _, err = igc("-v", "--log-file", log, "policy", "list", "-v", "--log-file", log)
    assert err.count("igc policy list") == log.read_text().count("igc policy list") == 1


def test_a_log_file_that_cannot_be_written_stops_before_anything(igc, tmp_path: Path) -> None:
    code, out, err = igc("policy", "list", "--log-file", tmp_path / "absent" / "log")
    assert (code, out) == (1, "")
    assert "can't be written" in err and "nothing was done" in err


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
def test_a_log_on_a_full_disk_is_told_once_and_the_work_goes_on(igc) -> None:
    code, out, err = igc("policy", "list", "--log-file", "/dev/full")
    assert code == 0 and "strict" in out
    assert err.count("can't be written") == 1


def test_logs_are_in_english_and_errors_in_the_person_s_language(
    igc, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IGC_LANG", "fr")
    assert "cli: igc policy list\n" in igc("-v", "policy", "list")[2]


@pytest.mark.parametrize(
    "secret",
    ["PIN: 7391", "puk=12345678", "password = 'a word'", "http://user:word@proxy", "code:xyz"],
)
def test_what_looks_like_a_secret_is_masked_whoever_logs_it(
    igc, tmp_path: Path, secret: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from igcsante.certs import policy

    def careless() -> tuple[policy.Policy, ...]:
        logging.getLogger("igcsante.someone").info("sent %s", secret)
        return ()

    monkeypatch.setattr(policy, "shipped_policies", careless)
    log = tmp_path / "steps.log"
    told = igc("-v", "policy", "list", "--log-file", log)[2] + log.read_text()
    assert told.count(logs.MASK) == 2
    assert not re.search(r"7391|12345678|word\b(?! =)|xyz", told)


@pytest.mark.parametrize("identifier", ["899700990049", "99700401", "1F" * 16, "1f:2e:" * 5 + "aa"])
def test_identifiers_and_serials_are_masked(identifier: str) -> None:
    assert logs.masked(f"of {identifier}") == f"of {logs.MASK}"
    assert logs.masked("POST 127.0.0.1: HTTP 200, 28280 bytes") == (
        "POST 127.0.0.1: HTTP 200, 28280 bytes"
    )


def test_a_program_hears_the_steps_through_logging(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "igcsante")
    step("network", "GET {host}: HTTP {status}", host="a.example", status=200)
    assert caplog.messages == ["GET a.example: HTTP 200"]
    assert caplog.records[0].name == "igcsante.network"


def test_steps_load_no_logging() -> None:
    asked = "import sys; from igcsante.steps import step; step('a', 'b'); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True)
    assert "logging" not in done.stdout.split()


# -- colours, width, terminals -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({}, None),
        ({"NO_COLOR": "1"}, False),
        ({"NO_COLOR": ""}, None),
        ({"NO_COLOR": "1", "FORCE_COLOR": "1"}, False),
        ({"FORCE_COLOR": "1"}, True),
        ({"FORCE_COLOR": "0"}, None),
        ({"CLICOLOR_FORCE": "1", "TERM": "dumb"}, True),
        ({"CLICOLOR": "0"}, False),
        ({"CLICOLOR": "1"}, None),
        ({"TERM": "dumb"}, False),
    ],
    ids=str,
)
def test_colours_follow_the_environment(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], expected: bool | None
) -> None:
    for name in ("NO_COLOR", "FORCE_COLOR", "CLICOLOR_FORCE", "CLICOLOR", "TERM"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert output.colour() is expected


@pytest.mark.parametrize(
    ("variables", "coloured"), [({}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)]
)
def test_on_a_terminal_headings_are_bold_unless_unwanted(
    tmp_path: Path, variables: dict[str, str], coloured: bool
) -> None:
    kept = {k: v for k, v in os.environ.items() if not re.search("COLOR", k)}
    environment = {**kept, "TERM": "xterm", **variables}
    with on_a_terminal([*IGC, "policy", "list"], environment, tmp_path) as terminal:
        assert ("\x1b[1m" in terminal.read_all()) is coloured


def test_a_dumb_terminal_and_quiet_see_no_progress(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    class Tty(io.StringIO):
        def isatty(self) -> bool:
            return True

    with contextlib.redirect_stderr(Tty()):
        monkeypatch.setenv("TERM", "xterm")
        assert output.shows_progress()
        with click.Context(click.Command("igc"), obj=Settings(quiet=True)):
            assert not output.shows_progress()
        monkeypatch.setenv("TERM", "dumb")
        assert not output.shows_progress()
    with contextlib.redirect_stderr(io.StringIO()):
        assert not output.shows_progress()


@pytest.mark.parametrize(
    ("columns", "expected"),
    [("60", 60), ("5", 40), ("0", 80), ("500", 100), ("many", 80), ("", 80), ("-3", 80)],
)
def test_width_is_that_of_columns_within_reason(
    monkeypatch: pytest.MonkeyPatch, columns: str, expected: int
) -> None:
    def no_terminal(number: int = 0) -> os.terminal_size:
        raise OSError

    monkeypatch.setattr(os, "get_terminal_size", no_terminal)
    monkeypatch.setenv("COLUMNS", columns)
    assert layout.columns() == expected


def test_width_is_the_terminal_s(tmp_path: Path) -> None:
    environment = {k: v for k, v in os.environ.items() if k != "COLUMNS"}
    command = [*IGC, "check", "--help"]
    with on_a_terminal(command, environment, tmp_path, columns=60) as terminal:
        lines = terminal.read_all().splitlines()
    assert 54 <= max(len(line) for line in lines if " igc " not in line) <= 60


def test_steps_of_a_whole_job_name_nobody_and_tell_no_secret(
    igc, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from igcsante.card import readers
    from igcsante.testing.cards import SimulatedReader
    from igcsante.testing.world import SimulatedWorld

    with SimulatedWorld() as world:
        card = world.card("cps3")
        (world.directory / "config.toml").write_text(world.profile_toml())
        monkeypatch.setenv("IGC_CONFIG_DIR", str(world.directory))
        monkeypatch.setenv("PIN", card.pin)
        monkeypatch.setattr(readers, "system_readers", lambda: [SimulatedReader("A 1", card)])
        log = tmp_path / "steps.log"
        code, _, err = igc(
            *("--profile", "sim", "-v", "--log-file", log),
            *("habilitations", "--pin-source", "env:PIN"),
        )
    assert code == 0, err
    for told in (err, log.read_text()):
        for expected in ("CPS3 card open", "PIN verified", "POST 127.0.0.1: HTTP 200"):
            assert expected in told
        for hidden in (str(card.profile.national_id), card.profile.serial, f"PIN {card.pin}"):
            assert hidden not in told

"""``igc setup`` on a terminal: the whole way, stopping and going on, and nothing without a yes."""

from __future__ import annotations

import json
import os
import re
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import date
from pathlib import Path
from unittest.mock import patch

import pytest
import terminal as terminal_module
from terminal import Terminal, on_a_terminal

IGC = (sys.executable, "-m", "igcsante.cli.main")
CTRL_C = "\x03"
CODE, PIN = "a code to revoke with", "1234"

Answers = Sequence[tuple[str, str]]  # a question, and what is typed

KEEP: Answers = [("Keep them?", "y")]
PHASE_1: Answers = [
    ("Enter: no", "F414.txt"),
    ("Is the form filled in?", "y"),
    ("On which day?", "2026-01-05"),
    ("Have you sent it?", "y"),
    ("On which day?", ""),
    ("reception come?", "y"),
    ("On which day?", ""),
    ("validation come?", "y"),
    ("On which day?", ""),
    ("its PIN?", "y"),
    ("On which day?", ""),
    ("WSDL and manual?", "y"),
    ("On which day?", ""),
]
PROFILE: Answers = [("Write it?", "y")]
LISTS: Answers = [("crl update", ""), ("Run it?", "y")]
HABILITATIONS: Answers = [("sim habilitations", ""), ("Run it?", "y")]
ORDER: Answers = [
    ("PIN of the card", PIN),
    ("Structure (1", "10B0999003"),
    ("Name of the service", ""),
    ("E-mail address that is notified", ""),
    ("E-mail address that is notified", "me"),
    ("E-mail address that is notified", "team@example.org"),
    ("Folder of the files", ""),
    ("Run it?", "y"),
    ("Revocation code", CODE),
    ("Repeat", CODE),
    ("undertake to respect", "y"),
    ("PIN of the card", PIN),
]


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """A machine without readers, configuration or data; its terminal has 80 columns."""
    kept = {k: v for k, v in os.environ.items() if k != "COLUMNS" and not k.startswith("IGC_")}
    return {
        **kept,
        "IGC_CONFIG_DIR": str(tmp_path / "home/config"),
        "IGC_DATA_DIR": str(tmp_path / "home/data"),
        "IGC_LANG": "en",
        "NO_COLOR": "1",
        "TMPDIR": str(tmp_path / "tmp"),
        "PCSCLITE_CSOCK_NAME": str(tmp_path / "no-pcscd"),
    }


@contextmanager
def walking(environment: dict[str, str], folder: Path, *arguments: str) -> Iterator[Terminal]:
    (folder / "tmp").mkdir(exist_ok=True)
    (folder / "work").mkdir(exist_ok=True)
    script = 'trap : INT; "$@"; echo "code=$?"'
    command = ["/bin/sh", "-c", script, "sh", *IGC, "setup", *arguments]
    with on_a_terminal(command, environment, folder / "work", columns=80) as terminal:
        yield terminal


def answer(terminal: Terminal, answers: Answers) -> None:
    """Type each answer once its question stands there; a line that is waited for has none."""
    at = getattr(terminal, "answered", 0)
    for question, typed in answers:
        screen = terminal.wait_for(question, at)
        at = screen.index(question, at) + len(question)
        if typed == CTRL_C:
            interrupt(terminal)
        elif typed or not question.endswith(("update", "habilitations")):
            terminal.type(typed + "\n")
    terminal.answered = at  # type: ignore[attr-defined]


def interrupt(terminal: Terminal) -> None:
    """Ctrl-C, again when it came just before Python began to read, which forgets it then."""
    for _ in range(20):
        with patch.object(terminal_module, "SECONDS", 2), suppress(AssertionError):
            terminal.type(CTRL_C)
            terminal.wait_for("Interrupted.")
            return
    raise AssertionError(terminal.screen)


def ended(terminal: Terminal) -> str:
    terminal.wait_for("code=")
    return terminal.read_all().replace("\r\n", "\n")


def snapshot(folder: Path) -> dict[str, tuple[int, bytes]]:
    """Every file and folder under it: mode and content."""
    return {
        str(path.relative_to(folder)): (
            path.stat().st_mode,
            path.read_bytes() if path.is_file() else b"",
        )
        for path in sorted(folder.rglob("*"))
    }


def test_the_whole_way_with_the_simulation(environment: dict[str, str], tmp_path: Path) -> None:
    with walking(environment, tmp_path, "--simulation") as terminal:
        answer(terminal, [*PHASE_1, *PROFILE, *LISTS, *HABILITATIONS, *ORDER])
        screen = ended(terminal)
    assert "14 of 14 steps are behind you." in screen and "code=0" in screen
    assert "the platform is 127.0.0.1:" in screen
    assert re.search(r"10B0999003 +CENTRE.* ORG ", screen)
    assert screen.index("<soap-env:Envelope") < screen.index("Order 1 is placed")
    assert screen.count("Behind you:") == 14
    assert PIN not in screen.partition("The card's PIN is 1234")[2].replace("12345", "")
    assert CODE not in screen
    assert "Keep them?" not in screen and "no such socket" not in screen
    assert "This is the contract of igcsante's own mock, not the ANS's." in screen
    assert "Nothing was typed." in screen and screen.count("Structure (1") == 1
    assert "Error: 'me' is not an e-mail address" in screen and "emails:" not in screen
    assert "Not written, as this is a simulation: F414.txt" in screen
    assert list((tmp_path / "work").iterdir()) == []
    assert not (tmp_path / "home").exists(), "the person's own files are not touched"
    assert list((tmp_path / "tmp").iterdir()) == [], "nothing of the simulation is left"


def test_what_is_done_stays_done_after_ctrl_c(environment: dict[str, str], tmp_path: Path) -> None:
    with walking(environment, tmp_path) as terminal:
        answer(terminal, [*KEEP, *PHASE_1[:3], ("Have you sent it?", CTRL_C)])
        screen = ended(terminal)
    assert "What is done stays done. Go on with: igc setup" in screen and "code=130" in screen
    kept = tmp_path / "home/data/setup.json"
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert json.loads(kept.read_text())["profiles"] == {"test": {"form": "2026-01-05"}}

    with walking(environment, tmp_path, "--phase", "1") as terminal:
        answer(terminal, [*PHASE_1[3:5], ("reception come?", CTRL_C)])
        screen = ended(terminal)
    assert "Is the form filled in?" not in screen and "Keep them?" not in screen
    assert "Behind you: said done, 2026-01-05." in screen
    sent = json.loads(kept.read_text())["profiles"]["test"].pop("sent")
    assert abs((date.today() - date.fromisoformat(sent)).days) <= 1


def test_ctrl_c_where_the_pin_is_asked_ends_it(environment: dict[str, str], tmp_path: Path) -> None:
    answers = [*PHASE_1, *PROFILE, *LISTS, *HABILITATIONS, ("PIN of the card", CTRL_C)]
    with walking(environment, tmp_path, "--simulation") as terminal:
        answer(terminal, answers)
        screen = ended(terminal)
    assert "Stopped. No step was kept." in screen and "code=130" in screen
    assert list((tmp_path / "tmp").iterdir()) == []


def test_nothing_is_written_without_a_yes(environment: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "work").mkdir()
    for name in ("pfc.wsdl", "pfc.toml"):
        (tmp_path / "work" / name).touch()
    before = snapshot(tmp_path)
    answers = [
        ("Keep them?", "n"),
        ("Enter: no", ""),
        ("Is the form filled in?", "y"),  # it counts for now, and is kept nowhere
        ("On which day?", ""),
        ("Have you sent it?", "n"),
        ("its PIN?", "n"),
        ("WSDL and manual?", "n"),
        ("look again; s", "s"),  # no reader
        ("look again; s", "s"),  # no card
        ("Address of the web service", "https://pfc.example/service"),
        ("File of its WSDL", "absent.wsdl"),
        ("File of its WSDL", "pfc.wsdl"),
        ("Mapping file", "pfc.toml"),
        ("Write it?", "n"),
        ("Run it?", "n"),  # trust fetch
    ]
    with walking(environment, tmp_path) as terminal:
        answer(terminal, answers)
        screen = ended(terminal)
    assert 'platform = "https://pfc.example/service"' in screen, "shown before it is asked"
    assert "The ANS has the form: later. First: Send the form (sent)\n" in screen
    assert "1 of 14 steps are behind you." in screen
    assert "code=0" in screen
    after = snapshot(tmp_path)
    assert {name for name in after if name not in before} == {"tmp"}
    assert "would go to" in screen and "absent.wsdl" in screen


def test_only_the_lines_that_were_shown_are_written(
    environment: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "home/config").mkdir(parents=True)
    config = tmp_path / "home/config/config.toml"
    config.write_text('# mine\n[profiles.other]\nreader = "A"  # kept\n')
    answers = [
        ("Keep them?", "n"),
        ("Address of the web service", "ftp://pfc.example/"),
        ("Address of the web service", "https://pfc.example/service"),
        ("File of its WSDL", ""),
        ("Mapping file", ""),
        ("Write it?", "y"),
        ("look again; s", "q"),  # no WSDL and no mapping file is named yet
    ]
    with walking(environment, tmp_path, "profile") as terminal:
        answer(terminal, answers)
        screen = ended(terminal)
    assert "[profiles.test]" in screen and "does not name both WSDL and mapping" in screen
    assert config.read_text() == (
        '# mine\n[profiles.other]\nreader = "A"  # kept\n\n'
        '[profiles.test]\nplatform = "https://pfc.example/service"\n'
    )
    assert not (tmp_path / "home/data").exists()


def test_what_was_said_can_be_taken_back(environment: dict[str, str], tmp_path: Path) -> None:
    kept = tmp_path / "home/data/setup.json"
    kept.parent.mkdir(parents=True)
    kept.write_text(
        '{"format": 1, "profiles": {"test": {"form": "2026-01-05", "sent": "2026-01-06"}}}'
    )
    with walking(environment, tmp_path, "sent") as terminal:
        answer(terminal, [("Still so?", "n"), ("Have you sent it?", "n")])
        screen = ended(terminal)
    assert "Noted on 2026-01-06." in screen and "code=0" in screen
    assert json.loads(kept.read_text())["profiles"] == {"test": {"form": "2026-01-05"}}


def test_a_yes_is_understood_in_french_and_enter_is_none(
    environment: dict[str, str], tmp_path: Path
) -> None:
    with walking(environment, tmp_path, "cards") as terminal:
        answer(terminal, [("Keep them?", ""), ("Keep them?", "oui"), ("its PIN?", "maybe")])
        answer(terminal, [("its PIN?", "o"), ("On which day?", "tomorrow")])
        answer(terminal, [("On which day?", "2999-01-01"), ("On which day?", "2026-02-03")])
        screen = ended(terminal)
    assert "Write the day so: 20" in screen and "has not come yet" in screen
    kept = json.loads((tmp_path / "home/data/setup.json").read_text())
    assert kept["profiles"] == {"test": {"cards": "2026-02-03"}}


@pytest.mark.parametrize("no", ["n", "no", "NON"])
def test_yes_and_no_are_no_names_of_files(
    environment: dict[str, str], tmp_path: Path, no: str
) -> None:
    answers = [("Enter: none", yes) for yes in ("y", "Yes", "o", "oui")]
    with walking(environment, tmp_path, "form") as terminal:
        answer(terminal, [("Keep them?", "n"), *answers, ("Enter: none", no)])
        answer(terminal, [("Is the form filled in?", "n")])
        screen = ended(terminal)
    assert screen.count("Then type the name of the file, such as F414.txt.") == 4
    assert list((tmp_path / "work").iterdir()) == []


@pytest.mark.parametrize(
    ("language", "keep", "told", "never_here"),
    [
        ("en", "Keep them?", "Type y for yes, n for no, or q to stop here.", "A PIN is never"),
        (
            "fr",
            "Les conserver\xa0?",
            "Taper o pour oui, n pour non, ou q",
            "Un PIN ne se tape jamais",
        ),
    ],
)
def test_a_wrong_answer_is_told_what_is_wanted(
    environment: dict[str, str],
    tmp_path: Path,
    language: str,
    keep: str,
    told: str,
    never_here: str,
) -> None:
    environment["IGC_LANG"] = language
    with walking(environment, tmp_path, "cards") as terminal:
        answer(terminal, [(keep, "n"), ("PIN", "maybe")])
        terminal.wait_for(told)
        assert never_here not in terminal.screen
        answer(terminal, [("PIN", PIN)])
        terminal.wait_for(never_here)
        answer(terminal, [(never_here, "n")])
        screen = ended(terminal)
    assert screen.count(told) == 2 and "code=0" in screen
    assert "know its PIN?" in screen or "connaissez-vous son PIN" in screen


def test_a_folder_is_asked_for_by_its_name(environment: dict[str, str], tmp_path: Path) -> None:
    answers = [a for a in ORDER if "Folder" not in a[0]]
    at = [question for question, _ in answers].index("Run it?")
    answers[at:at] = [("Folder of the files", "n"), ("Folder of the files", "y")]
    with walking(environment, tmp_path, "--simulation", "--phase", "2") as terminal:
        answer(terminal, [*PROFILE, *LISTS, *HABILITATIONS, *answers])
        screen = ended(terminal)
    assert "Then type the name of another folder." in screen
    assert re.search(r"igc-setup-\w+/certs", "".join(screen.split())) and "code=0" in screen
    assert list((tmp_path / "work").iterdir()) == []


def test_a_step_does_not_send_one_to_itself(environment: dict[str, str], tmp_path: Path) -> None:
    answers = [*PROFILE, *LISTS, *HABILITATIONS, *ORDER[:-6]]
    with walking(environment, tmp_path, "--simulation", "--phase", "2") as terminal:
        answer(terminal, [*answers, ("Folder of the files", ""), ("Run it?", "n")])
        screen = ended(terminal)
    before = screen[: screen.index("steps are behind you")]
    assert "nothing was ordered at this platform yet" in before
    assert "setup order" not in before


def test_lines_fit_the_terminal(environment: dict[str, str], tmp_path: Path) -> None:
    with walking(environment, tmp_path, "--phase", "1") as terminal:
        answer(terminal, [*KEEP, *PHASE_1])
        screen = ended(terminal)
    assert (tmp_path / "work/F414.txt").stat().st_mode & 0o777 == 0o600
    path = str(tmp_path)  # cut in no language
    assert [line for line in screen.splitlines() if len(line) > 80 and path not in line] == []
    assert "\x1b[" not in screen


@pytest.mark.parametrize(
    ("step", "needs", "begin"),
    [
        ("order", ["card", "profile", "contract", "anchors", "habilitations"], "card"),
        ("habilitations", ["card", "profile", "contract", "anchors"], "card"),
        ("lists", ["anchors"], "anchors"),
        ("sent", ["form"], "form"),
    ],
)
def test_a_step_that_is_named_waits_for_what_it_needs(
    environment: dict[str, str], tmp_path: Path, step: str, needs: list[str], begin: str
) -> None:
    with walking(environment, tmp_path, step) as terminal:
        answer(terminal, [("Keep them?", "n")])
        screen = ended(terminal)
    told = re.search(r": later\. First: (.*?\))\r? +\w+: ", " ".join(screen.split()))
    assert told and re.findall(r"\((\w+)\)", told[1]) == needs
    assert f"Begin with: igc --profile test setup {begin}\n" in screen
    assert not any(word in screen for word in ("Structure (1", "Run it?", "sent it?", "POST"))


def test_a_date_is_not_before_that_of_what_came_first(
    environment: dict[str, str], tmp_path: Path
) -> None:
    kept = tmp_path / "home/data/setup.json"
    kept.parent.mkdir(parents=True)
    kept.write_text('{"format": 1, "profiles": {"test": {"form": "2026-01-05"}}}')
    with walking(environment, tmp_path, "sent") as terminal:
        answer(terminal, [("Have you sent it?", "y"), ("On which day?", "2026-01-04")])
        answer(terminal, [("On which day?", "2026-01-05")])
        screen = ended(terminal)
    assert "That is before 2026-01-05" in screen
    assert json.loads(kept.read_text())["profiles"]["test"]["sent"] == "2026-01-05"


@pytest.mark.parametrize(
    "answers",
    [
        [("Keep them?", "q")],
        [("Keep them?", "n"), ("Enter: no", "q")],
        [("Keep them?", "n"), ("Enter: no", ""), ("Is the form filled in?", "q")],
        [*KEEP, ("Enter: no", ""), ("Is the form filled in?", "y"), ("On which day?", "Q")],
    ],
)
def test_q_stops_at_any_question(
    environment: dict[str, str], tmp_path: Path, answers: Answers
) -> None:
    with walking(environment, tmp_path) as terminal:
        answer(terminal, answers)
        screen = ended(terminal)
    assert "0 of 14 steps are behind you." in screen and "code=0" in screen
    assert not (tmp_path / "home").exists()


def test_a_closed_terminal_leaves_nothing_of_the_simulation(
    environment: dict[str, str], tmp_path: Path
) -> None:
    """SIGHUP comes twice: from the kernel for the terminal, and from the shell that ends."""
    left = tmp_path / "tmp"
    left.mkdir()
    command = [*IGC, "setup", "--simulation"]
    with on_a_terminal(command, environment, tmp_path, columns=80) as terminal:
        answer(terminal, [("Enter: no", "")])
        terminal.wait_for("Is the form filled in?")
        assert list(left.iterdir()) != []
        terminal.close()
        os.kill(terminal.process.pid, signal.SIGHUP)
        assert terminal.process.wait(terminal_module.SECONDS) == 128 + signal.SIGHUP
    assert list(left.iterdir()) == []


def test_nohup_is_respected(environment: dict[str, str]) -> None:
    script = "from igcsante.cli.stopping import asked_to_end; print(*map(int, asked_to_end()))"
    for beginning, expected in (("trap '' HUP;", [15]), ("", [15, 1])):
        line = f'{beginning} exec "$0" -c "$1"'
        told = subprocess.run(
            ["/bin/sh", "-c", line, sys.executable, script],
            env=environment,
            preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_DFL),
            capture_output=True,
            check=True,
        )
        assert [int(word) for word in told.stdout.split()] == expected

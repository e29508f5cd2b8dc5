"""docs/simulation.md: its commands, its profile and its tests, run as they stand there."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from textwrap import indent

import pytest
from e2e_support import REPOSITORY, Machine, free_ports, next_line, serving, stop

from igcsante.errors import PcscUnavailableError
from igcsante.testing.cards import PrivatePcscd, load_profile
from igcsante.testing.cards.faults import KINDS

PAGE = (REPOSITORY / "docs/simulation.md").read_text("utf-8")
IGC = (sys.executable, "-m", "igcsante.cli.main")
SECONDS = 60


def blocks(language: str) -> list[str]:
    found = re.findall(r"^```(\w*)\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
    return [text for kind, text in found if kind == language]


def commands() -> list[list[str]]:
    lines = "".join(blocks("console")).splitlines()
    return [line.removeprefix("$ ").split("#")[0].split()[1:] for line in lines]


def pcscd_is_there() -> None:
    pytest.importorskip("smartcard", reason="pyscard is not installed")
    try:
        with PrivatePcscd():
            pass
    except PcscUnavailableError as missing:
        pytest.skip(str(missing))


def test_the_commands_do_what_the_page_says(tmp_path: Path) -> None:
    pcscd_is_there()
    machine = Machine(tmp_path)
    for words in commands():
        if words[:2] == ["sim", "run"]:
            assert "no answer" not in with_card(machine, words, ["card", "info"])
        elif words[:2] == ["card", "record"]:
            with_card(machine, ["sim", "run", "--card", "cps3", "--pcscd"], words)
        else:
            assert machine.igc(*words).code == 0, words
    assert (tmp_path / "card.json").stat().st_mode & 0o077 == 0


def with_card(machine: Machine, run: list[str], words: list[str]) -> str:
    """A command while ``igc sim run`` holds its card: what the latter said meanwhile."""
    with machine.start(*IGC, *run, "--json") as process:
        variables = json.loads(next_line(process))["environment"]
        assert machine.igc(*words, **variables).code == 0, (run, words)
        return stop(process, signal.SIGINT).err


def test_the_profile_is_one(tmp_path: Path) -> None:
    profile, _ = blocks("toml")
    (tmp_path / "profile.toml").write_text(profile, "utf-8")
    found = load_profile(tmp_path / "profile.toml")
    assert (found.pin_tries_left, found.state, found.activities) == (1, "expired", ())


def test_every_fault_is_in_the_table() -> None:
    rows = re.findall(r"^\| (`.*?) \|", PAGE, re.MULTILINE)
    assert set(re.findall(r"`(\w+)`", " ".join(rows))) == set(KINDS)


@pytest.mark.long
def test_the_tests_pass(tmp_path: Path) -> None:
    removal, conftest, replay, order, platform, wsgi = blocks("python")
    (tmp_path / "conftest.py").write_text(conftest, "utf-8")
    (tmp_path / "test_removal.py").write_text(removal, "utf-8")
    (tmp_path / "test_replay.py").write_text(replay, "utf-8")
    (tmp_path / "test_order.py").write_text(order, "utf-8")
    (tmp_path / "test_platform.py").write_text(platform, "utf-8")
    (tmp_path / "test_wsgi.py").write_text(f"def test_it():\n{indent(wsgi, '    ')}", "utf-8")
    record(tmp_path)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path)],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        timeout=SECONDS,
    )
    assert done.returncode == 0, done.stdout
    assert "5 passed" in done.stdout


@pytest.mark.long
def test_the_platform_obeys_its_commands(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    _, settings = blocks("toml")
    lines = [line.split("#")[0].split()[1:] for line in "".join(blocks("sh")).splitlines()]
    told = [words for words in lines if words[:2] in (["sim", "clock"], ["sim", "mails"])]
    told += [words for words in lines if words[:2] == ["sim", "fail"]]
    with free_ports(2) as (port, pki_port):
        own = ("--port", str(port), "--pki-port", str(pki_port))
        with serving(machine, "sim", "platform", *own) as (_, platform):
            for words in told:
                assert machine.igc(*words).code == 0, words
            assert machine.igc("sim", "clock").out[:2] == "20"
        printed = machine.igc("sim", "settings").out
        (tmp_path / "mine.toml").write_text(printed + "\n", "utf-8")
        (tmp_path / "short.toml").write_text(settings, "utf-8")
        for name in ("mine.toml", "short.toml"):
            with serving(machine, "sim", "platform", *own, "--settings", name) as (_, again):
                assert again == platform
    assert len(told) == 5


def record(folder: Path) -> None:
    from igcsante.card.readers import open_card
    from igcsante.card.recording import Recorder
    from igcsante.testing.cards import SimulatedReader
    from igcsante.testing.world import SimulatedWorld

    recorder = Recorder()
    with SimulatedWorld() as world:
        reader = SimulatedReader(card=world.card("cps3"))
        with open_card(readers=[reader], monitor=recorder) as card:
            card.label()
    recorder.recording().save(folder / "session.jsonl")

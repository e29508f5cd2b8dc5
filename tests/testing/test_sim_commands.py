"""``igc sim card`` and ``igc sim run --state``, as a person types them."""

import json
import threading
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from igcsante.cli import sim, stopping
from igcsante.cli.main import run
from igcsante.cli.schemas import schema
from igcsante.testing.cards import load_profile, profile_names


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, object]]:
    found = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    validator = Draft202012Validator(schema("igc.sim.card/1"))
    for line in found:
        if line["schema"] == "igc.sim.card/1":
            validator.validate(line)
    return found


def test_list_shows_every_profile_of_the_package(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["sim", "card", "list"]) == 0
    table = capsys.readouterr().out
    assert all(name in table for name in profile_names())
    assert "30B0999003/CPET0002" in table
    assert run(["sim", "card", "list", "--json"]) == 0
    assert [line["name"] for line in lines(capsys)] == list(profile_names())


def test_new_profile_is_another_card_that_can_be_shown_and_used(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "mine.toml"
    assert run(["sim", "card", "new", str(file), "--like", "full"]) == 0
    assert capsys.readouterr().out == ""
    made, model = load_profile(file), load_profile("full")
    assert made.name == "mine"
    assert (made.surname, made.activities[0].raison_sociale) == (
        model.surname,
        model.activities[0].raison_sociale,
    )
    assert made.serial != model.serial
    assert made.card_number != model.card_number
    assert run(["sim", "card", "show", str(file)]) == 0
    assert capsys.readouterr().out == file.read_text("utf-8")
    assert run(["sim", "card", "show", str(file), "--json"]) == 0
    (line,) = lines(capsys)
    assert line["serial"] == made.serial


def test_new_profile_replaces_no_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "mine.toml"
    file.write_text("precious")
    assert run(["sim", "card", "new", str(file)]) == 1
    assert "already there" in capsys.readouterr().err
    assert file.read_text() == "precious"
    assert run(["sim", "card", "new", str(tmp_path / "other.toml"), "--json"]) == 0
    (line,) = lines(capsys)
    assert line["name"] == "other"


def test_unknown_profile_names_those_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["sim", "card", "show", "cps5"]) == 2
    assert "known: adeli, blocked" in capsys.readouterr().err


def test_state_goes_with_a_card_not_with_a_recording(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    both = ["--replay", str(tmp_path / "r.json"), "--state", str(tmp_path / "s.json")]
    assert run(["sim", "run", *both]) == 2
    assert "--state goes with --card" in capsys.readouterr().err


def test_run_keeps_the_state_that_it_is_told_to(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    stopped = threading.Event()
    stopped.set()
    monkeypatch.setattr(stopping, "stop_on_signals", lambda: stopped)
    monkeypatch.setattr(sim, "simulated_world_directory", lambda: tmp_path / "world")
    state = tmp_path / "card.json"
    code = run(["sim", "run", "--card", "blocked", "--state", str(state), "--pcscd", "--json"])
    (line,) = lines(capsys)
    if line["schema"] == "igc.error/1" and code == 3:
        pytest.skip("no pcscd with vpcd here")
    assert (code, line["card"], line["pin"]) == (0, "blocked", "1234")
    kept = json.loads(state.read_text())
    assert kept["card"] == "99700406/3100997053"
    assert kept["pins"]["1"]["tries_left"] == 0

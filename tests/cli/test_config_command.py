"""``igc config``: what is told, what is changed, and an editor that goes wrong."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from processes import started

from igcsante.cli import chosen, config_edit, main
from igcsante.cli.output import Settings
from igcsante.cli.schemas import schema
from igcsante.config import KEYS, Kind, OriginKind

START = '# mine\n[profiles.test]\nreader = "R"\n'


class Igc:
    """Runs ``igc config`` in this process, with a file of its own."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.path = folder / "config" / "config.toml"
        self.path.parent.mkdir()
        self.path.write_text(START)
        self._capsys = capsys
        self.code, self.err = 0, ""

    def __call__(self, *arguments: str) -> str:
        self._capsys.readouterr()
        self.code = main.run(["config", *arguments])
        out, self.err = self._capsys.readouterr()
        return out

    def lines(self, *arguments: str) -> list[dict[str, Any]]:
        told = [json.loads(line) for line in self(*arguments, "--json").splitlines()]
        for line in told:
            Draft202012Validator(schema(line["schema"])).validate(line)
        return told

    def copies(self) -> list[Path]:
        return sorted(self.path.parent.glob("config-*.toml"))


@pytest.fixture
def igc(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Igc]:
    monkeypatch.setenv("IGC_CONFIG_DIR", str(tmp_path / "config"))
    monkeypatch.setenv("IGC_DATA_DIR", str(tmp_path / "data"))
    for name in ("IGC_CARD_CACHE", "VISUAL", "EDITOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    yield Igc(tmp_path, capsys)


@pytest.fixture
def editor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Makes an editor of a few lines of shell, whose ``$1`` is the file."""

    def install(script: str) -> None:
        program = tmp_path / "my editor"
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o700)
        monkeypatch.setenv("EDITOR", f"'{program}' --wait")

    return install


# -- what counts ------------------------------------------------------------------------------


def test_show_says_where_each_value_comes_from(igc: Igc, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IGC_PLATFORM", "https://x/")
    monkeypatch.setenv("IGC_PROFILE", "test")
    told = igc("show", "--origin").splitlines()
    assert [line.split() for line in told[1:3]] == [
        ["profile", "variable", "IGC_PROFILE", "test"],
        ["platform", "variable", "IGC_PLATFORM", "https://x/"],
    ]
    assert ["reader", "config.toml:3", "R"] in [line.split() for line in told]
    assert f"config.toml is {igc.path}" in igc.err
    assert all(len(line) <= 80 for line in told)


def test_show_and_get_for_a_program(igc: Igc, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IGC_TOTAL_SECONDS", "5")
    told = {line["key"]: line for line in igc.lines("show", "--profile", "test")}
    assert list(told) == ["profile", *KEYS]
    assert told["reader"]["origin"] == {
        "kind": "file",
        "name": str(igc.path),
        "line": 3,
        "column": 10,
    }
    assert told["total_seconds"]["value"] == 5
    assert {line["origin"]["kind"] for line in told.values()} == {"flag", *OriginKind} - {""}
    assert igc.lines("get", "reader", "--profile", "test") == [told["reader"]]


def test_get_prints_the_value_alone(igc: Igc) -> None:
    assert igc("get", "reader", "--profile", "test") == "R\n"
    assert igc("get", "http_hosts") == "igc-sante.esante.gouv.fr\nocsp.esante.gouv.fr\n"
    assert (igc("get", "reader"), igc.code) == ("", 0)
    assert igc("get", "profile") == "default\n"
    igc("get", "readr")
    assert (igc.code, "did you mean 'reader'" in igc.err) == (2, True)


def test_option_of_a_command_is_the_strongest(igc: Igc, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IGC_PLATFORM", "https://variable/")
    arguments = ["--platform", "https://flag/", "config", "get", "platform", "--json"]
    assert main.run(arguments) == 0
    told = json.loads(igc._capsys.readouterr().out)
    assert (told["value"], told["origin"]["name"]) == ("https://flag/", "--platform")


def test_profile_of_the_variable_is_that_of_orders_too(
    igc: Igc, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable, flag, wrong in (("nope", [], True), ("nope", ["--profile", "test"], False)):
        monkeypatch.setenv("IGC_PROFILE", variable)
        assert main.run([*flag, "orders"]) == (2 if wrong else 0)
        told = igc._capsys.readouterr().err
        assert ("IGC_PROFILE: there is no profile 'nope'" in told) == wrong
    asked = chosen.asked_profile
    monkeypatch.setenv("IGC_PROFILE", "test")
    assert (asked(Settings()), asked(Settings(profile="prod"))) == ("test", "prod")
    monkeypatch.delenv("IGC_PROFILE")
    igc("set", "default_profile", "test")
    assert asked(Settings()) == ""  # nobody asked: all orders


def test_a_slip_in_a_variable_is_one_sentence(igc: Igc, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IGC_PLATFROM", "https://x/")
    igc("get", "reader")
    assert igc.err == (
        "Careful: the variable IGC_PLATFROM means nothing to igc; perhaps IGC_PLATFORM is meant.\n"
    )


def test_an_unknown_language_is_told_once_and_english_is_spoken(
    igc: Igc, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LANG", "fr_FR.UTF-8")
    monkeypatch.setenv("IGC_LANG", "xx")
    assert igc("profiles").startswith("Profile")
    assert igc.err == "Careful: IGC_LANG is 'xx', and igc speaks fr and en.\n"
    igc.lines("profiles")  # each line is JSON
    assert igc.err.count("IGC_LANG") == 1
    for language in ("french", "fr_FR.UTF-8", "C", ""):
        monkeypatch.setenv("IGC_LANG", language)
        igc("get", "reader")
        assert igc.err == ""


def test_profiles_say_which_one_counts(igc: Igc) -> None:
    told = igc.lines("profiles")
    assert [(line["name"], line["chosen"]) for line in told] == [
        *[("test", False), ("default", True), ("prod", False)]
    ]
    assert [line["files"] for line in told] == [[str(igc.path)], [], []]
    igc("set", "default_profile", "test")
    assert "test     config.toml:2" in igc("profiles")


def test_keys_are_all_described(igc: Igc) -> None:
    told = igc.lines("keys")
    assert [line["key"] for line in told] == list(KEYS)
    kinds = schema("igc.config.key/1")["properties"]["kind"]["enum"]
    assert sorted(kinds) == sorted(Kind)
    text = igc("keys")
    assert all(len(line) <= 80 for line in text.splitlines())
    assert "IGC_LANG" in text


def test_path_is_told_before_there_is_a_file(igc: Igc) -> None:
    igc.path.unlink()
    assert igc("path") == f"{igc.path}\n"
    assert igc.lines("path") == [
        {"schema": "igc.config.path/1", "path": str(igc.path), "exists": False}
    ]


def test_variable_that_means_nothing_is_told_without_its_value(
    igc: Igc, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IGC_PLATFROM", "canary")
    monkeypatch.setenv("IGC_MY_PIN", "canary")
    igc("get", "reader")
    assert igc.err.count("IGC_PLATFORM") == 1
    assert "IGC_MY_PIN" not in igc.err
    igc("show")
    assert "IGC_MY_PIN" in igc.err
    assert "canary" not in igc.err


# -- what is changed --------------------------------------------------------------------------


def test_set_and_unset_say_what_they_did(igc: Igc, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "reader is now 'Q' in the profile 'test'" in igc(
        "set", "reader", "Q", "--profile", "test"
    )
    (told,) = igc.lines("set", "anchors", "/a", "/b", "--profile", "test")
    assert (told["value"], told["previous"]) == (["/a", "/b"], None)
    assert "there is no file /a yet" in igc.err
    igc("set", "reader", "Q", "--profile", "tset")
    assert "did you mean 'test'?" in igc.err
    (told,) = igc.lines("unset", "reader", "--profile", "test")
    assert (told["value"], told["previous"]) == (None, "Q")
    monkeypatch.setenv("IGC_READER", "other")
    igc("set", "reader", "Q")
    assert "the variable IGC_READER is set" in igc.err
    assert igc.path.read_text().startswith("# mine\n[profiles.test]\n")


def test_change_goes_to_the_profile_that_counts(igc: Igc, monkeypatch: pytest.MonkeyPatch) -> None:
    igc("set", "default_profile", "test")
    igc("set", "reader", "by file")
    assert igc("get", "reader", "--profile", "test") == "by file\n"
    monkeypatch.setenv("IGC_PROFILE", "prod")
    igc("set", "reader", "by variable")
    assert igc("get", "reader", "--profile", "prod") == "by variable\n"


def test_mistakes_name_file_line_and_column(igc: Igc) -> None:
    igc.path.write_text('[profiles.test]\n\n  platfrom = "x"\n')
    (line,) = igc.lines("show")
    error = line["error"]
    assert error["message"] == f"{igc.path}:3:3: unknown key 'platfrom'"
    assert (error["line"], error["column"], error["path"]) == (3, 3, str(igc.path))
    assert (igc.code, error["advice"]) == (2, "did you mean 'platform'?")
    igc("unset", "platfrom", "--profile", "test")
    igc("show")
    assert igc.code == 0


def test_platform_is_https(igc: Igc) -> None:
    igc("set", "platform", "http://platform.example/ws")
    assert (igc.code, "no https address" in igc.err, igc.path.read_text()) == (2, True, START)
    igc.path.write_text('[profiles.test]\nplatform = "http://platform.example/ws"\n')
    igc("show", "--profile", "test")
    assert (igc.code, f"{igc.path}:2:12: platform: " in igc.err) == (2, True)


# -- the editor -------------------------------------------------------------------------------


def test_editor_changes_the_file(igc: Igc, editor: Callable[[str], None]) -> None:
    editor("""sed 's/"R"/"new"/' "$2" > "$2.x" && mv "$2.x" "$2" """)
    (told,) = igc.lines("edit")
    assert told["changed"] is True
    assert igc.path.read_text() == START.replace('"R"', '"new"')
    assert stat.S_IMODE(igc.path.stat().st_mode) == 0o600
    assert igc.copies() == []
    (told,) = igc.lines("edit")
    assert told["changed"] is False
    assert igc.copies() == []


def test_new_file_begins_with_every_key_and_sets_none(
    igc: Igc, editor: Callable[[str], None], tmp_path: Path
) -> None:
    igc.path.unlink()
    editor(f"cp \"$2\" '{tmp_path}/seen'")
    igc("edit")
    assert not igc.path.exists()
    seen = (tmp_path / "seen").read_text()
    assert all(f"\n# {name} = " in seen for name in KEYS)
    igc.path.write_text(seen)
    assert igc("show").count("(none)") == sum(not key.default for key in KEYS.values())
    igc.path.write_text(seen.replace("\n# total_seconds", "\ntotal_seconds"))
    assert igc.lines("get", "total_seconds")[0]["origin"]["kind"] == "file"


def test_wrong_file_is_kept_aside(igc: Igc, editor: Callable[[str], None]) -> None:
    editor("echo 'readr = 1' >> \"$2\"")
    igc("edit")
    (copy,) = igc.copies()
    assert igc.code == 2
    assert f"{copy}:4:1: unknown key 'readr'" in igc.err
    assert f"What you wrote is kept in {copy}" in igc.err
    assert copy.read_text() == START + "readr = 1\n"
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    assert igc.path.read_text() == START


def test_default_that_is_no_profile_is_wrong_too(igc: Igc, editor: Callable[[str], None]) -> None:
    editor('sed -i \'1i default_profile = "tset"\' "$2"')
    igc("edit")
    assert (igc.code, igc.path.read_text()) == (2, START)
    assert "there is no profile 'tset'" in igc.err


def test_wrong_file_is_offered_again(
    igc: Igc, editor: Callable[[str], None], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    editor(f"""echo x >> '{tmp_path}/times'
        if [ "$(wc -l < '{tmp_path}/times')" -eq 1 ]; then echo 'oops' >> "$2"
        else sed -i 's/^oops$/# mended/' "$2"; fi""")
    monkeypatch.setattr(config_edit, "is_interactive", lambda: True)
    monkeypatch.setattr(config_edit.ask, "says_yes", lambda *_, **__: True)
    igc("edit")
    assert igc.code == 0
    assert igc.path.read_text() == START + "# mended\n"
    assert igc.copies() == []


def test_error_as_json_says_where_the_mistake_is(igc: Igc, editor: Callable[[str], None]) -> None:
    editor("echo 'readr = 1' >> \"$2\"")
    (told,) = igc.lines("edit")
    (copy,) = igc.copies()
    assert (told["error"]["path"], told["error"]["line"]) == (str(copy), 4)


def test_what_was_kept_is_offered_to_a_person_and_does_not_pile_up(
    igc: Igc, editor: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    editor("echo 'readr = 1' >> \"$2\"")
    igc("edit")
    igc("edit")
    (copy,) = igc.copies()
    assert copy.read_text() == START + "readr = 1\n"
    asked: list[str] = []
    editor("sed -i 's/^readr = 1$/# mended/' \"$2\"")
    monkeypatch.setattr(config_edit, "is_interactive", lambda: True)
    monkeypatch.setattr(config_edit.ask, "says_yes", lambda text, **_: asked.append(text) or True)
    igc("edit")
    assert (igc.code, igc.copies(), len(asked)) == (0, [], 1)
    assert str(copy) in asked[0]
    assert igc.path.read_text() == START + "# mended\n"


@pytest.mark.parametrize(
    ("end", "told"),
    [
        ("kill -9 $$", "was killed (signal 9)"),
        ('rm "$2"', "took its copy away"),
        ("exit 3", "ended with 3"),
    ],
)
def test_how_the_editor_ended_is_said(
    igc: Igc, editor: Callable[[str], None], end: str, told: str
) -> None:
    editor(end)
    igc("edit")
    assert (igc.code, told in igc.err, igc.copies()) == (2, True, [])


def test_two_edits_at_once_do_not_share_a_copy(igc: Igc, editor: Callable[[str], None]) -> None:
    editor("echo '# typed' >> \"$2\"")
    with config_edit._alone(igc.path.with_name("config-edited.toml")):
        igc("edit")
    assert (igc.code, "being edited already" in igc.err) == (2, True)
    assert igc.path.read_text() == START


@pytest.mark.parametrize("death", ["kill -9 $$", "exit 3", "kill -INT $$"])
def test_editor_that_dies_loses_nothing(
    igc: Igc, editor: Callable[[str], None], death: str
) -> None:
    editor(f"echo '# typed' >> \"$2\"; {death}")
    igc("edit")
    (copy,) = igc.copies()
    assert igc.code == (130 if "INT" in death else 2)
    assert copy.read_text() == START + "# typed\n"
    assert igc.path.read_text() == START
    assert str(copy) in igc.err


def test_editor_that_dies_at_once_leaves_nothing(igc: Igc, editor: Callable[[str], None]) -> None:
    editor("exit 1")
    igc("edit")
    assert (igc.code, igc.copies()) == (2, [])


def test_file_that_changed_meanwhile_is_not_overwritten(
    igc: Igc, editor: Callable[[str], None]
) -> None:
    editor(f"echo '# typed' >> \"$2\"; echo '# other' >> '{igc.path}'")
    igc("edit")
    assert igc.code == 1
    assert igc.path.read_text() == START + "# other\n"
    assert [copy.read_text() for copy in igc.copies()] == [START + "# typed\n"]


def test_without_an_editor_it_is_said_what_to_do(igc: Igc, monkeypatch: pytest.MonkeyPatch) -> None:
    igc("edit")
    assert (igc.code, "EDITOR" in igc.err) == (2, True)
    monkeypatch.setenv("EDITOR", "no-such-editor-of-ours")
    igc("edit")
    assert (igc.code, igc.copies()) == (2, [])
    monkeypatch.setenv("EDITOR", "'unclosed")
    igc("edit")
    assert igc.code == 2


def test_ctrl_c_while_editing_is_the_editors(igc: Igc, editor: Callable[[str], None]) -> None:
    """A real process group, as a terminal makes one: igc goes on, the editor decides."""
    editor("""trap 'echo "# caught" >> "$2"; exit 0' INT
        echo ready; while :; do read line; done""")
    command = [sys.executable, "-m", "igcsante.cli.main", "config", "edit"]
    pipe = subprocess.PIPE
    with started(command, start_new_session=True, stdin=pipe, stdout=pipe) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        os.killpg(process.pid, signal.SIGINT)
        assert b"was changed" in process.stdout.read()
    assert process.returncode == 0
    assert igc.path.read_text() == START + "# caught\n"
    assert igc.copies() == []


def test_full_disk_keeps_file_and_what_was_typed(
    igc: Igc, editor: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    editor("echo '# typed' >> \"$2\"")
    real = os.fsync

    def full(handle: int) -> None:
        if igc.copies():  # once the copy is there
            raise OSError(28, os.strerror(28))
        real(handle)

    monkeypatch.setattr(config_edit, "write_atomic", _plain_write)
    monkeypatch.setattr(os, "fsync", full)
    igc("edit")
    assert igc.code == 1
    assert "No space left" in igc.err
    assert igc.path.read_text() == START
    assert [copy.read_text() for copy in igc.copies()] == [START + "# typed\n"]


def _plain_write(path: Path, data: bytes, **_: object) -> None:
    path.write_bytes(data)

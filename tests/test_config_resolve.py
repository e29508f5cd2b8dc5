"""What counts: flags, variables, files, defaults; and what is told of the origin."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from igcsante.config import (
    KEYS,
    VARIABLES,
    Kind,
    OriginKind,
    Profile,
    config_directory,
    profile_names,
    resolve,
    unknown_variables,
)
from igcsante.errors import ConfigError

# A value of each kind: as a flag has it, in a variable, in a file, and what the last two mean.
VALUES: dict[Kind, tuple[Any, str, str, Any, Any]] = {
    Kind.TEXT: ("flag", "variable", '"file"', "variable", "file"),
    Kind.CHOICE: ("never", "always", '"auto"', "always", "auto"),
    Kind.ADDRESS: ("https://f/", "https://v/", '"https://x/"', "https://v/", "https://x/"),
    Kind.PROXY: ("http://f:1", "http://v:2", '"http://x"', "http://v:2", "http://x"),
    Kind.HOSTS: (
        ("f",),
        "v, v.example:80 [::1]:9",
        '["x"]',
        ("v", "v.example:80", "[::1]:9"),
        ("x",),
    ),
    Kind.NETWORKS: (("f",), "10.0.0.0/8,::1", '["::/8"]', ("10.0.0.0/8", "::1"), ("::/8",)),
    Kind.PATH: (Path("f"), "v", '"x"', Path("v"), Path("FOLDER/x")),
    Kind.PATHS: (
        (Path("f"),),
        os.pathsep.join(["v w", "/y"]),
        '["x", "/y"]',
        (Path("v w"), Path("/y")),
        (Path("FOLDER/x"), Path("/y")),
    ),
    Kind.SECONDS: (1.0, "2.5", "3", 2.5, 3.0),
    Kind.SOURCE: ("env:F", "env:V", '"cmd:x y"', "env:V", "cmd:x y"),
}

Write = Callable[[str], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def to_file(text: str) -> Path:
        path = tmp_path / "config.toml"
        path.write_text(text)
        return path

    return to_file


def test_every_field_of_a_profile_is_a_key_and_described() -> None:
    assert {"name", *KEYS} == {field.name for field in fields(Profile)}
    for key in KEYS.values():
        assert key.about.endswith(".")
        assert key.default == getattr(Profile(), key.name)
        assert VARIABLES[key.variable] == key.about
        assert bool(key.choices) == (key.kind is Kind.CHOICE)


@pytest.mark.parametrize("key", KEYS.values(), ids=str)
def test_flag_beats_variable_beats_file_beats_default(write: Write, key: Any) -> None:
    flag, variable, text, of_variable, of_file = VALUES[key.kind]
    path = write(f"[profiles.p]\n\n{key.name} =  {text}\n")
    environ, flags = {key.variable: variable}, {key.name: flag}
    if isinstance(of_file, Path):
        of_file = Path(str(of_file).replace("FOLDER", str(path.parent)))
    elif key.kind is Kind.PATHS:
        of_file = tuple(Path(str(p).replace("FOLDER", str(path.parent))) for p in of_file)

    def told(*args: Any) -> tuple[Any, OriginKind, str, int, int]:
        found = resolve("p", *args, files=(path,))
        origin = found.origin(key.name)
        return found.value(key.name), origin.kind, origin.name, origin.line, origin.column

    assert told(flags, environ) == (flag, OriginKind.FLAG, key.flag, 0, 0)
    assert told({}, environ) == (of_variable, OriginKind.VARIABLE, key.variable, 0, 0)
    assert told({key.name: None}, {key.variable: ""}) == (
        *(of_file, OriginKind.FILE, str(path)),
        *(3, len(key.name) + 5),
    )
    path.write_text("[profiles.p]\n")
    assert told({}, {}) == (key.default, OriginKind.DEFAULT, "", 0, 0)


@pytest.mark.parametrize(
    ("flag", "variable", "top", "name", "kind"),
    [
        ("a", "b", "c", "a", OriginKind.FLAG),
        (None, "b", "c", "b", OriginKind.VARIABLE),
        (None, "", "c", "c", OriginKind.FILE),
        (None, "", None, "default", OriginKind.DEFAULT),
    ],
)
def test_profile_is_chosen_by_flag_variable_file_and_else_default(
    write: Write, flag: Any, variable: str, top: Any, name: str, kind: OriginKind
) -> None:
    text = "".join(f"[profiles.{each}]\nreader = '{each}'\n" for each in ("a", "b", "c", "default"))
    path = write((f"default_profile = '{top}'\n" if top else "") + text)
    found = resolve(flag, {}, {"IGC_PROFILE": variable}, files=(path,))
    assert (found.value("profile"), found.value("reader")) == (name, name)
    assert found.origin("profile").kind is kind
    assert found.profile_was_asked_for == (kind in (OriginKind.FLAG, OriginKind.VARIABLE))


def test_keys_of_the_first_file_stand_over_those_of_the_second(
    write: Write, tmp_path: Path
) -> None:
    first = write('[profiles.sim]\nreader = "mine"\n')
    second = tmp_path / "world" / "profile.toml"
    second.parent.mkdir()
    second.write_text('default_profile = "no"\n[profiles.sim]\nreader = "x"\nclock = "c.json"\n')
    found = resolve("sim", environ={}, files=(first, second))
    assert (found.value("reader"), found.value("clock")) == ("mine", tmp_path / "world" / "c.json")
    assert found.origin("clock").name == str(second)
    assert resolve(None, environ={}, files=(first, second)).profile == Profile()
    assert profile_names((first, second)) == ("sim", "default", "prod", "test")


def test_worlds_of_the_ans_need_no_file(tmp_path: Path) -> None:
    for name in ("prod", "test"):
        found = resolve(name, environ={}, files=(tmp_path / "config.toml",))
        assert found.profile == Profile(name=name)


@pytest.mark.parametrize(
    ("environ", "message", "advice"),
    [
        ({"IGC_PROFILE": "tset"}, "IGC_PROFILE: there is no profile 'tset'", "'test'"),
        ({"IGC_TOTAL_SECONDS": "soon"}, "IGC_TOTAL_SECONDS: total_seconds is a number", ""),
        ({"IGC_CARD_CACHE": "bogus"}, "IGC_CARD_CACHE: card_cache can't be 'bogus'", "auto, "),
        ({"IGC_PROXY": "proxy:3128"}, "IGC_PROXY: proxy: 'proxy:3128' is not the", "http://"),
        ({"IGC_HTTP_HOSTS": "http://x/"}, "IGC_HTTP_HOSTS: http_hosts", "without http://"),
    ],
)
def test_wrong_variable_is_named(
    tmp_path: Path, environ: dict[str, str], message: str, advice: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        resolve(None, {}, environ, files=(tmp_path / "config.toml",))
    assert caught.value.message.startswith(message)
    assert advice in caught.value.advice


def test_empty_list_can_be_said_in_a_variable(write: Write) -> None:
    path = write("[profiles.default]\nldap_hosts = ['x']\n")
    environ = {"IGC_LDAP_HOSTS": "[]", "IGC_ANCHORS": "[]"}
    found = resolve(None, {}, environ, files=(path,))
    assert found.value("ldap_hosts") == found.value("anchors") == ()


def test_a_slip_in_the_name_of_a_variable_is_told_and_its_value_never(tmp_path: Path) -> None:
    environ = {"IGC_PLATFROM": "canary", "IGC_TEST_PIN": "canary", "IGC_READER": "R", "HOME": "/"}
    assert unknown_variables(environ) == {"IGC_PLATFROM": "IGC_PLATFORM", "IGC_TEST_PIN": ""}
    (notice,) = resolve(None, {}, environ, files=(tmp_path / "config.toml",)).notices
    assert "IGC_PLATFROM" in notice
    assert "IGC_PLATFORM" in notice
    assert "canary" not in notice


def test_every_variable_that_the_sources_read_is_known() -> None:
    root = Path(__file__).parents[1]
    files = [*root.glob("igcsante/**/*.py"), *(p for p in root.glob("scripts/*") if p.is_file())]
    text = "".join(path.read_text("utf-8") for path in files)
    read = set(re.findall(r"\bIGC_[A-Z0-9_]*[A-Z0-9]\b", text))
    assert read - set(VARIABLES) <= EXAMPLES


EXAMPLES = {"IGC_PIN"}  # of secrets' sources: env:IGC_PIN


@pytest.mark.skipif(os.name != "posix", reason="modes are POSIX's")
def test_file_that_others_can_change_is_told(write: Write) -> None:
    path = write("[profiles.default]\n")
    path.chmod(0o600)
    assert resolve(None, environ={}, files=(path,)).notices == ()
    path.chmod(0o666)
    (notice,) = resolve(None, environ={}, files=(path,)).notices
    assert "chmod 600" in notice
    assert str(path) in notice


def test_user_without_a_home_is_told_what_to_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("IGC_CONFIG_DIR", "HOME", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(name, raising=False)
    assert config_directory().is_absolute()  # of the user's entry in the system
    monkeypatch.setattr(os.path, "expanduser", lambda path: path)  # and of one who has none
    with pytest.raises(ConfigError) as caught:
        config_directory()
    assert "IGC_CONFIG_DIR" in caught.value.advice

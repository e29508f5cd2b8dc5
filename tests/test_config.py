"""Profiles: found by name, paths made absolute, mistakes named with the file."""

from __future__ import annotations

from pathlib import Path

import pytest

from igcsante.config import (
    ANS_HTTP_HOSTS,
    MAX_CONFIG_BYTES,
    Profile,
    config_directory,
    data_directory,
    load_profile,
)
from igcsante.errors import ConfigError, UnreadableError


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("IGC_CONFIG_DIR", str(tmp_path / "config"))
    monkeypatch.setenv("IGC_DATA_DIR", str(tmp_path / "data"))
    (tmp_path / "config").mkdir()
    return tmp_path / "config"


def write(folder: Path, text: str) -> None:
    (folder / "config.toml").write_text(text)


def test_folders_come_from_the_environment_else_the_platform(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IGC_CONFIG_DIR", str(tmp_path / "c"))
    monkeypatch.setenv("IGC_DATA_DIR", str(tmp_path / "d"))
    assert (config_directory(), data_directory()) == (tmp_path / "c", tmp_path / "d")
    monkeypatch.delenv("IGC_CONFIG_DIR")
    monkeypatch.delenv("IGC_DATA_DIR")
    assert "igcsante" in str(config_directory())
    assert "igcsante" in str(data_directory())


def test_without_a_file_there_is_an_empty_default(folder: Path) -> None:
    assert load_profile(None) == load_profile("default") == Profile()
    assert Profile().http_hosts == ANS_HTTP_HOSTS


def test_all_keys_are_read_and_paths_are_relative_to_the_file(folder: Path) -> None:
    write(
        folder,
        """
        [profiles.test]
        platform = "https://pfc.example/ws"
        anchors = ["anchors", "/abs/root.pem"]
        untrusted = ["more.pem"]
        reader = "Virtual PCD"
        wsdl = "x.wsdl"
        mapping = "m.toml"
        http_hosts = ["127.0.0.1:8080"]
        connect_seconds = 5
        silence_seconds = 7.5
        total_seconds = 90
        """,
    )
    assert load_profile("test") == Profile(
        name="test",
        platform="https://pfc.example/ws",
        anchors=(folder / "anchors", Path("/abs/root.pem")),
        untrusted=(folder / "more.pem",),
        reader="Virtual PCD",
        wsdl=folder / "x.wsdl",
        mapping=folder / "m.toml",
        http_hosts=("127.0.0.1:8080",),
        connect_seconds=5.0,
        silence_seconds=7.5,
        total_seconds=90.0,
    )


@pytest.mark.parametrize("value", ["0", "-1", "3601", '"5"', "true", "nan", "inf"])
def test_a_time_limit_is_a_sensible_number_of_seconds(folder: Path, value: str) -> None:
    write(folder, f"[profiles.default]\ntotal_seconds = {value}\n")
    with pytest.raises(ConfigError, match="total_seconds is a number of seconds"):
        load_profile(None)


def test_home_is_expanded(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/someone")
    write(folder, '[profiles.default]\nwsdl = "~/x.wsdl"\nanchors = ["~/a"]\n')
    assert load_profile(None).wsdl == Path("/home/someone/x.wsdl")
    assert load_profile(None).anchors == (Path("/home/someone/a"),)
    write(folder, '[profiles.default]\nwsdl = "~nobody-of-that-name/x"\n')
    with pytest.raises(ConfigError):
        load_profile(None)


def test_default_profile_is_used_without_a_name(folder: Path) -> None:
    write(folder, '[profiles.default]\nreader = "R"\n')
    assert load_profile(None).reader == "R"


def test_users_file_wins_over_extra_files(folder: Path, tmp_path: Path) -> None:
    extra = tmp_path / "world" / "profile.toml"
    extra.parent.mkdir()
    extra.write_text('[profiles.sim]\nreader = "extra"\nanchors = ["a"]\n')
    found = load_profile("sim", extra_files=(extra,))
    assert (found.reader, found.anchors) == ("extra", (extra.parent / "a",))
    write(folder, '[profiles.sim]\nreader = "mine"\n')
    assert load_profile("sim", extra_files=(extra,)).reader == "mine"


def test_unknown_profile_names_the_nearest(folder: Path) -> None:
    write(folder, "[profiles.production]\n")
    with pytest.raises(ConfigError, match="no profile 'prodction'") as caught:
        load_profile("prodction")
    assert "did you mean 'production'" in caught.value.advice
    assert str(folder / "config.toml") in caught.value.advice


def test_unknown_key_names_the_nearest_and_the_file(folder: Path) -> None:
    write(folder, '[profiles.test]\nplatfrom = "x"\n')
    with pytest.raises(ConfigError, match="platfrom") as caught:
        load_profile("test")
    assert "platform" in caught.value.advice
    assert str(folder / "config.toml") in caught.value.message


@pytest.mark.parametrize(
    "text",
    [
        "not toml",
        "profiles = 3",
        "[profiles]\ntest = 3",
        "[profiles.test]\nplatform = 3",
        '[profiles.test]\nanchors = "a"',
        "[profiles.test]\nanchors = [1]",
        "[profiles.test]\nname = 'other'",
        "[profiles.test]\nwsdl = []",
    ],
)
def test_wrong_files_are_config_errors_that_name_the_file(folder: Path, text: str) -> None:
    write(folder, text)
    with pytest.raises(ConfigError, match=r"config\.toml"):
        load_profile("test")


def test_binary_and_huge_files_are_refused(folder: Path) -> None:
    (folder / "config.toml").write_bytes(b"\xff\x00")
    with pytest.raises(ConfigError):
        load_profile("test")
    (folder / "config.toml").write_bytes(b"#" * (MAX_CONFIG_BYTES + 1))
    with pytest.raises(UnreadableError):
        load_profile("test")

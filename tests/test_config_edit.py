"""``set`` and ``unset`` change what was asked and nothing else; what is wrong is not written."""

from __future__ import annotations

import errno
import os
import stat
import tomllib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from igcsante.config import edit, load_profile
from igcsante.config.edit import replace_file, set_value, unset_value
from igcsante.errors import ConfigError, IgcError, StorageError, UsageError

COMMENTED = """\
# At the top.
default_profile = "test"  # mine

[profiles.test]   # where I try
  reader = "Old"    # the one on the desk
# between

anchors = [
    "/a",  # first
    "/b",  # second
]

[profiles."a b"]
total_seconds = 5
# at the end
"""


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("IGC_CONFIG_DIR", str(tmp_path / "config"))
    monkeypatch.setenv("IGC_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "config").mkdir()
    return tmp_path / "config" / "config.toml"


def test_only_the_value_changes(path: Path) -> None:
    path.write_text(COMMENTED)
    done = set_value("reader", ["New"], "test")
    assert (done.previous, done.value, done.new_profile) == ("Old", "New", False)
    assert path.read_text() == COMMENTED.replace('"Old"', '"New"')
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    set_value("default_profile", ["a b"])
    assert path.read_text() == COMMENTED.replace('"Old"', '"New"').replace('"test"', '"a b"')
    set_value("total_seconds", ["7.5"], "a b")
    assert "total_seconds = 7.5\n# at the end\n" in path.read_text()


def test_what_stays_in_a_list_keeps_its_comment(path: Path) -> None:
    path.write_text(COMMENTED)
    set_value("anchors", ["/a", "/b", "/c"], "test")
    assert '"/a",  # first' in path.read_text()
    assert '"/b",  # second' in path.read_text()
    set_value("anchors", ["/c", "/a"], "test")
    assert load_profile("test").anchors == (Path("/c"), Path("/a"))
    set_value("anchors", ["[]"], "test")
    assert load_profile("test").anchors == ()


def test_file_with_line_ends_of_windows_keeps_them(path: Path) -> None:
    path.write_bytes(COMMENTED.replace("\n", "\r\n").encode("utf-8-sig"))
    set_value("reader", ["New"], "test")
    expected = COMMENTED.replace('"Old"', '"New"').replace("\n", "\r\n")
    assert path.read_bytes() == expected.encode()


def test_new_file_and_new_profile(path: Path) -> None:
    assert set_value("reader", ["R"]).new_profile is False  # default is always there
    assert set_value("reader", ["R"], "of a ward").new_profile
    assert load_profile("of a ward").reader == "R"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_relative_paths_are_those_of_where_one_is(path: Path) -> None:
    set_value("anchors", ["here.pem", "~/there.pem", "/abs"])
    told = tomllib.loads(path.read_text())["profiles"]["default"]["anchors"]
    assert told == [str(Path.cwd() / "here.pem"), "~/there.pem", "/abs"]


def test_unset_takes_the_key_and_leaves_the_rest(path: Path) -> None:
    path.write_text(COMMENTED)
    unset_value("reader", "test")
    kept = path.read_text()
    assert kept == COMMENTED.replace('  reader = "Old"    # the one on the desk\n', "")
    with pytest.raises(UsageError, match="reader is not set"):
        unset_value("reader", "test")
    assert path.read_text() == kept
    unset_value("default_profile")
    assert "default_profile" not in path.read_text()


def test_a_mistake_can_be_taken_out_or_put_right(path: Path) -> None:
    path.write_text('[profiles.test]\nplatfrom = "x"\n')
    with pytest.raises(ConfigError, match=":2:1: unknown key 'platfrom'"):
        set_value("reader", ["R"], "test")
    unset_value("platfrom", "test")
    path.write_text("[profiles.test]\ntotal_seconds = 'x'\n")
    set_value("total_seconds", ["9"], "test")
    assert load_profile("test").total_seconds == 9


@pytest.mark.parametrize(
    ("key", "words"),
    [
        ("readr", ["x"]),
        ("reader", ["a", "b"]),
        ("reader", [""]),
        ("total_seconds", ["0"]),
        ("total_seconds", ["nan"]),
        ("platform", ["ftp://x"]),
        ("platform", ["https://user:canary@x/"]),
        ("proxy", ["http://user:canary@x:1"]),
        ("proxy_password", ["canary"]),
        ("private_networks", ["10.0.0.1/8"]),
        ("http_hosts", ["https://x"]),
        ("pin", ["canary"]),
        ("revocation-code", ["canary"]),
        ("wsdl", ["~nobody-of-that-name/x"]),
        ("default_profile", ["tset"]),
    ],
)
def test_wrong_values_are_refused_unseen_and_nothing_changes(
    path: Path, key: str, words: list[str]
) -> None:
    path.write_text(COMMENTED)
    with pytest.raises((UsageError, ConfigError)) as caught:
        set_value(key, words, "test")
    assert "canary" not in caught.value.in_one_line
    assert path.read_text() == COMMENTED


@pytest.mark.parametrize(
    "text",
    [
        'profiles = { test = { reader = "x" } }\n',
        'profiles.test.reader = "x"\n',
        '[profiles]\ntest = { reader = "x" }\n[profiles.b]\nreader = "y"\n',
        '[profiles.test]\nreader = "x"\n[profiles.b]\n[profiles.c]\n',
        '["profiles"."test"]\n"reader" = \'x\'\n',
    ],
)
def test_every_layout_is_changed_or_left_with_advice(path: Path, text: str) -> None:
    path.write_text(text)
    for change in (
        lambda: set_value("reader", ["new"], "test"),
        lambda: set_value("http_hosts", ["a", "b"], "b"),
        lambda: unset_value("reader", "test"),
    ):
        before = path.read_text()
        try:
            done = change()
        except ConfigError as error:
            assert "igc config edit" in error.advice
            assert path.read_text() == before
        else:
            table = tomllib.loads(path.read_text())["profiles"][done.profile]
            assert table.get(done.key) == done.value


WORDS = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), min_size=1, max_size=12)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["reader", "proxy_user"]), st.sampled_from("ab"), WORDS | st.none()
        ),
        max_size=5,
    )
)
def test_comments_survive_any_changes(
    path: Path, changes: list[tuple[str, str, str | None]]
) -> None:
    path.write_text(COMMENTED)
    expected: dict[tuple[str, str], str] = {}
    for key, profile, word in changes:
        if word is not None:
            set_value(key, [word], profile)
            expected[key, profile] = word
        elif expected.pop((key, profile), None) is not None:
            unset_value(key, profile)
    for (key, profile), word in expected.items():
        assert getattr(load_profile(profile), key) == word
    told = path.read_text()
    for comment in (
        "# At the top.",
        "# mine",
        "# the one on the desk",
        "# between",
        "# at the end",
    ):
        assert comment in told


def test_what_tomlkit_would_spoil_is_not_written(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path.write_text(COMMENTED)
    monkeypatch.setattr(edit, "_edited", lambda text, *_: text.replace("/b", "/x"))
    with pytest.raises(ConfigError) as caught:
        set_value("reader", ["R"], "test")
    assert "igc config edit" in caught.value.advice
    assert path.read_text() == COMMENTED


def test_full_disk_leaves_the_file_as_it_was(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path.write_text(COMMENTED)

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StorageError, match="No space left"):
        set_value("reader", ["R"], "test")
    assert path.read_text() == COMMENTED
    assert [p.name for p in path.parent.iterdir()] == ["config.toml"]


def test_lines_that_end_as_in_windows_go_on_so(path: Path) -> None:
    path.write_bytes(COMMENTED.replace("\n", "\r\n").encode())
    set_value("reader", ["New"], "test")
    set_value("proxy_user", ["me"], "another")
    set_value("http_hosts", ["a", "b"], "test")
    assert b"\n" not in path.read_bytes().replace(b"\r\n", b"")
    assert tomllib.loads(path.read_text())["profiles"]["another"] == {"proxy_user": "me"}
    path.write_bytes(b"# one\r\n# two\n")  # its writer took no care: neither do we
    set_value("reader", ["New"], "test")
    assert path.read_bytes().startswith(b"# one\r\n# two\n")


def test_a_change_leaves_nothing_beside_the_file(path: Path) -> None:
    set_value("reader", ["R"], "test")
    assert [p.name for p in path.parent.iterdir()] == ["config.toml"]


def test_a_mistake_that_was_not_written_has_no_line_in_the_file(path: Path) -> None:
    path.write_text(COMMENTED)
    with pytest.raises(ConfigError) as caught:
        set_value("default_profile", ["nope"])
    assert str(caught.value) == "there is no profile 'nope'; nothing was written"
    assert "line" not in caught.value.fields
    assert path.read_text() == COMMENTED


def test_a_mistake_that_was_there_is_told_at_its_line(path: Path) -> None:
    path.write_text('[profiles.test]\nreadr = "x"\n')
    with pytest.raises(ConfigError) as caught:
        set_value("default_profile", ["test"])  # which would stand above it
    assert str(caught.value).startswith(f"{path}:2:1: unknown key")


def test_an_unknown_key_that_is_not_set_is_told_the_nearest(path: Path) -> None:
    path.write_text(COMMENTED)
    with pytest.raises(UsageError, match="there is no key 'readr'") as caught:
        unset_value("readr", "test")
    assert "did you mean 'reader'" in caught.value.advice
    with pytest.raises(UsageError, match="proxy is not set in"):
        unset_value("proxy", "test")


@pytest.mark.parametrize("word", ["0", "-1", "ten", "3601"])
def test_seconds_are_told_both_their_bounds(path: Path, word: str) -> None:
    with pytest.raises(UsageError, match="above 0 and 3600 at most"):
        set_value("connect_seconds", [word])


def test_changes_at_the_same_time_are_all_made(path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: set_value("reader", [str(n)], f"p{n}"), range(24)))
    assert [load_profile(f"p{n}").reader for n in range(24)] == [str(n) for n in range(24)]


def test_a_link_to_the_file_stays_one(path: Path, tmp_path: Path) -> None:
    kept = tmp_path / "dotfiles.toml"
    kept.write_text(COMMENTED)
    path.symlink_to(kept)
    set_value("reader", ["R"], "test")
    assert path.is_symlink()
    assert 'reader = "R"' in kept.read_text()


def test_file_that_another_program_changed_is_not_replaced(path: Path) -> None:
    path.write_text(COMMENTED)
    with pytest.raises(StorageError, match="changed by another program"):
        replace_file(path, b"other", b"")
    assert path.read_text() == COMMENTED


def test_folder_that_cannot_be_made_is_told(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path.write_text("")
    monkeypatch.setenv("IGC_CONFIG_DIR", str(path / "below a file"))
    with pytest.raises(IgcError):
        set_value("reader", ["R"])

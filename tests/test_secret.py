"""Secrets come from named sources only, and nothing shows them."""

from __future__ import annotations

import copy
import os
import pickle
import sys
import traceback

import pytest

from igcsante.errors import UsageError
from igcsante.secret import COMMAND_SECONDS, MAX_SECRET_BYTES, Secret, read_secret

PIN = "7351"


def test_no_text_form_shows_the_value() -> None:
    secret = Secret(PIN)
    forms = [repr(secret), str(secret), f"{secret}", f"{secret!r}", f"{[secret]}", f"{secret:}"]
    assert all(PIN not in form for form in forms)


def test_a_traceback_does_not_show_it() -> None:
    try:
        raise ValueError(Secret(PIN))
    except ValueError:
        assert PIN not in traceback.format_exc()


def test_it_has_no_dictionary_and_is_not_pickled() -> None:
    secret = Secret(PIN)
    assert not hasattr(secret, "__dict__")
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        with pytest.raises(TypeError):
            pickle.dumps(secret, protocol)
    with pytest.raises(TypeError):
        copy.copy(secret)


def test_value_comes_back_as_bytes_and_text() -> None:
    assert Secret("é").reveal() == "é".encode()
    assert Secret(b"1234").text() == "1234"
    assert len(Secret("1234")) == 4
    assert Secret("a") == Secret(b"a") != Secret("b")
    assert Secret("a") != "a"
    assert hash(Secret("a")) == hash(Secret("a"))


def test_bytes_that_are_no_text_are_a_clear_error() -> None:
    with pytest.raises(UsageError) as caught:
        Secret(b"\xff\xfe").text()
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


def test_environment_is_a_source(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CPS_PIN", PIN)
    assert read_secret("env:CPS_PIN") == Secret(PIN)
    monkeypatch.delenv("CPS_PIN")
    with pytest.raises(UsageError, match="CPS_PIN is not set"):
        read_secret("env:CPS_PIN")


@pytest.mark.parametrize("written", [b"7351", b"7351\n", b"7351\r\n", b"7351\nmore\n"])
def test_descriptor_gives_its_first_line(written: bytes) -> None:
    reader, writer = os.pipe()
    try:
        os.write(writer, written)
        os.close(writer)
        assert read_secret(f"fd:{reader}") == Secret(PIN)
        os.fstat(reader)  # still open: it is the caller's
    finally:
        os.close(reader)


def test_command_gives_its_first_line() -> None:
    assert read_secret(f"cmd:{sys.executable} -c \"print('{PIN}'); print('more')\"") == Secret(PIN)


def test_no_shell_reads_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CPS_PIN", PIN)
    assert read_secret("cmd:echo $CPS_PIN; true") == Secret("$CPS_PIN; true")


@pytest.mark.parametrize(
    "source",
    [
        *("7351", "", "env:", "fd:", "cmd:", "pin:7351", "ENV:HOME", "env:\udce9"),
        *("fd:x", "fd:-1", "fd:987654", "fd:99999999999999999999", "fd:²", "cmd: ", "cmd:'7351"),
    ],
)
def test_anything_else_is_refused_without_being_repeated(source: str) -> None:
    with pytest.raises(UsageError) as caught:
        read_secret(source)
    assert PIN not in str(caught.value.to_dict())


@pytest.mark.parametrize(
    "command", ["false", "/nonexistent/pass-7351 x", "sh -c 'echo 7351; exit 1'"]
)
def test_failing_command_is_a_clear_error(command: str) -> None:
    with pytest.raises(UsageError, match="command that gives the secret failed") as caught:
        read_secret(f"cmd:{command}")
    assert "echo" not in str(caught.value.to_dict())


def test_empty_and_oversized_sources_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CPS_PIN", "")
    with pytest.raises(UsageError, match="gave nothing"):
        read_secret("env:CPS_PIN")
    monkeypatch.setenv("CPS_PIN", "x" * (MAX_SECRET_BYTES + 1))
    with pytest.raises(UsageError, match="more than") as caught:
        read_secret("env:CPS_PIN")
    assert "xx" not in str(caught.value.to_dict())
    assert COMMAND_SECONDS <= 60

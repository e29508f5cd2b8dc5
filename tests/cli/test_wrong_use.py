"""What is told of wrong use: words that are near, lines that fit, names in one language."""

from __future__ import annotations

import json
import re
import sqlite3
import sys
import warnings
from pathlib import Path
from types import SimpleNamespace

import click
import pytest

from igcsante.certs.load import load
from igcsante.certs.x509.extensions import Extensions
from igcsante.cli import completing, main, orders_print
from igcsante.cli.help_texts import contexts
from igcsante.cli.output import print_error
from igcsante.config import Document
from igcsante.errors import ConfigError, UnreadableError, UsageError
from igcsante.messages import localized, tr


@pytest.mark.parametrize(
    ("arguments", "near"),
    [
        (["card", "inf"], "'info'"),
        (["--profil", "x"], "'--profile'"),
        (["ordr"], "'order' or 'orders'"),
    ],
)
def test_only_what_is_near_is_offered_the_nearest_first(
    arguments: list[str], near: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main.run(arguments) == 2
    assert f"Did you mean {near}?" in capsys.readouterr().err


def test_choices_that_were_left_out_are_listed_on_one_line(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main.run(["export", "x", "--json"]) == 2
    message = json.loads(capsys.readouterr().out)["error"]["message"]
    assert "Choose from: pem, bundle, der, " in message


def test_first_line_of_an_error_is_as_wide_as_the_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    error = UsageError(tr("word " * 40))
    monkeypatch.setenv("COLUMNS", "60")
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    print_error(error, as_json=False)
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) > 3
    assert max(map(len, lines)) <= 60
    monkeypatch.setattr(sys.stderr, "isatty", lambda: False)
    print_error(error, as_json=False)
    assert len(capsys.readouterr().err.splitlines()) == 1  # in a log


def test_names_of_values_are_the_same_in_every_language(monkeypatch: pytest.MonkeyPatch) -> None:
    def names() -> list[str]:
        return [
            param.make_metavar(ctx)
            for ctx in contexts()
            for param in ctx.command.get_params(ctx)
            if isinstance(param, click.Argument) or not getattr(param, "is_flag", False)
        ]

    monkeypatch.setenv("IGC_LANG", "en")
    english = names()
    monkeypatch.setenv("IGC_LANG", "fr")
    assert names() == english
    assert not {name for name in english if re.search("RANGE|DIRECTORY|<=", name)}


def test_default_of_a_choice_is_one_of_its_words(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(["revoke", "--help"]) == 0
    page = " ".join(capsys.readouterr().out.split())
    assert "[default: non_precise]" in page
    assert main.run(["sim", "fail", "--help"]) == 0
    assert "[KIND]..." in capsys.readouterr().out


# -- nothing is left in English ------------------------------------------------------------------


@pytest.mark.parametrize(
    "data", [b"root:x:0:0", b"-----BEGIN CERTIFICATE-----\n!!\n-----END CERTIFICATE-----\n"]
)
def test_unreadable_file_is_said_in_french(data: bytes) -> None:
    with pytest.raises(UnreadableError) as caught:
        load(data, source="/x/y")
    said = localized(caught.value.message, "fr")
    assert said.startswith("/x/y\xa0: ")
    assert said.partition(": ")[2] != caught.value.message.partition(": ")[2]


def test_syntax_of_the_configuration_is_said_in_french() -> None:
    with pytest.raises(ConfigError) as caught:
        Document.parsed(Path("config.toml"), b"x = = 3\n")
    assert str(caught.value).endswith("Invalid value")
    assert localized(caught.value.message, "fr").endswith("valeur incorrecte")


def test_refusal_that_the_journal_keeps_is_said_in_french() -> None:
    said = localized(orders_print.recalled("the platform refuses: motif (F01)"), "fr")
    assert said.endswith("motif (F01)")
    assert "refuses" not in said


def test_completion_says_states_in_the_person_s_language(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IGC_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("IGC_LANG", "fr")
    with sqlite3.connect(tmp_path / "journal.sqlite") as database:
        database.execute("CREATE TABLE orders (id, reference, state)")
        database.execute("INSERT INTO orders VALUES (1, 'mine', 'revoked')")
    database.close()
    found = completing.orders(None, None, "1")  # type: ignore[arg-type]
    assert [item.help for item in found] == ["mine, révoqué"]


def test_schemas_are_described_in_french(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IGC_LANG", "fr")
    assert main.run(["help", "json"]) == 0
    assert re.search(r"^igc\.error/1 +Pourquoi ", capsys.readouterr().out, re.MULTILINE)


# -- warnings of libraries -----------------------------------------------------------------------


def test_odd_certificate_writes_no_warning_of_python() -> None:
    class Odd:
        @property
        def extensions(self) -> list[SimpleNamespace]:
            from cryptography.utils import CryptographyDeprecationWarning

            warnings.warn("odd DER", CryptographyDeprecationWarning, stacklevel=1)
            return []

    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        Extensions(Odd())  # type: ignore[arg-type]
    assert told == []

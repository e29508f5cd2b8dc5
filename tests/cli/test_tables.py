"""Tables: within the terminal's width in both languages, and whole lines where there is none."""

from __future__ import annotations

import ast
import json
import os
import sys
from pathlib import Path

import pytest
from terminal import on_a_terminal

from igcsante.cli import main, output, tables

CLI = Path(output.__file__).parent
COLUMNS = 80


def printing_tables() -> set[str]:
    """The functions of the commands that print one."""
    return {
        f"{path.stem}.{function.name}"
        for path in CLI.glob("*.py")
        for function in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(function, ast.FunctionDef) and path.stem != "output"
        for node in ast.walk(function)
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "say_table"
    }


@pytest.mark.parametrize("language", ["en", "fr"])
def test_no_table_is_wider_than_the_terminal(tmp_path: Path, language: str) -> None:
    kept = {k: v for k, v in os.environ.items() if k != "COLUMNS" and not k.startswith("IGC_")}
    environment = {**kept, "IGC_LANG": language, "PYTHONPATH": str(CLI.parents[1])}
    command = [sys.executable, Path(__file__).with_name("every_table.py"), tmp_path]
    with on_a_terminal(command, environment, tmp_path, columns=COLUMNS) as terminal:
        screen = terminal.read_all().replace("\r\n", "\n")
    assert (tmp_path / "callers.json").exists(), screen
    assert set(json.loads((tmp_path / "callers.json").read_text())) == printing_tables()
    wide = [line for line in screen.splitlines() if len(line) > COLUMNS]
    assert [line for line in wide if str(tmp_path) not in line and len(line.split()) > 1] == []


ROWS = [
    ["Name", "Number", "What it is"],
    ["a name of several words", "1", "words that go on for as long as there is room for them"],
    ["b", "22", ""],
]


def test_the_widest_column_gives_way_and_the_first_one_hangs() -> None:
    assert tables.table(ROWS, 50) == [
        ["Name                  Number  What it is"],
        [
            "a name of several     1       words that go on for",
            "  words                       as long as there is",
            "                              room for them",
        ],
        ["b                     22"],
    ]
    assert tables.table(ROWS, 200) == [
        ["Name                     Number  What it is"],
        [f"{ROWS[1][0]}  1       {ROWS[1][2]}"],
        ["b                        22"],
    ]


def test_no_word_is_cut() -> None:
    address = "https://" + "a" * 60
    cells = [["Key", "Value"], ["a b", "1"], ["c d", address]]
    assert tables.table(cells, 80)[2] == [f"c d  {address}"]
    assert tables.table(cells, 60) == [
        ["Key  Value"],
        ["a b  1"],
        ["c d", f"    {address}"],
    ], "it stands on a line of its own"


def test_columns_with_nothing_in_them_give_way_first() -> None:
    row = ["a" * 20, "", "b" * 20]
    assert tables.table([["First", "Empty", "Last"], row], 44)[1] == [f"{row[0]}  {row[2]}"]
    assert tables.table([["First", "Empty", "Last"], row], 49)[1] == [f"{row[0]}         {row[2]}"]


def test_rows_become_blocks_where_no_table_fits(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    long, text = "x" * 36, "one more word than there is room for here"
    output.say_table(["Who", "What"], [[long, "1"], ["", text], ["Zoé", "z"]])
    assert capsys.readouterr().out == (
        f"Who   {long}\nWhat  1\n"
        "What  one more word than there is room\n      for here\n"
        "\nWho   Zoé\nWhat  z\n"
    )


@pytest.mark.parametrize("language", ["en", "fr"])
def test_a_pipe_gets_whole_lines(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], language: str
) -> None:
    monkeypatch.setenv("IGC_LANG", language)
    monkeypatch.setenv("COLUMNS", "40")
    assert main.run(["policy", "list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 5
    assert max(map(len, lines)) > 120


def test_cards_are_described_in_french(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("IGC_LANG", "fr")
    assert main.run(["sim", "card", "list"]) == 0
    told = capsys.readouterr().out
    assert "CPS3 d'une infirmière\xa0: numéro ADELI" in told
    assert "PIN" in told and "card" not in told and " of " not in told and "'s " not in told
    assert main.run(["sim", "card", "list", "--json"]) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[0])["note"] == (
        "a nurse's CPS3: ADELI number"
    )

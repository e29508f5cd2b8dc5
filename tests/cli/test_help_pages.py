"""Pages of help: examples first, within 80 columns, wholly in the person's language."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator

import click
import pytest

from igcsante import messages
from igcsante.catalogue import Catalogue
from igcsante.cli import layout, main, page
from igcsante.cli.help_texts import click_plurals, contexts, help_texts
from igcsante.cli.page import Page
from igcsante.cli.topics import TOPICS

ALL = list(contexts())
every_command = pytest.mark.parametrize(
    "ctx", ALL, ids=lambda ctx: ctx.command_path.replace(" ", "-")
)

# Given to translators like all that stands in a tr(): see igcsante/cli/numbers.py.
MESSAGES = {"{lowest} to {highest}", "whole number", "whole or decimal number"}


class Marking(Catalogue):
    """A catalogue that shows which words went through it."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: set[str] = set()

    def gettext(self, message: str) -> str:
        self.asked.add(message)
        return f"«{message}»"

    def ngettext(self, one: str, many: str, count: int) -> str:
        self.asked.add(one)
        return f"«{one if count == 1 else many}»"


@pytest.fixture
def french(monkeypatch: pytest.MonkeyPatch) -> Marking:
    marking = Marking()
    monkeypatch.setitem(messages._catalogues, "fr", marking)
    monkeypatch.setenv("IGC_LANG", "fr")
    return marking


@pytest.fixture(autouse=True)
def eighty_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")


def page_of(ctx: click.Context) -> Page:
    found: Page = ctx.command.page()  # type: ignore[attr-defined]
    return found


@every_command
def test_a_page_is_a_summary_then_examples_then_the_rest(ctx: click.Context) -> None:
    told = ctx.get_help()
    lines = told.splitlines()
    assert lines[0].startswith(f"Usage: {ctx.command_path}")
    assert page_of(ctx).examples, "no example"
    blank = lines.index("")
    assert lines[blank + 1].startswith("  ") and page_of(ctx).summary
    headings = [line for line in lines if line.endswith(":") and not line.startswith(" ")]
    assert headings[0] == "Examples:"
    assert max(map(len, lines)) <= 80, max(lines, key=len)
    assert not any(line != line.rstrip() for line in lines)


@every_command
def test_examples_are_understood(ctx: click.Context) -> None:
    for example, _ in page_of(ctx).examples:
        words = shlex.split(example.rstrip("\\"), comments=True)
        if "igc" not in words or example.endswith("\\"):
            continue
        words = words[words.index("igc") + 1 :]
        for end in ("|", "&&", ">", "<"):
            words = words[: words.index(end)] if end in words else words
        command: click.Command = main.igc
        context = click.Context(command, info_name="igc")
        while isinstance(command, click.Group) and words and not words[0].startswith("-"):
            found = command.get_command(context, words[0])
            assert found is not None, (example, words[0])
            command, words = found, words[1:]
            context = click.Context(command, parent=context)
        command.make_parser(context).parse_args(words)


@every_command
def test_every_word_of_a_page_is_translated(ctx: click.Context, french: Marking) -> None:
    told = " ".join(ctx.get_help().split())
    assert "«Usage:»" in told and "«Examples»:" in told
    texts = set(page_of(ctx).texts()) - {ctx.command_path}
    options = [p for p in ctx.command.get_params(ctx) if isinstance(p, click.Option)]
    texts |= {option.help or "" for option in options if not option.hidden}
    for text in texts - {""}:
        assert f"«{' '.join(text.split())}»" in told
    assert french.asked <= set(help_texts()) | MESSAGES, "not given to translators"


def test_typed_words_are_not_translated(french: Marking) -> None:
    told = " ".join(next(c for c in ALL if c.command_path == "igc check").get_help().split())
    assert " igc check server.pem " in told
    assert "--format [text|json|ndjson|csv|nagios|prometheus|junit|html]" in told


# What we say around them, as any other message.
OURS = {"Error:", "see: {command} --help", "Did you mean {choices}?", "{word!r}"}
OURS |= {"{first} or {last}", ", "}
ERRORS = [
    (("check", "--nope"), "«No such option {name!r}.»"),
    (("chek",), "«No such command {name!r}.» «Did you mean {choices}?»"),
    (("export",), "«Missing argument»"),
    (("check", "--format", "jsn", "x"), "«{value!r} is not one of {choices}.»"),
    (("readers", "extra", "words"), "«Got unexpected extra arguments ({args})»"),
    (("card", "random", "many"), "«{value!r} is not a valid {number_type}.»"),
]


@pytest.mark.parametrize(("arguments", "said"), ERRORS, ids=str)
def test_click_s_errors_are_in_the_person_s_language(
    arguments: tuple[str, ...],
    said: str,
    french: Marking,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main.run(list(arguments)) == 2
    asked = set(said.replace("» «", "»«").strip("«»").split("»«"))
    assert asked <= french.asked | {many for _, many in click_plurals()}
    assert "«" in capsys.readouterr().err
    known = set(help_texts()) | MESSAGES | {one for one, _ in click_plurals()}
    assert french.asked - OURS <= known


def test_with_json_an_error_is_in_english(
    french: Marking, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main.run(["check", "--nope", "--json"]) == 2
    told = json.loads(capsys.readouterr().out)
    assert told["error"]["message"].startswith("No such option '--nope'.")


@pytest.mark.parametrize(
    ("arguments", "nearest"),
    [
        (("chek",), "check"),
        (("card", "inof"), "info"),
        (("card", "pin", "chnge"), "change"),
        (("check", "--ofline"), "--offline"),
        (("check", "--format", "jsn", "x"), "json"),
        (("help", "jsom"), "json"),
        (("help", "card", "inof"), "info"),
        (("completion", "fsh"), "fish"),
    ],
    ids=str,
)
def test_the_nearest_is_named(
    arguments: tuple[str, ...], nearest: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main.run(list(arguments)) == 2
    told = capsys.readouterr().err
    assert f"id you mean '{nearest}'" in told or f"one of: '{nearest}'" in told


@pytest.mark.parametrize("topic", TOPICS)
def test_topics_fit_and_are_known_to_the_page_of_help(
    topic: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main.run(["help", topic]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert topic == "json" or max(map(len, lines)) <= 80
    assert main.run(["help", "help"]) == 0
    assert f"    {topic} " in capsys.readouterr().out


def test_a_docstring_is_read_as_written() -> None:
    found = Page(
        "Do it.\n\nMore of\nit.\n\n\b\nKinds:\n  a   one\n      more\n  (b)\n\b\nExample:\n"
        "  igc x \\\n      --y\n  igc z   why"
    )
    assert found.summary == "Do it."
    assert found.examples == [("igc x \\", ""), ("    --y", ""), ("igc z", "why")]
    text, kinds = found.description
    assert text == "More of it."
    assert isinstance(kinds, page.Rows)
    assert (kinds.heading, kinds.rows) == ("Kinds", [("a", "one more"), ("(b)", "")])
    assert list(found.texts()) == ["Do it.", "why", "More of it.", "Kinds", "one more", "(b)"]


def test_texts_for_translators_are_each_given_once() -> None:
    def duplicates(texts: Iterator[str]) -> set[str]:
        seen: set[str] = set()
        return {text for text in texts if text in seen or seen.add(text)}  # type: ignore[func-returns-value]

    assert duplicates(help_texts()) == set()
    assert {"Usage:", "Options", "No such option {name!r}."} <= set(help_texts())


@every_command
def test_numbers_are_asked_for_in_words(ctx: click.Context) -> None:
    """Not as INTEGER RANGE, nor as 1<=x<=2."""
    for param in ctx.command.get_params(ctx):
        if isinstance(param.type, click.IntRange | click.FloatRange):
            lowest, highest = param.type.min, param.type.max
            assert "RANGE" not in param.make_metavar(ctx)
            with pytest.raises(click.BadParameter) as wrong:
                param.type.convert(str(highest + 1), param, ctx)
            said = f"{highest + 1} is not in the range {lowest} to {highest}."
            assert wrong.value.message.replace(".0", "") == said
            with pytest.raises(
                click.BadParameter, match=r"'x' is not a valid whole( or decimal)? n"
            ):
                param.type.convert("x", param, ctx)


def test_commands_with_commands_of_their_own_are_known_to_the_layout() -> None:
    groups = {ctx.command_path for ctx in contexts() if isinstance(ctx.command, click.Group)}
    assert {" ".join(("igc", *names)) for names in layout.GROUPS} == groups - {"igc"}


@pytest.mark.parametrize(
    ("text", "command"),
    [
        ("see all of it with: igc crl update", "igc crl update"),
        ("it is told by `igc card pin status`, so look there", "`igc card pin status`,"),
        ("or bring the list: igc crl index FILE; then go on", "igc crl index FILE;"),
        (
            "yours: igc orders settle 1 --nothing-ordered, else",
            "igc orders settle 1 --nothing-ordered,",
        ),
        ("or ask: igc doctor --online", "igc doctor --online"),
    ],
)
def test_a_command_is_never_cut_so_that_it_can_be_copied(text: str, command: str) -> None:
    for width in range(10, 60):
        lines = layout.wrap(text, width)
        assert " ".join(lines) == text
        assert any(command in line for line in lines)
        assert [
            line for line in lines if len(line) > width and " " in line.replace(command, "")
        ] == []

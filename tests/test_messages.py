"""What people read: English that can be said in French, by whoever prints it."""

from __future__ import annotations

import ast
import pickle
import re
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from igcsante import messages
from igcsante.errors import UsageError
from igcsante.messages import joined, localized, plural, preferred_language, quoted_choices, tr
from igcsante.words import said

ROOT = Path(__file__).parent.parent
SOURCES = sorted((ROOT / "igcsante").rglob("*.py"))


@pytest.fixture
def french(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A catalogue of a few words, whatever the shipped one says."""
    from babel.messages.catalog import Catalog
    from babel.messages.mofile import write_mo

    catalogue = Catalog(locale="fr")
    catalogue.add("{who}: revoked on {when:%Y}", "{who} : révoqué en {when:%Y}")
    catalogue.add("stale", "périmé")
    catalogue.add("not {what}", "non {what}")
    catalogue.add("no {name!r}", "pas de {name!r}")
    catalogue.add("{first} or {last}", "{first} ou {last}")
    catalogue.add("; ", "\xa0; ")
    catalogue.add(
        ("{count} certificate", "{count} certificates"), ("{count} cert", "{count} certs")
    )
    path = tmp_path / "fr/LC_MESSAGES/igcsante.mo"
    path.parent.mkdir(parents=True)
    with path.open("wb") as file:
        write_mo(file, catalogue)
    monkeypatch.setattr(messages, "LOCALE_DIRECTORY", str(tmp_path))
    monkeypatch.setattr(messages, "_catalogues", {})


def test_a_message_is_english_text_wherever_it_goes() -> None:
    error = UsageError(tr("there is no profile {name!r}", name="tset"))
    assert str(error) == error.message == "there is no profile 'tset'"
    assert f"{error.message}!" == "there is no profile 'tset'!"


@pytest.mark.usefixtures("french")
def test_the_edge_says_it_in_the_language_of_the_person() -> None:
    message = tr("{who}: revoked on {when:%Y}", who="A", when=datetime(2026, 1, 1, tzinfo=UTC))
    assert localized(message, "fr") == "A : révoqué en 2026"
    assert localized(message, "en") == "A: revoked on 2026"


@pytest.mark.usefixtures("french")
def test_messages_within_messages_are_said_too() -> None:
    assert localized(tr("not {what}", what=tr("stale")), "fr") == "non périmé"
    assert (
        localized(joined("; ", [tr("stale"), "x", tr("stale")]), "fr")
        == "périmé\xa0; x\xa0; périmé"
    )


@pytest.mark.usefixtures("french")
def test_each_language_has_its_quotes() -> None:
    message = tr("no {name!r}", name="tset")
    assert (localized(message, "en"), localized(message, "fr")) == (
        "no 'tset'",
        "pas de «\xa0tset\xa0»",
    )
    assert message.values["name"] == "tset"
    choices = quoted_choices(["info", "pin"])
    assert (choices, localized(choices, "fr")) == (
        "'info' or 'pin'",
        "«\xa0info\xa0» ou «\xa0pin\xa0»",
    )


@pytest.mark.usefixtures("french")
@pytest.mark.parametrize(
    ("count", "english", "said"),
    [
        (0, "0 certificates", "0 cert"),
        (1, "1 certificate", "1 cert"),
        (2, "2 certificates", "2 certs"),
    ],
)
def test_each_language_counts_in_its_way(count: int, english: str, said: str) -> None:
    message = plural("{count} certificate", "{count} certificates", count)
    assert (message, localized(message, "fr")) == (english, said)


def test_french_numbers_have_a_comma_before_their_decimals() -> None:
    message = tr(
        "{size:,} bytes in {seconds:.1f} s, code {code:04X}", size=12345, seconds=0.5, code=9
    )
    assert message == "12,345 bytes in 0.5 s, code 0009"
    assert localized(message, "fr").startswith("12\xa0345 ")
    assert " 0,5 s" in localized(message, "fr")
    assert localized(message, "fr").endswith("0009")


def test_what_has_no_translation_stays_english() -> None:
    assert (
        localized(tr("a sentence that no catalogue has"), "fr")
        == "a sentence that no catalogue has"
    )
    assert localized("text of a certificate", "fr") == "text of a certificate"


def test_braces_of_a_value_are_text() -> None:
    hostile = "{0.__class__} {who}"
    assert localized(tr("no {what}", what=hostile), "fr") == localized(
        tr("no {what}", what=hostile)
    )
    assert tr("no {what}", what=hostile) == "no {0.__class__} {who}"
    assert tr("a set of {braces}") == "a set of {braces}"


@pytest.mark.usefixtures("french")
@pytest.mark.parametrize(
    "message",
    [
        tr("not {what}", what=tr("stale")),
        joined(", ", [tr("stale"), "b"]),
        plural("{count} certificate", "{count} certificates", 3),
        tr("{path} can't be read", path=Path("a")),
    ],
)
def test_a_message_reaches_another_process_whole(message: messages.Message) -> None:
    copy = pickle.loads(pickle.dumps(message))  # noqa: S301 - our own
    assert copy == message
    assert localized(copy, "fr") == localized(message, "fr")


@pytest.mark.parametrize(
    ("environ", "language"),
    [
        ({}, "en"),
        ({"LANG": "fr_FR.UTF-8"}, "fr"),
        ({"LANG": "fr_FR.UTF-8", "IGC_LANG": "en"}, "en"),
        ({"LANG": "C", "IGC_LANG": "fr"}, "fr"),
        ({"LANG": "fr_FR@euro", "LC_ALL": "C.UTF-8"}, "en"),
        ({"LC_MESSAGES": "fr_BE", "LANG": "nl_BE"}, "fr"),
        ({"LANG": "frp"}, "en"),
        ({"IGC_LANG": "", "LANG": "fr"}, "fr"),
        ({"IGC_LANG": "fr-FR", "LANG": "C"}, "fr"),
        ({"IGC_LANG": "fr_FR.UTF-8", "LANG": "C"}, "fr"),
        ({"IGC_LANG": "French", "LANG": "C"}, "fr"),
        ({"IGC_LANG": "english", "LANG": "fr"}, "en"),
        ({"IGC_LANG": "de", "LANG": "fr_FR"}, "en"),
        ({"IGC_LANG": "de", "LANG": "de_DE"}, "en"),
    ],
)
def test_igc_lang_wins_over_the_locale(environ: dict[str, str], language: str) -> None:
    assert preferred_language(environ) == language


def test_the_french_catalogue_is_complete_and_of_todays_code() -> None:
    """Nothing missing, nothing too much, the same values, and the .mo made from the .po."""
    run = subprocess.run(
        [sys.executable, ROOT / "scripts/catalogue.py", "--check"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.stderr.strip() == ""
    assert run.returncode == 0


def test_every_text_that_is_looked_up_is_given_to_translators(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "scripts"))
    from catalogue import _messages_of

    source = tmp_path / "source.py"
    source.write_text(
        'tr("a"); translated("b:"); joined("; ", x); joined(" ", x); translated(b); joined(b, x)'
    )
    assert set(_messages_of(source)) == {"a", "b:", "; "}


# -- the source: what is for people is a message -----------------------------------------


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_templates_are_literals_and_get_their_values(path: Path) -> None:
    for call in ast.walk(ast.parse(path.read_text())):
        name = getattr(call.func, "id", "") if isinstance(call, ast.Call) else ""
        if name not in ("tr", "plural") or path.name == "messages.py":
            continue
        assert isinstance(call, ast.Call)
        templates = [ast.literal_eval(a) for a in call.args[: 1 if name == "tr" else 2]]
        if any(keyword.arg is None for keyword in call.keywords):
            continue  # **values, which no reading of the source tells
        given = {str(keyword.arg) for keyword in call.keywords}
        given |= {"count"} if name == "plural" else set()
        wanted = set(re.findall(r"(?<!\{)\{(\w+)[!:}]", " ".join(templates))) if given else set()
        assert given - {"count"} == wanted - {"count"}, f"{path}:{call.lineno}"


# English that is no message, by place: what it is instead.
_NOT_FOR_PEOPLE = {
    "cli/card.py": "help: looked up when it is printed",
    "cli/commands.py": "help: looked up when it is printed",
    "cli/front.py": "help: looked up when it is printed",
    "cli/topics.py": "help: looked up when it is printed",
    "cli/help_texts.py": "names of click's words",
    "cli/check_html.py": "a report with its own French",
    "card/trace.py": "a trace in the words of ISO 7816-4",
    "card/following.py": "a trace in the words of ISO 7816-4",
    "certs/nomenclatures.py": "the ANS's own words",
    "certs/policy_text.py": "a file that is written in English",
    "certs/snippets.py": "a file that is written in English",
    "testing/cards/profile_text.py": "a file that is written in English",
    "testing/cards/": "what cards and PC/SC say",
    "testing/pki/": "names in certificates",
    "testing/platform/": "what the platform says",
    "testing/pytest_": "what pytest reports",
    "cli/check_formats.py:nagios": "for Nagios",
    "cli/check_formats.py:prometheus": "for Prometheus",
    "cli/check_formats.py:junit": "for continuous integration",
    "card/recording.py": "the name of a format",
    "certs/inspect/objects.py:_kind": "a code",
    "certs/inspect/objects.py:_der": "a code",
    "cli/card_export.py:_files": "a code",
    "config/kinds.py": "a code",
    "toml_problem.py:<module>": "what tomllib says",
    "card/atr.py:advice_for": "compared",
    "cli/check_inputs.py:take_serials": "the head of a column",
    "tls/probe.py:_request": "HTTP",
    "testing/demo.py:_certify": "a file that is written in English",
    "ws/orders/journal.py:each": "SQL",
}
_NOT_FOR_PEOPLE_CALLS = {
    *("tr", "plural", "translated"),
    *("debug", "info", "warning", "getLogger", "step"),  # logs, in English
    *("ValueError", "TypeError", "KeyError", "LookupError", "EOFError", "OSError"),  # defects,
    *("AssertionError", "RuntimeError", "TimeoutError", "ShapeError", "_ssl_error"),  # and what is
    *("ConnectionResetError", "SSLCertVerificationError", "_NotSelected"),  # told otherwise
    *("option", "argument", "command", "group", "grouped", "version_option"),  # help
    *("check_options", "_shared", "_gettext"),
    *("execute", "executemany", "executescript", "compile", "sub", "search", "match", "fullmatch"),
    *("SimulatedReader", "strptime", "strftime", "fromhex", "Logger"),
}
_SENTENCE = re.compile(r"[^\W\d_]{2,}['’]?[,:;]? [a-zéàè]{2,}")
_CODE = re.compile(
    r"\s*(SELECT|INSERT|UPDATE|DELETE|CREATE|WHERE|AND|WHEN|CASE|PRAGMA|ORDER|CONNECT|GET|POST"
    r"|Content-Type|certificate verify|# |\[|\(|state NOT IN|Tunnel connection failed)"
)
_SINKS = {"say", "talk", "insist", "say_pairs", "say_table"}


def _parsed(path: Path) -> tuple[ast.AST, dict[ast.AST, ast.AST]]:
    tree = ast.parse(path.read_text())
    nodes = list(ast.walk(tree))
    return tree, {child: node for node in nodes for child in ast.iter_child_nodes(node)}


def _above(node: ast.AST, parents: dict[ast.AST, ast.AST]) -> Iterator[ast.AST]:
    """What it stands in, up to its statement."""
    while node in parents and not isinstance(node, ast.stmt):
        node = parents[node]
        yield node


def _function(node: ast.AST, parents: dict[ast.AST, ast.AST]) -> str:
    """The name of the function that it stands in."""
    while node in parents and not isinstance(node, ast.FunctionDef):
        node = parents[node]
    return getattr(node, "name", "<module>")


def said_of_code(text: str) -> bool:
    """Whether it is a code for which people read a word: see igcsante.words."""
    return isinstance(said(text), messages.Message)


def _called(node: ast.AST) -> str:
    if not isinstance(node, ast.Call):
        return ""
    return getattr(node.func, "id", "") or getattr(node.func, "attr", "")


def _english(node: ast.AST) -> str:
    """The text of a literal but for its values."""
    pieces = node.values if isinstance(node, ast.JoinedStr) else [node]
    values = [getattr(piece, "value", "X") for piece in pieces]
    return "".join(value if isinstance(value, str) else "X" for value in values)


def test_what_is_said_to_people_is_a_message() -> None:
    """A sentence that is no literal of tr(…) or plural(…) can be said in English only."""
    bare = []
    for path in SOURCES:
        place = path.relative_to(ROOT / "igcsante").as_posix()
        tree, parents = _parsed(path)
        for node in ast.walk(tree):
            literal = isinstance(node, ast.Constant) and isinstance(node.value, str)
            if not literal and not isinstance(node, ast.JoinedStr):
                continue
            above = list(_above(node, parents))
            if isinstance(above[0], ast.Expr | ast.JoinedStr):  # a docstring; a piece of text
                continue
            printed = {_called(one) for one in above} & _SINKS
            wrapped = {_called(one) for one in above} - _SINKS - {""}
            label = printed and not wrapped and re.search(r"[^\W\d_]{2,}", _english(node))
            if wrapped & _NOT_FOR_PEOPLE_CALLS or _CODE.match(_english(node)):
                continue
            label = label and not isinstance(above[0], ast.Subscript)
            if said_of_code(_english(node)) or f"{place}:{_function(node, parents)}".startswith(
                tuple(_NOT_FOR_PEOPLE)
            ):
                continue
            if label or _SENTENCE.search(_english(node)):
                bare.append(f"{place}:{node.lineno}: {_english(node)[:70]!r}")
    assert bare == []


_MAKERS = {"tr", "plural", "joined", "reason_of", "did_you_mean"}
_PLAIN = "a message that became plain text can't be translated any more"


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_messages_stay_messages(path: Path) -> None:
    """Not within an f-string, not added to text, not stripped: localized(…) comes before."""
    tree, parents = _parsed(path)
    for node in ast.walk(tree):
        if _called(node) not in _MAKERS:
            continue
        above = parents[node]
        assert not isinstance(above, ast.FormattedValue | ast.BinOp), f"{node.lineno}: {_PLAIN}"
        assert not isinstance(above, ast.Attribute), f"{node.lineno}: {_PLAIN}"


def test_advice_in_parentheses_is_still_said_in_the_person_s_language() -> None:
    error = UsageError(tr("interrupted"), advice=tr("revoked"))
    assert error.in_one_line == "interrupted (revoked)"
    assert localized(error.in_one_line, "fr") == "interrompu (révoqué)"

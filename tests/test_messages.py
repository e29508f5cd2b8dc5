"""What people read: English that can be said in French, by whoever prints it."""

from __future__ import annotations

import ast
import pickle
import re
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from igcsante import messages
from igcsante.errors import UsageError
from igcsante.messages import joined, localized, plural, preferred_language, tr

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
    assert localized(joined("; ", [tr("stale"), "x", tr("stale")]), "fr") == "périmé; x; périmé"


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

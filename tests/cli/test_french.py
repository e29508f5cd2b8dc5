"""French as a person reads it: words, punctuation, quotes, columns."""

from __future__ import annotations

import re

import pytest

from igcsante.certs.fleet.report import Outcome
from igcsante.cli import ask, main
from igcsante.cli.check_formats import counted
from igcsante.cli.output import wrapped
from igcsante.errors import NotHabilitatedError
from igcsante.identifiers import StructureId
from igcsante.messages import localized, tr
from igcsante.text import printable
from igcsante.words import certificate_of
from igcsante.ws.habilitations import check_habilitated
from igcsante.ws.model import Habilitation, Offre, ProductRequest, Scope, Structure, Usage, World

LINE = Habilitation(
    Structure(StructureId.parse("10B0999003"), "X"), Offre.ORG, (), Scope(), World.TEST
)


@pytest.fixture(autouse=True)
def _french(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IGC_LANG", "fr")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (
            ("card", "inf"),
            "Erreur : La commande « inf » n'existe pas. Vouliez-vous dire « info » ?",
        ),
        (("chek",), "Erreur : La commande « chek » n'existe pas. Vouliez-vous dire « check » ?"),
        (("config", "set", "platform"), "Erreur : Il manque l'argument « VALUE... »."),
        (
            ("card", "--nope"),
            "Erreur : L'option « --nope » n'existe pas.",
        ),
        (
            ("check", "--format", "xyz", "a"),
            "Erreur : Valeur incorrecte pour « --format » : "
            "« xyz » n'est pas l'une des valeurs « text », « json », ",
        ),
    ],
)
def test_errors_are_french_from_their_first_word(
    arguments: tuple[str, ...], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main.run(list(arguments)) == 2
    assert capsys.readouterr().err.replace("\xa0", " ").startswith(told)


def test_no_line_begins_with_punctuation() -> None:
    text = "un deux\xa0: trois\xa0; «\xa0quatre\xa0»\x1b"
    assert printable(text) == text[:-1]
    for line in wrapped(printable(" ".join([text] * 30)), indent="  ").splitlines():
        assert line.lstrip(" ")[0] not in "\xa0:;»"


def test_a_prompt_has_a_space_before_its_colon(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def prompt(text: str, prompt_suffix: str, **_: object) -> str:
        asked.append(text + prompt_suffix)
        return "o"

    monkeypatch.setattr(ask.click, "prompt", prompt)
    assert ask.says_yes(tr("PIN of the card"))
    monkeypatch.setenv("IGC_LANG", "en")
    assert ask.says_yes(tr("PIN of the card"))
    assert asked == ["PIN de la carte [o/N]\xa0: ", "PIN of the card [y/N]: "]


def test_certificates_of_a_card_are_named_in_words() -> None:
    assert localized(certificate_of("authentication"), "fr") == "le certificat d'authentification"
    assert certificate_of("signature") == "the signature certificate"


def test_the_demo_stays_within_the_terminal_in_aligned_columns(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    assert main.run(["demo"]) == 0
    lines = capsys.readouterr().out.splitlines()
    titles = [line for line in lines if line.startswith("✓")]
    column = titles[0].index("plateforme")
    assert len(titles) == 16
    assert len(lines) > len(titles)
    assert all(len(line) <= 60 and line[column - 1] == " " != line[column] for line in lines)


def test_words_agree_with_how_many_there_are() -> None:
    told = [localized(counted(outcome, 3)) for outcome in Outcome]
    assert told == [
        *("3 illisibles", "3 invalides", "3 révoqués", "3 inconnus", "3 périmés"),
        *("3 expirent bientôt", "3 bons"),
    ]
    assert localized(counted(Outcome.GOOD, 1)) == "1 bon"


@pytest.mark.parametrize("lines", [[LINE], []])
def test_no_space_stands_twice_where_one_message_goes_on_in_another(
    lines: list[Habilitation],
) -> None:
    asked = ProductRequest(
        offre=Offre.ORG,
        usage=Usage.AUTH_CLI,
        structure=StructureId.parse("10B0999009"),
        service_name="a service",
        emails=("a@example.org",),
        csr=b"not looked at",
    )
    with pytest.raises(NotHabilitatedError) as refused:
        check_habilitated(asked, lines)
    told = localized(refused.value.message)
    assert "pas habilitée pour" in told
    assert not re.search(r"[ \xa0]{2}", told), told

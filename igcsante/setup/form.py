"""Form F414, by which the ANS registers cards for test certificates: what is known of it, and a
text to gather what it asks for.

Facts sheet platform.md §1 and §2 (F414 of March 2024). The form itself is the ANS's.
"""

from __future__ import annotations

import textwrap

from ..messages import Message, localized, tr
from .fact import Fact, official, unknown

_WIDTH = 80
ADDRESS = "monserviceclient.developpement@esante.gouv.fr"

WHAT = (
    official(
        tr(
            "F414 orders test cards, and registers cards, by their number, that may order test "
            "certificates; an online form does the same."
        ),
        "F414 §1, §5.3",
    ),
    official(
        tr("Certificates of production want another form, F413, and real cards: not this one."),
        "F413",
    ),
)
CARDS = (
    official(
        tr(
            "Test cards CPS, CDE, CPE with a name, CDA or CPA: those you have, by their number, "
            "or those that the same form orders."
        ),
        "F414 §5.3",
    ),
    official(
        tr(
            "Test cards are free: at most 2 integration kits of 5 cards, 10 single cards and 2 "
            "sets of cards per order; CPS3 or CPS4."
        ),
        "FAQ, F414 §4.2",
    ),
)
TYPES = (
    official(
        tr("ORG, a service or a legal person: AUTH_CLI, SIGN, CONF; its structure is the scope."),
        "F414 §5.2",
    ),
    official(
        tr("SERV, a server's TLS: SSL_SERV; a domain with all below it, or one server's name."),
        "F414 §5.2",
    ),
    official(
        tr("SERV, a server's mail: S/MIME, SIGN, CONF; a domain of mail addresses."), "F414 §5.2"
    ),
    official(
        tr("PRO, a person of a structure: AUTH, SIGN, CONF; a domain of mail addresses."),
        "F414 §5.2",
    ),
)
SENT_TO = official(tr("It is sent by e-mail to {address}.", address=ADDRESS), "F414 §6")
RECEIPT = official(
    tr("Whoever asked gets an e-mail when the form is received, and when it is validated."),
    "F414 §6",
)
DELAY = (
    official(tr("Allow time: the form goes by e-mail, cards come by post."), "HUB, GNIUS"),
    unknown(tr("How many days each of them takes.")),
)
_PERSON = (
    unknown(tr("The boxes of F414 on structure and signatory, one by one: read the form itself.")),
    official(
        tr(
            "F413, its twin for production, wants of the structure its name, and its FINESS when "
            "it cares for patients, else its SIRET."
        ),
        "F413",
    ),
    official(
        tr(
            "It wants of the signatory (legal representative, mandataire, or self-employed "
            "holder) names, telephone, professional e-mail and card number."
        ),
        "F413",
    ),
    official(
        tr(
            "It wants of each administrator the card's number, the names as on the card, "
            "telephone and professional e-mail; an editor can be one, by delegation."
        ),
        "F413, FAQ",
    ),
)


def checklist() -> str:
    """The text, in the person's language: what is known, and blanks to fill in.

    It holds no datum of anybody.
    """
    lines = [
        *_lines(tr("F414: test cards, and cards that may order test certificates")),
        "",
        *_lines(
            tr("What igcsante knows of it (facts of November 2026). The form itself is the ANS's.")
        ),
    ]
    for heading, facts, blanks in _sections():
        lines += ["", *_lines(heading)]
        lines += [line for fact in facts for line in _lines(fact.line, "- ")]
        lines += [line for blank in blanks for line in _lines(_to_fill_in(blank), "[ ] ")]
    return "\n".join(lines) + "\n"


def _sections() -> tuple[tuple[Message, tuple[Fact, ...], tuple[Message, ...]], ...]:
    return (
        (tr("1. The form"), WHAT, (tr("Version and date of the form I filled in"),)),
        (
            tr("2. Structure and signatory"),
            _PERSON,
            (
                tr("Structure: name"),
                tr("Structure: FINESS or SIRET"),
                tr("Signatory: names and role"),
                tr("Signatory: telephone and professional e-mail"),
                tr("Who will order: names as on the card"),
            ),
        ),
        (
            tr("3. Cards"),
            CARDS,
            (tr("Cards to order: kinds and how many"), tr("Cards I have: their numbers")),
        ),
        (
            tr("4. Types of certificates, and their scope"),
            TYPES,
            (tr("Types I need"), tr("Domains or names of servers")),
        ),
        (
            tr("5. To send it"),
            (SENT_TO, RECEIPT, *DELAY),
            (tr("Sent on"), tr("E-mail of reception on"), tr("E-mail of validation on")),
        ),
    )


def _to_fill_in(blank: Message) -> Message:
    return tr("{blank}: ____________________", blank=blank)


def _lines(text: Message, mark: str = "") -> list[str]:
    """The text in lines, which go on below what follows the mark."""
    return textwrap.wrap(
        localized(text),
        _WIDTH,
        initial_indent=mark,
        subsequent_indent=" " * len(mark),
        break_long_words=False,
        break_on_hyphens=False,
    )

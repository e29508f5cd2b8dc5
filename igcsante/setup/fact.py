"""What is known of the ANS's side, each with how sure it is and where it is from.

The sources are those of facts sheet platform.md, by its keys; people read their titles. F414 and
F413 are the forms of March 2024, HUB is the pages of SAMU-Hub-Sante for those who join it.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from ..messages import Message, joined, tr


class Mark(StrEnum):
    """How sure a fact is."""

    OFFICIAL = "official"
    INFERRED = "inferred"
    UNKNOWN = "unknown"


_WORDS = {
    Mark.OFFICIAL: tr("official"),
    Mark.INFERRED: tr("inferred"),
    Mark.UNKNOWN: tr("not known"),
}


_TITLES = {
    "F413": tr("form F413"),
    "F414": tr("form F414"),
    "FAQ": tr("FAQ des industriels (industriels.esante.gouv.fr)"),
    "GNIUS": tr("G_NIUS (gnius.esante.gouv.fr)"),
    "G-DEM": tr('guide "Je souhaite demander un certificat" (esante.gouv.fr)'),
    "G-RET": tr('guide "Je souhaite retirer un certificat" (esante.gouv.fr)'),
    "HUB": tr("the ANS's pages on joining the Hub Santé"),
}


@dataclass(frozen=True)
class Fact:
    """A sentence; ``source`` says where it stands, and is empty for what nobody published.

    Sources are separated by commas: ``FAQ, F414 §4.2``.
    """

    text: Message
    mark: Mark
    source: str = ""

    @property
    def line(self) -> Message:
        """The sentence with its mark."""
        word = _WORDS[self.mark]
        if not self.source:
            return tr("{fact} [{mark}]", fact=self.text, mark=word)
        source = joined(", ", map(_titled, self.source.split(", ")))
        return tr("{fact} [{mark}: {source}]", fact=self.text, mark=word, source=source)


def _titled(place: str) -> Message:
    key, _, section = place.partition(" ")
    if key not in _TITLES:  # another section of the one before
        return joined("", [place])
    return joined(" ", [_TITLES[key], section] if section else [_TITLES[key]])


def official(text: Message, source: str) -> Fact:
    """The ANS says so."""
    return Fact(text, Mark.OFFICIAL, source)


def inferred(text: Message) -> Fact:
    """Deduced: it may be otherwise."""
    return Fact(text, Mark.INFERRED)


def unknown(text: Message) -> Fact:
    """Looked for in public texts, and not found."""
    return Fact(text, Mark.UNKNOWN)

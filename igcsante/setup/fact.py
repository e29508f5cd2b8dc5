"""What is known of the ANS's side, each with how sure it is and where it is from.

The sources are those of facts sheet platform.md: F414 and F413 are the ANS's forms of March 2024,
FAQ its questions for industrials, HUB the pages of its Hub Santé.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from ..messages import Message, tr


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


@dataclass(frozen=True)
class Fact:
    """A sentence; ``source`` says where it stands, and is empty for what nobody published."""

    text: Message
    mark: Mark
    source: str = ""

    @property
    def line(self) -> Message:
        """The sentence with its mark."""
        word = _WORDS[self.mark]
        if not self.source:
            return tr("{fact} [{mark}]", fact=self.text, mark=word)
        return tr("{fact} [{mark}: {source}]", fact=self.text, mark=word, source=self.source)


def official(text: Message, source: str) -> Fact:
    """The ANS says so."""
    return Fact(text, Mark.OFFICIAL, source)


def inferred(text: Message) -> Fact:
    """Deduced: it may be otherwise."""
    return Fact(text, Mark.INFERRED)


def unknown(text: Message) -> Fact:
    """Looked for in public texts, and not found."""
    return Fact(text, Mark.UNKNOWN)

"""Docstrings as the site shows them: without the sections of notes that readers don't have.

Docstrings cite, beside public documents, the project's own facts sheets (``card.md §3``). What
these say of the ANS, and how sure it is, stands in the explanations.
"""

from __future__ import annotations

import re

_SECTIONS = r"(?:card|pki|platform)\.md\s+§[\d.]*\d(?:(?:,|\s+and)\s+§[\d.]*\d)*"
_SHEET = rf"(?:facts\s+sheets?\s+)?{_SECTIONS}"
_CITED = re.compile(
    rf"\s+\({_SHEET}\)"  # alone in parentheses
    rf"|(?<=\(){_SHEET}[,;]\s+"  # first there, or after others
    rf"|[,;]\s+{_SHEET}(?=\))"
    rf"|(?<!\w)Facts\s+sheet\s+{_SECTIONS}\.(?:\s|$)"  # a sentence
)


def public(text: str) -> str:
    """The text with public documents as its only sources."""
    return _CITED.sub("", text)

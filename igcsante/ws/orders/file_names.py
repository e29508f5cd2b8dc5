"""What the files of an order are named after: any system takes such a name."""

from __future__ import annotations

import re
import secrets
import unicodedata


def stem_of(label: str, reference: str) -> str:
    """What the files of an order are named after."""
    return f"{_plain(label)}-{_short(reference)}"


def another_stem(stem: str) -> str:
    """One that no attempt before it has."""
    return f"{stem}-{secrets.token_hex(4)}"


def _plain(label: str) -> str:
    """A label as a file name that any system takes."""
    ascii_text = unicodedata.normalize("NFKD", label).encode("ascii", "ignore").decode()
    return re.sub(r"[^A-Za-z0-9.-]+", "-", ascii_text).strip("-.")[:48] or "certificate"


def _short(reference: str) -> str:
    """What tells the files of an attempt from all others: our own references are random."""
    own = re.fullmatch(r"igc-([0-9a-f]{32})", reference)
    return own[1][:8] if own else f"{_plain(reference)[:24]}-{secrets.token_hex(4)}"

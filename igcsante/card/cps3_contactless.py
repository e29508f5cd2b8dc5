"""CPS3 in a contactless reader: a part of its files, a technical key, no PIN (card.md §5, §6).

The card has an application of its own for this interface, whose place EF.DIR tells. What it
holds isn't the holder's: there is no personal certificate, and no PIN to give.
"""

from __future__ import annotations

from collections.abc import Iterator

from .cps3 import Cps3


class Cps3Contactless(Cps3):
    """The commands are those of the contact interface, over T=1."""

    name = "CPS3 contactless"
    application_aid = bytes.fromhex("E828BD080F8025000001FF0020")
    keeps_journal = False
    has_pin = False

    def cps2ter_files(self) -> Iterator[tuple[str, bytes]]:
        """None: the part isn't on this interface."""
        return iter(())

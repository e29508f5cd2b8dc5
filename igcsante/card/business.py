"""What is known of the contents of a card's data objects (card.md §3, §3.2).

The official description of these data isn't public. What is read here was seen on test
cards; all else stays bytes, for whoever knows better: nothing is guessed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime

from ..certs import nomenclatures
from ..errors import CardError, UsageError
from ..identifiers import StructureId
from ..messages import tr
from . import tlv

_ACTIVITY, _JOURNAL = 0xEE, 0xEC
_NAME, _STRUCTURE, _SECTOR = 0x84, 0x85, 0x86
_START, _END = 0x81, 0x82
_SPECIALTY = re.compile(rb"[A-Z]{2}[0-9]{2}")
_INSTANT_DIGITS = 14

Members = tuple[tuple[int, bytes], ...]


@dataclass(frozen=True)
class Activity:
    """A situation of the holder: where he or she works (CPS_ACTIVITY_nn_PS).

    ``structure_id`` as on the card (Struct_IdNat), ``sector`` a code of TRE_R02; each is
    empty when the card doesn't say. ``unknown``: (tag, value) of what isn't known.
    ``problem``: why nothing could be read of it, empty when something was.
    """

    number: int
    name: str
    structure_id: str
    sector: str
    unknown: Members
    problem: str = ""

    @classmethod
    def unreadable(cls, number: int, problem: str) -> Activity:
        """One that the card lists, and of which nothing can be told but that."""
        return cls(number, "", "", "", (), problem)

    @property
    def sector_label(self) -> str | None:
        """The ANS's label of the sector."""
        return nomenclatures.label("TRE_R02", self.sector)

    @property
    def structure(self) -> StructureId | None:
        """The structure's identifier, None when it has no form that is known."""
        try:
            return StructureId.parse(self.structure_id)
        except UsageError:
            return None


@dataclass(frozen=True)
class UpdateJournal:
    """EF_ACTUA: when the last update of the card began and ended.

    In the card's own time, whose zone isn't known; None when the card gives none.
    """

    started: datetime | None
    ended: datetime | None

    @property
    def complete(self) -> bool:
        """Whether the update was finished: the official middleware refuses the card if not."""
        return self.started is not None and self.ended is not None


def parse_activity(number: int, content: bytes) -> Activity:
    """CPS_ACTIVITY_nn_PS: ``EE``{84 name, 85 Struct_IdNat, 86 sector}. Raises CardError."""
    container = tlv.find(tlv.parse(content), _ACTIVITY)
    if container is None:
        raise CardError(tr("the card's activity {number} is not coded as one", number=number))
    members = {found.tag: found.value for found in reversed(container.children())}
    return Activity(
        number=number,
        name=_text(members.get(_NAME, b"")),
        structure_id=_text(members.get(_STRUCTURE, b"")),
        sector=_text(members.get(_SECTOR, b"")),
        unknown=tuple(
            (found.tag, found.value)
            for found in container.children()
            if found.tag not in (_NAME, _STRUCTURE, _SECTOR)
        ),
    )


def specialty_of(content: bytes) -> str | None:
    """The speciality that CPS_INFO_PS ends with, four characters like ``SM54``.

    None when it ends otherwise: not every holder has one.
    """
    end = content.rstrip(b"\x00")[-4:]
    return end.decode() if _SPECIALTY.fullmatch(end) else None


def parse_update_journal(content: bytes) -> UpdateJournal:
    """EF_ACTUA: ``EC``{81 start, 82 end}, dates in BCD ``YYYYMMDDhhmmss``.

    A journal that is there and says nothing is one of an update that wasn't finished.
    """
    try:
        journal = tlv.find(tlv.parse(content), _JOURNAL)
        dates = [journal.child(tag) for tag in (_START, _END)] if journal else [None, None]
    except CardError:
        dates = [None, None]
    return UpdateJournal(_instant(dates[0]), _instant(dates[1]))


def _instant(found: tlv.Tlv | None) -> datetime | None:
    digits = found.value.hex() if found else ""
    if len(digits) != _INSTANT_DIGITS or not digits.isdecimal():
        return None
    try:
        return datetime.strptime(digits, "%Y%m%d%H%M%S")
    except ValueError:
        return None


def _text(value: bytes) -> str:
    """UTF-8; a byte that isn't becomes the replacement character, and is seen as such."""
    return value.decode("utf-8", "replace")

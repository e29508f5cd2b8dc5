"""Answers to reset: ISO/IEC 7816-3 §8, and the ATRs of the CPx family (card.md §1).

A generation is told by the whole ATR, byte for byte, as the official middleware does; the
published masks only serve to say what an unknown card looks like.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import CardError
from ..messages import joined, tr

MAX_ATR_BYTES = 33
_COUNTRY, _PRE_ISSUING = 1, 6
_FRANCE = "250"
_CPX_PRE_ISSUING = b"\x80"  # that of all CPx cards begins so


@dataclass(frozen=True)
class Atr:
    """A parsed ATR: protocols offered (0 and 1 are T=0 and T=1) and historical bytes."""

    raw: bytes
    protocols: tuple[int, ...]
    historical: bytes

    @property
    def objects(self) -> dict[int, bytes]:
        """The compact data objects of the historical bytes: tag 1 to 15 and value.

        ISO/IEC 7816-4 §12.1.1; empty when they aren't coded so.
        """
        found: dict[int, bytes] = {}
        if self.historical[:1] not in (b"\x00", b"\x80"):
            return found
        position = 1
        while position < len(self.historical) and (tag := self.historical[position] >> 4):
            end = position + 1 + (self.historical[position] & 0x0F)
            if end > len(self.historical):
                break
            found.setdefault(tag, self.historical[position + 1 : end])
            position = end
        return found

    @property
    def country(self) -> str | None:
        """Three digits of ISO 3166-1, ``250`` for France; None when the card doesn't say."""
        digits = self.objects.get(_COUNTRY, b"").hex()[:3]
        return digits if len(digits) == 3 and digits.isdecimal() else None

    @property
    def pre_issuing(self) -> bytes:
        """The pre-issuing data, by which CPx generations differ (card.md §1)."""
        return self.objects.get(_PRE_ISSUING, b"")

    @classmethod
    def parse(cls, raw: bytes) -> Atr:
        """Read an ATR. Raises CardError when its structure or check byte is wrong."""
        if not 2 <= len(raw) <= MAX_ATR_BYTES or raw[0] not in (0x3B, 0x3F):
            raise CardError(tr("that is no answer to reset"), atr=raw[:MAX_ATR_BYTES].hex())
        protocols: list[int] = []
        position, indicator = 2, raw[1] >> 4
        while indicator:
            position += (indicator & 0b0111).bit_count()
            following = raw[position : position + 1] if indicator & 0b1000 else b""
            position += len(following)
            indicator = following[0] >> 4 if following else 0
            if following:
                protocols.append(following[0] & 0x0F)
        offered = tuple(dict.fromkeys(protocols)) or (0,)
        historical = raw[position : position + (raw[1] & 0x0F)]
        position += raw[1] & 0x0F
        # §8.2.5: the check byte TCK is there unless T=0 is the only protocol.
        if len(raw) != position + (offered != (0,)):
            raise CardError(tr("the answer to reset has a wrong length"), atr=raw.hex())
        if offered != (0,) and _xor(raw[1:]):
            raise CardError(tr("the check byte of the answer to reset is wrong"), atr=raw.hex())
        return cls(raw, offered, historical)


def _xor(data: bytes) -> int:
    total = 0
    for byte in data:
        total ^= byte
    return total


@dataclass(frozen=True)
class KnownAtr:
    """A card of the CPx family. ``generation`` is ``CPS3``, ``CPS4``, or one we don't drive."""

    raw: bytes
    generation: str
    note: str


_KNOWN = (
    KnownAtr(bytes.fromhex("3BAC00402A001225006480000310009000"), "CPS3", tr("contact")),
    KnownAtr(bytes.fromhex("3B9B188001001225006480040100009044"), "CPS4", tr("contact")),
    KnownAtr(
        bytes.fromhex("3B9B188001001225006480000401009044"),
        "CPS4",
        tr("contact, release candidate"),
    ),
    KnownAtr(
        bytes.fromhex("3BDC18FF00001225006480000401009000"),
        "CPS4",
        tr("contact, release candidate, T=0 only"),
    ),
    KnownAtr(
        bytes.fromhex("3B8F80010031B86404B0ECC1739401808290000E"),
        "CPS3 contactless",
        tr("contactless"),
    ),
    KnownAtr(bytes.fromhex("3BAC00402A001225006480820212009000"), "CPS2ter", tr("contact")),
)

# Windows registry entries of the official installer (card.md §1): ATR, mask, what it covers.
_MASKS = (
    (
        bytes.fromhex("3B00000000001225006480000000009000"),
        bytes.fromhex("FF00000000FFFFFFFFFFFF000000FFFFFF"),
        tr("a CPx card (contact) of an unknown generation"),
    ),
    (
        bytes.fromhex("3B8F80010031B8640000ECC0739401808290000E"),
        bytes.fromhex("FFFFFFFFFFFFFFFF0000FFC0FFFFFFFFFFFFFFFF"),
        tr("a contactless CPx card of an unknown generation"),
    ),
)


def known(atr: bytes) -> KnownAtr | None:
    """The family member whose ATR is exactly this one."""
    return next((entry for entry in _KNOWN if entry.raw == atr), None)


def generation_of(atr: bytes) -> str | None:
    """``CPS3``, ``CPS4``, ``CPS3 contactless``, ``CPS2ter``, or None for an unknown ATR."""
    entry = known(atr)
    return entry.generation if entry else None


def describe(atr: bytes) -> str:
    """What a card with this ATR is, as far as the ATR tells, for a person to read."""
    if entry := known(atr):
        family = entry.generation.removesuffix(f" {entry.note}")
        return tr("a {family} card ({note})", family=family, note=entry.note)
    for pattern, mask, description in _MASKS:
        if len(atr) == len(pattern) and _matches(atr, pattern, mask):
            return description
    return _described_by_history(atr)


def _described_by_history(atr: bytes) -> str:
    try:
        parsed = Atr.parse(atr)
    except CardError:
        return tr("a card whose answer to reset makes no sense")
    details = []
    if parsed.country:
        name = "250, France" if parsed.country == _FRANCE else parsed.country
        details.append(tr("country {name}", name=name))
    if parsed.pre_issuing:
        details.append(tr("pre-issuing data {data}", data=parsed.pre_issuing.hex().upper()))
    said = tr(" ({details})", details=joined(", ", details)) if details else ""
    if parsed.country == _FRANCE and parsed.pre_issuing.startswith(_CPX_PRE_ISSUING):
        return tr("perhaps a CPx card, of a generation that igcsante doesn't know{said}", said=said)
    return tr("a card that is not of the CPx family{said}", said=said)


def advice_for(atr: bytes) -> str:
    """What to do with a card that igcsante doesn't work with."""
    entry = known(atr)
    if entry and entry.generation == "CPS2ter":
        return tr("CPS2ter cards are no longer in force: use the card that replaced this one")
    shown = atr.hex(" ").upper()
    if "CPx card" in describe(atr):
        return tr("use a CPS3 or CPS4, or report this ATR: {atr}", atr=shown)
    return tr("insert a CPS card, chip first; if this is one, report its ATR: {atr}", atr=shown)


def _matches(atr: bytes, pattern: bytes, mask: bytes) -> bool:
    return all(a & m == p & m for a, p, m in zip(atr, pattern, mask, strict=True))

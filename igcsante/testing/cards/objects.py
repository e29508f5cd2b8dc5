"""What a card tells about its holder: the contents of its data objects (card.md §3, §3.2).

Known: the labels, which of them the PIN guards, ``EE``{84 85 86} of CPS_ACTIVITY, and that
CPS_INFO_PS ends with the specialty. **Ours, because nothing public tells**: the other
contents, which follow the container style of CPS_ACTIVITY (a one-byte ``Ex`` tag, ``8x``
members, UTF-8), the file numbers except D107 and D120…, and all that CPS2ter codes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from .der import tlv
from .profile import CARD_TYPES, Activity, CardProfile

ISSUER_NUMBER = "8025000001"  # 80 health, 250 France, 00001 the ANS
_CPS_DATA_BYTES = 64
_TEST_CATEGORY = 0x80  # TRE_G01: 00 a card, 80 a test card
# CPS2TER_ objects of a CPS4 that need no PIN, in the order of the official table.
_CPS2TER_LABELS = ("ATR", "ID", "ICC", "NAME", "LANG", "PSINFO", "DIRAMO")


@dataclass(frozen=True)
class CardObject:
    """A PKCS#15 data object; ``number`` is that of its file in the application."""

    label: str
    number: int
    content: bytes
    private: bool = False
    modifiable: bool = False


def card_objects(profile: CardProfile) -> list[CardObject]:
    """The data objects of a card, in the order of its DODF."""
    objects = [
        CardObject("CPS_DATA", 0xD107, bytes(_CPS_DATA_BYTES), modifiable=True),
        CardObject("CPS_ID_CARD", 0xD100, _identity(profile)),
        CardObject("CPS_NAME_PS", 0xD101, _holder(profile)),
        CardObject("CPS_LANG_PS", 0xD103, _container(0xE3, {0x80: "fr"})),
        CardObject("CPS_INFO_PS", 0xD102, _information(profile)),
    ]
    for number, situation in profile.situations.items():
        label = f"CPS_ACTIVITY_{number:02}_PS"
        objects.append(CardObject(label, 0xD11F + number, activity(situation), private=True))
    if profile.generation == "cps4":
        objects += _cps2ter_objects(profile)
    return objects


def activity(situation: Activity) -> bytes:
    """CPS_ACTIVITY_nn_PS: ``EE``{84 raison sociale, 85 Struct_IdNat, 86 secteur} (§3.2)."""
    values = (situation.raison_sociale, situation.structure_id, situation.secteur)
    return _container(0xEE, dict(zip((0x84, 0x85, 0x86), values, strict=True)))


def cps2ter_activity(situation: Activity) -> bytes:
    """A situation as CPS2ter has it. Its coding is not public: this one is ours."""
    return tlv(0xEF, b"CPS2TER SIMULATION", situation.raison_sociale.encode())


def billing_situation(profile: CardProfile) -> bytes:
    """CPS_SIT_FACT. Its coding is not public: this one is ours."""
    return tlv(0xEF, b"CPS_SIT_FACT SIMULATION", str(profile.national_id).encode())


def _cps2ter_objects(profile: CardProfile) -> Iterator[CardObject]:
    """What a CPS4 publishes of CPS2ter, whose volet it doesn't serve with class A0."""
    for number, name in enumerate(_CPS2TER_LABELS):
        content = tlv(0xEF, f"CPS2TER_{name} SIMULATION".encode())
        yield CardObject(f"CPS2TER_{name}", 0xD110 + number, content)
    for number, situation in profile.situations.items():
        label = f"CPS2TER_ACTIVITY_{number:02}_PS"
        yield CardObject(label, 0xD12F + number, cps2ter_activity(situation), private=True)
    yield CardObject("CPS_SIT_FACT", 0xD104, billing_situation(profile), private=True)


def _identity(profile: CardProfile) -> bytes:
    return tlv(
        0xE1,
        tlv(0x80, bytes([_TEST_CATEGORY if profile.test else 0])),
        tlv(0x81, bytes([CARD_TYPES[profile.card_type]])),
        tlv(0x82, f"{ISSUER_NUMBER}/{profile.card_number}".encode()),
    )


def _holder(profile: CardProfile) -> bytes:
    return _container(
        0xE2, {0x80: str(profile.national_id), 0x81: profile.surname, 0x82: profile.given_name}
    )


def _information(profile: CardProfile) -> bytes:
    profession = "" if profile.profession_code is None else f"{profile.profession_code:02}"
    # The specialty comes last: readers take the last four characters (§3.2).
    return _container(
        0xE4,
        {
            0x80: str(profile.national_id),
            0x81: profession,
            0x82: profile.title,
            0x83: profile.specialty,
        },
    )


def _container(tag: int, members: dict[int, str]) -> bytes:
    return tlv(tag, *(tlv(member, text.encode()) for member, text in members.items()))

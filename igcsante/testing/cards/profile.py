"""Card profiles: who a simulated card belongs to and what is on it, as data.

A profile is a TOML file with the fields of :class:`CardProfile`; ``cps3`` and ``cps4`` come
with the package. Holders are invented. Codes are the ANS's: professions TRE_G15,
specialties TRE_R01, sectors TRE_R02 (facts sheet card.md §3.2).
"""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from importlib import resources
from pathlib import Path
from typing import Any

from ...errors import ConfigError, UsageError
from ...files import read_bounded
from ...identifiers import NationalId, StructureId

MAX_PROFILE_BYTES = 64 * 1024
MAX_ACTIVITIES = 16
GENERATIONS = ("cps3", "cps4")
# TRE_G02, the type in certificates and in CPS_ID_CARD.
CARD_TYPES = {"CPS": 0, "CPF": 1, "CDE": 2, "CPE": 2, "CDA": 3, "CPA": 3}


@dataclass(frozen=True)
class Activity:
    """Where the holder works: name, Struct_IdNat (``1<FINESS>``, ``3<SIRET>``…), sector."""

    raison_sociale: str
    structure_id: str
    secteur: str

    def __post_init__(self) -> None:
        _demand(len(self.raison_sociale.encode()) <= 100, "raison_sociale", "at most 100 bytes")
        StructureId.parse(self.structure_id)
        _demand(re.fullmatch(r"[A-Z]{2}\d\d", self.secteur), "secteur", "like SA07")


@dataclass(frozen=True)
class CardProfile:
    """A card and its holder. Raises UsageError for a value that no card can have.

    ``serial`` is the 8 digits of EF.SN, ``card_number`` the 10 digits of the token label and
    of the certificates; ``test`` puts the card in the TEST category.
    """

    name: str
    generation: str
    serial: str
    card_number: str
    national_id: NationalId
    title: str
    surname: str
    given_name: str
    card_type: str = "CPS"
    test: bool = True
    profession_code: int | None = None
    specialty: str = ""
    pin: str = field(default="1234", repr=False)
    puk: str = field(default="12345678", repr=False)
    pin_tries: int = 3
    pin_tries_left: int = 3
    activities: tuple[Activity, ...] = ()

    def __post_init__(self) -> None:
        _demand(self.generation in GENERATIONS, "generation", "cps3 or cps4")
        _demand(self.card_type in CARD_TYPES, "card_type", "one of " + ", ".join(CARD_TYPES))
        _demand(re.fullmatch(r"\d{8}", self.serial), "serial", "8 digits")
        _demand(re.fullmatch(r"\d{10}", self.card_number), "card_number", "10 digits")
        for name in ("name", "title", "surname", "given_name"):
            _demand(0 < len(getattr(self, name).encode()) <= 64, name, "1 to 64 bytes")
        _demand(
            self.profession_code is None or 0 <= self.profession_code <= 99,
            "profession_code",
            "0 to 99",
        )
        _demand(
            re.fullmatch(r"([A-Z]{2}\d\d)?", self.specialty), "specialty", "like SM54, or empty"
        )
        # The lengths that the simulated AODF publishes.
        _demand(re.fullmatch(r"\d{4}", self.pin), "pin", "4 digits")
        _demand(re.fullmatch(r"\d{8}", self.puk), "puk", "8 digits")
        _demand(1 <= self.pin_tries <= 15, "pin_tries", "1 to 15")
        _demand(
            0 <= self.pin_tries_left <= self.pin_tries,
            "pin_tries_left",
            "0 to the value of pin_tries",
        )
        _demand(len(self.activities) <= MAX_ACTIVITIES, "activities", f"at most {MAX_ACTIVITIES}")

    @property
    def label(self) -> str:
        """The token label, e.g. ``CPS3v3-2900997003`` (card.md §4)."""
        version = {"cps3": "CPS3v3", "cps4": "CPS4v1"}[self.generation]
        return f"{version}-{self.card_number}"


def profile_names() -> tuple[str, ...]:
    """The profiles that come with the package."""
    return tuple(sorted(entry.name.removesuffix(".toml") for entry in _FOLDER.iterdir()))


def load_profile(source: str | Path) -> CardProfile:
    """A profile of the package by its name, or the one in a TOML file.

    Raises ConfigError, which names the file and the key, and UsageError when the file can't
    be read.
    """
    if isinstance(source, str) and source in profile_names():
        return parse_profile((_FOLDER / f"{source}.toml").read_text("utf-8"), f"profile {source}")
    path = Path(source)
    if not path.exists():
        raise ConfigError(
            f"there is no card profile {str(source)!r}",
            advice="known: " + ", ".join(profile_names()) + ", or the path of a TOML file",
        )
    try:
        text = read_bounded(path, MAX_PROFILE_BYTES).decode()
    except UnicodeDecodeError:
        raise ConfigError(f"{path}: not a TOML file: it is not UTF-8") from None
    return parse_profile(text, str(path))


def parse_profile(text: str, origin: str) -> CardProfile:
    """A profile from TOML text. Raises ConfigError, which names ``origin`` and the key."""
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{origin}: not a TOML file: {error}") from None
    try:
        activities = table.pop("activities", [])
        values = _checked(table, _PROFILE_TYPES)
        if not isinstance(activities, list) or not all(isinstance(a, dict) for a in activities):
            raise UsageError("activities are tables, as in [[activities]]")
        return CardProfile(
            **{**values, "national_id": NationalId.parse(values["national_id"])},
            activities=tuple(Activity(**_checked(a, _ACTIVITY_TYPES)) for a in activities),
        )
    except UsageError as error:
        raise ConfigError(f"{origin}: {error.message}", advice=error.advice) from None


def _checked(table: Mapping[str, Any], types: Mapping[str, type]) -> dict[str, Any]:
    for key, value in table.items():
        if key not in types:
            near = difflib.get_close_matches(key, types, 1)
            hint = f"did you mean {near[0]!r}?" if near else "known: " + ", ".join(sorted(types))
            raise UsageError(f"unknown key {key!r}", advice=hint)
        if type(value) is not types[key]:
            raise UsageError(f"{key} is a {types[key].__name__}, not {value!r}")
    required = _REQUIRED if types is _PROFILE_TYPES else types
    if missing := [key for key in required if key not in table]:
        raise UsageError("missing: " + ", ".join(missing))
    return dict(table)


def _demand(holds: object, name: str, rule: str) -> None:
    if not holds:
        raise UsageError(f"{name} must be {rule}")


_FOLDER = resources.files(__package__) / "profiles"
_ACTIVITY_TYPES: dict[str, type] = dict.fromkeys((f.name for f in fields(Activity)), str)
_PROFILE_TYPES: dict[str, type] = {
    **{f.name: str for f in fields(CardProfile) if f.name != "activities"},
    "test": bool,
    **dict.fromkeys(("profession_code", "pin_tries", "pin_tries_left"), int),
}
_REQUIRED = (
    "name", "generation", "serial", "card_number", "national_id",
    "title", "surname", "given_name",
)  # fmt: skip

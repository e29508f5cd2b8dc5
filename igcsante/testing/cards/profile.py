"""Card profiles: who a simulated card belongs to and what is on it, as data.

A profile is a TOML file with the fields of :class:`CardProfile`; those of ``profiles/`` come
with the package. ``like = "cps3"`` takes what a file doesn't say from one of them. Holders
are invented. Codes are the ANS's: professions TRE_G15, specialties TRE_R01, sectors TRE_R02
(facts sheet card.md §3.2).
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from importlib import resources
from pathlib import Path
from typing import Any

from ...errors import ConfigError, UsageError
from ...files import read_bounded
from ...identifiers import NationalId, StructureId
from ...messages import tr
from ...text import did_you_mean
from ...toml_problem import toml_problem

MAX_PROFILE_BYTES = 64 * 1024
MAX_ACTIVITIES = 16
# What a generation comes in, the usual first: another ATR, other protocols (card.md §1).
VARIANTS = {
    "cps3": ("contact", "contactless"),
    "cps4": ("contact", "release-candidate", "release-candidate-t0"),
}
# TRE_G02, the type in certificates and in CPS_ID_CARD.
CARD_TYPES = {"CPS": 0, "CPF": 1, "CDE": 2, "CPE": 2, "CDA": 3, "CPA": 3}
# Of the certificates: in force, past their end, before their start, or revoked.
STATES = ("valid", "expired", "not-yet-valid", "opposed")
MAX_CERTIFICATE_BYTES = 8192


@dataclass(frozen=True)
class Activity:
    """Where the holder works: name, Struct_IdNat (``1<FINESS>``, ``3<SIRET>``…), sector.

    ``number`` is its place on the card, 1 to 16; 0 is the place after the one before.
    """

    raison_sociale: str
    structure_id: str
    secteur: str
    number: int = 0

    def __post_init__(self) -> None:
        _demand(len(self.raison_sociale.encode()) <= 100, "raison_sociale", tr("at most 100 bytes"))
        StructureId.parse(self.structure_id)
        _demand(re.fullmatch(r"[A-Z]{2}\d\d", self.secteur), "secteur", tr("like SA07"))
        _demand(
            0 <= self.number <= MAX_ACTIVITIES,
            "number",
            tr("1 to {max_activities}", max_activities=MAX_ACTIVITIES),
        )


@dataclass(frozen=True)
class CardProfile:
    """A card and its holder. Raises UsageError for a value that no card can have.

    ``serial`` is the 8 digits of EF.SN, ``card_number`` the 10 digits of the token label and
    of the certificates; ``test`` puts the card in the TEST category. ``certificate_bytes``
    is how long certificates are, about: 2.2 KB as observed, from 1 KB for a holder with
    short names, 0 for as long as they come. Below 1.8 KB they have fewer extensions, below
    1.4 KB an issuer with an elliptic curve key, which no real one has. ``files`` spoils the
    card: by name of the file, ``missing``, ``empty`` or its bytes in hexadecimal; names are
    those of the PKCS#15 objects, ``EF.DIR`` and the like
    (:func:`~igcsante.testing.cards.image.build_image`).
    """

    name: str
    generation: str
    serial: str
    card_number: str
    national_id: NationalId
    title: str
    surname: str
    given_name: str
    note: str = ""
    variant: str = "contact"
    card_type: str = "CPS"
    state: str = "valid"
    test: bool = True
    profession_code: int | None = None
    specialty: str = ""
    pin: str = field(default="1234", repr=False)
    puk: str = field(default="12345678", repr=False)
    pin_tries: int = 3
    pin_tries_left: int = 3
    certificate_bytes: int = 2200
    activities: tuple[Activity, ...] = ()
    files: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        _demand(
            self.generation in VARIANTS,
            "generation",
            tr("one of {names}", names=", ".join(VARIANTS)),
        )
        variants = VARIANTS[self.generation]
        _demand(
            self.variant in variants, "variant", tr("one of {names}", names=", ".join(variants))
        )
        _demand(self.state in STATES, "state", tr("one of {names}", names=", ".join(STATES)))
        _demand(
            self.card_type in CARD_TYPES,
            "card_type",
            tr("one of {names}", names=", ".join(CARD_TYPES)),
        )
        _demand(re.fullmatch(r"\d{8}", self.serial), "serial", tr("8 digits"))
        _demand(re.fullmatch(r"\d{10}", self.card_number), "card_number", tr("10 digits"))
        for name, most in (("name", 64), ("title", 64), ("surname", 100), ("given_name", 100)):
            _demand(
                0 < len(getattr(self, name).encode()) <= most,
                name,
                tr("1 to {most} bytes", most=most),
            )
        _demand(
            self.profession_code is None or 0 <= self.profession_code <= 99,
            "profession_code",
            tr("0 to 99"),
        )
        _demand(
            re.fullmatch(r"([A-Z]{2}\d\d)?", self.specialty), "specialty", tr("like SM54, or empty")
        )
        # The lengths that the simulated AODF publishes.
        _demand(re.fullmatch(r"\d{4}", self.pin), "pin", tr("4 digits"))
        _demand(re.fullmatch(r"\d{8}", self.puk), "puk", tr("8 digits"))
        _demand(1 <= self.pin_tries <= 15, "pin_tries", tr("1 to 15"))
        _demand(
            0 <= self.pin_tries_left <= self.pin_tries,
            "pin_tries_left",
            tr("0 to the value of pin_tries"),
        )
        _demand(
            0 <= self.certificate_bytes <= MAX_CERTIFICATE_BYTES,
            "certificate_bytes",
            tr("0 to {max_certificate_bytes}", max_certificate_bytes=MAX_CERTIFICATE_BYTES),
        )
        numbers = [number for number, _ in self._numbered()]
        _demand(
            len(set(numbers)) == len(numbers) and max(numbers, default=0) <= MAX_ACTIVITIES,
            "activities",
            tr(
                "at most {max_activities}, each with a number of its own",
                max_activities=MAX_ACTIVITIES,
            ),
        )
        for name, what in self.files.items():
            _demand(_FILE_CONTENT.fullmatch(what), tr("files.{name}", name=name), _FILE_RULE)

    @property
    def label(self) -> str:
        """The token label, e.g. ``CPS3v3-2900997003`` (card.md §4)."""
        version = {"cps3": "CPS3v3", "cps4": "CPS4v1"}[self.generation]
        return f"{version}-{self.card_number}"

    @property
    def situations(self) -> dict[int, Activity]:
        """The activities by their number on the card."""
        return dict(self._numbered())

    @property
    def key_roles(self) -> tuple[str, ...]:
        """The keys that a PKI issues for the card: fields of CardMaterial."""
        personal = ("authentication", "signature")
        return (*personal, "technical") if self.variant == "contactless" else personal

    def _numbered(self) -> Iterator[tuple[int, Activity]]:
        number = 0
        for activity in self.activities:
            number = activity.number or number + 1
            yield number, activity


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
            tr("there is no card profile {source!r}", source=str(source)),
            advice=tr(
                "known: {names}, or the path of a TOML file", names=", ".join(profile_names())
            ),
        )
    try:
        text = read_bounded(path, MAX_PROFILE_BYTES).decode()
    except UnicodeDecodeError:
        raise ConfigError(tr("{path}: not a TOML file: it is not UTF-8", path=path)) from None
    return parse_profile(text, str(path))


def parse_profile(text: str, origin: str) -> CardProfile:
    """A profile from TOML text. Raises ConfigError, which names ``origin`` and the key."""
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(
            tr("{origin}: not a TOML file: {error}", origin=origin, error=toml_problem(error))
        ) from None
    try:
        return _profile(table)
    except UsageError as error:
        raise ConfigError(
            tr("{origin}: {message}", origin=origin, message=error.message), advice=error.advice
        ) from None


def changed_profile(profile: CardProfile, changes: Mapping[str, Any]) -> CardProfile:
    """The profile with other values: of its fields, or as a TOML file has them.

    Raises UsageError, which names the key.
    """
    fitting: dict[str, Any] = {
        key: value
        for key, value in changes.items()
        if key in _FIELD_TYPES and isinstance(value, _FIELD_TYPES[key])
    }
    others = {
        key: list(value) if isinstance(value, tuple) else value
        for key, value in changes.items()
        if key not in fitting
    }
    return replace(profile, **fitting, **_values(others, ()))


def _profile(table: dict[str, Any]) -> CardProfile:
    like = table.pop("like", None)
    if like is not None and like not in profile_names():
        raise UsageError(
            tr("like: there is no card profile {like!r}", like=like),
            advice=tr("known: {names}", names=", ".join(profile_names())),
        )
    values = _values(table, ("name",) if like else _REQUIRED)
    return replace(load_profile(like), **values) if like else CardProfile(**values)


def _values(table: Mapping[str, Any], required: Sequence[str]) -> dict[str, Any]:
    """The fields that a table gives. Raises UsageError."""
    values = _checked(table, _PROFILE_TYPES, required)
    if "national_id" in values:
        values["national_id"] = NationalId.parse(values["national_id"])
    if "activities" in values:
        values["activities"] = tuple(map(_activity, values["activities"]))
    if not all(isinstance(what, str) for what in values.get("files", {}).values()):
        raise UsageError(tr("files are {file_rule}", file_rule=_FILE_RULE))
    return values


def _activity(table: object) -> Activity:
    if isinstance(table, Activity):
        return table
    if not isinstance(table, dict):
        raise UsageError(tr("activities are tables, as in [[activities]]"))
    required = ("raison_sociale", "structure_id", "secteur")
    return Activity(**_checked(table, _ACTIVITY_TYPES, required))


def _checked(
    table: Mapping[str, Any], types: Mapping[str, type], required: Sequence[str]
) -> dict[str, Any]:
    for key, value in table.items():
        if key not in types:
            hint = did_you_mean(key, types) or tr("known: {names}", names=", ".join(sorted(types)))
            raise UsageError(tr("unknown key {key!r}", key=key), advice=hint)
        if type(value) is not types[key]:
            raise UsageError(
                tr(
                    "{key} is a {name}, not {value!r}",
                    key=key,
                    name=types[key].__name__,
                    value=value,
                )
            )
    if missing := [key for key in required if key not in table]:
        raise UsageError("missing: " + ", ".join(missing))
    return dict(table)


def _demand(holds: object, name: str, rule: str) -> None:
    if not holds:
        raise UsageError(tr("{name} must be {rule}", name=name, rule=rule))


_FOLDER = resources.files(__package__) / "profiles"
_FILE_CONTENT = re.compile(r"missing|empty|([0-9A-Fa-f]{2})+")
_FILE_RULE = tr("missing, empty, or bytes in hexadecimal")
_ACTIVITY_TYPES: dict[str, type] = {
    **dict.fromkeys(("raison_sociale", "structure_id", "secteur"), str),
    "number": int,
}
_PROFILE_TYPES: dict[str, type] = {
    **dict.fromkeys((f.name for f in fields(CardProfile)), str),
    "test": bool,
    **dict.fromkeys(("profession_code", "pin_tries", "pin_tries_left", "certificate_bytes"), int),
    "activities": list,
    "files": dict,
}
# Values of fields that no TOML file can hold.
_FIELD_TYPES: dict[str, type] = {"national_id": NationalId, "profession_code": type(None)}
_REQUIRED = (
    "name", "generation", "serial", "card_number", "national_id",
    "title", "surname", "given_name",
)  # fmt: skip

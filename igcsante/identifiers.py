"""National identifiers of professionals (PS_IdNat) and structures (Struct_IdNat).

A type digit followed by a value, as in the CN and OU of card and software certificates
(facts sheet pki.md §6, nomenclatures TRE_G08 and TRE_G07). Check keys are only observed
to hold, so a wrong one is a warning, never a refusal.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import ClassVar

from .errors import UsageError
from .messages import joined, tr


def luhn_valid(digits: str) -> bool:
    """Whether the decimal digits, check digit last, satisfy Luhn's formula (ISO/IEC 7812-1)."""
    total = 0
    for position, digit in enumerate(reversed(digits)):
        value = int(digit)
        if position % 2:
            value = value * 2 - 9 if value > 4 else value * 2
        total += value
    return total % 10 == 0


@dataclass(frozen=True)
class NationalId:
    """The national identifier of a professional: type digit, value, internal number.

    ``value`` is the RPPS number, ADELI number or structure number; ``internal`` what
    follows the ``/`` for the staff of a structure, else empty.

    >>> NationalId.parse("899700735741").type_name
    'RPPS'
    """

    type_code: str
    value: str
    internal: str = ""

    TYPES: ClassVar[dict[str, tuple[str, str]]] = {
        "0": ("ADELI", r"[0-9A-Z]{9}"),
        "1": ("cabinet ADELI", r"[0-9A-Z]{1,14}"),
        "2": ("DRASS", r"[0-9A-Z]{1,14}"),
        "3": ("FINESS", r"[0-9A-Z]{9}"),
        "4": ("SIREN", r"[0-9]{9}"),
        "5": ("SIRET", r"[0-9]{14}"),
        "6": ("cabinet RPPS", r"[0-9A-Z]{1,14}"),
        "8": ("RPPS", r"[0-9]{11}"),
        "9": ("étudiant", r"[0-9A-Z]{1,14}"),
        "10": ("MSSanté", r"[^\s/@]{1,64}@[^\s/@]{1,255}"),
    }
    WITH_INTERNAL: ClassVar[frozenset[str]] = frozenset("13456")
    UPN_SUFFIX: ClassVar[str] = "@carte-cps.fr"

    @classmethod
    def parse(cls, text: str) -> NationalId:
        """Read ``8<RPPS>``, ``0<ADELI>``, ``3<FINESS>/<internal>``… Raises UsageError.

        An MSSanté address after ``10`` is told by its ``@``. The types of the repertoires of
        structures (30) have no form of their own: 30 also begins FINESS numbers.
        """
        type_code, value, internal = _split(text.strip(), cls.TYPES, tr("national identifier"))
        needs_internal = type_code in cls.WITH_INTERNAL
        if needs_internal != bool(internal):
            raise UsageError(
                tr(
                    "{text!r} is not a national identifier: type {type_code} needs an internal "
                    "number after a /",
                    text=text,
                    type_code=type_code,
                )
                if needs_internal
                else tr(
                    "{text!r} is not a national identifier: type {type_code} has no internal "
                    "number after a /",
                    text=text,
                    type_code=type_code,
                )
            )
        return cls(type_code, value, internal)

    @classmethod
    def from_upn(cls, upn: str) -> NationalId:
        """Read the user principal name of a card certificate, ``8.<RPPS>@carte-cps.fr``.

        Both observed spellings are taken (card.md §4): ``30B…/CPET0002@…`` and
        ``5.<SIRET>.CPAT0001@…``. Raises UsageError.
        """
        local = upn.removesuffix(cls.UPN_SUFFIX)
        type_code, dot, rest = local.partition(".")
        if dot and len(type_code) == 1:
            value, _, internal = rest.partition(".")
            local = f"{type_code}{value}/{internal}" if internal else f"{type_code}{value}"
        return cls.parse(local)

    @property
    def type_name(self) -> str:
        return self.TYPES[self.type_code][0]

    @property
    def warnings(self) -> tuple[str, ...]:
        """What looks odd, without making the identifier wrong (TEST numbers need no key)."""
        return _key_warnings(self.type_name, self.value)

    @property
    def formatted(self) -> str:
        """For people: the kind of number, and the number as it is usually grouped."""
        number = _grouped(self.type_name, self.value)
        return f"{self.type_name} {number}" + (f" / {self.internal}" if self.internal else "")

    @property
    def masked(self) -> str:
        """For logs: type and last three characters."""
        return f"{self.type_code}…{str(self)[-3:]}"

    def __str__(self) -> str:
        return f"{self.type_code}{self.value}" + (f"/{self.internal}" if self.internal else "")


@dataclass(frozen=True)
class StructureId:
    """The national identifier of a structure: type digit and FINESS, SIREN, SIRET… number.

    >>> str(StructureId.parse("318751275100020"))
    '318751275100020'
    """

    type_code: str
    value: str

    TYPES: ClassVar[dict[str, tuple[str, str]]] = {
        "0": ("cabinet ADELI", r"[0-9A-Z]{1,14}"),
        "1": ("FINESS", r"[0-9A-Z]{9}"),
        "2": ("SIREN", r"[0-9]{9}"),
        "3": ("SIRET", r"[0-9]{14}"),
        "4": ("cabinet RPPS", r"[0-9]{11}[0-9A-Z]{0,3}"),
        "5": ("FINESS EJ", r"[0-9A-Z]{9}"),
        "6": ("FINESS EG", r"[0-9A-Z]{9}"),
    }

    @classmethod
    def parse(cls, text: str) -> StructureId:
        """Read ``1<FINESS>``, ``3<SIRET>``… Raises UsageError.

        Types 40 and 41 (TRE_G07) are not read: nothing tells them from a 4.
        """
        type_code, value, internal = _split(text.strip(), cls.TYPES, tr("structure identifier"))
        if internal:
            raise UsageError(tr("{text!r} is not a structure identifier: it has a /", text=text))
        return cls(type_code, value)

    @property
    def type_name(self) -> str:
        return self.TYPES[self.type_code][0]

    @property
    def warnings(self) -> tuple[str, ...]:
        """What looks odd, without making the identifier wrong (TEST numbers need no key)."""
        return _key_warnings(self.type_name, self.value)

    @property
    def formatted(self) -> str:
        """For people: the kind of number, and the number as it is usually grouped."""
        return f"{self.type_name} {_grouped(self.type_name, self.value)}"

    @property
    def masked(self) -> str:
        """For logs: type and last three characters."""
        return f"{self.type_code}…{self.value[-3:]}"

    def __str__(self) -> str:
        return f"{self.type_code}{self.value}"


# The numbers that end in a Luhn key (pki.md §6), or whose first 11 digits do: a cabinet's
# RPPS number is followed by its rank.
_KEYED = {"RPPS": 11, "SIREN": 9, "SIRET": 14, "cabinet RPPS": 11}


def _key_warnings(type_name: str, value: str) -> tuple[str, ...]:
    number = value[: _KEYED.get(type_name, 0)]
    if len(number) < _KEYED.get(type_name, 1) or not number.isdecimal() or luhn_valid(number):
        return ()
    return (
        tr("the last digit is not the Luhn key of the {type_name} number", type_name=type_name),
    )


def _grouped(type_name: str, value: str) -> str:
    """SIREN 3-3-3 and SIRET 3-3-3-5, as INSEE writes them; all others as they are."""
    if type_name not in ("SIREN", "SIRET"):
        return value
    return " ".join(filter(None, (value[:3], value[3:6], value[6:9], value[9:])))


def _split(text: str, types: dict[str, tuple[str, str]], what: str) -> tuple[str, str, str]:
    main, slash, internal = text.partition("/")
    digits = 2 if main.startswith("10") and "@" in main else 1
    type_code, value = main[:digits], main[digits:]
    if type_code not in types:
        raise UsageError(
            tr("{text!r} is not a {what}", text=text, what=what),
            advice=_without_type(text, types)
            or tr(
                "it starts with its type: {types}",
                types=", ".join(f"{code} {name}" for code, (name, _) in types.items()),
            ),
        )
    name, pattern = types[type_code]
    if not re.fullmatch(pattern, value, re.ASCII) or (slash and not _INTERNAL.fullmatch(internal)):
        raise UsageError(
            tr(
                "{text!r} is not a {what}: a {name} number looks like {pattern}",
                text=text,
                what=what,
                name=name,
                pattern=pattern,
            ),
            advice=_without_type(text, types),
        )
    return type_code, value, internal


def _without_type(text: str, types: dict[str, tuple[str, str]]) -> str:
    """Advice for a number whose type digit was forgotten: the usual mistake."""
    number = text.replace(" ", "").upper()
    fitting = [
        tr("{code}{number} if it is a {name} number", code=code, number=number, name=name)
        for code, (name, pattern) in types.items()
        if name in _EVERYDAY and re.fullmatch(pattern, number, re.ASCII)
    ]
    if not fitting:
        return ""
    return tr("its type comes first: {fitting}", fitting=joined(", ", fitting))


_EVERYDAY = ("FINESS", "SIREN", "SIRET", "RPPS")
_INTERNAL = re.compile(r"[^\s/]{1,32}")

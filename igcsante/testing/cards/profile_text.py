"""Card profiles written as TOML, each key with a comment, for a person to edit."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from dataclasses import replace

from .profile import CARD_TYPES, STATES, VARIANTS, CardProfile

_COMMENTS = {
    "name": "how the profile is called",
    "note": "what the card is, in a line",
    "generation": " or ".join(VARIANTS),
    "variant": "; ".join(f"{name}: {', '.join(kinds)}" for name, kinds in VARIANTS.items()),
    "card_type": ", ".join(CARD_TYPES),
    "state": "of the certificates: " + ", ".join(STATES),
    "test": "whether the card is in the TEST category",
    "serial": "8 digits, in EF.SN",
    "card_number": "10 digits, in the token label and the certificates",
    "national_id": "8<RPPS>, 0<ADELI>, 3<FINESS>/<number>, 4<SIREN>/…, 5<SIRET>/…, 9<student>",
    "title": "the profession, in clear",
    "profession_code": "TRE_G15: 10 doctor, 21 pharmacist, 60 nurse…; leave out for none",
    "specialty": "TRE_R01: SM54…, or empty",
    "pin": "4 digits",
    "puk": "8 digits",
    "pin_tries": "tries until the PIN blocks",
    "pin_tries_left": "0: blocked",
    "certificate_bytes": "about how long certificates are: 1024 to 8192, 0 for as they come",
}
_ACTIVITIES = """\
# Where the holder works, up to 16 times. The first one names the structure of a CPE, CDE, CPA
# or CDA. number is its place on the card, by default the one after the one before.
"""
_FILES = """\
# Files to spoil: "missing", "empty", or their bytes in hexadecimal.
# [files]
# "CPS_NAME_PS" = "missing"
"""


def profile_toml(profile: CardProfile) -> str:
    """The profile as TOML, which :func:`~.profile.parse_profile` reads back the same."""
    return "\n".join(_lines(profile)) + "\n"


def new_profile(like: CardProfile, name: str) -> CardProfile:
    """A profile of that name, with numbers of its own: another card of the same holder."""
    return replace(
        like,
        name=name,
        note="",
        serial=f"997{secrets.randbelow(10**5):05}",
        card_number=f"2997{secrets.randbelow(10**6):06}",
    )


def _lines(profile: CardProfile) -> Iterator[str]:
    yield "# A simulated card. Nothing in it is secret, and nobody real belongs in it."
    for name in _FIELDS:
        value = getattr(profile, name)
        if value is None:
            continue
        if name in _COMMENTS:
            yield f"\n# {_COMMENTS[name]}"
        yield f"{name} = {_value(value if name != 'national_id' else str(value))}"
    yield ""
    yield _ACTIVITIES.rstrip()
    for number, activity in profile.situations.items():
        yield "[[activities]]"
        yield f"number = {number}"
        yield f"raison_sociale = {_value(activity.raison_sociale)}"
        yield f"structure_id = {_value(activity.structure_id)}"
        yield f"secteur = {_value(activity.secteur)}"
        yield ""
    if not profile.files:
        yield _FILES.rstrip()
        return
    yield "[files]"
    for name, what in profile.files.items():
        yield f"{_value(name)} = {_value(what)}"


def _value(value: object) -> str:
    """A TOML value: strings, numbers and booleans are written as in JSON, but for DEL."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


_FIELDS = (
    "name", "note", "generation", "variant", "card_type", "state", "test",
    "serial", "card_number", "national_id", "title", "surname", "given_name",
    "profession_code", "specialty",
    "pin", "puk", "pin_tries", "pin_tries_left", "certificate_bytes",
)  # fmt: skip

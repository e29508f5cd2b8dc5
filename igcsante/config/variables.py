"""The environment variables that igcsante reads: one for each key, and a few of its own."""

from __future__ import annotations

from collections.abc import Mapping

from ..messages import Message, is_spoken, tr
from .profile import KEYS

PREFIX = "IGC_"
_NEAR = 0.75  # of difflib: a slip of the fingers, not another word

VARIABLES: dict[str, Message] = {
    "IGC_PROFILE": tr("Profile to work with, unless --profile names one."),
    **{key.variable: key.about for key in KEYS.values()},
    "IGC_CONFIG_DIR": tr("Folder of config.toml."),
    "IGC_DATA_DIR": tr("Folder of journal, lists and simulated world."),
    "IGC_LANG": tr("fr or en: language for people, not the locale's."),
    "IGC_DEBUG": tr("When set, a defect shows where it came from."),
    "IGC_WITHOUT_SYSTEM_PACKAGES": tr("When set, a checkout needs no PC/SC packages."),
}


def unknown_language(environ: Mapping[str, str]) -> str:
    """What IGC_LANG names, when igc doesn't speak it; "" otherwise."""
    named = environ.get("IGC_LANG", "")
    return "" if is_spoken(named) else named


def unknown_variables(environ: Mapping[str, str]) -> dict[str, str]:
    """Variables ``IGC_*`` that mean nothing to us, each with the nearest that does, or ``""``.

    Their values are not looked at: one may be the PIN of ``env:IGC_PIN``.
    """
    unknown = [name for name in environ if name.startswith(PREFIX) and name not in VARIABLES]
    return {name: _nearest(name) for name in sorted(unknown)}


def _nearest(name: str) -> str:
    from difflib import get_close_matches  # costs a start 5 ms

    known = {variable.removeprefix(PREFIX): variable for variable in VARIABLES}
    near = get_close_matches(name.removeprefix(PREFIX).upper(), list(known), 1, _NEAR)
    return known[near[0]] if near else ""

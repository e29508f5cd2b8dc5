"""What a test asks for: changes of its card, what goes wrong, and how the platform is set.

The nearest marker decides, then the command line, then the ini file. Files are found from
the root directory of the run (``rootdir``). What the command line has wrong stops the run
before its first test; what a marker has wrong fails its test.
"""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest

from ..errors import IgcError, UsageError
from ..messages import tr
from ..text import did_you_mean
from .cards import (
    CardProfile,
    Fault,
    SimulatedCard,
    SimulatedReader,
    changed_profile,
    load_profile,
)
from .cards.faults import KINDS as CARD_KINDS
from .platform import Options, PlatformSettings, default_settings, load_settings
from .platform.faults import FUNCTIONAL, INCIDENTS, TECHNICAL
from .world import SimulatedWorld

PLATFORM_KINDS = (*FUNCTIONAL, *TECHNICAL, *INCIDENTS)
# What a marker needs: the fixtures of which one heeds it.
_CARD, _PLATFORM = ("cps_reader", "cps_card"), ("pfc_platform", "igc_world")


# -- cards -----------------------------------------------------------------------------------


def reader_with_card(item: pytest.Item, name: str, world: SimulatedWorld) -> SimulatedReader:
    """A reader that holds the card, with the faults that the test asks for still to come.

    Fails the test for an unknown card or a marker that is wrong.
    """
    marker = item.get_closest_marker("igc_card")
    with _mistakes_fail():
        profile = _changed(_profile(item.config, name), marker.kwargs if marker else {})
        card = SimulatedCard(profile, world.card_material(profile))
        reader = SimulatedReader("Simulated reader", card)
        reader.inject(*(fault for fault in _faults(item) if isinstance(fault, Fault)))
    return reader


def _profile(config: pytest.Config, name: str) -> CardProfile:
    return load_profile(config.rootpath / name if name.endswith(".toml") else name)


def _changed(profile: CardProfile, changes: Mapping[str, Any]) -> CardProfile:
    known = [field.name for field in fields(CardProfile)]
    for key in changes:
        if key not in known:
            raise UsageError(
                tr("igc_card: a card has no {key}", key=key),
                advice=did_you_mean(key, known) or tr("known: {keys}", keys=", ".join(known)),
            )
    try:
        return changed_profile(profile, changes)
    except IgcError as error:
        raise UsageError(
            tr("igc_card: {message}", message=error.message), advice=error.advice
        ) from None


# -- the world -------------------------------------------------------------------------------


@contextmanager
def new_world(item: pytest.Item, monkeypatch: pytest.MonkeyPatch) -> Iterator[SimulatedWorld]:
    """A world in a folder that is also that of igcsante's configuration and data.

    Fails the test for settings, options or faults that are wrong.
    """
    with _mistakes_fail():
        settings = _settings(item)
        faults = [fault for fault in _faults(item) if isinstance(fault, str)]
    with tempfile.TemporaryDirectory(prefix="igcsante-pytest-") as folder:
        data = Path(folder, "data")
        for variable in [name for name in os.environ if name.startswith("IGC_")]:
            if variable != "IGC_LANG":  # the others might lead to a real platform
                monkeypatch.delenv(variable)
        monkeypatch.setenv("IGC_CONFIG_DIR", str(Path(folder, "config")))
        monkeypatch.setenv("IGC_DATA_DIR", str(data))
        monkeypatch.setenv("IGC_CARD_CACHE", "never")  # the same exchanges each time
        world = SimulatedWorld(
            data / "sim",
            platform_port=0,
            pki_port=0,
            habilitations=settings.habilitations,
            options=settings.options,
        )
        for fault in faults:
            world.platform.fail_next(fault)
        with world:
            yield world


def _settings(item: pytest.Item) -> PlatformSettings:
    marker = item.get_closest_marker("igc_platform")
    options: dict[str, Any] = dict(marker.kwargs) if marker else {}
    if marker and marker.args:
        if len(marker.args) > 1 or "settings" in options:
            raise UsageError(tr("igc_platform: one settings file, and options by their names"))
        (options["settings"],) = marker.args
    path = options.pop("settings", None) or item.config.getini("igc_platform_settings")
    settings = load_settings(item.config.rootpath / str(path)) if path else default_settings()
    checked = Options.from_table(options)
    given = {name: getattr(checked, name) for name in options}
    return replace(settings, options=replace(settings.options, **given))


# -- what goes wrong -------------------------------------------------------------------------


def _faults(item: pytest.Item) -> tuple[Fault | str, ...]:
    """Those of the card, and the kinds of the platform's; all markers count. UsageError."""
    marked = (
        _fault(kind, mark.kwargs) for mark in item.iter_markers("igc_fault") for kind in mark.args
    )
    return (*marked, *_option_faults(item.config))


def _option_faults(config: pytest.Config) -> Iterator[Fault | str]:
    for text in config.getoption("igc_fault") or ():
        kind, at, exchange = text.partition("@")
        if at and not re.fullmatch("[0-9]{1,9}", exchange):
            raise UsageError(tr("--igc-fault {text}: after @ comes a number", text=text))
        yield _fault(kind, {"at": int(exchange)} if at else {})


def _fault(kind: str, details: Mapping[str, Any]) -> Fault | str:
    if kind in CARD_KINDS:
        wrong = [name for name, value in details.items() if not _is_detail(name, value)]
        if wrong:
            raise UsageError(
                tr("igc_fault: {kind} takes at, status and seconds, as numbers", kind=kind)
            )
        return Fault(**{"at": 1, **details, "kind": kind})
    if kind not in PLATFORM_KINDS:
        known = (*CARD_KINDS, *PLATFORM_KINDS)
        raise UsageError(
            tr("igc_fault: there is no fault {kind}", kind=repr(kind)),
            advice=did_you_mean(str(kind), known) or tr("known: {kinds}", kinds=", ".join(known)),
        )
    if details:
        raise UsageError(tr("igc_fault: {kind} is for the next request: no details", kind=kind))
    return kind


def _is_detail(name: str, value: Any) -> bool:
    number: type = {"at": int, "status": int, "seconds": float}.get(name, type(None))
    fits = isinstance(value, number) or (number is float and isinstance(value, int))
    return fits and not isinstance(value, bool) and not (name == "status" and value >> 16)


@contextmanager
def _mistakes_fail() -> Iterator[None]:
    """What the author of a test got wrong is told in a line, without our traceback."""
    try:
        yield
    except IgcError as error:
        raise pytest.fail.Exception(_in_one_line(error), pytrace=False) from None


def _in_one_line(error: IgcError) -> str:
    return "; ".join(filter(None, (error.message, error.advice)))


# -- before the first test -------------------------------------------------------------------


def require_known_options(config: pytest.Config) -> None:
    """End the run (pytest.UsageError) for a card or a fault of the command line that is none."""
    try:
        for name in config.getoption("igc_profile") or ():
            _profile(config, name)
        for _ in _option_faults(config):
            pass
    except IgcError as error:
        raise pytest.UsageError(_in_one_line(error)) from None


def require_used(item: pytest.Item) -> None:
    """Fail a test whose own markers nothing heeds: it would pass without what it is about."""
    needed = {"igc_card": _CARD, "igc_platform": _PLATFORM}
    asked_for = _asked_for(item)
    for mark in item.own_markers:
        if mark.name not in (*needed, "igc_fault"):
            continue
        wanted = [needed[mark.name]] if mark.name in needed else []
        if mark.name == "igc_fault":
            wanted = [_CARD if kind in CARD_KINDS else _PLATFORM for kind in mark.args]
        if not wanted or not (mark.args or mark.kwargs):
            pytest.fail(f"@pytest.mark.{mark.name} has no effect: it names nothing", pytrace=False)
        for fixtures in wanted:
            if asked_for.isdisjoint(fixtures):
                pytest.fail(
                    f"@pytest.mark.{mark.name} has no effect: "
                    f"this test doesn't use {' or '.join(fixtures)}",
                    pytrace=False,
                )


def _asked_for(item: pytest.Item) -> set[str]:
    """The fixtures that a test asks for itself, or through fixtures of its own project.

    Ours stand on ``igc_world`` whatever they are for: that alone uses no platform.
    """
    found: set[str] = set(getattr(item, "fixturenames", ()))
    known = getattr(item, "_fixtureinfo", None)  # pytest shows who asks for what nowhere else
    if known is None:
        return found
    found, coming = set(), list(known.initialnames)
    while coming:
        if (name := coming.pop()) in found:
            continue
        found.add(name)
        for definition in known.name2fixturedefs.get(name, ()):
            ours = definition.func.__module__ == f"{__package__}.pytest_plugin"
            coming += [each for each in definition.argnames if not ours or each != "igc_world"]
    return found

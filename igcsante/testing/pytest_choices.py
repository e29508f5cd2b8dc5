"""What a test asks for: changes of its card, what goes wrong, and how the platform is set.

The nearest marker decides, then the command line, then the ini file. Files are found from
the root directory of the run (``rootdir``).
"""

from __future__ import annotations

import os
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
from .cards import CardProfile, Fault, SimulatedCard, SimulatedReader, load_profile
from .cards.faults import KINDS as CARD_KINDS
from .platform import Options, PlatformSettings, default_settings, load_settings
from .platform.faults import FUNCTIONAL, INCIDENTS, TECHNICAL
from .world import SimulatedWorld

PLATFORM_KINDS = (*FUNCTIONAL, *TECHNICAL, *INCIDENTS)
# What a marker needs: the fixture that heeds it.
_READER, _WORLD = "cps_reader", "igc_world"


# -- cards -----------------------------------------------------------------------------------


def reader_with_card(item: pytest.Item, name: str, world: SimulatedWorld) -> SimulatedReader:
    """A reader that holds the card, with the faults that the test asks for still to come.

    Fails the test for an unknown card or a marker that is wrong.
    """
    marker = item.get_closest_marker("igc_card")
    with _mistakes_fail():
        profile = _changed(load_profile(_source(item, name)), marker.kwargs if marker else {})
        card = SimulatedCard(profile, world.card_material(profile))
        reader = SimulatedReader("Simulated reader", card)
        reader.inject(*(fault for fault in _faults(item) if isinstance(fault, Fault)))
    return reader


def _source(item: pytest.Item, name: str) -> str | Path:
    return item.config.rootpath / name if name.endswith(".toml") else name


def _changed(profile: CardProfile, changes: Mapping[str, Any]) -> CardProfile:
    known = [field.name for field in fields(CardProfile)]
    for key in changes:
        if key not in known:
            raise UsageError(
                tr("igc_card: a card has no {key}", key=key),
                advice=did_you_mean(key, known) or tr("known: {keys}", keys=", ".join(known)),
            )
    return replace(profile, **changes)


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
    path = options.pop("settings", None) or item.config.getini("igc_platform_settings")
    settings = load_settings(item.config.rootpath / path) if path else default_settings()
    checked = Options.from_table(options)
    given = {name: getattr(checked, name) for name in options}
    return replace(settings, options=replace(settings.options, **given))


# -- what goes wrong -------------------------------------------------------------------------


def _faults(item: pytest.Item) -> tuple[Fault | str, ...]:
    """Those of the card, and the kinds of the platform's; all markers count. UsageError."""
    marks = [(mark.args, mark.kwargs) for mark in item.iter_markers("igc_fault")]
    for text in item.config.getoption("igc_fault") or ():
        kind, at, exchange = text.partition("@")
        if at and not exchange.isdigit():
            raise UsageError(tr("--igc-fault {text}: after @ comes a number", text=text))
        marks.append(((kind,), {"at": int(exchange)} if at else {}))
    return tuple(_fault(kind, details) for kinds, details in marks for kind in kinds)


def _fault(kind: str, details: Mapping[str, Any]) -> Fault | str:
    if kind in CARD_KINDS:
        try:
            return Fault(**{"at": 1, **details, "kind": kind})
        except TypeError:
            raise UsageError(
                tr("igc_fault: {kind} takes at, status and seconds, as numbers", kind=kind)
            ) from None
    if kind not in PLATFORM_KINDS:
        known = (*CARD_KINDS, *PLATFORM_KINDS)
        raise UsageError(
            tr("igc_fault: there is no fault {kind}", kind=repr(kind)),
            advice=did_you_mean(kind, known) or tr("known: {kinds}", kinds=", ".join(known)),
        )
    if details:
        raise UsageError(tr("igc_fault: {kind} is for the next request: no details", kind=kind))
    return kind


@contextmanager
def _mistakes_fail() -> Iterator[None]:
    """What the author of a test got wrong is told in a line, without our traceback."""
    try:
        yield
    except IgcError as error:
        told = "; ".join(filter(None, (error.message, error.advice)))
        raise pytest.fail.Exception(told, pytrace=False) from None


def require_used(item: pytest.Item) -> None:
    """Fail a test whose own markers nothing heeds: it would pass without what it is about."""
    needed = {"igc_card": _READER, "igc_platform": _WORLD}
    for mark in item.own_markers:
        wanted = {needed[mark.name]} if mark.name in needed else set()
        if mark.name == "igc_fault":
            wanted = {_READER if kind in CARD_KINDS else _WORLD for kind in mark.args}
        for fixture in wanted - set(getattr(item, "fixturenames", ())):
            pytest.fail(
                f"@pytest.mark.{mark.name} has no effect: this test doesn't use {fixture}",
                pytrace=False,
            )

"""The pytest plugin: simulated cards, readers, PKI and platform as fixtures.

pytest loads this module in every run where igcsante is installed (entry point ``pytest11``),
so it imports nothing but pytest until a fixture is set up; :mod:`.pytest_choices` then reads
what the test asks for. Guide: docs/pytest-plugin.md.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from .cards import SimulatedCard, SimulatedReader
    from .clock import WorldClock
    from .pki import SimulatedPki
    from .platform import MockPlatform
    from .world import SimulatedWorld

_DEFAULT_CARD = "cps3"
_MARKERS = (
    "igc_card(*cards, **changes): the simulated card in the reader, by name or TOML file; with "
    "several, the test runs once with each. `changes` are keys of its profile",
    "igc_fault(*kinds, **details): what goes wrong, with the card (`remove`, `status`…, `at=` the "
    "n-th exchange) or with the platform (`F07`, `T01`, `lost-answer`…, one request each)",
    "igc_platform(settings=None, **options): the mock platform's settings file and options",
)


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("igcsante", "simulated IGC-Santé cards and platform (igcsante)")
    group.addoption(
        "--igc-profile",
        action="append",
        metavar="CARD",
        help="Card for the tests that name none: as `igc sim card list` calls it, or a TOML file. "
        "Repeatable: each test then runs with each card. (ini: igc_profiles)",
    )
    group.addoption(
        "--igc-fault",
        action="append",
        metavar="KIND[@N]",
        help="Let this go wrong once in every test that uses the card (at its N-th exchange) or "
        "the platform: remove@3, T01, lost-answer… Repeatable.",
    )
    parser.addini("igc_profiles", "Cards for the tests that name none (default: cps3)", "args")
    parser.addini("igc_platform_settings", "The mock platform's settings (TOML file)")


def pytest_configure(config: pytest.Config) -> None:
    for marker in _MARKERS:
        config.addinivalue_line("markers", marker)
    if config.getoption("igc_profile") or config.getoption("igc_fault"):
        from .pytest_choices import require_known_options

        require_known_options(config)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "igc_card_name" in metafunc.fixturenames:
        metafunc.parametrize("igc_card_name", _card_names(metafunc.definition))


def pytest_runtest_setup(item: pytest.Item) -> None:
    """A marker on a test that has no use for it is a mistake, and is told."""
    if any(mark.name.startswith("igc_") for mark in item.own_markers):
        from .pytest_choices import require_used

        require_used(item)


@pytest.fixture
def igc_card_name(request: pytest.FixtureRequest) -> str:
    """Which card the test runs with; a parameter, unless the fixture was asked for by name."""
    return _card_names(request.node)[0]


@pytest.fixture
def igc_world(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Iterator[SimulatedWorld]:
    """A new simulated world, served on loopback for one test: platform, PKI and cards.

    Configuration and data of igcsante are in a folder of its own meanwhile, also for commands
    that the test starts: with ``--profile sim`` they work in this world.
    """
    from .pytest_choices import new_world

    with new_world(request.node, monkeypatch) as world:
        yield world


@pytest.fixture
def igc_pki(igc_world: SimulatedWorld) -> SimulatedPki:
    """The simulated PKI of ``igc_world``: it issues, revokes and publishes."""
    return igc_world.pki


@pytest.fixture
def pfc_platform(igc_world: SimulatedWorld) -> MockPlatform:
    """The mock platform, served at ``igc_world.endpoint``."""
    return igc_world.platform


@pytest.fixture
def frozen_clock(igc_world: SimulatedWorld) -> WorldClock:
    """The clock of ``igc_world``, standing still until it is told to ``advance`` or ``set``.

    Call it for the time. It is the time of the platform, the PKI and the cards, and of
    commands with ``--profile sim``; not that of your own code, unless you pass it on.
    """
    igc_world.clock.freeze()
    return igc_world.clock


@pytest.fixture
def cps_reader(
    request: pytest.FixtureRequest,
    igc_card_name: str,
    igc_world: SimulatedWorld,
    monkeypatch: pytest.MonkeyPatch,
) -> SimulatedReader:
    """This machine's only reader, with the simulated card that the test asked for.

    For all that finds its card through :mod:`igcsante.card`; the object itself can be given
    to other programs written against pyscard.
    """
    from .pytest_choices import reader_with_card

    reader = reader_with_card(request.node, igc_card_name, igc_world)
    _only_reader(reader, monkeypatch)
    return reader


@pytest.fixture
def cps_card(cps_reader: SimulatedReader) -> SimulatedCard:
    """The simulated card in ``cps_reader``: its ``profile``, its ``pin``."""
    from .cards import SimulatedCard

    card = cps_reader.card
    assert isinstance(card, SimulatedCard)  # noqa: S101 - what reader_with_card put in
    return card


@pytest.fixture
def inserted_card(
    igc_world: SimulatedWorld, monkeypatch: pytest.MonkeyPatch
) -> Callable[[str | Path], SimulatedReader]:
    """``inserted_card("cps3")``: that card of ``igc_world`` is in this machine's only reader.

    For a card that the test chooses while it runs; else see ``cps_reader``.
    """
    from .cards import SimulatedReader

    def insert(name: str | Path) -> SimulatedReader:
        reader = SimulatedReader("Simulated reader", igc_world.card(name))
        _only_reader(reader, monkeypatch)
        return reader

    return insert


@pytest.fixture
def replayed_card(monkeypatch: pytest.MonkeyPatch) -> Callable[[str | Path], SimulatedReader]:
    """``replayed_card(path)``: the card of a recording is in this machine's only reader.

    ``path`` is what ``igc card record`` wrote. It lasts as long as the test, for all that
    finds its card through :mod:`igcsante.card`; the reader that is returned can be given to
    other programs written against pyscard. Raises UsageError when the file is no recording.
    """
    from .cards import ReplayedCard, SimulatedReader

    def insert(path: str | Path) -> SimulatedReader:
        reader = SimulatedReader("Replay", ReplayedCard(Path(path)))
        _only_reader(reader, monkeypatch)
        return reader

    return insert


def _card_names(item: pytest.Item) -> tuple[str, ...]:
    """The cards that a test runs with, each once: those of its marker, the command line, the ini
    file.
    """
    marker = item.get_closest_marker("igc_card")
    option, ini = item.config.getoption("igc_profile"), item.config.getini("igc_profiles")
    names = (marker.args if marker else ()) or option or ini or (_DEFAULT_CARD,)
    return tuple(dict.fromkeys(map(str, names)))


def _only_reader(reader: SimulatedReader, monkeypatch: pytest.MonkeyPatch) -> None:
    from ..card import readers

    monkeypatch.setattr(readers, "system_readers", lambda: [reader])

"""Live values that a shell completes: readers, profiles, orders, policies, authorities.

Each is a ``shell_complete`` of click's: ``(context, parameter, what was typed) -> items``. A key
was pressed and a person waits: nothing is asked of a card, nothing is written, nothing
takes longer than a moment, and what fails completes nothing.
"""

from __future__ import annotations

import contextlib
import functools
import threading
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from ..messages import localized

if TYPE_CHECKING:
    import click
    from click.shell_completion import CompletionItem

Values = Iterable[tuple[str, str]]  # each with what it is
Completer = Callable[["click.Context", "click.Parameter", str], "list[CompletionItem]"]

_SECONDS = 0.8
_MOST = 50
CERTIFICATES = "certificates"  # the type of item for which our scripts list files


def live(find: Callable[[], Values]) -> Completer:
    """A completer from what finds all values."""

    @functools.wraps(find)
    def complete(
        ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        from click.shell_completion import CompletionItem

        typed = incomplete.casefold()
        return [
            CompletionItem(value, help=about)
            for value, about in _in_time(find)
            if value.casefold().startswith(typed)
        ]

    return complete


def _in_time(find: Callable[[], Values]) -> Values:
    found: list[tuple[str, str]] = []

    def look() -> None:
        with contextlib.suppress(Exception):
            found.extend(find())

    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    thread.join(_SECONDS)
    return list(found)


def _or_files(kind: str, *completers: Completer) -> Completer:
    """Values of completers, else files of a kind."""

    def complete(
        ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        from click.shell_completion import CompletionItem

        found = [item for completer in completers for item in completer(ctx, param, incomplete)]
        return found or [CompletionItem(incomplete, type=kind)]

    return complete


@live
def readers() -> Values:
    """The names of the readers."""
    from ..card.readers import system_readers

    return [(str(reader), "") for reader in system_readers()]


@live
def profiles() -> Values:
    """The profiles that can be worked with."""
    from ..config import profile_names

    return [(name, "") for name in profile_names()]


@live
def configuration_keys() -> Values:
    """The keys of a profile, and the one that stands above them."""
    from ..config import KEYS, VARIABLES

    names = [(key.name, localized(key.about)) for key in KEYS.values()]
    return [*names, ("default_profile", localized(VARIABLES["IGC_PROFILE"]))]


def configuration_values(
    ctx: click.Context, param: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """What the key of ``igc config set`` may be: a choice, a profile, a reader, a file."""
    from ..config import KEYS, Kind

    name = ctx.params.get("key")
    if name in _OF_KEYS:
        return _OF_KEYS[name](ctx, param, incomplete)
    key = KEYS.get(name or "")
    if key is None:
        return []
    if key.kind in (Kind.PATH, Kind.PATHS):
        return _or_files("file")(ctx, param, incomplete)
    return live(lambda: [(choice, "") for choice in key.choices])(ctx, param, incomplete)


_OF_KEYS = {"default_profile": profiles, "reader": readers}


@live
def orders() -> Values:
    """The newest orders, by number and by reference."""
    import sqlite3

    from ..config import data_directory

    path = data_directory() / "journal.sqlite"
    query = "SELECT id, reference, state FROM orders ORDER BY id DESC LIMIT ?"
    # Not as a Journal, which is made where there is none.
    with contextlib.closing(
        sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=_SECONDS / 2)
    ) as database:
        rows = database.execute(query, (_MOST,)).fetchall()
    return [
        *((str(number), f"{reference}, {_meaning(state)}") for number, reference, state in rows),
        *((ref, f"{number}, {_meaning(state)}") for number, ref, state in rows if ref),
    ]


def _meaning(state: str) -> str:
    from ..ws.orders.entries import OrderState

    return localized(OrderState(state).meaning)


@live
def kept_lists() -> Values:
    """The revocation lists that are kept, by the name in their address and by their issuer."""
    from pathlib import PurePosixPath

    from ..certs.crl.store import CrlStore
    from ..certs.x509.names import common_name

    lists = CrlStore().lists()
    found = [(PurePosixPath(item.source).stem, common_name(item.issuer)) for item in lists]
    return [*(pair for pair in found if pair[0]), *((issuer, short) for short, issuer in found)]


@live
def usages() -> Values:
    """What a certificate may be ordered for."""
    from ..ws.vocabulary import Usage

    return [(usage.value, "") for usage in Usage]


@live
def offres() -> Values:
    """Whom a certificate may be ordered for."""
    from ..ws.vocabulary import Offre

    return [(offre.value, "") for offre in Offre]


@live
def failures() -> Values:
    """How the simulated platform can fail."""
    from ..testing.platform.faults import FUNCTIONAL, INCIDENTS, TECHNICAL

    return [*FUNCTIONAL.items(), *TECHNICAL.items(), *INCIDENTS.items()]


@live
def _policies() -> Values:
    from ..certs.policy import shipped_policies

    return [(policy.name, "") for policy in shipped_policies()]


@live
def authorities() -> Values:
    """The authorities that igcsante knows."""
    from ..certs.anchors import PINNED

    return [(pin.name, f"{pin.world}, {pin.role}") for pin in PINNED]


@live
def _simulated_cards() -> Values:
    from ..testing.cards import profile_names

    return [(name, "") for name in profile_names()]


@live
def setup_steps() -> Values:
    """The steps of igc setup."""
    from ..setup.steps import STEPS

    return [(step.id, localized(step.title)) for step in STEPS]


@live
def checks() -> Values:
    """The checks of igc doctor, by group and by id."""
    from ..doctor.run import CHECKS

    groups = dict.fromkeys(check.group for check in CHECKS)
    return [*((group, "") for group in groups), *((c.id, localized(c.title)) for c in CHECKS)]


@live
def operations() -> Values:
    """The operations of the platform."""
    from ..ws.operations import OPERATIONS

    return [(str(name), "") for name in OPERATIONS]


certificates: Completer = _or_files(CERTIFICATES)
policies: Completer = _or_files("file", _policies)
simulated_cards: Completer = _or_files("file", _simulated_cards)
orders_or_certificates: Completer = _or_files(CERTIFICATES, orders)


def command_lines(
    ctx: click.Context, param: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """What goes on with the words of a command of igc, which are the parameter's."""
    from click.shell_completion import ShellComplete

    words = list(ctx.params.get(param.name or "") or ())
    if words[:1] == ["igc"]:
        del words[0]
    asked = ShellComplete(ctx.find_root().command, {}, "igc", "")
    return asked.get_completions(words, incomplete)


def topics(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Topics of igc help, and commands below those that are typed."""
    import click as with_click
    from click.shell_completion import CompletionItem

    from .topics import TOPICS

    words: tuple[str, ...] = ctx.params.get(param.name or "") or ()
    above = ctx.parent or ctx
    for word in words:
        group = above.command
        below = group.get_command(above, word) if isinstance(group, with_click.Group) else None
        if below is None:
            return []
        above = with_click.Context(below, info_name=word, parent=above)
    group = above.command
    names = [] if words else list(TOPICS)
    names += group.list_commands(above) if isinstance(group, with_click.Group) else []
    return [CompletionItem(name) for name in names if name.startswith(incomplete)]

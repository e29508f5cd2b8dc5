"""``igc status``: the park, what is active, to withdraw, about to end, revoked."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..errors import ExitCode, IgcError
from ..messages import tr
from ..words import said
from . import completing
from .chosen import asked_profile, profile_of
from .command import command
from .connect import Target, clock_of, connected, open_journal, target_of
from .numbers import WholeRange
from .order_options import pin_options
from .order_parts import SHOWN, emit_each
from .output import Settings, platform_options, say, say_table, talk

if TYPE_CHECKING:
    from ..ws.model import Product
    from ..ws.orders.journal import Journal
    from ..ws.orders.park import Line

STANDINGS = (
    *("in doubt", "lost", "expiring", "to withdraw", "pending", "active", "expired"),
    *("revoked", "cancelled"),
)


@dataclass(frozen=True)
class Park:
    """What is to be shown, and what is true of all there is.

    ``lines`` are of the standings asked for, and may be fewer than the ``count`` of them; ``due``
    are to be renewed among those. ``expiring``: whether anything ends soon.
    """

    lines: Iterable[Line]
    count: int
    due: int
    expiring: bool
    now: datetime


@command("status")
@click.argument(
    "paths",
    nargs=-1,
    type=click.Path(path_type=Path, exists=True),
    shell_complete=completing.certificates,
)
@click.option(
    "--within",
    type=WholeRange(0, 1096),
    metavar="DAYS",
    help="What ends soon. When given, exit code 14 if anything does.  [default: 60]",
)
@click.option("--only", multiple=True, type=click.Choice(STANDINGS), help="Repeatable.")
@click.option("--offline", is_flag=True, help="From the journal alone: no card, no network.")
@click.option("--files", is_flag=True, help="Read the certificates and keys, and compare them.")
@click.option(
    "--all",
    "everything",
    is_flag=True,
    help=f"Not only the {SHOWN} most urgent; --files and JSON have all of them.",
)
@pin_options
@platform_options
def status_command(
    settings: Settings,
    paths: tuple[Path, ...],
    within: int | None,
    only: tuple[str, ...],
    offline: bool,
    files: bool,
    everything: bool,
    pin_source: str | None,
    use_last_try: bool,
) -> int:
    """Show every certificate that this card may see and this machine ordered.

    The most urgent first: orders in doubt, certificates that were issued and got lost, that
    end soon, that wait to be withdrawn. The platform's view is matched with the journal and
    with the files; certificates in PATHS are matched by their serial.

    \b
    Examples:
      igc status
      igc status /etc/nginx/certs/
    """
    from ..ws.orders.park import NOTICE_DAYS

    found = dict(_certificates_in(paths))
    soon = timedelta(days=NOTICE_DAYS if within is None else within)
    limit = None if everything or files or settings.json else SHOWN
    with open_journal() as journal:
        if offline:
            park = _offline(settings, journal, soon, found, only, limit)
        else:
            target = target_of(settings)
            products = _products(target, pin_source, use_last_try)
            park = _online(target, journal, products, soon, found, only, limit)
        if files:
            park = replace(park, lines=map(_with_file_problems, park.lines))
        _show(park, as_json=settings.json)
    return ExitCode.ENDING if within is not None and park.expiring else ExitCode.GOOD


def _offline(
    settings: Settings,
    journal: Journal,
    soon: timedelta,
    found: dict[str, Path],
    only: tuple[str, ...],
    limit: int | None,
) -> Park:
    """What the journal says. Its lines are read as they are shown."""
    from ..ws.orders.overview import Overview
    from ..ws.orders.park import Standing

    profile = profile_of(settings)
    now = clock_of(profile)()
    overview = Overview(journal, now, soon, asked_profile(settings), found)
    counts = overview.counts()
    wanted = [Standing(name) for name in only] or list(Standing)
    return Park(
        overview.lines(wanted, limit),
        sum(counts.get(standing, 0) for standing in wanted),
        overview.due() if Standing.EXPIRING in wanted else 0,
        Standing.EXPIRING in counts,
        now,
    )


def _online(
    target: Target,
    journal: Journal,
    products: tuple[Product, ...],
    soon: timedelta,
    found: dict[str, Path],
    only: tuple[str, ...],
    limit: int | None,
) -> Park:
    """What the platform and the journal say."""
    from ..ws.orders.park import Standing, survey

    now = target.clock()
    entries = journal.each(platform=target.endpoint)
    lines = survey(entries, products, at=now, within=soon, found=found)
    wanted = [line for line in lines if not only or line.standing in only]
    expiring = any(line.standing is Standing.EXPIRING for line in lines)
    return Park(wanted[:limit], len(wanted), sum(line.due for line in wanted), expiring, now)


def _products(target: Target, pin_source: str | None, use_last_try: bool) -> tuple[Product, ...]:
    from ..ws.listing import every_product

    with connected(target, pin_source, use_last_try=use_last_try) as (client, _):
        return tuple(every_product(client))


def _certificates_in(paths: tuple[Path, ...]) -> Iterator[tuple[str, Path]]:
    """Serial (lower-case hexadecimal) and file of the certificates under ``paths``."""
    from ..certs.load import certificates_from_path

    for path in paths:
        inside = sorted(path.rglob("*")) if path.is_dir() else [path]
        for file in (item for item in inside if item.is_file()):
            try:
                certificates = certificates_from_path(file)
            except IgcError:
                continue  # keys, notes, lists: a folder holds more than certificates
            yield f"{certificates[0].serial_number:x}", file.absolute()


def _with_file_problems(line: Line) -> Line:
    from ..ws.orders.park import file_problems

    return replace(line, problems=tuple(dict.fromkeys((*line.problems, *file_problems(line)))))


def _show(park: Park, *, as_json: bool) -> None:
    if as_json:
        emit_each((line.to_dict(park.now) for line in park.lines), schema="igc.status/1")
        return
    lines = tuple(park.lines)
    if not lines:
        talk(tr("Nothing to show."))
        return
    say_table(
        (
            tr("Standing"),
            tr("Ends"),
            tr("Days"),
            tr("Order"),
            tr("What"),
            tr("Name"),
            tr("Structure"),
            tr("Successor"),
        ),
        [_row(line, park.now) for line in lines],
    )
    for line in lines:
        for problem in line.problems:
            which = line.product_id or tr("order {id}", id=line.order)
            talk(
                tr(
                    "Careful: {label} ({which}): {problem}",
                    label=line.label,
                    which=which,
                    problem=problem,
                )
            )
    if (more := park.count - len(lines)) > 0:
        talk(
            tr(
                "{count:,} less urgent ones are not shown. All of them: igc status --all",
                count=more,
            )
        )
    if park.due:
        say("")
        say(tr("{count} to renew while they are active: igc renew --due", count=park.due))


def _row(line: Line, now: datetime) -> tuple[str, ...]:
    days = line.days_left(now)
    return (
        said(line.standing),
        f"{line.not_after:%Y-%m-%d}" if line.not_after else "",
        "" if days is None else str(days),
        "" if line.order is None else str(line.order),
        f"{line.offre} {line.usage}",
        line.label,
        line.structure,
        line.renewed_by,
    )

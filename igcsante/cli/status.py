"""``igc status``: the park, what is active, to withdraw, about to end, revoked."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..errors import ExitCode, IgcError
from .connect import Target, clock_of, connected, open_journal, profile_of, target_of
from .order_options import pin_options
from .output import Settings, emit, platform_options, say, say_table, talk

if TYPE_CHECKING:
    from ..ws.model import Product
    from ..ws.orders.park import Line

STANDINGS = (
    *("in doubt", "lost", "expiring", "to withdraw", "pending", "active", "expired"),
    *("revoked", "cancelled"),
)


@click.command("status")
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path, exists=True))
@click.option(
    "--within",
    type=click.IntRange(0, 1096),
    metavar="DAYS",
    help="What ends soon. When given, exit code 14 if anything does.  [default: 60]",
)
@click.option("--only", multiple=True, type=click.Choice(STANDINGS), help="Repeatable.")
@click.option("--offline", is_flag=True, help="From the journal alone: no card, no network.")
@click.option("--files", is_flag=True, help="Read the certificates and keys, and compare them.")
@pin_options
@platform_options
def status_command(
    settings: Settings,
    paths: tuple[Path, ...],
    within: int | None,
    only: tuple[str, ...],
    offline: bool,
    files: bool,
    pin_source: str | None,
    use_last_try: bool,
) -> int:
    """Show every certificate that this card may see and this machine ordered.

    The most urgent first: orders in doubt, certificates that were issued and got lost, that
    end soon, that wait to be withdrawn. The platform's view is matched with the journal and
    with the files; certificates in PATHS are matched by their serial.
    """
    from ..ws.orders.journal import is_of
    from ..ws.orders.park import NOTICE_DAYS, Standing, survey

    found = dict(_certificates_in(paths))
    with open_journal() as journal:
        if offline:
            profile = profile_of(settings)
            name = profile.name if settings.profile else ""
            entries, products = journal.list(profile=name), None
            now = clock_of(profile)()
        else:
            target = target_of(settings)
            entries = tuple(e for e in journal.list() if is_of(e, target.endpoint))
            products = _products(target, pin_source, use_last_try)
            now = target.clock()
    days = NOTICE_DAYS if within is None else within
    lines = survey(entries, products, at=now, within=timedelta(days=days), found=found)
    shown = [line for line in lines if not only or str(line.standing) in only]
    if files:
        shown = [_with_file_problems(line) for line in shown]
    _show(shown, now, as_json=settings.json)
    expiring = any(line.standing is Standing.EXPIRING for line in lines)
    return ExitCode.ENDING if within is not None and expiring else ExitCode.GOOD


def _products(target: Target, pin_source: str | None, use_last_try: bool) -> tuple[Product, ...]:
    from ..ws.orders.reconcile import every_product

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


def _show(lines: list[Line], now: datetime, *, as_json: bool) -> None:
    if as_json:
        for line in lines:
            emit(line.to_dict(now), schema="igc.status/1")
        return
    if not lines:
        talk("Nothing to show.")
        return
    say_table(
        ("Standing", "Ends", "Days", "Order", "What", "Name", "Structure", "Successor"),
        [_row(line, now) for line in lines],
    )
    for line in lines:
        for problem in line.problems:
            talk(f"Careful: {line.label} ({line.product_id or f'order {line.order}'}): {problem}")
    due = [line for line in lines if line.due]
    if due:
        say("")
        say(f"{len(due)} to renew while they are active: igc renew --due")


def _row(line: Line, now: datetime) -> tuple[str, ...]:
    days = line.days_left(now)
    return (
        str(line.standing),
        f"{line.not_after:%Y-%m-%d}" if line.not_after else "",
        "" if days is None else str(days),
        "" if line.order is None else str(line.order),
        f"{line.offre} {line.usage}",
        line.label,
        line.structure,
        line.renewed_by,
    )

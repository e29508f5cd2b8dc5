"""``igc orders``: the journal of the orders made from this machine, and what became of them."""

from __future__ import annotations

from datetime import UTC, datetime
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..errors import ExitCode, PlatformRefusedError, UsageError
from ..instants import shown
from ..messages import plural, tr
from ..ws.orders.entries import OrderState
from . import ask, completing
from .chosen import asked_profile
from .command import group
from .connect import connected, open_journal, target_of
from .numbers import FiniteRange
from .order_options import pin_options
from .order_parts import SHOWN, emit_each, show_entry
from .orders_print import print_entries, recalled
from .output import (
    Settings,
    common_options,
    emit,
    platform_options,
    say,
    say_pairs,
    talk,
)

if TYPE_CHECKING:
    from ..ws.model import Product
    from ..ws.orders.journal import Entry

DEFAULT_WAIT_SECONDS = 600

state_option = click.option(
    "--state",
    "states",
    multiple=True,
    type=click.Choice([state.value for state in OrderState]),
    help="Only the orders in this state. Repeatable.",
)
all_option = click.option(
    "--all", "everything", is_flag=True, help=f"Not only the newest {SHOWN}; JSON has all of them."
)


@group("orders", invoke_without_command=True)
@state_option
@all_option
@common_options
@click.pass_context
def orders_command(
    ctx: click.Context, settings: Settings, states: tuple[str, ...], everything: bool
) -> None:
    """List the orders made from this machine, the newest first, and how far each one went.

    Needs neither card nor network: it reads the journal that is written before and after
    each request. With --profile, only the orders made with that profile. For an order, its
    number, its reference, its product or its certificate's serial is given.

    \b
    Examples:
      igc orders
      igc orders show 3
      igc orders wait 3 && igc retrieve 3
    """
    if ctx.invoked_subcommand is None:
        _list(settings, states, everything)


@orders_command.command("list")
@state_option
@all_option
@common_options
def list_command(settings: Settings, states: tuple[str, ...], everything: bool) -> None:
    """List them: the same as igc orders.

    \b
    Examples:
      igc orders list
      igc orders list --profile prod
    """
    _list(settings, states, everything)


def _list(settings: Settings, states: tuple[str, ...], everything: bool) -> None:
    from ..ws.orders.journal import Which

    profile = asked_profile(settings)
    which = Which(profile=profile, states=tuple(map(OrderState, states)))
    with open_journal() as journal:
        if settings.json:
            found = (entry.to_dict() for entry in journal.each(**which))
            emit_each(found, schema="igc.order/1")
            return
        entries = journal.list(limit=None if everything else SHOWN, **which)
        more = 0 if everything else journal.count(**which) - len(entries)
    if not entries:
        talk(
            tr("No order of this kind.")
            if states
            else tr("No order was made from this machine yet.")
        )
        return
    print_entries(entries)
    if more > 0:
        talk(tr("{count:,} older ones are not shown. All of them: igc orders --all", count=more))


@orders_command.command("show")
@click.argument("order", shell_complete=completing.orders)
@common_options
def show_command(settings: Settings, order: str) -> None:
    """Show all that is known of ORDER: what was asked, each step, its files.

    \b
    Example:
      igc orders show 3
    """
    with open_journal() as journal:
        entry = journal.get(order)
        history = journal.history(entry)
        delivered = len(journal.certificates(entry))
    present = {
        "key": _present(entry.key_path),
        "certificate": _present(entry.certificate_path),
    }
    if settings.json:
        steps = [step.to_dict() for step in history]
        told = {**entry.to_dict(), "history": steps, "present": present, "kept": delivered}
        emit(told, schema="igc.order.show/1")
        return
    say_pairs(
        [
            (tr("Order"), f"{entry.id}, {entry.reference}"),
            (tr("What"), f"{entry.offre} {entry.usage} {entry.label}"),
            (tr("Structure"), entry.structure),
            (tr("State"), entry.state.meaning),
            (tr("Last error"), recalled(entry.last_error)),
            (tr("Careful"), recalled(entry.unusable)),
            (tr("Product"), entry.product_id),
            (tr("Renews"), entry.renews),
            (tr("Serial"), entry.serial),
            (
                tr("Valid"),
                tr("until {not_after}", not_after=shown(entry.ends)) if entry.ends else "",
            ),
            (tr("Private key"), _with_presence(entry.key_path, present["key"])),
            (tr("Certificate"), _with_presence(entry.certificate_path, present["certificate"])),
            (tr("Profile"), entry.profile),
            (tr("Platform"), entry.platform),
            (tr("Card"), entry.card_number),
            ("", ""),
        ]
    )
    for step in history:
        what = step.state.meaning
        if step.note:
            what = tr("{meaning} ({why})", meaning=what, why=recalled(step.note))
        say_pairs([(shown(step.at, seconds=True), what)])


@orders_command.command("sync")
@click.argument("orders", nargs=-1, shell_complete=completing.orders)
@pin_options
@platform_options
def sync_command(
    settings: Settings, orders: tuple[str, ...], pin_source: str | None, use_last_try: bool
) -> int:
    """Ask the platform where ORDERS are, and note it. Default: all that can still change.

    What was in doubt is settled here: an order whose answer was lost is looked for by its
    reference; by default also one that failed in the last 30 days since the platform didn't
    show it, in case it arrived late. One connection and one signature of the card serve all.

    \b
    Examples:
      igc orders sync
      igc orders sync 3
    """
    from ..ws.orders.attempts import failed_lately
    from ..ws.orders.journal import Entry, check_platform
    from ..ws.orders.reconcile import OPEN, synchronise

    target, late = target_of(settings), tuple[Entry, ...]()
    with open_journal() as journal:
        if orders:
            entries = tuple(journal.get(name, target.endpoint) for name in orders)
            for entry in entries:
                check_platform(entry, target.endpoint)
        else:
            entries = journal.list(states=OPEN, platform=target.endpoint)
            late = failed_lately(journal, target.endpoint, at=_now())
        if not entries and not late:
            talk(tr("No order is open: nothing was asked."))
            return ExitCode.GOOD
        code = ExitCode.GOOD
        with connected(target, pin_source, use_last_try=use_last_try) as (client, _):
            told = synchronise(client, journal, entries, at=_now(), late=late)
            for before, after, trouble in told:
                code = code or (trouble.exit_code if trouble else ExitCode.GOOD)
                if settings.json:
                    error = trouble.to_dict() if trouble else None
                    line = {**after.to_dict(), "before": before.state, "error": error}
                    emit(line, schema="igc.order.sync/1")
                elif trouble:
                    talk(tr("Order {id}: {message}", id=after.id, message=trouble.message))
                    if trouble.advice:
                        talk(tr("  {advice}", advice=trouble.advice))
                elif after.state is not before.state:
                    say(
                        tr(
                            "Order {id} {label}: {meaning}",
                            id=after.id,
                            label=after.label,
                            meaning=after.state.meaning,
                        )
                    )
                elif after.state.in_doubt:
                    say(
                        tr(
                            "Order {id} {label} stays in doubt, the platform doesn't show it yet: "
                            "sync again after {settles}",
                            id=after.id,
                            label=after.label,
                            settles=shown(after.settles, seconds=True),
                        )
                    )
    if not settings.json:
        count = len(entries) + len(late)
        talk(plural("{count} order looked at.", "{count} orders looked at.", count))
    return code


@orders_command.command("wait")
@click.argument("order", shell_complete=completing.orders)
@click.option(
    "--timeout",
    type=FiniteRange(0, 7 * 86400),
    default=DEFAULT_WAIT_SECONDS,
    show_default=True,
    metavar="SECONDS",
    help="How long to wait, all in all. 0 asks once, for as long as that takes.",
)
@pin_options
@platform_options
def wait_command(
    settings: Settings, order: str, timeout: float, pin_source: str | None, use_last_try: bool
) -> None:
    """Wait until ORDER is made and can be retrieved, or its doubt is settled.

    Exit code 11 when nothing will come of it, 13 when the time is over.

    \b
    Example:
      igc orders wait 3
    """
    from ..ws.orders.journal import check_platform
    from ..ws.orders.reconcile import wait_until_made

    target = target_of(settings)
    with open_journal() as journal:
        entry = journal.get(order, target.endpoint)
        check_platform(entry, target.endpoint)
        if entry.state is OrderState.PENDING or entry.state.in_doubt:
            with connected(
                target, pin_source, use_last_try=use_last_try, seconds=timeout or inf
            ) as (client, _):
                entry = wait_until_made(client, journal, entry, seconds=timeout, clock=_now)
    _raise_when_lost(entry)
    if settings.json:
        show_entry(entry, as_json=True)
    else:
        say(tr("Order {id}: {meaning}", id=entry.id, meaning=entry.state.meaning))


@orders_command.command("settle")
@click.argument("order", shell_complete=completing.orders)
@click.option("--product", default="", metavar="ID", help="It was ordered: it is this product.")
@click.option("--nothing-ordered", is_flag=True, help="The platform has no such product.")
@click.option("--yes", is_flag=True, help="Don't ask whether you are sure.")
@pin_options
@platform_options
def settle_command(
    settings: Settings,
    order: str,
    product: str,
    nothing_ordered: bool,
    yes: bool,
    pin_source: str | None,
    use_last_try: bool,
) -> None:
    """End the doubt about ORDER, whose answer was lost, with what you saw in the portal.

    For a platform that keeps no client references, where igc orders sync can't tell. A
    --product is read and must be what was ordered. With --nothing-ordered neither card nor
    network is used; the private key stays where it is.

    \b
    Example:
      igc orders settle 3 --nothing-ordered
    """
    from ..ws.orders.journal import check_platform
    from ..ws.orders.settle import (
        check_unsettled,
        seems_older,
        settle_as_nothing,
        settle_as_product,
    )
    from ..ws.rules import check_product_id

    if bool(product) == nothing_ordered:
        raise UsageError(tr("say what you saw: either --product ID or --nothing-ordered"))
    with open_journal() as journal:
        entry = journal.get(order)
        check_unsettled(entry)
        if nothing_ordered:
            ask.agreement(
                yes,
                tr(
                    "Did you look for order {id}, {offre} {usage} {label}, on {platform}, and it "
                    "was never ordered?",
                    id=entry.id,
                    offre=entry.offre,
                    usage=entry.usage,
                    label=entry.label,
                    platform=entry.platform,
                ),
                "--yes",
            )
            entry = settle_as_nothing(journal, entry, at=_now())
        else:
            check_product_id(product)
            target = target_of(settings)
            check_platform(entry, target.endpoint)
            with connected(target, pin_source, use_last_try=use_last_try) as (client, _):
                found = client.get_product(product)
                if seems_older(entry, found):
                    ask.agreement(yes, _older(entry, found), "--yes")
                entry = settle_as_product(journal, entry, found, at=_now())
    if settings.json:
        show_entry(entry, as_json=True)
    else:
        say(tr("Order {id}: {meaning}", id=entry.id, meaning=entry.state.meaning))


def _older(entry: Entry, product: Product) -> str:
    return tr(
        "Product {product_id} was requested at {requested}, before order {id} was "
        "made, at {created}. Is it that order's all the same?",
        product_id=product.product_id,
        requested=shown(product.requested_at),
        id=entry.id,
        created=shown(entry.created),
    )


def _raise_when_lost(entry: Entry) -> None:
    if entry.state.nothing_ordered or entry.state is OrderState.CANCELLED:
        raise PlatformRefusedError(
            tr("order {id}: {meaning}", id=entry.id, meaning=entry.state.meaning),
            advice=tr("order it once more: igc order"),
        )


def _present(path: str) -> bool | None:
    return Path(path).is_file() if path else None


def _with_presence(path: str, present: bool | None) -> str:
    return path if present is not False else tr("{path} (not there any more)", path=path)


def _now() -> datetime:
    return datetime.now(UTC)

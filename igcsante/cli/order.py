"""``igc order``, ``retrieve``: a certificate from the platform by card."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from ..errors import ExitCode, IgcError, PlatformRefusedError, UsageError
from ..messages import tr
from . import ask, completing
from .command import command
from .connect import connected, connection, open_journal, target_of
from .order_batch import batch_options, order_batch
from .order_keys import (
    PLATFORM,
    check_protection,
    key_options,
    key_source,
    made_by_platform,
    platform_key_password,
)
from .order_options import pin_options, request_fields, request_options, retrieval_options
from .order_parts import delivery_of, doubts_told, habilitations_of, show_entry, show_issued
from .output import Settings, platform_options, talk

if TYPE_CHECKING:
    from ..secret import Secret
    from ..ws.orders.enrolment import Delivery
    from ..ws.orders.journal import Entry, Journal
    from ..ws.platform import Platform


@command("order")
@request_options
@click.option(
    "--for", "meant_for", metavar="SERVICE", default="", help="What it is for: INSi, DMP, MSSanté…"
)
@key_options
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path(),
    help="Folder of the files.  [default: this one]",
)
@click.option("--order-only", is_flag=True, help="Don't retrieve it now (see: igc retrieve).")
@click.option(
    "--unchecked",
    is_flag=True,
    help="Let the platform alone judge whether the card may order this.",
)
@batch_options
@retrieval_options
@pin_options
@platform_options
def order_command(
    settings: Settings,
    pin_source: str | None,
    use_last_try: bool,
    order_only: bool,
    unchecked: bool,
    out: Path,
    meant_for: str,
    wanted: dict[str, Any],
    key_choice: dict[str, Any],
    batching: dict[str, Any],
    sources: dict[str, Any],
) -> int:
    """Order a certificate with the card, and retrieve it; with --batch, those of a file.

    The key is made here and never leaves this machine, unless --key or --csr says otherwise.
    Key, certificate, chain and (with --p12-password-source) PKCS#12 are written to --out,
    readable by you only. What the card may order is looked at before the order is sent.

    \b
    Example:
      igc order --usage AUTH_CLI --structure 10B0999003 --service my-service \\
                --email team@example.org --out certs/
    """
    from ..ws.habilitations import check_habilitated
    from ..ws.orders.enrolment import draft, prepare, submit
    from ..ws.orders.order_key import TokenKey

    if batching["batch"]:
        return order_batch(
            settings, batching, wanted, sources, key_choice, meant_for=meant_for, out=out,
            order_only=order_only, unchecked=unchecked, pin_source=pin_source,
            use_last_try=use_last_try,
        )  # fmt: skip
    target = target_of(settings)
    fields = request_fields(**wanted)
    request = draft(out, **fields)
    for warning in request.warnings(meant_for):
        talk(tr("Warning: {warning}", warning=warning))
    check_protection(key_choice, sources)
    asked = _ask(sources, order_only=order_only, by_platform=made_by_platform(key_choice))
    source = key_source(settings, asked.p12_password, **key_choice)
    enrolment = prepare(out, source, **fields) if source else None
    with (
        open_journal() as journal,
        connection(target, pin_source, use_last_try=use_last_try) as link,
    ):
        if enrolment is None:
            enrolment = prepare(out, TokenKey(link.credential.private_key), **fields)
        lines = None if unchecked else habilitations_of(link.platform)
        if lines is not None:
            check_habilitated(request, lines)
        with doubts_told(journal, enrolment.request.client_reference):
            entry = submit(
                enrolment,
                link.platform,
                journal,
                at=datetime.now(UTC),
                key_passphrase=asked.key_passphrase,
                **link.about,
            )
            _check_alive(entry)
            talk(
                tr(
                    "Order {id} is placed: product {product_id}, {meaning}.",
                    id=entry.id,
                    product_id=entry.product_id,
                    meaning=entry.state.meaning,
                )
            )
            _go_on(settings, entry, link.platform, journal, asked.delivery)
    return ExitCode.GOOD


def _check_alive(entry: Entry) -> None:
    """Raise unless something will come of the order, which may have been there before."""
    from ..ws.orders.journal import OrderState

    if entry.state.nothing_ordered:
        raise PlatformRefusedError(
            tr("order {id}: {meaning}", id=entry.id, meaning=entry.state.meaning),
            advice=tr("see what is known of it: igc orders show {id}", id=entry.id),
            order=entry.id,
        )
    if entry.state in (OrderState.CANCELLED, OrderState.REVOKED):
        raise UsageError(
            tr(
                "order {id} has this reference: {meaning}; nothing was ordered now",
                id=entry.id,
                meaning=entry.state.meaning,
            ),
            advice=tr("to order it again, give it another reference: --reference"),
            order=entry.id,
        )


class _Asked(NamedTuple):
    """The secrets of an order, each read once; no ``delivery`` when it isn't retrieved now."""

    delivery: Delivery | None
    key_passphrase: Secret | None
    p12_password: Secret | None


def _ask(sources: dict[str, Any], *, order_only: bool, by_platform: bool) -> _Asked:
    if not order_only:
        delivery = _delivery(sources, by_platform, new=True)
        return _Asked(delivery, delivery.key_passphrase, delivery.p12_password)
    password = None
    if by_platform:
        password = platform_key_password(sources["p12_password_source"], new=True)
    return _Asked(None, ask.optional_secret(sources["key_passphrase_source"]), password)


def _go_on(
    settings: Settings,
    entry: Entry,
    platform: Platform,
    journal: Journal,
    delivery: Delivery | None,
) -> None:
    """Retrieve what was ordered, unless that is for later or was done before."""
    from ..ws.orders.journal import OrderState
    from ..ws.orders.restore import bring_home, check_within_reach

    pending = entry.state is OrderState.PENDING
    if delivery is None or pending or entry.certificate_path:
        show_entry(entry, settings.json)
        if not entry.certificate_path:
            talk(
                tr("Next: igc orders wait {id}, then igc retrieve {id}", id=entry.id)
                if pending
                else tr("Next: igc retrieve {id}", id=entry.id)
            )
        return
    check_within_reach(entry, journal)
    try:
        issued = bring_home(entry, platform, journal, delivery, at=datetime.now(UTC))
    except IgcError:
        if journal.get(str(entry.id)).state is OrderState.ORDERED:
            talk(tr("Order {id} stays, to be finished with: igc retrieve {id}", id=entry.id))
        raise
    if issued is not None:
        show_issued(issued, settings.json)


@command("retrieve")
@click.argument("order", shell_complete=completing.orders)
@click.option(
    "--again", is_flag=True, help="Ask once more for a certificate that was issued and got lost."
)
@retrieval_options
@pin_options
@platform_options
def retrieve_command(
    settings: Settings,
    order: str,
    again: bool,
    pin_source: str | None,
    use_last_try: bool,
    sources: dict[str, Any],
) -> None:
    """Retrieve the certificate of ORDER (its number in igc orders, reference or product).

    The certificate is issued at this moment. The revocation code is chosen now: keep it,
    it is asked for to revoke and can't be recovered. When the platform made the key, its
    password is the one of the order.

    \b
    Examples:
      igc retrieve 3
      igc retrieve 3 --p12-password-source env:P12
    """
    from ..ws.orders.enrolment import check_retrievable, retrieve
    from ..ws.orders.journal import check_platform
    from ..ws.orders.restore import restorable, restore

    target = target_of(settings)
    with open_journal() as journal:
        entry = journal.get(order, target.endpoint)
        if restorable(entry, journal):  # it arrived, but not all of its files were written
            issued = restore(
                entry, journal, at=datetime.now(UTC),
                key_passphrase=ask.optional_secret(sources["key_passphrase_source"]),
                p12_password=ask.optional_secret(sources["p12_password_source"]),
            )  # fmt: skip
            show_issued(issued, settings.json)
            return
        check_platform(entry, target.endpoint)
        if not again:
            check_retrievable(entry)
        delivery = _delivery(sources, entry.key_mode == PLATFORM)
        with (
            connected(target, pin_source, use_last_try=use_last_try) as (client, _),
            doubts_told(journal, entry.reference),
        ):
            now = datetime.now(UTC)
            issued = retrieve(entry, client, journal, delivery, at=now, again=again)
    show_issued(issued, settings.json)


def _delivery(sources: dict[str, Any], by_platform: bool, *, new: bool = False) -> Delivery:
    delivery = delivery_of(**sources)
    if by_platform and delivery.p12_password is None:
        return replace(delivery, p12_password=platform_key_password(None, new=new))
    return delivery

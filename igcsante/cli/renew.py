"""``igc renew``: the successors of certificates that are about to end."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..errors import (
    ExitCode,
    IgcError,
    PlatformRefusedError,
    StorageError,
    UsageError,
)
from ..files import read_bounded
from ..messages import localized, tr
from . import ask, completing
from .command import command
from .connect import connected, open_journal, target_of
from .numbers import WholeRange
from .order_options import pin_options, retrieval_options
from .order_parts import FILES, delivery_of, tell_doubt
from .output import Settings, emit, grouped, platform_options, say, say_pairs, talk

if TYPE_CHECKING:
    from ..ws.model import Product
    from ..ws.orders.enrolment import Delivery, Issued
    from ..ws.orders.journal import Entry, Journal
    from ..ws.orders.order_key import KeySource
    from ..ws.platform import Platform

GOES_ON_AFTER = (UsageError, PlatformRefusedError, StorageError)

_which = grouped(
    "which",
    click.option("--due", is_flag=True, help="All that end soon and have no successor yet."),
    click.option(
        "--within",
        type=WholeRange(0, 1096),
        default=60,
        show_default=True,
        metavar="DAYS",
        help="With --due: those that end within that time.",
    ),
    click.option(
        "--elsewhere", is_flag=True, help="With --due: also those not ordered from this machine."
    ),
    click.option("--early", is_flag=True, help="Also more than 60 days before the end."),
)
_keys = grouped(
    "keys",
    click.option(
        "--key-bits",
        type=click.Choice(["2048", "3072", "4096"]),
        help="Make a key here, of that size.  [default: 2048, when the old one was made here]",
    ),
    click.option(
        "--csr",
        type=click.Path(path_type=Path, dir_okay=False),
        help="The request of a key that is elsewhere (PKCS#10), for a single order.",
    ),
    click.option(
        "--out",
        type=click.Path(path_type=Path, file_okay=False),
        help="Folder of the new files.  [default: that of the old ones]",
    ),
)


@dataclass(frozen=True)
class Renewing:
    """What serves all renewals of a command."""

    platform: Platform
    journal: Journal
    delivery: Delivery | None
    passphrase: Any
    keys: dict[str, Any]
    early: bool
    today: datetime
    about: dict[str, str]

    def renew(self, product: Product) -> tuple[Entry, Issued | None]:
        """The successor, ordered and, unless nobody wants it now, retrieved."""
        from ..ws.orders.renewal import ends_soon, renew
        from ..ws.orders.restore import bring_home, check_within_reach

        old = self.journal.of_product(product.product_id, self.about["platform"])
        entry = renew(
            product,
            self.platform,
            self.journal,
            self.keys["out"] or _folder_of(old),
            self._key_source(old),
            at=datetime.now(UTC),
            early=self.early or ends_soon(product, self.today),
            key_passphrase=self.passphrase,
            **self.about,
        )
        if self.delivery is None or entry.certificate_path:
            return entry, None
        check_within_reach(entry, self.journal)
        issued = bring_home(entry, self.platform, self.journal, self.delivery, at=datetime.now(UTC))
        return (issued.entry if issued else entry), issued

    def _key_source(self, old: Entry | None) -> KeySource:
        from ..ws.orders.order_key import GivenRequest, KeyPlace, NewKey, PlatformKey

        csr, bits = self.keys["csr"], self.keys["key_bits"]
        if csr:
            return GivenRequest(read_bounded(csr, 64 * 1024), str(csr))
        mode = old.key_mode if old and not bits else ""
        if mode == KeyPlace.PLATFORM:
            if self.delivery is None or self.delivery.p12_password is None:
                raise UsageError(
                    tr("the platform makes the key of this one, and wants a password for it"),
                    advice=tr(
                        "give --p12-password-source, or --key-bits 2048 to make the key here"
                    ),
                )
            return PlatformKey(self.delivery.p12_password)
        if mode in (KeyPlace.REQUEST, KeyPlace.TOKEN):
            raise UsageError(
                tr("the key of this one was not made here: nothing was ordered"),
                advice=tr(
                    "give the request of its new key with --csr, or --key-bits 2048 to make "
                    "one here"
                ),
            )
        return NewKey(int(bits or 2048))


@command("renew")
@click.argument("orders", nargs=-1, shell_complete=completing.orders)
@_which
@_keys
@click.option("--order-only", is_flag=True, help="Don't retrieve them now (see: igc retrieve).")
@retrieval_options
@pin_options
@platform_options
def renew_command(
    settings: Settings,
    orders: tuple[str, ...],
    which: dict[str, Any],
    keys: dict[str, Any],
    order_only: bool,
    sources: dict[str, Any],
    pin_source: str | None,
    use_last_try: bool,
) -> int:
    """Renew the certificates of ORDERS (number, reference, product or serial) while they live.

    The new ones are for the same subject, with a new key. The old ones stay active until
    their end. With --due, all that end within 60 days; run it again after a failure: what was
    done is not done twice. One connection and one signature of the card serve all of them.

    \b
    Examples:
      igc renew 3
      igc renew --due
    """
    if bool(orders) == which["due"]:
        raise UsageError(
            tr("name the orders to renew, or give --due"), advice=tr("see: igc status")
        )
    if keys["csr"] and len(orders) != 1:
        raise UsageError(tr("a request is for one key: --csr goes with a single order"))
    early = which["early"] or (which["due"] and which["within"] > 60)
    target = target_of(settings)
    with open_journal() as journal:
        named = tuple(
            _with_product(journal.get(name, target.endpoint), target.endpoint) for name in orders
        )
        delivery = None if order_only else delivery_of(**sources)
        passphrase = (
            delivery.key_passphrase
            if delivery
            else ask.optional_secret(sources["key_passphrase_source"])
        )
        with connected(target, pin_source, use_last_try=use_last_try) as (client, about):
            today = target.clock()
            job = Renewing(client, journal, delivery, passphrase, keys, early, today, about)
            products = (
                (_product_of(entry, client) for entry in named)
                if named
                else _due(client, journal, which, today, target.endpoint)
            )
            return _renew_all(job, products, as_json=settings.json)


def _renew_all(job: Renewing, products: Iterator[Product], *, as_json: bool) -> int:
    from ..ws.platform import CardTurnedAwayError

    code, count = ExitCode.GOOD, 0
    for product in products:
        count += 1
        try:
            entry, issued = job.renew(product)
        except (KeyboardInterrupt, SystemExit):
            _tell_doubt(job, product)
            raise
        except CardTurnedAwayError:  # so would the others be
            raise
        except GOES_ON_AFTER as error:
            code = code or error.exit_code
            _show_failure(product, error, as_json)
        else:
            _show(product, entry, issued, as_json)
    if not count:
        talk(tr("Nothing is due."))
    return code


def _due(
    platform: Platform, journal: Journal, which: dict[str, Any], today: datetime, endpoint: str
) -> Iterator[Product]:
    """What ends soon, listed whole before the first is renewed."""
    from ..ws.listing import every_product
    from ..ws.orders.renewal import begun, ends_soon

    within = timedelta(days=which["within"])
    found = {product.product_id: product for product in every_product(platform)}
    for product in found.values():
        ours = which["elsewhere"] or journal.of_product(product.product_id, endpoint) is not None
        unfinished = begun(journal, product.product_id, endpoint)
        open_one = unfinished is not None and not unfinished.certificate_path
        if ours and (ends_soon(product, today, within) or open_one):
            yield product


def _with_product(entry: Entry, platform: str) -> Entry:
    from ..ws.orders.journal import check_platform

    check_platform(entry, platform)
    if not entry.product_id:
        raise UsageError(
            tr("order {id} can't be renewed: {meaning}", id=entry.id, meaning=entry.state.meaning)
        )
    return entry


def _product_of(entry: Entry, platform: Platform) -> Product:
    from ..ws.orders.reconcile import check_same

    product = platform.get_product(entry.product_id)
    check_same(entry, product)
    return product


def _folder_of(old: Entry | None) -> Path:
    """Where the files of an order are."""
    known = old and (old.file_base or old.certificate_path or old.key_path)
    return Path(known).parent if known else Path()


def _tell_doubt(job: Renewing, product: Product) -> None:
    from ..ws.orders.renewal import begun

    with suppress(IgcError):
        entry = begun(job.journal, product.product_id, job.about["platform"])
        if entry is not None:
            tell_doubt(entry)


def _show(product: Product, entry: Entry, issued: Issued | None, as_json: bool) -> None:
    if as_json:
        files = {kind: str(path) for kind, path in issued.files.items()} if issued else None
        line = {"renews": product.product_id, "label": product.label, "files": files}
        emit({**line, "order": entry.to_dict(), "error": None}, schema="igc.renewal/1")
        return
    say(
        tr(
            "{label}: order {id}, {meaning}",
            label=product.label,
            id=entry.id,
            meaning=entry.state.meaning,
        )
    )
    if issued is not None:
        say_pairs(
            [
                (
                    tr("  Valid"),
                    tr(
                        "until {not_valid_after_utc:%Y-%m-%d}",
                        not_valid_after_utc=issued.certificate.not_valid_after_utc,
                    ),
                ),
                *(
                    (f"  {localized(FILES[kind])}", str(path))
                    for kind, path in issued.files.items()
                ),
            ]
        )


def _show_failure(product: Product, error: IgcError, as_json: bool) -> None:
    talk(
        tr(
            "{label} ({product_id}): {message}",
            label=product.label,
            product_id=product.product_id,
            message=error.message,
        )
    )
    if error.advice:
        talk(tr("  {advice}", advice=error.advice))
    if as_json:
        line = {"renews": product.product_id, "label": product.label, "files": None}
        emit({**line, "order": None, "error": error.to_dict()}, schema="igc.renewal/1")

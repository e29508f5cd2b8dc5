"""What the platform has, brought back into the journal (facts sheet platform.md §7.3, §7.4).

An order is looked up by its product, else by the client's own reference; a renewal, which
carries none, by the product that it succeeds. What the platform shows counts at once, what it
doesn't show only once the doubt may end (:mod:`igcsante.ws.outcome`).
"""

from __future__ import annotations

import hashlib
import time
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta

from ...errors import (
    ConfigError,
    ContractError,
    IgcError,
    NetworkError,
    PlatformError,
    TimeoutExceededError,
    UsageError,
)
from ...identifiers import StructureId
from ...instants import iso
from ...messages import tr
from ..listing import every_product
from ..model import Offre, Product, ProductSearch, ProductState, Usage
from ..outcome import SETTLING
from ..platform import CardTurnedAwayError, Platform
from .attempts import bounded, is_contested, may_arrive_late
from .delivered import file_of, written
from .doubts import ContestedError
from .journal import Entry, Journal, OrderState
from .locks import AtWorkError

FEW = 20  # orders: asked for one by one, more are found by listing all products
MAX_PAGES = 1_000
FIRST_WAIT_SECONDS = 1.0
LONGEST_WAIT_SECONDS = 30.0

STATES = {
    ProductState.A_RETIRER: OrderState.ORDERED,
    ProductState.EN_COURS: OrderState.PENDING,
    ProductState.ACTIF: OrderState.WITHDRAWN,
    ProductState.EXPIRE: OrderState.WITHDRAWN,
    ProductState.REVOQUE: OrderState.REVOKED,
    ProductState.REFUSE: OrderState.REFUSED,
    ProductState.ANNULE: OrderState.CANCELLED,
}
_NOT_SHOWN = {
    OrderState.WITHDRAWING: (OrderState.PENDING, OrderState.ORDERED),
    OrderState.REVOKING: (OrderState.PENDING, OrderState.ORDERED, OrderState.WITHDRAWN),
}
OPEN = (
    OrderState.SENT,
    OrderState.UNKNOWN,
    OrderState.PENDING,
    OrderState.ORDERED,
    OrderState.WITHDRAWING,
    OrderState.WITHDRAWN,
    OrderState.REVOKING,
)


def refresh(
    platform: Platform,
    journal: Journal,
    entry: Entry,
    *,
    at: datetime,
) -> Entry:
    """Ask the platform where an order is, and note it: as the journal has it by now.

    ``at`` is a time before it is asked. An order in doubt that it does not show has FAILED
    once the doubt may end; one that FAILED and is there all the same is brought back. Raises
    AtWorkError while another command is at work on it, what the platform raises, ContestedError,
    and UsageError when its product is something else than was ordered; the journal then stays
    as it is.
    """
    with journal.hold(entry):
        lasting = platform.longest_attempt + SETTLING
        entry = bounded(journal, journal.get(str(entry.id)), at, lasting)
        product = find_product(platform, journal, entry)
        if product is not None:
            return _note_found(platform, journal, entry, product, at)
        if not entry.state.in_doubt or not entry.settled(at):
            return entry
        why = entry.last_error or tr("the platform has no order of this reference")
        return journal.update(entry, at=at, state=OrderState.FAILED, last_error=why)


def _note_found(
    platform: Platform, journal: Journal, entry: Entry, product: Product, at: datetime
) -> Entry:
    check_same(entry, product)
    longest = platform.longest_attempt
    if not is_contested(journal, entry, product, longest):
        entry = bounded(journal, entry, at, longest + SETTLING)
        return note_product(journal, entry, product, at=at)
    if entry.state.in_doubt or may_arrive_late(entry):
        raise ContestedError(entry, product)
    return entry


def _note_late(
    platform: Platform, journal: Journal, entry: Entry, product: Product | None, at: datetime
) -> Entry:
    if product is None or difference(entry, product):
        return entry
    return _note_found(platform, journal, entry, product, at)


def check_same(entry: Entry, product: Product) -> None:
    """Raise UsageError when the product is not the one of the entry, as far as both tell."""
    told = difference(entry, product)
    if told is not None:
        name, known, found = told
        raise UsageError(
            tr(
                "product {product_id} of this platform is not that of order {id}: its {name} is "
                "{found!r} instead of {known!r}; nothing was changed",
                product_id=product.product_id,
                id=entry.id,
                name=name,
                found=found,
                known=known,
            ),
            advice=tr("is it the platform of that order? igc orders show {id}", id=entry.id),
            field=name,
        )


def difference(entry: Entry, product: Product) -> tuple[str, str, str] | None:
    """What a product has otherwise than its order: (what, the order's, the product's).

    What either doesn't know, since the contract may lack it, is no difference.
    """
    facts = {
        tr("number"): (entry.product_id, product.product_id),
        tr("serial"): (entry.serial, f"{int(product.serial, 16):x}" if product.serial else ""),
        "offre": (entry.offre, str(product.offre)),
        "usage": (entry.usage, str(product.usage)),
        tr("structure"): (entry.structure, str(product.structure.national_id)),
        tr("name"): (entry.label, product.label),
        tr("renewed product"): (entry.renews, product.renews),
    }
    for name, (known, found) in facts.items():
        if known and found and _folded(known) != _folded(found):
            return name, known, found
    return None


def _folded(text: str) -> str:
    """The subject is the platform's to write: case and composition may be other than asked."""
    return unicodedata.normalize("NFC", text).casefold()


def note_product(journal: Journal, entry: Entry, product: Product, *, at: datetime) -> Entry:
    """Write into the journal where the platform says that a product is.

    A withdrawal or a revocation in doubt that it doesn't show stays in doubt for its time. Files
    that were written while the journal could not be are found where they go.
    """
    state = STATES[product.state]
    if state in _NOT_SHOWN.get(entry.state, ()) and not entry.settled(at):
        state = entry.state
    serial = f"{int(product.serial, 16):x}" if product.serial else entry.serial
    path = entry.certificate_path
    if state is OrderState.WITHDRAWN and not path and serial and written(entry, serial):
        path = str(file_of(entry, "certificate"))
    done = state in (OrderState.ORDERED, OrderState.REVOKED) or path
    fine = done and not state.in_doubt
    known = {
        "product_id": product.product_id,
        "last_error": "" if fine else entry.last_error,
        "serial": serial,
        "certificate_path": path,
        "not_after": iso(product.not_after) or entry.not_after,
    }
    if state is entry.state and all(getattr(entry, name) == known[name] for name in known):
        return entry
    return journal.update(entry, at=at, state=state, **known)


def adopt(journal: Journal, product: Product, *, at: datetime, **about: str) -> Entry:
    """The journal's entry of a product, made when it was ordered elsewhere.

    Raises UsageError when the journal has something else under its number.
    """
    platform = about.get("platform", "")
    entry = journal.of_product(product.product_id, platform)
    if entry is not None:
        check_same(entry, product)
        return entry
    reference = f"adopted-{product.product_id}"
    if journal.find(reference) is not None:  # another platform's product has that number
        reference += "-" + hashlib.sha256(platform.encode()).hexdigest()[:8]
    entry = journal.record(
        reference,
        at=at,
        offre=str(product.offre),
        usage=str(product.usage),
        structure=str(product.structure.national_id),
        label=product.label,
        **about,
    )
    return note_product(journal, entry, product, at=at)


def find_product(platform: Platform, journal: Journal, entry: Entry) -> Product | None:
    """The platform's product of an order, or None. Raises what the platform raises."""
    if entry.product_id:
        return platform.get_product(entry.product_id)
    if entry.renews:
        successor = platform.get_product(entry.renews).renewed_by
        if not successor or journal.of_product(successor, entry.platform):
            return None
        return platform.get_product(successor)
    if not platform.keeps_references:
        raise UsageError(
            tr(
                "order {id} can't be looked up: this platform keeps no client references",
                id=entry.id,
            ),
            advice=tr(
                "look for it in the portal, then tell what you saw: igc orders settle {id} "
                "--product ID, or --nothing-ordered",
                id=entry.id,
            ),
        )
    return find_by_reference(platform, entry)


def find_by_reference(platform: Platform, entry: Entry) -> Product | None:
    """The platform's product that carries the entry's reference, or None.

    Raises what the platform raises, and ContractError when there is no end to its products.
    """
    search = ProductSearch(
        offre=Offre.parse(entry.offre),
        usage=Usage.parse(entry.usage),
        structure=StructureId.parse(entry.structure),
    )
    for product in every_product(platform, search, pages=MAX_PAGES):
        if product.client_reference == entry.reference:
            return product
    return None


def synchronise(
    platform: Platform,
    journal: Journal,
    entries: Sequence[Entry],
    *,
    at: datetime,
    late: Sequence[Entry] = (),
) -> Iterator[tuple[Entry, Entry, IgcError | None]]:
    """Bring many orders up to date: (before, after, what went wrong with it) for each.

    One that another command is at work on stays as it is. Few are asked for one by one; for
    more, all products are listed once, and what changed in the journal meanwhile is asked for.
    Orders that failed and may have arrived ``late`` are only looked for among those products,
    and given only when one is there, or with why they could not be listed.
    ``at`` is a time before anything is asked. Raises what ends all of it: a card that is turned
    away, and no network or no answer for two orders in a row, since one of them may be to blame.
    """
    products = _by_name(platform) if len(entries) > FEW else None
    silent = False
    unlisted: IgcError | None = None
    for number, entry in enumerate((*entries, *late)):
        is_late = number >= len(entries)
        after = entry
        trouble: IgcError | None = None
        try:
            if is_late and products is None:
                products, unlisted = _by_name_or_why(platform)
            if is_late and unlisted is not None:
                raise unlisted
            with journal.hold(entry):
                after = journal.get(str(entry.id))
                listed = _listed(products, journal, entry) if after == entry else None
                if is_late:
                    after = _note_late(platform, journal, after, listed, at)
                elif listed is not None:
                    after = _note_found(platform, journal, after, listed, at)
                elif products is None or after != entry or entry.renews or not entry.product_id:
                    after = refresh(platform, journal, after, at=at)
        except CardTurnedAwayError:
            raise
        except (UsageError, ConfigError, PlatformError) as error:
            trouble = error
        except (NetworkError, TimeoutExceededError) as error:
            if silent:
                raise
            trouble = error
        silent = isinstance(trouble, (NetworkError, TimeoutExceededError))
        if not is_late or trouble or after != entry:
            yield entry, after, trouble


def wait_until_made(
    platform: Platform,
    journal: Journal,
    entry: Entry,
    *,
    seconds: float,
    clock: Callable[[], datetime],
) -> Entry:
    """Ask again and again until an order is no longer the platform's to deal with.

    An order in doubt is asked for too. Waits grow from FIRST_WAIT_SECONDS. Raises
    TimeoutExceededError after ``seconds``, or when a question is not answered in time, which the
    platform's own limits say; and what else the platform raises.
    """
    end = clock() + timedelta(seconds=seconds)
    wait = FIRST_WAIT_SECONDS
    while True:
        try:
            entry = refresh(platform, journal, entry, at=clock())
        except AtWorkError:
            pass  # that command may bring it further
        except TimeoutExceededError as error:
            raise _too_long(entry, error.message) from None
        if entry.state is not OrderState.PENDING and not entry.state.in_doubt:
            return entry
        left = (end - clock()).total_seconds()
        if left <= 0:
            raise _too_long(entry, tr("{seconds:g} s are over", seconds=seconds))
        time.sleep(min(wait, left))
        wait = min(wait * 2, LONGEST_WAIT_SECONDS)


def _too_long(entry: Entry, why: str) -> TimeoutExceededError:
    return TimeoutExceededError(
        tr("order {id}: {meaning}; {why}", id=entry.id, meaning=entry.state.meaning, why=why),
        advice=tr("wait longer: igc orders wait {id} --timeout SECONDS", id=entry.id),
    )


def _by_name(platform: Platform) -> dict[str, Product] | None:
    """All products by identifier and by client reference; None when they can't be listed."""
    found: dict[str, Product] = {}
    try:
        for product in every_product(platform):
            found[product.product_id] = product
            if product.client_reference:
                found[f"reference {product.client_reference}"] = product
    except (ConfigError, ContractError):  # one that can't be read hides all of its page
        return None
    return found


def _by_name_or_why(platform: Platform) -> tuple[dict[str, Product], IgcError | None]:
    """As :func:`_by_name`; none, and why, when the platform does not answer that."""
    try:
        return _by_name(platform) or {}, None
    except CardTurnedAwayError:
        raise
    except (PlatformError, NetworkError, TimeoutExceededError) as error:
        return {}, error


def _listed(products: dict[str, Product] | None, journal: Journal, entry: Entry) -> Product | None:
    """As :func:`find_product`, among products that were listed."""
    if products is None:
        return None
    if entry.product_id or not entry.renews:
        return products.get(entry.product_id or f"reference {entry.reference}")
    renewed = products.get(entry.renews)
    if renewed is None or journal.of_product(renewed.renewed_by, entry.platform):
        return None
    return products.get(renewed.renewed_by)

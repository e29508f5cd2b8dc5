"""The card: what it is, its state, its certificates and their end, the tries left.

No PIN is asked for or sent, and no counter is touched (card.md §5).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from ..errors import (
    CardAbsentError,
    CardBusyError,
    ExitCode,
    IgcError,
    ReaderAbsentError,
)
from ..messages import plural, tr
from ..words import certificate_of, said
from ..ws.card_life import NOTICE, end_of
from . import middleware
from .check import Check, Context
from .finding import Finding, note, ok, problem, skipped, warning
from .look import CardLook, Look
from .masking import reader, told
from .pcsc import unlisted

if TYPE_CHECKING:
    from ..card.generation import PinStatus

Teller = Callable[[str, CardLook, Context], Iterator[Finding]]

_FEW_TRIES = 2  # with fewer, igc sends no PIN
_MANY_READERS = 10  # what is told of, should someone have a cupboard of them


def _looks(context: Context) -> list[Look] | IgcError:
    try:
        return context.looks()[:_MANY_READERS]
    except IgcError as error:
        return error


def _generation(context: Context) -> Iterator[Finding]:
    from ..card.session import GENERATIONS

    looks = _looks(context)
    if isinstance(looks, IgcError):
        yield unlisted(looks)
        return
    if not looks:
        yield skipped(tr("there is no reader"))
    for look in looks:
        name = reader(look.reader)
        if look.error is not None:
            yield _unreachable(look, look.error)
        elif look.generation in GENERATIONS:
            yield ok(
                tr("{reader}: {generation} card", reader=name, generation=said(look.generation))
            )
        else:
            yield _unknown(look)


def _unreachable(look: Look, error: IgcError) -> Finding:
    name = reader(look.reader)
    if isinstance(error, CardAbsentError | ReaderAbsentError):
        return note(tr("{reader}: no card is inserted", reader=name))
    if isinstance(error, CardBusyError):
        return skipped(
            tr("{reader}: another program has its card", reader=name),
            tr("see: igc doctor pcsc.holder"),
        )
    return problem(
        tr("{reader}: its card can't be used: {why}", reader=name, why=told(error)),
        tr("take the card out, look at its chip, and insert it again, chip first"),
        error.exit_code,
    )


def _unknown(look: Look) -> Finding:
    """The ATR says what kind of card it is, and nothing of its holder."""
    from ..card.atr import advice_for, describe

    atr = look.atr or b""
    return warning(
        tr("{reader}: {what}", reader=reader(look.reader), what=describe(atr)),
        advice_for(atr),
    )


def _cards(context: Context) -> Iterator[tuple[str, CardLook]]:
    """The cards that could be looked at, each with its reader."""
    looks = _looks(context)
    for look in [] if isinstance(looks, IgcError) else looks:
        if look.card is not None:
            yield reader(look.reader), look.card


def _state(context: Context) -> Iterator[Finding]:
    yield from _each(context, _state_of)


def _state_of(name: str, card: CardLook, _: Context) -> Iterator[Finding]:
    profile, journal = card.profile, card.journal
    if isinstance(profile, IgcError):
        yield _unread(name, tr("its certificate"), profile)
    else:
        yield ok(
            tr(
                "{reader}: {kind}, {world}",
                reader=name,
                kind=profile.card_type or tr("card of an unknown type"),
                world=tr("test card") if profile.world == "test" else tr("real card"),
            )
            if profile.world in ("test", "production")
            else tr(
                "{reader}: {kind}, whether real or of test can't be told",
                reader=name,
                kind=profile.card_type or tr("card of an unknown type"),
            )
        )
        if profile.conflicts:
            yield warning(
                plural(
                    "{reader}: its certificate contradicts itself in {count} place",
                    "{reader}: its certificate contradicts itself in {count} places",
                    len(profile.conflicts),
                    reader=name,
                ),
                tr("see them: igc card info"),
            )
    if isinstance(journal, IgcError):
        yield _unread(name, tr("the journal of its updates"), journal)
    elif journal is not None and not journal.complete:
        yield problem(
            tr("{reader}: an update of the card was not finished", reader=name),
            tr("the official middleware refuses such a card: it may need to be replaced"),
            ExitCode.NO_CARD,
        )


def _certificates(context: Context) -> Iterator[Finding]:
    yield from _each(context, _certificates_of)


def _certificates_of(name: str, card: CardLook, context: Context) -> Iterator[Finding]:
    if isinstance(card.certificates, IgcError):
        yield _unread(name, tr("the list of its certificates"), card.certificates)
        return
    if not card.certificates:
        yield problem(
            tr("{reader}: the card has no certificate", reader=name),
            tr("its issuer must replace the card"),
            ExitCode.NO_CARD,
        )
    for one in card.certificates:
        what = {"reader": name, "certificate": certificate_of(one.purpose)}
        day = f"{one.not_after:%Y-%m-%d}"
        if context.at < one.not_before:
            begins = f"{one.not_before:%Y-%m-%d}"
            yield problem(
                tr("{reader}: {certificate} begins on {day}", day=begins, **what),
                tr("is the clock right? Else wait for that day"),
                ExitCode.INVALID,
            )
        elif one.not_after < context.at:
            yield problem(
                tr("{reader}: {certificate} ended on {day}", day=day, **what),
                tr("use the card that replaced it, or ask for one"),
                ExitCode.INVALID,
            )
        elif one.not_after - context.at < NOTICE:
            yield warning(
                tr("{reader}: {certificate} ends on {day}", day=day, **what),
                tr("ask for the next card in time"),
            )
        else:
            yield ok(tr("{reader}: {certificate} is valid until {day}", day=day, **what))
    yield from _opposition(name, card, context)


def _opposition(name: str, card: CardLook, context: Context) -> Iterator[Finding]:
    profile = card.profile
    if isinstance(profile, IgcError):
        return
    end = end_of(profile.not_before, profile.not_after, profile.world)
    if end.opposed and end.on - context.at < NOTICE:
        yield warning(
            tr(
                "{reader}: a test card is opposed 3 years after it began, about {day}",
                reader=name,
                day=f"{end.on:%Y-%m-%d}",
            ),
            tr("ask for the next card in time"),
        )


def _tries(context: Context) -> Iterator[Finding]:
    yield from _each(context, _tries_of)


def _tries_of(name: str, card: CardLook, _: Context) -> Iterator[Finding]:
    if card.pin is None:
        yield note(tr("{reader}: no PIN on this interface of the card", reader=name))
        return
    if isinstance(card.pin, IgcError):
        yield _unread(name, tr("the counter of its PIN"), card.pin)
    else:
        yield _pin(name, card.pin)
    if isinstance(card.puk, IgcError):
        yield _unread(name, tr("the counter of its PUK"), card.puk)
    elif card.puk is not None:
        yield _puk(name, card.puk)


def _pin(name: str, pin: PinStatus) -> Finding:
    left = {"reader": name, "left": pin.tries_left, "most": pin.max_tries}
    if pin.blocked:
        return problem(
            tr("{reader}: the PIN is blocked", reader=name),
            tr("set a new one with the PUK: igc card pin unblock"),
            ExitCode.PIN_REFUSED,
        )
    if pin.tries_left < min(_FEW_TRIES, pin.max_tries):
        return problem(
            tr("{reader}: {left} of {most} PIN tries left: igc sends no PIN", **left),
            tr("give it only when you are sure of it: igc card pin verify --use-last-try"),
            ExitCode.PIN_REFUSED,
        )
    if pin.tries_left < pin.max_tries:
        return warning(
            tr("{reader}: {left} of {most} PIN tries left", **left),
            tr("the right PIN gives them all back: igc card pin verify"),
        )
    return ok(tr("{reader}: {left} of {most} PIN tries left", **left))


def _puk(name: str, puk: PinStatus) -> Finding:
    left = {"reader": name, "left": puk.tries_left, "most": puk.max_tries}
    if puk.blocked or puk.uses_left == 0:
        return warning(
            tr("{reader}: the PUK can't be used any more", reader=name),
            tr("once the PIN is blocked, the card is lost: its issuer must replace it"),
        )
    if puk.tries_left < puk.max_tries:
        return warning(tr("{reader}: {left} of {most} PUK tries left", **left))
    return ok(tr("{reader}: {left} of {most} PUK tries left", **left))


def _each(context: Context, tell: Teller) -> Iterator[Finding]:
    """What ``tell`` says of each card, or that there is none."""
    found = list(_cards(context))
    if not found:
        yield skipped(tr("there is no CPx card to look at"))
    for name, card in found:
        yield from tell(name, card, context)


def _unread(name: str, what: str, error: IgcError) -> Finding:
    return problem(
        tr("{reader}: {what} can't be read: {why}", reader=name, what=what, why=told(error)),
        tr("insert the card again; if that doesn't help: igc card info --trace"),
        error.exit_code,
    )


CHECKS = (
    Check("card.generation", tr("What card is inserted"), _generation, 9.0),
    Check("card.state", tr("Test or real; whether an update was cut short"), _state, 9.0),
    Check(
        "card.certificates", tr("The certificates on the card, and their end"), _certificates, 9.0
    ),
    Check("card.tries", tr("The PIN and PUK tries left; none is spent"), _tries, 9.0),
    Check("card.middleware", tr("The official middleware, and its version"), middleware.check),
)

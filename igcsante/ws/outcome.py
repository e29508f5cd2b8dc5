"""What the end of an attempt means, and when a doubt may end: one rule for all that changes.

An attempt is one call of an operation that changes something: an order, a renewal, a
withdrawal, a revocation. It ends in one of five ways (:func:`end_of`):

===============  ==================================================  ========================
end              how it is known                                     so
===============  ==================================================  ========================
served           an answer that is understood                        it is done
not sent         an error before the request left: no connection,    nothing was done
                 no handshake, a card that was taken away
refused          a functional fault, a fault of maintenance with     nothing was done
                 HTTP 503, an HTTP status of TURNED_AWAY
there already    a functional fault which says that the platform     it may be done: the
                 has the reference of this order, or its key when    platform is asked
                 it may have been served before
unknown          everything else once the request may have left,     it may be done: the
                 such as any other HTTP status without a fault       platform is asked
===============  ==================================================  ========================

The adapter marks the last kind: its errors carry ``outcome_unknown=True``. Whoever can't tell
marks it so. A doubt ends in one of two ways:

- the platform shows that it is done: a product with the order's reference, a successor of the
  renewed product, a product that was withdrawn, or revoked;
- the platform does not show it, asked once the order's ``doubt_until`` has come: SETTLING after
  the last instant at which the request may have been sent. What was sent is told by the limits
  of the call (:attr:`igcsante.ws.platform.Platform.longest_attempt`), since a program that was
  killed can't say when it sent it; and it counts from the end of the call if that came later.
"""

from __future__ import annotations

import time
from datetime import datetime, timedelta
from enum import Enum, auto

from ..errors import IgcError, PlatformRefusedError

# Gateways give up on what is behind them after 60 s, most often; it may end its work later still.
SETTLING = timedelta(seconds=120)

# RFC 9110 §15.5 and RFC 6585: about the request as it stands there, told before it is served.
# 400, 403, 404, 408 and 409 are not among them: a server says them of its own answer too, and a
# redirection may lead to the page that tells of an error.
TURNED_AWAY = frozenset({401, 405, 411, 413, 414, 415, 417, 421, 426, 429, 431})
MAINTENANCE = 503

# Kinds of fault (contract/fault_kinds.py) that say that what was asked is there already.
_OF_THE_KEY = "key_already_certified"
THERE_ALREADY = ("duplicate_reference", _OF_THE_KEY)


class End(Enum):
    """How an attempt ended that brought no answer."""

    NOT_SENT = auto()
    REFUSED = auto()
    THERE_ALREADY = auto()
    UNKNOWN = auto()


def end_of(error: IgcError, *, first: bool = False) -> End:
    """What the error of an attempt says of it.

    ``first``: no attempt before can have been served, so that a key that is certified already
    was so for something else.
    """
    kind = error.fields.get("kind")
    if error.fields.get("outcome_unknown"):
        return End.UNKNOWN
    if kind in THERE_ALREADY and not (first and kind == _OF_THE_KEY):
        return End.THERE_ALREADY
    return End.REFUSED if isinstance(error, PlatformRefusedError) else End.NOT_SENT


def nothing_done(error: IgcError) -> bool:
    """Whether it is certain that the platform did nothing of what the attempt asked for."""
    return end_of(error) in (End.NOT_SENT, End.REFUSED)


def refused_by_status(status: int) -> bool:
    """Whether an HTTP status, without a fault, says that nothing was done."""
    return status in TURNED_AWAY


def refused_by_fault(functional: bool, kind: str, status: int) -> bool:
    """Whether a fault says that nothing was done."""
    return functional or (status == MAINTENANCE and kind == "maintenance")


class Stopwatch:
    """The time it is now, for a piece of work that began at ``at``: whole seconds count.

    It goes on while the machine sleeps, and nobody sets it.
    """

    def __init__(self, at: datetime) -> None:
        self._at = at
        self._begun = seconds()

    def now(self) -> datetime:
        return self._at + timedelta(seconds=int(seconds() - self._begun))


def seconds() -> float:
    """Seconds since some moment. (Tests replace it.)"""
    boot = getattr(time, "CLOCK_BOOTTIME", None)
    return time.monotonic() if boot is None else time.clock_gettime(boot)

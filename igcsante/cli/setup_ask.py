"""The questions of ``igc setup``: yes or no, a day, a text that is checked as it is given."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date

from ..errors import IgcError
from ..messages import Message, tr
from .ask import prompted
from .output import insist, print_error

_EARLIEST = date(2011, 1, 1)  # the first CPS3
_YES, _NO = ("y", "yes", "o", "oui"), ("n", "no", "non")
_STOP = "q"


class Stopped(Exception):  # noqa: N818 - no error
    """The person wants to go no further."""


def typed(question: Message, default: str = "") -> str:
    """What is typed. Raises Stopped for a q, click.Abort for Ctrl-C."""
    text = prompted(question, default=default, show_default=bool(default)).strip()
    if text.lower() == _STOP:
        raise Stopped
    return text


def yes(question: Message) -> bool:
    """A yes or a no that is typed, in either language: Enter alone is neither."""
    while True:
        answer = typed(tr("{question} [y/n]", question=question)).lower()
        if answer in _YES or answer in _NO:
            return answer in _YES


def checked(question: Message, check: Callable[[str], object], default: str = "") -> str:
    """A text that ``check`` raises no IgcError for; what it says is told, and asked again."""
    while True:
        answer = typed(question, default)
        try:
            check(answer)
        except IgcError as error:
            print_error(error, as_json=False)
        else:
            return answer


def day_until(today: date, since: date | None) -> date:
    """A day that isn't after today, nor before ``since``, on which came what it rests on."""
    while True:
        text = typed(tr("On which day?"), today.isoformat())
        try:
            day = date.fromisoformat(text)
        except ValueError:
            insist(tr("Write the day so: {today}", today=today))
            continue
        if since and day < since <= today:
            insist(tr("That is before {day}, the day of the step before it.", day=since))
        elif _EARLIEST <= day <= today:
            return day
        else:
            insist(tr("That day has not come yet, or is long past."))

"""The questions of ``igc setup``: yes or no, a day, a text that is checked as it is given."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date

from ..errors import IgcError, UsageError
from ..messages import Message, tr
from .ask import prompted
from .output import insist, print_error

_EARLIEST = date(2011, 1, 1)  # the first CPS3
YES, NO = ("y", "yes", "o", "oui"), ("n", "no", "non")
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
        if answer in YES or answer in NO:
            return answer in YES
        insist(tr("Type y for yes, n for no, or q to stop here."))
        if answer.isdigit():
            insist(tr("A PIN is never typed here: igc asks for it apart, and does not show it."))


def checked(question: Message, check: Callable[[str], object], default: str = "") -> str:
    """A text that ``check`` raises no IgcError for; what it says is told, and asked again."""
    while True:
        answer = typed(question, default)
        try:
            check(answer)
        except IgcError as error:
            if answer:
                print_error(_as_asked(error), as_json=False)
            else:
                insist(tr("Nothing was typed. It is needed to go on; q stops here."))
        else:
            return answer


def _as_asked(error: IgcError) -> IgcError:
    """Without the name that requests have for the field: the question was in words."""
    values = getattr(error.message, "values", {})
    if {"name", "reason"} <= values.keys():
        return UsageError(values["reason"], advice=error.advice)
    return error


def new_file(question: Message, example: str) -> str:
    """The name of a file, or nothing: no is none, and yes is no name."""
    while (answer := typed(question)).lower() in YES:
        insist(tr("Then type the name of the file, such as {example}.", example=example))
    return "" if answer.lower() in NO else answer


def folder(question: Message, default: str) -> str:
    """The name of a folder; yes is the one that is shown, no is another one."""
    while (answer := typed(question, default)).lower() in NO:
        insist(tr("Then type the name of another folder."))
    return default if answer.lower() in YES else answer


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

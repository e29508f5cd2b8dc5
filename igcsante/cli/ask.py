"""Asking the person: secrets without echo, and decisions that must not be taken for them.

Every secret has a source option (``--pin-source fd:3``); without it, and on a terminal, it
is asked. Without a terminal nothing blocks: the error says which option to give.
"""

from __future__ import annotations

from typing import Any

import click

from ..errors import UsageError
from ..messages import localized, tr, translated
from ..secret import Secret, read_secret
from .output import insist, is_interactive


def secret(
    source: str | None, prompt: str, option: str, *, confirm: bool = False, why: str = ""
) -> Secret:
    """The secret from ``source``, or asked on the terminal. Raises UsageError."""
    if source:
        return read_secret(source)
    if not is_interactive():
        raise UsageError(
            tr(
                "{prompt} is needed{why} and there is no terminal to ask it on",
                prompt=prompt,
                why=why,
            ),
            advice=tr(
                "give {option} fd:N, env:NAME or cmd:COMMAND (see: igc help secrets)", option=option
            ),
        )
    return Secret(prompted(prompt, hide_input=True, confirmation_prompt=confirm))


def prompted(question: str, **attributes: Any) -> str:
    """What is typed after the question, as :func:`click.prompt` takes it."""
    suffix = translated(": ")  # click's own is English: no space goes before it
    return str(click.prompt(localized(question), prompt_suffix=suffix, err=True, **attributes))


def secret_at_hand(source: str | None) -> Secret | None:
    """The secret of a source that asks nobody: all but a command, which may. Raises UsageError."""
    return None if source is None or source.startswith("cmd:") else read_secret(source)


def card_secret(
    keypad: bool, source: str | None, prompt: str, option: str, *, confirm: bool = False
) -> Secret | None:
    """As :func:`secret`; None when the holder is to type it on the reader's ``keypad``."""
    if not keypad:
        return secret(source, prompt, option, confirm=confirm)
    if confirm:
        insist(tr("{prompt}: type it on the reader, twice.", prompt=prompt))
    else:
        insist(tr("{prompt}: type it on the reader.", prompt=prompt))
    return None


def optional_secret(source: str | None) -> Secret | None:
    """The secret of a source that need not be given."""
    return read_secret(source) if source else None


def agreement(given: bool, question: str, option: str) -> None:
    """Raises UsageError unless the option was given or the person says yes."""
    if given:
        return
    if not is_interactive():
        raise UsageError(
            tr("{question} There is no terminal to ask it on: nothing was done", question=question),
            advice=tr("say yes with {option}", option=option),
        )
    if not says_yes(question):
        raise UsageError(tr("You did not agree: nothing was done."))


def says_yes(question: str, *, otherwise: bool = False) -> bool:
    """Whether the person says yes: y or o, in French or English; ``otherwise`` for Enter alone."""
    shown = tr("{question} [Y/n]", question=question)
    if not otherwise:
        shown = tr("{question} [y/N]", question=question)
    while True:
        answer = prompted(shown, default="", show_default=False)
        if (word := answer.strip().lower()) in _ANSWERS:
            return _ANSWERS[word]
        if not word:
            return otherwise
        insist(tr("Say yes or no."))


_ANSWERS = {
    **dict.fromkeys(("y", "yes", "o", "oui"), True),
    **dict.fromkeys(("n", "no", "non"), False),
}


def retyped(expected: str, question: str) -> None:
    """Raises UsageError unless the person types ``expected``."""
    if not is_interactive():
        raise UsageError(
            tr("there is no terminal to confirm this on: nothing was done"),
            advice=tr("say yes with --yes"),
        )
    if prompted(question).strip().lower() != expected.lower():
        raise UsageError(tr("That is not it: nothing was done."))

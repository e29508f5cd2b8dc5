"""A step is data: what it is about, what is known, and how one sees that it is behind one."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from ..messages import Message
from .fact import Fact

if TYPE_CHECKING:
    from ..doctor import Finding
    from .journey import Journey

FORM, MACHINE = 1, 2  # the phases


class Act(StrEnum):
    """What is done with the person when a step isn't behind them."""

    ASK = "ask"  # they say whether it is done, and when
    WAIT = "wait"  # they do something with their hands
    RUN = "run"  # a command of igc
    PROFILE = "profile"  # lines of config.toml
    ORDER = "order"  # a rehearsal, then a command


@dataclass(frozen=True)
class Step:
    """``id`` is stable. ``todo`` says what to do, ``question`` whether it was done.

    ``check`` yields what is seen: the step is behind one unless a finding is a problem. Without
    it, a step is behind one once it was noted. ``command`` follows ``igc --profile NAME``;
    ``effect`` is what it changes or contacts. ``needs`` names steps without which it makes no
    sense.
    """

    id: str
    phase: int
    title: Message
    todo: Message
    act: Act
    facts: tuple[Fact, ...] = ()
    question: Message | None = None
    check: Callable[[Journey], Iterable[Finding]] | None = None
    command: tuple[str, ...] = ()
    effect: Message | None = None
    needs: tuple[str, ...] = ()

"""Where somebody stands: what a step needs to be looked at, and what is seen of it."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from functools import cached_property

from ..config import Profile, resolve
from ..doctor import Context, Finding, Status, chosen, examine
from ..errors import IgcError
from .record import Record
from .step import Step


@dataclass(frozen=True)
class Journey:
    """``profile`` is the name of the one that is set up, which may not exist yet.

    ``at`` is this machine's time, in UTC; ``simulation`` the profile of the simulation, when
    the way is walked with one.
    """

    profile: str
    record: Record
    at: datetime
    simulation: Profile | None = None

    def looked_at(self) -> Context:
        """What doctor's checks look at, anew: nothing beyond loopback is contacted."""
        return _Looked(lambda: resolve(self.profile), at=self.at)

    def line(self, *words: str) -> str:
        """A command for this profile, as it is typed in a shell."""
        return shlex.join(["igc", "--profile", self.profile, *words])

    def today(self) -> date:
        """The day where the person is."""
        return self.at.astimezone().date()


class _Looked(Context):
    @cached_property
    def profile(self) -> Profile:
        """An empty one as long as there is none, or it is wrong: the step ``profile`` says so."""
        try:
            return super().profile
        except IgcError:
            return Profile()


def doctor(context: Context, *names: str) -> list[Finding]:
    """What doctor's checks of these names tell."""
    return [found for result in examine(chosen(names), context) for found in result.findings]


class State(StrEnum):
    """``done``: seen by igc; ``declared``: the person says so; ``todo``: neither."""

    DONE = "done"
    DECLARED = "declared"
    TODO = "todo"


@dataclass(frozen=True)
class Seen:
    """What is seen of a step. ``on`` is the day of which the record tells."""

    step: Step
    state: State
    on: date | None
    findings: tuple[Finding, ...]

    @property
    def settled(self) -> bool:
        return self.state is not State.TODO


def look(step: Step, journey: Journey) -> Seen:
    """Look at a step; nothing is changed. Raises IgcError."""
    on = journey.record.day(step.id)
    if step.check is None:
        noted = State.DONE if step.command else State.DECLARED
        return Seen(step, noted if on else State.TODO, on, ())
    findings = tuple(step.check(journey))
    wrong = any(finding.status is Status.PROBLEM for finding in findings)
    return Seen(step, State.TODO if wrong else State.DONE, None if wrong else on, findings)

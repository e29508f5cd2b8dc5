"""``igc setup``: the way from form F414 to the first order, guided, and where one stands on it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..config import resolve
from ..errors import ExitCode, IgcError
from ..messages import Message, localized, tr
from ..text import printable
from . import completing
from .command import command
from .numbers import WholeRange
from .output import (
    Settings,
    common_options,
    emit,
    insist,
    is_interactive,
    say,
    say_table,
    talk,
    wrapped,
)

if TYPE_CHECKING:
    from ..setup import Journey, Seen, State, Step
    from ..setup.simulation import SimulatedMachine

PHASES: dict[int, Message] = {
    1: tr("Phase 1: form F414, and waiting"),
    2: tr("Phase 2: this machine"),
}
_PROFILE = "test"


@command("setup")
@click.argument("step", required=False, shell_complete=completing.setup_steps)
@click.option("--list", "list_only", is_flag=True, help="Show all steps, and change nothing.")
@click.option("--phase", type=WholeRange(1, 2), help="Only the form (1), or the machine (2).")
@click.option(
    "--simulation", is_flag=True, help="Walk the way with simulated parts; nothing is kept."
)
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write what is known of form F414, with blanks, to this new file.",
)
@common_options
def setup_command(
    settings: Settings,
    step: str | None,
    list_only: bool,
    phase: int | None,
    simulation: bool,
    out: Path | None,
) -> int:
    """Walk to the first real order: form F414, then reader, card, profile, platform.

    \b
    Examples:
      igc setup                  begin, or go on
      igc setup --simulation     see it once, with simulated parts
      igc setup --list           where you stand
      igc setup anchors          one step
      igc setup --out F414.txt   what to gather for the form

    Each step is checked by machine where it can be, and asked where not. Nothing is changed,
    contacted or sent to the card before you say yes to it. Stop with q or Ctrl-C whenever you
    like: what is done stays done. The days on which steps were done are kept in setup.json of the
    data folder; nothing else is.

    It sets up the profile of --profile, else of IGC_PROFILE, else test.

    Exit code 0 when the walk, or the list, ended. Without a terminal it shows the list and asks
    nothing: 2 when something is left to do, then.
    """
    if out is not None:
        _write_form(out)
        return 0
    from ..setup import chosen

    steps = chosen(step, phase)
    with _machine(simulation) as machine:
        journey = _journey(settings, machine)
        if settings.json or list_only or not is_interactive():
            seen = _list(journey, steps, as_json=settings.json)
            left = any(not one.settled for one in seen)
            asked_for = settings.json or list_only
            if left and not asked_for:
                talk(tr("There is no terminal to ask on: nothing was changed."))
            return int(ExitCode.USAGE if left and not asked_for else ExitCode.GOOD)
        from .setup_walk import Walk

        if machine:
            about = tr(
                "This is a simulation: send no form, answer as you would. The card's PIN is "
                "{pin}. Nothing is kept.",
                pin=machine.pin,
            )
            insist(wrapped(localized(about), ""))
        return Walk(
            journey, folder=machine.folder if machine else None, anew=step is not None
        ).walk(steps)


@contextmanager
def _machine(simulated: bool) -> Iterator[SimulatedMachine | None]:
    if not simulated:
        yield None
        return
    from ..setup.simulation import simulated_machine

    with simulated_machine() as machine:
        yield machine


def _journey(settings: Settings, machine: SimulatedMachine | None) -> Journey:
    from ..setup import Journey, Record

    name = machine.profile.name if machine else settings.profile or _asked_for()
    return Journey(
        name,
        Record(name),
        datetime.now(UTC),
        machine.profile if machine else None,
    )


def _asked_for() -> str:
    """What IGC_PROFILE says, else ``test``: the way leads to test certificates."""
    try:
        found = resolve()
    except IgcError:
        return _PROFILE
    return found.profile.name if found.profile_was_asked_for else _PROFILE


def _write_form(out: Path) -> None:
    from ..files import require_free, write_atomic
    from ..setup.form import checklist

    require_free(out)
    write_atomic(out, checklist().encode())
    say(tr("Written: {out}", out=out))


# -- where one stands ------------------------------------------------------------------------


def _list(journey: Journey, steps: Sequence[Step], *, as_json: bool) -> list[Seen]:
    from ..setup import look

    seen = [look(step, journey) for step in steps]
    if as_json:
        _emit(seen, journey)
    else:
        _say_list(seen, journey)
    return seen


def _emit(seen: list[Seen], journey: Journey) -> None:
    for one in seen:
        emit(
            {
                "step": one.step.id,
                "phase": one.step.phase,
                "title": one.step.title,
                "state": one.state,
                "on": one.on,
                "todo": "" if one.settled else one.step.todo,
                "needs": list(one.step.needs),
                "findings": [
                    {"status": f.status, "seen": f.seen, "remedy": f.remedy} for f in one.findings
                ],
            },
            schema="igc.setup.step/1",
        )
    left = [one.step.id for one in seen if not one.settled]
    emit(
        {
            "profile": journey.profile,
            "settled": len(seen) - len(left),
            "steps": len(seen),
            "next": left[0] if left else None,
        },
        schema="igc.setup/1",
    )


def _say_list(seen: list[Seen], journey: Journey) -> None:
    say(tr("Profile: {profile}", profile=printable(journey.profile)))
    for phase, heading in PHASES.items():
        of_phase = [one for one in seen if one.step.phase == phase]
        if not of_phase:
            continue
        say("")
        say(click.style(localized(heading), bold=True))
        say_table(
            (tr("Step"), tr("State"), tr("On"), tr("What it is")),
            [
                (
                    one.step.id,
                    state_word(one.state),
                    one.on.isoformat() if one.on else "",
                    one.step.title,
                )
                for one in of_phase
            ],
        )
    if len(seen) == 1 and seen[0].step.facts:
        say("")
        for fact in seen[0].step.facts:
            say(wrapped(localized(fact.line), ""))
    say("")
    left = [one for one in seen if not one.settled]
    if not left:
        say(tr("Nothing is left to do."))
    for phase in PHASES:
        first = next((one for one in left if one.step.phase == phase), None)
        for line in what_to_do(first) if first else ():
            say(line)
    if left:
        say(tr("Go on with: igc setup"))


def what_to_do(seen: Seen) -> list[str]:
    """What to do next, in lines, and the problems that a machine sees."""
    todo = localized(tr("Next: {todo}.", todo=seen.step.todo))
    lines = [wrapped(todo, "")]
    for finding in seen.findings:
        if finding.status == "problem":
            told = tr("{seen}: {remedy}.", seen=finding.seen, remedy=finding.remedy)
            lines.append(wrapped(printable(localized(told)), "  "))
    return lines


def state_word(state: State) -> Message:
    """The state of a step, for people."""
    match state.value:
        case "done":
            return tr("done")
        case "declared":
            return tr("said done")
    return tr("to do")

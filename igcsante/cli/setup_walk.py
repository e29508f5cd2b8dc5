"""The walk of ``igc setup``: each step is told, looked at, done with the person, looked at again.

All of it goes to stderr, as questions do. Answers that change something have no default: one
types a yes. A command that it runs is the ordinary one, with the ordinary rules for the PIN.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import click

from ..doctor import Finding
from ..doctor.masking import revealed
from ..errors import ExitCode, IgcError, UsageError
from ..files import require_free, write_atomic
from ..messages import Message, localized, plural, tr
from ..setup import Act, Journey, Record, Seen, Step, look
from ..setup.form import checklist
from ..setup.writing import ASKED, Lines, of_simulation
from ..text import printable
from .output import insist, print_error, talk, wrapped
from .setup import PHASES, state_word

_EARLIEST = date(2011, 1, 1)  # the first CPS3
_YES, _NO = ("y", "yes", "o", "oui"), ("n", "no", "non")
_AGAIN, _SKIP, _QUIT = "", "s", "q"


class Walk:
    """``folder`` is where a simulated order's files go; without it, the person says.

    ``anew``: what was noted of a step may be taken back.
    """

    def __init__(self, journey: Journey, *, folder: Path | None = None, anew: bool = False) -> None:
        self.journey = journey
        self.folder = folder
        self.anew = anew
        self._left: dict[str, Step] = {}
        self._phase = 0

    def walk(self, steps: Sequence[Step]) -> int:
        """Through the steps; the exit code. Raises KeyboardInterrupt, click.Abort, IgcError."""
        self._agree_on_record()
        try:
            for number, step in enumerate(steps, 1):
                if self._waits(step):
                    continue
                self._tell(step, number, len(steps))
                if not self._go(step):
                    break
        except (KeyboardInterrupt, click.Abort):
            insist("")
            insist(self._kept())
            raise
        self._end(steps)
        return int(ExitCode.GOOD)

    # -- one step --------------------------------------------------------------------------

    def _go(self, step: Step) -> bool:
        """Until the step is behind one, or left for later; False when one wants to stop."""
        if self.anew:
            self._take_back(step)
        told = False
        while not (seen := self._look(step)).settled:
            if not told:
                self._say_what_is_wrong(seen)
            if not self._do(step):
                self._left[step.id] = step
                return True
            if step.act is not Act.WAIT:
                if (seen := self._look(step)).settled:
                    break
                self._say_what_is_wrong(seen)
                told = True
            answer = self._again()
            if answer != _AGAIN:
                self._left[step.id] = step
                return answer != _QUIT
        self._note(seen)
        return True

    def _take_back(self, step: Step) -> None:
        day = self.journey.record.day(step.id)
        if day and step.check is None and not _yes(tr("Noted on {day}. Still so?", day=day)):
            self.journey.record.forget(step.id)

    def _look(self, step: Step) -> Seen:
        self.journey = replace(self.journey, at=datetime.now(UTC))
        return look(step, self.journey)

    def _note(self, seen: Seen) -> None:
        for finding in seen.findings:
            if finding.status in ("ok", "note", "warning"):
                _say_finding(finding)
        day = seen.on or self.journey.today()
        self.journey.record.note(seen.step.id, day)
        told = tr("Behind you: {state}, {day}.", state=state_word(seen.state), day=day)
        insist(wrapped(localized(told), "  "))

    def _say_what_is_wrong(self, seen: Seen) -> None:
        if seen.step.act is Act.WAIT:
            insist(wrapped(localized(tr("To do: {remedy}", remedy=seen.step.todo)), "  "))
        for finding in seen.findings:
            if finding.status not in ("ok", "skipped"):
                _say_finding(finding)

    def _waits(self, step: Step) -> bool:
        """Whether a step that this one needs was left; it is left too, and that is told."""
        needed = [name for name in step.needs if name in self._left]
        if not needed:
            return False
        self._left[step.id] = step
        insist("")
        text = tr("{title}: later, it needs {steps}", title=step.title, steps=", ".join(needed))
        insist(wrapped(localized(text), ""))
        return True

    def _tell(self, step: Step, number: int, count: int) -> None:
        if step.phase != self._phase:
            self._phase = step.phase
            insist("")
            insist(click.style(localized(PHASES[step.phase]), bold=True))
        insist("")
        heading = tr(
            "Step {number} of {count}, {id}: {title}",
            number=number,
            count=count,
            id=step.id,
            title=step.title,
        )
        insist(click.style(localized(heading), bold=True))
        for fact in step.facts:
            talk(wrapped(localized(fact.line), "  "))

    # -- what is done ----------------------------------------------------------------------

    def _do(self, step: Step) -> bool:
        """Do it with the person; whether it makes sense to look again."""
        match step.act:
            case Act.ASK:
                return self._ask(step)
            case Act.RUN if step.effect:
                return self._run_asked(step, step.command, step.effect)
            case Act.PROFILE:
                return self._write_profile()
            case Act.ORDER:
                return self._order(step)
        return True

    def _ask(self, step: Step) -> bool:
        if step.id == "form":
            self._offer_checklist()
        if not _yes(step.question or step.title):
            return False
        self.journey.record.note(step.id, self._day())
        return True

    def _offer_checklist(self) -> None:
        question = tr("Save a list of what to gather? Name of a new file (Enter: no)")
        while name := _typed(question):
            path = Path(name)
            try:
                require_free(path)
                write_atomic(path, checklist().encode())
            except IgcError as error:
                print_error(error, as_json=False)
                continue
            insist(tr("Written: {out}", out=path))
            return

    def _day(self) -> date:
        today = self.journey.today()
        while True:
            text = _typed(tr("On which day?"), today.isoformat())
            try:
                day = date.fromisoformat(text)
            except ValueError:
                insist(tr("Write the day so: {today}", today=today))
                continue
            if _EARLIEST <= day <= today:
                return day
            insist(tr("That day has not come yet, or is long past."))

    def _run_asked(self, step: Step, words: Sequence[str], effect: Message) -> bool:
        """Run a command after a yes; False without one. What it is noted for, it did."""
        insist(wrapped(localized(effect), "  "))
        insist(f"  {self._line(words)}")
        if not _yes(tr("Run it?")):
            return False
        if self._run(words) == ExitCode.GOOD and step.check is None:
            self.journey.record.note(step.id, self.journey.today())
        return True

    def _run(self, words: Sequence[str]) -> int:
        """The exit code of an ordinary command. Raises KeyboardInterrupt when it was stopped."""
        from .main import run

        code = run(["--profile", self.journey.profile, *words])
        if code == ExitCode.INTERRUPTED:
            raise KeyboardInterrupt
        return code

    def _line(self, words: Sequence[str]) -> str:
        import shlex

        return shlex.join(["igc", "--profile", self.journey.profile, *words])

    def _write_profile(self) -> bool:
        lines = self._lines()
        if lines is None:
            return False
        insist(tr("This is written to {path}:", path=lines.path))
        for line in lines.text().splitlines():
            insist(f"    {line}")
        if not _yes(tr("Write it?")):
            return False
        lines.write()
        insist(tr("Written: {out}", out=lines.path))
        return True

    def _lines(self) -> Lines | None:
        """What the profile shall say; None when the person gives nothing."""
        name = self.journey.profile
        if self.journey.simulation:
            return Lines.of(name, of_simulation(self.journey.simulation))
        now = self.journey.looked_at().profile
        questions = {
            "platform": tr("Address of the web service (https://…; Enter: later)"),
            "wsdl": tr("File of its WSDL (Enter: later)"),
            "mapping": tr("Mapping file (Enter: later)"),
        }
        values: dict[str, tuple[str, ...]] = {}
        for key in ASKED:
            while answer := _typed(questions[key], str(getattr(now, key) or "")):
                try:
                    Lines.of(name, {key: (answer,)})
                except UsageError as error:
                    print_error(error, as_json=False)
                    continue
                if answer != str(getattr(now, key) or ""):
                    values[key] = (answer,)
                break
        return Lines.of(name, values) if values else None

    def _order(self, step: Step) -> bool:
        """A dry run with what the person gave, then the order itself."""
        structure = _typed(tr("Structure (1 + FINESS, 3 + SIRET…; Enter: later)"))
        if not structure:
            return False
        service = _typed(tr("Name of the service, which the certificate bears"), "igcsante-test")
        email = _typed(tr("Address that is notified (one that outlives people)"))
        out = _typed(tr("Folder of the files"), str(self.folder or Path()) + "/certs")
        wanted = (f"structure={structure}", f"service_name={service}", f"emails={email}")
        insist(tr("First the dry run: the request as it would be, sent nowhere."))
        if self._run(("ws", "dry-run", "order_product", *wanted)) != ExitCode.GOOD:
            return True
        return self._run_asked(
            step,
            (
                *("order", "--usage", "AUTH_CLI", "--structure", structure),
                *("--service", service, "--email", email, "--out", out),
            ),
            tr(
                "It orders a certificate, and retrieves it: key and certificate are written to "
                "{out}. It asks for a revocation code, which you choose and keep, and for the "
                "PIN, which is sent to the card once.",
                out=out,
            ),
        )

    # -- around it -------------------------------------------------------------------------

    def _agree_on_record(self) -> None:
        record = self.journey.record
        if record.path.exists():
            return
        text = tr(
            "The steps that are done, and the days, can be kept in {path}: then igc setup goes "
            "on where you stopped.",
            path=record.path,
        )
        insist(wrapped(localized(text), ""))
        if not _yes(tr("Keep them?")):
            kept_nowhere = Record(record.profile, record.path, keeps=False)
            self.journey = replace(self.journey, record=kept_nowhere)

    def _again(self) -> str:
        question = tr("Enter: look again; s: skip it for now; q: stop here")
        while (answer := _typed(question).lower()) not in (_AGAIN, _SKIP, _QUIT):
            pass
        return answer

    def _kept(self) -> Message:
        if self.journey.simulation or not self.journey.record.keeps:
            return tr("Stopped. No step was kept.")
        return tr("What is done stays done. Go on with: igc setup")

    def _end(self, steps: Sequence[Step]) -> None:
        seen = [look(step, self.journey) for step in steps]
        left = [one for one in seen if not one.settled]
        insist("")
        if self.journey.simulation:
            insist(tr("That was a simulation: nothing is kept."))
        insist(
            plural(
                "{done} of {count} step is behind you.",
                "{done} of {count} steps are behind you.",
                len(seen),
                done=len(seen) - len(left),
            )
        )
        for one in left:
            line = tr("{id}: {todo}", id=one.step.id, todo=one.step.todo)
            insist(wrapped(localized(line), "  "))
        if left and self.journey.record.keeps and not self.journey.simulation:
            insist(tr("Go on with: igc setup"))


def _say_finding(finding: Finding) -> None:
    """As it is: it is the person's own screen."""
    talk(wrapped(printable(localized(revealed(finding.seen))), "  "))
    if finding.remedy:
        told = tr("To do: {remedy}", remedy=revealed(finding.remedy))
        talk(wrapped(printable(localized(told)), "    "))


def _yes(question: Message) -> bool:
    """A yes or a no that is typed, in either language: Enter alone is neither."""
    while True:
        answer = _typed(tr("{question} [y/n]", question=question)).lower()
        if answer in _YES or answer in _NO:
            return answer in _YES


def _typed(question: Message, default: str = "") -> str:
    answer = click.prompt(
        localized(question), default=default, show_default=bool(default), err=True
    )
    return str(answer).strip()

"""The walk of ``igc setup``: each step is told, looked at, done with the person, looked at again.

All of it goes to stderr, as questions do. Answers that change something have no default: one
types a yes. A command that it runs is the ordinary one, with the ordinary rules for the PIN.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import click

from ..doctor import Finding
from ..doctor.masking import revealed
from ..errors import ExitCode, IgcError
from ..files import require_free, write_atomic
from ..messages import Message, joined, localized, plural, tr
from ..setup import Act, Journey, Record, Seen, Step, look
from ..setup.form import checklist
from ..setup.steps import needed
from ..setup.writing import ASKED, Lines, check_value, of_simulation
from ..text import printable
from .output import insist, print_error, talk, wrapped
from .setup import PHASES, state_word
from .setup_ask import Stopped, checked, day_until, folder, new_file, typed, yes

_AGAIN, _SKIP = "", "s"


class Walk:
    """``folder`` is where a simulated order's files go; without it, the person says.

    ``anew``: what was noted of a step may be taken back.
    """

    def __init__(self, journey: Journey, *, folder: Path | None = None, anew: bool = False) -> None:
        self.journey = journey
        self.folder = folder
        self.anew = anew
        self._left: dict[str, Step] = {}
        self._passed: set[str] = set()
        self._phase = 0
        self._answers: dict[str, str] = {}  # of an order whose rehearsal failed

    def walk(self, steps: Sequence[Step]) -> int:
        """Through the steps; the exit code. Raises KeyboardInterrupt, click.Abort, IgcError."""
        insist(tr("q, typed at any question, stops here; so does Ctrl-C."))
        try:
            with suppress(Stopped):
                self._agree_on_record()
                for number, step in enumerate(steps, 1):
                    if self.anew or not self._waits(step):
                        self._tell(step, number, len(steps))
                        self._go(step)
                    self._passed.add(step.id)
        except (KeyboardInterrupt, click.Abort):
            insist("")
            insist(self._kept())
            raise
        self._end(steps)
        return int(ExitCode.GOOD)

    # -- one step --------------------------------------------------------------------------

    def _go(self, step: Step) -> None:
        """Until the step is behind one, or left for later."""
        if self.anew:
            self._take_back(step)
            if not self._look(step).settled and self._waits(step):
                return
        told = False
        while not (seen := self._look(step)).settled:
            if not told:
                self._say_what_is_wrong(seen)
            if not self._do(step):
                self._left[step.id] = step
                return
            if step.act is not Act.WAIT:
                if (seen := self._look(step)).settled:
                    break
                self._say_what_is_wrong(seen)
                told = True
            if self._again() != _AGAIN:
                self._left[step.id] = step
                return
        self._note(seen)

    def _take_back(self, step: Step) -> None:
        day = self.journey.record.day(step.id)
        if day and step.check is None and not yes(tr("Noted on {day}. Still so?", day=day)):
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
        here = self.journey.line("setup", seen.step.id)
        for finding in seen.findings:
            if finding.status not in ("ok", "skipped"):
                _say_finding(finding, remedied=here in revealed(finding.remedy))

    def _waits(self, step: Step) -> bool:
        """Whether a step that this one needs isn't behind one; it is left too, that is told.

        What this walk didn't pass is looked at.
        """
        left = [name for name in step.needs if name in self._left]
        unseen = [one for one in needed(step) if one.id not in self._passed]
        missing = [one for one in unseen if not self._look(one).settled]
        if not left and not missing:
            return False
        self._left[step.id] = step
        insist("")
        first = [self._left[name] for name in left] or missing
        named = [tr("{title} ({id})", title=one.title, id=one.id) for one in first]
        text = tr("{title}: later. First: {steps}", title=step.title, steps=joined("; ", named))
        insist(wrapped(localized(text), ""))
        for one in missing:
            line = tr("{id}: {todo}", id=one.id, todo=one.todo)
            insist(wrapped(localized(line), "  "))
        if missing:
            begin = self.journey.line("setup", missing[0].id)
            insist(tr("Begin with: {command}", command=begin))
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
        if not yes(step.question or step.title):
            return False
        record = self.journey.record
        since = [day for name in step.needs if (day := record.day(name))]
        record.note(step.id, day_until(self.journey.today(), max(since, default=None)))
        return True

    def _offer_checklist(self) -> None:
        question = tr("New file for the list of what to gather (Enter: none)")
        while name := new_file(question, "F414.txt"):
            path = Path(name)
            try:
                require_free(path)
                if self.journey.simulation:
                    insist(tr("Not written, as this is a simulation: {out}", out=path))
                    return
                write_atomic(path, checklist().encode())
            except IgcError as error:
                print_error(error, as_json=False)
                continue
            insist(tr("Written: {out}", out=path))
            return

    def _run_asked(self, step: Step, words: Sequence[str], effect: Message) -> bool:
        """Run a command after a yes; False without one. What it is noted for, it did."""
        insist(wrapped(localized(effect), "  "))
        insist(f"  {self.journey.line(*words)}")
        if not yes(tr("Run it?")):
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

    def _write_profile(self) -> bool:
        lines = self._lines()
        if lines is None:
            return False
        insist(tr("These lines would go to {path}:", path=lines.path))
        for line in lines.text().splitlines():
            insist(f"    {line}")
        if not yes(tr("Write it?")):
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
            before = str(getattr(now, key) or "")
            answer = checked(questions[key], partial(check_value, key), before)
            if answer != before:
                values[key] = (answer,)
        return Lines.of(name, values) if values else None

    def _order(self, step: Step) -> bool:
        """A dry run with what the person gave, then the order itself."""
        from ..identifiers import StructureId
        from ..ws.rules import MAX_COMMON_NAME, check_emails, check_text

        structure = self._answer(
            "structure",
            tr("Structure (1 + FINESS, 3 + SIRET…)")
            if "structure" in self._answers
            else tr("Structure (1 + FINESS, 3 + SIRET…; Enter: later)"),
            lambda text: text and StructureId.parse(text),
        )
        if not structure:
            return False
        service = self._answer(
            "service",
            tr("Name of the service, which the certificate bears"),
            lambda text: check_text("service_name", text, MAX_COMMON_NAME),
            "igcsante-test",
        )
        email = self._answer(
            "email",
            tr("E-mail address that is notified (one that outlives people)"),
            lambda text: check_emails((text,), at_least=1),
        )
        out = folder(tr("Folder of the files"), str(self.folder or Path()) + "/certs")
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

    def _answer(
        self, name: str, question: Message, check: Callable[[str], object], default: str = ""
    ) -> str:
        """As :func:`checked`; what was answered before is the default."""
        self._answers[name] = checked(question, check, self._answers.get(name, default))
        return self._answers[name]

    # -- around it -------------------------------------------------------------------------

    def _agree_on_record(self) -> None:
        record = self.journey.record
        if record.path.exists() or self.journey.simulation:
            return
        text = tr(
            "The steps that are done, and the days, can be kept in {path}: then igc setup goes "
            "on where you stopped.",
            path=record.path,
        )
        insist(wrapped(localized(text), ""))
        if not yes(tr("Keep them?")):
            kept_nowhere = Record(record.profile, record.path, keeps=False)
            self.journey = replace(self.journey, record=kept_nowhere)

    def _again(self) -> str:
        question = tr("Enter: look again; s: skip it for now; q: stop here")
        while (answer := typed(question).lower()) not in (_AGAIN, _SKIP):
            insist(tr("Press Enter, or type s or q."))
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


def _say_finding(finding: Finding, *, remedied: bool = False) -> None:
    """As it is: it is the person's own screen. ``remedied``: what to do is being done here."""
    talk(wrapped(printable(localized(revealed(finding.seen))), "  "))
    if finding.remedy and not remedied:
        told = tr("To do: {remedy}", remedy=revealed(finding.remedy))
        talk(wrapped(printable(localized(told)), "    "))

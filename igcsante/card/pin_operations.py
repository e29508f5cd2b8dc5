"""The PIN and PUK of one open card: tries left, verify, change, unblock (card.md §5, §12).

A secret is sent at most once in the life of a card object, right or wrong, whatever the
operation. Secrets come as :class:`igcsante.secret.Secret`; None stands for one that is
typed on the reader's own keypad and never gets here.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cached_property

from ..errors import CardError, CardRemovedError, CardResetError, PinRefusedError, UsageError
from ..messages import tr
from ..secret import Secret
from . import pin as policy
from .directory import CardDirectory
from .generation import PIN_TRIES, PUK_TRIES, Generation, PinField, PinStatus, PinStep
from .pinpad import PinPad
from .pkcs15 import PinEntry
from .transport import Transport

Given = dict[PinField, Secret | None]
_UNBLOCKING = ("unblocking_pin", "so_pin")


class PinOperations:
    """What can be done with the PIN and PUK of a card. Call it inside a transaction.

    Beside what each method names, all raise CardError and the errors of the transport.
    """

    def __init__(
        self, generation: Generation, directory: CardDirectory, transport: Transport
    ) -> None:
        self._generation = generation
        self._directory = directory
        self._transport = transport
        self._known: dict[PinField, PinStatus] = {}
        self._undisturbed = False
        self._sent = False

    @cached_property
    def _pad(self) -> PinPad | None:
        """The reader's keypad: the reader is asked when someone wants to know."""
        return PinPad.of(self._transport)

    @contextmanager
    def undisturbed(self) -> Iterator[None]:
        """The time of one transaction: no other program spends a try, so one reading serves."""
        before, self._undisturbed = self._undisturbed, True
        if not before:
            self._known = {}
        try:
            yield
        finally:
            self._undisturbed = before

    # -- what can be asked without using a try -------------------------------------------

    def entry(self, field: PinField) -> PinEntry:
        """The AODF's record of the PIN or PUK. Raises CardError when it has none."""
        if field is not PinField.PUK:
            return self._directory.user_pin()
        found = self.puk_entry()
        if found is None:
            raise CardError(
                tr("the card lists no PUK"),
                advice=tr(
                    "its PIN can't be unblocked with igcsante: use your card's official tool"
                ),
            )
        return found

    def puk_entry(self) -> PinEntry | None:
        """The AODF's record of the PUK, by its flags (card.md §15); None without one."""
        for flag in _UNBLOCKING:
            for pin in self._directory.pins:
                if flag in pin.flags:
                    return pin
        return None

    def status(self, field: PinField = PinField.PIN) -> PinStatus:
        """Read how many tries are left. Never uses one."""
        reference = self.entry(field).reference
        tries = PUK_TRIES if field is PinField.PUK else PIN_TRIES
        self._known[field] = self._generation.pin_status(reference, tries)
        return self._known[field]

    def check_policy(self, field: PinField, *, use_last_try: bool) -> None:
        """Raise what sending ``field`` would raise of its counter, read unless it was already."""
        known = self._known.get(field) or self.status(field)
        policy.check_counter(known, use_last_try=use_last_try, field=field)

    def keypad_for(self, operation: str) -> bool:
        """Whether all secrets of ``verify``, ``change`` or ``unblock`` can be typed on it."""
        if self._pad is None:
            return False
        steps = self._steps(operation)
        return all(
            self._pad.can_enter(step, self.entry(step.fields[0])) for step in steps if step.fields
        )

    # -- what sends a secret -------------------------------------------------------------

    def verify(self, pin: Secret | None, *, use_last_try: bool) -> None:
        """Present the PIN. Raises as :meth:`igcsante.card.session.CpsCard.verify_pin` says."""
        self._run("verify", {PinField.PIN: pin}, use_last_try=use_last_try)

    def change(self, pin: Secret | None, new: Secret | None, *, use_last_try: bool) -> None:
        """Give the PIN a new value."""
        given = {PinField.PIN: pin, PinField.NEW_PIN: new}
        self._run("change", given, use_last_try=use_last_try)

    def unblock(self, puk: Secret | None, new: Secret | None, *, use_last_try: bool) -> None:
        """Give the PIN a new value and all its tries, by means of the PUK."""
        given = {PinField.PUK: puk, PinField.NEW_PIN: new}
        self._run("unblock", given, use_last_try=use_last_try)

    def _steps(self, operation: str) -> tuple[PinStep, ...]:
        reference = self.entry(PinField.PIN).reference
        if operation == "unblock":
            return self._generation.unblock_steps(reference, self.entry(PinField.PUK).reference)
        if operation == "change":
            return self._generation.change_steps(reference)
        return self._generation.verify_steps(reference)

    def _run(self, operation: str, given: Given, *, use_last_try: bool) -> None:
        """All checks first, the counter last of them; then each step once."""
        if self._sent:
            raise PinRefusedError(
                tr("a PIN was already sent to this card: it is not sent again"),
                advice=tr("run the command again to give the PIN once more"),
            )
        steps = self._steps(operation)
        values = {
            field: policy.encoded_pin(secret, self.entry(field), field)
            for field, secret in given.items()
            if secret is not None
        }
        for step in steps:
            self._check_keypad(step, given)
        field = next(iter(given))  # the one that has a counter comes first
        known = self._known.get(field) if self._undisturbed else None
        before = known or self.status(field)
        policy.check_counter(before, use_last_try=use_last_try, field=field)
        self._sent, self._known = True, {}
        for step in steps:
            sw = self._perform(step, values)
            if field in step.fields:
                policy.check_verified(sw, before, field)
            else:
                policy.check_new_pin(sw, unblocking=field is PinField.PUK)

    def _perform(self, step: PinStep, values: dict[PinField, bytes]) -> int:
        """The card's status word for a step, typed on the keypad or made from ``values``."""
        try:
            if any(field not in values for field in step.fields) and self._pad:
                return self._pad.enter(step, self.entry(step.fields[0]))
            data = b"".join(values[field] for field in step.fields)
            return self._generation.send_once(replace(step.command, data=data))
        except (CardRemovedError, CardResetError) as error:
            if PinField.NEW_PIN in step.fields:
                error.advice = tr("it is not known which PIN counts now, the old or the new one")
            raise

    def _check_keypad(self, step: PinStep, given: Given) -> None:
        typed = [field for field in step.fields if given[field] is None]
        if not typed:
            return
        if self._pad is None or not self._pad.can_enter(step, self.entry(typed[0])):
            raise UsageError(
                tr("this reader has no keypad to type the {value} on", value=typed[0].value),
                advice=tr("give the PIN by a source or on the terminal"),
            )
        if len(typed) < len(step.fields):
            raise UsageError(
                tr("this card wants both PINs by the same way: both typed on the reader")
            )
        policy.check_coding(self.entry(typed[0]))

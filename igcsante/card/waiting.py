"""Waiting for another program that uses the card: told after a second, bounded, interruptible.

PC/SC blocks inside its library while another program holds a transaction (SCardConnect,
SCardBeginTransaction, SCardStatus: PC/SC part 5 §3.2), where Ctrl-C can't reach. Such a call
runs in a thread of its own; when nobody wants its result any more, the thread undoes it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

from ..errors import CardBusyError
from ..messages import tr

TOLD_SECONDS, MOST_SECONDS = 1.0, 30.0

_T = TypeVar("_T")
Waiting = Callable[[str], None]
Undo = Callable[[], object]


def patiently(
    call: Callable[[], _T],
    reader_name: str,
    *,
    given_up: Callable[[], Undo],
    waiting: Waiting | None = None,
) -> _T:
    """What ``call`` gives or raises, waiting 30 seconds at most.

    ``waiting`` receives the reader's name once a second has passed. ``given_up`` is called
    when the wait ends without a result; what it gives is called as soon as ``call`` has
    ended all the same. Raises CardBusyError.
    """
    pending = _Pending(call)
    threading.Thread(target=pending.run, name="igcsante-card", daemon=True).start()
    try:
        if not pending.ended.wait(TOLD_SECONDS):
            if waiting:
                waiting(reader_name)
            if not pending.ended.wait(MOST_SECONDS - TOLD_SECONDS):
                raise CardBusyError(
                    tr(
                        "{reader_name}: another program has been using the card for "
                        "{most_seconds:g} seconds",
                        reader_name=reader_name,
                        most_seconds=MOST_SECONDS,
                    ),
                    advice=tr("close the other program, or wait for it to finish"),
                    reader=reader_name,
                )
    except BaseException:  # Ctrl-C above all
        pending.give_up(given_up())
        raise
    return pending.result()


class _Pending(Generic[_T]):
    def __init__(self, call: Callable[[], _T]) -> None:
        self.ended = threading.Event()
        self._call = call
        self._undo: Undo | None = None
        self._lock = threading.Lock()
        self._value: _T
        self._error: BaseException | None = None

    def run(self) -> None:
        try:
            self._value = self._call()
        except BaseException as error:  # raised again where the result is wanted
            self._error = error
        with self._lock:
            self.ended.set()
            undo = self._undo
        if undo:
            undo()

    def give_up(self, undo: Undo) -> None:
        with self._lock:
            self._undo = undo
            ended = self.ended.is_set()
        if ended:
            undo()

    def result(self) -> _T:
        if self._error is not None:
            raise self._error
        return self._value

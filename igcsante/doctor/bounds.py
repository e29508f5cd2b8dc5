"""Calls that get so many seconds: a card, a disk or a host that hangs must not hang us.

A call runs in a thread of its own, which is left alone when its time is over: nothing that a
check does spoils anything by ending late.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

from ..errors import TimeoutExceededError
from ..messages import tr

T = TypeVar("T")


class Call(Generic[T]):
    """``call`` under way."""

    def __init__(self, call: Callable[[], T]) -> None:
        self._call = call
        self._ended = threading.Event()
        self._error: BaseException | None = None
        self._value: T
        threading.Thread(target=self._run, name="igcsante-doctor", daemon=True).start()

    def _run(self) -> None:
        try:
            self._value = self._call()
        except BaseException as error:  # raised again where the result is wanted
            self._error = error
        self._ended.set()

    def result(self, until: float) -> T:
        """What it gives or raises. ``until`` is a time of ``time.monotonic()``.

        Raises TimeoutExceededError when it has not ended by then.
        """
        if not self._ended.wait(max(0.0, until - time.monotonic())):
            raise TimeoutExceededError(tr("it did not end in time"))
        if self._error is not None:
            raise self._error
        return self._value


class Once(Generic[T]):
    """What ``call`` gives, called once for all who ask; its failure too is kept."""

    def __init__(self, call: Callable[[], T], seconds: float) -> None:
        self._make = call
        self._seconds = seconds
        self._call: Call[T] | None = None
        self._until = 0.0

    def __call__(self) -> T:
        """Raises what the call raises, and TimeoutExceededError."""
        if self._call is None:
            self._until = time.monotonic() + self._seconds
            self._call = Call(self._make)
        return self._call.result(self._until)

"""A check is data: its id, what it is about, and the function that looks.

The id is stable, ``group.name``. The function takes a :class:`Context` and yields findings,
at least one; what it raises becomes a finding too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING

from ..config import Profile, Resolved
from ..errors import IgcError
from .bounds import Once
from .finding import Finding

if TYPE_CHECKING:
    from ..card.readers import Reader
    from .look import Look

LOOK_SECONDS = 8.0


class UnusableConfigurationError(IgcError):
    """What a check needs of the configuration can't be had: ``configuration`` tells why."""


class Context:
    """What is examined, and what several checks need: it is looked at once for all of them.

    ``resolve`` gives the configuration that commands work with (it may raise IgcError); ``at``
    is the time of this machine's clock; ``online`` whether hosts beyond loopback may be
    contacted.
    """

    def __init__(
        self, resolve: Callable[[], Resolved], *, at: datetime, online: bool = False
    ) -> None:
        self.resolve = resolve
        self.at = at
        self.online = online
        self._readers = Once(_system_readers, LOOK_SECONDS)
        self._looks = Once(self._look, LOOK_SECONDS)

    @cached_property
    def profile(self) -> Profile:
        """The profile that commands work with. Raises UnusableConfigurationError."""
        try:
            return self.resolve().profile
        except IgcError as error:
            raise UnusableConfigurationError(error.message) from None

    def readers(self) -> list[Reader]:
        """The readers of this machine. Raises PcscUnavailableError, TimeoutExceededError."""
        return self._readers()

    def looks(self) -> list[Look]:
        """What is in each reader that is meant. Raises as :meth:`readers`."""
        return self._looks()

    def _look(self) -> list[Look]:
        from .look import look

        return [look(reader) for reader in self.readers() if self._is_meant(str(reader))]

    def _is_meant(self, name: str) -> bool:
        """A name that is a card's serial number leaves all readers: the card isn't known yet.
        So does a configuration that can't be used."""
        try:
            wanted = self.profile.reader
        except UnusableConfigurationError:
            return True
        return wanted is None or wanted.isdecimal() or wanted.lower() in name.lower()


def _system_readers() -> list[Reader]:
    from ..card import readers

    return readers.system_readers()


@dataclass(frozen=True)
class Check:
    """``id`` is ``group.name``; ``title`` what it is about, in a few words.

    ``seconds`` is how long it may take.
    """

    id: str
    title: str
    look: Callable[[Context], Iterable[Finding]]
    seconds: float = 5.0

    @property
    def group(self) -> str:
        return self.id.partition(".")[0]

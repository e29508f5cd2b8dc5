"""The data objects of a card: listed, read, and what is known of them decoded.

Free ones are read at any time, private ones once the PIN was verified (card.md §3).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass

from ..errors import CardError, CardStatusError, PinRequiredError, UsageError
from ..messages import tr
from .apdu import SW_FILE_NOT_FOUND, SW_PIN_REQUIRED
from .business import Activity, UpdateJournal, parse_activity, parse_update_journal, specialty_of
from .directory import CardDirectory
from .generation import Generation
from .pkcs15 import DataEntry

_EF_ACTUA = bytes.fromhex("3F00D010")
_ACTIVITY_LABEL = re.compile(r"CPS_ACTIVITY_(\d\d)_PS")
_INFORMATION = "CPS_INFO_PS"


@dataclass(frozen=True)
class DataObject:
    """A data object of the card. ``private``: the PIN guards it. ``size`` in bytes.

    ``size`` is None when the card doesn't tell.
    """

    label: str
    application: str
    private: bool
    modifiable: bool
    size: int | None


class CardObjects:
    """The data objects of an open card; each method is one transaction.

    All methods raise what :class:`igcsante.card.session.CpsCard`'s do.
    """

    def __init__(
        self,
        generation: Generation,
        directory: CardDirectory,
        transaction: Callable[[], AbstractContextManager[None]],
    ) -> None:
        self._generation = generation
        self._directory = directory
        self._transaction = transaction
        self._contents: dict[DataEntry, bytes] = {}

    def labels(self) -> tuple[str, ...]:
        """The labels of all data objects, in the card's order."""
        with self._transaction():
            return tuple(entry.label for entry in self._directory.data_objects)

    def list(self) -> tuple[DataObject, ...]:
        """All data objects. Each is selected, none is read."""
        with self._transaction():
            return tuple(
                DataObject(
                    entry.label, entry.application, entry.private, entry.modifiable,
                    self._size(entry),
                )
                for entry in self._directory.data_objects
            )  # fmt: skip

    def read(self, label: str) -> bytes:
        """The value of an object, as it is on the card.

        Raises UsageError when there is none of that label, PinRequiredError.
        """
        with self._transaction():
            for entry in self._directory.data_objects:
                if entry.label == label:
                    return self._content(entry)
        raise UsageError(
            tr("the card has no data object {label!r}", label=label),
            advice=tr("there are: {labels}", labels=", ".join(self.labels()) or tr("none")),
        )

    def cps2ter_files(self) -> tuple[tuple[str, bytes], ...]:
        """Name and contents of the files in the CPS2ter part of a CPS3, as they are.

        Empty for other cards: a CPS4 has them among its data objects. Raises
        PinRequiredError.
        """
        with self._transaction():
            return tuple(self._generation.cps2ter_files())

    def activities(self) -> tuple[Activity, ...]:
        """The holder's situations; their numbers may have gaps. Raises PinRequiredError.

        One that is listed and can't be read has a ``problem``: the others are told all the same.
        """
        with self._transaction():
            found = [
                activity
                for entry in self._directory.data_objects
                if (match := _ACTIVITY_LABEL.fullmatch(entry.label))
                and (activity := self._activity(int(match[1]), entry))
            ]
        return tuple(sorted(found, key=lambda activity: activity.number))

    def specialty(self) -> str | None:
        """The holder's speciality in CPS_INFO_PS (TRE_R38), None without one."""
        with self._transaction():
            for entry in self._directory.data_objects:
                if entry.label == _INFORMATION and not entry.private:
                    return specialty_of(self._content(entry))
        return None

    def update_journal(self) -> UpdateJournal | None:
        """When the card was last updated; None when it never was, or keeps no journal."""
        if not self._generation.keeps_journal:
            return None
        with self._transaction():
            try:
                content = self._directory.journal or self._generation.read_file(_EF_ACTUA)
            except CardStatusError as error:
                if error.status_word != SW_FILE_NOT_FOUND:
                    raise
                return None
        return parse_update_journal(content)

    def _activity(self, number: int, entry: DataEntry) -> Activity | None:
        try:
            content = self._content(entry)
        except CardStatusError as error:
            return Activity.unreadable(number, error.message)
        if not content.strip(b"\x00\xff"):
            return None
        try:
            return parse_activity(number, content)
        except CardError as error:
            return Activity.unreadable(number, error.message)

    def _size(self, entry: DataEntry) -> int | None:
        if entry.path.length is not None:
            return entry.path.length
        try:
            return self._generation.select_file(self._path(entry)).size
        except CardStatusError:
            return None

    def _content(self, entry: DataEntry) -> bytes:
        if entry not in self._contents:
            with _pin_required_named(entry.label):
                content = self._generation.read_file(self._path(entry))
            start, length = entry.path.offset, entry.path.length
            self._contents[entry] = content[start:] if length is None else content[start:][:length]
        return self._contents[entry]

    def _path(self, entry: DataEntry) -> bytes:
        return entry.path.absolute(self._directory.application)


@contextmanager
def _pin_required_named(label: str) -> Iterator[None]:
    try:
        yield
    except CardStatusError as error:
        if error.status_word != SW_PIN_REQUIRED:
            raise
        raise PinRequiredError(
            tr("the card wants its PIN before it gives {label}", label=label),
            advice=tr("verify the PIN; a reset, or another program, also makes the card forget it"),
        ) from error

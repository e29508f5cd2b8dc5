"""What was read from the inputs, kept in order until it is checked: in a file, past a size."""

from __future__ import annotations

import json
import pickle
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

from ..errors import StorageError
from ..messages import reason_of, tr

_IN_MEMORY = 64 * 1024 * 1024


class Entry(NamedTuple):
    """A certificate (DER), a serial number, or the error of an input, and where it came from.

    ``name`` is that of the server that the certificate must be for, empty when there is none.
    """

    source: str
    certificate: bytes = b""
    serial: int | None = None
    error: dict[str, Any] | None = None
    name: str = ""


@dataclass(frozen=True)
class Spool:
    """Entries, written once and then read as often as needed. The file has no name.

    Errors are pickled in it: their messages are still to be said in the person's language.
    """

    _stream: Any

    @classmethod
    def empty(cls) -> Spool:
        return cls(tempfile.SpooledTemporaryFile(_IN_MEMORY))

    def add(self, entry: Entry) -> None:
        """Raises StorageError."""
        head = {
            "source": entry.source,
            "size": len(entry.certificate),
            "serial": entry.serial,
            "error": pickle.dumps(entry.error).hex() if entry.error else "",
            "name": entry.name,
        }
        try:
            self._stream.write(json.dumps(head, default=str).encode() + b"\n" + entry.certificate)
        except OSError as error:  # past a size, it goes to a file
            raise StorageError(
                tr(
                    "what was read to be checked can't be kept: {why}; nothing was checked",
                    why=reason_of(error),
                ),
                advice=tr("have room in the folder for temporary files, or name another in TMPDIR"),
            ) from None

    def __iter__(self) -> Iterator[Entry]:
        self._stream.seek(0)
        while line := self._stream.readline():
            head = json.loads(line)
            octets = self._stream.read(head["size"])
            error = bytes.fromhex(head["error"])
            told = pickle.loads(error) if error else None  # noqa: S301 - written above
            yield Entry(head["source"], octets, head["serial"], told, head["name"])

    def close(self) -> None:
        self._stream.close()

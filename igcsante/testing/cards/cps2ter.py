"""The CPS2ter volet of a CPS3: its older card's files, behind class A0 (card.md §2.3).

One SELECT for each file on the path, 9Fxx for what can be fetched, and status words of its
own. Only what the official middleware does with it is served: SELECT, GET RESPONSE, READ
BINARY. **Ours**: 9804 to a read without the PIN, and all contents (objects.py).
"""

from __future__ import annotations

from collections.abc import Mapping

from ...card.apdu import GET_RESPONSE, READ_BINARY, SELECT, SW_OK
from .command import Command
from .der import tlv
from .files import MF
from .objects import billing_situation, cps2ter_activity
from .profile import CardProfile
from .status import StatusError

CLASS = 0xA0
BILLING = bytes.fromhex("3F007F014000")
_FIRST_ACTIVITY = 0x4010
_MF, _DF, _EF = 0x01, 0x02, 0x04  # the type in what SELECT tells

_BAD_ADDRESS, _NOT_FOUND, _WRONG_FILE, _PIN_NEEDED = 0x9402, 0x9404, 0x9408, 0x9804


def volet_files(profile: CardProfile) -> dict[bytes, bytes]:
    """Path and content: 3F00/4010…401F the situations, 3F00/7F01/4000 the billing one."""
    files = {
        MF + (_FIRST_ACTIVITY + number - 1).to_bytes(2): cps2ter_activity(situation)
        for number, situation in profile.situations.items()
    }
    return files | {BILLING: billing_situation(profile)}


class Cps2terVolet:
    """Files by their whole path; directories are what stands before them."""

    def __init__(self, files: Mapping[bytes, bytes]) -> None:
        self._files = dict(files)
        self._directories = {path[:-2] for path in files} | {MF}
        self.reset()

    def reset(self) -> None:
        """Back to the master file."""
        self._current = MF
        self._waiting = b""

    def respond(self, command: Command, *, verified: bool) -> tuple[bytes, int]:
        """Data and status word; ``verified`` says whether the PIN is. Raises StatusError."""
        if command.ins == SELECT:
            return self._select(command)
        if command.ins == GET_RESPONSE:
            return self._get_response(command)
        if command.ins == READ_BINARY:
            return self._read(command, verified)
        raise StatusError(0x6D00)

    def _select(self, command: Command) -> tuple[bytes, int]:
        if command.p1 or command.p2:
            raise StatusError(0x6B00)
        if len(command.data) != 2:
            raise StatusError(0x6700)
        directory = self._current if self._current in self._directories else self._current[:-2]
        path = MF if command.data == MF else directory + command.data
        if path not in self._files and path not in self._directories:
            raise StatusError(_NOT_FOUND)
        self._current = path
        kind = _EF if path in self._files else _MF if path == MF else _DF
        size = len(self._files.get(path, b""))
        self._waiting = tlv(0x85, size.to_bytes(2), path[-2:], bytes([kind]))
        return b"", 0x9F00 | len(self._waiting)

    def _get_response(self, command: Command) -> tuple[bytes, int]:
        waiting, self._waiting = self._waiting, b""
        if command.le is None or command.le > len(waiting):
            raise StatusError(0x6700)
        return waiting[: command.le], SW_OK

    def _read(self, command: Command, verified: bool) -> tuple[bytes, int]:
        content = self._files.get(self._current)
        if content is None:
            raise StatusError(_WRONG_FILE)
        if not verified:
            raise StatusError(_PIN_NEEDED)
        offset = command.p1 << 8 | command.p2
        if command.le is None or offset + command.le > len(content):
            raise StatusError(_BAD_ADDRESS)
        return content[offset : offset + command.le], SW_OK

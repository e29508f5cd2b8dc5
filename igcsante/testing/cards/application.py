"""What the two card generations have in common: ISO/IEC 7816-4 commands over the card's files.

:class:`CardApplication` reads a command, dispatches it, and carries its answer out as the
transmission protocol wants (61xx and GET RESPONSE). A generation adds its own commands.
Anything unknown is refused: 6D00, 6E00, 6A86 or 6A88.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import ClassVar

from ...card.apdu import (
    CHAINING_BIT,
    CHANGE_REFERENCE_DATA,
    GET_RESPONSE,
    MANAGE_SECURITY_ENVIRONMENT,
    PERFORM_SECURITY_OPERATION,
    READ_BINARY,
    RESET_RETRY_COUNTER,
    SELECT,
    SW_CONDITIONS_NOT_SATISFIED,
    SW_END_OF_FILE,
    SW_FILE_NOT_FOUND,
    SW_OK,
    SW_WRONG_P1P2,
    VERIFY,
)
from ...errors import UsageError
from ...messages import tr
from .command import LE_ALL, Command
from .der import tlv
from .files import MF, Access, Directory, File, FileSystem, TransparentFile
from .image import PIN_REFERENCE
from .keys import CardKey
from .pins import PinStore
from .status import StatusError

UPDATE_BINARY, GET_CHALLENGE = 0xD6, 0x84
MAX_CHAINED_DATA = 1024
_FCI_TAGS = {0x00: 0x6F, 0x04: 0x62}  # by P2 of SELECT; 0C asks for nothing

Answer = tuple[bytes, int]


class CardApplication:
    """A card's logic. Files, keys and PINs last; everything else is lost at a reset."""

    MAX_READ: ClassVar[int] = LE_ALL
    # Status words of a card whose current application isn't ours (card.md §2.2, §2.4).
    AWAY: ClassVar[tuple[int, ...]]

    def __init__(
        self, files: FileSystem, keys: Mapping[int, CardKey], pins: PinStore, protocol: str
    ) -> None:
        """``keys`` by reference; ``protocol`` is ``T=0`` or ``T=1``."""
        self.protocol = protocol
        self._files = files
        self._keys = keys
        self._pins = pins
        self.reset()

    def reset(self) -> None:
        """Forget the session: selection, verified PINs, security environment."""
        self._pins.forget()
        self._forget_selection()
        self._away = 0

    def _forget_selection(self) -> None:
        self._directory = MF
        self._file: bytes | None = None
        self._environment: dict[int, tuple[int, int]] = {}  # template: algorithm, key reference
        self._chain: Command | None = None
        self._waiting = b""

    def process(self, raw: bytes) -> bytes:
        """The answer to a command: data, SW1, SW2."""
        try:
            data, sw = self._respond(Command.parse(raw, self.protocol))
        except StatusError as refusal:
            data, sw = b"", refusal.sw
        return data + sw.to_bytes(2)

    def leave(self, status: int = 0) -> None:
        """Let another program have selected another application.

        ``status``, one of AWAY, is what commands meet until ours is selected again.
        """
        if status and status not in self.AWAY:
            known = ", ".join(f"{sw:04X}" for sw in self.AWAY)
            raise UsageError(
                tr(
                    "{status:04X} doesn't tell of another application here: {known} do",
                    status=status,
                    known=known,
                )
            )
        self._forget_selection()
        self._away = status or self.AWAY[0]

    # -- dispatch and transport ------------------------------------------------------------

    def _respond(self, command: Command) -> Answer:
        if command.ins == GET_RESPONSE:
            return self._get_response(command)
        self._waiting = b""
        return self._answer(command, *self._execute(command))

    def _execute(self, command: Command) -> Answer:
        self._check_class(command)
        if command.cla & CHAINING_BIT:
            return self._collect(command)
        handler = self._commands().get(command.ins)
        if handler is None:
            raise StatusError(0x6D00)
        return handler(self._joined(command))

    def _check_class(self, command: Command) -> None:
        """Raises StatusError for a class byte that isn't served."""
        raise NotImplementedError

    def _commands(self) -> dict[int, Callable[[Command], Answer]]:
        return {
            SELECT: self._select,
            READ_BINARY: self._read_binary,
            UPDATE_BINARY: self._update_binary,
            VERIFY: self._verify,
            CHANGE_REFERENCE_DATA: self._change_reference_data,
            RESET_RETRY_COUNTER: self._reset_retry_counter,
            GET_CHALLENGE: self._get_challenge,
            MANAGE_SECURITY_ENVIRONMENT: self._manage_security_environment,
            PERFORM_SECURITY_OPERATION: self._perform_security_operation,
        }

    def _collect(self, command: Command) -> Answer:
        whole = self._joined(command)
        if len(whole.data) > MAX_CHAINED_DATA:
            raise StatusError(0x6700)
        self._chain = whole
        return b"", SW_OK

    def _joined(self, command: Command) -> Command:
        """The command with the data of the chain that it ends; any other chain is dropped."""
        chain, self._chain = self._chain, None
        if chain is None or chain.operation != command.operation:
            return command
        return replace(command, data=chain.data + command.data)

    def _answer(self, command: Command, data: bytes, sw: int) -> Answer:
        """Give data out now, or keep it for GET RESPONSE when the command has no Le."""
        if not data:
            return b"", sw
        if command.le is None:
            self._waiting = data
            return b"", _more(data)
        return self._portion(data, command.le, sw)

    def _get_response(self, command: Command) -> Answer:
        self._check_class(command)
        if not self._waiting:
            raise StatusError(SW_CONDITIONS_NOT_SATISFIED)
        wanted = command.le or 0
        if wanted > len(self._waiting):
            raise StatusError(0x6C00 | len(self._waiting))
        return self._portion(self._waiting, wanted, SW_OK)

    def _portion(self, data: bytes, wanted: int, sw: int) -> Answer:
        self._waiting = data[wanted:]
        return data[:wanted], _more(self._waiting) if self._waiting else sw

    # -- files -----------------------------------------------------------------------------

    def _select(self, command: Command) -> Answer:
        if command.p2 not in (0x00, 0x04, 0x0C):
            raise StatusError(SW_WRONG_P1P2)
        file = self._find(command.p1, command.data)
        if file is None:
            raise StatusError(SW_FILE_NOT_FOUND)
        if isinstance(file, Directory):
            self._directory, self._file = file.path, None
        else:
            self._directory, self._file = file.path[:-2], file.path
        if command.p2 == 0x0C:
            return b"", SW_OK
        return tlv(_FCI_TAGS[command.p2], *self._control_parameters(file)), SW_OK

    def _find(self, p1: int, data: bytes) -> File | None:
        """The file that P1 and the data of SELECT designate (ISO/IEC 7816-4 table 39)."""
        match p1:
            case 0x00 | 0x01 | 0x02 if len(data) == 2:
                return self._files.at(MF) if data == MF else self._files.at(self._directory + data)
            case 0x03:
                return self._files.at(self._directory[:-2] or MF)
            case 0x04:
                return self._files.named(data)
            case 0x08:
                return self._files.at(MF + data)
            case 0x09:
                # CPx cards take the whole path here, 3F00 included (card.md §2.2).
                return self._files.at(data if data[:2] == MF else self._directory + data)
        raise StatusError(SW_WRONG_P1P2)

    def _control_parameters(self, file: File) -> list[bytes]:
        """What stands in the FCP or FCI of a file (card.md §2.2 and §15)."""
        if isinstance(file, Directory):
            kind = [tlv(0x82, b"\x38"), tlv(0x83, file.path[-2:])]
        else:
            size = len(file.content).to_bytes(2)
            kind = [tlv(0x80, size), tlv(0x82, b"\x01"), tlv(0x83, file.path[-2:])]
        return [*kind, *self._access_parameters(file), tlv(0x8A, b"\x05")]

    def _access_parameters(self, file: File) -> list[bytes]:
        return []

    def _read_binary(self, command: Command) -> Answer:
        file, offset = self._addressed(command)
        self._allow(file, file.read)
        if command.le is None:
            raise StatusError(0x6700)
        rest = file.content[offset:]
        if not rest:
            raise StatusError(0x6B00)
        if command.le > self.MAX_READ:
            raise StatusError(0x6C00 | min(len(rest), self.MAX_READ))
        # Le=00 asks for whatever is left, up to 256.
        short = len(rest) < command.le < LE_ALL
        return rest[: command.le], SW_END_OF_FILE if short else SW_OK

    def _update_binary(self, command: Command) -> Answer:
        file, offset = self._addressed(command)
        self._allow(file, file.update)
        if not command.data or offset + len(command.data) > len(file.content):
            raise StatusError(0x6700)
        self._files.write(file, offset, command.data)
        return b"", SW_OK

    def _addressed(self, command: Command) -> tuple[TransparentFile, int]:
        """The file and offset of P1 P2; with b8 of P1, a short identifier selects the file."""
        if command.p1 & 0x80:
            file: File | None = self._files.short(self._directory, command.p1 & 0x1F)
            if file is None:
                raise StatusError(SW_FILE_NOT_FOUND)
            self._file, offset = file.path, command.p2
        else:
            file, offset = self._files.at(self._file or b""), command.p1 << 8 | command.p2
        if not isinstance(file, TransparentFile):
            raise StatusError(0x6986)
        return file, offset

    def _allow(self, file: TransparentFile, access: Access) -> None:
        """Raises StatusError 6982 unless ``access``, one of the file's, is given now."""
        if access is Access.PIN:
            self._pins.require(PIN_REFERENCE)
        elif access is not Access.ALWAYS:
            raise StatusError(0x6982)

    # -- PIN -------------------------------------------------------------------------------

    def _verify(self, command: Command) -> Answer:
        if command.p1 != 0:
            raise StatusError(SW_WRONG_P1P2)
        if command.data:
            self._pins.verify(command.p2, command.data)
        else:
            self._pins.status(command.p2)
        return b"", SW_OK

    def _change_reference_data(self, command: Command) -> Answer:
        raise NotImplementedError

    def _reset_retry_counter(self, command: Command) -> Answer:
        raise NotImplementedError

    # -- cryptography ----------------------------------------------------------------------

    def _get_challenge(self, command: Command) -> Answer:
        if command.p1 or command.p2:
            raise StatusError(SW_WRONG_P1P2)
        if command.le is None:
            raise StatusError(0x6700)
        return secrets.token_bytes(command.le), SW_OK

    def _manage_security_environment(self, command: Command) -> Answer:
        raise NotImplementedError

    def _perform_security_operation(self, command: Command) -> Answer:
        raise NotImplementedError

    def _key(self, reference: int, *roles: str) -> CardKey:
        """A key of the current application, its PIN verified if it has one.

        Raises StatusError 6A88 (no such key here), 6985 (its usage forbids this) or 6982.
        """
        key = self._keys.get(reference)
        if key is None or key.application != self._directory:
            raise StatusError(0x6A88)
        if key.role not in roles:
            raise StatusError(SW_CONDITIONS_NOT_SATISFIED)
        if key.role != "technical":
            self._pins.require(PIN_REFERENCE)
        return key

    def _set_up(self, template: int) -> tuple[int, int]:
        """Algorithm and key reference that MSE gave. Raises StatusError 6985 without one."""
        try:
            return self._environment[template]
        except KeyError:
            raise StatusError(SW_CONDITIONS_NOT_SATISFIED) from None


def _more(waiting: bytes) -> int:
    return 0x6100 | min(len(waiting), LE_ALL) & 0xFF

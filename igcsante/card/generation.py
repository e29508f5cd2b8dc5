"""What every generation of CPx cards can do, whatever its commands (card.md §2, §5, §6).

A :class:`Generation` turns an operation into the commands of its card. It knows no file
and no key: paths and references come from the card's directory files.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum
from itertools import count
from typing import ClassVar

from cryptography.hazmat.primitives.asymmetric import rsa

from ..credentials import RsaScheme
from ..errors import CardError
from ..messages import tr
from . import tlv
from .apdu import (
    GET_CHALLENGE,
    READ_BINARY,
    SW_CLASS_NOT_SUPPORTED,
    SW_END_OF_FILE,
    SW_WRONG_P1P2,
    VERIFY,
    CommandApdu,
    ResponseApdu,
)
from .channel import Channel, checked
from .fcp import MAX_FILE_BYTES, FileControlParameters
from .transport import Transport

MASTER_FILE = bytes.fromhex("3F00")
APPLICATION = bytes.fromhex("8025000001FF0100")  # IAS-ECC root (CPS3), ChipDoc (CPS4): card.md §2.1

PIN_TRIES, PUK_TRIES = 3, 10  # card.md §5
CHALLENGE_BYTES = 8  # what the official middleware asks for at a time (card.md §12)


@dataclass(frozen=True)
class PinStatus:
    """The try counter of a PIN or PUK. Reading it never uses a try.

    ``uses_left`` is how often a PUK may still be used, None where the card sets no limit.
    """

    tries_left: int
    max_tries: int
    uses_left: int | None = None

    @property
    def blocked(self) -> bool:
        """Whether no try is left: a PIN then needs the PUK."""
        return self.tries_left == 0


class PinField(Enum):
    """A secret that a PIN command carries, by the name that messages give it."""

    PIN = "PIN"
    NEW_PIN = tr("new PIN")
    PUK = "PUK"


@dataclass(frozen=True)
class PinStep:
    """A PIN command without its data, and the secrets that make up the data, in order."""

    command: CommandApdu
    fields: tuple[PinField, ...] = ()


@dataclass(frozen=True)
class CardKey:
    """A private key as its commands need it: reference, directory, and what it may do.

    ``non_repudiation`` keys sign documents, the others authenticate (card.md §12).
    """

    reference: int
    directory: bytes
    non_repudiation: bool
    may_decipher: bool
    public_key: rsa.RSAPublicKey

    @property
    def size(self) -> int:
        """Length of the modulus in bytes."""
        return (self.public_key.key_size + 7) // 8


class Generation(ABC):
    """The commands of one generation. Paths are absolute and start with 3F00."""

    name: ClassVar[str]
    cla: ClassVar[int]
    max_response: ClassVar[int]
    # The PKCS#15 application, which EF.DIR lists (card.md §2.1).
    application_aid: ClassVar[bytes] = bytes.fromhex("E828BD080F8025000001FF0010")
    has_pin: ClassVar[bool] = True
    keeps_journal: ClassVar[bool] = False  # of its updates, in EF_ACTUA (card.md §3)
    # Status words that say another application of the card is the current one (card.md §2.2).
    lost: ClassVar[frozenset[int]] = frozenset({SW_CLASS_NOT_SUPPORTED, SW_WRONG_P1P2})

    def __init__(self, transport: Transport) -> None:
        self._channel = Channel(transport, self.max_response)

    # -- files ---------------------------------------------------------------------------

    @abstractmethod
    def start(self) -> None:
        """Make the card ready for commands. Raises CardError."""

    @abstractmethod
    def select_file(self, path: bytes) -> FileControlParameters:
        """Select a file. Raises CardStatusError."""

    @abstractmethod
    def select(self, path: bytes) -> None:
        """Make a file or directory current, its parameters unread. Raises CardStatusError."""

    def read_file(self, path: bytes) -> bytes:
        """The contents of a transparent file, as long as its parameters say."""
        size = self.select_file(path).size
        if size is None:
            raise CardError(
                tr("the card gave no size for the file {path}", path=path.hex().upper())
            )
        return self._read_on(path, b"", lambda _: size)[:size]

    def read_object(
        self, path: bytes, needed: Callable[[bytes], int] | None = None, start: bytes = b""
    ) -> bytes:
        """The BER-TLV object that a file begins with, or at least as much of it as is needed.

        ``needed`` tells how many bytes that is from those read so far; ``start`` is what an
        earlier call gave. The object says how long it is: the parameters of the
        file, which may be longer, aren't asked for.
        """
        self.select(path)
        content = self._read_on(path, start, needed or self._object_length)
        return content[: tlv.object_length(content)]

    def _object_length(self, part: bytes) -> int:
        return tlv.object_length(part) if part else self.max_response

    def _read_on(self, path: bytes, content: bytes, needed: Callable[[bytes], int]) -> bytes:
        """``content`` and what follows it in the current file, as far as needed."""
        ended = False
        for rounds in count():
            wanted = needed(content)
            if len(content) >= wanted:
                return content
            # A card that gives its file byte by byte isn't one that works.
            if ended or rounds > 4 + 2 * wanted // self.max_response:
                break
            length = min(self.max_response, wanted - len(content))
            part, ended = self._read(path, len(content), length)
            content += part
            ended = ended or not part
        raise CardError(tr("the card gave only a part of the file {path}", path=path.hex().upper()))

    def _read(self, path: bytes, offset: int, length: int) -> tuple[bytes, bool]:
        """A part of the current file, and whether the card says that it is the last one."""
        if offset >= MAX_FILE_BYTES:
            raise CardError(tr("the file {path} is too long", path=path.hex().upper()))
        response = self._send(READ_BINARY, offset >> 8, offset & 0xFF, le=length)
        if len(response.data) > length:
            raise CardError(tr("the card gave more bytes than asked for"))
        if response.sw == SW_END_OF_FILE and response.data:
            return response.data, True
        return checked(response, tr("to read the file {path}", path=path.hex().upper())), False

    def cps2ter_files(self) -> Iterator[tuple[str, bytes]]:
        """Name and contents of the files of a part with class A0, where there is one."""
        return iter(())

    # -- PIN -----------------------------------------------------------------------------

    @abstractmethod
    def pin_status(self, reference: int, usual_tries: int = PIN_TRIES) -> PinStatus:
        """Read the try counter of a PIN, without using a try. Raises CardStatusError.

        ``usual_tries`` stands for the most tries where the card doesn't tell them.
        """

    def verify_steps(self, reference: int, field: PinField = PinField.PIN) -> tuple[PinStep, ...]:
        """What presents a PIN, or the PUK."""
        return (PinStep(self._command(VERIFY, 0x00, reference), (field,)),)

    @abstractmethod
    def change_steps(self, reference: int) -> tuple[PinStep, ...]:
        """What gives a PIN that is known a new value."""

    @abstractmethod
    def unblock_steps(self, reference: int, puk_reference: int) -> tuple[PinStep, ...]:
        """What gives a PIN a new value, and all its tries, by means of the PUK."""

    def send_once(self, command: CommandApdu) -> int:
        """Send a PIN command, once and never again whatever it answers: its status word."""
        return self._channel.send(command).sw

    # -- keys ----------------------------------------------------------------------------

    @abstractmethod
    def schemes(self, key: CardKey) -> frozenset[RsaScheme]:
        """What the key can sign with."""

    @abstractmethod
    def sign(self, key: CardKey, digest: bytes, scheme: RsaScheme) -> bytes:
        """The key's signature of a digest by one of its schemes. Raises CardStatusError."""

    @abstractmethod
    def decipher(self, key: CardKey, ciphertext: bytes) -> bytes:
        """The message of a PKCS#1 v1.5 ciphertext. Raises CardStatusError."""

    def random(self, length: int) -> bytes:
        """Bytes of the card's random generator, by GET CHALLENGE. Raises CardStatusError."""
        found, before = b"", b""
        while len(found) < length:
            response = self._send_first(GET_CHALLENGE, 0x00, 0x00, le=CHALLENGE_BYTES)
            block = checked(response, tr("to give random bytes"))
            if len(block) != CHALLENGE_BYTES or block == before:
                raise CardError(tr("the card's random generator doesn't work"))
            found, before = found + block, block
        return found[:length]

    # -- commands ------------------------------------------------------------------------

    @abstractmethod
    def recover(self, sw: int) -> None:
        """Make our application the current one again after one of the ``lost`` statuses."""

    def _command(
        self, ins: int, p1: int, p2: int, data: bytes = b"", le: int | None = None
    ) -> CommandApdu:
        return CommandApdu(self.cla, ins, p1, p2, data, le)

    def _send(
        self, ins: int, p1: int, p2: int, data: bytes = b"", le: int | None = None
    ) -> ResponseApdu:
        return self._channel.send(self._command(ins, p1, p2, data, le))

    def _send_first(
        self, ins: int, p1: int, p2: int, data: bytes = b"", le: int | None = None
    ) -> ResponseApdu:
        """Send a command that depends on none before it, and replay it once if need be.

        Another program may have left the card in another application. Only such a command
        can be replayed: the others would meet a file or key that isn't theirs.
        """
        response = self._send(ins, p1, p2, data, le)
        if response.sw in self.lost:
            self.recover(response.sw)
            response = self._send(ins, p1, p2, data, le)
        return response

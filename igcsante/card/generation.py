"""What every generation of CPx cards can do, whatever its commands (card.md §2, §5, §6).

A :class:`Generation` turns an operation into the commands of its card. It knows no file
and no key: paths and references come from the card's directory files.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

from cryptography.hazmat.primitives.asymmetric import rsa

from ..credentials import RsaScheme
from ..errors import CardError
from . import tlv
from .apdu import (
    READ_BINARY,
    SW_CLASS_NOT_SUPPORTED,
    SW_END_OF_FILE,
    SW_WRONG_P1P2,
    CommandApdu,
    ResponseApdu,
)
from .channel import Channel, checked
from .fcp import MAX_FILE_BYTES, FileControlParameters
from .transport import Transport

MASTER_FILE = bytes.fromhex("3F00")
APPLICATION = bytes.fromhex("8025000001FF0100")  # IAS-ECC root (CPS3), ChipDoc (CPS4): card.md §2.1


@dataclass(frozen=True)
class PinStatus:
    """The PIN's try counter. Reading it never uses a try."""

    tries_left: int
    max_tries: int

    @property
    def blocked(self) -> bool:
        """Whether the PUK is needed."""
        return self.tries_left == 0


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
    def select_directory(self, path: bytes) -> None:
        """Make a directory current, its parameters unread. Raises CardStatusError."""

    def read_file(self, path: bytes, *, one_object: bool = False) -> bytes:
        """The contents of a transparent file, as long as its parameters say.

        With ``one_object`` only the BER-TLV object that it begins with is read: files of
        certificates may be longer than their certificate.
        """
        size = self.select_file(path).size
        if size is None:
            raise CardError(f"the card gave no size for the file {path.hex().upper()}")
        content = b""
        # A card that gives its file byte by byte isn't one that works.
        for _ in range(4 + 2 * size // self.max_response):
            if len(content) >= size:
                break
            part, last = self._read(path, len(content), min(self.max_response, size - len(content)))
            if not content and one_object:
                size = min(size, tlv.object_length(part))
            content += part
            if last or not part:
                break
        if len(content) < size:
            raise CardError(f"the card gave only a part of the file {path.hex().upper()}")
        return content[:size]

    def _read(self, path: bytes, offset: int, length: int) -> tuple[bytes, bool]:
        """A part of the current file, and whether the card says that it is the last one."""
        if offset >= MAX_FILE_BYTES:
            raise CardError(f"the file {path.hex().upper()} is too long")
        response = self._send(READ_BINARY, offset >> 8, offset & 0xFF, le=length)
        if len(response.data) > length:
            raise CardError("the card gave more bytes than asked for")
        if response.sw == SW_END_OF_FILE and response.data:
            return response.data, True
        return checked(response, f"to read the file {path.hex().upper()}"), False

    # -- PIN -----------------------------------------------------------------------------

    @abstractmethod
    def pin_status(self, reference: int) -> PinStatus:
        """Read the try counter of a PIN, without using a try. Raises CardStatusError."""

    @abstractmethod
    def verify(self, reference: int, pin: bytes) -> int:
        """Send the PIN, once and never again: the card's status word."""

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

"""A card's file system: directories, transparent files and who may read or write them.

Paths are whole, from the master file on (``3F00…``). The access bytes are those of IAS-ECC
as card.md §2.2 decodes them from a real card's file control parameters.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import cast

MF = b"\x3f\x00"


class Access(IntEnum):
    """A security condition byte. PIN's value is ours: no real one has been seen."""

    ALWAYS = 0x00
    PIN = 0x11
    ISSUER = 0x45  # secure messaging under the issuer's keys, which nobody holds here
    NEVER = 0xFF


@dataclass(frozen=True)
class Directory:
    """A DF, or the MF. ``name`` is the AID that selects it, empty when it has none."""

    path: bytes
    name: bytes = b""


@dataclass(frozen=True)
class TransparentFile:
    """A transparent EF; ``sfi`` is its short identifier, 0 when it has none."""

    path: bytes
    content: bytes
    sfi: int = 0
    read: Access = Access.ALWAYS
    update: Access = Access.NEVER
    contactless: bool = False

    @property
    def rules(self) -> bytes:
        """AM byte and security condition bytes, contact interface.

        AM 7B: delete, terminate, activate, deactivate, update, read.
        """
        delete = Access.ISSUER if self.update is Access.ISSUER else Access.NEVER
        return bytes((0x7B, delete, 0xFF, 0xFF, 0xFF, self.update, self.read))

    @property
    def contactless_rules(self) -> bytes:
        """The same for the contactless interface: nothing at all, unless it is open there."""
        return self.rules if self.contactless else b"\x7b" + b"\xff" * 6


File = Directory | TransparentFile


class FileSystem:
    """The files of one card, by path."""

    def __init__(self, files: Iterable[File]) -> None:
        self._files = {file.path: file for file in files}

    def at(self, path: bytes) -> File | None:
        """The file of that whole path."""
        return self._files.get(path)

    def named(self, name: bytes) -> Directory | None:
        """The directory of that AID."""
        for file in self._files.values():
            if isinstance(file, Directory) and file.name == name:
                return file
        return None

    def short(self, directory: bytes, sfi: int) -> TransparentFile | None:
        """The file of that short identifier in a directory."""
        for file in self._files.values():
            if (
                file.path[:-2] == directory
                and isinstance(file, TransparentFile)
                and file.sfi == sfi
            ):
                return file
        return None

    def writable(self) -> dict[bytes, bytes]:
        """Path and content of the files that the holder's PIN lets be written."""
        return {
            file.path: file.content
            for file in self._files.values()
            if isinstance(file, TransparentFile) and file.update is Access.PIN
        }

    def restore(self, path: bytes, content: bytes) -> None:
        """Give a writable file its content back. Raises KeyError or ValueError."""
        if len(self.writable()[path]) != len(content):
            raise ValueError("another size")
        self._files[path] = replace(cast(TransparentFile, self._files[path]), content=content)

    def write(self, file: TransparentFile, offset: int, data: bytes) -> None:
        """Replace bytes within a file; its size stays."""
        content = file.content[:offset] + data + file.content[offset + len(data) :]
        self._files[file.path] = replace(file, content=content[: len(file.content)])

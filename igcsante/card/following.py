"""Which file a card's commands are about, told from the exchanges alone.

The places of some files are fixed (card.md §3, §15); what the others are, the card's own
directory files say as they go by.
"""

from __future__ import annotations

from ..errors import CardError
from . import pkcs15
from .apdu import READ_BINARY, SELECT, SW_END_OF_FILE, SW_OK, CommandApdu
from .fcp import MAX_FILE_BYTES
from .monitor import Exchange

_MASTER_FILE = bytes.fromhex("3F00")
_ODF, _CDF = "EF.ODF", "CDF"
_STRUCTURE = {
    bytes.fromhex("3F00"): "MF",
    bytes.fromhex("3F002F00"): "EF.DIR",
    bytes.fromhex("3F002F01"): "EF.ATR",
    bytes.fromhex("3F00D003"): "EF.SN",
    bytes.fromhex("3F00D010"): "EF_ACTUA",
    bytes.fromhex("3F000001"): "CPx application, contact",
    bytes.fromhex("3F0000015031"): _ODF,
    bytes.fromhex("3F0000015032"): "EF.TokenInfo",
}
_OTHERS = {bytes.fromhex("3F000001D107"): "CPS_DATA"}
_BY_NAME = 0x04
_WITHOUT_3F00 = 0x08  # P1 of a CPS4's paths; a CPS3's is 09 (card.md §12)
_SHORT_FILE = 0x80


class FollowedFiles:
    """The current file, and names of files. Show it every exchange with one card, in order."""

    def __init__(self) -> None:
        self._structure = dict(_STRUCTURE)
        self._path = b""
        self._content = b""

    @property
    def is_structure(self) -> bool:
        """Whether the current file is a directory file or certificate: free to read."""
        return self._path in self._structure

    @property
    def name(self) -> str:
        """The current file's name, if known, and its path."""
        path = self._path.hex().upper()
        known = self._structure.get(self._path) or _OTHERS.get(self._path)
        return f"{known} ({path})" if known else path or "current file"

    def follow(self, exchange: Exchange) -> None:
        """Take an exchange into account. Other commands than SELECT and READ change nothing."""
        raw = exchange.command
        if len(raw) < 4:
            return
        if raw[1] == SELECT:
            self._path, self._content = _selected(raw), b""
        elif raw[1] == READ_BINARY and exchange.sw in (SW_OK, SW_END_OF_FILE):
            offset = int.from_bytes(raw[2:4])
            if not raw[2] & _SHORT_FILE and offset == len(self._content) < MAX_FILE_BYTES:
                self._content += exchange.response
                self._learn()

    def _learn(self) -> None:
        """Remember what the files are that a directory file lists."""
        name = self._structure.get(self._path)
        try:
            if name == _ODF:
                for kind, paths in pkcs15.parse_odf(self._content).items():
                    for path in paths:
                        self._remember(path, kind)
            elif name == _CDF:
                for entry in pkcs15.parse_cdf(self._content):
                    self._remember(entry.path, entry.label)
        except CardError:
            return  # not whole yet, or not what it should be: nothing to learn

    def _remember(self, path: pkcs15.Path, name: str) -> None:
        """Paths may be relative to the application, where the directory files are."""
        printable = "".join(c if c.isprintable() else "?" for c in name)
        absolute = path.absolute(self._path[:-2])
        if absolute not in _OTHERS:
            self._structure.setdefault(absolute, printable)


def _selected(raw: bytes) -> bytes:
    """The path from 3F00 down that a SELECT names, empty for an application by its name."""
    if raw[2] == _BY_NAME:
        return b""
    try:
        path = CommandApdu.parse(raw).data
    except CardError:
        return b""
    if raw[2] == _WITHOUT_3F00 or not path.startswith(_MASTER_FILE):
        return _MASTER_FILE + path
    return path

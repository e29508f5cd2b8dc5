"""A recording: what a card was asked and what it answered, in a file that holds no secret.

JSON lines. The first names the card (reader, ATR, protocol); each other is one exchange, its
bytes in hexadecimal. ``**`` stands for a byte that isn't written: a PIN or PUK, a deciphered
message and, unless asked for, what was read after the PIN was verified: all but directory
files and certificates.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ..errors import UsageError
from ..files import read_bounded, write_atomic
from ..messages import tr
from .apdu import (
    CHANGE_REFERENCE_DATA,
    GET_RESPONSE,
    MAX_LE,
    READ_BINARY,
    RESET_RETRY_COUNTER,
    SW_OK,
    VERIFY,
)
from .following import FollowedFiles
from .monitor import MASK, Exchange, Link

FORMAT = "igcsante card recording 1"
MAX_RECORDING_BYTES = 16 * 1024 * 1024
MAX_COMMAND_BYTES = 5 + 255 + 1
_READS = {READ_BINARY, READ_BINARY + 1, READ_BINARY + 2, READ_BINARY + 3}  # READ RECORD too
# Even without a PIN, VERIFY says 9000 when the PIN is verified already (card.md §5).
_PIN_COMMANDS = {VERIFY, VERIFY + 1, CHANGE_REFERENCE_DATA, RESET_RETRY_COUNTER}
_HEXADECIMAL = re.compile(r"(?:[0-9A-F]{2})*(?:\*\*)*")


@dataclass(frozen=True)
class Recording:
    """The exchanges with one card, in order, secrets replaced."""

    link: Link
    exchanges: tuple[Exchange, ...]

    def to_bytes(self) -> bytes:
        """The recording as a file holds it."""
        first = {
            "format": FORMAT,
            "reader": self.link.reader_name,
            "atr": self.link.atr.hex().upper(),
            "protocol": self.link.protocol,
        }
        lines = [first, *map(_line, self.exchanges)]
        return "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines).encode()

    def save(self, path: Path, *, overwrite: bool = False) -> None:
        """Write it, readable by its owner only. Raises StorageError."""
        write_atomic(path, self.to_bytes(), overwrite=overwrite)

    @classmethod
    def load(cls, path: Path) -> Recording:
        """Read a recording. Raises UsageError, with the line that is wrong."""
        return cls.parse(read_bounded(path, MAX_RECORDING_BYTES), str(path))

    @classmethod
    def parse(cls, data: bytes, name: str = "recording") -> Recording:
        """Read a recording's bytes; ``name`` is for the error. Raises UsageError."""
        number = 1
        try:
            first, *lines = data.decode().removesuffix("\n").split("\n")
            link = _link(json.loads(first))
            exchanges = []
            for text in lines:
                number += 1
                exchanges.append(_exchange(json.loads(text), link))
        except (ValueError, TypeError, KeyError, RecursionError):
            raise UsageError(
                tr("{name}: not a recording of a card (line {number})", name=name, number=number),
                advice=tr("make one with: igc card record FILE -- card id"),
            ) from None
        return cls(link, tuple(exchanges))


class Recorder:
    """A monitor that keeps the exchanges, to be had as a :class:`Recording`.

    ``include_private`` keeps what files give after a PIN was verified.
    """

    def __init__(self, *, include_private: bool = False) -> None:
        self._include_private = include_private
        self._exchanges: list[Exchange] = []
        self._verified = self._reading = False
        self._files = FollowedFiles()

    def __call__(self, exchange: Exchange) -> None:
        if exchange.command:
            self._exchanges.append(self._reduced(exchange))
        else:  # the PIN was typed on the reader
            self._verified = True

    @property
    def talked(self) -> bool:
        """Whether there is anything to record."""
        return bool(self._exchanges)

    def recording(self) -> Recording:
        """What was recorded. Raises UsageError when that is nothing, or of several cards."""
        links = {exchange.link for exchange in self._exchanges}
        if not links:
            raise UsageError(tr("nothing was recorded: the command did not talk to a card"))
        if len(links) > 1:
            names = sorted(link.reader_name for link in links)
            raise UsageError(
                tr("the command used several cards: {names}", names=", ".join(names)),
                advice=tr("choose one with --reader and a part of its name"),
            )
        return Recording(links.pop(), tuple(self._exchanges))

    def _reduced(self, exchange: Exchange) -> Exchange:
        self._files.follow(exchange)
        instruction = exchange.command[1] if len(exchange.command) > 1 else 0
        if instruction != GET_RESPONSE:
            self._reading = instruction in _READS
        if instruction in _PIN_COMMANDS and exchange.sw == SW_OK:
            self._verified = True
        private = self._verified and not self._files.is_structure
        if self._reading and private and not self._include_private:
            hidden = MASK * len(exchange.response)
            return replace(exchange, response=hidden, secret=bool(hidden))
        return exchange


def _line(exchange: Exchange) -> dict[str, str]:
    return {
        "command": exchange.command_text,
        "response": exchange.response_text,
        "sw": f"{exchange.sw:04X}",
    }


def _link(line: dict[str, Any]) -> Link:
    atr = bytes.fromhex(_text(line["atr"]))
    protocol = line["protocol"]
    if line["format"] != FORMAT or protocol not in ("T=0", "T=1") or not 2 <= len(atr) <= 33:
        raise ValueError("not the first line of a recording")
    return Link(_text(line["reader"]), atr, protocol)


def _exchange(line: dict[str, Any], link: Link) -> Exchange:
    command, _ = _bytes(line["command"], MAX_COMMAND_BYTES)
    response, secret = _bytes(line["response"], MAX_LE)
    sw, _ = _bytes(line["sw"], 2)
    if len(command) < 4 or len(sw) != 2:
        raise ValueError("not an exchange")
    return Exchange(command, response, int.from_bytes(sw), link, secret)


def _bytes(value: Any, most: int) -> tuple[bytes, bool]:
    """The bytes that a text stands for, and whether some are masked."""
    text = _text(value)
    if not _HEXADECIMAL.fullmatch(text) or len(text) > 2 * most:
        raise ValueError("not hexadecimal, or too long")
    hidden = text.count("*") // 2
    return bytes.fromhex(text.replace("*", "")) + MASK * hidden, bool(hidden)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError("not a text")
    return value

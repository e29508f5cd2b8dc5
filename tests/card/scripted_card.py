"""A card that plays a script: the exact commands, in order, and its answers.

The scripts are blocks of tests/fixtures/card/*.txt, from exchanges of the official middleware.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

FIXTURES = Path(__file__).parent.parent / "fixtures" / "card"

Script = list[tuple[str, str]]


@dataclass(frozen=True)
class Family:
    name: str
    atr: bytes
    protocol: str
    start: tuple[str, ...]

    def script(self, *names: str) -> Script:
        """The blocks of those names, after what opens the card."""
        blocks = _blocks(self.name.lower())
        return [exchange for name in (*self.start, *names) for exchange in blocks[name]]

    def block(self, name: str) -> Script:
        return list(_blocks(self.name.lower())[name])

    def reading_object(self, path: str, content: bytes) -> Script:
        """What reading a file takes that holds one BER-TLV object: no parameters."""
        if self.name == "CPS3":
            select = f"00A4090C{len(path) // 2:02X}{path}"
        else:
            select = f"01A40800{len(path) // 2 - 2:02X}{path[4:]}"
        script = self.reading(path, content)
        first = next(n for n, (command, _) in enumerate(script) if command[2:4] == "B0")
        whole = script[first][0][:8] + f"{self.chunk % 256:02X}"
        return [(select, "9000"), (whole, script[first][1]), *script[first + 1 :]]

    @property
    def chunk(self) -> int:
        """How many bytes the card gives at once."""
        return 0xE7 if self.name == "CPS3" else 0x100

    def reading(self, path: str, content: bytes, size: int | None = None) -> Script:
        """What reading a file takes; ``size`` is what its parameters announce."""
        size = len(content) if size is None else size
        parameters = f"0B8002{size:04X}82010183028000"
        if self.name == "CPS3":
            script = [
                (f"00A40904{len(path) // 2:02X}{path}", "610D"),
                ("00C000000D", f"62{parameters}9000"),
            ]
            cla = "00"
        else:
            script = [(f"01A40800{len(path) // 2 - 2:02X}{path[4:]}00", f"6F{parameters}9000")]
            cla = "01"
        position, end = 0, size
        while position < min(end, len(content)):
            length = min(self.chunk, end - position)
            part = content[position : position + length]
            script.append((f"{cla}B0{position:04X}{length % 256:02X}", part.hex().upper() + "9000"))
            position += length
        return script


CPS3 = Family("CPS3", bytes.fromhex("3BAC00402A001225006480000310009000"), "T=0", ())
CPS4 = Family("CPS4", bytes.fromhex("3B9B188001001225006480040100009044"), "T=1", ("start",))
FAMILIES = (CPS3, CPS4)


@cache
def _blocks(name: str) -> dict[str, Script]:
    blocks: dict[str, Script] = {}
    lines = (FIXTURES / f"{name}.txt").read_text().splitlines()
    for line in lines:
        kind, _, rest = line.partition(" ")
        if kind == "==":
            current = blocks[rest] = []
        elif kind == ">":
            command = rest
        elif kind == "<":
            current.append((command, rest))
    return blocks


class ScriptedTransport:
    """Answers the script and nothing else. ``fail_at`` raises an error at that exchange."""

    reader_name = "Scripted Reader 00 00"

    def __init__(
        self,
        family: Family,
        script: Iterable[tuple[str, str]],
        *,
        protocol: str | None = None,
        fail_at: int | None = None,
        error: Exception | None = None,
    ) -> None:
        self.atr = family.atr
        self.protocol = protocol or family.protocol
        self.script = list(script)
        self.sent: list[str] = []
        self.depth = 0
        self.transactions = 0
        self.closed = False
        self._fail_at, self._error = fail_at, error

    def transmit(self, command: bytes) -> tuple[bytes, int]:
        assert self.depth, "a command outside a transaction"
        position = len(self.sent)
        self.sent.append(command.hex().upper())
        if position == self._fail_at and self._error:
            raise self._error
        assert position < len(self.script), f"unexpected command {self.sent[-1]}"
        expected, answer = self.script[position]
        assert self.sent[-1] == expected, f"command {position}"
        raw = bytes.fromhex(answer)
        return raw[:-2], int.from_bytes(raw[-2:], "big")

    @contextmanager
    def transaction(self):
        self.transactions += not self.depth
        self.depth += 1
        try:
            yield
        finally:
            self.depth -= 1

    def close(self) -> None:
        self.closed = True

    def assert_finished(self) -> None:
        left = self.script[len(self.sent) :]
        assert not left, f"not sent: {left[0][0]} and {len(left) - 1} more"

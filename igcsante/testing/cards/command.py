"""A command as the card sees it: short APDUs of ISO/IEC 7816-4 §5.1, chains already joined."""

from __future__ import annotations

from dataclasses import dataclass

from .status import StatusError

LE_ALL = 256  # what Le=00 stands for


@dataclass(frozen=True)
class Command:
    """Header, data, and ``le`` (1 to 256) or None when no answer data is asked for."""

    cla: int
    ins: int
    p1: int
    p2: int
    data: bytes = b""
    le: int | None = None

    @property
    def operation(self) -> tuple[int, int, int]:
        """What the commands of one chain have in common."""
        return self.ins, self.p1, self.p2

    @classmethod
    def parse(cls, raw: bytes, protocol: str) -> Command:
        """Raises StatusError 6700 when the lengths don't fit.

        Over T=0 no Le stands beside data: a reader doesn't send it, so it is dropped.
        """
        header, body = raw[:4], raw[4:]
        if len(header) < 4:
            raise StatusError(0x6700)
        cla, ins, p1, p2 = header
        if len(body) < 2:
            return cls(cla, ins, p1, p2, le=(body[0] or LE_ALL) if body else None)
        data, rest = body[1 : 1 + body[0]], body[1 + body[0] :]
        if not data or len(data) != body[0] or len(rest) > 1:
            raise StatusError(0x6700)
        le = (rest[0] or LE_ALL) if rest and protocol != "T=0" else None
        return cls(cla, ins, p1, p2, data, le)

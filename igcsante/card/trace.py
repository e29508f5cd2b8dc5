"""Exchanges with the card in words: the command named, its file, and what the card answered.

Names of commands are those of ISO/IEC 7816-4 and 7816-8. A file is named when its place is
fixed (card.md §3, §15) or when the card's own directory files, seen going by, say what it is.
"""

from __future__ import annotations

from ..errors import CardError
from .apdu import CHAINING_BIT, GET_RESPONSE, MAX_LE, READ_BINARY, SELECT, CommandApdu, status_name
from .following import FollowedFiles
from .monitor import Exchange

_INSTRUCTIONS = {
    0x20: "VERIFY",
    0x21: "VERIFY",
    0x22: "MANAGE SECURITY ENVIRONMENT",
    0x24: "CHANGE REFERENCE DATA",
    0x2A: "PERFORM SECURITY OPERATION",
    0x2C: "RESET RETRY COUNTER",
    0x70: "MANAGE CHANNEL",
    0x82: "EXTERNAL AUTHENTICATE",
    0x84: "GET CHALLENGE",
    0x88: "INTERNAL AUTHENTICATE",
    0xA4: "SELECT",
    0xB0: "READ BINARY",
    0xB2: "READ RECORD",
    0xC0: "GET RESPONSE",
    0xCA: "GET DATA",
    0xCB: "GET DATA",
    0xD0: "WRITE BINARY",
    0xD6: "UPDATE BINARY",
    0xDA: "PUT DATA",
    0xDB: "PUT DATA",
    0xF2: "STATUS",
}
_OPERATIONS = {
    b"\x9e\x9a": "COMPUTE DIGITAL SIGNATURE",
    b"\x80\x86": "DECIPHER",
    b"\x90\x80": "HASH",
    b"\x90\xa0": "HASH",
}
_ENVIRONMENTS = {0xA4: "authentication", 0xAA: "hash", 0xB6: "signature", 0xB8: "confidentiality"}
_PIN_INSTRUCTIONS = {0x20, 0x21, 0x24, 0x2C}

_APPLICATIONS = {
    bytes.fromhex("8025000001FF0100"): "IAS-ECC root (CPS3) or ChipDoc (CPS4)",
    bytes.fromhex("8025000001FF0002"): "CPS2ter",
    bytes.fromhex("A0000001510000"): "issuer security domain",
    bytes.fromhex("E828BD080F8025000001FF0010"): "CPx application, contact",
    bytes.fromhex("E828BD080F8025000001FF0020"): "CPx application, contactless",
}
_BY_NAME = 0x04
_SHORT_FILE = 0x80


class Annotator:
    """Turns exchanges, in the order in which they happen, into text. One for each card."""

    def __init__(self) -> None:
        self._count = 0
        self._files = FollowedFiles()
        self._last_command = ""

    def __call__(self, exchange: Exchange) -> str:
        """Lines: number and name; the command; the answer, if there is data; the status word."""
        self._count += 1
        self._files.follow(exchange)
        name = self._named(exchange.command)
        command, answer = _spaced(exchange.command_text), _spaced(exchange.response_text)
        status = f"{exchange.sw:04X}"
        lines = [f"#{self._count} {name}"]
        if command:
            lines.append(f"  > {command}")
        if answer:
            lines.append(f"  < {answer}")
        lines.append(f"  < {status[:2]} {status[2:]}  {status_name(exchange.sw)}")
        return "\n".join(lines)

    def _named(self, raw: bytes) -> str:
        if len(raw) < 4:
            return "PIN command sent by the reader"
        name = _INSTRUCTIONS.get(raw[1], f"unknown instruction {raw[1]:02X}")
        if raw[1] == GET_RESPONSE:
            detail = f"of {self._last_command}"
        else:
            detail, self._last_command = self._detail(raw), name
        channel = f" (channel {raw[0] & 0x03})" if raw[0] & 0x03 and not raw[0] & 0xE0 else ""
        more = ", more to come" if raw[0] & CHAINING_BIT else ""
        return " ".join(filter(None, (name, detail))) + more + channel

    def _detail(self, raw: bytes) -> str:
        if raw[1] == SELECT:
            return _application(raw) if raw[2] == _BY_NAME else self._files.name
        if raw[1] == READ_BINARY:
            if raw[2] & _SHORT_FILE:
                name, offset = f"file of short identifier {raw[2] & 0x1F}", raw[3]
            else:
                name, offset = self._files.name, int.from_bytes(raw[2:4])
            return f"{name}, {_wanted(raw)} bytes from {offset}"
        return _detail(raw)


def _application(raw: bytes) -> str:
    try:
        name = CommandApdu.parse(raw).data
    except CardError:
        return "application"
    return _APPLICATIONS.get(name, f"application {name.hex().upper()}")


def _detail(raw: bytes) -> str:
    ins, p1, p2 = raw[1:4]
    if ins == 0x2A:
        return _OPERATIONS.get(bytes((p1, p2)), f"{p1:02X} {p2:02X}")
    if ins == 0x22:
        return f"for {_ENVIRONMENTS.get(p2, f'template {p2:02X}')}"
    if ins in _PIN_INSTRUCTIONS:
        hidden = len(raw) > 5
        return f"reference {p2:02X}" + ("" if hidden else ", no data")
    if ins == 0x84:
        return f"{_wanted(raw)} bytes"
    return ""


def _wanted(raw: bytes) -> int:
    return (raw[4] if len(raw) > 4 else 0) or MAX_LE


def _spaced(text: str) -> str:
    return " ".join(text[i : i + 2] for i in range(0, len(text), 2))

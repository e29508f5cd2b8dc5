"""The CPS2ter part of a CPS3: the files of the older card, behind class A0 (card.md §2.3).

One SELECT for each file on a path, answers announced by 9Fxx, status words of its own. The
PIN verified in the IAS application opens these files. What they hold has a coding of its
own that isn't public: it is given as it is. A CPS4 lists them as ordinary data objects.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..errors import CardError, CardStatusError, PinRequiredError
from ..messages import tr
from . import tlv
from .apdu import (
    GET_RESPONSE,
    READ_BINARY,
    SELECT,
    SW_OK,
    SW_PIN_REQUIRED,
    CommandApdu,
    ResponseApdu,
    status_name,
)
from .channel import Channel
from .fcp import MAX_FILE_BYTES

_CLASS = 0xA0
_MASTER_FILE = 0x3F00
_ACTIVITIES = 16
# The names that the official middleware gives them (card.md §3).
FILES = {
    **{f"CPS2TER_ACTIVITY_{n + 1:02}": (0x4010 + n,) for n in range(_ACTIVITIES)},
    "CPS_SIT_FACT": (0x7F01, 0x4000),
}
_PARAMETERS = 0x85
_SW_NOT_FOUND, _SW_PIN_WANTED = 0x9404, 0x9804
_NAMES = {
    0x9240: tr("memory problem"),
    0x9402: tr("address or length outside the file"),
    0x9404: tr("file not found"),
    0x9408: tr("wrong file for this command"),
    0x9802: tr("PIN not activated"),
    0x9804: tr("PIN not verified"),
    0x9808: tr("PIN invalidated"),
    0x9810: tr("file invalidated"),
    0x9840: tr("PIN blocked"),
}


class Cps2terVolet:
    """Reads the files of the CPS2ter part. It leaves the card in that part."""

    def __init__(self, channel: Channel, max_response: int) -> None:
        self._channel = channel
        self._max_response = max_response

    def read_all(self) -> Iterator[tuple[str, bytes]]:
        """Name and contents of each file that there is.

        Raises PinRequiredError, CardStatusError, CardError.
        """
        for name, path in FILES.items():
            content = self._read(name, path)
            if content is not None:
                yield name, content

    def _read(self, name: str, path: tuple[int, ...]) -> bytes | None:
        """The contents of a file, None when there is none."""
        for file_id in (_MASTER_FILE, *path):
            response = self._send(SELECT, file_id.to_bytes(2))
            if response.sw == _SW_NOT_FOUND and file_id != _MASTER_FILE:
                return None
            available = _available(response, name)
        size = self._size(available, name)
        content = b""
        while len(content) < size:
            length = min(self._max_response, size - len(content))
            response = self._send(READ_BINARY, le=length, offset=len(content))
            part = _checked(response, name)
            if not 0 < len(part) <= length:
                raise CardError(tr("the card gave only a part of {name}", name=name))
            content += part
        return content

    def _size(self, available: int, name: str) -> int:
        """What the parameters of the file selected last say: ``85``{size, identifier, type}."""
        if available == 0:
            raise CardError(tr("the card gave no size for {name}", name=name))
        answer = _checked(self._send(GET_RESPONSE, le=available), name)
        parameters = tlv.find(tlv.parse(answer), _PARAMETERS)
        if parameters is None or len(parameters.value) < 2:
            raise CardError(tr("the card's parameters of {name} make no sense", name=name))
        size = int.from_bytes(parameters.value[:2], "big")
        if size > MAX_FILE_BYTES:
            raise CardError(
                tr(
                    "a file of {size:,} bytes: the limit is {max_file_bytes:,}",
                    size=size,
                    max_file_bytes=MAX_FILE_BYTES,
                )
            )
        return size

    def _send(
        self, ins: int, data: bytes = b"", le: int | None = None, offset: int = 0
    ) -> ResponseApdu:
        return self._channel.send(CommandApdu(_CLASS, ins, offset >> 8, offset & 0xFF, data, le))


def _available(response: ResponseApdu, name: str) -> int:
    """How many bytes of parameters a SELECT announces."""
    if response.sw >> 8 == 0x9F:
        return response.sw & 0xFF
    _checked(response, name)
    return 0


def _checked(response: ResponseApdu, name: str) -> bytes:
    if response.sw in (_SW_PIN_WANTED, SW_PIN_REQUIRED):
        raise PinRequiredError(
            tr("the card wants its PIN before it gives {name}", name=name),
            advice=tr("verify the PIN; a reset, or another program, also makes the card forget it"),
        )
    if response.sw != SW_OK:
        meaning = _NAMES.get(response.sw) or status_name(response.sw)
        raise CardStatusError(
            tr(
                "the card refused to give {name}: {sw:04X}, {meaning}",
                name=name,
                sw=response.sw,
                meaning=meaning,
            ),
            status_word=response.sw,
        )
    return response.data

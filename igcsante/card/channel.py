"""From command APDUs to whole answers: 61xx, 6Cxx, GET RESPONSE and command chaining.

ISO/IEC 7816-4 §5.3.4 and ISO/IEC 7816-3 §12.2; the chunk sizes are the cards' (card.md §7).
"""

from __future__ import annotations

from dataclasses import replace

from ..errors import CardError, CardStatusError
from ..messages import tr
from .apdu import (
    GET_RESPONSE,
    MAX_LE,
    SW_END_OF_FILE,
    SW_OK,
    CommandApdu,
    ResponseApdu,
    chain,
    status_name,
)
from .transport import Transport

MAX_ANSWER = 4096
MAX_ROUNDS = 32


class Channel:
    """Commands to one card application.

    ``max_response`` is how many bytes the card gives in one answer.
    """

    def __init__(self, transport: Transport, max_response: int) -> None:
        self._transport = transport
        self._max_response = max_response

    def send(self, command: CommandApdu) -> ResponseApdu:
        """Send a command and collect its whole answer.

        61xx counts as success when the command wants no data. Raises CardError when the
        card answers without end, or more than it may.
        """
        response = self._exchange(command)
        if response.sw >> 8 == 0x6C and command.le is not None and not command.data:
            response = self._exchange(replace(command, le=response.sw & 0xFF or MAX_LE))
        if response.sw >> 8 != 0x61:
            return response
        if command.le is None:
            return ResponseApdu(b"", SW_OK)
        return self._collect(command, response)

    def send_chained(self, command: CommandApdu, data: bytes) -> ResponseApdu:
        """Send ``command`` with ``data`` of any length. Stops at the first refusal."""
        response = ResponseApdu(b"", SW_OK)
        for part in chain(command, data):
            response = self.send(part)
            if not response.ok:
                break
        return response

    def _collect(self, command: CommandApdu, response: ResponseApdu) -> ResponseApdu:
        data = response.data
        for _ in range(MAX_ROUNDS):
            length = min(response.sw & 0xFF or MAX_LE, self._max_response)
            # GET RESPONSE goes out with the class, hence the channel, of its command.
            fetch = CommandApdu(command.cla, GET_RESPONSE, 0, 0, le=length)
            response = self._exchange(fetch)
            if response.sw >> 8 == 0x6C:
                response = self._exchange(replace(fetch, le=response.sw & 0xFF or MAX_LE))
            data += response.data
            if len(data) > MAX_ANSWER:
                break
            if response.sw >> 8 != 0x61:
                sw = SW_OK if response.sw == SW_END_OF_FILE else response.sw
                return ResponseApdu(data, sw)
        raise CardError(tr("the card's answer has no end"))

    def _exchange(self, command: CommandApdu) -> ResponseApdu:
        data, sw = self._transport.transmit(command.encode(self._transport.protocol))
        if len(data) > MAX_LE:
            raise CardError(
                tr(
                    "the card gave {count} bytes at once: {max_le} is the most",
                    count=len(data),
                    max_le=MAX_LE,
                )
            )
        return ResponseApdu(data, sw)


def checked(response: ResponseApdu, what: str) -> bytes:
    """The data of a successful answer.

    Raises CardStatusError, which says ``what`` the card refused.
    """
    if not response.ok:
        raise CardStatusError(
            tr(
                "the card refused {what}: {sw:04X}, {sw_2}",
                what=what,
                sw=response.sw,
                sw_2=status_name(response.sw),
            ),
            status_word=response.sw,
        )
    return response.data

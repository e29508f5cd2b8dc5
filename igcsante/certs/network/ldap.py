"""CRLs out of an LDAP directory: one entry, one attribute (RFC 4516 URLs, RFC 4511 messages).

IGC-Santé publishes its delta CRLs in LDAP only (pki.md §2). What that needs is one search
request of base scope, without bind, and its answer; both are made here on the octets, so
that size and time are bounded before anything is kept.
"""

from __future__ import annotations

import socket
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from urllib.parse import unquote_to_bytes

from ...errors import NetworkError, TimeoutExceededError
from ...messages import reason_of, tr
from ...steps import step
from ..load import MAX_CRL_BYTES
from ..x509 import der
from .access import Access
from .exchange import DEFAULT_SECONDS, Deadline

_ATTRIBUTES = frozenset({"certificaterevocationlist", "deltarevocationlist"})
_MAX_MESSAGES = 16
_OVERHEAD = 64 * 1024
_CHUNK = 64 * 1024

# RFC 4511 §4.1.1, §4.2 to §4.5: the tags of protocolOp.
_SEARCH, _ENTRY, _DONE, _REFERENCE, _UNBIND = 0x63, 0x64, 0x65, 0x73, 0x42
_ENUMERATED, _BOOLEAN, _SET, _PRESENT = 0x0A, 0x01, 0x31, 0x87
_RESULTS = {  # RFC 4511 §4.1.9, those that a reader may do something about
    3: tr("its time limit is passed"),
    4: tr("its size limit is passed"),
    8: tr("it wants a password"),
    10: tr("it refers to another server"),
    32: tr("there is no such entry"),
    50: tr("it refuses access"),
    51: tr("it is busy"),
    52: tr("it is unavailable"),
}


@dataclass(frozen=True)
class LdapUrl:
    """What an RFC 4516 URL of a list says: entry and attribute."""

    url: str
    entry: bytes
    attribute: str


def parse_ldap_url(url: str) -> LdapUrl:
    """The entry and attribute of an ``ldap://`` URL of a list. Raises NetworkError.

    Base scope, one attribute (``certificateRevocationList`` or ``deltaRevocationList``, with
    or without ``;binary``), no critical extension. The filter is not sent: the entry is named.
    """
    path = url.partition("://")[2].partition("/")[2]
    entry, attributes, scope, _, extensions = (*path.split("?"), "", "", "", "")[:5]
    name = attributes.lower()
    wrong = ""
    if name.partition(";")[0] not in _ATTRIBUTES or name.partition(";")[2] not in ("", "binary"):
        wrong = tr("it asks for another attribute than a list's, or for several")
    elif scope.lower() not in ("", "base"):
        wrong = tr("it asks for more than one entry")
    elif any(part.startswith("!") for part in extensions.split(",")):
        wrong = tr("it has a critical extension")
    elif path.count("?") > 4:
        wrong = tr("it has too many parts")
    if wrong:
        raise NetworkError(tr("{url}: not the address of a list: {wrong}", url=url, wrong=wrong))
    return LdapUrl(url, unquote_to_bytes(entry), attributes)


def fetch_ldap(
    url: str,
    allowed: Access | Iterable[str],
    *,
    limit: int = MAX_CRL_BYTES,
    timeout: float = DEFAULT_SECONDS,
) -> bytes:
    """The list that an LDAP URL names: at most ``limit`` octets, ``timeout`` seconds in all.

    Raises NetworkError (host not allowed, unreachable, no such list, several of them, an
    answer that is no LDAP or too large) or TimeoutExceededError.
    """
    access = Access.of(allowed)
    target = access.target(url)
    wanted = parse_ldap_url(url)
    try:
        with Deadline(timeout) as deadline:
            connection = access.connect(target, timeout)
            deadline.watch(lambda: connection)
            with connection:
                connection.sendall(_search_request(wanted, timeout))
                values = _answer(_Messages(connection, deadline, url, limit + _OVERHEAD), wanted)
                connection.sendall(_message(2, _tlv(_UNBIND, b"")))
        step("network", "LDAP {host}: {count} values", host=target.host, count=len(values))
    except OSError as error:
        if deadline.passed or isinstance(error, TimeoutError):
            raise TimeoutExceededError(
                tr("{url}: no answer within {timeout:g} s", url=url, timeout=timeout)
            ) from None
        raise NetworkError(tr("{url}: {why}", url=url, why=reason_of(error))) from None
    except ValueError:
        raise NetworkError(tr("{url}: the server's answer is no LDAP", url=url)) from None
    if len(values) != 1:
        count = tr("several lists") if values else tr("no list")
        raise NetworkError(tr("{url}: the directory's entry has {count}", url=url, count=count))
    if len(values[0]) > limit:
        raise NetworkError(tr("{url}: larger than {limit:,} bytes", url=url, limit=limit))
    return values[0]


def _search_request(wanted: LdapUrl, timeout: float) -> bytes:
    """RFC 4511 §4.5.1: base object, any entry, one attribute, at most one answer."""
    parts = (
        _tlv(der.OCTET_STRING, wanted.entry),
        _tlv(_ENUMERATED, b"\x00"),  # baseObject
        _tlv(_ENUMERATED, b"\x00"),  # neverDerefAliases
        _tlv(der.INTEGER, b"\x01"),
        _tlv(der.INTEGER, bytes([max(1, min(int(timeout), 127))])),
        _tlv(_BOOLEAN, b"\x00"),
        _tlv(_PRESENT, b"objectClass"),
        _tlv(der.SEQUENCE, _tlv(der.OCTET_STRING, wanted.attribute.encode())),
    )
    return _message(1, _tlv(_SEARCH, b"".join(parts)))


def _answer(messages: _Messages, wanted: LdapUrl) -> list[bytes]:
    """The values of the attribute. Raises NetworkError for a result that is no success."""
    values: list[bytes] = []
    for tag, content in messages.of(1):
        if tag == _ENTRY:
            values += _values(content, wanted.attribute)
        elif tag == _DONE:
            (kind, _, start, end), *_ = der.children(content, 0, len(content), 1)
            code = int.from_bytes(content[start:end])
            if kind != _ENUMERATED or code != 0:
                told = _RESULTS.get(code, tr("it answered {code}", code=code))
                raise NetworkError(
                    tr("{url}: the directory has no list: {told}", url=wanted.url, told=told)
                )
            return values
        elif tag != _REFERENCE:  # references are never followed
            raise ValueError("not an answer to a search")
    raise ValueError("the answer has no end")


def _values(entry: bytes, attribute: str) -> list[bytes]:
    """Of a SearchResultEntry (§4.5.2): the values of ``attribute``, whatever its options."""
    base = attribute.lower().partition(";")[0]
    _, (_, _, start, end) = der.children(entry, 0, len(entry), 2)
    found: list[bytes] = []
    for _, _, inside, stop in der.children(entry, start, end, 16):
        kind, values = der.children(entry, inside, stop, 2)
        name = entry[kind[2] : kind[3]].decode("ascii").lower()
        if name.partition(";")[0] == base and values[0] == _SET:
            found += [entry[a:b] for _, _, a, b in der.children(entry, values[2], values[3], 2)]
    return found


class _Messages:
    """The messages that come over a connection, each whole, together within a bound."""

    def __init__(self, connection: socket.socket, deadline: Deadline, url: str, limit: int) -> None:
        self._connection = connection
        self._deadline = deadline
        self._url = url
        self._left = limit

    def of(self, number: int) -> Iterator[tuple[int, bytes]]:
        """(tag, content) of the operations with that message ID. Raises ValueError, OSError."""
        for _ in range(_MAX_MESSAGES):
            content = self._next()
            (kind, _, start, end), (tag, _, inside, stop) = der.children(
                content, 0, len(content), 2
            )
            if kind != der.INTEGER or int.from_bytes(content[start:end]) != number:
                raise ValueError("a message that nobody asked for")
            yield tag, content[inside:stop]
        raise ValueError("too many messages")

    def _next(self) -> bytes:
        head = self._read(2)
        if head[0] != der.SEQUENCE or head[1] == 0x80 or head[1] > 0x84:
            raise ValueError("not an LDAP message")
        if head[1] & 0x80 == 0:
            return self._read(head[1])
        return self._read(int.from_bytes(self._read(head[1] & 0x7F)))

    def _read(self, count: int) -> bytes:
        self._left -= count
        if self._left < 0:
            raise NetworkError(tr("{url}: the directory's answer is too large", url=self._url))
        received = bytearray()
        while len(received) < count:
            if self._deadline.passed:
                raise TimeoutError
            chunk = self._connection.recv(min(_CHUNK, count - len(received)))
            if not chunk:
                raise (
                    TimeoutError
                    if self._deadline.passed
                    else ConnectionResetError(
                        104, "the directory hung up before the whole list came"
                    )
                )
            received += chunk
        return bytes(received)


def _message(number: int, operation: bytes) -> bytes:
    return _tlv(der.SEQUENCE, _tlv(der.INTEGER, bytes([number])) + operation)


def _tlv(tag: int, content: bytes) -> bytes:
    size = len(content)
    if size < 0x80:
        return bytes([tag, size]) + content
    octets = size.to_bytes((size.bit_length() + 7) // 8)
    return bytes([tag, 0x80 | len(octets)]) + octets + content

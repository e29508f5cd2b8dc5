"""Fetching CRLs over HTTP: from named hosts only, within a size and a total time.

The address comes out of a certificate, so it is not to be believed: no redirection is
followed, no proxy setting of the environment is read, and only the hosts that the
configuration names are contacted.
"""

from __future__ import annotations

import contextlib
import http.client
import socket
import ssl
import threading
import time
from collections.abc import Iterable
from urllib.parse import SplitResult, urlsplit

from .. import __version__
from ..errors import IgcError, NetworkError, TimeoutExceededError
from .load import MAX_CRL_BYTES

DEFAULT_SECONDS = 30.0
_DEFAULT_PORTS = {"http": 80, "https": 443}
_CHUNK = 64 * 1024


class CrlFetcher:
    """Fetches each address once. ``allowed_hosts`` are ``host`` or ``host:port``."""

    def __init__(
        self,
        allowed_hosts: Iterable[str],
        *,
        limit: int = MAX_CRL_BYTES,
        timeout: float = DEFAULT_SECONDS,
    ) -> None:
        self._allowed_hosts = frozenset(allowed_hosts)
        self._limit = limit
        self._timeout = timeout
        self._answers: dict[str, bytes | IgcError] = {}

    def fetch(self, url: str) -> bytes:
        """The body. Raises NetworkError or TimeoutExceededError, the same when asked again."""
        if url not in self._answers:
            try:
                self._answers[url] = fetch(
                    url, self._allowed_hosts, limit=self._limit, timeout=self._timeout
                )
            except (NetworkError, TimeoutExceededError) as error:
                self._answers[url] = error
        answer = self._answers[url]
        if isinstance(answer, IgcError):
            raise answer
        return answer


def fetch(
    url: str,
    allowed_hosts: Iterable[str],
    *,
    limit: int = MAX_CRL_BYTES,
    timeout: float = DEFAULT_SECONDS,
) -> bytes:
    """GET ``url``: at most ``limit`` octets, within ``timeout`` seconds in all.

    Raises NetworkError (host not allowed, unreachable, any answer but 200, too large) or
    TimeoutExceededError.
    """
    parts = _allowed(url, frozenset(host.lower() for host in allowed_hosts))
    connection = _connection(parts, timeout)
    path = parts.path or "/"
    target = f"{path}?{parts.query}" if parts.query else path
    with contextlib.closing(connection), _Deadline(connection, timeout) as deadline:
        try:
            headers = {"User-Agent": f"igcsante/{__version__}", "Accept-Encoding": "identity"}
            connection.request("GET", target, headers=headers)
            with connection.getresponse() as response:
                if response.status != http.HTTPStatus.OK:
                    raise NetworkError(f"{url}: the server answered {response.status}")
                body = _read(response, limit, deadline)
        except (OSError, http.client.HTTPException) as error:
            if deadline.passed or isinstance(error, TimeoutError):
                raise TimeoutExceededError(f"{url}: no answer within {timeout:g} s") from None
            raise NetworkError(f"{url}: {_plain(error)}") from None
    if deadline.passed:
        raise TimeoutExceededError(f"{url}: not complete within {timeout:g} s")
    if body is None:
        raise NetworkError(f"{url}: larger than {limit:,} bytes")
    return body


def _allowed(url: str, allowed_hosts: frozenset[str]) -> SplitResult:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise NetworkError(f"{url!r} is not an address") from None
    host = (parts.hostname or "").lower()
    if parts.scheme not in _DEFAULT_PORTS or not host or parts.username is not None:
        raise NetworkError(f"{url!r} is not an http address that is fetched")
    if not url.isascii() or any(character <= " " or character == "\x7f" for character in url):
        raise NetworkError(f"{url!r} has characters that no address has")
    default = _DEFAULT_PORTS[parts.scheme]
    shown = f"[{host}]" if ":" in host else host
    port = default if port is None else port
    named = {f"{shown}:{port}"} | ({shown} if port == default else set())
    if not named & allowed_hosts:
        raise NetworkError(
            f"{url}: the host is not among those that may be contacted",
            advice="name it in http_hosts of the profile if it should be",
        )
    return parts


def _connection(parts: SplitResult, timeout: float) -> http.client.HTTPConnection:
    assert parts.hostname is not None  # noqa: S101 - _allowed has checked it
    if parts.scheme == "https":
        context = ssl.create_default_context()
        return http.client.HTTPSConnection(
            parts.hostname, parts.port, timeout=timeout, context=context
        )
    return http.client.HTTPConnection(parts.hostname, parts.port, timeout=timeout)


class _Deadline:
    """Cuts a connection after so many seconds: a socket's own limit starts anew at each octet."""

    def __init__(self, connection: http.client.HTTPConnection, seconds: float) -> None:
        self._connection = connection
        self._end = time.monotonic() + seconds
        self._timer = threading.Timer(seconds, self._cut)
        self._timer.daemon = True

    @property
    def passed(self) -> bool:
        return time.monotonic() >= self._end

    def __enter__(self) -> _Deadline:
        self._timer.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()

    def _cut(self) -> None:
        if self._connection.sock is not None:
            with contextlib.suppress(OSError):
                self._connection.sock.shutdown(socket.SHUT_RDWR)


def _read(response: http.client.HTTPResponse, limit: int, deadline: _Deadline) -> bytes | None:
    """The body, or None when it is longer than ``limit``. Raises IncompleteRead, TimeoutError."""
    if response.length is not None and response.length > limit:
        return None
    body = bytearray()
    while chunk := response.read(min(_CHUNK, limit + 1 - len(body))):
        body += chunk
        if deadline.passed:  # a fast sender can keep the cutting thread from running
            raise TimeoutError
        if len(body) > limit:
            return None
    if response.length:
        raise http.client.IncompleteRead(bytes(body), response.length)
    return bytes(body)


def _plain(error: Exception) -> str:
    if isinstance(error, http.client.IncompleteRead):
        return "the connection ended before the whole list came"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error) or type(error).__name__

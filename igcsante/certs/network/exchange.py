"""One HTTP request and its answer: to a checked address, within a size and a total time.

Redirections are not followed. What arrives is kept as it arrives, so that a transfer that
breaks can be resumed (:mod:`.fetch`).
"""

from __future__ import annotations

import contextlib
import http.client
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from email.message import Message
from typing import Any

from ... import __version__
from ...errors import NetworkError, TimeoutExceededError
from ...messages import reason_of, tr
from ...steps import step
from .access import Access, Target
from .proxy import PROXY_AUTHENTICATION_REQUIRED, login_wanted

DEFAULT_SECONDS = 30.0
_CHUNK = 64 * 1024
_TUNNEL_REFUSED = f"Tunnel connection failed: {PROXY_AUTHENTICATION_REQUIRED}"  # by http.client


class Deadline:
    """So many seconds for all: a socket's own limit starts anew at each octet.

    When they are over, the connection that :meth:`watch` was told of is cut.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._end = time.monotonic() + seconds
        self._socket: Callable[[], socket.socket | None] = lambda: None
        self._timer = threading.Timer(seconds, self._cut)
        self._timer.daemon = True

    @property
    def remaining(self) -> float:
        return max(0.0, self._end - time.monotonic())

    @property
    def passed(self) -> bool:
        return time.monotonic() >= self._end

    def watch(self, find: Callable[[], socket.socket | None]) -> None:
        """Cut the socket that ``find`` gives when the time is over."""
        self._socket = find

    def __enter__(self) -> Deadline:
        self._timer.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()

    def _cut(self) -> None:
        found = self._socket()
        if found is not None:
            with contextlib.suppress(OSError):
                found.shutdown(socket.SHUT_RDWR)


class BrokenTransferError(Exception):
    """The connection broke, or the server asks to come back: worth another try.

    ``wait`` is how many seconds the server asks for.
    """

    def __init__(self, message: str, wait: float | None = None) -> None:
        super().__init__(message)
        self.wait = wait


@dataclass(frozen=True)
class Request:
    """What is asked; a ``body`` makes it a POST."""

    target: Target
    headers: Mapping[str, str]
    body: bytes | None = None


@contextlib.contextmanager
def exchange(request: Request, access: Access, deadline: Deadline) -> Iterator[Answer]:
    """Send the request; the answer's body is read inside the ``with``.

    Raises NetworkError, TimeoutExceededError or BrokenTransferError, also for what happens
    inside.
    """
    url = request.target.url
    connection = _connection(request.target, access, deadline)
    deadline.watch(lambda: connection.sock)
    try:
        with contextlib.closing(connection):
            method = "GET" if request.body is None else "POST"
            headers = {
                "User-Agent": f"igcsante/{__version__}",
                "Accept-Encoding": "identity",
                "Connection": "close",
                **_to_the_proxy(request.target, access),
                **request.headers,
            }
            connection.request(method, _path(request.target, access), request.body, headers)
            with connection.getresponse() as response:
                host, status = request.target.host, response.status
                step(
                    "network",
                    "{method} {host}: HTTP {status}",
                    method=method,
                    host=host,
                    status=status,
                )
                if access.proxy and response.status == PROXY_AUTHENTICATION_REQUIRED:
                    raise login_wanted(access.proxy, access.proxy_login)
                yield Answer(url, response, deadline)
    except (OSError, http.client.HTTPException) as error:
        if access.proxy and str(error).startswith(_TUNNEL_REFUSED):
            raise login_wanted(access.proxy, access.proxy_login) from None
        if deadline.passed or isinstance(error, TimeoutError):
            raise TimeoutExceededError(
                tr("{url}: no answer within {seconds:g} s", url=url, seconds=deadline.seconds)
            ) from None
        if isinstance(error, ConnectionResetError | BrokenPipeError | http.client.IncompleteRead):
            raise BrokenTransferError(
                tr("{url}: {error}", url=url, error=_in_words(error))
            ) from None
        raise NetworkError(tr("{url}: {error}", url=url, error=_in_words(error))) from None
    if deadline.passed:
        raise TimeoutExceededError(
            tr("{url}: not complete within {seconds:g} s", url=url, seconds=deadline.seconds)
        )


class Answer:
    """Status, headers, and a body that is still to be read."""

    def __init__(self, url: str, response: http.client.HTTPResponse, deadline: Deadline) -> None:
        self._url = url
        self._response = response
        self._deadline = deadline
        self.status = response.status
        self.headers: Message = response.msg
        self.length: int | None = response.length

    def read_into(self, body: bytearray, limit: int) -> None:
        """Append the body to ``body``, which keeps what came when the connection breaks.

        Raises NetworkError when it gets longer than ``limit``, and what :func:`exchange`
        turns into its own errors.
        """
        if (self.headers.get("Content-Encoding") or "identity").lower() != "identity":
            raise NetworkError(tr("{url}: the server sent it compressed, unasked", url=self._url))
        too_large = NetworkError(
            tr("{url}: larger than {limit:,} bytes", url=self._url, limit=limit)
        )
        if self.length is not None and len(body) + self.length > limit:
            raise too_large
        try:
            while chunk := self._response.read(min(_CHUNK, limit + 1 - len(body))):
                body += chunk
                if self._deadline.passed:  # a fast sender can keep the cutting thread waiting
                    raise TimeoutError
                if len(body) > limit:
                    raise too_large
        except http.client.IncompleteRead as error:
            body += error.partial
            raise
        if self._response.length:
            raise http.client.IncompleteRead(b"", self._response.length)


def _connection(target: Target, access: Access, deadline: Deadline) -> http.client.HTTPConnection:
    host, port = access.proxy or (target.host, target.port)
    connection: http.client.HTTPConnection
    if target.scheme == "https":
        connection = http.client.HTTPSConnection(
            host, port, timeout=deadline.remaining, context=ssl.create_default_context()
        )
        if access.proxy:
            login = access.proxy_login
            connection.set_tunnel(target.host, target.port, login.headers() if login else {})
    else:
        connection = http.client.HTTPConnection(host, port, timeout=deadline.remaining)

    def connect(*_: Any) -> socket.socket:
        return access.connect(target, deadline.remaining)

    connection._create_connection = connect  # type: ignore[attr-defined]
    return connection


def _to_the_proxy(target: Target, access: Access) -> dict[str, str]:
    """What the proxy is told along with a request that it reads; in a tunnel it reads none."""
    if not access.proxy or not access.proxy_login or target.scheme != "http":
        return {}
    return access.proxy_login.headers()


def _path(target: Target, access: Access) -> str:
    return target.url if access.proxy and target.scheme == "http" else target.path


def _in_words(error: Exception) -> str:
    if isinstance(error, http.client.IncompleteRead):
        return tr("the connection ended before the whole list came")
    if isinstance(error, OSError) and error.strerror:
        return reason_of(error)
    return str(error) or type(error).__name__

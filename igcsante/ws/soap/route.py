"""The way to a host: straight there, or by an HTTP proxy that is asked for a tunnel.

CONNECT is RFC 9110 §9.3.6. The proxy learns host and port, and carries TLS that it can't read.
Only a proxy that was named is used, never one of the environment.
"""

from __future__ import annotations

import re
import socket
import time
from dataclasses import dataclass

from ...certs.network.access import resolved
from ...certs.network.proxy import PROXY_AUTHENTICATION_REQUIRED, ProxyLogin, login_wanted
from ...errors import NetworkError, TimeoutExceededError
from ...messages import reason_of, tr

MAX_PROXY_ANSWER = 16 * 1024  # bytes
_STATUS_LINE = re.compile(rb"HTTP/1\.[01] (\d{3})\b")
_CHECK = tr("check the platform's address and the network")


class Deadline:
    """So many seconds for all that follows."""

    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds

    def left(self) -> float:
        """How many are left. Raises TimeoutError when there are none."""
        left = self._end - time.monotonic()
        if left <= 0:
            raise TimeoutError
        return left


@dataclass(frozen=True)
class Route:
    """To ``host`` and ``port``, by ``proxy`` (host, port) if there is one.

    ``proxy_login`` is what it is told, when it wants to know who asks.
    """

    host: str
    port: int
    proxy: tuple[str, int] | None = None
    proxy_login: ProxyLogin | None = None

    def open(self, seconds: float) -> socket.socket:
        """A connection that leads to the host, within so many seconds.

        Raises NetworkError, TimeoutExceededError.
        """
        name, port = self.proxy or (self.host, self.port)
        shown = tr("the proxy {name}:{port}", name=name, port=port) if self.proxy else self.host
        deadline = Deadline(seconds)
        try:
            connection = _connected(name, port, deadline)
            if self.proxy:
                try:
                    self._ask_for_tunnel(connection, deadline)
                except BaseException:
                    connection.close()
                    raise
        except (TimeoutError, TimeoutExceededError):
            raise TimeoutExceededError(
                tr(
                    "{shown} could not be reached within {seconds:g} s",
                    shown=shown,
                    seconds=seconds,
                ),
                advice=_CHECK,
            ) from None
        except socket.gaierror as error:
            raise NetworkError(
                tr("the name {name} can't be resolved: {why}", name=name, why=reason_of(error)),
                advice=_CHECK,
            ) from None
        except OSError as error:
            raise NetworkError(
                tr("{shown} can't be reached: {why}", shown=shown, why=reason_of(error)),
                advice=_CHECK,
            ) from None
        return connection

    def _ask_for_tunnel(self, connection: socket.socket, deadline: Deadline) -> None:
        host = f"[{self.host}]" if ":" in self.host else self.host
        headers = {"Host": f"{host}:{self.port}"}
        if self.proxy_login:
            headers |= self.proxy_login.headers()
        lines = (f"{name}: {value}\r\n" for name, value in headers.items())
        request = f"CONNECT {host}:{self.port} HTTP/1.1\r\n{''.join(lines)}\r\n"
        connection.settimeout(deadline.left())
        connection.sendall(request.encode("ascii"))
        status = _STATUS_LINE.match(_head(connection, deadline))
        code = int(status[1]) if status else 0
        if 200 <= code < 300:
            return
        name, port = self.proxy or ("", 0)
        proxy = tr("the proxy {name}:{port}", name=name, port=port)
        if code == PROXY_AUTHENTICATION_REQUIRED:
            raise login_wanted(self.proxy or ("", 0), self.proxy_login)
        if code == 403:
            raise NetworkError(
                tr(
                    "{proxy} doesn't let {host}:{port} through (HTTP 403)",
                    proxy=proxy,
                    host=host,
                    port=self.port,
                ),
                advice=tr("ask those who run it to allow that host and port"),
            )
        if code >= 500:
            raise NetworkError(
                tr(
                    "{proxy} can't reach {host}:{port} (HTTP {code})",
                    proxy=proxy,
                    host=host,
                    port=self.port,
                    code=code,
                )
            )
        raise NetworkError(
            tr("{proxy} opens no tunnel (HTTP {code})", proxy=proxy, code=code)
            if code
            else tr("{proxy} opens no tunnel", proxy=proxy),
            advice=tr("is that the address of an HTTP proxy?"),
        )


def _connected(host: str, port: int, deadline: Deadline) -> socket.socket:
    failure: OSError | None = None
    addresses = resolved(host, port, deadline.left())
    for tried, address in enumerate(addresses):
        share = deadline.left() / (len(addresses) - tried)  # one that is silent leaves some over
        try:
            connection = socket.create_connection((address, port), timeout=share)
        except OSError as error:
            failure = failure or error
            continue
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection
    raise failure or OSError(f"{host} has no address")


def _head(connection: socket.socket, deadline: Deadline) -> bytes:
    """A proxy's answer, octet by octet: what follows it belongs to TLS."""
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        connection.settimeout(deadline.left())
        octet = connection.recv(1)
        if not octet:
            raise ConnectionResetError("it hung up")
        head += octet
        if len(head) > MAX_PROXY_ANSWER:
            raise OSError("it says too much")
    return head

"""Servers that don't behave: bytes as a test says them, over real TLS or plain TCP."""

from __future__ import annotations

import contextlib
import select
import socket
import ssl
import struct
import threading
from collections.abc import Callable
from typing import Any, Self

SECONDS = 20  # before a server gives up on a client: nothing should take that long


class Server:
    """Accepts on loopback; ``serve`` has each connection to itself, in a thread."""

    def __init__(self, serve: Callable[[Any], None] = lambda connection: None) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port: int = self._listener.getsockname()[1]
        self.serve = serve
        self.connections = 0
        self.stopping = threading.Event()
        self._open: set[socket.socket] = set()
        self._threads = [threading.Thread(target=self._accept)]

    def __enter__(self) -> Self:
        self._threads[0].start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.stopping.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._threads[0].join()
        for connection in list(self._open):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in self._threads[1:]:
            thread.join()
        self._listener.close()

    def _accept(self) -> None:
        while not self.stopping.is_set():
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            self._open.add(connection)
            self._threads.append(threading.Thread(target=self._handle, args=(connection,)))
            self._threads[-1].start()

    def _handle(self, plain: socket.socket) -> None:
        plain.settimeout(SECONDS)
        with contextlib.suppress(OSError, ValueError), contextlib.closing(plain):
            self.talk(plain)

    def talk(self, plain: socket.socket) -> None:
        self.serve(plain)


class TlsServer(Server):
    """``answer(connection, body)`` is called for each HTTP request, until it hangs up."""

    def __init__(self, server_file: Any, answer: Callable[[Any, bytes], None]) -> None:
        super().__init__()
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(server_file)
        self.answer = answer
        self.requests: list[bytes] = []
        self.reused: list[bool] = []

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.port}/pfc-mock/services/Pfc/soap/v1"

    def talk(self, plain: socket.socket) -> None:
        connection = self.context.wrap_socket(plain, server_side=True)
        self._open.add(connection)
        with contextlib.closing(connection):
            self.reused.append(bool(connection.session_reused))
            while body := read_request(connection):
                self.requests.append(body)
                self.answer(connection, body)


class Proxy(Server):
    """An HTTP proxy: says ``reply`` to CONNECT, and after a 200 carries bytes both ways."""

    def __init__(self, reply: bytes = b"HTTP/1.1 200 Connection established\r\n\r\n") -> None:
        super().__init__(self._tunnel)
        self.reply = reply
        self.asked: list[bytes] = []
        self.carried = bytearray()

    def _tunnel(self, client: socket.socket) -> None:
        asked = b""
        while not asked.endswith(b"\r\n\r\n"):
            asked += client.recv(1)
        self.asked.append(asked)
        client.sendall(self.reply)
        if b" 200 " in self.reply:
            self._carry(client, asked)

    def _carry(self, client: socket.socket, asked: bytes) -> None:
        host, _, port = asked.split()[1].decode().rpartition(":")
        with socket.create_connection((host, int(port)), timeout=SECONDS) as server:
            others = {client: server, server: client}
            while True:
                for ready in select.select(list(others), [], [], SECONDS)[0]:
                    data = ready.recv(65536)
                    if not data:
                        return
                    self.carried += data
                    others[ready].sendall(data)


def read_request(connection: Any) -> bytes:
    """The body of one HTTP request, empty at the end of the connection."""
    head = b""
    while b"\r\n\r\n" not in head:
        chunk = connection.recv(65536)
        if not chunk:
            return b""
        head += chunk
    head, _, body = head.partition(b"\r\n\r\n")
    lengths = [
        line.split(b":")[1] for line in head.split(b"\r\n") if line.lower().startswith(b"content-l")
    ]
    while len(body) < int(lengths[0]):
        body += connection.recv(65536)
    return body


def http(content: bytes | str, status: str = "200 OK", kind: str = "text/xml") -> bytes:
    """A whole HTTP answer."""
    data = content.encode() if isinstance(content, str) else content
    head = f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(data)}\r\n\r\n"
    return head.encode() + data


def reset(connection: Any) -> None:
    """Hang up as a crash does: RST, and no close_notify."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()

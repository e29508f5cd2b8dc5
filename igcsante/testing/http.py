"""HTTP servers on loopback for the simulated world: quiet, threaded, cleanly stopped.

The listening socket is made apart from the server, so that an address can be written into
certificates before anything is served there.
"""

from __future__ import annotations

import contextlib
import socket
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import unquote

from igcsante.errors import UsageError

from ..messages import reason_of, tr

LOOPBACK = "127.0.0.1"
IDLE_SECONDS = 60

# PEP 3333
Environ = dict[str, Any]
StartResponse = Callable[[str, list[tuple[str, str]]], object]
Application = Callable[[Environ, StartResponse], Iterable[bytes]]


def listen(port: int = 0) -> socket.socket:
    """A socket that listens on loopback. Raises UsageError when the port is taken."""
    try:
        return socket.create_server((LOOPBACK, port), backlog=64)
    except OSError as error:
        raise UsageError(
            tr(
                "port {port} of {loopback} can't be used: {why}",
                port=port,
                loopback=LOOPBACK,
                why=reason_of(error),
            ),
            advice=tr("another simulated world may be running; stop it or choose another port"),
        ) from None


class QuietHandler(BaseHTTPRequestHandler):
    """HTTP/1.1 with keep-alive; nothing is logged, idle connections are closed."""

    protocol_version = "HTTP/1.1"
    server_version = "igcsante-simulation"
    sys_version = ""
    timeout = IDLE_SECONDS
    disable_nagle_algorithm = True

    def log_message(self, *args: Any) -> None:
        pass

    def run_application(self, application: Application, **more: Any) -> None:
        """Answer this request with a WSGI application; ``more`` goes into its environ."""
        path, _, query = self.path.partition("?")
        environ = {
            "REQUEST_METHOD": self.command,
            "PATH_INFO": unquote(path, "iso-8859-1"),
            "QUERY_STRING": query,
            "CONTENT_TYPE": self.headers.get("Content-Type", ""),
            "CONTENT_LENGTH": self.headers.get("Content-Length", ""),
            "HTTP_HOST": self.headers.get("Host", ""),
            "wsgi.input": self.rfile,
            **more,
        }
        body = b"".join(application(environ, self._start_response))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _start_response(self, status: str, headers: list[tuple[str, str]]) -> None:
        code, _, reason = status.partition(" ")
        self.send_response(int(code), reason)
        for name, value in headers:
            self.send_header(name, value)
        if code.startswith("4"):  # the body may be unread: nothing more can follow
            self.send_header("Connection", "close")


class LoopbackServer(ThreadingHTTPServer):
    """A threaded HTTP server on a socket of :func:`listen`; a context manager."""

    daemon_threads = False
    block_on_close = True

    def __init__(self, listener: socket.socket, handler: type[QuietHandler]) -> None:
        super().__init__(listener.getsockname(), handler, bind_and_activate=False)
        self.socket.close()
        self.socket = listener
        self.port: int = listener.getsockname()[1]
        self._connections: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._stopping = False
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Serve in a thread of its own until :meth:`stop`."""
        self._thread = threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop serving, hang up on those connected, wait for their threads."""
        if self._thread is not None:
            self.shutdown()
            self._thread.join()
            self._thread = None
        with self._lock:
            self._stopping = True
            for connection in self._connections:
                _hang_up(connection)
        self.server_close()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.stop()

    @contextmanager
    def tracked(self, connection: socket.socket) -> Iterator[None]:
        """Hang up on ``connection`` too when the server stops."""
        with self._lock:
            self._connections.add(connection)
            if self._stopping:
                _hang_up(connection)
        try:
            yield
        finally:
            with self._lock:
                self._connections.discard(connection)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        with self.tracked(request):
            super().process_request_thread(request, client_address)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hangs up is no news; anything else is a defect and shows."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)


def _hang_up(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)

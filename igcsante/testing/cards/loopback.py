"""Listening sockets of another process, closed to the network.

vpcd binds its ports to every interface and has no setting for it: its configuration knows
``/dev/null:PORT``, which listens on 0.0.0.0, and ``HOST:PORT``, where vpcd connects to the
card, and in version 3.3 closes descriptors that aren't its own whenever nobody answers
there. So its sockets, once they listen, are bound to the loopback device from outside
(pidfd_getfd(2), Linux 5.6; SO_BINDTODEVICE of socket(7), for everyone since 5.7): the
kernel then refuses whoever comes from elsewhere.
"""

from __future__ import annotations

import ctypes
import os
import socket
from collections.abc import Collection, Iterator
from pathlib import Path

_PIDFD_GETFD = 438  # the same number on every architecture


def keep_to_loopback(pid: int, ports: Collection[int]) -> bool:
    """Bind the sockets with which the process ``pid`` listens on ``ports`` to loopback.

    Tells whether all of them were bound: False on a kernel that can't, or for a process
    that we may not trace.
    """
    bound = set()
    try:
        for listener in _listeners(pid):
            with listener:
                port = listener.getsockname()[1]
                if port in ports:
                    listener.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"lo\0")
                    bound.add(port)
    except (OSError, AttributeError):  # where Python or its system knows none of this
        return False
    return bound == set(ports)


def _listeners(pid: int) -> Iterator[socket.socket]:
    """Our own descriptors of the TCP sockets with which a process listens."""
    call = ctypes.CDLL(None, use_errno=True).syscall
    process = os.pidfd_open(pid)
    try:
        for link in Path(f"/proc/{pid}/fd").iterdir():
            if not str(link.readlink()).startswith("socket:"):
                continue
            descriptor = call(_PIDFD_GETFD, process, int(link.name), 0)
            if descriptor < 0:
                raise OSError(ctypes.get_errno(), "pidfd_getfd")
            found = socket.socket(fileno=descriptor)
            inet = found.family in (socket.AF_INET, socket.AF_INET6)
            if inet and found.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
                yield found
            else:
                found.close()
    finally:
        os.close(process)

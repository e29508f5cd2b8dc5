"""A private PC/SC service: pcscd with vpcd's two virtual readers, apart from the machine's.

For tests and demonstrations on Linux, with or without root. pcscd gets a socket that we
made (systemd's LISTEN_FDS protocol) and a configuration of its own; clients find it through
``PCSCLITE_CSOCK_NAME``. Measured in facts sheet feasibility.md part B.

What can't be had of these programs: vpcd's readers are there as long as their pcscd, which
neither adds nor drops a configured reader while it runs (pcscd 1.9.9 with udev ignores its
own ``--hotplug``), so a reader alone is never plugged or unplugged; and vpcd listens on all
interfaces, whatever its configuration says: see :mod:`.loopback` for what is done about it.
"""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Self

from ...errors import PcscUnavailableError
from ...messages import tr
from .folder import private_folder
from .loopback import keep_to_loopback

_DRIVERS = tuple(
    Path(folder, "pcsc/drivers/serial/libifdvpcd.so")
    for folder in ("/usr/lib", "/usr/lib64", "/usr/local/lib", "/usr/lib/x86_64-linux-gnu")
)
_INSTALL = "apt-get install -y pcscd vsmartcard-vpcd"
_MACHINE_FOLDER = Path("/run/pcscd")
_NOBODY = 65534
# Under Linux's ephemeral ports (32768 and up), so that no client socket sits there.
_PORTS = range(20000, 32000, 2)
_ATTEMPTS = 5
_START_SECONDS = 10.0
_STOP_SECONDS = 5.0
_POLL_SECONDS = 0.01


class PrivatePcscd:
    """A running pcscd, for the time of a ``with`` block.

    It ends with the thread that entered the block, however that ends. What a process that
    was killed left behind is removed by the next one.

    ``ports`` are those of its two virtual readers (vpcd takes two in a row); ``socket`` is
    where clients reach it; ``loopback_only`` tells whether the ports are closed to the
    network.
    """

    def __init__(self) -> None:
        self.ports = (0, 0)
        self.socket = Path()
        self.loopback_only = False
        self._resources = ExitStack()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def port(self) -> int:
        """The port of the first virtual reader."""
        return self.ports[0]

    def environment(self) -> dict[str, str]:
        """The variables that a client needs before it loads the PC/SC library."""
        return {"PCSCLITE_CSOCK_NAME": str(self.socket)}

    def __enter__(self) -> Self:
        """Start. Raises PcscUnavailableError, which says what to install."""
        _program(), _driver()
        reasons: list[str] = []
        for _ in range(_ATTEMPTS):
            with ExitStack() as resources:
                self.ports = resources.enter_context(_reserved_ports())
                folder = resources.enter_context(private_folder("igcsante-pcscd-"))
                self.socket = folder / "pcscd.comm"
                resources.callback(self._end, signal.SIGTERM)
                reason = self._start()
                if reason is None:
                    self._resources = resources.pop_all()
                    return self
                reasons.append(reason)
        raise _not_started(reasons[-1])

    def __exit__(self, *_: object) -> None:
        """Stop the service and remove its files."""
        self._resources.close()

    def crash(self) -> None:
        """Kill the service (SIGKILL): its clients and its cards are told nothing."""
        self._end(signal.SIGKILL)

    def restart(self) -> None:
        """Start it again after :meth:`crash`: same socket, same ports, no card inserted.

        Raises PcscUnavailableError.
        """
        reason = self._start()
        if reason is not None:
            raise _not_started(reason)

    def _start(self) -> str | None:
        """Start the service and wait for its readers: None, or why there are none."""
        folder = self.socket.parent
        _configure(folder / "config", _driver(), self.ports[0])
        with _listener(self.socket) as listener:
            self._process = _started(_program(), folder, listener)
        reason = _wait_listening(self._process, self.ports, folder / "log")
        self.loopback_only = reason is None and keep_to_loopback(self._process.pid, self.ports)
        return reason

    def _end(self, number: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is not None:
            _kill_group(process, number)


def _not_started(reason: str) -> PcscUnavailableError:
    return PcscUnavailableError(
        tr("a private pcscd did not start: {reason}", reason=reason),
        advice=tr(
            "check: {install}; mkdir -p {machine_folder} (both as root)",
            install=_INSTALL,
            machine_folder=_MACHINE_FOLDER,
        ),
    )


def _program() -> str:
    found = shutil.which("pcscd", path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin")
    if found is None:
        raise PcscUnavailableError(tr("pcscd is not installed"), advice=_INSTALL)
    return found


def _driver() -> Path:
    for path in _DRIVERS:
        if path.exists():
            return path
    raise PcscUnavailableError(tr("the vpcd driver is not installed"), advice=_INSTALL)


@contextmanager
def _reserved_ports() -> Iterator[tuple[int, int]]:
    """Two ports in a row that nobody has, kept from other runs of this code.

    The reservation is an abstract socket name: the kernel drops it with us, and it lives in
    the network namespace of the ports.
    """
    for port in random.sample(_PORTS, len(_PORTS)):
        with socket.socket(socket.AF_UNIX) as reservation:
            try:
                reservation.bind(f"\0igcsante-vpcd-{port}")
            except OSError:
                continue
            if _free(port) and _free(port + 1):
                yield port, port + 1
                return
    raise PcscUnavailableError(tr("no pair of free ports is left for the virtual readers"))


def _free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("0.0.0.0", port))  # noqa: S104 - where vpcd will listen
        except OSError:
            return False
    return True


@contextmanager
def _listener(path: Path) -> Iterator[socket.socket]:
    """A socket for the service alone: once it is dead, nobody keeps its clients waiting."""
    path.unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        path.chmod(0o600)
        listener.listen(16)
        yield listener


def _configure(folder: Path, driver: Path, port: int) -> None:
    folder.mkdir(exist_ok=True)
    (folder / "vpcd").write_text(
        'FRIENDLYNAME "Virtual PCD"\n'
        f"DEVICENAME /dev/null:0x{port:X}\n"
        f"LIBPATH {driver}\n"
        f"CHANNELID 0x{port:X}\n"
    )


def _started(pcscd: str, folder: Path, listener: socket.socket) -> subprocess.Popen[bytes]:
    # LISTEN_PID must be pcscd's own pid, which a shell knows before it becomes pcscd; the
    # socket comes as its standard input because a shell can't name descriptors over 9.
    become = "exec 3<&0 0</dev/null; LISTEN_FDS=1 LISTEN_PID=$$; export LISTEN_FDS LISTEN_PID; "
    command = [
        "/bin/sh", "-c", become + 'exec "$@"', "sh",
        *_isolation(), pcscd, "--foreground", "--error", "--config", str(folder / "config"),
    ]  # fmt: skip
    with (folder / "log").open("wb") as log:
        return subprocess.Popen(  # noqa: S603 - our own command line
            command, stdin=listener.fileno(), stdout=log, stderr=log, start_new_session=True
        )


def _isolation() -> list[str]:
    """What to put before pcscd so that the machine's own service is never touched.

    As root it would replace and remove the machine's pid file, so it runs as nobody. It
    wants its folder to exist: root makes it, as pcscd itself would; anyone else covers
    /run, in a namespace of pcscd's own. If we are killed it ends too.
    """
    mortal = ["setpriv", "--pdeathsig=TERM"]
    if os.geteuid() == 0:
        with contextlib.suppress(OSError):  # pcscd itself says what is wrong with it
            _MACHINE_FOLDER.mkdir(mode=0o755, exist_ok=True)
        return [*mortal, f"--reuid={_NOBODY}", f"--regid={_NOBODY}", "--clear-groups"]
    if _MACHINE_FOLDER.exists():
        return mortal
    cover = f'mount -t tmpfs tmpfs {_MACHINE_FOLDER.parent} && mkdir {_MACHINE_FOLDER} && exec "$@"'
    return ["unshare", "--mount", "--map-root-user", "/bin/sh", "-c", cover, "sh", *mortal]


def _wait_listening(
    process: subprocess.Popen[bytes], ports: tuple[int, int], log: Path
) -> str | None:
    """Wait until vpcd listens on both ports: None, or why it doesn't."""
    deadline = time.monotonic() + _START_SECONDS
    while not set(ports) <= _listening_ports():
        if process.poll() is not None:
            lines = log.read_text(errors="replace").strip().splitlines() or [tr("no message")]
            return tr(
                "it ended with code {returncode}: {lines}",
                returncode=process.returncode,
                lines=lines[-1],
            )
        if time.monotonic() > deadline:
            return tr(
                "nothing listened on ports {ports} within {start_seconds:g} s",
                ports=ports,
                start_seconds=_START_SECONDS,
            )
        time.sleep(_POLL_SECONDS)
    return None


def _listening_ports() -> set[int]:
    """The TCP ports that somebody listens on (proc(5), /proc/net/tcp; 0A is LISTEN)."""
    ports = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        with contextlib.suppress(OSError):
            for line in Path(table).read_text().splitlines()[1:]:
                _, address, _, state = line.split()[:4]
                if state == "0A":
                    ports.add(int(address.rpartition(":")[2], 16))
    return ports


def _kill_group(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, number)
    try:
        process.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()

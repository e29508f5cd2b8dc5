"""Readers: pyscard, the PC/SC service, whether we may use it, which readers, who holds them."""

from __future__ import annotations

import os
import re
import shutil
import socket
import stat
import sys
from collections.abc import Iterator
from pathlib import Path

from ..errors import CardAbsentError, CardBusyError, ExitCode, IgcError, PcscUnavailableError
from ..extras import how_to_install
from ..messages import joined, plural, reason_of, tr
from .check import Check, Context
from .finding import Finding, note, ok, problem, skipped, warning
from .holders import Program, Programs, Sharing, programs, sharing
from .masking import foreign, identity, place, reader, told
from .packages import output, package_of
from .requirements import installed

_SOCKET = Path("/run/pcscd/pcscd.comm")
_SYSTEMD = Path("/run/systemd/system")  # there while it runs the machine: sd_booted(3)
_SECURITY_VIOLATION = 0x8010006A  # SCARD_W_SECURITY_VIOLATION: polkit said no (pcsc-lite)
_SBIN = ":/usr/sbin:/usr/local/sbin"
_NO_CARDS = tr("cards can't be used; all else can")


def _library(_: Context) -> Iterator[Finding]:
    version = installed("pyscard")
    try:
        from smartcard import scard  # noqa: F401 - it loads the PC/SC library
    except ImportError:
        if version:
            yield warning(
                tr("pyscard {version} is there, but not the PC/SC library", version=version),
                tr("install it, on Debian: apt install libpcsclite1"),
            )
        else:
            yield warning(
                tr("pyscard is not installed: cards can't be used"),
                tr(
                    "{install}; on Debian, first: apt install libpcsclite-dev gcc python3-dev",
                    install=how_to_install("card"),
                ),
            )
        return
    yield ok(tr("pyscard {version}", version=version or "?"))
    path = _loaded()
    if path:
        package = package_of(path)
        version_of = package or tr("of an unknown version")
        yield ok(tr("{path}: {version}", path=place(path), version=version_of))


def _loaded() -> Path | None:
    """The PC/SC library that is loaded (Linux)."""
    try:
        maps = Path("/proc/self/maps").read_text("utf-8", "replace")
    except OSError:
        return None
    found = re.search(r"(/\S*/libpcsclite\.so\S*)", maps)
    return Path(found[1]) if found else None


def _service(context: Context) -> Iterator[Finding]:
    error = _reached(context)
    if sys.platform.startswith("linux"):
        yield from _linux_service(reached=error is None)
    if error is None:
        yield ok(tr("the PC/SC service answers"))
    elif _code(error) == _SECURITY_VIOLATION or _is_forbidden():
        yield ok(tr("the PC/SC service runs"))
    elif not isinstance(error.__cause__, ImportError):
        yield warning(
            tr("the PC/SC service can't be reached, so {consequence}", consequence=_NO_CARDS),
            _how_to_start(),
        )
    else:
        yield skipped(tr("it can't be asked without pyscard"), tr("see: igc doctor pcsc.library"))


def _how_to_start() -> str:
    if not sys.platform.startswith("linux"):
        return tr("start the system's service for smart cards")
    if _SYSTEMD.is_dir():
        return tr("start it: systemctl enable --now pcscd.socket")
    return tr("start it, as root: pcscd")


def _linux_service(*, reached: bool) -> Iterator[Finding]:
    program = shutil.which("pcscd", path=os.environ.get("PATH", "") + _SBIN)
    if program is None:
        yield note(
            tr("pcscd is not installed here"), tr("install it, on Debian: apt install pcscd")
        )
    else:
        version = re.search(r"version (\d+(?:\.\d+)*)", output(program, "--version"))
        yield ok(tr("pcscd {version} is installed", version=version[1] if version else "?"))
    if reached:
        return
    path = _socket_path()
    state = _socket_state(path)
    if state:
        yield note(tr("{path}: {state}", path=place(path), state=state))


def _socket_path() -> Path:
    return Path(os.environ.get("PCSCLITE_CSOCK_NAME") or _SOCKET)


def _is_forbidden() -> bool:
    """Whether the service's socket is there, and this user may not use it."""
    try:
        return sys.platform.startswith("linux") and not os.access(
            _socket_path().resolve(strict=True), os.R_OK | os.W_OK
        )
    except PermissionError:
        return True
    except OSError:
        return False


def _socket_state(path: Path) -> str:
    """What is wrong with the service's socket; "" when a program listens there."""
    try:
        if not stat.S_ISSOCK(path.stat().st_mode):
            return tr("that is no socket")
        with socket.socket(socket.AF_UNIX) as probe:
            probe.settimeout(1)
            probe.connect(str(path))
    except FileNotFoundError:
        return tr("there is no such socket: no service was started")
    except ConnectionRefusedError:
        return tr("nobody listens there: the service has died")
    except OSError as error:
        return reason_of(error)
    return ""


def unlisted(error: IgcError) -> Finding:
    """Why there are no readers to look at."""
    if isinstance(error, PcscUnavailableError):
        return skipped(tr("there is no PC/SC service to ask"), tr("see: igc doctor pcsc"))
    return skipped(tr("readers can't be listed: {why}", why=told(error)))


def _reached(context: Context) -> IgcError | None:
    """Why PC/SC can't be used, None when it can."""
    try:
        context.readers()
    except IgcError as error:
        return error
    return None


def _code(error: BaseException | None) -> int | None:
    """The PC/SC error behind one of ours."""
    if error is None:
        return None
    hresult = getattr(error, "hresult", None) or getattr(error, "fields", {}).get("hresult")
    if isinstance(hresult, str):
        return int(hresult, 16)
    return hresult & 0xFFFFFFFF if isinstance(hresult, int) else _code(error.__cause__)


def _access(context: Context) -> Iterator[Finding]:
    """pcsc-lite asks polkit, for two actions: to reach the service, and a card."""
    error = _reached(context)
    codes = {_code(error)}
    if error is None:
        codes = {_code(look.error) for look in context.looks()}
    if _SECURITY_VIOLATION in codes:
        what = "org.debian.pcsc-lite.access_pcsc" if error else "org.debian.pcsc-lite.access_card"
        yield problem(
            tr("polkit refuses this user: {action}", action=what),
            tr(
                "let a polkit rule allow {action} for your user, or work in a session on the "
                "machine itself: those over SSH, and of services, are refused by default",
                action=what,
            ),
            ExitCode.NO_CARD,
        )
    elif error is None:
        yield ok(tr("this user may use the readers"))
    elif isinstance(error, PcscUnavailableError) and _is_forbidden():
        path = place(_socket_path())
        yield problem(
            tr("{path}: this user may not use the PC/SC service", path=path),
            tr(
                "see whose it is (ls -l {path}), and join its group or let a rule allow you",
                path=path,
            ),
            ExitCode.NO_CARD,
        )
    else:
        yield unlisted(error)


def _readers(context: Context) -> Iterator[Finding]:
    try:
        names = [str(found) for found in context.readers()]
    except IgcError as error:
        yield unlisted(error)
        return
    if not names:
        yield note(
            tr("no reader is plugged in"),
            tr(
                "plug one in, and install its driver (on Debian: libccid), or try a simulated "
                "one: igc sim run --pcscd"
            ),
        )
    for name in names:
        yield ok(reader(name))
    wanted = context.profile.reader
    if wanted and not wanted.isdecimal() and not context.looks():
        yield problem(
            tr("no reader is called {name}, which is asked for", name=identity(wanted)),
            tr("see which there are: igc readers"),
            ExitCode.NO_CARD,
        )


def _holder(context: Context) -> Iterator[Finding]:
    try:
        looks = [look for look in context.looks() if not isinstance(look.error, CardAbsentError)]
    except IgcError as error:
        yield unlisted(error)
        return
    held = sharing(look.reader for look in looks)
    busy = [look.reader for look in looks if isinstance(look.error, CardBusyError)]
    shared = [name for name, how in held.items() if how is Sharing.SHARED and name not in busy]
    if context.readers() and not busy and not shared:
        yield ok(tr("no program holds a card"))
        return
    others = programs()
    who = _who(others)
    for name in busy:
        what = {"reader": reader(name), "who": who}
        if held.get(name) is Sharing.EXCLUSIVE:
            seen = tr("{reader}: another program holds its card alone; {who}", **what)
        else:
            seen = tr("{reader}: another program is using its card; {who}", **what)
        yield problem(seen, tr("close that program"), ExitCode.NO_CARD)
    for name in shared:
        yield note(tr("{reader}: shared with another program; {who}", reader=reader(name), who=who))
    if not context.readers():
        yield _past_pcsc(others)


def _past_pcsc(others: Programs | None) -> Finding:
    """Where PC/SC sees no reader, a program may have taken it (GnuPG's scdaemon does)."""
    if others is not None and any(program.direct for program in others.found):
        return warning(
            tr("a program has a USB device open, past PC/SC; {who}", who=_who(others)),
            tr("close that program"),
        )
    return skipped(tr("there is no reader"))


def _who(others: Programs | None) -> str:
    """Which programs it may be."""
    if others is None:
        return tr("which one can't be told on this system")
    named = [_named(program) for program in others.found]
    hidden = plural(
        "{count} process could not be looked into",
        "{count} processes could not be looked into",
        others.hidden,
    )
    if not named and not others.hidden:
        return tr("none that runs here shows that it uses readers")
    if not named:
        return tr("which one can't be told: {hidden}", hidden=hidden)
    which = joined(", ", named)
    if others.hidden:
        return tr("programs that use readers: {which}; {hidden}", which=which, hidden=hidden)
    return tr("programs that use readers: {which}", which=which)


def _named(program: Program) -> str:
    if program.direct:
        return tr("{name} (process {pid}, past PC/SC)", name=foreign(program.name), pid=program.pid)
    return tr("{name} (process {pid})", name=foreign(program.name), pid=program.pid)


CHECKS = (
    Check("pcsc.library", tr("pyscard and the PC/SC library"), _library),
    Check("pcsc.service", tr("The PC/SC service: installed, running"), _service, 9.0),
    Check("pcsc.access", tr("Whether this user may use the readers"), _access, 9.0),
    Check("pcsc.readers", tr("The readers that are plugged in"), _readers, 9.0),
    Check("pcsc.holder", tr("Whether another program holds a card, and which"), _holder, 9.0),
)

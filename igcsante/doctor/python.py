"""Python, the libraries and OpenSSL: against what the package's metadata asks for."""

from __future__ import annotations

import platform
import ssl
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError

from .. import __version__
from ..extras import how_to_install
from ..messages import tr
from .check import Check, Context
from .finding import Finding, note, ok, problem, warning
from .requirements import Required, numbers, required_python, requirements

_OLDEST_OPENSSL = (1, 1, 1)  # the first with TLS 1.3


def _version(_: Context) -> Iterator[Finding]:
    seen = tr(
        "igcsante {version}, {implementation} {python}, {system} {machine}",
        version=__version__,
        implementation=platform.python_implementation(),
        python=platform.python_version(),
        system=platform.system(),
        machine=platform.machine(),
    )
    try:
        oldest = required_python()
    except PackageNotFoundError:
        yield ok(seen)
        return
    if sys.version_info[:2] < numbers(oldest)[:2]:
        yield problem(seen, tr("install Python {oldest} or newer", oldest=oldest))
    else:
        yield ok(seen)


def _libraries(_: Context) -> Iterator[Finding]:
    try:
        wanted = list(requirements())
    except PackageNotFoundError:
        yield note(
            tr("igcsante runs from a folder, not as an installed package: nothing to compare with"),
            tr("install it, from the folder of its sources: pip install ."),
        )
        return
    needed = [library for library in wanted if not library.extra]
    optional = [library for library in wanted if library.extra and library.installed]
    fitting = sorted({_named(library) for library in (*needed, *optional) if library.fits})
    yield ok(", ".join(fitting))
    for library in needed:
        if not library.fits:
            yield problem(_misfit(library), _install(library))
    for library in dict.fromkeys(o for o in optional if not o.fits):
        yield warning(_misfit(library), _install(library))


def _install(library: Required) -> str:
    """By its own name: whoever upgrades ours asks an index that we publish nothing on."""
    wanted = f"{library.name}{library.operator}{library.version}"
    return tr("pip install '{wanted}'", wanted=wanted)


def _named(library: Required) -> str:
    return f"{library.name} {library.installed}"


def _misfit(library: Required) -> str:
    wanted = f"{library.operator}{library.version}"
    if library.installed is None:
        return tr("{name} is not installed; {wanted} is needed", name=library.name, wanted=wanted)
    return tr(
        "{name} {version} is installed; {wanted} is needed",
        name=library.name,
        version=library.installed,
        wanted=wanted,
    )


def _openssl(_: Context) -> Iterator[Finding]:
    from cryptography.hazmat.backends.openssl import backend

    from ..tls import native

    yield ok(
        tr(
            "Python's TLS: {python}; cryptography: {cryptography}",
            python=ssl.OPENSSL_VERSION,
            cryptography=backend.openssl_version_text(),
        )
    )
    if ssl.OPENSSL_VERSION_INFO[:3] < _OLDEST_OPENSSL:
        yield problem(
            tr("Python's OpenSSL has no TLS 1.3"), tr("use a Python with OpenSSL 1.1.1 or newer")
        )
    if not native.available():
        yield note(
            tr(
                "this Python has its OpenSSL built in: TLS with a card goes through tlslite-ng, "
                "as far as TLS 1.2"
            ),
            tr("use your system's Python, or {install}", install=how_to_install("tlslite")),
        )


CHECKS = (
    Check("python.version", tr("The versions of Python and igcsante"), _version),
    Check("python.libraries", tr("The libraries, against what igcsante needs"), _libraries),
    Check("python.openssl", tr("OpenSSL: that of Python, and of cryptography"), _openssl),
)

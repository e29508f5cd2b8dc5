"""``igc inspect``: what certificates, requests, lists and keys are, in words. Verifies nothing."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..errors import ExitCode, IgcError, UnreadableError, UsageError
from ..instants import parse_instant
from ..messages import reason_of, tr
from . import ask, completing
from .command import command
from .output import Settings, common_options, emit, print_error, say

if TYPE_CHECKING:
    from ..certs.inspect.objects import Part
    from ..secret import Secret
    from .inspect_print import View

_STDIN = Path("-")
_SUFFIXES = {
    *(".pem", ".cer", ".crt", ".der", ".p7b", ".p7c", ".p12", ".pfx", ".crl"),
    *(".csr", ".req", ".p10", ".key"),
}


@command("inspect")
@click.argument(
    "files",
    nargs=-1,
    required=True,
    type=click.Path(path_type=Path),
    shell_complete=completing.certificates,
)
@click.option("--at", metavar="INSTANT", help="Judge dates as of this instant (ISO 8601), not now.")
@click.option(
    "--world",
    type=click.Choice(["production", "test"]),
    help="Say what is wrong in a certificate that is to serve there, going by what it says itself.",
)
@click.option("--password-source", help="Where the password of a PKCS#12 comes from.")
@common_options
def inspect_command(
    settings: Settings,
    files: tuple[Path, ...],
    at: str | None,
    world: str | None,
    password_source: str | None,
) -> int:
    """Say in words what FILES are: certificates, requests (CSR), CRLs, PKCS#7, PKCS#12, keys.

    Whose they are, what they may be used for, where their revocation is published, and what
    looks wrong, each with what that rests on. PEM or DER; a folder stands for its files, - for
    the standard input. Of private keys only the kind is told. Verifies nothing: see igc check.

    \b
    Examples:
      igc inspect server.pem
      igc inspect --world production certs/
      openssl s_client -connect a.example:443 -showcerts </dev/null | igc inspect -
    """
    from .inspect_print import View

    password = ask.optional_secret(password_source)
    view = View(parse_instant(at) if at else datetime.now(UTC), world)
    worst = ExitCode.GOOD
    first = True
    for path, parts in _files(files, password):
        if isinstance(parts, IgcError):
            worst = worst or parts.exit_code
            _tell_unreadable(path, parts, settings)
            continue
        for part in parts:
            if isinstance(part.item, UnreadableError):
                worst = worst or part.item.exit_code
                _tell_unreadable(path, part.item, settings)
                continue
            if not first and not settings.json:
                say("")
            first = False
            _tell(view, path, part, parts, settings)
    return int(worst)


def _tell(view: View, path: Path, part: Part, parts: tuple[Part, ...], settings: Settings) -> None:
    from cryptography import x509

    from ..certs.inspect.objects import PrivateKey
    from ..certs.x509.certificate_list import Crl

    where = {"file": _name(path), "part": part.number}
    item = part.item
    if not settings.json:
        view.say(_name(path), part, parts, mode=_mode(path))
    elif isinstance(item, x509.Certificate):
        emit({**where, **view.certificate(item)}, schema="igc.certificate/1")
    elif isinstance(item, x509.CertificateSigningRequest):
        emit({**where, **view.request(item)}, schema="igc.inspect.request/1")
    elif isinstance(item, Crl):
        emit({**where, **view.crl(item)}, schema="igc.inspect.crl/1")
    elif isinstance(item, PrivateKey):
        emit({**where, **view.key(item, _mode(path))}, schema="igc.inspect.key/1")
    elif not isinstance(item, UnreadableError):
        emit({**where, **view.container(item)}, schema="igc.inspect.container/1")


def _tell_unreadable(path: Path, error: IgcError, settings: Settings) -> None:
    print_error(error, as_json=False)
    if settings.json:
        told = {"file": _name(path), "ok": False, "error": error.to_dict()}
        emit(told, schema="igc.inspect.unreadable/1")


# -- files -----------------------------------------------------------------------------------


def _files(
    given: tuple[Path, ...], password: Secret | None
) -> Iterator[tuple[Path, tuple[Part, ...] | IgcError]]:
    """Each file with what is in it, or why that can't be told."""
    from ..certs.inspect.objects import parts_of

    for path in given:
        try:
            files = _within(path) if path.is_dir() else [path]
        except IgcError as error:
            yield path, error
            continue
        for file in files:
            try:
                yield file, parts_of(_read(file), password, source=_name(file))
            except IgcError as error:
                yield file, error


def _within(folder: Path) -> list[Path]:
    try:
        inside = sorted(item for item in folder.iterdir() if item.suffix.lower() in _SUFFIXES)
    except OSError as error:
        raise UsageError(tr("{path}: {why}", path=folder, why=reason_of(error))) from None
    files = [item for item in inside if item.is_file()]
    if not files:
        raise UnreadableError(
            tr("{folder}: nothing to show in this folder", folder=folder),
            advice=tr(
                "files right in it are read when they end in {suffixes}",
                suffixes=" ".join(sorted(_SUFFIXES)),
            ),
        )
    return files


def _read(path: Path) -> bytes:
    from ..certs.load import MAX_CRL_BYTES
    from ..files import read_bounded

    if path != _STDIN:
        return read_bounded(path, MAX_CRL_BYTES)
    data = sys.stdin.buffer.read(MAX_CRL_BYTES + 1) if sys.stdin else b""
    if len(data) > MAX_CRL_BYTES:
        raise UnreadableError(
            tr(
                "more than {max_crl_bytes:,} bytes on the standard input",
                max_crl_bytes=MAX_CRL_BYTES,
            )
        )
    return data


def _name(path: Path) -> str:
    return tr("standard input") if path == _STDIN else str(path)


def _mode(path: Path) -> int | None:
    """The permissions of a file, where they are POSIX ones."""
    if path == _STDIN or os.name != "posix":
        return None
    try:
        return path.stat().st_mode
    except OSError:
        return None

"""What ``igc check`` is given: files, folders, archives, stdin, servers, serial numbers, a card.

Everything becomes a stream of certificates with the place they came from. What can't be read
is told and counted, and the others are checked all the same.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from ..errors import IgcError, UnreadableError, UsageError
from ..messages import reason_of, tr
from .check_spool import Entry, Spool

if TYPE_CHECKING:
    from cryptography import x509

    from ..secret import Secret

STDIN = "-"
_ARCHIVE_SUFFIXES = (".zip", ".tar", ".tar.gz", ".tgz")
_ADDRESS = re.compile(r"(?:\[([0-9a-fA-F:.]+)\]|([^\[\]:/\\\s]+)):([0-9]{1,5})")
_MAX_SERIALS_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True)
class Reading:
    """How inputs are read.

    ``server_name`` is what certificates must be for, and what a server is asked for; without
    it that is the server's address as it was given, unless ``any_name``.
    """

    password: Secret | None = None
    recursive: bool = True
    starttls: str | None = None
    server_name: str | None = None
    any_name: bool = False


@dataclass
class Intake:
    """All that was read: ``subjects`` to check in order, each certificate once.

    ``authorities`` may complete chains; ``issuer`` (DER) is that of the serial numbers.
    """

    subjects: Spool = field(default_factory=Spool.empty)
    authorities: dict[x509.Certificate, None] = field(default_factory=dict)
    issuer: bytes = b""
    count: int = 0
    duplicates: int = 0
    _seen: set[tuple[bytes | int, str]] = field(default_factory=set)

    def add(
        self, source: str, certificates: Iterable[x509.Certificate], name: str | None = None
    ) -> None:
        """The leaves among the certificates of one file; when there are none, all of them."""
        from ..certs.x509.extensions import Extensions

        found = list(certificates)
        authorities = [item for item in found if Extensions(item).is_authority]
        leaves = [item for item in found if item not in set(authorities)] or found
        self._add(source, leaves, authorities, name or "")

    def add_server(
        self, source: str, chain: tuple[x509.Certificate, ...], name: str | None
    ) -> None:
        """What a server sent: its own certificate, which must be for ``name``, first."""
        self._add(source, chain[:1], chain[1:], name or "")

    def _add(
        self,
        source: str,
        leaves: Iterable[x509.Certificate],
        authorities: Iterable[x509.Certificate],
        name: str,
    ) -> None:
        from cryptography.hazmat.primitives.hashes import SHA256
        from cryptography.hazmat.primitives.serialization import Encoding

        self.authorities.update(dict.fromkeys(authorities))
        for leaf in leaves:
            if self._is_new(leaf.fingerprint(SHA256()), name):
                self._put(Entry(source, leaf.public_bytes(Encoding.DER), name=name))

    def add_serial(self, source: str, serial: int) -> None:
        if self._is_new(serial):
            self._put(Entry(source, serial=serial))

    def add_error(self, source: str, error: IgcError) -> None:
        self._put(Entry(source, error=error.to_dict()))

    def _is_new(self, key: bytes | int, name: str = "") -> bool:
        """One certificate that must be for two names is checked twice."""
        if (key, name) in self._seen:
            self.duplicates += 1
            return False
        self._seen.add((key, name))
        return True

    def _put(self, entry: Entry) -> None:
        self.subjects.add(entry)
        self.count += 1


def take(intake: Intake, given: Iterable[str], reading: Reading) -> None:
    """Read every input into ``intake``; what can't be read becomes an error in it."""
    for item in given:
        try:
            _take(intake, item, reading)
        except IgcError as error:
            intake.add_error(item, error)


def _take(intake: Intake, given: str, reading: Reading) -> None:
    path = Path(given)
    address = None if _exists(path) else _ADDRESS.fullmatch(given)
    if given == STDIN:
        _take_stream(intake, "stdin", _standard_input(), reading)
    elif address and 0 < int(address[3]) < 65536:
        _take_server(intake, given, address[1] or address[2], int(address[3]), reading)
    elif path.is_dir():
        _take_folder(intake, path, reading)
    else:
        _take_file(intake, path, reading)


def _exists(path: Path) -> bool:
    with contextlib.suppress(OSError, ValueError):  # too long, or with what no name can have
        return path.exists()
    return False


def _standard_input() -> BinaryIO:
    from ..certs.load import MAX_CONTAINER_BYTES

    if sys.stdin is None:
        raise UsageError(tr("stdin: there is none, for it was closed"))
    data = sys.stdin.buffer.read(MAX_CONTAINER_BYTES + 1)
    if len(data) > MAX_CONTAINER_BYTES:
        raise UnreadableError(
            tr(
                "stdin: more than {max_container_bytes:,} bytes, so it was not read",
                max_container_bytes=MAX_CONTAINER_BYTES,
            ),
            advice=tr("give the file, or the folder"),
        )
    return io.BytesIO(data)


# -- files and folders ---------------------------------------------------------------------


def _take_folder(intake: Intake, folder: Path, reading: Reading) -> None:
    """The files with a known suffix, in order; those with only a key or a list are passed over."""
    from ..certs.load import CERTIFICATE_SUFFIXES, PKCS12_SUFFIXES

    suffixes = (*CERTIFICATE_SUFFIXES, *_ARCHIVE_SUFFIXES)
    suffixes += (*PKCS12_SUFFIXES,) if reading.password else ()
    found = False
    for path in _files(intake, folder, recursive=reading.recursive):
        if not path.name.lower().endswith(suffixes):
            continue
        found = True
        try:
            _take_file(intake, path, reading, alone=False)
        except IgcError as error:
            intake.add_error(str(path), error)
    if not found:
        raise UnreadableError(
            tr("{folder}: no certificate in this folder", folder=folder),
            advice=tr(
                "files in it are read when they end in {suffixes}",
                suffixes=" ".join(sorted(suffixes)),
            ),
        )


def _files(intake: Intake, folder: Path, *, recursive: bool) -> Iterator[Path]:
    def tell(error: OSError) -> None:
        name = str(error.filename or folder)
        intake.add_error(name, UsageError(tr("{path}: {why}", path=name, why=reason_of(error))))

    for place, folders, files in os.walk(folder, onerror=tell):  # follows no link to a folder
        folders.sort()
        if not recursive:
            folders.clear()
        for path in (Path(place) / name for name in sorted(files)):
            if path.is_file():  # no pipe, no socket: reading those could wait for ever
                yield path


def _take_file(intake: Intake, path: Path, reading: Reading, *, alone: bool = True) -> None:
    from ..files import ARCHIVE_START, is_archive

    try:
        with path.open("rb") as stream:
            if is_archive(stream.read(ARCHIVE_START)):
                stream.seek(0)
                _take_archive(intake, str(path), stream, reading)
                return
    except OSError as error:
        raise UsageError(tr("{path}: {why}", path=path, why=reason_of(error))) from None
    from ..certs.load import MAX_CONTAINER_BYTES
    from ..files import read_bounded

    data = read_bounded(path, MAX_CONTAINER_BYTES)
    _take_octets(intake, str(path), data, reading, alone=alone)


def _take_stream(intake: Intake, source: str, stream: BinaryIO, reading: Reading) -> None:
    from ..files import ARCHIVE_START, is_archive

    start = stream.read(ARCHIVE_START)
    stream.seek(0)
    if is_archive(start):
        _take_archive(intake, source, stream, reading)
    else:
        _take_octets(intake, source, stream.read(), reading, alone=True)


def _take_octets(
    intake: Intake, source: str, data: bytes, reading: Reading, *, alone: bool
) -> None:
    from ..certs.load import load

    found = load(data, reading.password, source=source).certificates
    if found:
        intake.add(source, found, reading.server_name)
    elif alone:
        raise UnreadableError(tr("{source} holds no certificate", source=source))


def _take_archive(intake: Intake, source: str, stream: BinaryIO, reading: Reading) -> None:
    from ..certs.fleet.packed import members
    from ..certs.load import CERTIFICATE_SUFFIXES, PKCS12_SUFFIXES

    suffixes = (*CERTIFICATE_SUFFIXES, *(PKCS12_SUFFIXES if reading.password else ()))
    found = False
    try:
        for name, data in members(stream, lambda name: name.lower().endswith(suffixes)):
            found = True
            inside = f"{source}!{name}"
            try:
                if isinstance(data, IgcError):
                    raise data
                _take_octets(intake, inside, data, reading, alone=False)
            except IgcError as error:
                intake.add_error(inside, error)
    except UnreadableError as error:
        raise UnreadableError(
            tr("{path}: {message}", path=source, message=error.message), advice=error.advice
        ) from None
    if not found:
        raise UnreadableError(
            tr("{source}: no certificate in this archive", source=source),
            advice=tr(
                "files in it are read when they end in {suffixes}",
                suffixes=" ".join(sorted(suffixes)),
            ),
        )


# -- servers, cards, serial numbers --------------------------------------------------------


def _take_server(intake: Intake, given: str, host: str, port: int, reading: Reading) -> None:
    from ..certs.load import load_certificates
    from ..certs.path.server_name import ServerName
    from ..tls.peer import server_certificates

    name = None if reading.any_name else str(ServerName.parse(reading.server_name or host))
    address = host if host.isascii() else str(ServerName.parse(host))
    sent = server_certificates(
        address, port, starttls=reading.starttls, server_name=reading.server_name
    )
    chain = tuple(item for der in sent for item in load_certificates(der, source=given))
    intake.add_server(given, chain, name)


def take_card(intake: Intake, certificates: Iterable[tuple[str, x509.Certificate]]) -> None:
    """The certificates of a card, by purpose."""
    for purpose, certificate in certificates:
        intake.add(f"card:{purpose}", (certificate,))


def take_serials(intake: Intake, path: Path, issuer: x509.Certificate) -> None:
    """One serial number a line, hexadecimal, colons or not; ``#`` starts a comment.

    Of a table, the first column. A file without any is told as an input that can't be read.
    Raises UsageError when the file can't be read.
    """
    from cryptography.hazmat.primitives.serialization import Encoding

    from ..certs.x509.names import read_serial
    from ..files import read_bounded

    intake.issuer = issuer.public_bytes(Encoding.DER)
    intake.authorities[issuer] = None
    text = read_bounded(path, _MAX_SERIALS_BYTES).decode("utf-8-sig", "replace")
    found = False
    for number, line in enumerate(text.splitlines(), 1):
        written = re.split(r"[#,;\t]", line, maxsplit=1)[0].strip().strip('"')
        if not written or (number == 1 and written.lower() in ("serial", "serial number")):
            continue
        found = True
        source = f"{path}:{number}"
        if (serial := read_serial(written)) is not None:
            intake.add_serial(source, serial)
        else:
            intake.add_error(
                source,
                UnreadableError(
                    tr(
                        "{source}: {written!r} is no serial number",
                        source=source,
                        written=written[:80],
                    ),
                    advice=tr("one a line: 1 to 20 octets in hexadecimal, not zero, never decimal"),
                ),
            )
    if not found:
        error = UnreadableError(
            tr("{path}: no serial number in this file", path=path),
            advice=tr("one a line, in hexadecimal"),
        )
        intake.add_error(str(path), error)

"""What the simulated authorities have revoked: one small file per revocation.

A revocation is written once and never changed, so two processes can share the folder:
the first one to revoke a certificate sets its date.
"""

from __future__ import annotations

import contextlib
import json
import threading
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from cryptography import x509

from ...errors import StorageError
from ...files import private_directory, read_bounded, write_atomic


@dataclass(frozen=True)
class Revocation:
    """A revoked serial number, since when, and why (RFC 5280 §5.3.1) when it is told."""

    serial: int
    date: datetime
    reason: x509.ReasonFlags | None = None

    def entry(self) -> x509.RevokedCertificate:
        """Its CRL entry: serial and date only, as observed, unless a reason is told."""
        builder = (
            x509.RevokedCertificateBuilder().serial_number(self.serial).revocation_date(self.date)
        )
        if self.reason is not None:
            builder = builder.add_extension(x509.CRLReason(self.reason), critical=False)
        return builder.build()

    def to_json(self) -> bytes:
        content = {
            "serial": f"{self.serial:x}",
            "date": self.date.isoformat(),
            "reason": self.reason.value if self.reason else None,
        }
        return json.dumps(content).encode()

    @classmethod
    def from_json(cls, data: bytes) -> Revocation:
        content = json.loads(data)
        reason = content["reason"]
        return cls(
            int(content["serial"], 16),
            datetime.fromisoformat(content["date"]),
            x509.ReasonFlags(reason) if reason else None,
        )


class RevocationRegister:
    """Every revocation, by serial number; kept in ``directory`` when one is given."""

    def __init__(self, directory: Path | None = None) -> None:
        self._directory = directory
        self._known: dict[int, Revocation] = {}
        self._lock = threading.Lock()

    def add(self, revocation: Revocation) -> Revocation:
        """Record a revocation; gives the one that holds, which is the first one."""
        with self._lock:
            if revocation.serial not in self._known:
                self._known[revocation.serial] = self._kept(revocation)
            return self._known[revocation.serial]

    def find(self, serial: int) -> Revocation | None:
        """The revocation of a serial number, if there is one."""
        with self._lock:
            if serial not in self._known and self._directory is not None:
                path = self._directory / f"{serial:x}.json"
                if path.is_file():
                    self._known[serial] = Revocation.from_json(read_bounded(path))
            return self._known.get(serial)

    def all(self) -> tuple[Revocation, ...]:
        """Everything revoked so far, oldest first."""
        with self._lock:
            self._refresh()
            return tuple(sorted(self._known.values(), key=lambda r: (r.date, r.serial)))

    def save(self, directory: Path) -> None:
        """Keep everything in ``directory`` from now on."""
        with self._lock:
            self._refresh()
            self._directory = private_directory(directory)
            self._known = {item.serial: self._kept(item) for item in self._known.values()}

    def _kept(self, revocation: Revocation) -> Revocation:
        """Write a revocation; gives the one that is on disk, which may be another's."""
        if self._directory is None:
            return revocation
        path = self._directory / f"{revocation.serial:x}.json"
        with contextlib.suppress(StorageError):  # another process was first
            write_atomic(path, revocation.to_json())
        return Revocation.from_json(read_bounded(path))

    def _refresh(self) -> None:
        if self._directory is None or not self._directory.is_dir():
            return
        for path in self._directory.glob("*.json"):
            if int(path.stem, 16) not in self._known:
                revocation = Revocation.from_json(read_bounded(path))
                self._known[revocation.serial] = revocation

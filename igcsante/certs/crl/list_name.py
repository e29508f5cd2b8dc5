"""What the two files of a kept list are called."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from cryptography import x509

from ..x509 import names
from ..x509.certificate_list import Crl


@dataclass(frozen=True)
class ListName:
    """The beginnings of three SHA-256: of an issuer, of a scope, of the list."""

    issuer: str
    scope: str
    digest: str

    @classmethod
    def of(cls, crl: Crl, key: str, sha256: str) -> ListName:
        idp = crl.idp.public_bytes() if crl.idp else b""
        scope = hashlib.sha256(f"{key} {idp.hex()} {crl.base_number is None}".encode())
        return cls(issuer_key(crl.issuer), scope.hexdigest()[:16], sha256[:32])

    @classmethod
    def parse(cls, text: str) -> ListName | None:
        parts = text.split("-")
        return cls(*parts) if [len(part) for part in parts] == [16, 16, 32] else None

    def __str__(self) -> str:
        return f"{self.issuer}-{self.scope}-{self.digest}"

    def is_of(self, sha256: str) -> bool:
        return sha256.startswith(self.digest)


def issuer_key(issuer: x509.Name) -> str:
    """Equal for names that match."""
    comparable = [sorted(map(repr, rdn)) for rdn in names.comparable(issuer)]
    return hashlib.sha256(repr(comparable).encode()).hexdigest()[:16]

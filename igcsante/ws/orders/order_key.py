"""Where the key of a certificate is, and what an order needs of it (platform.md §4).

The platform takes a CSR, whose key is made here, was made elsewhere or lives in a token; or a
password, under which it makes the key itself and delivers it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from cryptography.hazmat.primitives.asymmetric import rsa

from ...certs.requests import build_csr, csr_pem, new_key, read_csr, read_key
from ...errors import IgcError
from ...messages import tr
from ...secret import Secret
from ..rules import check_secret
from .entries import Entry


class KeyPlace(StrEnum):
    """Where the private key of an order is; the journal's ``key_mode``."""

    HERE = "here"
    REQUEST = "request"
    TOKEN = "token"  # noqa: S105 - a place, no secret
    PLATFORM = "platform"


@dataclass(frozen=True)
class OrderKey:
    """What an order says of its key: a CSR (PEM), or the password of the platform's key.

    ``private_key`` is there only when it was made here and has to be kept.
    """

    place: KeyPlace
    csr: bytes | None = field(default=None, repr=False)
    password: Secret | None = None
    private_key: rsa.RSAPrivateKey | None = field(default=None, repr=False)


class KeySource(Protocol):
    """What gives the key of an order."""

    def order_key(self, common_name: str, dns_names: Sequence[str] = ()) -> OrderKey:
        """The key for a subject; the platform makes the certificate's own subject itself."""


@dataclass(frozen=True)
class OwnKey:
    """A key that was made here, such as that of an attempt before."""

    key: rsa.RSAPrivateKey = field(repr=False)

    def order_key(self, common_name: str, dns_names: Sequence[str] = ()) -> OrderKey:
        csr = build_csr(self.key, common_name, dns_names=dns_names)
        return OrderKey(KeyPlace.HERE, csr_pem(csr), private_key=self.key)


@dataclass(frozen=True)
class NewKey:
    """A key made here, of 2048, 3072 or 4096 bits."""

    bits: int = 2048

    def order_key(self, common_name: str, dns_names: Sequence[str] = ()) -> OrderKey:
        """Raises UsageError for another size."""
        return OwnKey(new_key(self.bits)).order_key(common_name, dns_names)


@dataclass(frozen=True)
class GivenRequest:
    """A CSR that was made elsewhere, PEM or DER; ``name`` is what messages call it."""

    data: bytes = field(repr=False)
    name: str = tr("the request")

    def order_key(self, common_name: str, dns_names: Sequence[str] = ()) -> OrderKey:
        """Raises as :func:`igcsante.certs.requests.read_csr`."""
        return OrderKey(KeyPlace.REQUEST, csr_pem(read_csr(self.data, source=self.name)))


@dataclass(frozen=True)
class TokenKey:
    """A key of a card or a PKCS#11 token, which signs the CSR there."""

    key: rsa.RSAPrivateKey

    def order_key(self, common_name: str, dns_names: Sequence[str] = ()) -> OrderKey:
        """Raises what the token raises, and UsageError for a size that is not accepted."""
        csr = csr_pem(build_csr(self.key, common_name, dns_names=dns_names))
        read_csr(csr, source=tr("the token's key"))
        return OrderKey(KeyPlace.TOKEN, csr)


@dataclass(frozen=True)
class PlatformKey:
    """A key that the platform makes, and delivers in a PKCS#12 under this password.

    The password is asked for again at the withdrawal; nobody can recover it.
    """

    password: Secret

    def order_key(self, common_name: str, dns_names: Sequence[str] = ()) -> OrderKey:
        """Raises UsageError for a password that can't be sent."""
        check_secret("key_password", self.password)
        return OrderKey(KeyPlace.PLATFORM, password=self.password)


def key_of(
    before: Entry, wanted: rsa.RSAPrivateKey | None, passphrase: Secret | None
) -> rsa.RSAPrivateKey | None:
    """The key of an earlier attempt, to be sent instead of the one that was made for this one.

    None when none was made, or that key isn't there, has another size or another passphrase.
    """
    if wanted is None or not before.key_path:
        return None
    with contextlib.suppress(IgcError):
        key = read_key(Path(before.key_path), passphrase)
        if key.key_size == wanted.key_size:
            return key
    return None

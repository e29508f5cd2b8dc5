"""Failures of a PKCS#11 module in our terms (PKCS#11 v2.40 §11.1: return values)."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import NoReturn

from ..errors import (
    CardError,
    CardRemovedError,
    CardUnsupportedError,
    PinBlockedError,
    PinFormatError,
    PinRequiredError,
)
from ..messages import tr

_GONE = {
    "TokenNotPresent",
    "DeviceRemoved",
    "SessionHandleInvalid",
    "SessionClosed",
    "SlotIDInvalid",
    "ObjectHandleInvalid",
}


@contextmanager
def errors_named(name: str) -> Iterator[None]:
    """Turn what python-pkcs11 raises into our errors about the token or module ``name``."""
    import pkcs11

    try:
        yield
    except pkcs11.PKCS11Error as error:
        _raise_named(error, name)
    finally:
        _forget_openssl_errors()


def _forget_openssl_errors() -> None:
    """Empty OpenSSL's list of errors, which a module built on the same library fills.

    SoftHSM2 leaves some behind where nothing failed, and Python's ``ssl`` takes them for its
    own. Asking it for a cipher that doesn't exist empties the list.
    """
    with suppress(ssl.SSLError):
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).set_ciphers("none")


def _raise_named(error: Exception, name: str) -> NoReturn:
    kind = type(error).__name__
    if kind in _GONE:
        raise CardRemovedError(
            tr("{name}: the token was removed", name=name), advice=tr("insert it again")
        ) from None
    if kind == "PinLocked":
        raise PinBlockedError(
            tr("{name}: the PIN is blocked", name=name),
            advice=tr("the PUK is needed"),
            tries_left=0,
        ) from None
    if kind == "PinLenRange":
        raise PinFormatError(tr("{name}: that can't be the token's PIN", name=name)) from None
    if kind == "UserNotLoggedIn":
        raise PinRequiredError(
            tr("{name}: the token wants its PIN first", name=name), advice=tr("log in")
        ) from None
    if kind == "PKCS11Error":
        raise CardUnsupportedError(
            tr("{name}: the PKCS#11 module can't be loaded", name=name)
        ) from None
    raise CardError(
        tr("{name}: the PKCS#11 module failed ({kind})", name=name, kind=kind), pkcs11=kind
    ) from None

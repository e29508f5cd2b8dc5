"""The name of a key in a token: a PKCS#11 URI (RFC 7512), as GnuTLS, OpenSC and OpenSSL write it.

``pkcs11:token=HSM;object=my-key;id=%01?module-path=/usr/lib/module.so``
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Self
from urllib.parse import unquote, unquote_to_bytes

from ..errors import UsageError
from ..messages import tr

SCHEME = "pkcs11:"
_KNOWN = ("token", "serial", "object", "id", "type")
_ADVICE = tr("for example pkcs11:token=HSM;object=my-key?module-path=/usr/lib/module.so")
_VALUE = re.compile(r"(?:[^%]|%[0-9A-Fa-f]{2})*")


@dataclass(frozen=True)
class Pkcs11Uri:
    """A private key: ``token`` and ``serial`` name its token, ``label`` and ``key_id`` the key.

    What the URI doesn't say is None; ``module`` is then to be known otherwise.
    """

    token: str | None = None
    serial: str | None = None
    label: str | None = None
    key_id: bytes | None = None
    module: Path | None = None

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a URI. Raises UsageError, also for a PIN in it, and repeats none."""
        if not text.startswith(SCHEME):
            raise UsageError(tr("a key in a token is named by a PKCS#11 URI"), advice=_ADVICE)
        path, _, query = text.removeprefix(SCHEME).partition("?")
        named = _pairs(path, ";")
        options = _pairs(query, "&")
        if {"pin-value", "pin-source"} & options.keys():
            raise UsageError(
                tr("a PKCS#11 URI with a PIN is not taken: others could read it"),
                advice=tr("give the PIN with --key-pin-source"),
            )
        unknown = sorted(named.keys() - set(_KNOWN)) + sorted(options.keys() - {"module-path"})
        if unknown:
            raise UsageError(
                tr(
                    "PKCS#11 URI: {unknown!r} is not taken; known: {known}, module-path",
                    unknown=unknown[0][:40],
                    known=", ".join(_KNOWN),
                ),
                advice=_ADVICE,
            )
        if named.get("type", "private") != "private":
            raise UsageError(tr("PKCS#11 URI: only type=private names a key that signs"))
        if "object" not in named and "id" not in named:
            raise UsageError(tr("PKCS#11 URI: object= or id= names the key"), advice=_ADVICE)
        module = options.get("module-path")
        return cls(
            token=_text(named.get("token")),
            serial=_text(named.get("serial")),
            label=_text(named.get("object")),
            key_id=unquote_to_bytes(named["id"]) if "id" in named else None,
            module=Path(unquote(module)) if module else None,
        )


def _pairs(text: str, separator: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for item in filter(None, text.split(separator)):
        name, equals, value = item.partition("=")
        if not equals or not value or name in found or not _VALUE.fullmatch(value):
            raise UsageError(tr("that is no PKCS#11 URI (RFC 7512)"), advice=_ADVICE)
        found[name] = value
    return found


def _text(value: str | None) -> str | None:
    return None if value is None else unquote(value)

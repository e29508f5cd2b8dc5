"""Where the key of an order is: the options that say so, and what they come to."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..errors import UsageError
from ..messages import tr
from ..secret import Secret
from . import ask
from .chosen import profile_of
from .inserted import token_module
from .output import Settings, grouped, talk

if TYPE_CHECKING:
    from ..pkcs11.uri import Pkcs11Uri
    from ..ws.orders.order_key import KeySource, OrderKey

HERE, PLATFORM, CARD = "here", "platform", "card"
_URI = "pkcs11:"


def key_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Where the key is, as ``key_choice``."""
    return grouped(
        "key_choice",
        click.option(
            "--key",
            metavar="WHERE",
            default=HERE,
            show_default=True,
            help="here: made now, on this machine. platform: made there, and delivered in a "
            "PKCS#12. card: the card's authentication key. pkcs11:…: a key in a token (RFC 7512).",
        ),
        click.option(
            "--csr",
            type=click.Path(path_type=Path, dir_okay=False),
            help="A request (PKCS#10) that was made elsewhere, instead of --key.",
        ),
        click.option(
            "--key-bits",
            type=click.Choice(["2048", "3072", "4096"]),
            default="2048",
            show_default=True,
            help="Size of the RSA key that is made here.",
        ),
        click.option("--key-pin-source", metavar="SOURCE", help="PIN of the token in --key."),
    )(command)


def check_protection(key_choice: dict[str, Any], sources: dict[str, Any]) -> None:
    """Raise UsageError for a password of something that this choice of key doesn't make."""
    here = key_choice["key"] == HERE and key_choice["csr"] is None
    if sources["key_passphrase_source"] and not here:
        raise UsageError(
            tr("--key-passphrase-source: the key isn't made here, so no file holds it")
        )
    if sources["p12_password_source"] and not (here or made_by_platform(key_choice)):
        raise UsageError(
            tr("--p12-password-source: a PKCS#12 needs the key, which isn't made here")
        )


def made_by_platform(key_choice: dict[str, Any]) -> bool:
    return bool(key_choice["key"] == PLATFORM and key_choice["csr"] is None)


def platform_key_password(source: str | None, *, new: bool) -> Secret:
    """The password of a key that the platform makes: chosen now, or that of the order."""
    prompt = (
        tr("Password of the key (choose one and keep it)") if new else tr("Password of the key")
    )
    return ask.secret(source, prompt, "--p12-password-source", confirm=new)


def key_source(
    settings: Settings,
    p12_password: Secret | None,
    *,
    key: str,
    csr: Path | None,
    key_bits: str,
    key_pin_source: str | None,
) -> KeySource | None:
    """The source of the key; None for the card's own, which is at hand once it is connected.

    ``p12_password`` is that of the platform's key. Raises UsageError.
    """
    from ..certs.requests import MAX_CSR_BYTES
    from ..files import read_bounded
    from ..ws.orders.order_key import GivenRequest, NewKey, PlatformKey

    if csr is not None:
        if key != HERE:
            raise UsageError(
                tr("--csr and --key: a request says where its key is, give one of them")
            )
        return GivenRequest(read_bounded(csr, MAX_CSR_BYTES), str(csr))
    if key == CARD:
        return None
    if key == HERE:
        return NewKey(int(key_bits))
    if key == PLATFORM and p12_password is not None:
        return PlatformKey(p12_password)
    if key.startswith(_URI):
        return _key_of_uri(settings, key, key_pin_source)
    raise UsageError(
        tr("--key: {key!r} is no place of a key", key=key[:40]),
        advice=tr("here, platform, card, or pkcs11:…"),
    )


def _key_of_uri(settings: Settings, text: str, pin_source: str | None) -> KeySource:
    from ..pkcs11.uri import Pkcs11Uri

    uri = Pkcs11Uri.parse(text)
    module = uri.module or token_module(settings, profile_of(settings))
    if module is None:
        raise UsageError(
            tr("--key: the URI names no module"),
            advice=tr("add ?module-path=/usr/lib/MODULE.so to it, or give --pkcs11"),
        )
    return _UriKey(uri, module, pin_source)


@dataclass(frozen=True)
class _UriKey:
    """A key in a token that is opened for the time of one signature."""

    uri: Pkcs11Uri
    module: Path
    pin_source: str | None

    def order_key(self, common_name: str, dns_names: Sequence[str] = ()) -> OrderKey:
        from ..pkcs11 import open_token
        from ..ws.orders.order_key import TokenKey

        with open_token(self.module, label=self.uri.token, serial=self.uri.serial) as token:
            token.check_pin_policy()
            on_reader = token.wants_pin_on_reader
            if on_reader:
                talk(tr("Type the PIN of the key's token on its reader."))
            token.login(None if on_reader else self._pin(token.label))
            key = token.private_key(label=self.uri.label, key_id=self.uri.key_id)
            return TokenKey(key).order_key(common_name, dns_names)

    def _pin(self, label: str) -> Secret:
        return ask.secret(
            self.pin_source, tr("PIN of the token {label}", label=label), "--key-pin-source"
        )

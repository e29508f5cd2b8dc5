"""What an HTTP proxy that wants a name and a password is told: Basic authentication (RFC 7617).

The configuration names a source of the password, never the password. It is read when a
connection is first made, and goes to the proxy alone, which gets it unencrypted: the scheme has
nothing better.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from functools import cached_property
from typing import Self

from ...errors import ConfigError, NetworkError
from ...messages import tr
from ...secret import Secret, read_secret

PROXY_AUTHENTICATION_REQUIRED = 407  # RFC 9110 §15.5.8


@dataclass(frozen=True)
class ProxyLogin:
    """The name ``user`` and the ``source`` of its password (:func:`igcsante.secret.read_secret`).

    It may be sent to another process: the password, once it was read, stays behind.
    """

    user: str
    source: str = field(repr=False)

    @classmethod
    def of(cls, user: str | None, source: str | None) -> Self | None:
        """From a profile's ``proxy_user`` and ``proxy_password``; None when it has neither.

        Raises ConfigError.
        """
        if not user and not source:
            return None
        if not user or not source:
            raise ConfigError(
                tr("a proxy's user and password go together: one of them is missing"),
                advice=tr("give both proxy_user and proxy_password, or neither"),
            )
        if ":" in user or not user.isprintable():  # RFC 7617 §2
            raise ConfigError(tr("proxy_user: a name without colon or control characters"))
        return cls(user, source)

    def headers(self) -> dict[str, str]:
        """``Proxy-Authorization``. Raises UsageError when the source fails."""
        return {"Proxy-Authorization": self._credentials.text()}

    @cached_property
    def _credentials(self) -> Secret:
        pair = self.user.encode() + b":" + read_secret(self.source).reveal()
        return Secret(b"Basic " + base64.b64encode(pair))

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (self.user, self.source)


def login_wanted(proxy: tuple[str, int], login: ProxyLogin | None) -> NetworkError:
    """That a proxy answered 407: it wants a name and password, or others than it got."""
    shown = "{}:{}".format(*proxy)
    if login is None:
        return NetworkError(
            tr("the proxy {proxy} wants a name and a password (HTTP 407)", proxy=shown),
            advice=tr(
                "set proxy_user, and proxy_password = 'env:NAME' or 'cmd:COMMAND', in the profile"
            ),
        )
    return NetworkError(
        tr("the proxy {proxy} refuses the name or its password (HTTP 407)", proxy=shown),
        advice=tr(
            "check proxy_user, and what proxy_password names; a proxy that takes no Basic "
            "authentication (only NTLM or Kerberos) needs a local one in front of it"
        ),
    )

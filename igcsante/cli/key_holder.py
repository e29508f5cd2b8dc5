"""What has the holder's keys, for commands that need no more: a card, or a PKCS#11 token."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING

from ..credentials import AUTHENTICATION
from ..errors import UsageError
from ..messages import tr
from . import ask
from .chosen import profile_of
from .inserted import inserted_card, pin_verified, token_module
from .output import Settings, talk

if TYPE_CHECKING:
    from ..card.session import CardCertificate, CpsCard
    from ..credentials import Credential
    from ..identifiers import NationalId
    from ..pkcs11 import Pkcs11Token
    from ..pkcs11.stored import TokenCertificate


class KeyHolder(ABC):
    """A card or a token; its methods raise what those of CpsCard and Pkcs11Token do."""

    @property
    @abstractmethod
    def name(self) -> str:
        """What messages call it: ``a CPS3``."""

    @property
    @abstractmethod
    def serial(self) -> str:
        """Its serial number."""

    @abstractmethod
    def certificates(self) -> Sequence[CardCertificate | TokenCertificate]:
        """All its certificates."""

    @abstractmethod
    def national_id(self) -> NationalId:
        """The holder's national identifier."""

    @abstractmethod
    def credential(self, purpose: str = AUTHENTICATION, *, allow_sha1: bool = False) -> Credential:
        """The certificate for a purpose with its key, which works once the PIN is verified."""

    @abstractmethod
    def pin_verified(
        self, source: str | None, *, use_last_try: bool
    ) -> AbstractContextManager[None]:
        """Ask for the PIN and send it once; in the block no other program makes it forgotten."""

    def verify_pin(self, source: str | None, *, use_last_try: bool) -> None:
        """Ask for the PIN and send it once."""
        with self.pin_verified(source, use_last_try=use_last_try):
            pass


@contextmanager
def key_holder(settings: Settings) -> Iterator[KeyHolder]:
    """The token of the PKCS#11 module that options or profile name, else the inserted card.

    Raises UsageError when its exchanges are to be traced or recorded, which a module hides.
    """
    profile = profile_of(settings)
    module = token_module(settings, profile)
    if module is None:
        with inserted_card(settings) as card:
            yield _Card(card)
        return
    from ..pkcs11 import open_token

    if settings.trace or settings.recorder is not None:
        raise UsageError(
            tr("what a PKCS#11 module says to its token can't be traced or recorded"),
            advice=tr("use the card in a reader, without the module"),
        )
    with open_token(module, name=settings.reader or profile.reader) as token:
        yield _Token(token)


class _Card(KeyHolder):
    def __init__(self, card: CpsCard) -> None:
        self._card = card

    @property
    def name(self) -> str:
        return tr("a {generation}", generation=self._card.generation)

    @property
    def serial(self) -> str:
        return self._card.serial

    def certificates(self) -> Sequence[CardCertificate]:
        return self._card.certificates()

    def national_id(self) -> NationalId:
        return self._card.national_id()

    def credential(self, purpose: str = AUTHENTICATION, *, allow_sha1: bool = False) -> Credential:
        return self._card.credential(purpose, allow_sha1=allow_sha1)

    def pin_verified(
        self, source: str | None, *, use_last_try: bool
    ) -> AbstractContextManager[None]:
        return pin_verified(self._card, source, use_last_try=use_last_try)


class _Token(KeyHolder):
    def __init__(self, token: Pkcs11Token) -> None:
        self._token = token

    @property
    def name(self) -> str:
        return tr("the token {label}", label=self._token.label)

    @property
    def serial(self) -> str:
        return self._token.serial

    def certificates(self) -> Sequence[TokenCertificate]:
        return self._token.certificates()

    def national_id(self) -> NationalId:
        from ..card.holder import holder_of

        return holder_of(self._token.credential().certificate)

    def credential(self, purpose: str = AUTHENTICATION, *, allow_sha1: bool = False) -> Credential:
        """SHA-1 is never offered."""
        return self._token.credential(purpose)

    @contextmanager
    def pin_verified(self, source: str | None, *, use_last_try: bool) -> Iterator[None]:
        """The module's session keeps the PIN by its own means."""
        self._token.check_pin_policy(use_last_try=use_last_try)
        on_reader = self._token.wants_pin_on_reader
        if on_reader:
            talk(tr("Type the PIN on the reader."))
        pin = None if on_reader else ask.secret(source, tr("PIN of the token"), "--pin-source")
        self._token.login(pin, use_last_try=use_last_try)
        yield

"""A CPx card in a reader: who its holder is, its certificates, its PIN and its keys.

Nothing is read before it is asked for, and nothing twice. The PIN is sent at most once in
the life of a :class:`CpsCard`, whatever happens (design §6).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Self

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa

from ..certs.profile import decode
from ..certs.x509.names import COMMON_NAME, serial_number
from ..certs.x509.signatures import KEY_ERRORS
from ..credentials import (
    AUTHENTICATION,
    SIGNATURE,
    TECHNICAL,
    Credential,
    ExternalRsaKey,
    purpose_of,
)
from ..errors import (
    CardError,
    CardIncapableError,
    CardUnsupportedError,
    UnreadableError,
    UsageError,
)
from ..identifiers import NationalId
from ..messages import tr
from ..secret import Secret
from ..steps import step
from ..words import said
from .atr import advice_for, describe, generation_of
from .cache import CardCache
from .cps3 import Cps3
from .cps3_contactless import Cps3Contactless
from .cps4 import Cps4
from .directory import CardDirectory
from .generation import CardKey, Generation, PinField, PinStatus
from .holder import holder_of
from .key import CardSigner
from .monitor import Monitor, MonitoredTransport
from .objects import CardObjects
from .pin import length_limits
from .pin_operations import PinOperations
from .pkcs15 import CertificateEntry
from .transport import Transport

GENERATIONS: dict[str, type[Generation]] = {
    kind.name: kind for kind in (Cps3, Cps3Contactless, Cps4)
}

# Labels of card.md §8; only a hint of which certificate to read first.
_LABEL_WORDS = {
    AUTHENTICATION: "authentification",
    SIGNATURE: "signature",
    TECHNICAL: "technique",
}


@dataclass(frozen=True)
class CardCertificate:
    """A certificate of the card.

    ``purpose``: ``authentication``, ``signature``, ``technical`` (the contactless one, which
    needs no PIN) or ``other``. ``id`` links it to its private key.
    """

    label: str
    id: bytes
    purpose: str
    certificate: x509.Certificate


@dataclass(frozen=True)
class CertificateSummary:
    """A certificate of the card, in brief. ``purpose`` as of :class:`CardCertificate`."""

    label: str
    id: bytes
    purpose: str
    serial_number: int
    not_before: datetime
    not_after: datetime


class CpsCard:
    """An open card. Use it in a ``with`` statement. ``objects``: its data objects.

    All methods raise CardRemovedError when the card leaves, CardResetError when another
    program resets it, CardStatusError when it refuses, CardError when it makes no sense.
    """

    def __init__(
        self,
        transport: Transport,
        monitor: Monitor | None = None,
        cache: CardCache | None = None,
    ) -> None:
        """Take over a connected transport.

        Raises CardUnsupportedError when its ATR isn't that of a CPS3 or CPS4; the transport
        is then left open.
        """
        kind = GENERATIONS.get(generation_of(transport.atr) or "")
        if kind is None:
            raise CardUnsupportedError(
                tr(
                    "{reader_name}: {atr}, which is not supported",
                    reader_name=transport.reader_name,
                    atr=describe(transport.atr),
                ),
                advice=advice_for(transport.atr),
                atr=transport.atr.hex().upper(),
            )
        self._transport = MonitoredTransport(transport, monitor) if monitor else transport
        self._generation = kind(self._transport)
        self._directory = CardDirectory(self._generation, cache)
        self.objects = CardObjects(self._generation, self._directory, self._transport.transaction)
        self._pins = PinOperations(self._generation, self._directory, self._transport)
        with self._transport.transaction():
            self._generation.start()

    def close(self) -> None:
        """Let go of the card and leave it powered."""
        self._directory.close()
        self._transport.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """The time during which no other program may use the card. May be nested.

        Each method is a transaction already. This one is for a few that belong together,
        such as the PIN and a signature: in between, another program may make the card forget
        the PIN. The try counter is read once in it. Wait for no person and no network meanwhile.
        """
        with self._transport.transaction(), self._pins.undisturbed():
            yield

    # -- the card ------------------------------------------------------------------------

    @property
    def generation(self) -> str:
        """``CPS3``, ``CPS3 contactless`` or ``CPS4``."""
        return self._generation.name

    @property
    def has_pin(self) -> bool:
        """Whether there is a PIN on this interface of the card: not on the contactless one."""
        return self._generation.has_pin

    @property
    def reader_name(self) -> str:
        return self._transport.reader_name

    @property
    def atr(self) -> bytes:
        return self._transport.atr

    @property
    def serial(self) -> str:
        """The 8 digits of the card's serial number (EF.SN, card.md §3)."""
        with self._transport.transaction():
            return self._directory.serial

    def label(self) -> str:
        """The label in TokenInfo, such as ``CPS3v3-2900995235``."""
        with self._transport.transaction():
            return self._directory.token_label

    def card_number(self) -> str | None:
        """The 10-digit card number in the authentication certificate, if it has one."""
        return decode(self.certificate()).card_number

    # -- certificates and holder ---------------------------------------------------------

    def certificates(self) -> tuple[CardCertificate, ...]:
        """All certificates of the card."""
        with self._transport.transaction():
            return tuple(map(self._read, self._directory.certificates))

    def certificate_summaries(self) -> tuple[CertificateSummary, ...]:
        """What is on the card, each certificate read no further than it must be for that."""
        with self._transport.transaction():
            return tuple(map(self._summary, self._directory.certificates))

    def certificate(self, purpose: str = AUTHENTICATION) -> x509.Certificate:
        """The certificate for a purpose. Raises UsageError for a purpose that we don't know."""
        return self._find(purpose).certificate

    def national_id(self) -> NationalId:
        """The holder's national identifier: CN of the authentication certificate.

        No more of the certificate is read than its subject. Once all of it was read, the
        identifier is also checked against the certificate's UPN, which repeats it (card.md
        §4). Raises CardError when there is none or when the two disagree.
        """
        with self._transport.transaction():
            found = self._quick_national_id()
        return found or holder_of(self.certificate())

    # -- PIN -----------------------------------------------------------------------------

    def pin_status(self) -> PinStatus:
        """How many PIN tries are left. Never uses one."""
        with self._transport.transaction():
            return self._pins.status()

    def puk_status(self) -> PinStatus | None:
        """How many PUK tries are left, None when the card lists no PUK. Never uses one."""
        with self._transport.transaction():
            return self._pins.status(PinField.PUK) if self._pins.puk_entry() else None

    def pin_lengths(self) -> tuple[int, int]:
        """The fewest and the most digits of a PIN of this card, as its AODF says."""
        with self._transport.transaction():
            return length_limits(self._pins.entry(PinField.PIN))

    def keypad_for(self, operation: str) -> bool:
        """Whether ``verify``, ``change`` or ``unblock`` can be typed on the reader's keypad.

        Then None may be given in place of each secret of that operation.
        """
        with self._transport.transaction():
            return self._pins.keypad_for(operation)

    def check_pin_policy(self, *, use_last_try: bool = False, puk: bool = False) -> None:
        """Raise what the operations below would raise of the counter, before a PIN is asked for.

        The counter is read unless it was already. Raises PinBlockedError, PinRefusedError.
        """
        field = PinField.PUK if puk else PinField.PIN
        with self._transport.transaction():
            self._pins.check_policy(field, use_last_try=use_last_try)

    def verify_pin(self, pin: Secret | None, *, use_last_try: bool = False) -> None:
        """Send the PIN to the card: once in the life of this object, right or wrong.

        Raises, with nothing sent: PinFormatError, PinBlockedError, PinRefusedError (a single
        try left without ``use_last_try``, or a PIN was sent before), UsageError (None, and
        the reader has no keypad). Raises PinWrongError with the tries left, PinBlockedError
        when that was the last one.
        """
        with self._transport.transaction():
            self._pins.verify(pin, use_last_try=use_last_try)
        step("card", "PIN verified")

    def change_pin(
        self, pin: Secret | None, new: Secret | None, *, use_last_try: bool = False
    ) -> None:
        """Give the PIN a new value. Raises as :meth:`verify_pin`.

        CardStatusError when the card refuses the new PIN: the old one then still counts.
        """
        with self._transport.transaction():
            self._pins.change(pin, new, use_last_try=use_last_try)

    def unblock_pin(
        self, puk: Secret | None, new: Secret | None, *, use_last_try: bool = False
    ) -> None:
        """Give the PIN a new value, and all its tries, by means of the PUK.

        Raises as :meth:`change_pin`, of the PUK and its counter; CardError when the card
        lists no PUK.
        """
        with self._transport.transaction():
            self._pins.unblock(puk, new, use_last_try=use_last_try)

    # -- keys ----------------------------------------------------------------------------

    def random(self, length: int) -> bytes:
        """Bytes of the card's random generator. No PIN is needed."""
        with self._transport.transaction():
            return self._generation.random(length)

    def credential(
        self,
        purpose: str = AUTHENTICATION,
        chain: Sequence[x509.Certificate] = (),
        *,
        allow_sha1: bool = False,
    ) -> Credential:
        """The certificate for a purpose, with its key, which signs on the card.

        The key works once the PIN is verified, before or after this call; until then it
        raises PinRequiredError. SHA-1 is refused without ``allow_sha1``.
        """
        found = self._find(purpose)
        try:
            public_key = found.certificate.public_key()
        except KEY_ERRORS:
            raise CardError(tr("the key in the card's certificate can't be read")) from None
        if not isinstance(public_key, rsa.RSAPublicKey):
            raise CardError(tr("the card's certificate has no RSA key"))
        with self._transport.transaction():
            entry = self._directory.private_key(found.id)
        key = CardKey(
            reference=entry.reference,
            directory=self._directory.key_directory(entry),
            non_repudiation="non_repudiation" in entry.usage,
            may_decipher="decrypt" in entry.usage,
            public_key=public_key,
        )
        signer = CardSigner(
            self._generation, key, self._transport.transaction, allow_sha1=allow_sha1
        )
        return Credential(
            certificate=found.certificate,
            private_key=ExternalRsaKey(public_key, signer),
            chain=tuple(chain),
            schemes=signer.schemes,
        )

    # -- within --------------------------------------------------------------------------

    def _find(self, purpose: str) -> CardCertificate:
        """The first certificate that serves a purpose; those that look like it come first."""
        if purpose not in _LABEL_WORDS:
            raise UsageError(
                tr(
                    "{purpose!r} is no purpose: {known}",
                    purpose=purpose,
                    known=", ".join(_LABEL_WORDS),
                )
            )
        with self._transport.transaction():
            for entry in self._candidates(purpose):
                found = self._read(entry)
                if found.purpose == purpose:
                    return found
        raise CardIncapableError(
            tr("the card has no {purpose} certificate", purpose=said(purpose)),
            advice="" if self.has_pin else tr("insert the card in a contact reader, chip first"),
        )

    def _candidates(self, purpose: str) -> list[CertificateEntry]:
        """All certificates; those whose label speaks of the purpose come first."""
        word = _LABEL_WORDS[purpose]
        return sorted(self._directory.certificates, key=lambda e: word not in e.label.lower())

    def _quick_national_id(self) -> NationalId | None:
        """The identifier in the subject of a certificate that wasn't read, if it has one."""
        for entry in self._candidates(AUTHENTICATION)[:1]:
            if not self._directory.was_read(entry):
                with suppress(UnreadableError, UsageError):
                    common_name = self._directory.beginning(entry).subject.get(COMMON_NAME, ("",))[
                        -1
                    ]
                    return NationalId.parse(common_name)
        return None

    def _summary(self, entry: CertificateEntry) -> CertificateSummary:
        """Of a certificate that wasn't read yet, the label tells the purpose if it is plain."""
        meant = [p for p, word in _LABEL_WORDS.items() if word in entry.label.lower()]
        if len(meant) == 1 and not self._directory.was_read(entry):
            with suppress(UnreadableError):
                found = self._directory.beginning(entry)
                return CertificateSummary(
                    entry.label, entry.id, meant[0],
                    found.serial_number, found.not_before, found.not_after,
                )  # fmt: skip
        read = self._read(entry)
        return CertificateSummary(
            entry.label, entry.id, read.purpose, serial_number(read.certificate),
            read.certificate.not_valid_before_utc, read.certificate.not_valid_after_utc,
        )  # fmt: skip

    def _read(self, entry: CertificateEntry) -> CardCertificate:
        certificate = self._directory.certificate(entry)
        purpose = purpose_of(certificate) if self.has_pin else TECHNICAL
        return CardCertificate(entry.label, entry.id, purpose, certificate)

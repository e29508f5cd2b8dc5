"""A CPx card in a reader: who its holder is, its certificates, its PIN and its keys.

Nothing is read before it is asked for, and nothing twice. The PIN is sent at most once in
the life of a :class:`CpsCard`, whatever happens (design §6).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa

from ..certs.profile import decode
from ..credentials import Credential, ExternalRsaKey
from ..errors import CardError, CardUnsupportedError, PinRefusedError, UsageError
from ..identifiers import NationalId
from ..secret import Secret
from . import pin as pin_policy
from .atr import describe, generation_of
from .cps3 import Cps3
from .cps4 import Cps4
from .directory import CardDirectory
from .generation import CardKey, Generation, PinStatus
from .key import CardSigner
from .monitor import Monitor, MonitoredTransport
from .pkcs15 import CertificateEntry
from .transport import Transport

GENERATIONS: dict[str, type[Generation]] = {kind.name: kind for kind in (Cps3, Cps4)}

AUTHENTICATION, SIGNATURE = "authentication", "signature"
# Labels of card.md §8; only a hint of which certificate to read first.
_LABEL_WORDS = {AUTHENTICATION: "authentification", SIGNATURE: "signature"}


@dataclass(frozen=True)
class CardCertificate:
    """A certificate of the card. ``purpose``: ``authentication``, ``signature`` or ``other``.

    ``id`` links it to its private key.
    """

    label: str
    id: bytes
    purpose: str
    certificate: x509.Certificate


class CpsCard:
    """An open card. Use it in a ``with`` statement.

    All methods raise CardRemovedError when the card leaves, CardResetError when another
    program resets it, CardStatusError when it refuses, CardError when it makes no sense.
    """

    def __init__(self, transport: Transport, monitor: Monitor | None = None) -> None:
        """Take over a connected transport.

        Raises CardUnsupportedError when its ATR isn't that of a CPS3 or CPS4; the transport
        is then left open.
        """
        kind = GENERATIONS.get(generation_of(transport.atr) or "")
        if kind is None:
            raise CardUnsupportedError(
                f"{transport.reader_name}: {describe(transport.atr)}, which is not supported",
                advice="igcsante works with CPS3 and CPS4 cards in a contact reader",
                atr=transport.atr.hex().upper(),
            )
        self._transport = MonitoredTransport(transport, monitor) if monitor else transport
        self._generation = kind(self._transport)
        self._directory = CardDirectory(self._generation)
        self._pin_status: PinStatus | None = None
        self._pin_sent = False
        with self._transport.transaction():
            self._generation.start()

    def close(self) -> None:
        """Let go of the card and leave it powered."""
        self._transport.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    # -- the card ------------------------------------------------------------------------

    @property
    def generation(self) -> str:
        """``CPS3`` or ``CPS4``."""
        return self._generation.name

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

    def certificate(self, purpose: str = AUTHENTICATION) -> x509.Certificate:
        """The certificate for a purpose. Raises UsageError for a purpose that we don't know."""
        return self._find(purpose).certificate

    def national_id(self) -> NationalId:
        """The holder's national identifier: CN of the authentication certificate.

        The UPN of the certificate repeats it (card.md §4). Raises CardError when there is
        none or when the two disagree.
        """
        profile = decode(self.certificate())
        if profile.national_id is None:
            raise CardError("the card's authentication certificate names no national identifier")
        if profile.upn:
            _check_upn(profile.national_id, profile.upn)
        return profile.national_id

    # -- PIN -----------------------------------------------------------------------------

    def pin_status(self) -> PinStatus:
        """How many PIN tries are left. Never uses one."""
        with self._transport.transaction():
            return self._read_counter()

    def check_pin_policy(self, *, use_last_try: bool = False) -> None:
        """Raise what :meth:`verify_pin` would raise of the counter, before a PIN is asked for.

        The counter is read unless it was already. Raises PinBlockedError, PinRefusedError.
        """
        pin_policy.check_counter(self._pin_status or self.pin_status(), use_last_try=use_last_try)

    def verify_pin(self, pin: Secret, *, use_last_try: bool = False) -> None:
        """Send the PIN to the card: once in the life of this object, right or wrong.

        Raises, with nothing sent: PinFormatError, PinBlockedError, PinRefusedError (a single
        try left without ``use_last_try``, or a PIN was sent before). Raises PinWrongError
        with the tries left, PinBlockedError when that was the last one.
        """
        if self._pin_sent:
            raise PinRefusedError(
                "a PIN was already sent to this card: it is not sent again",
                advice="run the command again to give the PIN once more",
            )
        with self._transport.transaction():
            entry = self._directory.user_pin()
            value = pin_policy.encoded_pin(pin, entry)
            status = self._read_counter()
            pin_policy.check_counter(status, use_last_try=use_last_try)
            self._pin_sent = True
            self._pin_status = None
            sw = self._generation.verify(entry.reference, value)
        pin_policy.check_verified(sw, status)

    # -- keys ----------------------------------------------------------------------------

    def credential(
        self, purpose: str = AUTHENTICATION, chain: Sequence[x509.Certificate] = ()
    ) -> Credential:
        """The certificate for a purpose, with its key, which signs on the card.

        The key works once the PIN is verified, before or after this call; until then it
        raises PinRequiredError.
        """
        found = self._find(purpose)
        public_key = found.certificate.public_key()
        if not isinstance(public_key, rsa.RSAPublicKey):
            raise CardError("the card's certificate has no RSA key")
        with self._transport.transaction():
            entry = self._directory.private_key(found.id)
        key = CardKey(
            reference=entry.reference,
            directory=self._directory.key_directory(entry),
            non_repudiation="non_repudiation" in entry.usage,
            may_decipher="decrypt" in entry.usage,
            public_key=public_key,
        )
        signer = CardSigner(self._generation, key, self._transport.transaction)
        return Credential(
            certificate=found.certificate,
            private_key=ExternalRsaKey(public_key, signer),
            chain=tuple(chain),
            schemes=signer.schemes,
        )

    # -- within --------------------------------------------------------------------------

    def _read_counter(self) -> PinStatus:
        self._pin_status = self._generation.pin_status(self._directory.user_pin().reference)
        return self._pin_status

    def _find(self, purpose: str) -> CardCertificate:
        """The first certificate that serves a purpose; those that look like it come first."""
        if purpose not in _LABEL_WORDS:
            raise UsageError(f"{purpose!r} is no purpose: " + ", ".join(_LABEL_WORDS))
        with self._transport.transaction():
            entries = sorted(
                self._directory.certificates,
                key=lambda entry: _LABEL_WORDS[purpose] not in entry.label.lower(),
            )
            for entry in entries:
                found = self._read(entry)
                if found.purpose == purpose:
                    return found
        raise CardError(f"the card has no {purpose} certificate")

    def _read(self, entry: CertificateEntry) -> CardCertificate:
        certificate = self._directory.certificate(entry)
        return CardCertificate(entry.label, entry.id, _purpose(certificate), certificate)


def _purpose(certificate: x509.Certificate) -> str:
    """What a card's certificate is for, by its key usage (card.md §4.2)."""
    try:
        usage = certificate.extensions.get_extension_for_class(x509.KeyUsage).value
    except (x509.ExtensionNotFound, x509.DuplicateExtension, ValueError):
        return "other"
    if usage.content_commitment:
        return SIGNATURE
    return AUTHENTICATION if usage.digital_signature else "other"


def _check_upn(national_id: NationalId, upn: str) -> None:
    try:
        repeated = NationalId.from_upn(upn)
    except UsageError:
        raise CardError(
            "the user principal name in the card's certificate is no national identifier",
            common_name=national_id.masked,
        ) from None
    if repeated != national_id:
        raise CardError(
            "the card's certificate names two different holders: "
            f"{national_id.masked} (CN) and {repeated.masked} (UPN)",
            common_name=national_id.masked,
            upn=repeated.masked,
        )

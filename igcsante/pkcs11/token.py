"""A credential from any PKCS#11 token: the official Cryptolib CPS, OpenSC, SoftHSM, an HSM.

PKCS#11 v2.40 (OASIS). python-pkcs11, the extra ``pkcs11``, is imported when a token is
opened. The PIN is sent once, and not at all when it is the token's last try (design §6).

>>> with open_token(Path("/usr/lib/module.so")) as token:          # doctest: +SKIP
...     token.login(pin)
...     credential = token.credential()
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn, Self

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa

from ..credentials import (
    AUTHENTICATION,
    Credential,
    ExternalRsaKey,
    RsaScheme,
    purpose_of,
)
from ..errors import (
    CardAbsentError,
    CardError,
    CardUnsupportedError,
    PinBlockedError,
    PinRefusedError,
    PinRequiredError,
    PinWrongError,
    UsageError,
)
from ..extras import how_to_install
from ..messages import tr
from ..secret import Secret
from ..words import said
from .failures import errors_named
from .signer import Pkcs11Signer
from .stored import TokenCertificate, attribute, rsa_key

MAX_CERTIFICATES = 64
_PKCS1 = (RsaScheme.PKCS1_SHA256, RsaScheme.PKCS1_SHA384, RsaScheme.PKCS1_SHA512)
_PSS = (RsaScheme.PSS_SHA256, RsaScheme.PSS_SHA384, RsaScheme.PSS_SHA512)


def open_token(
    module: Path,
    *,
    label: str | None = None,
    serial: str | None = None,
    name: str | None = None,
) -> Pkcs11Token:
    """The token of that label and serial number, or the only one, behind a PKCS#11 module.

    ``name`` is the serial number, or a part of the label or of the slot's description (which
    is often the reader's name), in any case.
    Raises CardUnsupportedError without python-pkcs11 or for a module that can't be loaded,
    CardAbsentError without a token, UsageError when none fits or several do.
    """
    try:
        import pkcs11
    except ImportError:
        raise CardUnsupportedError(
            tr("PKCS#11 tokens can't be used: python-pkcs11 is not installed"),
            advice=how_to_install("pkcs11"),
        ) from None
    if not module.is_file():
        raise UsageError(tr("{module}: there is no PKCS#11 module of that name", module=module))
    with errors_named(str(module)):
        slots = pkcs11.lib(str(module)).get_slots(token_present=True)
        tokens = [slot.get_token() for slot in slots]
    initialized = [t for t in tokens if t.flags & pkcs11.TokenFlag.TOKEN_INITIALIZED]
    if not initialized:
        raise CardAbsentError(
            tr("{module}: no token is present", module=module.name), advice=tr("insert the card")
        )
    fitting = [
        token
        for token in initialized
        if label in (None, token.label)
        and serial in (None, _text(token.serial))
        and (name is None or _is_called(token, name))
    ]
    if len(fitting) != 1:
        names = [f"{token.label} ({_text(token.serial)})" for token in initialized]
        raise UsageError(
            tr("several tokens fit: {names}", names=", ".join(names))
            if fitting
            else tr("no token fits: {names}", names=", ".join(names)),
            advice=tr("choose one by its label or serial number: --reader"),
            tokens=names,
        )
    return Pkcs11Token(fitting[0].slot)


class Pkcs11Token:
    """An open token. Use it in a ``with`` statement.

    All methods raise CardRemovedError when the token leaves, CardError when it fails.
    """

    def __init__(self, slot: Any) -> None:
        """Open a session with the token in one of python-pkcs11's slots."""
        self._slot = slot
        self._pin_sent = False
        self._logged_in: Any = None
        with errors_named("token"):
            token = slot.get_token()
            self.label: str = token.label
            self._session = token.open()
        self.serial = _text(token.serial)

    def close(self) -> None:
        """Log out and close the sessions. Never fails."""
        import pkcs11

        for session in (self._logged_in, self._session):
            if session is not None:
                with suppress(pkcs11.PKCS11Error):
                    session.close()
        self._logged_in = self._session = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # -- certificates ----------------------------------------------------------------------

    def certificates(self) -> tuple[TokenCertificate, ...]:
        """The token's X.509 certificates; those that can't be read are left out."""
        from pkcs11 import Attribute, ObjectClass

        found: list[TokenCertificate] = []
        with errors_named(self.label):
            for stored in self._open().get_objects({Attribute.CLASS: ObjectClass.CERTIFICATE}):
                if len(found) == MAX_CERTIFICATES:
                    raise CardError(
                        tr(
                            "{label}: more than {max_certificates} certificates",
                            label=self.label,
                            max_certificates=MAX_CERTIFICATES,
                        )
                    )
                with suppress(ValueError):
                    certificate = x509.load_der_x509_certificate(stored[Attribute.VALUE])
                    label = str(attribute(stored, Attribute.LABEL) or "")
                    identifier = bytes(attribute(stored, Attribute.ID) or b"")
                    entry = TokenCertificate(
                        label, identifier, purpose_of(certificate), certificate
                    )
                    found.append(entry)
        return tuple(found)

    # -- PIN -------------------------------------------------------------------------------

    @property
    def wants_pin_on_reader(self) -> bool:
        """Whether the PIN is typed on the reader: then ``login`` takes none."""
        from pkcs11 import TokenFlag

        return bool(self._flags() & TokenFlag.PROTECTED_AUTHENTICATION_PATH)

    def check_pin_policy(self, *, use_last_try: bool = False) -> None:
        """Raise what :meth:`login` would raise of the token's counter, nothing sent."""
        from pkcs11 import TokenFlag

        flags = self._flags()
        if flags & TokenFlag.USER_PIN_LOCKED:
            raise PinBlockedError(
                tr("{label}: the PIN is blocked", label=self.label),
                advice=tr("the PUK is needed"),
                tries_left=0,
            )
        if flags & TokenFlag.USER_PIN_FINAL_TRY and not use_last_try:
            raise PinRefusedError(
                tr(
                    "a single PIN try is left: the PIN was not sent, "
                    "a wrong one would block the token"
                ),
                advice=tr("give --use-last-try if you are sure of the PIN"),
                tries_left=1,
            )

    def login(self, pin: Secret | None = None, *, use_last_try: bool = False) -> None:
        """Send the PIN: once in the life of this object, right or wrong.

        None lets the reader ask for it. Raises, with nothing sent: PinBlockedError,
        PinRefusedError (the last try without ``use_last_try``, or a PIN was sent before),
        UsageError. Raises PinWrongError, PinFormatError, PinBlockedError as the token says.
        """
        import pkcs11

        if self._pin_sent:
            raise PinRefusedError(
                tr("a PIN was already sent to this token: it is not sent again"),
                advice=tr("open the token again to give the PIN once more"),
            )
        if pin is None and not self.wants_pin_on_reader:
            raise UsageError(
                tr("{label}: this token's reader has no keypad; give the PIN", label=self.label)
            )
        self.check_pin_policy(use_last_try=use_last_try)
        value = pkcs11.PROTECTED_AUTH if pin is None else pin.text()
        self._pin_sent = True
        with errors_named(self.label):
            try:
                self._logged_in = self._slot.get_token().open(user_pin=value)
            except (pkcs11.PinIncorrect, pkcs11.PinInvalid):
                self._refused()

    # -- keys ------------------------------------------------------------------------------

    def credential(
        self,
        purpose: str = AUTHENTICATION,
        *,
        label: str | None = None,
        key_id: bytes | None = None,
        chain: Sequence[x509.Certificate] = (),
    ) -> Credential:
        """The certificate of that label or CKA_ID, else the one for ``purpose``, with its key.

        The key works after :meth:`login`, which may come before or after this call; until
        then it raises PinRequiredError. Raises UsageError when nothing, or more than one
        certificate, fits.
        """
        by_name = label is not None or key_id is not None
        fitting = [
            entry
            for entry in self.certificates()
            if (label in (None, entry.label) and key_id in (None, entry.id))
            and (by_name or entry.purpose == purpose)
            and rsa_key(entry.certificate)
        ]
        if len(fitting) != 1:
            count = tr("several certificates") if fitting else tr("no certificate with an RSA key")
            wanted = (
                tr("of that description") if by_name else tr("for {purpose}", purpose=said(purpose))
            )
            raise UsageError(
                tr(
                    "the token {label}: {count} {wanted}",
                    label=self.label,
                    count=count,
                    wanted=wanted,
                ),
                labels=[entry.label for entry in fitting],
            )
        found = fitting[0].certificate
        public_key = rsa_key(found)
        assert public_key is not None  # noqa: S101 - chosen above
        identifier = fitting[0].id
        signer = Pkcs11Signer(
            self.label, lambda: self._private_key(identifier), public_key, self.schemes()
        )
        key = ExternalRsaKey(public_key, signer)
        return Credential(found, key, tuple(chain), signer.schemes)

    def private_key(
        self, *, label: str | None = None, key_id: bytes | None = None
    ) -> ExternalRsaKey:
        """The RSA key of that label and CKA_ID, which need not have a certificate yet.

        It is looked for after :meth:`login`: tokens hide their keys before. Raises UsageError
        when none, or more than one, fits.
        """
        from pkcs11 import Attribute, KeyType, ObjectClass

        wanted: dict[Any, Any] = {
            Attribute.CLASS: ObjectClass.PRIVATE_KEY,
            Attribute.KEY_TYPE: KeyType.RSA,
        }
        wanted |= {Attribute.LABEL: label} if label is not None else {}
        wanted |= {Attribute.ID: key_id} if key_id is not None else {}
        session = self._logged_in or self._open()
        with errors_named(self.label):
            found = list(session.get_objects(wanted))
        if len(found) != 1:
            raise UsageError(
                tr(
                    "the token {label}: {which} called that",
                    label=self.label,
                    which=tr("several keys are") if found else tr("no RSA key is"),
                ),
                advice=tr("pkcs11-tool --list-objects --login shows their labels and ids"),
            )
        with errors_named(self.label):
            numbers = [found[0][name] for name in (Attribute.PUBLIC_EXPONENT, Attribute.MODULUS)]
        exponent, modulus = (int.from_bytes(octets, "big") for octets in numbers)
        public_key = rsa.RSAPublicNumbers(exponent, modulus).public_key()
        signer = Pkcs11Signer(self.label, lambda: found[0], public_key, self.schemes())
        return ExternalRsaKey(public_key, signer)

    def schemes(self) -> frozenset[RsaScheme]:
        """What the token's mechanisms can sign with; SHA-1 is left out."""
        from pkcs11 import Mechanism

        with errors_named(self.label):
            known = set(self._slot.get_mechanisms())
        schemes = set(_PKCS1) if Mechanism.RSA_PKCS in known else set()
        if Mechanism.RSA_PKCS_PSS in known:
            # The hashes of bare PSS aren't listed: those of the hashing variants tell them.
            named = {s for s in _PSS if Mechanism[f"{s.hash_name.upper()}_RSA_PKCS_PSS"] in known}
            schemes |= named or set(_PSS)
        return frozenset(schemes)

    # -- within ----------------------------------------------------------------------------

    def _open(self) -> Any:
        if self._session is None:
            raise CardError(tr("{label}: the session with the token is closed", label=self.label))
        return self._session

    def _private_key(self, identifier: bytes) -> Any:
        """The private key of that CKA_ID; private objects are invisible before the login."""
        import pkcs11

        session = self._logged_in or self._open()
        with errors_named(self.label):
            try:
                return session.get_key(object_class=pkcs11.ObjectClass.PRIVATE_KEY, id=identifier)
            except pkcs11.NoSuchKey:
                if self._logged_in is None:
                    raise PinRequiredError(
                        tr("the token wants its PIN before it uses this key"),
                        advice=tr("log in first"),
                    ) from None
                raise CardError(
                    tr("{label}: no private key belongs to this certificate", label=self.label)
                ) from None

    def _flags(self) -> Any:
        """The token's flags as they are now."""
        with errors_named(self.label):
            return self._slot.get_token().flags

    def _refused(self) -> NoReturn:
        """The PIN was wrong: say what is left, as far as the token tells."""
        from pkcs11 import TokenFlag

        flags = self._flags()
        if flags & TokenFlag.USER_PIN_LOCKED:
            raise PinBlockedError(
                tr("{label}: the PIN is wrong, and is now blocked", label=self.label),
                advice=tr("the PUK is needed"),
                tries_left=0,
            ) from None
        last = bool(flags & TokenFlag.USER_PIN_FINAL_TRY)
        raise PinWrongError(
            tr("{label}: the PIN is wrong: a single try is left", label=self.label)
            if last
            else tr("{label}: the PIN is wrong", label=self.label),
            tries_left=1 if last else None,
            advice=tr("it is not sent again by itself"),
        ) from None


def _is_called(token: Any, name: str) -> bool:
    described = (token.label, token.slot.slot_description)
    return name == _text(token.serial) or any(name.lower() in str(d).lower() for d in described)


def _text(serial: bytes) -> str:
    return serial.decode("utf-8", "replace").strip("\0 ")

"""Every error that igcsante raises, and the exit code each one gives the CLI.

One root, :class:`IgcError`. A class is a kind of trouble; its ``code`` is stable and
meant for programs, its message says what happened, its ``advice`` what to do next, and
its ``fields`` carry the data. No secret is ever put in any of them.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Any, ClassVar

from .messages import tr


class ExitCode(IntEnum):
    """Exit codes of ``igc``, the same for all commands."""

    GOOD = 0
    FAILURE = 1
    USAGE = 2
    NO_CARD = 3
    PIN_WRONG = 4
    PIN_REFUSED = 5
    INVALID = 6
    REVOKED = 7
    UNKNOWN = 8
    STALE = 9
    NETWORK = 10
    PLATFORM_REFUSED = 11
    PLATFORM_UNAVAILABLE = 12
    TIMEOUT = 13
    ENDING = 14
    INTERRUPTED = 130


class IgcError(Exception):
    """Root of the errors of igcsante."""

    code: ClassVar[str] = "internal"
    exit_code: ClassVar[ExitCode] = ExitCode.FAILURE

    def __init__(self, message: str, *, advice: str = "", **fields: Any) -> None:
        super().__init__(message)
        self.message = message
        self.advice = advice
        self.fields = fields

    @property
    def in_one_line(self) -> str:
        """The message, and the advice in parentheses when there is one."""
        if not self.advice:
            return self.message
        return tr("{message} ({advice})", message=self.message, advice=self.advice)

    def to_dict(self) -> dict[str, Any]:
        """``{"code", "message", "advice", "exit_code", **fields}``, ready for JSON."""
        return {
            "code": self.code,
            "message": self.message,
            "advice": self.advice,
            "exit_code": int(self.exit_code),
            **self.fields,
        }


# -- use ---------------------------------------------------------------------------


class UsageError(IgcError):
    """What was asked makes no sense; nothing was done."""

    code = "usage"
    exit_code = ExitCode.USAGE


class ConfigError(IgcError):
    """A configuration or mapping file is missing or wrong."""

    code = "config"
    exit_code = ExitCode.USAGE


class StorageError(IgcError):
    """A file can't be written or read (permissions, disk full, already there)."""

    code = "storage"


# -- readers and cards ---------------------------------------------------------------


class CardError(IgcError):
    """The card or its reader; also an answer of the card that makes no sense."""

    code = "card.protocol"


class CardStatusError(CardError):
    """The card refused a command. Field: ``status_word`` (ISO 7816-4 §5.6)."""

    code = "card.status"

    def __init__(self, message: str, *, status_word: int, **fields: Any) -> None:
        super().__init__(message, status_word=f"{status_word:04X}", **fields)
        self.status_word = status_word


class PcscUnavailableError(CardError):
    """pyscard or the PC/SC service is missing."""

    code = "card.pcsc.unavailable"
    exit_code = ExitCode.NO_CARD


class ReaderAbsentError(CardError):
    """No reader, or none of the name that was asked."""

    code = "card.reader.absent"
    exit_code = ExitCode.NO_CARD


class CardAbsentError(CardError):
    """A reader is there, its card isn't."""

    code = "card.absent"
    exit_code = ExitCode.NO_CARD


class CardRemovedError(CardError):
    """The card or its reader was taken away in the middle of a command."""

    code = "card.removed"
    exit_code = ExitCode.NO_CARD


class CardResetError(CardError):
    """Another program reset the card, which forgot its PIN state; it can be used again."""

    code = "card.reset"
    exit_code = ExitCode.NO_CARD


class CardBusyError(CardError):
    """Another program holds the card."""

    code = "card.busy"
    exit_code = ExitCode.NO_CARD


class CardUnsupportedError(CardError):
    """A card that is no CPx card that igcsante knows."""

    code = "card.unsupported"
    exit_code = ExitCode.NO_CARD


class CardIncapableError(CardError):
    """This card, or this interface of it, has not what was asked for: no PIN, no such key."""

    code = "card.incapable"
    exit_code = ExitCode.NO_CARD


class PinWrongError(CardError):
    """The card refused the PIN: one try is spent.

    Field: ``tries_left``, None from a PKCS#11 token that doesn't tell.
    """

    code = "card.pin.wrong"
    exit_code = ExitCode.PIN_WRONG

    def __init__(self, message: str, *, tries_left: int | None, **fields: Any) -> None:
        super().__init__(message, tries_left=tries_left, **fields)
        self.tries_left = tries_left


class PinBlockedError(CardError):
    """No try is left: the PUK is needed."""

    code = "card.pin.blocked"
    exit_code = ExitCode.PIN_REFUSED


class PinRefusedError(CardError):
    """The PIN was not sent, to protect the card (too few tries left)."""

    code = "card.pin.refused"
    exit_code = ExitCode.PIN_REFUSED


class PinFormatError(CardError):
    """The PIN can't be right (length, characters) and was not sent."""

    code = "card.pin.format"
    exit_code = ExitCode.USAGE


class PinRequiredError(CardError):
    """The card wants its PIN before this operation."""

    code = "card.pin.required"
    exit_code = ExitCode.PIN_REFUSED


# -- certificates ----------------------------------------------------------------------


class UnreadableError(IgcError):
    """Bytes that are no certificate, CRL, key or container that we can read."""

    code = "certificate.unreadable"
    exit_code = ExitCode.INVALID


class CertificateInvalidError(IgcError):
    """Chain, signature, profile or validity is wrong."""

    code = "certificate.invalid"
    exit_code = ExitCode.INVALID


class CertificateRevokedError(IgcError):
    """The certificate is revoked."""

    code = "certificate.revoked"
    exit_code = ExitCode.REVOKED


class StatusUnknownError(IgcError):
    """The revocation status can't be told."""

    code = "certificate.unknown"
    exit_code = ExitCode.UNKNOWN


class StatusStaleError(IgcError):
    """The revocation data is older than its policy allows."""

    code = "certificate.stale"
    exit_code = ExitCode.STALE


# -- network and platform --------------------------------------------------------------


class NetworkError(IgcError):
    """The other end can't be reached, or hung up."""

    code = "network"
    exit_code = ExitCode.NETWORK


class TlsError(NetworkError):
    """The TLS handshake failed."""

    code = "network.tls"


class TimeoutExceededError(IgcError):
    """A time limit ran out."""

    code = "timeout"
    exit_code = ExitCode.TIMEOUT


class PlatformError(IgcError):
    """The platform's own answer. Fields: ``fault`` (its code), ``field`` (what is wrong)."""

    code = "platform"


class PlatformRefusedError(PlatformError):
    """A functional fault: the request was understood and refused."""

    code = "platform.refused"
    exit_code = ExitCode.PLATFORM_REFUSED


class NotHabilitatedError(PlatformRefusedError):
    """The card has no habilitation for what was asked."""

    code = "platform.not_habilitated"


class PlatformUnavailableError(PlatformError):
    """A technical fault: the platform could not serve the request."""

    code = "platform.unavailable"
    exit_code = ExitCode.PLATFORM_UNAVAILABLE


class ContractError(PlatformError):
    """An answer that does not follow the WSDL and mapping in use."""

    code = "platform.contract"
    exit_code = ExitCode.PLATFORM_UNAVAILABLE

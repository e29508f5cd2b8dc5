"""What a field of a request may hold, checked before anything is sent (platform.md §7.5).

Every check raises UsageError whose ``field`` is the field's name and whose message says
what it may be. None of them repeats a secret.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from ..errors import UsageError
from ..identifiers import NationalId
from ..messages import tr
from ..secret import Secret

MAX_COMMON_NAME = 64  # X.520 ub-common-name
MAX_NAMES = 50
MAX_EMAILS = 10
MAX_CSR_BYTES = 16 * 1024
MAX_SECRET_CHARACTERS = 128
MAX_PAGE_SIZE = 100

_REFERENCE = re.compile(r"[0-9A-Za-z._:-]{1,64}", re.ASCII)
_PRODUCT_ID = re.compile(r"[0-9A-Za-z._-]{1,64}", re.ASCII)
_LABEL = re.compile(r"(?!-)[a-z0-9-]{1,63}(?<!-)", re.ASCII)
_LOCAL_PART = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]{1,64}", re.ASCII)
_SERIAL = re.compile(r"[0-9A-F]{1,40}", re.ASCII)


def checked_fqdn(name: str) -> str:
    """``name`` in lower case when it is a full host name (RFC 1123 §2.1). Raises UsageError."""
    labels = name.lower().split(".")
    well_formed = (
        len(name) <= 253
        and len(labels) >= 2
        and all(_LABEL.fullmatch(label) for label in labels)
        and not labels[-1].isdigit()
    )
    if not well_formed:
        raise refusal(
            "fqdns", tr("{name!r} is not a full host name, such as mss.exemple.fr", name=name[:80])
        )
    return name.lower()


def checked_fqdns(names: Sequence[str]) -> tuple[str, ...]:
    """The names in lower case, without repeats; the first must fit a CN. Raises UsageError."""
    checked = tuple(dict.fromkeys(checked_fqdn(name) for name in names))
    if len(checked) > MAX_NAMES:
        raise refusal("fqdns", tr("at most {max_names} names", max_names=MAX_NAMES))
    if len(checked[0]) > MAX_COMMON_NAME:
        raise refusal(
            "fqdns",
            tr(
                "the first name becomes the CN, which holds {max_common_name} characters",
                max_common_name=MAX_COMMON_NAME,
            ),
        )
    return checked


def checked_serial(text: str) -> str:
    """A certificate's serial as upper-case hexadecimal, colons dropped. Raises UsageError."""
    serial = text.replace(":", "").upper()
    if not _SERIAL.fullmatch(serial):
        raise refusal("serial", tr("1 to 40 hexadecimal digits"))
    return serial


def check_key(csr: bytes | None, password: Secret | None) -> None:
    """Either a CSR or the password of the key that the platform makes."""
    if (csr is None) == (password is None):
        raise refusal("csr", tr("either a CSR or a password for the platform's key, not both"))
    if csr is not None and not 0 < len(csr) <= MAX_CSR_BYTES:
        raise refusal("csr", tr("1 to {max_csr_bytes} bytes", max_csr_bytes=MAX_CSR_BYTES))
    if password is not None:
        check_secret("key_password", password)


def check_secret(name: str, secret: Secret) -> None:
    """A password or code that XML can carry; the platform's own rules are not public."""
    text = secret.text()
    if not 1 <= len(text) <= MAX_SECRET_CHARACTERS or not text.isprintable():
        raise refusal(
            name,
            tr(
                "1 to {max_secret_characters} printable characters",
                max_secret_characters=MAX_SECRET_CHARACTERS,
            ),
        )


def check_text(name: str, value: str, longest: int) -> None:
    """Printable text of 1 to ``longest`` characters."""
    if not 1 <= len(value) <= longest or not value.isprintable() or value != value.strip():
        raise refusal(
            name, tr("1 to {longest} printable characters, no space at either end", longest=longest)
        )


def check_emails(emails: Sequence[str], *, at_least: int) -> None:
    """The addresses to notify."""
    if not at_least <= len(emails) <= MAX_EMAILS:
        raise refusal(
            "emails",
            tr(
                "{at_least} to {max_emails} addresses to notify",
                at_least=at_least,
                max_emails=MAX_EMAILS,
            ),
        )
    for email in emails:
        check_email("emails", email)


def check_email(name: str, email: str) -> None:
    """One address: dot-atom local part (RFC 5322 §3.2.3) and full host name."""
    local, at, domain = email.rpartition("@")
    try:
        checked_fqdn(domain)
    except UsageError:
        at = ""
    dotted = local.startswith(".") or local.endswith(".") or ".." in local
    if not at or dotted or len(email) > 254 or not _LOCAL_PART.fullmatch(local):
        raise refusal(name, tr("{email!r} is not an e-mail address", email=email[:80]))


def check_holder_id(text: str) -> None:
    """The national identifier of a professional: type digit and number (PS_IdNat)."""
    try:
        NationalId.parse(text)
    except UsageError as error:
        raise refusal("national_id", error.message, advice=error.advice) from None


def check_product_id(product_id: str) -> None:
    """The platform's name of a product."""
    if not _PRODUCT_ID.fullmatch(product_id):
        raise refusal("product_id", tr("1 to 64 characters among A-Z a-z 0-9 . _ -"))


def check_reference(reference: str) -> None:
    """The client's own name of an order."""
    if not _REFERENCE.fullmatch(reference):
        raise refusal("client_reference", tr("1 to 64 characters among A-Z a-z 0-9 . _ : -"))


def refusal(name: str, reason: str, allowed: Sequence[str] = (), *, advice: str = "") -> UsageError:
    """The error for a field that holds what it may not."""
    listed = tr("; allowed: {allowed}", allowed=", ".join(allowed)) if allowed else ""
    return UsageError(
        tr("{name}: {reason}{listed}", name=name, reason=reason, listed=listed),
        advice=advice,
        field=name,
        allowed=list(allowed),
    )

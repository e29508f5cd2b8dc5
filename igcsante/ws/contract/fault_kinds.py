"""What faults of the platform mean, and what to do about each (facts sheet platform.md §7.6).

A mapping file gives codes these names. None of them is the ANS's: its codes are not public.
"""

from __future__ import annotations

from dataclasses import dataclass

from ...errors import (
    NotHabilitatedError,
    PlatformError,
    PlatformRefusedError,
    PlatformUnavailableError,
)
from ...messages import tr


@dataclass(frozen=True)
class FaultKind:
    """The error that a fault becomes, and the advice that comes with it."""

    error: type[PlatformError]
    advice: str = ""


_LATER = tr("try again later")

FAULT_KINDS: dict[str, FaultKind] = {
    "refused": FaultKind(PlatformRefusedError),
    "not_habilitated": FaultKind(
        NotHabilitatedError,
        tr(
            "the card's holder must be habilitated for this offer and structure; "
            "igc habilitations lists what this card may order"
        ),
    ),
    "usage_not_offered": FaultKind(
        PlatformRefusedError, tr("igc habilitations lists the usages of each offer")
    ),
    "out_of_scope": FaultKind(
        PlatformRefusedError,
        tr("the name must be within the domain or server of the habilitation: igc habilitations"),
    ),
    "invalid_field": FaultKind(PlatformRefusedError, tr("correct that field, then order again")),
    "missing_field": FaultKind(PlatformRefusedError, tr("give that field, then order again")),
    "csr_refused": FaultKind(
        PlatformRefusedError, tr("make the request anew: igc inspect FILE says what is in it")
    ),
    "key_refused": FaultKind(PlatformRefusedError, tr("RSA keys of 2048 bits are always taken")),
    "key_already_certified": FaultKind(
        PlatformRefusedError, tr("order again with a new key: a key is certified once")
    ),
    "key_choice": FaultKind(
        PlatformRefusedError, tr("give either a certificate request or a password, not both")
    ),
    "not_found": FaultKind(
        PlatformRefusedError, tr("check its number, and that this card may see it: igc orders")
    ),
    "wrong_state": FaultKind(
        PlatformRefusedError, tr("igc orders show says where the product is in its life")
    ),
    "code_mismatch": FaultKind(PlatformRefusedError, tr("type the same revocation code twice")),
    "not_accepted": FaultKind(
        PlatformRefusedError, tr("the beneficiary must accept the CGU: --accept-cgu")
    ),
    "wrong_key_password": FaultKind(
        PlatformRefusedError,
        tr("it is the password of the order; once lost it can't be recovered: order again"),
    ),
    "wrong_revocation_code": FaultKind(
        PlatformRefusedError,
        tr("it is the code that was chosen when the certificate was retrieved"),
    ),
    "not_renewable": FaultKind(
        PlatformRefusedError, tr("only an active certificate can be renewed: order a new one")
    ),
    "wrong_world": FaultKind(
        PlatformRefusedError,
        tr("a test card serves the test world only, a real one the real world"),
    ),
    "quota": FaultKind(PlatformRefusedError, tr("wait, or ask the platform's support for more")),
    "duplicate_reference": FaultKind(
        PlatformRefusedError, tr("this order was placed before: igc orders says where it is")
    ),
    "unavailable": FaultKind(PlatformUnavailableError, _LATER),
    "ca_unavailable": FaultKind(
        PlatformUnavailableError,
        tr("the certification authority does not answer: {later}", later=_LATER),
    ),
    "directory_unavailable": FaultKind(
        PlatformUnavailableError,
        tr("the directory of structures does not answer: {later}", later=_LATER),
    ),
    "maintenance": FaultKind(
        PlatformUnavailableError, tr("the platform is being serviced: {later}", later=_LATER)
    ),
    "timeout": FaultKind(
        PlatformUnavailableError, tr("igc orders says how far the order went, before you try again")
    ),
}

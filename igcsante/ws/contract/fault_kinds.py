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


@dataclass(frozen=True)
class FaultKind:
    """The error that a fault becomes, and the advice that comes with it."""

    error: type[PlatformError]
    advice: str = ""


_LATER = "try again later"

FAULT_KINDS: dict[str, FaultKind] = {
    "refused": FaultKind(PlatformRefusedError),
    "not_habilitated": FaultKind(
        NotHabilitatedError,
        "the card's holder must be habilitated for this offer and structure; "
        "igc habilitations lists what this card may order",
    ),
    "usage_not_offered": FaultKind(
        PlatformRefusedError, "igc habilitations lists the usages of each offer"
    ),
    "out_of_scope": FaultKind(
        PlatformRefusedError,
        "the name must be within the domain or server of the habilitation: igc habilitations",
    ),
    "invalid_field": FaultKind(PlatformRefusedError, "correct that field, then order again"),
    "missing_field": FaultKind(PlatformRefusedError, "give that field, then order again"),
    "csr_refused": FaultKind(
        PlatformRefusedError, "make the request anew: igc inspect FILE says what is in it"
    ),
    "key_refused": FaultKind(PlatformRefusedError, "RSA keys of 2048 bits are always taken"),
    "key_already_certified": FaultKind(
        PlatformRefusedError, "order again with a new key: a key is certified once"
    ),
    "key_choice": FaultKind(
        PlatformRefusedError, "give either a certificate request or a password, not both"
    ),
    "not_found": FaultKind(
        PlatformRefusedError, "check its number, and that this card may see it: igc orders"
    ),
    "wrong_state": FaultKind(
        PlatformRefusedError, "igc orders show says where the product is in its life"
    ),
    "code_mismatch": FaultKind(PlatformRefusedError, "type the same revocation code twice"),
    "not_accepted": FaultKind(
        PlatformRefusedError, "the beneficiary must accept the CGU: --accept-cgu"
    ),
    "wrong_key_password": FaultKind(
        PlatformRefusedError,
        "it is the password of the order; once lost it can't be recovered: order again",
    ),
    "wrong_revocation_code": FaultKind(
        PlatformRefusedError, "it is the code that was chosen when the certificate was retrieved"
    ),
    "not_renewable": FaultKind(
        PlatformRefusedError, "only an active certificate can be renewed: order a new one"
    ),
    "wrong_world": FaultKind(
        PlatformRefusedError, "a test card serves the test world only, a real one the real world"
    ),
    "quota": FaultKind(PlatformRefusedError, "wait, or ask the platform's support for more"),
    "duplicate_reference": FaultKind(
        PlatformRefusedError, "this order was placed before: igc orders says where it is"
    ),
    "unavailable": FaultKind(PlatformUnavailableError, _LATER),
    "ca_unavailable": FaultKind(
        PlatformUnavailableError, f"the certification authority does not answer: {_LATER}"
    ),
    "directory_unavailable": FaultKind(
        PlatformUnavailableError, f"the directory of structures does not answer: {_LATER}"
    ),
    "maintenance": FaultKind(PlatformUnavailableError, f"the platform is being serviced: {_LATER}"),
    "timeout": FaultKind(
        PlatformUnavailableError, "igc orders says how far the order went, before you try again"
    ),
}

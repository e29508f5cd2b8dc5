"""What looks wrong in an IGC-Santé certificate: names and usages that don't fit each other.

Follows facts sheet pki.md §3 and §6, as :mod:`.profile`, which asks for it.
"""

from __future__ import annotations

from ..errors import UsageError
from ..identifiers import NationalId
from ..messages import tr
from .nomenclatures import PRODUCTION_POLICY_USAGES, TEST_POLICY
from .x509.extensions import Extensions

ORGANISATION_CUT = 40  # pki.md §3: O is cut there (inferred from one certificate)
CUT = tr(
    "the organisation has exactly {organisation_cut} characters: it may be cut",
    organisation_cut=ORGANISATION_CUT,
)


def check_upn(
    upn: str, national_id: NationalId | None, product: str | None, warnings: list[str]
) -> None:
    """Warn of a user principal name that a card's can't be, or that says another person."""
    if not upn.endswith(NationalId.UPN_SUFFIX):
        # In a software certificate the UPN is a free e-mail-like value (pki.md §3).
        if upn and product == "card":
            warnings.append(
                tr(
                    "the user principal name {upn!r} is not in {upn_suffix}",
                    upn=upn,
                    upn_suffix=NationalId.UPN_SUFFIX,
                )
            )
        return
    try:
        told = NationalId.from_upn(upn)
    except UsageError as error:
        warnings.append(tr("user principal name: {message}", message=error.message))
        return
    if national_id is not None and told != national_id:
        warnings.append(
            tr(
                "the user principal name says {told}, the common name {national_id}",
                told=told,
                national_id=national_id,
            )
        )


def check_names(
    common_name: str,
    organisation: str,
    usage: str | None,
    dns_names: tuple[str, ...],
    warnings: list[str],
) -> None:
    """Warn of names that are cut, and of a server that its clients can't call by its name."""
    if len(organisation) == ORGANISATION_CUT:
        warnings.append(CUT)
    if usage == "SSL_SERV" and not dns_names:
        warnings.append(
            tr("no DNS name among its alternative names: clients that call it by name refuse it")
        )
    elif usage == "SSL_SERV" and common_name.lower() not in {name.lower() for name in dns_names}:
        warnings.append(tr("the common name of this server is not among its DNS names"))


def check_usage(
    extensions: Extensions, world: str, usage: str | None, conflicts: list[str]
) -> None:
    """Note where what a certificate may be used for contradicts its policy or its world."""
    if usage is None and "OCSPSigning" not in extensions.extended_key_usages:
        conflicts.append(tr("the key usages are those of no IGC-Santé profile"))
    for policy in extensions.policies:
        expected = PRODUCTION_POLICY_USAGES.get(policy)
        if expected and expected != usage:
            conflicts.append(
                tr(
                    "policy {policy} is that of {expected}, the key usages are not",
                    policy=policy,
                    expected=expected,
                )
            )
        if policy == TEST_POLICY and world == "production":
            conflicts.append(tr("a production certificate under the TEST policy"))

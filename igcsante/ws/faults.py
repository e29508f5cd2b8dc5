"""Faults and HTTP failures of the platform, turned into errors.

SOAP 1.1 and 1.2 faults whose detail holds an element that the mapping file names as
functional or technical (facts sheet platform.md §7.6). A functional fault says that nothing
was done. A technical one does not, unless it comes with HTTP 503: its error carries
``outcome_unknown=True``.
"""

from __future__ import annotations

from typing import Any

from lxml import etree

from ..errors import (
    ContractError,
    NotHabilitatedError,
    PlatformError,
    PlatformRefusedError,
    PlatformUnavailableError,
)
from .codec import element_text, local_name
from .mapping import ContractMapping

MAX_MESSAGE_CHARACTERS = 500
MIN_MASKED_CHARACTERS = 4  # a shorter one would be betrayed by the holes that it leaves
MAX_CODE_CHARACTERS = 64


def find_fault(envelope: etree._Element) -> etree._Element | None:
    """The Fault element of an envelope, of either SOAP version."""
    body = next((child for child in envelope if local_name(child) == "Body"), None)
    return None if body is None else next((c for c in body if local_name(c) == "Fault"), None)


def fault_error(
    mapping: ContractMapping,
    operation: str,
    fault: etree._Element,
    status: int,
    secrets: tuple[str, ...],
) -> PlatformError:
    """The error that a fault stands for; its words are shown without ``secrets``."""
    names = mapping.faults
    kind, detail = _family(mapping, fault)
    code, message, field = "", _fault_string(fault), ""
    if detail is not None:
        code = element_text(detail, names.code)
        message = element_text(detail, names.message) or message
        field = element_text(detail, names.field)
    for secret in (text for text in secrets if len(text) >= MIN_MASKED_CHARACTERS):
        code, message, field = (text.replace(secret, "***") for text in (code, message, field))
    shown = message[:MAX_MESSAGE_CHARACTERS] or "no reason given"
    if code:
        shown += f" ({code[:MAX_CODE_CHARACTERS]})"
    return _error(
        names.kinds.get(code, kind),
        shown,
        status,
        fault=code[:MAX_CODE_CHARACTERS],
        field=_domain_field(mapping, operation, field)[:MAX_CODE_CHARACTERS],
    )


def status_error(status: int) -> PlatformError:
    """The error for an HTTP status that came without a fault."""
    if status in (401, 403):
        return PlatformRefusedError(
            f"the platform refuses this card (HTTP {status})",
            advice="it may be expired, opposed or not known there",
        )
    if status == 503:
        return PlatformUnavailableError(
            "the platform is not available (HTTP 503)", advice="try again later"
        )
    if 400 <= status < 500:
        return ContractError(
            f"the platform knows no such service (HTTP {status})",
            advice="check the address of the web service, and the WSDL and mapping in use",
        )
    return PlatformUnavailableError(f"the platform failed (HTTP {status})", outcome_unknown=True)


def _family(mapping: ContractMapping, fault: etree._Element) -> tuple[str, etree._Element | None]:
    for element in fault.iter():
        if local_name(element) in mapping.faults.functional:
            return "refused", element
        if local_name(element) in mapping.faults.technical:
            return "unavailable", element
    return "refused" if _blames_client(fault) else "unavailable", None


def _error(kind: str, message: str, status: int, **fields: Any) -> PlatformError:
    if kind == "not_habilitated":
        return NotHabilitatedError(
            f"the platform refuses: {message}",
            advice="the card's holder must be habilitated for this offer and structure",
            **fields,
        )
    if kind == "refused":
        return PlatformRefusedError(f"the platform refuses: {message}", **fields)
    if status != 503:
        fields["outcome_unknown"] = True
    return PlatformUnavailableError(
        f"the platform can't do it now: {message}", advice="try again later", **fields
    )


def _domain_field(mapping: ContractMapping, operation: str, wire_field: str) -> str:
    for field, paths in mapping.operation(operation).request.items():
        if any(wire_field in (path[-1], ".".join(path)) for path in paths):
            return field
    return wire_field


def _blames_client(fault: etree._Element) -> bool:
    """SOAP 1.1 ``faultcode`` Client, SOAP 1.2 ``Code/Value`` Sender."""
    code = element_text(fault, ("faultcode",)) or element_text(fault, ("Code", "Value"))
    return code.rpartition(":")[2].partition(".")[0] in ("Client", "Sender")


def _fault_string(fault: etree._Element) -> str:
    return element_text(fault, ("faultstring",)) or element_text(fault, ("Reason", "Text"))

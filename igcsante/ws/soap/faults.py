"""Faults and HTTP failures of the platform, turned into errors.

SOAP 1.1 and 1.2 faults whose detail holds an element that the mapping file names as
functional or technical (facts sheet platform.md §7.6). Which of them say that nothing was done
is told in :mod:`igcsante.ws.outcome`; the errors of the others carry ``outcome_unknown=True``.
"""

from __future__ import annotations

from xml.sax.saxutils import escape

from lxml import etree

from ...errors import (
    ContractError,
    PlatformError,
    PlatformRefusedError,
    PlatformUnavailableError,
)
from ...messages import tr
from ..contract.fault_kinds import FAULT_KINDS
from ..contract.mapping import ContractMapping
from ..contract.paths import ElementPath, local_name
from ..operations import OPERATIONS
from ..outcome import refused_by_fault, refused_by_status
from ..platform import CardTurnedAwayError

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
    """The error that a fault stands for; its words are shown without ``secrets``.

    Its fields are ``fault`` (the platform's code), ``field`` (ours, that is wrong) and
    ``kind``, a name of :data:`igcsante.ws.contract.fault_kinds.FAULT_KINDS`.
    """
    family, detail = _family(mapping, fault)
    code, message, field = (
        _without(secrets, _text(detail, path))
        for path in (mapping.faults.code, mapping.faults.message, mapping.faults.field)
    )
    message = message or _without(secrets, _fault_string(fault))
    kind = _kind(mapping, code) or family
    shown = message[:MAX_MESSAGE_CHARACTERS] or tr("no reason given")
    if code:
        shown += f" ({code[:MAX_CODE_CHARACTERS]})"
    question = not OPERATIONS[operation].changes
    error, advice = FAULT_KINDS[kind].error, FAULT_KINDS[kind].advice
    if question and kind == "timeout":  # nothing may have been carried out
        advice = FAULT_KINDS["unavailable"].advice
    refused = issubclass(error, PlatformRefusedError)
    said = error(
        tr("the platform refuses: {shown}", shown=shown)
        if refused
        else tr("the platform can't do it now: {shown}", shown=shown),
        advice=advice,
        fault=code[:MAX_CODE_CHARACTERS],
        field=_domain_field(mapping, operation, field)[:MAX_CODE_CHARACTERS],
        kind=kind,
    )
    if not refused_by_fault(refused, kind, status):
        said.fields["outcome_unknown"] = True
    return said


def status_error(status: int, retry_after: int | None = None) -> PlatformError:
    """The error for an HTTP status that came without a fault.

    ``retry_after`` is how many seconds the server asks to wait; the error's field of that name.
    """
    error = _status_error(status, retry_after)
    if not refused_by_status(status):
        error.fields["outcome_unknown"] = True
    return error


def _status_error(status: int, retry_after: int | None) -> PlatformError:
    if status in (401, 403):
        return CardTurnedAwayError(
            tr("the platform refuses this card (HTTP {status})", status=status),
            advice=tr("it may be expired, opposed or not known there"),
        )
    if status in (429, 503):
        told = {} if retry_after is None else {"retry_after": retry_after}
        return PlatformUnavailableError(
            tr("the platform is not available (HTTP {status})", status=status),
            advice=tr("try again later")
            if retry_after is None
            else tr("try again in {seconds} s", seconds=retry_after),
            **told,
        )
    if 400 <= status < 500:
        return ContractError(
            tr("the platform knows no such service (HTTP {status})", status=status),
            advice=tr("check the address of the web service, and the WSDL and mapping in use"),
        )
    return PlatformUnavailableError(tr("the platform failed (HTTP {status})", status=status))


def _family(mapping: ContractMapping, fault: etree._Element) -> tuple[str, etree._Element]:
    """``refused`` or ``unavailable``, and the element that tells more: the fault, if none."""
    for element in fault.iter():
        if local_name(element) in mapping.faults.functional:
            return "refused", element
        if local_name(element) in mapping.faults.technical:
            return "unavailable", element
    return "refused" if _blames_client(fault) else "unavailable", fault


def _kind(mapping: ContractMapping, code: str) -> str:
    """What the mapping says of a code; the longest beginning wins when none names it whole."""
    kinds = mapping.faults.kinds
    if code in kinds:
        return kinds[code]
    begun = [known for known in kinds if known.endswith("*") and code.startswith(known[:-1])]
    return kinds[max(begun, key=len)] if code and begun else ""


def _domain_field(mapping: ContractMapping, operation: str, wire_field: str) -> str:
    for field, paths in mapping.operation(operation).request.items():
        if any(wire_field in (path.name, str(path)) for path in paths):
            return field.partition(".")[0]
    return wire_field


def _blames_client(fault: etree._Element) -> bool:
    """SOAP 1.1 ``faultcode`` Client, SOAP 1.2 ``Code/Value`` Sender."""
    code = _text(fault, _CODE_11) or _text(fault, _CODE_12)
    return code.rpartition(":")[2].partition(".")[0] in ("Client", "Sender")


def _fault_string(fault: etree._Element) -> str:
    return _text(fault, _STRING_11) or _text(fault, _STRING_12)


def _text(element: etree._Element, path: ElementPath) -> str:
    found = path.find(element)
    return found[0].text if found else ""


def _without(secrets: tuple[str, ...], text: str) -> str:
    for secret in secrets:
        if len(secret) >= MIN_MASKED_CHARACTERS:
            for form in (secret, escape(secret)):  # as it was written into our own XML
                text = text.replace(form, "***")
    return text


_CODE_11, _STRING_11 = ElementPath(("faultcode",)), ElementPath(("faultstring",))
_CODE_12, _STRING_12 = ElementPath(("Code", "Value")), ElementPath(("Reason", "Text"))

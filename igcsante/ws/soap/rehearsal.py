"""A request as it would be sent, without sending it: to see what a mapping file makes.

Fields are given by name; what an operation needs and isn't given gets a sample. Secrets are
never asked for: a mask stands where they would be. No key is used, so a request that is to be
signed is shown without its signature.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from enum import Enum
from pathlib import Path
from typing import Any

from ...errors import ConfigError, UsageError
from ...files import read_bounded
from ...identifiers import StructureId
from ...messages import tr
from ...secret import Secret
from ...text import did_you_mean
from ..contract.wsdl import WsdlContract
from ..operations import OPERATIONS, RecordField, is_record, record_fields
from ..rules import MAX_CSR_BYTES
from .request import RequestWriter, SoapRequest

MASK = "********"
SAMPLE_CSR = b"the certificate request"

_SUBJECTS = ("service_name", "fqdns", "email", "holder")
_SAMPLES: dict[str, dict[str, list[str]]] = {
    "list_habilitations": {},
    "order_product": {
        "offre": ["ORG"],
        "usage": ["AUTH_CLI"],
        "structure": ["10B0999003"],
        "emails": ["team@example.org"],
        "service_name": ["my-service"],
        "csr": [""],
        "client_reference": ["igc-sample"],
    },
    "search_products": {},
    "get_product": {"product_id": ["P-1"]},
    "withdraw_product": {"product_id": ["P-1"], "accepted": ["true"], "revocation_code": [MASK]},
    "revoke_product": {"product_id": ["P-1"], "revocation_code": [MASK]},
    "renew_product": {"product_id": ["P-1"], "csr": [""]},
}


def rehearse(
    contract: WsdlContract,
    operation: str,
    given: Iterable[str],
    *,
    endpoint: str = "",
    at: datetime,
) -> SoapRequest:
    """The request of a domain operation with the fields ``given``, each ``name=value``.

    A list takes a field several times, ``csr`` the name of a file, a holder ``holder.surname``
    and so on; of a secret one can only say that it is there: ``key_password=********``.
    Without ``endpoint`` the WSDL's own address is shown. Raises UsageError for a field that
    makes no sense, ConfigError when the mapping can't make the request.
    """
    if operation not in OPERATIONS:
        raise UsageError(
            tr("{operation!r} is no operation", operation=operation),
            advice=did_you_mean(operation, OPERATIONS)
            or tr("one of {names}", names=", ".join(OPERATIONS)),
        )
    texts = _with_samples(contract, operation, _gathered(given))
    request = _record(OPERATIONS[operation].request, texts, operation)
    address = endpoint or contract.bound(operation).address
    if not address:
        raise ConfigError(tr("the WSDL gives no address"), advice=tr("give one: --platform URL"))
    return RequestWriter(contract, address, unsigned=True).write(operation, request, at=at)


def _gathered(given: Iterable[str]) -> dict[str, list[str]]:
    texts: dict[str, list[str]] = {}
    for argument in given:
        name, equals, value = argument.partition("=")
        if not equals or not name:
            raise UsageError(tr("{argument!r} is no field: write name=value", argument=argument))
        texts.setdefault(name, []).append(value)
    return texts


def _with_samples(
    contract: WsdlContract, operation: str, given: dict[str, list[str]]
) -> dict[str, list[str]]:
    """What is given, and samples of the rest that is needed and doesn't contradict it."""
    texts = {**_SAMPLES[operation], **given}
    if not contract.mapping.sends(operation, "client_reference"):  # real orders go without it
        texts = {n: t for n, t in texts.items() if n != "client_reference" or n in given}
    if any(name.partition(".")[0] in _SUBJECTS for name in given) and "service_name" not in given:
        texts.pop("service_name", None)
    if "key_password" in given and "csr" not in given:
        texts.pop("csr", None)
    if "serial" in given and "product_id" not in given:
        texts.pop("product_id", None)
    return texts


def _record(record: type, texts: Mapping[str, list[str]], place: str) -> Any:
    known = record_fields(record)
    values: dict[str, Any] = {}
    for name in texts:
        first = name.partition(".")[0]
        if first not in known:
            raise UsageError(
                tr("{place} has no field {first!r}", place=place, first=first),
                advice=did_you_mean(first, known) or tr("it has: {names}", names=", ".join(known)),
            )
        field = known[first]
        if is_record(field.kind):
            inner = {
                key.partition(".")[2]: value
                for key, value in texts.items()
                if key.partition(".")[0] == first
            }
            values[first] = _record(field.kind, inner, first)
        elif field.is_list:
            values[first] = tuple(_value(field, text) for text in texts[name])
        elif len(texts[name]) > 1:
            raise UsageError(
                tr(
                    "{first} takes one value, {count} are given",
                    first=first,
                    count=len(texts[name]),
                )
            )
        else:
            values[first] = _value(field, texts[name][0])
    missing = [name for name, field in known.items() if field.required and name not in values]
    if missing:
        raise UsageError(tr("{place} needs {missing} too", place=place, missing=", ".join(missing)))
    return record(**values)


def _value(field: RecordField, text: str) -> Any:
    kind = field.kind
    if kind is Secret:
        if text != MASK:
            raise UsageError(
                tr("{field} is a secret: none is ever given here", field=field.name),
                advice=tr("{field}={mask} shows where it would be", field=field.name, mask=MASK),
            )
        return Secret(MASK)
    if issubclass(kind, Enum | StructureId):
        return kind.parse(text)  # type: ignore[union-attr]
    if kind is bytes:
        return read_bounded(Path(text), MAX_CSR_BYTES) if text else SAMPLE_CSR
    try:
        if kind is datetime:
            time = datetime.fromisoformat(text)
            return time if time.tzinfo else time.replace(tzinfo=UTC)
        return _PLAIN[kind](text)
    except (ValueError, LookupError):
        raise UsageError(
            tr("{field}={text!r} makes no sense", field=field.name, text=text), field=field.name
        ) from None


_PLAIN: dict[type, Callable[[str], Any]] = {
    str: str,
    int: int,
    bool: {"true": True, "false": False}.__getitem__,
}

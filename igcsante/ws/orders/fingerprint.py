"""Requests and platforms known again, however they are spelled."""

from __future__ import annotations

import hashlib
import json
import unicodedata
from collections import Counter
from collections.abc import Iterable
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

from ..model import ProductRequest

_PORTS = {"https": 443, "http": 80}


def fingerprints(asked: Iterable[tuple[ProductRequest, object]], campaign: str) -> tuple[str, ...]:
    """One for each request and what its key is: 32 hexadecimal digits.

    What is asked counts, not how a file or an option spells it, nor at which platform. Equal
    ones get different ones, by their order.
    """
    seen: Counter[str] = Counter()
    made = []
    for request, key in asked:
        text = json.dumps([campaign, str(key), _content(request)], sort_keys=True)
        made.append(_digest(text, seen[text]))
        seen[text] += 1
    return tuple(made)


def same_platform(one: str, other: str) -> bool:
    """Whether two addresses name the same platform (RFC 3986 §6.2.2, §6.2.3)."""
    return _address(one) == _address(other)


@lru_cache(maxsize=64)  # a journal of many orders names few platforms
def _address(url: str) -> tuple[object, ...]:
    try:
        parts = urlsplit(url)
        port = parts.port or _PORTS.get(parts.scheme)
    except ValueError:
        return (url,)
    return parts.scheme, parts.hostname, port, parts.path or "/", parts.query


def _content(request: ProductRequest) -> dict[str, Any]:
    """All that a request asks for but its key; a reference of ours is none."""
    holder = request.holder
    first, others = request.fqdns[:1], request.fqdns[1:]
    return {
        "offre": str(request.offre),
        "usage": str(request.usage),
        "structure": str(request.structure),
        "emails": sorted({_mail(email) for email in request.emails}),
        "service_name": unicodedata.normalize("NFC", request.service_name),
        "fqdns": [*first, *sorted(others)],
        "email": _mail(request.email),
        "holder": holder
        and [
            unicodedata.normalize("NFC", holder.surname),
            unicodedata.normalize("NFC", holder.given_name),
            _mail(holder.email),
            holder.national_id.strip(),
        ],
        "client_reference": request.client_reference,
    }


def _mail(address: str) -> str:
    local, at, domain = address.rpartition("@")
    return local + at + domain.lower()


def _digest(text: str, number: int) -> str:
    return hashlib.sha256(f"{text}{number}".encode()).hexdigest()[:32]

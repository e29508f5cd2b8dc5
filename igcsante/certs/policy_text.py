"""A policy as the TOML text that :func:`.policy.parse_policy` reads back as the same policy.

Complete: each value is there, those that are the default too. With explanations it is also
what a person reads, and what a policy of one's own starts from.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from datetime import timedelta
from typing import Any

from .policy import ANY_POLICY, Policy

_EXPLANATIONS = {
    "worlds": "of production (under a pinned anchor), test, other",
    "usages": "extended key usages that the certificate must allow; none: any",
    "fetch": "whether lists and answers may be fetched",
    "path": "the inputs of RFC 5280, section 6.1.1, and bounds",
    "initial_policies": f"accepted policies, by OID; {ANY_POLICY}: any",
    "explicit_policy": "whether the chain must hold under one of them",
    "inhibit_mapping": "whether policies may not be mapped",
    "inhibit_any_policy": "whether anyPolicy of an authority counts for nothing",
    "max_length": "certificates of a chain, both ends included",
    "max_candidates": "chains that are tried",
    "revocation": "require: a status must be had. prefer: a revocation is final, no status is a "
    "notice. off",
    "leaf": "of the certificate itself",
    "cas": "of the authorities above it",
    "sources": "asked in this order, until one can tell",
    "max_age": "hours: older lists and answers count as outdated",
    "grace": "hours that an outdated one still counts, with a notice",
    "algorithms": "what is believed",
    "legacy": "also SHA-1, and RSA from 1024 bits (IGC-CPS)",
}


def policy_toml(policy: Policy, *, explained: bool = False) -> str:
    """The policy as TOML; ``explained`` adds a comment to what isn't plain."""
    return "\n".join(_table(policy, explained)) + "\n"


def _table(table: Any, explained: bool) -> Iterator[str]:
    nested = []
    for item in fields(table):
        value = getattr(table, item.name)
        comment = f"  # {_EXPLANATIONS[item.name]}" if _has_comment(item.name, explained) else ""
        if is_dataclass(value):
            nested += ["", f"[{item.name}]{comment}", *_table(value, explained)]
        elif value is not None:
            yield f"{item.name} = {_value(value)}{comment}"
        elif comment:
            yield f"# {item.name}: not set{comment}"
    yield from nested


def _has_comment(name: str, explained: bool) -> bool:
    return explained and name in _EXPLANATIONS


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, timedelta):
        hours = value / timedelta(hours=1)
        return str(int(hours)) if hours.is_integer() else repr(hours)
    if isinstance(value, str):
        return json.dumps(str(value), ensure_ascii=False).replace("\x7f", "\\u007f")
    items = sorted(value) if isinstance(value, frozenset) else value
    return "[" + ", ".join(_value(item) for item in items) + "]"

"""What came back instead of a SOAP answer, in words: most often a page meant for people.

Nothing of the page itself is repeated, since it may hold what was sent.
"""

from __future__ import annotations

import re

from ...errors import ContractError
from ...messages import tr
from ...text import printable
from .transport import Answer

MAX_MEDIA_TYPE = 60  # characters
_PASSWORD_FIELD = re.compile(rb"<input[^<>]{0,500}\btype\s*=\s*[\"']?password\b", re.IGNORECASE)


def unexpected_answer(answer: Answer) -> ContractError:
    """The error for an answer of HTTP 200 that is no XML."""
    return ContractError(
        tr("{answer} came back instead of a SOAP answer", answer=_kind(answer)),
        advice=_advice(answer),
    )


def _kind(answer: Answer) -> str:
    if _is_page(answer):
        return tr("an HTML login page") if _asks_for_password(answer) else tr("an HTML page")
    if not answer.content:
        return tr("nothing")
    if answer.media_type.endswith("json"):
        return "JSON"
    return printable(answer.media_type)[:MAX_MEDIA_TYPE]


def _advice(answer: Answer) -> str:
    if _is_page(answer) and _asks_for_password(answer):
        return tr(
            "it may be the portal, which people log in to, or a proxy that wants a login first: "
            "give the address of the web service"
        )
    return tr("the address may be that of a portal or proxy, not of the web service")


def _is_page(answer: Answer) -> bool:
    return "html" in answer.media_type or answer.content[:200].lstrip().lower().startswith(
        (b"<!doctype html", b"<html")
    )


def _asks_for_password(answer: Answer) -> bool:
    return _PASSWORD_FIELD.search(answer.content) is not None

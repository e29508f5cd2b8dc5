"""WS-Addressing 1.0 headers of a request, and what an answer's must say (W3C, May 2006).

Core §3.1 and SOAP Binding: where a message goes, what it asks, its number, and that the answer
comes back on the same connection.
"""

from __future__ import annotations

import uuid

from lxml import etree

from ...errors import ContractError
from ...messages import tr
from ..contract.paths import local_name

NAMESPACE = "http://www.w3.org/2005/08/addressing"
ANONYMOUS = f"{NAMESPACE}/anonymous"
MAX_SHOWN = 80


def new_message_id() -> str:
    """A number that no other message has."""
    return f"urn:uuid:{uuid.uuid4()}"


def add_addressing(
    header: etree._Element, *, to: str, action: str, message_id: str
) -> list[etree._Element]:
    """Put the addressing headers in a SOAP Header; what was put there."""
    added = [_child(header, "To", to), _child(header, "Action", action)]
    added.append(_child(header, "MessageID", message_id))
    reply_to = _child(header, "ReplyTo")
    _child(reply_to, "Address", ANONYMOUS)
    return [*added, reply_to]


def check_relation(envelope: etree._Element, message_id: str) -> None:
    """Raise ContractError when an answer says that it answers another message."""
    for header in (child for child in envelope if local_name(child) == "Header"):
        for related in header.iter(f"{{{NAMESPACE}}}RelatesTo"):
            told = (related.text or "").strip()
            if told != message_id:
                raise ContractError(
                    tr(
                        "the answer is to another message: it relates to {told!r}",
                        told=told[:MAX_SHOWN],
                    )
                )


def _child(parent: etree._Element, name: str, text: str = "") -> etree._Element:
    child = etree.SubElement(parent, f"{{{NAMESPACE}}}{name}", nsmap={"wsa": NAMESPACE})
    child.text = text or None
    return child

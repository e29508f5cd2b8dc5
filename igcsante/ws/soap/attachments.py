"""Messages in several parts: XOP packages (W3C xop10, MTOM) and SOAP with attachments.

A multipart/related answer (RFC 2387) becomes one document again, each attachment as base64
where it is referred to: by ``xop:Include``, or by a ``cid:`` URL as an element's text (WS-I
swaRef). A request is packed the other way round when the mapping file says so.
"""

from __future__ import annotations

import base64
import quopri
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from email.message import Message
from email.parser import BytesHeaderParser
from email.policy import HTTP
from urllib.parse import unquote

from lxml import etree

from ...errors import ContractError
from ...messages import tr

XOP = "http://www.w3.org/2004/08/xop/include"
XOP_TYPE = "application/xop+xml"
MULTIPART = "multipart/related"
MAX_PARTS = 32
MAX_HEAD_BYTES = 16 * 1024


@dataclass(frozen=True)
class _Part:
    """One part: its headers, and its octets as they were before they were transferred."""

    head: Message
    octets: bytes

    @property
    def content_id(self) -> str:
        return _id(str(self.head.get("Content-ID") or ""))


def unpacked(content_type: str, content: bytes) -> tuple[str, bytes, dict[str, bytes]]:
    """The root part of a package: its media type, its octets, and attachments by Content-ID.

    ``content_type`` is the HTTP header. Raises ContractError.
    """
    package = _headers(b"Content-Type: " + content_type.encode("latin-1", "replace"))
    boundary = str(package.get_param("boundary") or "")
    parts = list(_parts(content, boundary.encode("latin-1", "replace")))
    wanted = _id(str(package.get_param("start") or ""))
    root = next((part for part in parts if wanted and part.content_id == wanted), parts[0])
    attached = {part.content_id: part.octets for part in parts if part is not root}
    kind = root.head.get_content_type()
    if kind == XOP_TYPE:
        kind = str(root.head.get_param("type") or "").split(";")[0].strip()
    return kind, root.octets, attached


def inline(envelope: etree._Element, attachments: dict[str, bytes]) -> None:
    """Put each attachment where the message refers to it, once. Raises ContractError."""
    left = dict(attachments)  # one that is referred to many times would fill the memory
    for include in list(envelope.iter(f"{{{XOP}}}Include")):
        parent = include.getparent()
        if parent is None or len(parent) != 1:
            raise ContractError(
                tr("the answer has an xop:Include that is not alone in its element")
            )
        octets = _attached(include.get("href") or "", left)
        parent.remove(include)
        parent.text = base64.b64encode(octets).decode()
    for element in envelope.iter(etree.Element):
        text = (element.text or "").strip()
        if text.startswith("cid:") and not len(element) and _id(text[4:]) in attachments:
            element.text = base64.b64encode(_attached(text, left)).decode()


def packed(
    envelope: etree._Element, elements: Iterable[etree._Element], soap_type: str
) -> tuple[str, bytes]:
    """An XOP package of an envelope, the base64 text of ``elements`` in parts of their own.

    Gives the Content-Type and the octets. The envelope is changed.
    """
    boundary = f"xop-{uuid.uuid4().hex}"
    attached: list[tuple[str, bytes]] = []
    for element in elements:
        name = f"{uuid.uuid4().hex}@igcsante.invalid"
        attached.append((name, base64.b64decode(element.text or "")))
        element.text = None
        etree.SubElement(element, f"{{{XOP}}}Include", {"href": f"cid:{name}"}, {"xop": XOP})
    root = (
        f'Content-Type: {XOP_TYPE}; charset=utf-8; type="{soap_type}"\r\n'
        "Content-Transfer-Encoding: 8bit\r\nContent-ID: <root@igcsante.invalid>\r\n\r\n"
    ).encode() + etree.tostring(envelope, xml_declaration=True, encoding="utf-8")
    parts = [root] + [
        (
            "Content-Type: application/octet-stream\r\nContent-Transfer-Encoding: binary\r\n"
            f"Content-ID: <{name}>\r\n\r\n"
        ).encode()
        + octets
        for name, octets in attached
    ]
    line = f"--{boundary}".encode()
    body = b"\r\n".join(piece for part in parts for piece in (line, part)) + b"\r\n" + line
    content_type = (
        f'{MULTIPART}; type="{XOP_TYPE}"; boundary="{boundary}"; '
        f'start="<root@igcsante.invalid>"; start-info="{soap_type}"'
    )
    return content_type, body + b"--\r\n"


def _attached(href: str, attachments: dict[str, bytes]) -> bytes:
    name = _id(href.strip().removeprefix("cid:"))
    if not href.strip().startswith("cid:") or name not in attachments:
        raise ContractError(
            tr("the answer refers to an attachment that it does not have, or twice")
        )
    return attachments.pop(name)


def _parts(content: bytes, boundary: bytes) -> Iterator[_Part]:
    """The parts of a package, at least one (RFC 2046 §5.1.1)."""
    if not boundary:
        raise ContractError(tr("the answer has parts and doesn't say what is between them"))
    _, *pieces = (b"\r\n" + content).split(b"\r\n--" + boundary, MAX_PARTS + 2)
    if len(pieces) < 2 or len(pieces) > MAX_PARTS + 1 or not pieces[-1].startswith(b"--"):
        raise ContractError(tr("the answer's parts can't be told from each other"))
    for piece in pieces[:-1]:
        padding, line_end, part = piece.partition(b"\r\n")
        head, blank, body = (b"\r\n" + part).partition(b"\r\n\r\n")
        if padding.strip() or not line_end or not blank or len(head) > MAX_HEAD_BYTES:
            raise ContractError(tr("a part of the answer does not begin as one should"))
        headers = _headers(head.strip())
        yield _Part(headers, _octets(headers, body))


def _headers(head: bytes) -> Message:
    return BytesHeaderParser(policy=HTTP).parsebytes(head + b"\r\n\r\n")


def _octets(head: Message, body: bytes) -> bytes:
    encoding = str(head.get("Content-Transfer-Encoding") or "binary").strip().lower()
    try:
        if encoding == "base64":
            return base64.b64decode(b"".join(body.split()), validate=True)
        if encoding == "quoted-printable":
            return quopri.decodestring(body)
    except ValueError:
        raise ContractError(tr("a part of the answer is not the base64 that it says")) from None
    if encoding not in ("binary", "8bit", "7bit") or head.get_content_maintype() == "multipart":
        raise ContractError(tr("a part of the answer is written in a way that is not known"))
    return body


def _id(text: str) -> str:
    """A Content-ID as RFC 2392 compares it with a ``cid:`` URL."""
    return unquote(text.strip().removeprefix("<").removesuffix(">"))

"""Answers in several parts: what is attached comes out octet for octet, or not at all."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from igcsante.errors import ContractError
from igcsante.ws.soap import attachments
from igcsante.ws.soap.attachments import MAX_PARTS, inline, packed, unpacked

XOP = "http://www.w3.org/2004/08/xop/include"
KIND = 'multipart/related; type="application/xop+xml"; boundary="=edge"; start="<root>"'
INCLUDE = f'<a><b><x:Include xmlns:x="{XOP}" href="cid:one"/></b></a>'


def package(*parts: bytes, end: bytes = b"\r\n--=edge--\r\n") -> bytes:
    return b"\r\n".join(b"--=edge\r\n" + part for part in parts) + end


def root(xml: str = INCLUDE) -> bytes:
    return b'Content-Type: application/xop+xml; type="text/xml"\r\nContent-ID: <root>\r\n\r\n' + (
        xml.encode()
    )


def attached(octets: bytes, name: str = "one") -> bytes:
    head = f"Content-ID: <{name}>\r\nContent-Transfer-Encoding: binary\r\n\r\n"
    return head.encode() + octets


def read(content: bytes, kind: str = KIND) -> etree._Element:
    _, xml, attachments = unpacked(kind, content)
    envelope = etree.fromstring(xml)
    inline(envelope, attachments)
    return envelope


AWKWARD = [
    b"",
    b"\r\n",
    b"\n",
    b"\r",
    b"\x00\xff\x80",
    b"--=edg",
    b"a\r\n--=edg",
    b"\\u00e9",
    b"\x1a\x0c",
]


@pytest.mark.parametrize("octets", AWKWARD)
def test_an_attachment_comes_out_octet_for_octet(octets):
    text = read(package(root(), attached(octets)))[0].text or ""
    assert base64.b64decode(text) == octets


@given(octets=st.binary(max_size=300))
def test_what_is_packed_is_unpacked_as_it_was(octets):
    envelope = etree.fromstring("<e><k/><n>name</n></e>")
    envelope[0].text = base64.b64encode(octets).decode()
    before = etree.tostring(envelope)
    kind, content = packed(envelope, [envelope[0]], "application/soap+xml")
    media_type, xml, attachments = unpacked(kind, content)
    assert media_type == "application/soap+xml"
    assert list(attachments.values()) == [octets]
    after = etree.fromstring(xml)
    inline(after, attachments)
    again = etree.tostring(after)
    assert etree.tostring(etree.fromstring(again), method="c14n", exclusive=True) == etree.tostring(
        etree.fromstring(before), method="c14n", exclusive=True
    )


def test_the_root_is_the_part_that_start_names():
    first = package(attached(b"file"), root())
    assert base64.b64decode(read(first)[0].text) == b"file"


def test_a_reference_in_a_text_is_filled_too():
    content = package(root("<a><b>cid:one</b><c>cid:none</c></a>"), attached(b"file"))
    found = read(content)
    assert base64.b64decode(found[0].text) == b"file"
    assert found[1].text == "cid:none"


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (package(root(), attached(b"x")), "multipart/related"),
        (package(root(), attached(b"x")), 'multipart/related; boundary="other"'),
        (package(root(), attached(b"x"), end=b""), KIND),
        (package(root(), attached(b"x", "two")), KIND),
        (package(root(INCLUDE.replace("cid:one", "http://a/"))), KIND),
        (package(root(INCLUDE.replace("<b>", "<b><c/>")), attached(b"x")), KIND),
        (package(root(), *(attached(b"x", f"p{i}") for i in range(MAX_PARTS))), KIND),
        (
            package(
                root(),
                b'Content-Type: multipart/mixed; boundary="in"\r\n\r\n--in\r\n\r\nx\r\n--in--',
            ),
            KIND,
        ),
        (package(root(INCLUDE.replace("</a>", "<c>cid:one</c></a>")), attached(b"x")), KIND),
        (b"", KIND),
        (b"\x00" * 100, KIND),
    ],
)
def test_a_package_that_can_not_be_told_apart_is_refused(content, kind):
    with pytest.raises(ContractError):
        read(content, kind)


def test_a_part_in_base64_or_quoted_printable_is_read():
    for encoding, text in (("base64", b"AP/\r\nA"), ("quoted-printable", b"=00=FF=C0")):
        part = f"Content-ID: <one>\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n".encode()
        assert base64.b64decode(read(package(root(), part + text))[0].text) == b"\x00\xff\xc0"


def test_no_more_than_so_many_parts_are_ever_read(monkeypatch):
    seen = []
    headers = attachments._headers
    monkeypatch.setattr(attachments, "_headers", lambda head: seen.append(head) or headers(head))
    with pytest.raises(ContractError):
        read(package(root(), *(b"\r\nx" for _ in range(50_000))))
    assert len(seen) == 1

"""How ``igc ws`` prints a contract and a request."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import click

from ..messages import localized, tr
from ..text import printable
from . import tables
from .output import emit, prose, room, say

if TYPE_CHECKING:
    from ..ws.contract.describe import NeededField, NeededOperation, OfferedOperation, OfferedSpot
    from ..ws.soap.request import SoapRequest

MAX_WORDS = 8
_SPOT = " " * 6


def emit_description(
    offered: Sequence[OfferedOperation], needed: Sequence[NeededOperation], *, mapped: bool
) -> None:
    """One object for each operation of the WSDL, then for each that igcsante needs."""
    for operation in offered:
        emit(asdict(operation), schema="igc.ws.operation/1")
    for need in needed:
        emit(asdict(need), schema="igc.ws.need/1")


def say_description(
    offered: Sequence[OfferedOperation], needed: Sequence[NeededOperation], *, mapped: bool
) -> None:
    """The operations of the WSDL by service, then what igcsante needs and has no place for."""
    place = None
    for operation in offered:
        here = (operation.wsdl, operation.service, operation.port)
        if here != place:
            place = here
            say(click.style(prose(_title(operation)), bold=True))
        say("")
        say(f"  {operation.name}" + (f"  = {operation.maps}" if operation.maps else ""))
        if not operation.usable:
            say(tr("    can't be used: it is {style}, not document/literal", style=operation.style))
        _say_spots(
            tr("asks"),
            tr("asks nothing"),
            operation.request,
            mapped=bool(operation.maps),
            sent=True,
        )
        _say_spots(
            tr("answers"),
            tr("answers nothing"),
            operation.response,
            mapped=bool(operation.maps),
            sent=False,
        )
    say("")
    heading = tr("What igcsante needs")
    if mapped:
        heading = tr("What igcsante needs and has no place for")
    say(click.style(localized(heading), bold=True))
    lines = [line for need in needed for line in _need_lines(need, mapped=mapped)]
    for line in lines or [tr("nothing: every field has its place")]:
        say(prose(f"  {localized(line)}"))


def readable_request(request: SoapRequest) -> str:
    """The request as HTTP would carry it; XML is indented, packages of parts are as they are."""
    from lxml import etree

    parts = urlsplit(request.address)
    lines = [f"POST {request.target} HTTP/1.1", f"Host: {parts.netloc}"]
    lines += [f"{name}: {value}" for name, value in request.headers.items()]
    if "multipart" in request.headers["Content-Type"]:
        return "\n".join([*lines, "", request.body.decode("utf-8", "replace")])
    envelope = etree.fromstring(request.body)  # what we wrote ourselves
    etree.indent(envelope)
    return "\n".join([*lines, "", etree.tostring(envelope, encoding="unicode")])


def _title(operation: OfferedOperation) -> str:
    return localized(
        tr(
            "{service}, port {port}: SOAP {soap}, {style}, {address}",
            service=operation.service,
            port=operation.port,
            soap=operation.soap,
            style=operation.style,
            address=printable(operation.address) or tr("no address"),
        )
    )


def _say_spots(
    what: str, nothing: str, spots: Sequence[OfferedSpot], *, mapped: bool, sent: bool
) -> None:
    say(f"    {localized(what if spots else nothing)}")
    rows = []
    for spot in spots:
        words = ", ".join(spot.words[:MAX_WORDS]) + ("…" if len(spot.words) > MAX_WORDS else "")
        notes = [
            spot.type,
            localized(tr("required")) if spot.required else "",
            localized(tr("list")) if spot.repeated else "",
            f"({words})" if words else "",
        ]
        about = " ".join(note for note in notes if note)
        if spot.field:
            about += f"  {'<-' if sent else '->'} {spot.field}"
        elif mapped and sent and spot.required:
            about += f"  <- {localized(tr('nothing fills it'))}"
        rows.append((spot.path, about))
    for path, line in tables.pairs(rows, room() - len(_SPOT)):
        say(_SPOT + path + "  " + line)


def _need_lines(need: NeededOperation, *, mapped: bool) -> list[str]:
    bound = bool(need.bound_to)
    asked = [_shown(f) for f in need.request if not (mapped and bound and f.mapped)]
    read = [_shown(f) for f in need.response if not (mapped and bound and f.mapped)]
    if mapped and bound and not asked and not read:
        return []
    title: str = need.name
    if mapped and not bound:
        title = tr("{name}  (no operation is mapped to it)", name=need.name)
    lines = [title]
    if asked:
        lines.append(tr("  would send: {fields}", fields=", ".join(asked)))
    if read:
        lines.append(tr("  would read: {fields}", fields=", ".join(read)))
    return lines


def _shown(field: NeededField) -> str:
    """``emails[]``: a list; ``email?``: one may do without."""
    return f"{field.name}{'[]' if field.repeated else ''}{'' if field.required else '?'}"

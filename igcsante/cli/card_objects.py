"""``igc card objects`` and ``igc card activities``: the data objects of a card."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from ..messages import tr
from .card_pin import last_try_option, pin_source_option
from .command import command
from .inserted import inserted_card, verify_pin
from .output import Settings, card_options, emit, emit_bytes, say, say_pairs, say_table, talk

if TYPE_CHECKING:
    from ..card.business import Activity
    from ..card.objects import DataObject

_BYTES_A_LINE = 16


@command("objects")
@click.option("--read", "label", metavar="LABEL", help="Show this object's bytes.")
@click.option("--raw", is_flag=True, help="With --read: the bytes themselves on stdout.")
@click.option("--cps2ter", is_flag=True, help="Show the CPS2ter part of a CPS3. Needs the PIN.")
@pin_source_option
@last_try_option
@card_options
def objects_command(
    settings: Settings,
    label: str | None,
    raw: bool,
    cps2ter: bool,
    pin_source: str | None,
    use_last_try: bool,
) -> None:
    """List the card's data objects; with --read, show the bytes of one.

    Only reading a private object needs the PIN.

    \b
    Examples:
      igc card objects
      igc card objects --read CPS_INFO_PS > object.bin
    """
    with inserted_card(settings) as card:
        contactless = not card.has_pin
        if cps2ter:
            verify_pin(card, pin_source, use_last_try=use_last_try)
            _show_cps2ter(card.objects.cps2ter_files(), as_json=settings.json)
            return
        objects = card.objects.list()
        content = None
        if label is not None:
            if any(found.private for found in objects if found.label == label):
                verify_pin(card, pin_source, use_last_try=use_last_try)
            content = card.objects.read(label)
            objects = tuple(found for found in objects if found.label == label)[:1]
    if settings.json:
        for found in objects:
            emit(_as_json(found, content), schema="igc.card.object/1")
    elif content is None and objects:
        say_table(
            (tr("Label"), tr("Application"), tr("Access"), tr("Bytes")),
            [
                (found.label, found.application, _access(found), str(found.size or "?"))
                for found in objects
            ],
        )
    elif content is not None and raw:
        emit_bytes(content)
    elif content is not None:
        for line in _dump(content):
            say(line)
    if not objects:
        talk(
            tr("This interface of the card shows no data object; the card may have some.")
            if contactless
            else tr("The card has no data object.")
        )
        _say_where_more(contactless=contactless)


@command("activities")
@pin_source_option
@last_try_option
@card_options
def activities_command(settings: Settings, pin_source: str | None, use_last_try: bool) -> None:
    """List where the holder works, as the card has it. Needs the PIN.

    \b
    Example:
      igc card activities
    """
    with inserted_card(settings) as card:
        contactless = not card.has_pin
        if any(label.startswith("CPS_ACTIVITY_") for label in card.objects.labels()):
            verify_pin(card, pin_source, use_last_try=use_last_try)
        activities = card.objects.activities()
    for activity in activities:
        if settings.json:
            emit(
                {
                    "number": activity.number,
                    "name": activity.name,
                    "structure_id": activity.structure_id,
                    "structure_type": activity.structure.type_name if activity.structure else None,
                    "sector": activity.sector,
                    "sector_label": activity.sector_label,
                    "unknown": [
                        {"tag": f"{tag:02x}", "value": value} for tag, value in activity.unknown
                    ],
                    "problem": activity.problem or None,
                },
                schema="igc.card.activity/1",
            )
        else:
            say_pairs([*_activity_pairs(activity), *([("", "")] * (activity != activities[-1]))])
    if not activities:
        talk(
            tr("This interface of the card shows no activity; the card may have some.")
            if contactless
            else tr("The card has no activity.")
        )
        _say_where_more(contactless=contactless)


def _say_where_more(*, contactless: bool) -> None:
    if contactless:
        talk(tr("Insert it in a contact reader, chip first."))


def _show_cps2ter(files: tuple[tuple[str, bytes], ...], *, as_json: bool) -> None:
    """Names and bytes: the coding of these files isn't public."""
    from ..card.objects import DataObject

    for name, content in files:
        if as_json:
            found = DataObject(name, "CPS2ter", private=True, modifiable=False, size=len(content))
            emit(_as_json(found, content), schema="igc.card.object/1")
        else:
            say(name)
            for line in _dump(content):
                say(f"  {line}")
    if not files:
        talk(tr("The card shows no CPS2ter part. (A CPS4 has it among its data objects.)"))


def _as_json(found: DataObject, content: bytes | None) -> dict[str, object]:
    return {
        "label": found.label,
        "application": found.application,
        "private": found.private,
        "modifiable": found.modifiable,
        "size": found.size,
        "value": content,
    }


def _activity_pairs(activity: Activity) -> list[tuple[str, str]]:
    structure, sector = activity.structure_id, activity.sector
    if activity.structure:
        structure += f" ({activity.structure.formatted})"
    if activity.sector_label:
        sector += f" ({activity.sector_label})"
    unknown = (
        (tr("Tag {tag:02X}", tag=tag), value.hex(" ").upper()) for tag, value in activity.unknown
    )
    if activity.problem:
        return [(tr("Activity"), f"{activity.number:02}"), (tr("Unreadable"), activity.problem)]
    return [
        (tr("Activity"), f"{activity.number:02}"),
        (tr("Name"), activity.name),
        (tr("Structure"), structure),
        (tr("Sector"), sector),
        *unknown,
    ]


def _access(found: DataObject) -> str:
    if found.modifiable:
        return tr("PIN, writable") if found.private else tr("free, writable")
    return tr("PIN") if found.private else tr("free")


def _dump(content: bytes) -> list[str]:
    """Offset, bytes in hexadecimal, and those that are printable ASCII."""
    lines = []
    for start in range(0, len(content), _BYTES_A_LINE):
        part = content[start : start + _BYTES_A_LINE]
        text = "".join(chr(byte) if 0x20 <= byte < 0x7F else "." for byte in part)
        lines.append(f"{start:04X}  {part.hex(' ').upper():<{3 * _BYTES_A_LINE - 1}}  {text}")
    return lines

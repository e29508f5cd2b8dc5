"""``igc card id`` and ``igc card info``: what a card says of itself and its holder, without PIN."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from ..messages import joined, localized, tr
from ..text import printable
from ..words import said
from .command import command
from .inserted import inserted_card
from .key_holder import key_holder
from .output import Settings, card_options, emit, say, say_pairs, talk
from .validity import validity, validity_text, validity_warning

if TYPE_CHECKING:
    from ..card.session import CpsCard
    from ..certs.profile import CertificateProfile


# One code stands for directors and employees alike (TRE_G02, card.md §1).
_TYPES_IN_WORDS = {"CPE": "CDE/CPE", "CPA": "CDA/CPA"}


@command("id")
@card_options
def id_command(settings: Settings) -> None:
    """Print the holder's national identifier, and nothing else.

    \b
    Examples:
      igc card id
      ID=$(igc card id)
    """
    with key_holder(settings) as holder:
        identifier = holder.national_id()
    for warning in identifier.warnings:
        talk(tr("Warning: {warning}", warning=printable(warning)))
    if settings.json:
        emit({"national_id": str(identifier), "type": identifier.type_name}, schema="igc.card.id/1")
    else:
        say(str(identifier))


@command("info")
@card_options
def info_command(settings: Settings) -> None:
    """Show the card, its holder, its certificates and the PIN tries left. Needs no PIN.

    Certificates that expired, or aren't valid yet by this machine's clock, are said to be so;
    igc check tells whether one was revoked.

    \b
    Examples:
      igc card info
      igc card info --json
    """
    at = datetime.now(UTC)
    with inserted_card(settings) as card:
        info = read_info(card)
    _judge(info, at)
    if settings.json:
        emit(info, schema="igc.card.info/1")
    else:
        _print_info(info, at)


def read_info(card: CpsCard) -> dict[str, Any]:
    """All that the page shows, in as few exchanges as that takes."""
    from ..certs.profile import decode

    profile = decode(card.certificate("authentication" if card.has_pin else "technical"))
    if card.has_pin:
        card.national_id()
    pin = card.pin_status() if card.has_pin else None
    journal = card.objects.update_journal()
    warnings = list(profile.warnings)
    if journal and not journal.complete:
        warnings.append(tr("an update of the card was not finished: it may need to be replaced"))
    return {
        "generation": card.generation,
        "card_type": profile.card_type,
        "world": profile.world,
        "reader": card.reader_name,
        "atr": card.atr,
        "serial": card.serial,
        "card_number": profile.card_number,
        "label": card.label(),
        "updated": journal.ended.isoformat() if journal and journal.ended else None,
        "holder": _holder(profile, card.objects.specialty()),
        "pin": pin and {"tries_left": pin.tries_left, "max_tries": pin.max_tries},
        "certificates": [
            {
                "purpose": entry.purpose,
                "label": entry.label,
                "serial": f"{entry.serial_number:x}",
                "not_before": entry.not_before,
                "not_after": entry.not_after,
            }
            for entry in card.certificate_summaries()
        ],
        "data_objects": len(card.objects.labels()),
        "warnings": warnings,
    }


def _judge(info: dict[str, Any], at: datetime) -> None:
    """Add what the page says of the certificates at that instant."""
    for entry in info["certificates"]:
        period = entry["not_before"], entry["not_after"], at
        entry["validity"] = validity(*period)
        if warning := validity_warning(entry["purpose"], *period):
            info["warnings"].append(warning)


def _holder(profile: CertificateProfile, specialty: str | None) -> dict[str, Any]:
    from ..certs.nomenclatures import label, profession_label

    code = profile.profession_code
    codes = tuple(dict.fromkeys((*profile.specialties, *((specialty,) if specialty else ()))))
    return {
        "national_id": str(profile.national_id) if profile.national_id else None,
        "identifier_type": profile.national_id.type_name if profile.national_id else None,
        "surname": profile.surname,
        "given_name": profile.given_name,
        "title": profile.title,
        "profession_code": code,
        "profession": None if code is None else profession_label(code, profile.card_type),
        "specialities": [{"code": each, "label": label("TRE_R38", each)} for each in codes],
        "structure_id": str(profile.structure_id) if profile.structure_id else None,
        "structure_type": profile.structure_id.type_name if profile.structure_id else None,
        "organisation": profile.organisation,
    }


def _print_info(info: dict[str, Any], at: datetime) -> None:
    holder, pin = info["holder"], info["pin"]
    world = "TEST" if info["world"] == "test" else info["world"]
    card_type = _TYPES_IN_WORDS.get(info["card_type"], info["card_type"])
    say_pairs(
        [
            (
                tr("Card"),
                " ".join(filter(None, (localized(said(info["generation"])), world, card_type))),
            ),
            (tr("Card number"), info["card_number"] or ""),
            (tr("Serial"), info["serial"]),
            (tr("Label"), info["label"]),
            (tr("Updated"), (info["updated"] or "").partition("T")[0]),
            (tr("Reader"), info["reader"]),
            (tr("ATR"), info["atr"].hex(" ").upper()),
            ("", ""),
            *_holder_pairs(holder),
            ("", ""),
            (tr("PIN"), _pin_text(pin)),
            *(
                (
                    localized(said(entry["purpose"])).capitalize(),
                    tr(
                        "certificate {validity}",
                        validity=validity_text(entry["not_before"], entry["not_after"], at),
                    ),
                )
                for entry in info["certificates"]
            ),
            (tr("Data objects"), tr("{info} (igc card objects)", info=info["data_objects"])),
        ]
    )
    for warning in info["warnings"]:
        talk(tr("Warning: {warning}", warning=printable(warning)))


def _holder_pairs(holder: dict[str, Any]) -> list[tuple[str, str]]:
    profession = holder["profession"] or ""
    if holder["profession_code"] is not None:
        code = tr("code {code}", code=f"{holder['profession_code']:02}")
        profession = tr("{label} ({code})", label=profession, code=code) if profession else code
    # The title is nearly always the profession once more.
    title = holder["title"] if not profession.startswith(holder["title"]) else ""
    specialities = [_with_code(each["label"], each["code"]) for each in holder["specialities"]]
    identifier = structure = ""
    if holder["national_id"]:
        identifier = f"{holder['national_id']} ({holder['identifier_type']})"
    if holder["structure_id"]:
        structure = f"{holder['structure_id']} ({holder['structure_type']})"
    return [
        (tr("Holder"), " ".join(filter(None, (holder["given_name"], holder["surname"])))),
        (tr("Identifier"), identifier),
        (tr("Title"), title),
        (tr("Profession"), profession),
        (tr("Speciality"), joined("; ", specialities)),
        (tr("Organisation"), holder["organisation"]),
        (tr("Structure"), structure),
    ]


def _with_code(label: str | None, code: str) -> str:
    """A word of the ANS's nomenclatures and its code; without the word, the code."""
    if label:
        return tr("{label}, code {code}", label=label, code=code)
    return tr("code {code}", code=code)


def _pin_text(pin: dict[str, int] | None) -> str:
    if pin is None:
        return tr("none on this interface")
    if pin["tries_left"] == 0:
        return tr("blocked (igc card pin unblock)")
    return tr(
        "{tries_left} of {max_tries} tries left",
        tries_left=pin["tries_left"],
        max_tries=pin["max_tries"],
    )

"""File control parameters, the answer to SELECT: ISO/IEC 7816-4 §7.4 (tags of card.md §2.2)."""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import CardError
from ..messages import tr
from . import tlv

MAX_FILE_BYTES = 0x8000  # READ BINARY offsets have 15 bits

_TEMPLATES = (0x62, 0x6F)
_DIRECTORY = 0x38


@dataclass(frozen=True)
class FileControlParameters:
    """What the card says of a file. ``size`` is in bytes, None for a directory.

    ``short_id`` is the short EF identifier, 1 to 30; ``life_cycle`` 05 when activated.
    """

    size: int | None
    is_directory: bool = False
    file_id: bytes = b""
    name: bytes = b""
    short_id: int | None = None
    life_cycle: int | None = None

    @classmethod
    def parse(cls, data: bytes) -> FileControlParameters:
        """Read an FCP (62, a CPS3's) or FCI (6F, a CPS4's) template.

        Raises CardError for anything else and for a size beyond 32 KiB.
        """
        objects = tlv.parse(data)
        if not objects or objects[0].tag not in _TEMPLATES:
            raise CardError(tr("the card's answer to SELECT is no file control template"))
        fields = {found.tag: found.value for found in reversed(objects[0].children())}
        size_field = fields.get(0x80, fields.get(0x81))
        size = None if size_field is None else int.from_bytes(size_field, "big")
        if size is not None and size > MAX_FILE_BYTES:
            raise CardError(
                tr(
                    "a file of {size:,} bytes: the limit is {max_file_bytes:,}",
                    size=size,
                    max_file_bytes=MAX_FILE_BYTES,
                )
            )
        short_id = _first_byte(fields.get(0x88))
        return cls(
            size=size,
            is_directory=fields.get(0x82, b"")[:1] == bytes((_DIRECTORY,)),
            file_id=fields.get(0x83, b""),
            name=fields.get(0x84, b""),
            short_id=None if short_id is None else short_id >> 3,
            life_cycle=_first_byte(fields.get(0x8A)),
        )


def _first_byte(value: bytes | None) -> int | None:
    return value[0] if value else None

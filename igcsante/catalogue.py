"""A catalogue of translations in a file of GNU gettext (``.mo``: its manual, "The Format of GNU
MO Files"), read as far as a page asks for it.

The file keeps its messages sorted, so each is found by halving and nothing else is decoded. The
standard library's ``gettext`` decodes all of them first, which takes longer than Python to start.

Ours are little-endian and UTF-8, as ``scripts/catalogue`` writes them. The plural is that of
French, for any count above one.
"""

from __future__ import annotations

_MAGIC = b"\xde\x12\x04\x95"
_ENTRY = 8  # length and offset, four bytes each


class Catalogue:
    """The translations of one language; ``data`` is the whole file.

    Without data, or with those of another format, every message comes back as it is.
    """

    def __init__(self, data: bytes = b"") -> None:
        self._data = data
        known = data.startswith(_MAGIC)
        self._count, self._ids, self._texts = map(self._number, (8, 12, 16)) if known else (0, 0, 0)

    def gettext(self, message: str) -> str:
        """The translation of a message, or of the singular of one that counts."""
        return self._found(message).partition("\0")[0] or message

    def ngettext(self, one: str, many: str, count: int) -> str:
        """The translation of a message that counts; in English when there is none."""
        singular, _, several = self._found(one).partition("\0")
        if not singular:
            return one if count == 1 else many
        return several if several and count > 1 else singular

    def _found(self, message: str) -> str:
        wanted = message.encode("utf-8", "surrogatepass")
        low, high = 1, self._count  # the first is the header
        while low < high:
            middle = (low + high) // 2
            known = self._string(self._ids, middle).partition(b"\0")[0]  # of a plural: the singular
            if known == wanted:
                return self._string(self._texts, middle).decode()
            low, high = (middle + 1, high) if known < wanted else (low, middle)
        return ""

    def _string(self, table: int, index: int) -> bytes:
        entry = table + index * _ENTRY
        start = self._number(entry + 4)
        return self._data[start : start + self._number(entry)]

    def _number(self, offset: int) -> int:
        return int.from_bytes(self._data[offset : offset + 4], "little")

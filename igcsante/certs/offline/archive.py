"""Files in one ZIP archive that has a single form: the same files give the same octets.

Members are stored as they are, in order, without dates, comments or extra fields (APPNOTE.TXT
6.3.3, §4.3.7, §4.3.12, §4.3.16). What is read back must be exactly what would be written: so
there is nothing to expand, nothing hidden between the members, and no second way to read it.
Any program that reads ZIP files opens it.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator, Mapping

from ...errors import UnreadableError
from ...messages import tr

MAX_MEMBERS = 4096

_LOCAL = struct.Struct("<4s5H3L2H")
_CENTRAL = struct.Struct("<4s6H3L5H2L")
_END = struct.Struct("<4s4H2LH")
_LOCAL_MAGIC, _CENTRAL_MAGIC, _END_MAGIC = b"PK\x03\x04", b"PK\x01\x02", b"PK\x05\x06"
_VERSION, _UNIX = 20, 3 << 8
_FIRST_OF_1980 = (1 << 5) | 1  # the zero of ZIP's dates: January 1st
_MODE = (0o100600 << 16) & 0xFFFFFFFF  # a file for its owner only
_MAX_OFFSET = 0xFFFFFFFF


def archive(members: Mapping[str, bytes]) -> bytes:
    """The archive of the members, in their order. Names are ASCII.

    Raises UnreadableError when they are too many or too large.
    """
    return b"".join(_pieces(members))


def members_of(data: bytes) -> dict[str, bytes]:
    """The members of an archive that :func:`archive` made.

    Raises UnreadableError for any other, be it a good ZIP file: compressed, reordered, with
    two members of one name, with anything before, between or after them.
    """
    view = memoryview(data)
    found: dict[str, bytes] = {}
    offset = 0
    while data[offset : offset + 4] == _LOCAL_MAGIC:
        name, content, offset = _member(view, offset)
        if name in found:
            raise UnreadableError(tr("two members are called {name!r}", name=name))
        found[name] = content
        if len(found) > MAX_MEMBERS:
            raise UnreadableError(tr("more than {max_members} members", max_members=MAX_MEMBERS))
    offset = 0
    for piece in _pieces(found):
        if view[offset : offset + len(piece)] != piece:
            raise UnreadableError(tr("not an archive as they are written here, or it was changed"))
        offset += len(piece)
    if offset != len(data):
        raise UnreadableError(tr("octets follow the archive"))
    return found


def _member(view: memoryview, offset: int) -> tuple[str, bytes, int]:
    """Name and content of the member at ``offset``, and where it ends."""
    try:
        *_, size, name_size, extra_size = _LOCAL.unpack_from(view, offset)
        name = str(view[offset + _LOCAL.size :][:name_size], "ascii")
    except (struct.error, UnicodeDecodeError):
        raise UnreadableError(tr("a member has no header that can be read")) from None
    start = offset + _LOCAL.size + name_size + extra_size
    if start + size > len(view):
        raise UnreadableError(tr("the archive is cut in {name!r}", name=name))
    return name, bytes(view[start : start + size]), start + size


def _pieces(members: Mapping[str, bytes]) -> Iterator[bytes]:
    if len(members) > MAX_MEMBERS:
        raise UnreadableError(tr("more than {max_members} members", max_members=MAX_MEMBERS))
    directory: list[bytes] = []
    offset = 0
    for name, content in members.items():
        encoded = name.encode("ascii")
        common = (_VERSION, 0, 0, 0, _FIRST_OF_1980, zlib.crc32(content), len(content))
        sizes = (*common, len(content), len(encoded), 0)
        header = _LOCAL.pack(_LOCAL_MAGIC, *sizes) + encoded
        directory.append(
            _CENTRAL.pack(_CENTRAL_MAGIC, _UNIX | _VERSION, *sizes, 0, 0, 0, _MODE, offset)
            + encoded
        )
        offset += len(header) + len(content)
        if offset > _MAX_OFFSET:
            raise UnreadableError(tr("larger than an archive can be"))
        yield header
        yield content
    end = b"".join(directory)
    count = len(members)
    yield end
    yield _END.pack(_END_MAGIC, 0, 0, count, count, len(end), offset, 0)

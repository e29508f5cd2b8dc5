"""Archives are read in memory, whole or told; what they may cost is bounded."""

from __future__ import annotations

import gzip
import io
import struct
import tarfile
import zipfile
from pathlib import Path

import pytest

from igcsante.certs.fleet import packed
from igcsante.certs.fleet.packed import Member, members
from igcsante.errors import UnreadableError
from igcsante.files import ARCHIVE_START, is_archive

FILES = {"a.pem": b"first", "folder/b.pem": b"second", "../../up.pem": b"third", "/root.pem": b"4"}
KINDS = ("zip", "tar", "tar.gz")


def pack(kind: str, files: dict[str, bytes]) -> bytes:
    stream = io.BytesIO()
    if kind == "zip":
        with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, data in files.items():
                archive.writestr(name, data)
        return stream.getvalue()
    with tarfile.open(fileobj=stream, mode="w:gz" if kind == "tar.gz" else "w") as tar:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return stream.getvalue()


def read(data: bytes) -> list[Member]:
    return list(members(io.BytesIO(data), lambda name: name.endswith(".pem")))


@pytest.mark.parametrize("kind", KINDS)
def test_members_are_read_and_none_is_a_path(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    data = pack(kind, {**FILES, "notes.txt": b"not wanted"})
    assert is_archive(data[:ARCHIVE_START])
    assert dict(read(data)) == FILES
    assert not list(tmp_path.iterdir()), "nothing is extracted"


def test_certificates_are_no_archives() -> None:
    assert not is_archive(b"-----BEGIN CERTIFICATE-----")
    assert not is_archive(b"\x30\x82\x04\x00")
    assert not is_archive(b"")


def test_links_and_devices_are_passed_over() -> None:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as tar:
        for name, kind in (("a.pem", tarfile.SYMTYPE), ("b.pem", tarfile.CHRTYPE)):
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, "/etc/passwd"
            tar.addfile(info)
    assert read(stream.getvalue()) == []


@pytest.mark.parametrize("kind", KINDS)
def test_too_large_a_member_is_told_and_the_others_are_read(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packed, "MAX_MEMBER_BYTES", 1000)
    found = dict(read(pack(kind, {"big.pem": bytes(1001), "b.pem": b"second"})))
    assert isinstance(found["big.pem"], UnreadableError)
    assert found["b.pem"] == b"second"


@pytest.mark.parametrize("kind", ["zip", "tar.gz"])
def test_bomb_is_given_up(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packed, "MAX_UNPACKED_BYTES", 100_000)
    bomb = pack(kind, {f"{number}.pem": bytes(60_000) for number in range(3)})
    assert len(bomb) < 2000
    with pytest.raises(UnreadableError, match="more than is unpacked"):
        read(bomb)


def test_bomb_in_a_member_that_nobody_wants_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packed, "MAX_UNPACKED_BYTES", 100_000)
    with pytest.raises(UnreadableError, match="more than is unpacked"):
        read(pack("tar.gz", {"notes.txt": bytes(200_000), "a.pem": b"first"}))


@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_too_many_members_are_given_up(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packed, "MAX_MEMBERS", 3)
    with pytest.raises(UnreadableError, match="more than is unpacked"):
        read(pack(kind, FILES))


def test_directory_of_a_zip_is_bounded_before_it_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    data = bytearray(pack("zip", FILES))
    struct.pack_into("<L", data, data.rfind(b"PK\x05\x06") + 12, 2**31)
    monkeypatch.setattr(zipfile, "ZipFile", None)  # it is not even opened
    with pytest.raises(UnreadableError, match="more than is unpacked"):
        read(bytes(data))


def test_member_with_a_password_is_told() -> None:
    data = bytearray(pack("zip", {"a.pem": b"first", "b.pem": b"second"}))
    for magic, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.find(magic) + offset] |= 1  # encrypted
    found = dict(read(bytes(data)))
    assert isinstance(found["a.pem"], UnreadableError)
    assert found["b.pem"] == b"second"


@pytest.mark.parametrize("kind", KINDS)
def test_damaged_archive_is_told_wherever_it_is_damaged(kind: str) -> None:
    whole = pack(kind, FILES)
    for place in range(0, len(whole), max(1, len(whole) // 150)):
        for spoiled in (
            whole[:place],
            whole[:place] + bytes((whole[place] ^ 0xFF,)) + whole[place + 1 :],
        ):
            try:
                found = read(spoiled)
            except UnreadableError:
                continue
            assert all(isinstance(data, (bytes, UnreadableError)) for _, data in found)


def test_gzip_of_something_else_is_told() -> None:
    with pytest.raises(UnreadableError, match="can't be read"):
        read(gzip.compress(b"-----BEGIN CERTIFICATE-----"))

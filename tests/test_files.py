"""Files are read with a bound, and written whole or not at all."""

from __future__ import annotations

import errno
import os
import stat
import tracemalloc
from pathlib import Path

import pytest

from igcsante import files
from igcsante.errors import StorageError, UnreadableError, UsageError
from igcsante.files import private_directory, read_bounded, write_atomic, write_together


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_reads_up_to_the_limit(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(b"12345")
    assert read_bounded(path, 5) == b"12345"
    with pytest.raises(UnreadableError, match="larger than 4 bytes"):
        read_bounded(path, 4)


def test_small_file_takes_no_more_memory_than_it_needs(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(bytes(1000))
    tracemalloc.start()
    try:
        assert len(read_bounded(path, 1 << 30)) == 1000
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 1 << 20


@pytest.mark.skipif(not Path("/dev/fd").exists(), reason="no /dev/fd here")
def test_pipe_is_read_to_its_end() -> None:
    reading, writing = os.pipe()
    os.write(writing, b"12345")
    os.close(writing)
    try:
        assert read_bounded(Path(f"/dev/fd/{reading}"), 1000) == b"12345"
    finally:
        os.close(reading)


def test_endless_file_is_refused_without_reading_it_all() -> None:
    with pytest.raises(UnreadableError):
        read_bounded(Path("/dev/zero"), 1000)


def test_absent_file_and_folder_are_clear_errors(tmp_path: Path) -> None:
    for path in (tmp_path / "absent", tmp_path):
        with pytest.raises(UsageError, match=str(path)):
            read_bounded(path)


def test_written_file_is_private_and_whole(tmp_path: Path) -> None:
    path = tmp_path / "new folder" / "key.pem"
    write_atomic(path, b"key")
    assert path.read_bytes() == b"key"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert names(path.parent) == ["key.pem"]


def test_umask_and_mode(tmp_path: Path) -> None:
    write_atomic(tmp_path / "public", b"", mode=0o644)
    assert stat.S_IMODE((tmp_path / "public").stat().st_mode) == 0o644


def test_file_that_is_there_is_left_untouched(tmp_path: Path) -> None:
    path = tmp_path / "key.pem"
    path.write_bytes(b"old")
    with pytest.raises(StorageError, match="already there"):
        write_atomic(path, b"new")
    assert path.read_bytes() == b"old"
    write_atomic(path, b"new", overwrite=True)
    assert path.read_bytes() == b"new"
    assert names(tmp_path) == ["key.pem"]


def test_link_to_another_file_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "target").write_bytes(b"old")
    (tmp_path / "link").symlink_to("target")
    with pytest.raises(StorageError):
        write_atomic(tmp_path / "link", b"new")
    assert (tmp_path / "target").read_bytes() == b"old"


@pytest.mark.parametrize("failing", ["fsync", "link", "replace"])
def test_failure_leaves_what_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing: str
) -> None:
    def no_space(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    path = tmp_path / "key.pem"
    if failing == "replace":
        path.write_bytes(b"old")
    with monkeypatch.context() as patch:
        patch.setattr(files.os, failing, no_space)
        with pytest.raises(StorageError, match="No space left on device"):
            write_atomic(path, b"new", overwrite=failing == "replace")
    assert names(tmp_path) == (["key.pem"] if failing == "replace" else [])
    if failing == "replace":
        assert path.read_bytes() == b"old"


def test_interruption_leaves_no_temporary_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(files.os, "fsync", interrupt)
        with pytest.raises(KeyboardInterrupt):
            write_atomic(tmp_path / "key.pem", b"new")
    assert names(tmp_path) == []


def test_every_folder_that_is_made_is_private(tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        private_directory(tmp_path / "a" / "b" / "c")
        write_atomic(tmp_path / "d" / "e" / "file", b"")
    finally:
        os.umask(before)
    made = [folder for folder in tmp_path.rglob("*") if folder.is_dir()]
    assert len(made) == 5
    assert {stat.S_IMODE(folder.stat().st_mode) for folder in made} == {0o700}


def test_parent_that_is_a_file_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StorageError):
        write_atomic(tmp_path / "file" / "x", b"")
    with pytest.raises(StorageError):
        private_directory(tmp_path / "file")


def test_private_directory_is_private(tmp_path: Path) -> None:
    folder = private_directory(tmp_path / "a" / "b")
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert private_directory(folder) == folder


def test_a_disk_without_hard_links_takes_the_file_and_still_never_replaces_one(
    tmp_path, monkeypatch
):
    def refused(self, target):
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(Path, "hardlink_to", refused)
    write_atomic(tmp_path / "a", b"first")
    assert (tmp_path / "a").read_bytes() == b"first"
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o600
    with pytest.raises(StorageError, match="already there"):
        write_atomic(tmp_path / "a", b"second")
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
    assert (tmp_path / "a").read_bytes() == b"first"


def test_replacing_keeps_links_and_spares_devices(tmp_path):
    target, link, fifo = (tmp_path / name for name in ("target", "link", "fifo"))
    target.write_bytes(b"old")
    link.symlink_to(target)
    write_atomic(link, b"new", overwrite=True)
    assert link.is_symlink() and target.read_bytes() == b"new"
    os.mkfifo(fifo)
    with pytest.raises(StorageError, match="no regular file"):
        write_atomic(fifo, b"new", overwrite=True)
    assert fifo.is_fifo()


def test_new_name_is_on_disk_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[tuple[bool, bool]] = []
    real = os.fsync

    def fsync(handle: int) -> None:
        is_folder = stat.S_ISDIR(os.fstat(handle).st_mode)
        synced.append((is_folder, (tmp_path / "x").exists()))
        real(handle)

    monkeypatch.setattr(os, "fsync", fsync)
    write_atomic(tmp_path / "x", b"key")
    assert synced == [(False, False), (True, True)], "the content, then the folder that names it"


def test_folder_that_cannot_be_synced_is_no_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.fsync

    def fsync(handle: int) -> None:
        if stat.S_ISDIR(os.fstat(handle).st_mode):
            raise OSError(errno.EINVAL, "not here")
        real(handle)

    monkeypatch.setattr(os, "fsync", fsync)
    write_atomic(tmp_path / "x", b"key")
    assert (tmp_path / "x").read_bytes() == b"key"


def test_files_are_written_together_or_not_at_all(tmp_path: Path) -> None:
    wanted = {tmp_path / name: name.encode() for name in ("a", "b", "c")}
    (tmp_path / "c").write_bytes(b"mine")
    with pytest.raises(StorageError, match="already there: nothing was written"):
        write_together(wanted)
    assert names(tmp_path) == ["c"] and (tmp_path / "c").read_bytes() == b"mine"
    (tmp_path / "c").unlink()
    write_together(wanted)
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == wanted

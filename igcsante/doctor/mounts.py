"""On what a folder is: its file system by name (Linux, proc(5)), and whether it takes a lock."""

from __future__ import annotations

import errno
import os
import re
from pathlib import Path

from ..messages import reason_of

# Whose locks may stay on this machine, or be lost with the network.
SHARED = {
    *("nfs", "nfs4", "cifs", "smb3", "smbfs", "ncpfs", "afs", "ceph", "glusterfs", "lustre"),
    *("9p", "vboxsf", "vmhgfs", "prl_fs", "virtiofs", "fuse.sshfs", "fuse.rclone", "drvfs"),
}
# Which the kernel makes up: nobody keeps a file there.
VIRTUAL = {
    *("proc", "sysfs", "devpts", "mqueue", "cgroup", "cgroup2", "debugfs", "tracefs", "bpf"),
    *("securityfs", "configfs", "pstore", "efivarfs", "binfmt_misc", "fusectl", "autofs"),
}
_TABLE = Path("/proc/self/mountinfo")


def kind_of(folder: Path, table: Path = _TABLE) -> str:
    """``ext4``, ``nfs4``…; "" where it can't be told."""
    try:
        lines = table.read_text("utf-8", "replace").splitlines()
        wanted = folder.resolve()
    except OSError:
        return ""
    best, kind = -1, ""
    for line in lines:
        before, _, after = line.partition(" - ")
        parts = before.split()
        if len(parts) < 5 or not after:
            continue
        point = Path(re.sub(r"\\([0-7]{3})", lambda found: chr(int(found[1], 8)), parts[4]))
        if wanted.is_relative_to(point) and len(point.parts) >= best:
            best, kind = len(point.parts), after.split()[0]
    return kind


def refuses_lock(folder: Path) -> str:
    """Why no lock can be had there; "" when it can, or when that can't be tried.

    The folder itself is locked for a moment: no file is made.
    """
    try:
        import fcntl
    except ImportError:
        return ""
    try:
        handle = os.open(folder, os.O_RDONLY)
    except OSError:
        return ""
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError as error:
        busy = error.errno in (errno.EWOULDBLOCK, errno.EACCES)
        return "" if busy else reason_of(error)
    finally:
        os.close(handle)
    return ""

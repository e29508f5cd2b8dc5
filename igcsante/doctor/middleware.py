"""The official middleware, Cryptolib CPS: whether it is there, and of which version.

Paths of facts sheet card.md §8. It is never loaded, since that runs it and it may take the card:
the version is that of its package, or of the file (Windows).
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

from ..messages import tr
from .check import Context
from .finding import Finding, note, ok, problem
from .masking import place
from .packages import package_of

_SYSTEM32 = Path(os.environ.get("SYSTEMROOT", "C:\\Windows"), "System32")
PATHS = {
    "linux": (Path("/opt/santesocial/CPS/lib/libcps3_pkcs11_lux.so"),),
    "darwin": (Path("/usr/local/lib/libcps3_pkcs11_osx.dylib"),),
    "win32": (_SYSTEM32 / "cps3_pkcs11_w64.dll", _SYSTEM32 / "cps3_pkcs11_w32.dll"),
}


def check(context: Context) -> Iterator[Finding]:
    """Where it is, and the module of the profile if that is another one."""
    found = [path for path in PATHS.get(sys.platform, ()) if path.exists()]
    for path in found:
        yield ok(tr("{path}: {version}", path=place(path), version=_version(path)))
    if not found:
        yield note(tr("Cryptolib CPS is not installed; igcsante doesn't need it"))
    module = context.profile.pkcs11
    if module is None:
        return
    if module.exists():
        yield ok(tr("the profile's PKCS#11 module is there: {path}", path=place(module)))
    else:
        yield problem(
            tr("the profile's PKCS#11 module is not there: {path}", path=place(module)),
            tr("mend the key pkcs11 of the profile, or leave it out to use the card"),
        )


def _version(path: Path) -> str:
    version = _of_file(path) if sys.platform == "win32" else package_of(path)
    return version or tr("its version can't be told without running it")


def _of_file(path: Path) -> str:
    """The version in the resources of a Windows file (VS_FIXEDFILEINFO)."""
    import ctypes

    library = ctypes.WinDLL("version")  # type: ignore[attr-defined,unused-ignore]
    size = library.GetFileVersionInfoSizeW(str(path), None)
    data = ctypes.create_string_buffer(size)
    if not size or not library.GetFileVersionInfoW(str(path), 0, size, data):
        return ""
    start, length = ctypes.c_void_p(), ctypes.c_uint()
    if not library.VerQueryValueW(data, "\\", ctypes.byref(start), ctypes.byref(length)):
        return ""
    if not start.value or length.value < 16:
        return ""
    words = ctypes.string_at(start.value, 16)
    high, low = int.from_bytes(words[8:12], "little"), int.from_bytes(words[12:16], "little")
    return f"{high >> 16}.{high & 0xFFFF}.{low >> 16}.{low & 0xFFFF}"

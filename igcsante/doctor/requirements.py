"""Which libraries the package's metadata wants, and which there are (PEP 508, PEP 440).

Only what our own metadata uses is read: ``name>=1.2``, ``name==1.2``, with a marker on ``extra``
or on ``sys_platform``.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata

from ..extras import EXTRAS

PACKAGE = "igcsante"
_FOR_USERS = {"", *EXTRAS}
_REQUIREMENT = re.compile(r"([\w.-]+)\s*(==|>=)\s*([\w.]+)\s*(?:;\s*(.*))?")
_EXTRA = re.compile(r"""extra == ["']([\w-]+)["']""")
_PLATFORM = re.compile(r"""sys_platform (==|!=) ["']([\w-]+)["']""")


@dataclass(frozen=True)
class Required:
    """A library: what is wanted of it, for which extra ("" for always), and what is there."""

    name: str
    operator: str
    version: str
    extra: str
    installed: str | None

    @property
    def fits(self) -> bool:
        if self.installed is None:
            return False
        if self.operator == "==":
            return self.installed == self.version
        return numbers(self.installed) >= numbers(self.version)


def requirements() -> Iterator[Required]:
    """The libraries that the installed package names. Raises PackageNotFoundError."""
    for text in metadata.requires(PACKAGE) or ():
        found = _REQUIREMENT.fullmatch(text.strip())
        if found is None:
            continue
        name, operator, version, marker = found.groups()
        extra = _EXTRA.search(marker or "")
        of_extra = extra[1] if extra else ""
        if _applies(marker or "") and of_extra in _FOR_USERS:
            yield Required(name, operator, version, of_extra, installed(name))


def required_python() -> str:
    """The oldest Python, as ``3.11``. Raises PackageNotFoundError."""
    wanted = metadata.metadata(PACKAGE).json.get("requires_python", "")
    found = re.search(r">=\s*([\d.]+)", str(wanted))
    return found[1] if found else ""


def installed(name: str) -> str | None:
    """The version of a library that is installed, None without it."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def numbers(version: str) -> tuple[int, ...]:
    """``2.10.1rc1`` as (2, 10, 1): enough to compare with a release."""
    found = (re.match(r"\d+", part) for part in version.split("."))
    return tuple(int(number[0]) for number in found if number)


def _applies(marker: str) -> bool:
    found = _PLATFORM.search(marker)
    return found is None or (sys.platform == found[2]) is (found[1] == "==")

"""The licences of what is locked: writes ``requirements/licences.toml``.

Each is read from the installed package (License-Expression, else License, else its classifier)
and must be among those that ``requirements/accepted-licences.toml`` accepts, kept by hand.
"""

from __future__ import annotations

import re
import sys
import tomllib
from email.message import Message
from importlib.metadata import PackageNotFoundError, metadata
from pathlib import Path
from typing import Any

from build_hook import read_lock

REQUIREMENTS = Path(__file__).parents[2] / "requirements"


def main() -> None:
    """Write the file, or say what nobody has looked at yet."""
    accepted = tomllib.loads((REQUIREMENTS / "accepted-licences.toml").read_text("utf-8"))
    found = {name: licence_of(name, accepted) for name in locked_packages()}
    if unseen := refused(found, accepted):
        sys.exit(
            "licences that requirements/accepted-licences.toml doesn't know:\n"
            + "".join(
                f"  {name}: {licence or 'not declared'}\n" for name, licence in unseen.items()
            )
        )
    lines = [f'{name} = "{licence}"\n' for name, licence in found.items()]
    text = "# Written by scripts/lock.\n[licences]\n" + "".join(lines)
    (REQUIREMENTS / "licences.toml").write_text(text, "utf-8")


def locked_packages() -> list[str]:
    """The names of all that is locked."""
    return sorted(read_lock(REQUIREMENTS / "release.txt") | read_lock(REQUIREMENTS / "card.txt"))


def licence_of(package: str, accepted: dict[str, Any]) -> str:
    """The SPDX expression of a package's licence; what it declares when that is none."""
    if by_hand := accepted["packages"].get(package):
        return str(by_hand)
    try:
        declared = _declared(metadata(package))  # type: ignore[arg-type]
    except PackageNotFoundError:
        return ""
    return str(accepted["words"].get(declared, declared))


def refused(licences: dict[str, str], accepted: dict[str, Any]) -> dict[str, str]:
    """Those of which a part is not accepted, but for what a person read."""
    known = set(accepted["accepted"])
    unread = {n: text for n, text in licences.items() if n not in accepted["packages"]}
    return {n: text for n, text in unread.items() if not text or set(parts(text)) - known}


def parts(expression: str) -> list[str]:
    """The licences that an SPDX expression names."""
    return [p.strip("() ") for p in re.split(r" (?:AND|OR|WITH) ", expression)]


def _declared(about: Message) -> str:
    classifiers = about.get_all("Classifier") or []
    named = [c.rpartition(" :: ")[2] for c in classifiers if c.startswith("License :: ")]
    licence = str(about.get("License") or "").strip()
    short = licence if "\n" not in licence and licence != "UNKNOWN" else ""
    return str(about.get("License-Expression") or short or (named[0] if len(named) == 1 else ""))


if __name__ == "__main__":
    main()

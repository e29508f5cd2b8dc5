"""What setup.cfg asks for, one requirement a line, for scripts/lock.

Not what the built package asks for: a new dependency is locked before a build accepts it.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from metadata_hook import project

SETUP_CFG = Path(__file__).parents[2] / "setup.cfg"


def main() -> None:
    """Print the lists that are named."""
    said = project(SETUP_CFG)
    lists = {"igcsante": said["dependencies"], **said["optional-dependencies"]}
    parser = argparse.ArgumentParser(prog="wanted.py", description=__doc__)
    parser.add_argument("lists", nargs="+", choices=[*lists, "all"], metavar="EXTRA|igcsante|all")
    parser.add_argument("--without", choices=lists, help="leave this one out of all")
    options = parser.parse_args()
    names = lists if "all" in options.lists else options.lists
    for name in names:
        if name != options.without:
            print(*lists[name], sep="\n")


if __name__ == "__main__":
    main()

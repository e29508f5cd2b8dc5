"""Gives hatchling what pyproject.toml calls dynamic, from the classic sections of setup.cfg.

It needs the standard library only, as it runs in every build; what it would pass over is an error.
"""

from __future__ import annotations

import configparser
from pathlib import Path
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface

SECTIONS = ["metadata", "options", "options.extras_require", "options.entry_points"]


class SetupCfg(MetadataHookInterface):
    def update(self, metadata: dict[str, Any]) -> None:
        metadata.update(project(Path(self.root) / "setup.cfg"))


def project(path: Path) -> dict[str, Any]:
    """What ``path`` says, by the names of pyproject's ``[project]``; ValueError when it can't."""
    config = configparser.RawConfigParser(delimiters="=")
    config.optionxform = str  # type: ignore[assignment]  # names keep their case
    try:
        config.read_string(path.read_text("utf-8"))
        about, options, extras, points = (dict(config[section]) for section in SECTIONS)
        table = {
            "description": about.pop("description"),
            "readme": about.pop("long_description").removeprefix("file:").strip(),
            "license": about.pop("license"),
            "license-files": _lines(about.pop("license_files")),
            "authors": [{"name": about.pop("author")}],
            "classifiers": _lines(about.pop("classifiers")),
            "urls": _pairs(about.pop("project_urls", "")),
            "requires-python": options.pop("python_requires"),
            "dependencies": _lines(options.pop("install_requires")),
            "optional-dependencies": {extra: _lines(text) for extra, text in extras.items()},
            "scripts": _pairs(points.pop("console_scripts")),
            "entry-points": {group: _pairs(text) for group, text in points.items()},
        }
    except KeyError as missing:
        raise ValueError(f"setup.cfg lacks {missing}") from None
    except (OSError, ValueError, configparser.Error) as error:
        raise ValueError(f"setup.cfg: {error}") from None
    others = [s for s in config.sections() if s.startswith("options.") and s not in SECTIONS]
    if unread := [*about, *options, *others]:
        raise ValueError(f"setup.cfg: scripts/releasing/metadata_hook.py doesn't read {unread}")
    return table


def _lines(text: str) -> list[str]:
    return [line for line in text.splitlines() if line]


def _pairs(text: str) -> dict[str, str]:
    if wrong := [line for line in _lines(text) if "=" not in line]:
        raise ValueError(
            f"entry points are name = module:function, addresses name = URL, not {wrong}"
        )
    return {n.strip(): to.strip() for n, _, to in (line.partition("=") for line in _lines(text))}

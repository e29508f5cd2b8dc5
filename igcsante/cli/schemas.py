"""The JSON Schemas (draft 2020-12) of what ``--json`` prints, one file for each name.

``igc.check/1`` is in ``schemas/igc.check-1.json``. A file may refer to parts of another by
its ``$id``; :func:`schema` puts both together.
"""

from __future__ import annotations

import json
import re
from importlib import resources
from typing import Any

from ..errors import UsageError
from ..messages import tr

_FOLDER = resources.files("igcsante.cli") / "schemas"
_REFERENCE = re.compile(r'"\$ref": "urn:x-igcsante-toolkit:json:([^#"]+)#')


def names() -> tuple[str, ...]:
    """Every name that ``schema`` has in what is printed, in alphabetical order."""
    stems = (file.name.removesuffix(".json") for file in _FOLDER.iterdir())
    return tuple(sorted("/".join(stem.rsplit("-", 1)) for stem in stems))


def schema(name: str) -> dict[str, Any]:
    """The schema of that name, complete: the schemas that it refers to are in its ``$defs``.

    That is the bundling of JSON Schema Core 2020-12 §9.3. Raises UsageError.
    """
    if name not in names():
        raise UsageError(
            tr("there is no JSON schema {name!r}", name=name), advice=tr("list them: igc help json")
        )
    found: dict[str, dict[str, Any]] = {}
    _read(name, found)
    whole = found.pop(name)
    if found:
        whole["$defs"] = {**whole.get("$defs", {}), **found}
    return whole


def _read(name: str, found: dict[str, dict[str, Any]]) -> None:
    """Put the file of ``name``, and those that it refers to, into ``found``."""
    text = (_FOLDER / f"{name.replace('/', '-')}.json").read_text("utf-8")
    found[name] = json.loads(text)
    for other in _REFERENCE.findall(text):
        if other not in found:
            _read(other, found)

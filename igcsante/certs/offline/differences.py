"""Where what a bundle recorded and what a check gives today differ in what they mean."""

from __future__ import annotations

import json
from typing import Any

from ...messages import tr


def differences(recorded: list[Any], today: list[Any]) -> tuple[str, ...]:
    """Where two lists of verdicts differ in what they mean; how it is worded may change."""
    if len(recorded) != len(today):
        return (
            tr(
                "{count} verdicts are recorded, the check gives {count_2}",
                count=len(recorded),
                count_2=len(today),
            ),
        )
    found = []
    for number, (before, after) in enumerate(zip(recorded, today, strict=True), 1):
        if not isinstance(before, dict):
            found.append(tr("verdict {number} is not one", number=number))
            continue
        for key in sorted({*before, *after}):
            if _meaning(before.get(key)) != _meaning(after.get(key)):
                was, now = _shown(before.get(key)), _shown(after.get(key))
                found.append(
                    tr(
                        "verdict {number}: {key} was recorded as {was}, today {now}",
                        number=number,
                        key=key,
                        was=was,
                        now=now,
                    )
                )
    return tuple(found)


def _meaning(value: Any) -> Any:
    """Without the messages."""
    if isinstance(value, dict):
        return {key: _meaning(inner) for key, inner in value.items() if key != "message"}
    return [_meaning(inner) for inner in value] if isinstance(value, list) else value


def _shown(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 200 else f"{text[:200]}…"

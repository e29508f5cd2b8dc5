"""What the tests of the doctor share besides fixtures."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from igcsante.doctor import Finding

Examine = Callable[..., list[Finding]]


def seen(findings: Iterable[Finding]) -> str:
    """All that was seen, a line each."""
    return "\n".join(finding.seen for finding in findings)

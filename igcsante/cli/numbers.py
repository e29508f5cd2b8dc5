"""Numbers as options, from a lowest to a highest one."""

from __future__ import annotations

import math
from typing import Any

import click

from ..messages import tr
from .command import in_clicks_language


class _Between:
    """What click says of a range, in words: ``1 to 2`` where it has ``1<=x<=2``."""

    min: Any
    max: Any

    def get_metavar(self, param: click.Parameter, ctx: click.Context) -> str | None:
        return "N" if isinstance(param, click.Option) else None

    def _describe_range(self) -> str:
        """For a page of help, and for the error."""
        return in_clicks_language(
            tr("{lowest} to {highest}", lowest=self.min, highest=self.max),
        )


class WholeRange(_Between, click.IntRange):
    """A whole number from ``min`` to ``max``."""

    @property
    def name(self) -> str:  # type: ignore[override]
        return in_clicks_language(tr("whole number"))


class FiniteRange(_Between, click.FloatRange):
    """A number from ``min`` to ``max``; ``nan`` is in no range, though it isn't outside either."""

    @property
    def name(self) -> str:  # type: ignore[override]
        return in_clicks_language(tr("whole or decimal number"))

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        number = float(super().convert(value, param, ctx))
        if not math.isfinite(number):
            self.fail(in_clicks_language(tr("{value} is no number.", value=value)), param, ctx)
        return number

"""Numbers as options."""

from __future__ import annotations

import math
from typing import Any

import click

from ..messages import tr
from .command import in_clicks_language


class FiniteRange(click.FloatRange):
    """A number from ``min`` to ``max``; ``nan`` is in no range, though it isn't outside either."""

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        number = float(super().convert(value, param, ctx))
        if not math.isfinite(number):
            self.fail(in_clicks_language(tr("{value} is no number.", value=value)), param, ctx)
        return number

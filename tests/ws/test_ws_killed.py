"""Killed at any point, the next run knows where it stands: nothing is ordered twice or lost."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = Path(__file__).with_name("killed_client.py")


@pytest.mark.parametrize(("rows", "stride"), [(1, 3), pytest.param(2, 1, marks=pytest.mark.long)])
def test_a_client_killed_at_any_point_orders_each_row_once(
    tmp_path: Path, rows: int, stride: int
) -> None:
    command = [sys.executable, str(PROGRAM), str(tmp_path), str(rows), str(stride)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=600)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert len(told) > 40 * rows // stride, "it was killed at many points"
    # A certificate is delivered once: one that was issued while nobody listened is told as lost.
    lost = sum(found == ["lost"] for found in told)
    assert lost <= 2 * rows and (stride > 1 or lost == 2 * rows)
    assert [found for found in told if found not in ([], ["lost"])] == []

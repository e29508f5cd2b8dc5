"""The application under test, in the simulated world of the igcsante plugin."""

from __future__ import annotations

import pytest
from health_app.login import LoginDesk


@pytest.fixture
def desk(igc_world) -> LoginDesk:
    return LoginDesk(igc_world.anchors, igc_world.profile.http_hosts)

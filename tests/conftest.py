"""For all tests: nothing of the person who runs them is read or written."""

from __future__ import annotations

from collections.abc import Iterator

import pytest


@pytest.fixture(scope="session", autouse=True)
def nobodys_folders(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Configuration and data of igcsante, and of the commands that tests start."""
    folder = tmp_path_factory.mktemp("nobody")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("IGC_CONFIG_DIR", str(folder / "config"))
        patch.setenv("IGC_DATA_DIR", str(folder / "data"))
        patch.delenv("IGC_DEBUG", raising=False)
        yield

"""For all tests: nothing of the person who runs them is read or written."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from igcsante.testing.cards import PrivatePcscd

# The same examples each time, so that a run tells of the change and not of its luck;
# scripts/test --long draws new ones.
settings.register_profile("steady", derandomize=True, database=None, deadline=None)
settings.register_profile("searching", database=None, deadline=None, print_blob=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "steady"))

# A shell that starts the tests in the background has them ignore Ctrl-C, and all that they start.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session", autouse=True)
def nobodys_folders(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Configuration and data of igcsante, and of the commands that tests start."""
    folder = tmp_path_factory.mktemp("nobody")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("IGC_CONFIG_DIR", str(folder / "config"))
        patch.setenv("IGC_DATA_DIR", str(folder / "data"))
        patch.setenv(
            "IGC_CARD_CACHE", "never"
        )  # else a count of exchanges depends on the test before
        patch.delenv("IGC_DEBUG", raising=False)
        yield


@pytest.fixture(scope="module")
def service() -> Iterator[PrivatePcscd]:
    """A private pcscd; the test is skipped where it can't be had."""
    pytest.importorskip("smartcard", reason="pyscard is not installed")
    from igcsante.errors import PcscUnavailableError
    from igcsante.testing.cards import PrivatePcscd

    with ExitStack() as stack:
        try:
            running = stack.enter_context(PrivatePcscd())
        except PcscUnavailableError as missing:
            pytest.skip(str(missing))
        yield running

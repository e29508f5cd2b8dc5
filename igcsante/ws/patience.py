"""A platform that is asked again when it was out of reach or out of order for a moment.

Only what can't be done twice is repeated: questions, and requests of which it is certain that
nothing was done with them (they never left, or the platform said so). Waits grow, and are drawn
at random so that many clients don't come back all at once; a platform that says when to come
back (RFC 9110 §10.2.3) is obeyed.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar

from ..errors import (
    IgcError,
    NetworkError,
    PlatformUnavailableError,
    TimeoutExceededError,
    TlsError,
)
from .model import (
    Habilitation,
    Offre,
    OrderReceipt,
    Product,
    ProductPage,
    ProductRequest,
    ProductSearch,
    Renewal,
    Revocation,
    RevocationReceipt,
    Withdrawal,
    WithdrawnProduct,
)
from .outcome import nothing_done
from .platform import Platform

Result = TypeVar("Result")


@dataclass(frozen=True)
class Patience:
    """How often one operation is tried, and how long it is waited between: seconds.

    The n-th wait is at most ``first_wait * 2**(n-1)``, and at least half of that. No try
    begins once ``total`` has passed.
    """

    tries: int = 3
    first_wait: float = 1.0
    longest_wait: float = 10.0
    total: float = 60.0


class PatientPlatform:
    """``platform`` with ``patience``; ``told`` hears of each wait: the error, the seconds.

    What it raises is what ``platform`` raised last, before TLS failed if it then did.
    """

    def __init__(
        self,
        platform: Platform,
        patience: Patience | None = None,
        *,
        told: Callable[[IgcError, float], None] = lambda error, seconds: None,
    ) -> None:
        self._platform = platform
        self._patience = patience or Patience()
        self._told = told

    @property
    def keeps_references(self) -> bool:
        return self._platform.keeps_references

    @property
    def longest_attempt(self) -> timedelta:
        return timedelta(seconds=self._patience.total) + self._platform.longest_attempt

    def list_habilitations(
        self, offre: Offre | None = None, structure_text: str = ""
    ) -> tuple[Habilitation, ...]:
        return self._ask(lambda: self._platform.list_habilitations(offre, structure_text))

    def search_products(self, search: ProductSearch) -> ProductPage:
        return self._ask(lambda: self._platform.search_products(search))

    def get_product(self, product_id: str) -> Product:
        return self._ask(lambda: self._platform.get_product(product_id))

    def order_product(self, request: ProductRequest) -> OrderReceipt:
        return self._do(lambda: self._platform.order_product(request))

    def withdraw_product(self, withdrawal: Withdrawal) -> WithdrawnProduct:
        return self._do(lambda: self._platform.withdraw_product(withdrawal))

    def revoke_product(self, revocation: Revocation) -> RevocationReceipt:
        return self._do(lambda: self._platform.revoke_product(revocation))

    def renew_product(self, renewal: Renewal) -> OrderReceipt:
        return self._do(lambda: self._platform.renew_product(renewal))

    def _ask(self, question: Callable[[], Result]) -> Result:
        return self._persist(question, _is_passing)

    def _do(self, request: Callable[[], Result]) -> Result:
        return self._persist(request, lambda error: _is_passing(error) and nothing_done(error))

    def _persist(
        self, attempt: Callable[[], Result], worth_it: Callable[[IgcError], bool]
    ) -> Result:
        end = time.monotonic() + self._patience.total
        waits, passed = self._waits(), None
        while True:
            try:
                return attempt()
            except IgcError as error:
                if passed is not None and isinstance(error, TlsError):
                    raise passed from error  # the card signs once: a new handshake was refused
                if not waits or not worth_it(error):
                    raise
                seconds = max(waits.pop(0), error.fields.get("retry_after") or 0)
                late = time.monotonic() + seconds > end
                if late or seconds > self._patience.longest_wait:
                    raise
                passed = error
            self._told(passed, seconds)
            sleep(seconds)

    def _waits(self) -> list[float]:
        """One less than there are tries."""
        return [
            min(self._patience.first_wait * 2**number, self._patience.longest_wait)
            * random.uniform(0.5, 1)  # noqa: S311 - spread, not secrecy
            for number in range(self._patience.tries - 1)
        ]


def sleep(seconds: float) -> None:
    """Wait. (Tests replace it.)"""
    time.sleep(seconds)


def _is_passing(error: IgcError) -> bool:
    """Whether the next moment may be better: TLS that was refused stays so."""
    passing = isinstance(error, NetworkError | TimeoutExceededError | PlatformUnavailableError)
    return passing and not isinstance(error, TlsError)

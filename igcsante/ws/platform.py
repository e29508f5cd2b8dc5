"""The platform port: the seven things one does with the Plateforme de confiance.

Facts sheet platform.md §7.4. Any adapter raises PlatformRefusedError (or its
NotHabilitatedError) for a functional fault, CardTurnedAwayError for a card that is not let in,
PlatformUnavailableError for a technical fault, ContractError for an answer that makes no sense,
and NetworkError, TlsError or TimeoutExceededError when there is no answer. An error whose
``fields`` hold ``outcome_unknown=True`` came after a request left that changes something: it
may have been carried out (:mod:`igcsante.ws.outcome`). A question's never does.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Protocol

from ..errors import PlatformRefusedError
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


class CardTurnedAwayError(PlatformRefusedError):
    """HTTP 401 or 403: this card is not let in, whatever it asks for."""


class Platform(Protocol):
    """What orders, follows, withdraws and revokes certificates."""

    @property
    def keeps_references(self) -> bool:
        """Whether products come back with the reference that the client gave their order."""

    @property
    def longest_attempt(self) -> timedelta:
        """How long a call may take at the most: what it sent was sent within that time."""

    def list_habilitations(
        self, offre: Offre | None = None, structure_text: str = ""
    ) -> tuple[Habilitation, ...]:
        """What the card may order; ``structure_text`` filters on name or identifier."""

    def order_product(self, request: ProductRequest) -> OrderReceipt:
        """Ask for a certificate."""

    def search_products(self, search: ProductSearch) -> ProductPage:
        """Find one's products."""

    def get_product(self, product_id: str) -> Product:
        """Where a product is: that of this number and no other."""

    def withdraw_product(self, withdrawal: Withdrawal) -> WithdrawnProduct:
        """Take a product: its certificate is issued now."""

    def revoke_product(self, revocation: Revocation) -> RevocationReceipt:
        """End a certificate for good."""

    def renew_product(self, renewal: Renewal) -> OrderReceipt:
        """Ask for a successor with the same subject; the old one must be active."""

"""CPx health-professional cards (CPS3, CPS4) over PC/SC.

>>> from igcsante.card import open_card
>>> with open_card() as card:                                      # doctest: +SKIP
...     print(card.national_id())
"""

from .generation import PinStatus
from .monitor import Exchange
from .readers import Reader, ReaderStatus, open_card, reader_statuses, system_readers
from .session import CardCertificate, CpsCard

__all__ = [
    "CardCertificate",
    "CpsCard",
    "Exchange",
    "PinStatus",
    "Reader",
    "ReaderStatus",
    "open_card",
    "reader_statuses",
    "system_readers",
]

"""``igc doctor``: named checks of what igcsante rests on, from Python to the platform.

A check looks and tells, and changes nothing: no PIN is sent, no file is written, no host
beyond loopback is contacted unless the person says so. What it tells can be pasted in a
ticket: :mod:`.masking` keeps who the card's holder is, and who sits at the machine, out of it.
"""

from .check import Check, Context
from .finding import Finding, Status
from .run import CHECKS, Examined, chosen, contacts, examine, worst

__all__ = [
    "CHECKS",
    "Check",
    "Context",
    "Examined",
    "Finding",
    "Status",
    "chosen",
    "contacts",
    "examine",
    "worst",
]

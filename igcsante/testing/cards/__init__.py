"""Simulated CPx cards: profiles, the cards themselves, and the readers that hold them.

``SimulatedReader(card=SimulatedCard(load_profile("cps3"), material))`` is a reader for any
program written against pyscard; :class:`VpcdCard` and :class:`PrivatePcscd` show the same
card to any PC/SC program.
"""

from .card import SimulatedCard
from .faults import Fault
from .material import CardMaterial, KeyPair
from .pcscd import PrivatePcscd
from .profile import (
    Activity,
    CardProfile,
    changed_profile,
    load_profile,
    parse_profile,
    profile_names,
)
from .reader import SimulatedReader
from .replay import ReplayedCard
from .vpcd import VpcdCard, serve_vpcd

__all__ = [
    "Activity",
    "CardMaterial",
    "CardProfile",
    "Fault",
    "KeyPair",
    "PrivatePcscd",
    "ReplayedCard",
    "SimulatedCard",
    "SimulatedReader",
    "VpcdCard",
    "changed_profile",
    "load_profile",
    "parse_profile",
    "profile_names",
    "serve_vpcd",
]

"""Simulated CPx cards: profiles, the cards themselves, and the readers that hold them.

``SimulatedReader(card=SimulatedCard(load_profile("cps3"), material))`` is a reader for any
program written against pyscard; :class:`VpcdCard` and :class:`PrivatePcscd` show the same
card to any PC/SC program.
"""

from .card import SimulatedCard
from .material import CardMaterial, KeyPair
from .pcscd import PrivatePcscd
from .profile import Activity, CardProfile, load_profile, parse_profile, profile_names
from .reader import SimulatedReader
from .vpcd import VpcdCard, serve_vpcd

__all__ = [
    "Activity",
    "CardMaterial",
    "CardProfile",
    "KeyPair",
    "PrivatePcscd",
    "SimulatedCard",
    "SimulatedReader",
    "VpcdCard",
    "load_profile",
    "parse_profile",
    "profile_names",
    "serve_vpcd",
]

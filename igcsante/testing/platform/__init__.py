"""A mock Plateforme de confiance: its contract is ours, none is published by the ANS."""

from .habilitations import DEFAULT_LINES, HabilitationRegister
from .rules import Options
from .server import PlatformServer
from .service import MockPlatform

__all__ = [
    "DEFAULT_LINES",
    "HabilitationRegister",
    "MockPlatform",
    "Options",
    "PlatformServer",
]

"""A mock Plateforme de confiance: its contract is ours, none is published by the ANS."""

from .habilitations import HabilitationRegister
from .options import Options, Validation
from .portal import Portal
from .server import PlatformServer
from .service import MockPlatform
from .settings import PlatformSettings, default_settings, load_settings
from .soap import SoapApplication

__all__ = [
    "HabilitationRegister",
    "MockPlatform",
    "Options",
    "PlatformServer",
    "PlatformSettings",
    "Portal",
    "SoapApplication",
    "Validation",
    "default_settings",
    "load_settings",
]

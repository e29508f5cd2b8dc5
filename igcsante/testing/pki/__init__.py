"""A simulated PKI with IGC-Santé's shape: real X.509 under names that say SIMULATION."""

from .leaves import PersonName, SoftwareSubject, StructureName
from .ocsp import OcspBehaviour, OcspResponder
from .server import PkiServer
from .simulated import SimulatedPki

__all__ = [
    "OcspBehaviour",
    "OcspResponder",
    "PersonName",
    "PkiServer",
    "SimulatedPki",
    "SoftwareSubject",
    "StructureName",
]

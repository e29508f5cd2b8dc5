"""Toolkit for IGC-Santé, the PKI of the Agence du Numérique en Santé (ANS).

- :mod:`igcsante.card`: CPx health-professional cards over PC/SC;
- :mod:`igcsante.certs`: certificates, chains and revocation;
- :mod:`igcsante.ws`: the Plateforme de confiance web service;
- :mod:`igcsante.testing`: simulated readers, cards, PKI and platform.
"""

try:  # written when igcsante is built or set up: by the tag, or how far it is from one
    from ._version import __version__ as __version__
except ImportError:  # sources that nobody has set up
    __version__ = "0.dev0"

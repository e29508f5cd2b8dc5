"""Toolkit for IGC-Santé, the PKI of the Agence du Numérique en Santé (ANS).

- :mod:`igcsante.card`: CPx health-professional cards over PC/SC;
- :mod:`igcsante.certs`: certificates, chains and revocation;
- :mod:`igcsante.ws`: the Plateforme de confiance web service;
- :mod:`igcsante.testing`: simulated readers, cards, PKI and platform.
"""

__version__ = "0.1.0"

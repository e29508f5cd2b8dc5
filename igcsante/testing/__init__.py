"""Simulated readers, cards, PKI and platform, to develop and test without hardware.

- :mod:`igcsante.testing.cards`: cards from profiles, in simulated or virtual PC/SC readers;
- :mod:`igcsante.testing.pki`: a PKI with the shape of IGC-Santé;
- :mod:`igcsante.testing.platform`: a mock of the Plateforme de confiance;
- :mod:`igcsante.testing.world`: all three together.
"""

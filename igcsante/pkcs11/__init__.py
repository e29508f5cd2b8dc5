"""Credentials from PKCS#11 tokens, whatever their module: see :func:`open_token`."""

from .stored import TokenCertificate
from .token import Pkcs11Token, open_token

__all__ = ["Pkcs11Token", "TokenCertificate", "open_token"]

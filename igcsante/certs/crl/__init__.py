"""Revocation lists at work (RFC 5280 §6.3): read, indexed, kept, chosen, fetched, exported."""

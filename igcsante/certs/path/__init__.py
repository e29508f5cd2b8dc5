"""Certification paths (RFC 5280 §6.1): validation, name constraints, policies, purposes."""

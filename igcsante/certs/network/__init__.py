"""Addresses that policy allows, and bounded exchanges with them: HTTP and LDAP."""

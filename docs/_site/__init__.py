"""What builds and checks the documentation site; see ``scripts/docs``."""

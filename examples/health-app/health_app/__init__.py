"""An imaginary health application: people log in with their CPS, services get certificates."""

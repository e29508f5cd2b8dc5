"""What an X.509 object is made of: DER, names, extensions, signatures, revocation lists."""

"""What a WSDL offers, and what a mapping file says of it: operations, places, conformity."""

"""Plateforme de confiance: ordering, following, withdrawing and revoking certificates.

- :mod:`.model`, :mod:`.vocabulary`: what one asks, what it answers; :mod:`.rules`,
  :mod:`.habilitations`, :mod:`.services`: what can be told before anything is sent;
- :mod:`.platform`: the port, seven operations; :mod:`.client`: the port over SOAP;
- :mod:`.contract`: a WSDL and a mapping file, and whether they agree; :mod:`.soap`: the wire;
- :mod:`.orders`: orders that outlive a crash, from the key to the certificate's files.
"""

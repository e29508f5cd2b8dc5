"""Plateforme de confiance: ordering, following, withdrawing and revoking certificates.

- :mod:`~igcsante.ws.model`, :mod:`~igcsante.ws.vocabulary`: what one asks, what it answers
- :mod:`~igcsante.ws.platform`: the port, seven operations
- :mod:`~igcsante.ws.client`: the port over SOAP, with a WSDL and a mapping file
- :mod:`~igcsante.ws.conformity`: whether these two agree
- :mod:`~igcsante.ws.journal`, :mod:`~igcsante.ws.orders`: orders that outlive a crash
- :mod:`~igcsante.ws.habilitations`: whether a card may order something, told before it is sent
- :mod:`~igcsante.ws.order_key`: where the key is: here, elsewhere, in a token, the platform's
- :mod:`~igcsante.ws.enrolment`: from the key to the certificate's files
"""

"""IGC-Santé certificates: reading, trust anchors, chains, revocation, requests.

- :mod:`.load`: certificates and CRLs out of PEM, DER, PKCS#7, PKCS#12 files and folders;
- :mod:`.profile`: what a certificate says, decoded; :mod:`.inspect`: the same in words;
- :mod:`.anchors`: the pinned CAs of the ANS, and the trust store;
- :mod:`.policy`: what a check demands, as data;
- :mod:`.check`: ``check(certificate, store, at=…)`` gives a :class:`.verdict.Verdict`,
  and ``Checker`` does many;
- :mod:`.chain`, :mod:`.path`, :mod:`.revocation`, :mod:`.crl`, :mod:`.ocsp`,
  :mod:`.published`, :mod:`.network`: what a check is made of;
- :mod:`.fleet`: a million certificates; :mod:`.offline`: a check to be made again later;
- :mod:`.requests`, :mod:`.export`: keys, requests, and the files handed to the user;
- :mod:`.material`, :mod:`.handover`, :mod:`.snippets`: a certificate as a program wants it.
"""

"""A detached CMS signature over a digest (RFC 5652 §5), by any credential, card or not.

The signed attributes are those of CAdES-B-B (ETSI EN 319 122-1 §6.3): content type, message
digest, signing time, and the signer's certificate by its hash (RFC 5035).
"""

from __future__ import annotations

import hashlib
from datetime import datetime

from asn1crypto import algos, cms, tsp
from asn1crypto import x509 as asn1_x509
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.serialization import Encoding

from ..credentials import Credential, RsaScheme, cryptography_padding, hash_algorithm


def detached_signature(
    digest: bytes, credential: Credential, scheme: RsaScheme, *, at: datetime
) -> bytes:
    """DER of a CMS signature of the content that has this ``digest``, by the scheme's hash.

    ``at`` is the signing time that it claims. The certificate and its chain are inside.
    One signature is made; raises what the credential's key raises.
    """
    certificates = [
        asn1_x509.Certificate.load(one.public_bytes(Encoding.DER))
        for one in (credential.certificate, *credential.chain)
    ]
    signer = certificates[0]
    attributes = cms.CMSAttributes(
        [
            {"type": "content_type", "values": ["data"]},
            {"type": "message_digest", "values": [digest]},
            {"type": "signing_time", "values": [cms.Time({"utc_time": at})]},
            {"type": "signing_certificate_v2", "values": [_signing_certificate(signer, scheme)]},
        ]
    )
    hash_name = hash_algorithm(scheme)
    signed = hashlib.new(scheme.hash_name, attributes.dump()).digest()
    signature = credential.private_key.sign(
        signed, cryptography_padding(scheme), Prehashed(hash_name)
    )
    info = cms.SignerInfo(
        {
            "version": "v1",
            "sid": cms.SignerIdentifier(
                {
                    "issuer_and_serial_number": {
                        "issuer": signer.issuer,
                        "serial_number": signer.serial_number,
                    }
                }
            ),
            "digest_algorithm": {"algorithm": scheme.hash_name},
            "signed_attrs": attributes,
            "signature_algorithm": _signature_algorithm(scheme),
            "signature": signature,
        }
    )
    content = cms.SignedData(
        {
            "version": "v1",
            "digest_algorithms": [{"algorithm": scheme.hash_name}],
            "encap_content_info": {"content_type": "data"},
            "certificates": certificates,
            "signer_infos": [info],
        }
    )
    der: bytes = cms.ContentInfo({"content_type": "signed_data", "content": content}).dump()
    return der


def _signing_certificate(
    signer: asn1_x509.Certificate, scheme: RsaScheme
) -> tsp.SigningCertificateV2:
    digest = hashlib.new(scheme.hash_name, signer.dump()).digest()
    entry = {"hash_algorithm": {"algorithm": scheme.hash_name}, "cert_hash": digest}
    return tsp.SigningCertificateV2({"certs": [entry]})


def _signature_algorithm(scheme: RsaScheme) -> dict[str, object]:
    """RFC 3370 §3.2 for PKCS#1 v1.5, RFC 4056 §2 for PSS."""
    if scheme.padding == "pkcs1":
        return {"algorithm": "rsassa_pkcs1v15"}
    digest = {"algorithm": scheme.hash_name}
    parameters = algos.RSASSAPSSParams(
        {
            "hash_algorithm": digest,
            "mask_gen_algorithm": {"algorithm": "mgf1", "parameters": digest},
            "salt_length": hash_algorithm(scheme).digest_size,
        }
    )
    return {"algorithm": "rsassa_pss", "parameters": parameters}

"""The ANS nomenclatures whose codes IGC-Santé certificates and cards carry, as tables.

Each private extension has for OID the OID of the nomenclature of its code (facts sheet
pki.md §3.2). Labels are the ANS's own, in French; those of ``nomenclatures.toml`` are read
when one is asked for. A code that the ANS doesn't list has no label: none is made up.
"""

from __future__ import annotations

from functools import cache

CATEGORY_OID = "1.2.250.1.71.1.2.5"  # TRE_G01 CategorieProduit
CARD_TYPE_OID = "1.2.250.1.71.1.2.2"  # TRE_G02 TypeProduit
CARD_NUMBER_OID = "1.2.250.1.71.1.2.3"  # issuer "/" card number; the name is inferred
PROFESSION_OID = "1.2.250.1.71.1.2.7"  # TRE_G15 ProfessionSante
SPECIALTY_OID = "1.2.250.1.71.4.2.5"  # TRE_R01 savoir-faire

# TRE_G01, pki.md §3.2: the bit 80 marks a test product (that reading is inferred from
# every certificate seen).
TEST_BIT = 0x80
PRODUCTS: dict[int, str] = {0x00: "card", 0x02: "module", 0x03: "software"}

# TRE_G02, pki.md §3.2: 2 and 3 cover the older names CDE and CDA as well.
CARD_TYPES: dict[int, str] = {0: "CPS", 1: "CPF", 2: "CPE", 3: "CPA"}

# TRE_G15-ProfessionSante, version 20250328120000 of the ANS's terminology server,
# retired codes included: old cards carry them.
PROFESSIONS: dict[int, str] = {
    10: "Médecin",
    21: "Pharmacien",
    26: "Audioprothésiste",
    28: "Opticien-Lunetier",
    31: "Assistant dentaire",
    32: "Physicien médical",
    35: "Aide-soignant",
    36: "Ambulancier",
    37: "Auxiliaire de puériculture",
    38: "Préparateur en pharmacie hospitalière",
    39: "Préparateur en pharmacie (officine)",
    40: "Chirurgien-Dentiste",
    50: "Sage-Femme",
    60: "Infirmier",
    69: "Infirmier psychiatrique",
    70: "Masseur-Kinésithérapeute",
    80: "Pédicure-Podologue",
    81: "Orthoprothésiste",
    82: "Podo-Orthésiste",
    83: "Orthopédiste-Orthésiste",
    84: "Oculariste",
    85: "Epithésiste",
    86: "Technicien de laboratoire médical",
    91: "Orthophoniste",
    92: "Orthoptiste",
    93: "Psychologue",
    94: "Ergothérapeute",
    95: "Diététicien",
    96: "Psychomotricien",
    98: "Manipulateur ERM",
}

# Policies seen in end-entity certificates (pki.md §3.1, cert-observed). Those of production
# persons and cards are not known.
PRODUCTION_POLICY_USAGES: dict[str, str] = {
    "1.2.250.1.213.1.7.1.1.2.3.1": "SIGN",
    "1.2.250.1.213.1.7.1.1.2.4.1": "AUTH_CLI",
    "1.2.250.1.213.1.7.1.1.2.5.1": "SSL_SERV",
}
TEST_POLICY = "1.2.250.1.213.1.7.2.1.1.1.1"


def label(nomenclature: str, code: str) -> str | None:
    """The ANS's label of a code, None for a code that is not in the nomenclature.

    ``nomenclature``: ``TRE_G04`` responsibility, ``TRE_G07`` kind of structure identifier,
    ``TRE_G16`` profession in training, ``TRE_G17`` mode of practice, ``TRE_R02`` sector,
    ``TRE_R38`` speciality.
    """
    return _tables()[nomenclature].get(code)


def profession_label(code: int, card_type: str | None = None) -> str | None:
    """The label of a profession code: TRE_G15, or TRE_G16 on a CPF card."""
    if card_type == "CPF" and (training := label("TRE_G16", f"{code:02}")):
        return training
    return PROFESSIONS.get(code)


@cache
def _tables() -> dict[str, dict[str, str]]:
    import tomllib  # few certificates name a code, and both cost a start 10 ms
    from importlib import resources

    text = (resources.files(__package__) / "nomenclatures.toml").read_text("utf-8")
    return {name: table["codes"] for name, table in tomllib.loads(text).items()}

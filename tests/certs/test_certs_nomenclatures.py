"""The ANS's codes have the ANS's labels, and a code that it doesn't list has none."""

from __future__ import annotations

import pytest

from igcsante.certs.nomenclatures import label, profession_label


@pytest.mark.parametrize(
    ("nomenclature", "code", "expected"),
    [
        ("TRE_R38", "SM54", "Médecine générale (SM)"),
        ("TRE_R38", "SM26", "Qualifié en Médecine générale (SM)"),
        ("TRE_R38", "SM00", None),
        ("TRE_R02", "SA07", "Cabinet individuel"),
        ("TRE_R02", "", None),
        ("TRE_G04", "01", "Responsable de la structure"),
        ("TRE_G07", "40", "Identifiant national de structure"),
        ("TRE_G17", "04", "Remplaçant"),
    ],
)
def test_labels(nomenclature: str, code: str, expected: str | None) -> None:
    assert label(nomenclature, code) == expected


def test_professions_and_professions_in_training() -> None:
    assert profession_label(10) == "Médecin"
    assert profession_label(10, "CPF") == "Médecin en formation"
    assert profession_label(60, "CPF") == "Infirmier"
    assert profession_label(5) is None

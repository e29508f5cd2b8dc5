"""A mapping that does not fit its WSDL is told before any secret is asked for."""

from __future__ import annotations

from pathlib import Path

from e2e_support import Insert, Told, igc

from igcsante.ws.contract.mapping import contract_file


def asked_with(folder: Path, old: str, new: str) -> Told:
    """``habilitations``, with one thing changed in the mapping and no PIN at hand."""
    text = contract_file("mapping.toml").read_text("utf-8")
    assert text.count(old) == 1
    path = folder / "mine.toml"
    path.write_text(text.replace(old, new), "utf-8")
    asking = ("--profile", "sim", "--json", "habilitations", "--pin-source", "env:NO_SUCH_PIN")
    return igc(*asking, "--mapping", path)


def test_wrong_operation_is_an_error_before_the_pin(inserted: Insert, home: Path) -> None:
    held = inserted("cps3")
    told = asked_with(home, '"listerHabilitations"', '"listerHabilitation"')
    assert told.error["code"] == "config"
    assert "has no operation 'listerHabilitation'" in told.error["message"]
    assert "listerHabilitations" in told.error["advice"]
    assert held.sent == [], "the card was not even asked"


def test_element_that_the_wsdl_lacks_is_told_before_the_pin(inserted: Insert, home: Path) -> None:
    inserted("cps3")
    told = asked_with(home, '"texteStructure"', '"texteDeStructure"')
    assert "NO_SUCH_PIN" in told.error["message"] + told.error["advice"]
    before, _, _ = told.said.partition("NO_SUCH_PIN")
    assert "the WSDL has no element texteDeStructure there" in before
    assert "igc ws check-mapping" in before


def test_mapping_that_fits_is_not_spoken_of(inserted: Insert, home: Path) -> None:
    inserted("cps3")
    assert "Careful" not in asked_with(home, "format = 1", "format = 1 ").said

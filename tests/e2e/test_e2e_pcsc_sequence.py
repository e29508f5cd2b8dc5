"""What a command sends in one PC/SC transaction, told from the simulated reader."""

from __future__ import annotations

from pathlib import Path

import pytest
from e2e_support import Insert, both_generations, igc

from igcsante.testing.cards.reader import SimulatedConnection

END = b"end"


@both_generations
def test_no_other_program_gets_between_the_pin_and_the_signature(
    inserted: Insert, home: Path, monkeypatch: pytest.MonkeyPatch, generation: str
) -> None:
    held = inserted(generation)
    monkeypatch.setattr(SimulatedConnection, "end_transaction", lambda _: held.sent.append(END))
    (home / "file").write_bytes(b"ordonnance")
    assert igc("card", "sign", "file", "--raw", "--pin-source", "env:E2E_PIN").code == 0
    (pin,) = [n for n, sent in enumerate(held.sent) if sent[1] == 0x20 and len(sent) > 5]
    assert END in held.sent[:pin], "nobody is kept away while the PIN is asked for"
    signed = [n for n, sent in enumerate(held.sent) if sent[1:2] == b"\x2a"]
    assert max(signed) < held.sent.index(END, pin)

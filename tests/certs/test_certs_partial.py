"""The subject of a certificate from its first bytes, however they arrive."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography import x509
from hypothesis import given, settings
from hypothesis import strategies as st

from igcsante.certs.x509.names import subject_attributes
from igcsante.certs.x509.partial import MAX_SUBJECT_END, parse_beginning, subject_end
from igcsante.errors import UnreadableError


def der_of(path: Path) -> bytes:
    data = path.read_bytes()
    if data.startswith(b"-----"):
        from cryptography.hazmat.primitives.serialization import Encoding

        return x509.load_pem_x509_certificate(data).public_bytes(Encoding.DER)
    return data


@pytest.fixture(scope="session")
def leaves(real_certificates: Path) -> list[bytes]:
    return [der_of(path) for path in sorted((real_certificates / "ee").iterdir()) if path.is_file()]


def read_in_parts(certificate: bytes, chunk: int) -> tuple[bytes, int]:
    """As a card gives it: what was read, and in how many parts."""
    start, parts = b"", 0
    while len(start) < (wanted := subject_end(start)):
        start += certificate[len(start) : len(start) + min(chunk, wanted - len(start))]
        parts += 1
    return start, parts


@pytest.mark.parametrize("chunk", [1, 7, 231, 256])
def test_real_certificates_name_the_same_subject_read_in_parts(
    leaves: list[bytes], chunk: int
) -> None:
    for certificate in leaves:
        start, parts = read_in_parts(certificate, chunk)
        whole = x509.load_der_x509_certificate(certificate)
        beginning = parse_beginning(start)
        assert beginning.subject == subject_attributes(whole)
        assert beginning.serial_number == whole.serial_number
        assert beginning.not_before == whole.not_valid_before_utc
        assert beginning.not_after == whole.not_valid_after_utc
        assert len(start) < 0.6 * len(certificate)
        if chunk > 200:
            assert parts <= 3


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=300))
def test_any_bytes_are_told_in_bounds_or_refused(start: bytes) -> None:
    try:
        assert 0 < subject_end(start) <= MAX_SUBJECT_END + 512
        parse_beginning(start)
    except UnreadableError:
        pass


@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_a_damaged_certificate_is_read_or_refused(leaves: list[bytes], data: st.DataObject) -> None:
    whole = bytearray(data.draw(st.sampled_from(leaves)))
    for _ in range(data.draw(st.integers(1, 4))):
        whole[data.draw(st.integers(0, 500))] = data.draw(st.integers(0, 255))
    start = bytes(whole)
    try:
        read = start[: subject_end(start)]
        for values in parse_beginning(read).subject.values():
            assert values
    except UnreadableError:
        pass


def test_a_cut_beginning_has_no_subject(leaves: list[bytes]) -> None:
    certificate = leaves[0]
    start, _ = read_in_parts(certificate, 256)
    for cut in (b"", certificate[:10], start[:200]):
        with pytest.raises(UnreadableError):
            parse_beginning(cut)

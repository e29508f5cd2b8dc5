"""Real bytes of cards, damaged: bounded work and memory, and nothing but our errors.

The seeds are the files and answers of simulated cards and those of the official
middleware's traces; each is changed where and as a card, a reader or an attacker might.
Work is counted in calls of functions and in exchanges, not in time.
"""

from __future__ import annotations

import contextlib
import re
import sys
import tracemalloc
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from simulated import Held, held

from igcsante.card import atr, business, cps2ter, pkcs15, tlv
from igcsante.card.apdu import CommandApdu, ResponseApdu, masked, status_name
from igcsante.card.fcp import FileControlParameters
from igcsante.card.monitor import Exchange, Link
from igcsante.card.readers import open_card
from igcsante.card.recording import Recorder, Recording
from igcsante.card.rsa import encryption_message
from igcsante.card.session import CpsCard
from igcsante.card.trace import Annotator
from igcsante.certs.profile import decode
from igcsante.certs.x509 import partial
from igcsante.errors import IgcError
from igcsante.secret import Secret
from igcsante.testing.cards.files import TransparentFile

TRACES = Path(__file__).parent.parent / "fixtures" / "card_traces"
MOST_BYTES = 8 * 1024 * 1024  # of memory that a damaged answer may cost
CALLS_A_BYTE, CALLS = 4, 4000  # of Python functions, for each reader of a file
SESSION_CALLS = 2_000_000
MOST_EXCHANGES = 2000  # of a session that asks for everything, each question once
LINK = Link("Fuzzed reader", b"\x3b\x00", "T=1")

few = settings(max_examples=250, suppress_health_check=list(HealthCheck))
many = settings(max_examples=80_000, suppress_health_check=list(HealthCheck))
few_sessions = settings(max_examples=60, suppress_health_check=list(HealthCheck))
many_sessions = settings(max_examples=8_000, suppress_health_check=list(HealthCheck))

# -- seeds -----------------------------------------------------------------------------------


@cache
def files() -> tuple[bytes, ...]:
    """Files of simulated cards, and those that the traces read."""
    images = [held("cps3").card, held("cps4").card]
    found = [
        file.content
        for card in images
        for file in card._files._files.values()
        if isinstance(file, TransparentFile) and file.content
    ]
    return tuple(dict.fromkeys(found + [answer[:-2] for answer in answers() if len(answer) > 8]))


@cache
def answers() -> tuple[bytes, ...]:
    """Every answer of the official middleware's sessions, status word included."""
    texts = [path.read_text() for path in sorted(TRACES.glob("*.txt"))]
    lines = [match[1] for text in texts for match in re.finditer(r"^R< ([0-9A-F]+)$", text, re.M)]
    assert len(lines) > 100
    return tuple(dict.fromkeys(map(bytes.fromhex, lines)))


@cache
def commands() -> tuple[bytes, ...]:
    texts = [path.read_text() for path in sorted(TRACES.glob("*.txt"))]
    lines = [match[1] for text in texts for match in re.finditer(r"^C> ([0-9A-F]+)$", text, re.M)]
    return tuple(dict.fromkeys(map(bytes.fromhex, lines)))


ATRS = tuple(entry.raw for entry in atr._KNOWN)

# -- mutations ---------------------------------------------------------------------------------

# Tags, lengths and numbers at their limits; indefinite, overlong and lying lengths.
NASTY = (
    *(b"\x00", b"\xff", b"\x7f", b"\x80", b"\x1f", b"\x81\x00", b"\x81\xff"),
    *(b"\x82\xff\xff", b"\x83\xff\xff\xff", b"\x84\xff\xff\xff\xff", b"\x85" + bytes(5)),
    *(b"\x30\x80", b"\x30\x82\x7f\xff", b"\xbf\xff\x7f", b"\x1f\xff\xff\xff"),
    *(b"\x02\x02\xff\xff", b"\x02\x09" + b"\xff" * 9, b"\x03\x00", b"\x03\x01\x00"),
    *(b"\x04\x01\x00", b"\x0c\x00", b"\x0c\x04\xc3\xc3\xc3\xc3", b"\x06\x07" + b"\x80" * 7),
    *(b"\x61\xff", b"\x6c\x00", b"\x90\x00", b"\x62\x82", b"\x63\xc0"),
    *(bytes(64), b"\xff" * 64, b"\x30\x80" * 32, b"\x30\x7e" * 64),
)
OPERATIONS = ("set", "insert", "delete", "cut", "repeat", "nest")
mutations = st.lists(
    st.tuples(
        st.sampled_from(OPERATIONS),
        st.integers(0, 0xFFFF),
        st.one_of(st.sampled_from(NASTY), st.binary(min_size=1, max_size=6)),
    ),
    min_size=1,
    max_size=4,
)


def mutated(data: bytes, changes: Iterable[tuple[str, int, bytes]]) -> bytes:
    for operation, place, value in changes:
        at = place % (len(data) + 1)
        match operation:
            case "set":
                data = data[:at] + value + data[at + len(value) :]
            case "insert":
                data = data[:at] + value + data[at:]
            case "delete":
                data = data[:at] + data[at + len(value) :]
            case "cut":
                data = data[:at]
            case "repeat":
                data = data[:at] + data[at : at + 40] * len(value) + data[at:]
            case "nest":
                data = value + data
    return data[:0x8000]  # the most that a file of a card gives


# -- bounds ----------------------------------------------------------------------------------


class Calls:
    """Counts calls of Python functions, and stops what makes too many."""

    def __init__(self, most: int) -> None:
        self.most, self.count = most, 0

    def __call__(self, frame: FrameType, event: str, _: Any) -> None:
        if event == "call":
            self.count += 1
            if self.count > self.most:
                sys.setprofile(None)
                raise AssertionError(f"more than {self.most} calls, in {frame.f_code}")


@contextlib.contextmanager
def bounded(calls: int, seed: int = 0) -> Iterator[None]:
    """The work and memory that what is inside may take: looked at for one ``seed`` in eight.

    It takes ten times as long as what it looks at.
    """
    if seed % 8:
        yield
        return
    tracemalloc.start()
    sys.setprofile(Calls(calls))
    try:
        yield
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        sys.setprofile(None)
        tracemalloc.stop()
    assert peak < MOST_BYTES


# -- readers of bytes --------------------------------------------------------------------------


def walk(data: bytes, depth: int = 0) -> None:
    """All objects, as deep as any reader of ours goes, and deeper."""
    for found in tlv.parse(data):
        if depth < 8:
            with contextlib.suppress(IgcError):
                walk(found.value, depth + 1)


def journal_of(data: bytes) -> None:
    journal = business.parse_update_journal(data)
    assert journal.complete in (True, False)


def activity_of(data: bytes) -> None:
    activity = business.parse_activity(1, data)
    assert isinstance((activity.sector_label, activity.structure), tuple)


def annotated(data: bytes) -> None:
    annotate = Annotator()
    recorder = Recorder()
    for name in ("3F0000015031", "3F0000017004"):
        select = bytes.fromhex(f"00A4090C06{name}")
        for command in (select, bytes.fromhex("00B00000E7"), data[:260]):
            exchange = Exchange(masked(command), data[:256], 0x9000, LINK)
            assert str(annotate(exchange)) and str(exchange)
            recorder(exchange)
    Recording.parse(recorder.recording().to_bytes())


def certificate_of(data: bytes) -> None:
    try:
        certificate = x509.load_der_x509_certificate(data)
    except ValueError:
        return
    assert decode(certificate)


READERS: dict[str, Callable[[bytes], object]] = {
    "TLV": walk,
    "length of TLV": tlv.object_length,
    "FCP": FileControlParameters.parse,
    "EF.DIR": pkcs15.parse_applications,
    "ODF": pkcs15.parse_odf,
    "CDF": pkcs15.parse_cdf,
    "PrKDF": pkcs15.parse_prkdf,
    "AODF": pkcs15.parse_aodf,
    "DODF": pkcs15.parse_dodf,
    "TokenInfo": pkcs15.parse_token_label,
    "activity": activity_of,
    "journal": journal_of,
    "speciality": business.specialty_of,
    "subject end": partial.subject_end,
    "beginning": partial.parse_beginning,
    "certificate": certificate_of,
    "command": CommandApdu.parse,
    "trace": annotated,
    "deciphered": encryption_message,
    "recording": Recording.parse,
    "ATR": atr.Atr.parse,
    "ATR in words": lambda data: (
        atr.describe(data),
        atr.advice_for(data),
        atr.generation_of(data),
    ),
    "CPS2ter": lambda data: cps2ter._checked(
        ResponseApdu(data, int.from_bytes(data[-2:], "big")), "a file"
    ),
    "status": lambda data: status_name(int.from_bytes(data[:2], "big")),
}


def read_by_all(data: bytes) -> None:
    with bounded(len(READERS) * (CALLS + CALLS_A_BYTE * len(data)), seed=len(data)):
        for name, read in READERS.items():
            try:
                read(data)
            except (IgcError, AssertionError) as error:
                assert isinstance(error, IgcError), f"{name}: {error} for {data.hex()}"
            except Exception as error:
                problem = f"{name}: {type(error).__name__} for {data.hex()}"
                raise AssertionError(problem) from error


def seeds() -> st.SearchStrategy[bytes]:
    return st.one_of(*map(st.sampled_from, (files(), answers(), commands(), ATRS)))


@few
@given(data=st.data(), changes=mutations)
def test_damaged_bytes_are_read_or_refused(data: st.DataObject, changes: list[Any]) -> None:
    read_by_all(mutated(data.draw(seeds()), changes))


@pytest.mark.long
@many
@given(data=st.data(), changes=mutations)
def test_much_damaged_bytes_are_read_or_refused(data: st.DataObject, changes: list[Any]) -> None:
    read_by_all(mutated(data.draw(seeds()), changes))


@pytest.mark.parametrize("unit", NASTY, ids=lambda unit: unit.hex()[:12])
def test_a_whole_file_of_the_same_bytes_is_read_or_refused(unit: bytes) -> None:
    read_by_all((unit * 0x8000)[:0x8000])


def test_the_bounds_are_seen_to_be_passed() -> None:
    with pytest.raises(AssertionError, match="calls"), bounded(1000):
        walk(b"\x80\x00" * 250)
        walk(b"\x80\x00" * 250)
    with pytest.raises(AssertionError), bounded(1000):
        assert bytes(MOST_BYTES)
    assert any(mutated(seed, [("set", 0, b"\x00")]) != seed for seed in files())


# -- whole sessions ------------------------------------------------------------------------------


@dataclass
class Fuzzed:
    """A card in its reader whose answers are changed, each at most once."""

    holds: Held
    changes: dict[int, tuple[list[tuple[str, int, bytes]], int | None]]

    def __post_init__(self) -> None:
        self.sent: list[bytes] = []
        transmit = self.holds.card.transmit

        def changed(command: bytes) -> bytes:
            self.sent.append(command)
            assert len(self.sent) <= MOST_EXCHANGES, "it never ends"
            answer = transmit(command)
            how = self.changes.get(len(self.sent))
            if how is None:
                return answer
            operations, sw = how
            status = answer[-2:] if sw is None else sw.to_bytes(2)
            return mutated(answer[:-2], operations)[:400] + status

        self.holds.card.transmit = changed  # type: ignore[method-assign]


def questions(card: CpsCard) -> Iterator[Callable[[], object]]:
    """All that a card can be asked, the PIN in the middle."""
    yield lambda: card.serial
    yield card.national_id
    yield card.label
    yield card.certificate_summaries
    yield card.certificates
    yield card.pin_status
    yield card.puk_status
    yield card.pin_lengths
    yield card.objects.list
    yield card.objects.update_journal
    yield card.objects.specialty
    yield lambda: card.random(9)
    yield lambda: card.verify_pin(Secret("1234"))
    yield card.objects.activities
    yield card.objects.cps2ter_files
    yield lambda: [card.objects.read(label) for label in card.objects.labels()]
    for purpose in ("authentication", "signature"):
        yield lambda purpose=purpose: card.credential(purpose).private_key.sign(  # type: ignore[misc]
            b"text", padding.PKCS1v15(), hashes.SHA256()
        )
    yield lambda: card.verify_pin(Secret("1234"))  # refused: it was sent


def session(name: str, changes: dict[int, Any]) -> None:
    fuzzed = Fuzzed(held(name), changes)
    with (
        bounded(SESSION_CALLS, seed=sum(changes)),
        contextlib.suppress(IgcError),
        open_card(readers=[fuzzed.holds.reader]) as card,
    ):
        for ask in questions(card):
            with contextlib.suppress(IgcError):
                ask()
    pins = [command for command in fuzzed.sent if command[1] == 0x20 and len(command) > 5]
    assert len(pins) <= 1, "a PIN was sent again"


STATUSES = (0x9000, 0x6100, 0x6101, 0x61FF, 0x6C00, 0x6C01, 0x6282, 0x6A82, 0x6982, 0x6E00, 0x6881)
changed_answers = st.dictionaries(
    st.integers(1, 260),
    st.tuples(mutations, st.one_of(st.none(), st.sampled_from(STATUSES), st.integers(0, 0xFFFF))),
    min_size=1,
    max_size=6,
)
profiles = st.sampled_from(["cps3", "cps4", "full", "cps3-contactless"])


@few_sessions
@given(name=profiles, changes=changed_answers)
@example(name="cps4", changes={19: ([("set", 24, b"\0")], None)})  # a key that can't be read,
@example(name="cps4", changes={19: ([("set", 8, b"\0")], None)})  # or of an unknown kind
def test_damaged_answers_end_in_our_errors(name: str, changes: dict[int, Any]) -> None:
    session(name, changes)


@pytest.mark.long
@many_sessions
@given(name=profiles, changes=changed_answers)
def test_many_damaged_answers_end_in_our_errors(name: str, changes: dict[int, Any]) -> None:
    session(name, changes)


@few_sessions
@given(raw=st.sampled_from(ATRS), changes=mutations)
def test_a_card_with_a_damaged_atr_is_used_or_refused(raw: bytes, changes: list[Any]) -> None:
    holds = held("cps3")
    holds.card.atr = mutated(raw, changes)[:36]
    with contextlib.suppress(IgcError), open_card(readers=[holds.reader]) as card:
        assert len(card.serial) == 8

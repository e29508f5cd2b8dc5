"""Finishing a SHA-1 or SHA-256 from its intermediate state (FIPS 180-4 §5.1.1, §6.1, §6.2).

A CPS3 hashes only the last block of a document: the host sends the state before it
(card.md §6.2). hashlib can't start from a state, so the two compression functions are here.
"""

from __future__ import annotations

from collections.abc import Callable

BLOCK = 64
_WORD = 0xFFFFFFFF

State = tuple[int, ...]

INITIAL: dict[str, State] = {
    "sha1": (0x67452301, 0xEFCDAB89, 0x98BADCFE, 0x10325476, 0xC3D2E1F0),
    "sha256": (
        0x6A09E667, 0xBB67AE85, 0x3C6EF372, 0xA54FF53A,
        0x510E527F, 0x9B05688C, 0x1F83D9AB, 0x5BE0CD19,
    ),
}  # fmt: skip


def advance(hash_name: str, state: bytes, blocks: bytes) -> bytes:
    """The state after whole 64-byte blocks; an empty ``state`` is the initial one."""
    words = _words(state) if state else INITIAL[hash_name]
    compress = _COMPRESS[hash_name]
    for start in range(0, len(blocks), BLOCK):
        after = compress(words, _words(blocks[start : start + BLOCK]))
        words = tuple((a + b) & _WORD for a, b in zip(words, after, strict=True))
    return b"".join(word.to_bytes(4) for word in words)


def finish(hash_name: str, state: bytes, hashed_bits: int, last: bytes) -> bytes:
    """The digest, from the state after ``hashed_bits`` and the last, unpadded bytes."""
    padding = b"\x80" + bytes(-(len(last) + 9) % BLOCK)
    length = (hashed_bits + 8 * len(last)).to_bytes(8)
    return advance(hash_name, state, last + padding + length)


def _words(data: bytes) -> State:
    return tuple(int.from_bytes(data[i : i + 4]) for i in range(0, len(data), 4))


def _rotate_left(word: int, count: int) -> int:
    return (word << count | word >> (32 - count)) & _WORD


def _sha1(state: State, block: State) -> State:
    w = list(block)
    for t in range(16, 80):
        w.append(_rotate_left(w[t - 3] ^ w[t - 8] ^ w[t - 14] ^ w[t - 16], 1))
    a, b, c, d, e = state
    for t in range(80):
        if t < 20:
            f, k = b & c ^ ~b & d, 0x5A827999
        elif t < 40:
            f, k = b ^ c ^ d, 0x6ED9EBA1
        elif t < 60:
            f, k = b & c ^ b & d ^ c & d, 0x8F1BBCDC
        else:
            f, k = b ^ c ^ d, 0xCA62C1D6
        first = (_rotate_left(a, 5) + f + e + k + w[t]) & _WORD
        a, b, c, d, e = first, a, _rotate_left(b, 30), c, d
    return a, b, c, d, e


def _sha256(state: State, block: State) -> State:
    w = list(block)
    for t in range(16, 64):
        x, y = w[t - 15], w[t - 2]
        s0 = _rotate_left(x, 25) ^ _rotate_left(x, 14) ^ x >> 3
        s1 = _rotate_left(y, 15) ^ _rotate_left(y, 13) ^ y >> 10
        w.append((w[t - 16] + s0 + w[t - 7] + s1) & _WORD)
    a, b, c, d, e, f, g, h = state
    for t in range(64):
        s1 = _rotate_left(e, 26) ^ _rotate_left(e, 21) ^ _rotate_left(e, 7)
        first = h + s1 + (e & f ^ ~e & g) + _SHA256_K[t] + w[t]
        s0 = _rotate_left(a, 30) ^ _rotate_left(a, 19) ^ _rotate_left(a, 10)
        second = s0 + (a & b ^ a & c ^ b & c)
        a, b, c, d, e, f, g, h = (first + second) & _WORD, a, b, c, (d + first) & _WORD, e, f, g
    return a, b, c, d, e, f, g, h


def _cube_root_fractions(count: int) -> State:
    """The first 32 bits of the fractional parts of the cube roots of the first primes."""
    primes = [n for n in range(2, 400) if all(n % d for d in range(2, n))][:count]
    return tuple(_integer_cube_root(prime << 96) & _WORD for prime in primes)


def _integer_cube_root(value: int) -> int:
    low, high = 0, 1 << (value.bit_length() // 3 + 1)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if middle**3 <= value else (low, middle)
    return low


_SHA256_K = _cube_root_fractions(64)
_COMPRESS: dict[str, Callable[[State, State], State]] = {"sha1": _sha1, "sha256": _sha256}

"""Sound contents, damaged: what fuzzing gives to readers."""

import struct
from collections.abc import Sequence

import numpy as np

_NUMBERS = (0, 1, 2, 127, 128, 255, 2**15, 2**16 - 1, 2**31 - 1, 2**31, 2**32 - 1, 2**63, 2**64 - 1)
#: Numbers that lengths and counts in headers may be replaced by, as bytes and as text.
_PATCHES = [
    *(struct.pack("<Q", n)[:size] for n in _NUMBERS for size in (1, 2, 4, 8)),
    *(struct.pack(">I", n) for n in _NUMBERS if n < 2**32),
    *(text.encode() for text in (*map(str, _NUMBERS), "-1", "1e999", "nan", "null", "[]", "{}", '"', "'", "../../x")),
    *(b"\n", b"\r\n", b",", b";", b"\0", b"\xff\xfe", b"\xef\xbb\xbf", "é".encode()),
]
_MOST_CHANGES = 4


def damaged(rng: np.random.Generator, seeds: Sequence[bytes]) -> bytes:
    """One of the contents with some bytes changed, left out, put in or repeated, often near its ends, or cut off.

    One in ten is sound, one in twenty of random bytes.
    """
    kind = rng.random()
    content = bytearray(seeds[int(rng.integers(len(seeds)))])
    if kind < 0.1:
        return bytes(content)
    if kind < 0.15:
        return rng.bytes(int(rng.integers(0, 300)))
    for _ in range(rng.integers(1, _MOST_CHANGES + 1)):
        start = _place(rng, len(content))
        change = rng.integers(5)
        if change == 0 and start < len(content):
            content[start] ^= 1 << rng.integers(8)
        elif change == 1:
            patch = _PATCHES[rng.integers(len(_PATCHES))]
            content[start : start + len(patch)] = patch
        elif change == 2:
            content[start:start] = _PATCHES[rng.integers(len(_PATCHES))]
        elif change == 3:
            del content[start : start + rng.integers(1, 20)]
        else:
            content[start:start] = content[start : start + rng.integers(1, 100)]
    return bytes(content[: _place(rng, len(content))]) if rng.random() < 0.1 else bytes(content)


def _place(rng: np.random.Generator, size: int) -> int:
    """An offset: in the first 200 bytes, in the last 100, or anywhere."""
    low, high = ((0, min(200, size)), (max(0, size - 100), size), (0, size))[rng.integers(3)]
    return int(rng.integers(low, high + 1))

"""Targets of fuzzing, and sound contents, damaged, as Hypothesis' strategies: what is given to them."""

import gzip
import io
import json
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from vae_moe.data.files import DatasetError


@dataclass(frozen=True)
class Target:
    """What is fuzzed.

    Attributes:
        inputs: what it is given.
        run: input, an empty folder that is the working folder -> anything; raises one of ``typed`` to refuse the
            input, and anything else, as an AssertionError where it was misread, to be found.
        examples: inputs that were hard once.
        typed: errors that refuse an input.
    """

    inputs: SearchStrategy[Any]
    run: Callable[[Any, Path], Any]
    examples: Sequence[Any] = ()
    typed: tuple[type[Exception], ...] = (DatasetError,)


_NUMBERS = (0, 1, 2, 127, 128, 255, 2**15, 2**16 - 1, 2**31 - 1, 2**31, 2**32 - 1, 2**63, 2**64 - 1)
#: Numbers that lengths and counts in headers may be replaced by, as bytes and as text.
_PATCHES = [
    *(struct.pack("<Q", n)[:size] for n in _NUMBERS for size in (1, 2, 4, 8)),
    *(struct.pack(">I", n) for n in _NUMBERS if n < 2**32),
    *(text.encode() for text in (*map(str, _NUMBERS), "-1", "1e999", "nan", "null", "[]", "{}", '"', "'", "../../x")),
    *(b"\n", b"\r\n", b",", b";", b"\0", b"\xff\xfe", b"\xef\xbb\xbf", "é".encode()),
]
_MOST_CHANGES = 4


@st.composite
def damaged(draw, *contents):
    """Draw a sound content with some bytes changed, left out, put in or repeated, often near its ends, or cut off."""
    content = bytearray(draw(st.sampled_from(contents)))
    for _ in range(draw(st.integers(1, _MOST_CHANGES))):
        start, patch = draw(_place(len(content))), draw(st.one_of(st.binary(max_size=8), st.sampled_from(_PATCHES)))
        match draw(st.sampled_from(["over", "in", "out", "again", "bit"])):
            case "over":
                content[start : start + len(patch)] = patch
            case "in":
                content[start:start] = patch
            case "out":
                del content[start : start + draw(st.integers(1, 20))]
            case "again":
                content[start:start] = content[start : start + draw(st.integers(1, 100))]
            case "bit" if start < len(content):
                content[start] ^= 1 << draw(st.integers(0, 7))
    return bytes(content[: draw(_place(len(content)))] if draw(st.integers(0, 9)) == 9 else content)


def any_bytes(*contents: bytes):
    """Draw bytes of any kind, a sound content, or a damaged one, which is likeliest."""
    rare = st.one_of(st.binary(max_size=300), st.sampled_from(contents))
    return st.integers(0, 6).flatmap(lambda kind: rare if kind == 6 else damaged(*contents))


def _place(size: int):
    """Draw an offset: in the first 200 bytes, in the last 100, or anywhere."""
    return st.one_of(
        st.integers(0, min(200, size)), st.integers(max(0, size - 100), size), st.integers(0, size)
    )  # fmt: skip


@st.composite
def damaged_file(draw, folder):
    """Draw one of a folder's files, its path in the folder, and its new content; None removes it.

    JSON is damaged in its bytes or, oftener, in its values.
    """
    path = draw(st.sampled_from(sorted(path for path in folder.rglob("*") if path.is_file())))
    kind = draw(st.integers(0, 9))
    if kind == 9:
        content = None
    elif path.suffix == ".json" and kind < 6:
        content = json.dumps(_changed(draw, json.loads(path.read_text(encoding="utf-8")))).encode()
    else:
        content = draw(any_bytes(path.read_bytes()))
    return path.relative_to(folder), content


def _changed(draw, value):
    """Draw a JSON value with one part of it of another kind, or left out."""
    if isinstance(value, dict | list) and value and draw(st.integers(0, 9)):
        key = draw(st.sampled_from(list(value) if isinstance(value, dict) else range(len(value))))
        changed = value.copy()
        if draw(st.integers(0, 4)) == 4:
            del changed[key]
        else:
            changed[key] = _changed(draw, value[key])
        return changed
    return draw(st.sampled_from([None, 0, -1, 1e308, "", "x", [], {}, True, [value], "../../x"]))


def saved(save, *values, **named) -> bytes:
    """Give the content that a function writes to its first argument, a stream."""
    stream = io.BytesIO()
    save(stream, *values, **named)
    return stream.getvalue()


def packed(*seeds: bytes) -> SearchStrategy[bytes]:
    """Draw a content, damaged after they are packed, or packed after they are damaged."""
    return st.one_of(
        any_bytes(*(gzip.compress(seed, 1) for seed in seeds)),
        any_bytes(*seeds).map(lambda content: gzip.compress(content, 1)),
    )

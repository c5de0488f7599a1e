import gzip
import struct
import tracemalloc

import numpy as np
import pytest

from vae_moe.data import idx

FILES = ["train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"]


def idx_bytes(values):
    """IDX content written by hand, apart from the module's own encoder."""
    return struct.pack(f">BBBB{values.ndim}I", 0, 0, 8, values.ndim, *values.shape) + values.astype(np.uint8).tobytes()


@pytest.fixture
def arrays():
    rng = np.random.default_rng(7)
    shapes = [(48, 4, 3), (48,), (10, 4, 3), (10,)]
    return {
        file: rng.integers(0, 256 if len(shape) == 3 else 4, shape) for file, shape in zip(FILES, shapes, strict=True)
    }


@pytest.fixture
def folder(tmp_path, arrays):
    for file, values in arrays.items():
        (tmp_path / file).write_bytes(idx_bytes(values))
    return tmp_path


@pytest.mark.parametrize("packed", [False, True])
def test_read_folder(folder, arrays, packed):
    if packed:
        for file in FILES:
            (folder / f"{file}.gz").write_bytes(gzip.compress((folder / file).read_bytes()))
            (folder / file).unlink()
    for values, expected in zip(idx.read_folder(folder), arrays.values(), strict=True):
        np.testing.assert_array_equal(values, expected)
        assert values.dtype == np.uint8


def test_encoder_matches_hand_written(arrays):
    for values in arrays.values():
        assert idx.encode(values) == idx_bytes(values)


@pytest.mark.parametrize(
    ("file", "damage", "message"),
    [
        (FILES[0], lambda b: b[:-1], "cut off"),
        (FILES[0], lambda b: b + b"x", "surplus"),
        (FILES[0], lambda b: b[:9], "has 9 of 16 bytes"),
        (FILES[0], lambda b: b"", "has 0 of 16 bytes"),
        (FILES[1], lambda b: b"\0\0\x08\x03" + b[4:], "begins with 00 00 08 03, not 00 00 08 01"),
        (FILES[2], lambda b: b"\0\0\x0d\x03" + b[4:], "begins with 00 00 0d 03"),
        (FILES[3], lambda b: idx_bytes(np.zeros(9)), "10 t10k images but 9 t10k labels"),
        (FILES[0], lambda b: struct.pack(">4B3I", 0, 0, 8, 3, *[2**32 - 1] * 3), "more than the 1073741824"),
        (FILES[0], lambda b: struct.pack(">4B3I", 0, 0, 8, 3, *[2**32 - 1] * 2, 0), "more than the 1073741824"),
    ],
)
def test_damaged_file(folder, file, damage, message):
    (folder / file).write_bytes(damage((folder / file).read_bytes()))
    with pytest.raises(idx.DatasetError, match=message):
        idx.read_folder(folder)


def test_missing_and_damaged_gzip_file(folder):
    content = (folder / FILES[0]).read_bytes()
    (folder / FILES[0]).unlink()
    with pytest.raises(idx.DatasetError, match="neither train-images-idx3-ubyte nor"):
        idx.read_folder(folder)
    for damaged in (gzip.compress(content)[:-20], b"no gzip"):
        (folder / f"{FILES[0]}.gz").write_bytes(damaged)
        with pytest.raises(idx.DatasetError, match="cannot be read"):
            idx.read_folder(folder)


def test_what_a_header_claims_takes_no_memory(folder):
    """2^31 rows or a bomb: no more is read than there is, or than the header tells of."""
    images = folder / FILES[0]
    images.write_bytes(struct.pack(">4B3I", 0, 0, 8, 3, 2**29, 1, 1) + bytes(100))
    tracemalloc.start()
    with pytest.raises(idx.DatasetError, match="cut off after 100 values"):
        idx.read_folder(folder)
    images.unlink()
    bomb = gzip.compress(struct.pack(">4B3I", 0, 0, 8, 3, 10, 10, 10) + bytes(2**26), compresslevel=1)
    tracemalloc.reset_peak()
    before = tracemalloc.get_traced_memory()[0]
    (folder / f"{FILES[0]}.gz").write_bytes(bomb)
    with pytest.raises(idx.DatasetError, match="has a surplus"):
        idx.read_folder(folder)
    peak = tracemalloc.get_traced_memory()[1] - before
    tracemalloc.stop()
    assert peak < 2**22

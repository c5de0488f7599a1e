import os
import pickle
import struct

import numpy as np
import pytest
import small_files

from vae_moe.data import pickles
from vae_moe.data.files import DatasetError


@pytest.mark.parametrize(
    "array",
    [
        np.array([1.5, -2]),
        np.arange(6, dtype=np.uint8).reshape(2, 3),
        np.asfortranarray(np.arange(6, dtype=">i4").reshape(2, 3)),
        np.zeros((2, 1, 3), np.float32),
    ],
)
def test_arrays_of_python_2(array):
    value = {"x": [array, (1, None)], "y": "text", "z": 2.5}
    loaded = pickles.loads(small_files.python2_pickle(value), "x")
    assert set(loaded) == {b"x", b"y", b"z"} and loaded[b"x"][1] == (1, None) and loaded[b"z"] == 2.5
    np.testing.assert_array_equal(loaded[b"x"][0], array)
    assert loaded[b"x"][0].dtype == array.dtype.newbyteorder("=")


class Malicious:
    def __reduce__(self):
        return os.system, ("exit 1",)


def array_of(shape="(I2\nt", dtype="f8", content=16):
    """A pickle of one array, told of in any way."""
    return (
        f"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(I0\ntS'b'\ntR(I1\n{shape}cnumpy\ndtype\n"
        f"(S'{dtype}'\nI0\nI1\ntR(I3\nS'|'\nNNNI-1\nI-1\nI0\ntbI00\nS'{'x' * content}'\ntb."
    ).encode()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (pickle.dumps(Malicious()), r"asks for \w+\.system"),
        (pickle.dumps(np.float64), "asks for numpy.float64"),
        (array_of(dtype="O8"), "no sound pickle.*O8"),
        (array_of(dtype="V99999999"), "no sound pickle.*V99999999"),
        (array_of(content=15), r"an array \(2,\) of b'.f8' in 15 bytes"),
        (array_of(shape="(I-1\nI-2\nt"), r"an array \(-1, -2\)"),
        (array_of(shape="(I2147483648\nt"), r"an array \(2147483648,\)"),
        (b"]r" + struct.pack("<I", 2**32 - 1) + b".", "place 4294967295 of the memo"),
        (b"]p4294967295\n.", "place 4294967295 of the memo"),
        (b"\x8e" + struct.pack("<Q", 2**40) + b"x.", "no sound pickle"),
        (b"\x96" + struct.pack("<Q", 2**40) + b"x.", "no sound pickle"),
        (b"}" + b")q\x00" + b"h\x00h\x00\x86q\x00" * 60 + b"Ns.", "120 values are used again"),
        (small_files.python2_pickle(np.ones(3))[:-9], "no sound pickle"),
        (b"", "no sound pickle"),
    ],
)
def test_what_is_no_pickle_of_arrays(content, message):
    with pytest.raises(DatasetError, match=message):
        pickles.loads(content, "x")

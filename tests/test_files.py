import gzip
import tracemalloc

import pytest

from vae_moe import files
from vae_moe.files import DatasetError


@pytest.fixture
def peak():
    """A function that gives the most memory taken since the test began, in bytes."""
    tracemalloc.start()
    yield lambda: tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()


@pytest.mark.parametrize("ending", ["", ".gz"])
def test_a_file_is_read_as_a_whole_up_to_the_limit(tmp_path, ending):
    path = tmp_path / f"x{ending}"
    path.write_bytes(gzip.compress(b"0123456789") if ending else b"0123456789")
    assert files.read(path, 10) == b"0123456789"
    with pytest.raises(DatasetError, match="more than the 9 bytes"):
        files.read(path, 9)
    with pytest.raises(DatasetError, match=r"cannot be read.*Is a directory"):
        files.read(tmp_path)


def test_a_bomb_is_not_unpacked(tmp_path, peak):
    packed = gzip.compress(bytes(2**26), compresslevel=1)
    path = tmp_path / "bomb.gz"
    path.write_bytes(packed)
    before = peak()
    with pytest.raises(DatasetError, match="more than the 1000 bytes"):
        files.read(path, 1000)
    assert peak() - before < 2**22
    assert files.read(path, unpack=False) == packed


def test_no_memory_is_taken_for_what_is_not_there(tmp_path, peak):
    path = tmp_path / "short"
    path.write_bytes(b"short")
    with files.opened(path) as stream:
        assert files.read_at_most(stream, 2**40) == b"short"
    assert peak() < 2**22


@pytest.mark.parametrize(
    "content",
    [b"no gzip", gzip.compress(b"0123456789")[:-5], b"\x1f\x8b\x08\x00" + b"\xff" * 40],
    ids=["no gzip", "cut off", "nonsense"],  # of the contents gzip's hold the time, and workers must agree on names
)
def test_what_cannot_be_unpacked_is_named(tmp_path, content):
    path = tmp_path / "x.gz"
    path.write_bytes(content)
    with pytest.raises(DatasetError, match=r"x\.gz cannot be read: .*sound copy"):
        files.read(path)

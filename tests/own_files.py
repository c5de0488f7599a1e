"""Own data as users have it, and the command: wine and diabetes with gaps, categories and dates, digits as images."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image
from sklearn.datasets import load_diabetes, load_digits, load_wine

from vae_moe.app import main


def wine():
    """178 wines: numbers (20 gaps), a category (a rare one, gaps), truth values, dates (one gap), a constant."""
    rng = np.random.default_rng(0)
    frame = load_wine(as_frame=True).frame
    cultivar = frame.pop("target").map({0: "Barolo", 1: "Grignolino", 2: "Barbera"})
    frame.loc[rng.choice(178, 20, replace=False), "alcohol"] = np.nan
    home = cultivar.map({"Barolo": "north", "Grignolino": "south", "Barbera": "east"})
    frame["region"] = home.where(rng.random(178) < 0.8, "west")
    frame.loc[[3, 5], "region"] = "sea"
    frame.loc[10:30, "region"] = None
    frame["organic"] = rng.random(178) < 0.3
    frame["bottled"] = pd.date_range("2020-01-31", periods=178, freq="11D").strftime("%Y-%m-%d")
    frame.loc[4, "bottled"] = None
    frame["country"] = "Italy"
    return frame.assign(cultivar=cultivar)


def diabetes():
    """442 patients: numbers (30 gaps), a category, and the target ``progression`` (20 gaps)."""
    rng = np.random.default_rng(0)
    frame = load_diabetes(as_frame=True, scaled=False).frame.rename(columns={"target": "progression"})
    frame["sex"] = frame.sex.map({1: "female", 2: "male"})
    frame.loc[rng.choice(442, 30, replace=False), "bmi"] = np.nan
    frame.loc[rng.choice(442, 20, replace=False), "progression"] = np.nan
    return frame


def write_digits(folder, n, classes=10):
    """The first n digits below ``classes`` as 8 x 8 PNG files, a folder each; their pixels [n, 8, 8] by path."""
    bunch = load_digits()
    rows = np.flatnonzero(bunch.target < classes)[:n]
    pixels = np.round(bunch.images[rows] * 255 / 16).astype(np.uint8)
    written = {}
    for row, image in zip(rows, pixels, strict=True):
        name = f"{bunch.target[row]}/{row:04d}.png"
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(folder / name)
        written[name] = image
    return written


def run(*arguments):
    """The exit code of ``vae-moe`` with these words."""
    return main([str(argument) for argument in arguments])


def in_a_process(code, *arguments, cwd=None):
    """What a process of its own printed that runs some code, ``main`` being the console script's."""
    beginning = (
        f"import sys; sys.argv = ['bin/vae-moe', *{list(map(str, arguments))}]\nfrom vae_moe_command import main\n"
    )
    environment = {name: value for name, value in os.environ.items() if name != "TF_CPP_MIN_LOG_LEVEL"}
    return subprocess.run(
        check=False,
        args=[sys.executable, "-c", beginning + code],
        capture_output=True,
        text=True,
        cwd=cwd,
        env={**environment, "PYTHONPATH": str(Path(__file__).parents[1])},
    )


#: Asks an export's own modules, where nothing but NumPy can be imported.
NUMPY_ALONE = """
import json, sys
class Forbidden:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("vae_moe", "tensorflow", "keras", "scipy", "sklearn", "pandas"):
            raise ImportError(f"{name} is not there")
sys.meta_path.insert(0, Forbidden())
import numpy as np
from model import Model
try:
    from prepare import Preparation
except ModuleNotFoundError:
    pass  # an estimator's
np.savez("found.npz", **Model().predict(ROWS))
"""


def numpy_alone(folder, rows):
    """The answers of an export of the form "numpy" to rows, an expression of NumPy's or of ``prepare.py``'s."""
    subprocess.run([sys.executable, "-c", NUMPY_ALONE.replace("ROWS", rows)], check=True, cwd=folder)
    return dict(np.load(folder / "found.npz"))

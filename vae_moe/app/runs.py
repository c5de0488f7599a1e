"""The page of a run of ``python -m experiments.train``, from its folder: records, figures, and the model's test set."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from vae_moe.app.report import groups, page, signs
from vae_moe.app.report.page import Block, Page
from vae_moe.app.report.scene import Scene
from vae_moe.app.report.traits import number
from vae_moe.data import datasets
from vae_moe.data.files import DatasetError
from vae_moe.data.preparation import Feature
from vae_moe.training import health

CAPTIONS = {
    "generated": "Samples of each component, and the latent space.",
    "reconstructed": "Examples and their reconstructions.",
    "latent_space": "The latent space by true class and by component.",
    "traversal": "The way from each component to the next.",
    "confusion": "True classes against components.",
    "gate_use": "Which expert the gate gives each class to.",
    "regions": "Which expert owns which region.",
    "predictions": "Predictions against truth.",
    "training_curves": "Training curves.",
}
SHOWN_FIRST = {
    "clustering_accuracy": "clustering accuracy",
    "accuracy": "accuracy",
    "test_error": "test error",
    "nmi": "mutual information (NMI)",
    "nll": "negative log-likelihood, nats",
    "gate_accuracy": "gate accuracy",
    "elbo": "ELBO, nats",
    "components_used": "components used",
    "experts_used": "experts used",
}
SMOKE_ROWS = 64  # of each split, of a run with --smoke
SAMPLES = 16


def page_of(folder: Path) -> Page:
    """The page of a finished run.

    Raises:
        DatasetError: the folder is none of a finished run; it says what is missing.
    """
    config, metrics = _json(folder / "config.json"), _json(folder / "metrics.json")
    if "recipe" not in config:
        raise DatasetError(f"{folder / 'config.json'} has no recipe. Give a folder of vae-moe or of experiments.train.")
    recipe = config["recipe"]
    tiles = [(name, number(float(metrics[key])), "") for key, name in SHOWN_FIRST.items() if key in metrics]
    pictures = {path.stem: path.read_bytes() for path in sorted((folder / "figures").glob("*.png"))}
    overview, cards, health_blocks, more = _groups(folder, recipe, config["protocol"])
    sections: dict[str, list[Block]] = {
        "At a glance": [page.tiles(tiles), *overview],
        "Group by group": cards,
        "Figures": [page.figure(name, CAPTIONS.get(name, name), wide=True) for name in pictures],
        "Health": health_blocks,
        "The run": [*_code(metrics), page.table(["", "value"], _facts(metrics))],
    }
    subtitle = f"{metrics['protocol']}, preset {recipe['preset']}, seed {recipe['seed']}, {recipe['epochs']} epochs"
    return Page(f"{recipe['dataset']}-{recipe['model']}", subtitle, sections, {**pictures, **more})


def _groups(
    folder: Path, recipe: dict[str, Any], protocol: str
) -> tuple[list[Block], list[Block], list[Block], dict[str, bytes]]:
    """Overview, cards and health of the groups of test rows, and pictures; or a note why there are none."""
    import keras

    import vae_moe.models  # noqa: F401  registers them with Keras

    try:
        dataset = datasets.load(recipe["dataset"], seed=recipe["seed"])
        if dataset.protocol != protocol:
            dataset = dataset.head(SMOKE_ROWS)
        if dataset.protocol != protocol:
            raise DatasetError(f"it was trained on other data ({protocol})")
        model = keras.models.load_model(folder / "model.keras")
    except (DatasetError, OSError, ValueError) as error:
        return [page.text(f"Its groups are not shown one by one: {error}", "soft")], [], [], {}
    scene = _scene(model, dataset)
    cards, pictures = groups.one_by_one(scene)
    health_blocks = []
    if scene.z is not None:
        found = health.examine(model, scene.x)
        health_blocks = signs.section(found.troubles, found, scene.z.shape[1])
    return groups.overview(scene), cards, health_blocks, pictures


def _scene(model, dataset) -> Scene:
    x, shape = dataset.test.x, dataset.image_shape
    probs = model.gate_proba(x) if hasattr(model, "experts") else model.predict_proba(x)
    names = [f"x{i}" for i in range(x.shape[1])]
    samples = None
    if hasattr(model, "mixture"):
        samples = np.concatenate([model.generate(SAMPLES, k, seed=k) for k in range(probs.shape[1])])
    return Scene(
        kind="expert" if hasattr(model, "experts") else "cluster",
        x=x,
        z=model.encode(x) if hasattr(model, "mixture") else None,
        probs=probs,
        rows=[f"test {row}" for row in range(len(x))],
        features=[Feature(name, "", "number") for name in names] if shape is None else (),
        frame=pd.DataFrame(x, columns=names) if shape is None else None,
        pixels=None if shape is None else _pixels(x, shape),
        samples=_shown(samples, names, shape),
    )


def _shown(samples: np.ndarray | None, names: list[str], shape):
    if samples is None:
        return None
    return pd.DataFrame(samples, columns=names) if shape is None else _pixels(samples, shape)


def _pixels(x: np.ndarray, shape) -> np.ndarray:
    return np.round(255 * np.clip(x, 0, 1)).astype(np.uint8).reshape(-1, *shape)


def _code(metrics: dict[str, Any]) -> list[Block]:
    return [page.code(metrics["command"])] if "command" in metrics else []


def _facts(metrics: dict[str, Any]) -> list[list[str]]:
    return [
        [name.replace("_", " "), number(value) if isinstance(value, float) else str(value)]
        for name, value in metrics.items()
        if name != "command"
    ]


def _json(path: Path) -> dict[str, Any]:
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise DatasetError(f"{path} is not there: the run has not finished, or the folder is none of a run.") from error
    except ValueError as error:
        raise DatasetError(f"{path} is no JSON: {error}. Train the run again.") from error
    if not isinstance(values, dict):
        raise DatasetError(f"{path} holds {values!r:.100}, no record. Train the run again.")
    return values

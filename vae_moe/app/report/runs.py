"""The page of a run of ``python -m experiments.train``, from its folder: records, figures, and the model's test set."""

import json
from pathlib import Path
from typing import Any

import keras
import pandas as pd

import vae_moe.models  # noqa: F401  registers them with Keras
from vae_moe.app.features import Feature
from vae_moe.app.report import groups, page
from vae_moe.app.report.findings import SAMPLES_OF_IMAGES, generated, health, pixels
from vae_moe.app.report.groups import Groups
from vae_moe.app.report.page import Block, Page
from vae_moe.app.report.traits import number
from vae_moe.data import datasets
from vae_moe.data.files import DatasetError
from vae_moe.training.health import examine

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
    figures = {path.stem: path.read_bytes() for path in sorted((folder / "figures").glob("*.png"))}
    overview, cards, signs = _groups(folder, recipe, config["protocol"])
    command = [page.code(metrics["command"])] if "command" in metrics else []
    facts = [
        [name.replace("_", " "), number(value) if isinstance(value, float) else str(value)]
        for name, value in metrics.items()
        if name != "command"
    ]
    sections = {
        "At a glance": [page.tiles(tiles), *overview],
        "Group by group": cards,
        "Figures": [
            page.figure(name, png, CAPTIONS.get(name, name), wide=True, photos=True) for name, png in figures.items()
        ],
        "Health": signs,
        "The run": [*command, page.table(["", "value"], facts)],
    }
    subtitle = f"{metrics['protocol']}, preset {recipe['preset']}, seed {recipe['seed']}, {recipe['epochs']} epochs"
    return Page(f"{recipe['dataset']}-{recipe['model']}", subtitle, sections)


def _groups(folder: Path, recipe: dict[str, Any], protocol: str) -> tuple[list[Block], list[Block], list[Block]]:
    """Overview, cards and health of the groups of test rows; or a note why there are none."""
    try:
        dataset = datasets.load(recipe["dataset"], seed=recipe["seed"])
        if dataset.protocol != protocol:
            dataset = dataset.head(SMOKE_ROWS)
        if dataset.protocol != protocol:
            raise DatasetError(f"it was trained on other data ({protocol})")
        model = keras.models.load_model(folder / "model.keras")
    except (DatasetError, OSError, ValueError) as error:
        return [page.text(f"Its groups are not shown one by one: {error}", "soft")], [], []
    x, shape, gated = dataset.test.x, dataset.image_shape, hasattr(model, "experts")
    probs = model.gate_proba(x) if gated else model.predict_proba(x)
    names = [f"x{i}" for i in range(x.shape[1])]

    def shown(x):
        return pd.DataFrame(x, columns=names) if shape is None else pixels(x, shape)

    latent = hasattr(model, "mixture")
    found = Groups(
        kind="expert" if gated else "cluster",
        x=x,
        z=model.encode(x) if latent else None,
        probs=probs,
        rows=[f"test {row}" for row in range(len(x))],
        features=[Feature(name, "", "number") for name in names] if shape is None else (),
        frame=shown(x) if shape is None else None,
        pixels=None if shape is None else shown(x),
        samples=shown(generated(model, SAMPLES_OF_IMAGES, probs.shape[1])) if latent else None,
    )
    signs = examine(model, x) if latent else None
    about_health = health(signs.troubles, signs, model.mixture.latent_dim) if signs else []
    return groups.overview(found), groups.one_by_one(found), about_health


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

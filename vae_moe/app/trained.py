"""An estimator and the rows it was trained on: figures, and the sections of a page that every training has."""

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from vae_moe import registry
from vae_moe.app import folder
from vae_moe.app.inputs import Source
from vae_moe.app.report import data, figures, page, signs
from vae_moe.app.report.page import Block, Page
from vae_moe.app.report.scene import Scene
from vae_moe.data.preparation import Preparation
from vae_moe.training.health import Health, examine

#: What a user of the command can do about each trouble of ``health.Health``.
CURES = {
    "collapse": "--drop columns that rule the others (see Data), take another --seed or --model, or fewer {option}",
    "empty components": "ask for fewer {option}",
    "groups torn": "take another --seed or --model, or other {option}",
    "posterior ignored": "--drop columns that are noise, or take another --model",
    "unsure components": "ask for fewer {option}, or train longer by --epochs",
    "components disagree": "train longer by --epochs, or take another --model",
}
SAMPLES_OF_TABLES = 2  # of each component
SAMPLES_OF_IMAGES = 16


@dataclass(frozen=True, eq=False)
class Findings:
    """What was found: figures for ``metrics.json``, lines for the terminal, and the page."""

    metrics: dict[str, Any]
    summary: list[str]
    page: Page

    def write(self, folder_: Path) -> None:
        """Write ``metrics.json`` and the page."""
        folder.write_json(folder_ / "metrics.json", self.metrics)
        self.page.write(folder_)


@dataclass(frozen=True, eq=False)
class Trained:
    """An estimator and what it was trained on.

    Attributes:
        config: as ``config.json`` has it, with the training's end and how many seconds it took.
        source: what was read, N rows.
        x: [N, D].
        preparation: of a table.
        estimator: fitted.
        held_out: numbers of rows that took no part in training; None of a clustering.
    """

    config: dict[str, Any]
    source: Source
    x: np.ndarray
    preparation: Preparation | None
    estimator: Any
    held_out: np.ndarray | None

    @property
    def title(self) -> str:
        """The model's name."""
        return registry.MODELS[self.config["model"]].title

    @property
    def epochs(self) -> int:
        """Epochs of the last stage of training."""
        return len(self.estimator.history_.get("loss", []))

    @property
    def model_inputs(self) -> np.ndarray:
        """x in the scale of the estimator's model, [N, D]."""
        return ((self.x - self.estimator.x_mean_) / self.estimator.x_scale_).astype(np.float32)

    @property
    def figures(self) -> dict[str, Any]:
        """Figures that every training has."""
        names = ("dataset", "model", "seed", "n_rows", "seconds", "finished_at")
        return {
            **{name: self.config[name] for name in names},
            "epochs": self.epochs,
            "n_parameters": self.estimator.model_.count_params(),
            "n_features": self.x.shape[1],
            **self.config["versions"],
        }

    def scene(self, kind: str, probs: np.ndarray, labels: np.ndarray | None = None) -> Scene:
        """The rows as the estimator sees them, with samples of each component where it generates any."""
        latent = hasattr(self.estimator.model_, "mixture")
        images = self.source.images
        return Scene(
            kind=kind,
            x=self.x,
            z=self.estimator.model_.encode(self.model_inputs) if latent else None,
            probs=probs,
            rows=self.source.rows,
            features=self.preparation.features if self.preparation else (),
            frame=self.source.frame,
            pixels=None if images is None else images.pixels,
            samples=self._samples(probs.shape[1]) if latent else None,
            labels=labels,
        )

    def data(self, n_learned: int) -> list[Block]:
        """The section about the data."""
        blocks = [page.text(_sentence(words), "warn") for words in self.config["warnings"]]
        if n_copies := int(pd.DataFrame(self.x).duplicated().sum()):
            words = f"{n_copies} of {len(self.x)} rows are the same as an earlier one in all that is learned from."
            blocks.append(page.text(words, "soft"))
        return [*blocks, *self._described(n_learned)]

    @property
    def first_warning(self) -> list[Block]:
        """What rules one of the table's columns, and how many others are ruled."""
        first, *others = self.config["warnings"] or [""]
        more = f" So are {len(others)} other columns: see Data." if others else ""
        return [page.text(_sentence(first) + more, "warn")] if first else []

    def _described(self, n_learned: int) -> list[Block]:
        if self.preparation is not None:
            return data.of_table(self.preparation.columns, self.preparation.features, n_learned)
        images = self.source.images
        assert images is not None
        n_classes = None if images.classes is None else len(set(images.classes))
        return data.of_images(len(images.names), images.image_shape, n_classes, images.notes)

    def curves(self) -> tuple[list[Block], dict[str, bytes]]:
        """The section about training."""
        seconds, seed = self.config["seconds"], self.config["seed"]
        words = (
            f"{self.epochs} epochs in {seconds:.0f} seconds, seed {seed}. The loss is what is made small: how badly x "
            "is reconstructed (recon), what the latents (kl_z) and the choice of a component (kl_c) cost, and how "
            "badly the target is predicted (nll); all in nats a row."
        )
        if not self.epochs:
            return [page.text("So few rows were fitted by EM alone: there are no curves.", "soft")], {}
        picture = figures.curves(self.estimator.history_)
        return [page.text(words), page.figure("curves", "Training curves.", wide=True)], {"curves": picture}

    @property
    def when(self) -> str:
        """Size and day of the training, for a subtitle."""
        return f"trained {self.epochs} epochs on {self.config['finished_at'][:10]}, seed {self.config['seed']}"

    def health(self) -> Health | None:
        """The signs of the latent mixture, if there is one."""
        if not hasattr(self.estimator.model_, "mixture"):
            return None
        return examine(self.estimator.model_, self.model_inputs, seed=self.config["seed"])

    def troubles(self, found: Health | None) -> dict[str, str]:
        """What is wrong with the latent mixture, by name, with what a user of the command can do."""
        option = "--components" if self.config["kind"] == "cluster" else "--experts"
        seen = {} if found is None else found.seen
        return {name: f"{words}: {CURES[name].format(option=option)}" for name, words in seen.items()}

    def health_section(self, found: Health | None, troubles: Mapping[str, str]) -> list[Block]:
        """The section about health."""
        return signs.section(troubles, found, 0 if found is None else self.estimator.model_.mixture.latent_dim)

    def _samples(self, n_components: int):
        n = SAMPLES_OF_TABLES if self.preparation else SAMPLES_OF_IMAGES
        model = self.estimator.model_
        x = np.concatenate([model.generate(n, component, seed=component) for component in range(n_components)])
        x = x * self.estimator.x_scale_ + self.estimator.x_mean_
        if self.preparation is not None:
            return self.preparation.restore(x)
        return np.round(255 * np.clip(x, 0, 1)).astype(np.uint8).reshape(-1, *self.config["image_shape"])


def _sentence(words: str) -> str:
    return words[0].upper() + words[1:]


def use(config: dict[str, Any], out: str, what: str) -> list[Block]:
    """The section about new rows."""
    new = "new-images" if config["image_shape"] else "new.csv"
    return [page.text(f"Writes {what}:"), page.code(f"vae-moe predict {shlex.quote(config['out'])} {new} --out {out}")]

"""What was found in every training: figures for ``metrics.json``, lines for the terminal, a page with its sections."""

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from vae_moe import registry
from vae_moe.app import folder
from vae_moe.app.report import columns, groups, page, pictures
from vae_moe.app.report.groups import Groups
from vae_moe.app.report.page import Block, Page
from vae_moe.app.trained import Trained
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
    """What was found.

    Attributes:
        metrics: figures for ``metrics.json``.
        summary: lines for the terminal.
        page: all of it.
    """

    metrics: dict[str, Any]
    summary: list[str]
    page: Page

    def write(self, folder_: Path) -> None:
        """Write ``metrics.json`` and the page."""
        folder.write_json(folder_ / "metrics.json", self.metrics)
        self.page.write(folder_)


def grouped(trained: Trained, kind: str, probs: np.ndarray, labels: np.ndarray | None = None) -> Groups:
    """The rows as the estimator sees them, with samples of each component where it generates any."""
    estimator, source = trained.estimator, trained.source
    latent = hasattr(estimator.model_, "mixture")
    samples = None
    if latent:
        n = SAMPLES_OF_TABLES if trained.preparation else SAMPLES_OF_IMAGES
        samples = estimator.from_entries(generated(estimator.model_, n, probs.shape[1]))
        samples = trained.restored(samples) if trained.preparation else pixels(samples, source.image_shape)
    return Groups(
        kind=kind,
        x=trained.x,
        z=estimator.model_.encode(trained.x) if latent else None,
        probs=probs,
        rows=source.rows,
        features=trained.features,
        frame=source.frame,
        pixels=None if source.images is None else source.images.pixels,
        samples=samples,
        labels=labels,
    )


def generated(model, n: int, n_components: int) -> np.ndarray:
    """n samples of each component of a model in turn, [K n, D]."""
    return np.concatenate([model.generate(n, component, seed=component) for component in range(n_components)])


def pixels(x: np.ndarray, image_shape) -> np.ndarray:
    """Rows in [0, 1] as images of bytes, [N, H, W] or [N, H, W, 3]."""
    return np.round(255 * np.clip(x, 0, 1)).astype(np.uint8).reshape(-1, *image_shape)


def examined(trained: Trained) -> Health | None:
    """The signs of the latent mixture, if there is one."""
    if not hasattr(trained.estimator.model_, "mixture"):
        return None
    return examine(trained.estimator.model_, trained.x, seed=trained.config["seed"])


def troubles_of(trained: Trained, signs: Health | None) -> dict[str, str]:
    """What is wrong with the latent mixture, by name, with what a user of the command can do."""
    if signs is None:
        return {}
    kind, asked = ("components", "n_components") if trained.config["kind"] == "cluster" else ("experts", "n_experts")
    found = f" than the {len(signs.shares)} that auto found" if trained.config.get(asked) == "auto" else ""
    return {name: f"{words}: {CURES[name].format(option=f'--{kind}{found}')}" for name, words in signs.seen.items()}


def gather(
    trained: Trained,
    grouped: Groups,
    signs: Health | None,
    troubles: Mapping[str, str],
    n_learned: int,
    *,
    title: str,
    subtitle: str,
    use: tuple[str, str],
    tiles: list[tuple[str, str, str]],
    first: tuple[list[Block], list[Block]],
    sections: dict[str, list[Block]],
    metrics: dict[str, Any],
    summary: list[str],
) -> Findings:
    """Put what is peculiar to a kind of training together with what all have.

    Args:
        trained: what was trained.
        grouped: its rows.
        signs: of a latent mixture.
        troubles: what is wrong, by name.
        n_learned: rows that were learned from.
        title: of the page.
        subtitle: its beginning, without model, day and seed.
        use: the file that ``predict`` would write, and what is in it.
        tiles: figures worth seeing first, without the number of troubles.
        first: blocks at a glance, before and after the first warning.
        sections: those that come after the first one.
        metrics: figures.
        summary: lines, without those about health.
    """
    config, model = trained.config, registry.MODELS[trained.config["model"]].title
    epochs = len(trained.estimator.history_.get("loss", []))  # of the last stage of training
    when = f"trained {epochs} epochs on {config['finished_at'][:10]}, seed {config['seed']}"
    tiles = [*tiles, ("troubles", str(len(troubles)), ", ".join(troubles) or "none found")]
    new = "new-images" if config["image_shape"] else "new.csv"
    command = f"vae-moe predict {shlex.quote(config['out'])} {new} --out {use[0]}"
    latent_dim = 0 if signs is None else trained.estimator.model_.mixture.latent_dim
    made = Page(
        title,
        f"{subtitle} {model}, {when}",
        {
            "At a glance": [page.tiles(tiles), *first[0], *_first_warning(config["warnings"]), *first[1]],
            **sections,
            "Latent space": groups.latents(grouped),
            "Training": _curves(trained, epochs),
            "Data": _data(trained, n_learned),
            "Health": health(troubles, signs, latent_dim),
            "Use it": [page.text(f"Writes {use[1]}:"), page.code(command)],
        },
    )
    figures = {name: config[name] for name in ("dataset", "model", "seed", "n_rows", "seconds", "finished_at")} | {
        "epochs": epochs,
        "n_parameters": trained.estimator.model_.count_params(),
        "n_features": trained.x.shape[1],
        **config["versions"],
        **metrics,
        **({} if signs is None else signs.figures),
        "troubles": list(troubles),
    }
    said = [f"health: {name}: {words}" for name, words in troubles.items()] or ["health: no trouble found"]
    return Findings(figures, [*summary, *said], made)


def health(troubles: Mapping[str, str], signs: Health | None = None, latent_dim: int = 0) -> list[Block]:
    """Troubles with their cures, and the signs of a latent mixture.

    Args:
        troubles: by name.
        signs: what ``health.examine`` found; None without a latent mixture.
        latent_dim: L.
    """
    blocks = [page.text(f"{name.capitalize()}: {words}.", "warn") for name, words in troubles.items()]
    blocks = blocks or [page.text("No trouble found.", "good")]
    if signs is None:
        return blocks
    k = len(signs.shares)
    rows = [
        ["components with a tenth of the rows they began with, or more", f"{signs.components_used} of {k}"],
        ["largest component", f"{signs.shares.max():.0%} of the rows"],
        ["doubt about a row's component", f"{signs.c_entropy:.2f} of {np.log(k):.2f} nats"],
        ["latent numbers in use", f"{signs.active_units} of {latent_dim}"],
        ["rows whose component agrees with their latents", f"{signs.bayes_agreement:.0%}"],
    ]
    return [*blocks, page.table(["sign", "found"], rows)]


def _first_warning(warnings: list[str]) -> list[Block]:
    """The first warning of the table's columns, and how many more there are."""
    if not warnings:
        return []
    more = f" Data has {len(warnings) - 1} more." if len(warnings) > 1 else ""
    return [page.text(_sentence(warnings[0]) + more, "warn")]


def _curves(trained: Trained, epochs: int) -> list[Block]:
    if not epochs:
        return [page.text("So few rows were fitted by EM alone: there are no curves.", "soft")]
    words = (
        f"{epochs} epochs in {trained.config['seconds']:.0f} seconds, seed {trained.config['seed']}. The loss is what "
        "is made small: how badly x is reconstructed (recon), what the latents (kl_z) and the choice of a component "
        "(kl_c) cost, and how badly the target is predicted (nll); all in nats a row."
    )
    picture = pictures.curves(trained.estimator.history_)
    return [page.text(words), page.figure("curves", picture, "Training curves.", wide=True)]


def _data(trained: Trained, n_learned: int) -> list[Block]:
    blocks = [page.text(_sentence(words), "warn") for words in trained.config["warnings"]]
    if n_copies := int(pd.DataFrame(trained.x).duplicated().sum()):
        words = f"{n_copies} of {len(trained.x)} rows are the same as an earlier one in all that is learned from."
        blocks.append(page.text(words, "soft"))
    if trained.preparation is not None:
        return [*blocks, *columns.described(trained.preparation, trained.features, n_learned)]
    images = trained.source.images
    assert images is not None
    height, width, *channels = images.image_shape
    folders = "" if images.classes is None else f", in {len(set(images.classes))} sub-folders"
    words = f"{len(images.names)} images, brought to {width} x {height} pixels, {'in colour' if channels else 'grey'}"
    described = page.text(f"{words}{folders}. A pixel is a number from 0 to 1.")
    return [*blocks, described, *(page.text(note, "soft") for note in images.notes)]


def _sentence(words: str) -> str:
    return words[0].upper() + words[1:]

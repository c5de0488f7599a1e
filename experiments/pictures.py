"""The pictures of a run: a model and a data set -> figures, PNG files and TensorBoard's projector."""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from matplotlib.figure import Figure
from PIL import Image
from sklearn.manifold import TSNE
from tensorboard.plugins.hparams import api as hparams_api

from experiments import runs
from experiments.recipes import Recipe
from vae_moe import metrics
from vae_moe.engine.files import whole_file
from vae_moe.plots import cluster_plots, expert_plots, score_plots
from vae_moe.training import hierarchy
from vae_moe.training.callbacks import pixels

IMAGES_PER_COMPONENT = 10
POINTS_PER_COMPONENT = 500
IMAGES = 100
TRAVERSAL_STEPS = 11
#: Rows in the t-SNE pictures at the end, and in the projector; fewer during training, where the user waits.
EMBEDDED_ROWS = 3000
EMBEDDED_ROWS_DURING = 1000


def during(model, split, image_shape) -> dict[str, Figure]:
    """What is worth seeing during training: reconstructions, and samples beside the latent space, or the gate.

    Args:
        model: a mixture VAE or a mixture of experts.
        split: the rows to show.
        image_shape: (H, W) or (H, W, 3), or None for points.
    """
    if hasattr(model, "experts"):
        return _gate(model, split)
    return _Scene(model, split, image_shape, EMBEDDED_ROWS_DURING).report_figures()


def at_the_end(model, split, y, image_shape, history: dict[str, list[float]]) -> dict[str, Figure]:
    """Everything worth seeing.

    Of a clustering: the report's two figures, the latent space, the confusions, the curves. Of a mixture of experts:
    the gate's use by class, predictions against truth, the regions of a plane, the curves.

    Args:
        model: a mixture VAE or a mixture of experts.
        split: the rows to show.
        y: targets of a mixture of experts, [N, O] or [N]; None of a clustering.
        image_shape: (H, W) or (H, W, 3), or None for points.
        history: as Keras' ``fit`` gives it.
    """
    curves = {"training_curves": score_plots.training_curves(history)}
    if y is not None:
        return {**_gate(model, split), **_predictions(model, split, y), **curves}
    scene = _Scene(model, split, image_shape, EMBEDDED_ROWS)
    n = len(scene.embedding)
    return {
        **scene.report_figures(),
        "traversal": scene.traversal(),
        **scene.tree(),
        "latent_space": cluster_plots.latent_space(scene.embedding, split.y[:n], scene.clusters[:n], scene.names),
        "confusion": cluster_plots.confusion(split.y, scene.clusters, len(scene.names), scene.names),
        **curves,
    }


def write(figures: dict[str, Figure], model, dataset, path: Path, step: int) -> None:
    """Write a run's figures of the test set as PNG and to TensorBoard, and z for TensorBoard's projector."""
    images = {name: pixels(figure) for name, figure in figures.items()}  # once: to lay a figure out takes its time
    for name, image in images.items():
        with whole_file(path / "figures" / f"{name}.png") as temporary:
            Image.fromarray(image).save(temporary)
    logs = path / "tensorboard" / "test"
    with tf.summary.create_file_writer(str(logs)).as_default(step=step):
        for name, image in images.items():
            tf.summary.image(name, image[np.newaxis])
    if hasattr(model, "cluster"):
        write_projector(model, dataset.test, dataset.image_shape, logs)


def _gate(model, split) -> dict[str, Figure]:
    """Which expert has which class, and which region of the plane where x is one."""
    gate = model.gate_proba(split.x)
    title = type(model).__name__
    figures = {"gate_use": expert_plots.gate_use(split.y, gate, title=title)}
    if split.x.shape[1] == 2:
        grid = expert_plots.plane(split.x)  # [G, G, 2]
        regions = model.gate_proba(grid.reshape(-1, 2)).reshape(*grid.shape[:2], -1)
        figures["regions"] = expert_plots.regions(grid, regions, split.x, split.y, gate.argmax(-1), title=title)
    return figures


def _predictions(model, split, y) -> dict[str, Figure]:
    """Predictions against truth."""
    predicted, title = model.predict_mean(split.x), type(model).__name__
    if y.ndim == 1:
        names = [str(label) for label in range(predicted.shape[1])]
        return {"predictions": cluster_plots.confusion(y, predicted.argmax(-1), predicted.shape[1], names, title=title)}
    chosen = model.gate_proba(split.x).argmax(-1)
    return {"predictions": expert_plots.predictions(y, predicted, chosen, title=title)}


class _Scene:
    """A model's view of some rows: components [N], their names, t-SNE of z [M, 2] for the first M rows."""

    def __init__(self, model, split, image_shape, n_embedded):
        self.model, self.split, self.image_shape = model, split, image_shape
        self.clusters = model.cluster(split.x)
        majority = metrics.majority_classes(split.y, self.clusters, model.mixture.n_components)
        self.names = cluster_plots.component_names(majority, "class")
        z = model.encode(split.x[:n_embedded])
        perplexity = min(30.0, (len(z) - 1) / 3)
        self.embedding = TSNE(perplexity=perplexity, init="random", random_state=0).fit_transform(z)

    def report_figures(self) -> dict[str, Figure]:
        """Figures 4, 5, 8, 9 ("reconstructed") and 6, 7, 10, 11 ("generated") of the report."""
        n = IMAGES if self.image_shape else len(self.split)
        x, y = self.split.x[:n], self.split.y[:n]
        title = type(self.model).__name__
        return {
            "reconstructed": cluster_plots.reconstructions(
                x, self.model.reconstruct(x), image_shape=self.image_shape, labels=y, title=title
            ),
            "generated": cluster_plots.generated(
                self._samples(),
                self.embedding,
                self.clusters[: len(self.embedding)],
                image_shape=self.image_shape,
                names=self.names,
                title=title,
            ),
        }

    def traversal(self) -> Figure:
        """From each component to the next, along the line between their means."""
        means = np.asarray(self.model.mixture.prior.means)  # [K, L]
        pairs = [(k, (k + 1) % len(means)) for k in range(len(means))]
        share = np.linspace(0, 1, TRAVERSAL_STEPS)[:, np.newaxis]  # [S, 1]
        ways = np.stack([(1 - share) * means[start] + share * means[end] for start, end in pairs])  # [P, S, L]
        decoded = self.model.decode(ways.reshape(-1, means.shape[1])).reshape(len(pairs), TRAVERSAL_STEPS, -1)
        title = type(self.model).__name__
        return cluster_plots.traversal(decoded, pairs, self.names, image_shape=self.image_shape, title=title)

    def tree(self) -> dict[str, Figure]:
        """Which components are near each other, with the image at each one's mean, if there are several."""
        if len(self.names) < 2:
            return {}
        mixture = self.model.mixture
        joined = hierarchy.tree(self.model.c_log_proba(self.split.x), getattr(mixture, "branching", ()))
        images = self.model.decode(np.asarray(mixture.prior.means)).reshape(len(self.names), -1)
        images = images if self.image_shape else None
        title = type(self.model).__name__
        return {
            "tree": cluster_plots.tree(joined, self.names, images=images, image_shape=self.image_shape, title=title)
        }

    def _samples(self) -> np.ndarray:
        """Generated examples of every component, [K, n, D]."""
        n = IMAGES_PER_COMPONENT if self.image_shape else POINTS_PER_COMPONENT
        samples = np.stack([self.model.generate(n, k, seed=k) for k in range(len(self.names))])
        return samples.reshape(*samples.shape[:2], -1)


def write_settings(recipe: Recipe, figures: Mapping[str, Any], folder: Path) -> None:
    """Write a run as a row of TensorBoard's HParams tab: its settings, and its figures at the last epoch.

    Args:
        recipe: of the run; a sequence in it becomes one text, such as "500-500", and None is left out.
        figures: as in its ``metrics.json``; those that are numbers, and no settings, are written.
        folder: of TensorBoard's events.
    """
    settings = {
        name: "-".join(map(str, value)) if isinstance(value, tuple | list) else value
        for name, value in runs.flat(asdict(recipe)).items()
        if value is not None
    }
    with tf.summary.create_file_writer(str(folder)).as_default(step=recipe.epochs):
        hparams_api.hparams(settings)
        for name, value in figures.items():
            if isinstance(value, int | float) and name not in settings:
                tf.summary.scalar(name, value)


def write_projector(model, split, image_shape, folder: Path) -> None:
    """Write z of the first rows for TensorBoard's projector: vectors, classes, components, and thumbnails of images."""
    rows = slice(0, EMBEDDED_ROWS)
    with whole_file(folder / "z.tsv") as temporary:
        np.savetxt(temporary, model.encode(split.x[rows]), fmt="%.5f", delimiter="\t")
    labels = np.stack([split.y[rows], model.cluster(split.x[rows])], -1)
    with whole_file(folder / "labels.tsv") as temporary:
        np.savetxt(temporary, labels, fmt="%d", delimiter="\t", header="class\tcomponent", comments="")
    lines = ['tensor_name: "z"', 'tensor_path: "z.tsv"', 'metadata_path: "labels.tsv"']
    if image_shape:
        sprite = _sprite(split.x[rows].reshape(-1, *image_shape))
        with whole_file(folder / "thumbnails.png") as temporary:
            tf.io.write_file(str(temporary), tf.io.encode_png(sprite))
        size = " ".join(f"single_image_dim: {side}" for side in image_shape[1::-1])
        lines.append(f'sprite {{ image_path: "thumbnails.png" {size} }}')
    text = "embeddings {\n" + "".join(f"  {line}\n" for line in lines) + "}\n"
    with whole_file(folder / "projector_config.pbtxt") as temporary:
        temporary.write_text(text, encoding="utf-8")


def _sprite(images: np.ndarray) -> np.ndarray:
    """Images [M, H, W] or [M, H, W, 3] in [0, 1] as one square sheet [S H, S W, 1 or 3] of uint8, row after row."""
    side = int(np.ceil(np.sqrt(len(images))))
    sheet = np.zeros((side * side, *images.shape[1:]), np.uint8)
    sheet[: len(images)] = np.round(255 * images)
    height, width = images.shape[1:3]
    return sheet.reshape(side, side, height, width, -1).swapaxes(1, 2).reshape(side * height, side * width, -1)

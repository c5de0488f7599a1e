"""Sections about groups of rows, clusters or experts: sizes, what sets each apart, members, samples, latents."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType

import numpy as np
import pandas as pd
from pandas.api import types

from vae_moe import metrics
from vae_moe.app.report import figures, page
from vae_moe.app.report.page import Block
from vae_moe.app.report.scene import Scene
from vae_moe.app.report.traits import STRONG, Trait, number, traits

BARS = "Mean here and of all rows; the bar: standard deviations above (blue) or below (orange), full at 2"
CARDS = 30  # groups shown one by one
TYPICAL_ROWS = 4
TYPICAL_IMAGES = 16
IMAGES_ACROSS = 8
SAMPLES_SHOWN = 2  # rows of a table
WORDS = 3  # traits in a group's line
CELL = 40  # characters of a cell
LABELS = 40  # known classes in a table


def overview(scene: Scene, extra: Sequence[str] = (), extra_cells: Sequence[Sequence[str]] = ()) -> list[Block]:
    """One line a group: size, how sure its rows are, and what sets it apart.

    Args:
        scene: the rows.
        extra: names of further columns.
        extra_cells: their cells, for each of the K groups.
    """
    rows = []
    for group in scene.by_size:
        members = scene.groups == group
        share = members.mean()
        words = "; ".join(trait.words for trait in _traits(scene, group)[:WORDS])
        rows.append(
            [
                scene.title(group),
                page.bar(f"{members.sum()} ({share:.0%})", share),
                f"{scene.probs[members, group].mean():.0%}",
                *(extra_cells[group] if extra_cells else ()),
                *([words or "nothing much"] if scene.features else ()),
            ]
        )
    head = [scene.kind, "rows", "certainty", *extra, *(["what sets it apart"] if scene.features else ())]
    blocks = [page.table(head, rows)]
    if empty := [str(group) for group in range(scene.n_groups) if group not in scene.by_size]:
        blocks.append(page.text(f"Without a row: {scene.kind} {', '.join(empty)}.", "soft"))
    return blocks


def one_by_one(
    scene: Scene, further: Mapping[int, Sequence[Block]] = MappingProxyType({})
) -> tuple[list[Block], dict[str, bytes]]:
    """A card a group, the largest first, and its pictures; ``further`` blocks by group are put in front."""
    pictures: dict[str, bytes] = {}
    cards = []
    for group in scene.by_size[:CARDS]:
        typical = scene.typical(group, TYPICAL_ROWS if scene.pixels is None else TYPICAL_IMAGES)
        if scene.pixels is not None:
            blocks = _sheets(scene, group, typical, pictures)
        else:
            blocks = _tables(scene, group, typical)
        cards.append((scene.title(group), [*further.get(group, ()), *blocks]))
    return [page.cards(cards)], pictures


def latents(scene: Scene) -> tuple[list[Block], dict[str, bytes]]:
    """z in the plane."""
    if scene.z is None:
        return [], {}
    names = [str(group) for group in range(scene.n_groups)]
    n = min(len(scene.z), figures.EMBEDDED_ROWS)
    how = ", by t-SNE: near points are alike, distances between groups say little" if scene.z.shape[1] > 2 else ""
    caption = f"{n} rows in the model's latent space, coloured by {scene.kind}{how}."
    picture = figures.latent_space(scene.z, scene.groups, names, scene.kind)
    return [page.figure("latents", caption)], {"latents": picture}


def against_labels(scene: Scene) -> list[Block]:
    """Counts of known classes and groups, with scores; empty without labels."""
    if scene.labels is None:
        return []
    names, codes = np.unique(np.asarray(scene.labels, str), return_inverse=True)
    scores = label_scores(scene)
    tiles = page.tiles(
        [
            (
                "rows in the matching cluster",
                f"{scores['clustering_accuracy']:.1%}",
                "best one-to-one map of clusters to classes",
            ),
            ("mutual information", f"{scores['nmi']:.2f}", "0: unrelated, 1: the same"),
        ]
    )
    if len(names) > LABELS:
        return [tiles]
    counts = np.array([np.bincount(scene.groups[codes == i], minlength=scene.n_groups) for i in range(len(names))])
    rows = [
        [shown(name), *(page.bar(str(count), count / line.sum()) if count else "" for count in line[scene.by_size])]
        for name, line in zip(names, counts, strict=True)
    ]
    head = ["class", *(f"{scene.kind} {group}" for group in scene.by_size)]
    return [tiles, page.table(head, rows, "Rows of each class in each group; the classes took no part in training.")]


def label_scores(scene: Scene) -> dict[str, float]:
    """Accuracy under the best map of groups to known classes, NMI and ARI."""
    assert scene.labels is not None
    _, codes = np.unique(np.asarray(scene.labels, str), return_inverse=True)
    scores = metrics.clustering_scores(codes, scene.probs)
    return {name: scores[name] for name in ("clustering_accuracy", "nmi", "ari")}


def shown(cell) -> str:
    """A cell of a table as text: numbers short, long text cut, nothing where there is nothing."""
    if cell is None or cell is pd.NaT or (isinstance(cell, float) and np.isnan(cell)):
        return "–"
    if types.is_number(cell) and not types.is_bool(cell):
        return number(float(cell))
    words = str(cell)
    return words if len(words) <= CELL else words[: CELL - 1] + "…"


def _traits(scene: Scene, group: int) -> list[Trait]:
    if not scene.features:
        return []
    return traits(scene.x, scene.features, (scene.groups == group).astype(float))


def _sheets(scene: Scene, group: int, typical: np.ndarray, pictures: dict[str, bytes]) -> list[Block]:
    assert scene.pixels is not None
    pictures[f"members-{group}"] = figures.sheet(scene.pixels[typical], IMAGES_ACROSS)
    files = ", ".join(str(scene.rows[row]) for row in typical[:3])
    blocks = [page.figure(f"members-{group}", f"Typical members: {files} and others.", pixels=True)]
    if isinstance(scene.samples, np.ndarray):
        drawn = np.array_split(scene.samples, scene.n_groups)[group]
        pictures[f"generated-{group}"] = figures.sheet(drawn, IMAGES_ACROSS)
        blocks.append(page.figure(f"generated-{group}", "Made by the model from this component.", pixels=True))
    return blocks


def _tables(scene: Scene, group: int, typical: np.ndarray) -> list[Block]:
    assert scene.frame is not None
    found = _traits(scene, group)
    if not found:
        return [page.text("No column differs much from its mean over all rows.", "soft")]
    rows = [[t.feature.name, page.bar(t.here, t.effect / STRONG), t.overall] for t in found]
    blocks = [page.table(["column", "here", "all rows"], rows, BARS)]
    columns = [trait.feature.column for trait in found]
    members = [[scene.rows[row], *map(shown, scene.frame.iloc[row][columns])] for row in typical]
    if isinstance(scene.samples, pd.DataFrame):
        n = len(scene.samples) // scene.n_groups
        drawn = scene.samples.iloc[group * n : group * n + SAMPLES_SHOWN]
        members += [["generated", *map(shown, row)] for _, row in drawn[columns].iterrows()]
    return [*blocks, page.table(["row", *columns], members, "Typical rows, and rows made by the model")]

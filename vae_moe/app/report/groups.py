"""Rows in groups, clusters or experts, and the sections about them: sizes, what sets each apart, members, latents."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd
from pandas.api import types

from vae_moe import metrics
from vae_moe.app.features import Feature
from vae_moe.app.report import page, pictures
from vae_moe.app.report.page import Block, Cell
from vae_moe.app.report.traits import STRONG, Trait, number, traits
from vae_moe.plots import drawing

BARS = "Mean here and of all rows; the bar: standard deviations above (blue) or below (orange), full at 2"
CARDS = 30  # groups shown one by one
TYPICAL_ROWS = 4
TYPICAL_IMAGES = 16
IMAGES_ACROSS = 8
SAMPLES_SHOWN = 2  # rows of a table
WORDS = 3  # traits in a group's line
CELL = 40  # characters of a cell
MAP_COLUMNS = 5  # of a row that is hovered over
LABELS = 40  # known classes in a table


@dataclass(frozen=True, eq=False)
class Groups:
    """Rows and the groups that a model puts them in; arrays and tables, no model.

    Attributes:
        kind: what a group is: "cluster" or "expert".
        x: [N, D].
        z: [N, L] latents, or None without.
        probs: [N, K], q(c|x) or the gate's p(c|x).
        rows: N names of the rows: their numbers or files.
        features: D, of a table.
        frame: the table's columns, [N, C].
        pixels: [N, H, W] or [N, H, W, 3] bytes, of images.
        samples: of each component in turn: columns of the table, [K n, C], or pixels [K n, H, W] or [K n, H, W, 3].
        labels: [N] known classes that took no part in training, or None.
    """

    kind: str
    x: np.ndarray
    z: np.ndarray | None
    probs: np.ndarray
    rows: Sequence[str]
    features: Sequence[Feature] = ()
    frame: pd.DataFrame | None = None
    pixels: np.ndarray | None = None
    samples: pd.DataFrame | np.ndarray | None = None
    labels: np.ndarray | None = None

    @property
    def n_groups(self) -> int:
        """K."""
        return self.probs.shape[1]

    @property
    def of_rows(self) -> np.ndarray:
        """The most probable group of each row, [N]."""
        return self.probs.argmax(-1)

    @property
    def counts(self) -> np.ndarray:
        """Rows of each group, [K]."""
        return np.bincount(self.of_rows, minlength=self.n_groups)

    @property
    def by_size(self) -> list[int]:
        """The groups that have rows, the largest first."""
        return [int(group) for group in np.argsort(-self.counts, kind="stable") if self.counts[group]]

    def title(self, group: int) -> Cell:
        """A group's name after its colour in the pictures."""
        return page.dot(f"{self.kind.capitalize()} {group}", drawing.COLOURS[group % len(drawing.COLOURS)])

    def typical(self, group: int, most: int) -> np.ndarray:
        """Row numbers of the members nearest to the group's mean in latent space; without one, the surest."""
        members = np.flatnonzero(self.of_rows == group)
        if self.z is None:
            return members[np.argsort(-self.probs[members, group], kind="stable")[:most]]
        away = np.square(self.z[members] - self.z[members].mean(0)).sum(-1)
        return members[np.argsort(away, kind="stable")[:most]]

    def traits(self, *groups: int) -> list[Trait]:
        """What sets a group, or several together, apart, in the columns of a table."""
        return traits(self.x, self.features, np.isin(self.of_rows, groups).astype(float)) if self.features else []

    def told(self, *groups: int) -> str:
        """The strongest traits of a group, or of several together, in a line."""
        return "; ".join(trait.words for trait in self.traits(*groups)[:WORDS]) or "nothing much"

    @property
    def label_scores(self) -> dict[str, float]:
        """Accuracy under the best map of groups to known classes, NMI and ARI."""
        assert self.labels is not None
        _, codes = np.unique(np.asarray(self.labels, str), return_inverse=True)
        scores = metrics.clustering_scores(codes, self.probs)
        return {name: scores[name] for name in ("clustering_accuracy", "nmi", "ari")}


def overview(groups: Groups, extra: Sequence[str] = (), extra_cells: Sequence[Sequence[str]] = ()) -> list[Block]:
    """One line a group: size, how sure its rows are, and what sets it apart.

    Args:
        groups: of the rows.
        extra: names of further columns.
        extra_cells: their cells, for each of the K groups.
    """
    rows = []
    for group in groups.by_size:
        members = groups.of_rows == group
        share = members.mean()
        row = [groups.title(group), page.bar(f"{members.sum()} ({share:.0%})", share)]
        row += [f"{groups.probs[members, group].mean():.0%}", *(extra_cells[group] if extra_cells else ())]
        rows.append([*row, groups.told(group)] if groups.features else row)
    head = [groups.kind, "rows", "certainty", *extra, *(["what sets it apart"] if groups.features else ())]
    blocks = [page.table(head, rows)]
    if empty := [str(group) for group in range(groups.n_groups) if group not in groups.by_size]:
        blocks.append(page.text(f"Without a row: {groups.kind} {', '.join(empty)}.", "soft"))
    return blocks


def one_by_one(groups: Groups, further: Mapping[int, Sequence[Block]] = MappingProxyType({})) -> list[Block]:
    """A card a group, the largest first; ``further`` blocks by group are put in front."""
    described = _in_columns if groups.pixels is None else _in_images
    return [
        page.cards(
            (groups.title(group), [*further.get(group, ()), *described(groups, group)])
            for group in groups.by_size[:CARDS]
        )
    ]


def latents(groups: Groups) -> list[Block]:
    """z in the plane."""
    if groups.z is None:
        return []
    rows, points = pictures.in_the_plane(groups.z)
    how = ", by t-SNE: near points are alike, distances between groups say little" if groups.z.shape[1] > 2 else ""
    caption = f"{len(rows)} rows in the model's latent space, coloured by {groups.kind}{how}."
    picture = pictures.latent_space(points, groups.of_rows[rows], groups.n_groups, groups.kind)
    return [page.figure("latents", picture, caption, map=_map(groups, rows, points))]


def _map(groups: Groups, rows: np.ndarray, points: np.ndarray) -> dict[str, Any]:
    """What ``map.js`` draws of rows at points [M, 2], with the columns that tell groups apart."""
    strongest = sorted((trait for group in groups.by_size for trait in groups.traits(group)), key=_strength)
    columns = list(dict.fromkeys(trait.feature.column for trait in strongest))[:MAP_COLUMNS]
    frame = pd.DataFrame(index=range(len(groups.rows))) if groups.frame is None else groups.frame[columns]
    if groups.labels is not None:
        columns, frame = (
            ["known class", *columns],
            frame.assign(**{"known class": groups.labels})[["known class", *columns]],
        )
    places = np.round((points - points.min(0)) / np.maximum(np.ptp(points, 0), 1e-9), 4)
    named = groups.rows if groups.pixels is not None else [f"row {name}" for name in groups.rows]
    found = groups.of_rows[rows]
    return {
        "kind": groups.kind,
        "colours": drawing.COLOURS,
        "x": places[:, 0].tolist(),
        "y": places[:, 1].tolist(),
        "group": found.tolist(),
        "sure": [f"{share:.0%}" for share in groups.probs[rows, found]],
        "rows": [named[row] for row in rows],
        "columns": columns,
        "cells": [list(map(shown, cells)) for cells in frame.iloc[rows].astype(object).to_numpy()],
    }


def _strength(trait: Trait) -> float:
    return -abs(trait.effect)


def against_labels(groups: Groups) -> list[Block]:
    """Counts of known classes and groups, with scores; empty without labels."""
    if groups.labels is None:
        return []
    scores = groups.label_scores
    accuracy, best = f"{scores['clustering_accuracy']:.1%}", "best one-to-one map of clusters to classes"
    mutual = ("mutual information", f"{scores['nmi']:.2f}", "0: unrelated, 1: the same")
    tiles = page.tiles([("rows in the matching cluster", accuracy, best), mutual])
    counts = pd.crosstab(np.asarray(groups.labels, str), groups.of_rows)  # of the groups that have rows
    if len(counts) > LABELS:
        return [tiles]
    rows = [
        [shown(name), *(page.bar(str(count), count / line.sum()) if count else "" for count in line[groups.by_size])]
        for name, line in counts.iterrows()
    ]
    head = ["class", *(f"{groups.kind} {group}" for group in groups.by_size)]
    return [tiles, page.table(head, rows, "Rows of each class in each group; the classes took no part in training.")]


def shown(cell) -> str:
    """A cell of a table as text: numbers short, long text cut, nothing where there is nothing."""
    if cell is None or cell is pd.NaT or (isinstance(cell, float) and np.isnan(cell)):
        return "–"
    if types.is_number(cell) and not types.is_bool(cell):
        return number(float(cell))
    words = str(cell)
    return words if len(words) <= CELL else words[: CELL - 1] + "…"


def _in_images(groups: Groups, group: int) -> list[Block]:
    """A group of images: typical members, and what the model makes."""
    assert groups.pixels is not None
    typical = groups.typical(group, TYPICAL_IMAGES)
    files = ", ".join(str(groups.rows[row]) for row in typical[:3])
    sheets = {"members": (groups.pixels[typical], f"Typical members: {files} and others.")}
    if isinstance(groups.samples, np.ndarray):
        drawn = np.array_split(groups.samples, groups.n_groups)[group]
        sheets["generated"] = (drawn, "Made by the model from this component.")
    return [
        page.figure(f"{name}-{group}", pictures.sheet(images, IMAGES_ACROSS), caption, pixels=True)
        for name, (images, caption) in sheets.items()
    ]


def _in_columns(groups: Groups, group: int) -> list[Block]:
    """A group of a table's rows: what sets it apart, typical members, and what the model makes."""
    assert groups.frame is not None
    found = groups.traits(group)
    if not found:
        return [page.text("No column differs much from its mean over all rows.", "soft")]
    rows = [[trait.feature.name, page.bar(trait.here, trait.effect / STRONG), trait.overall] for trait in found]
    columns = [trait.feature.column for trait in found]
    typical = groups.typical(group, TYPICAL_ROWS)
    members = [[groups.rows[row], *map(shown, groups.frame.iloc[row][columns])] for row in typical]
    if isinstance(groups.samples, pd.DataFrame):
        n = len(groups.samples) // groups.n_groups
        drawn = groups.samples.iloc[group * n : group * n + SAMPLES_SHOWN]
        members += [["generated", *map(shown, row)] for _, row in drawn[columns].iterrows()]
    return [
        page.table(["column", "here", "all rows"], rows, BARS),
        page.table(["row", *columns], members, "Typical rows, and rows made by the model"),
    ]

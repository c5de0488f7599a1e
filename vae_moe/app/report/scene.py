"""What a report looks at: rows, their groups, and what a model makes of them; arrays and tables, no model."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from vae_moe.app.report.page import Cell, dot
from vae_moe.data.preparation import Feature
from vae_moe.plots import drawing


@dataclass(frozen=True, eq=False)
class Scene:
    """Rows as a model sees them.

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
    def groups(self) -> np.ndarray:
        """The most probable group of each row, [N]."""
        return self.probs.argmax(-1)

    @property
    def by_size(self) -> list[int]:
        """The groups that have rows, the largest first."""
        counts = np.bincount(self.groups, minlength=self.n_groups)
        return [int(group) for group in np.argsort(-counts, kind="stable") if counts[group]]

    def title(self, group: int) -> Cell:
        """A group's name after its colour in the pictures."""
        return dot(f"{self.kind.capitalize()} {group}", drawing.COLOURS[group % len(drawing.COLOURS)])

    def typical(self, group: int, most: int) -> np.ndarray:
        """Row numbers of the members nearest to the group's mean in latent space; without one, the surest."""
        members = np.flatnonzero(self.groups == group)
        if self.z is None:
            return members[np.argsort(-self.probs[members, group], kind="stable")[:most]]
        away = np.square(self.z[members] - self.z[members].mean(0)).sum(-1)
        return members[np.argsort(away, kind="stable")[:most]]

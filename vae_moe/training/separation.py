"""Are there groups of rows at all? Their neighbour graph beside those of tables alike in all but groups."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy.sparse
import scipy.sparse.linalg
from scipy.sparse.csgraph import connected_components
from scipy.stats import norm, rankdata
from sklearn.isotonic import isotonic_regression

from vae_moe.training.graphs import adjacency, filled, nearest_neighbors

#: Numbers of groups that are looked for, rows that are looked at, at most, and tables that they are compared with.
GROUPS, MOST_ROWS, TABLES = np.arange(2, 11), 1_000, 20
#: Rows a group, at least, for so many to be looked for.
ROWS_A_GROUP = 10
#: Share of the rows that a group has at least; smaller unconnected parts are left out.
LEAST_PART = 0.05
#: Cuts smaller than this are as good as none; spread of logarithms of cuts, besides that among the tables.
NO_CUT, SPREAD = 0.003, 0.02
#: Standard deviations from which on groups are likely, and from which on they are clear: of 360 tables of noise, of 18
#: kinds, the most had 4.1, and scikit-learn's iris, wine, breast cancer and digits have 6.5 and more.
LIKELY, CLEAR = 4.5, 6.0
#: Cells of a column's histogram at most, those of the greatest density being tried for its mode.
CELLS, MODES = 60, 10


@dataclass(frozen=True, eq=False)
class Separation:
    """How the rows of a table part into groups.

    Attributes:
        n_groups: the number at which they do most clearly.
        cut: share of the links between neighbours that have to be cut to part them so, at least.
        without: that of each of the tables without groups, [TABLES].
        excess: how much less it is, in standard deviations of its logarithm among those tables.
    """

    n_groups: int
    cut: float
    without: np.ndarray
    excess: float

    @property
    def word(self) -> str:
        """What it comes to."""
        return "none told" if self.excess < LIKELY else "likely" if self.excess < CLEAR else "clear"

    @property
    def figures(self) -> dict[str, float | list[float]]:
        """The figures for records."""
        without = [float(self.without.min()), float(self.without.max())]
        return {"groups_beyond_chance": self.excess, "links_cut": self.cut, "links_cut_without_groups": without}


def separation(x: np.ndarray, blocks: Sequence[Sequence[int]] = (), *, seed: int = 0) -> Separation | None:
    """Compare the groups of rows with what tables without groups have by chance.

    The share of links that have to be cut is the mean of the least eigenvalues of the graph's normalised Laplacian, a
    bound of the normalised cut (von Luxburg, "A tutorial on spectral clustering", 2007). The other tables have each
    column's values, as the nearest distribution of one mode has them, and the columns' correlations of ranks (a
    Gaussian copula).

    Args:
        x: [N, D], NaN in gaps, which are filled from the nearest rows.
        blocks: columns that belong together, as those of one category do: their rows are drawn as they are.
        seed: of the rows looked at and of the other tables.

    Returns:
        What was found; None of fewer than ``ROWS_A_GROUP`` rows a group.
    """
    rng = np.random.default_rng(seed)
    x = np.reshape(x, (len(x), -1)).astype(float)
    if len(x) > MOST_ROWS:
        x = x[np.sort(rng.choice(len(x), MOST_ROWS, replace=False))]
    groups = GROUPS[len(x) >= GROUPS * ROWS_A_GROUP]
    if not len(groups) or not x.size:
        return None
    x = filled(x, seed=seed)
    draw = _Ungrouped(x, blocks, rng).draw
    cuts = np.stack([_cuts(x), *(_cuts(draw()) for _ in range(TABLES))])[:, : len(groups)]  # [1 + TABLES, groups]
    logs = np.log(cuts + NO_CUT)
    excess = (logs[1:].mean(0) - logs[0]) / (logs[1:].std(0) + SPREAD)
    best = int(excess.argmax())
    return Separation(int(GROUPS[best]), float(cuts[0, best]), cuts[1:, best], float(excess[best]))


def _cuts(x: np.ndarray) -> np.ndarray:
    """The share of links that are cut, at least, between so many groups of rows, [groups]."""
    graph = adjacency(nearest_neighbors(x))
    _, parts = connected_components(graph)
    sizes = np.bincount(parts)
    kept = sizes[parts] >= min(LEAST_PART * len(x), sizes.max())
    graph = graph[kept][:, kept]
    scale = scipy.sparse.diags_array(np.maximum(graph.sum(1), 1e-9) ** -0.5)
    n_wanted = min(int(GROUPS[-1]), graph.shape[0] - 1)
    found = scipy.sparse.linalg.eigsh(
        scale @ graph @ scale, n_wanted, which="LA", return_eigenvectors=False, v0=np.ones(graph.shape[0])
    )
    least = np.maximum(np.sort(1 - found)[1:], 0)
    least = np.pad(least, (0, len(GROUPS) - len(least)), mode="edge")
    return np.cumsum(least) / (GROUPS - 1)


class _Ungrouped:
    """Tables with the columns of another, without groups.

    Args:
        x: [N, D].
        blocks: as of :func:`separation`.
        rng: of what is drawn.
    """

    def __init__(self, x: np.ndarray, blocks: Sequence[Sequence[int]], rng: np.random.Generator):
        self.x, self.blocks, self.rng = x, blocks, rng
        self.single = np.setdiff1d(np.arange(x.shape[1]), [column for block in blocks for column in block])
        alone = x[:, self.single]
        self.scores = norm.ppf((rankdata(alone, axis=0) - 0.5) / len(x)) / np.sqrt(len(x))  # [N, singles]
        self.values = np.stack([_unimodal(column) for column in alone.T], 1) if alone.size else alone

    def draw(self) -> np.ndarray:
        """Draw a table [N, D]."""
        n_rows, made = len(self.x), np.empty_like(self.x)
        latent = self.rng.standard_normal((n_rows, n_rows)) @ self.scores
        made[:, self.single] = np.take_along_axis(self.values, latent.argsort(0).argsort(0), 0)
        for block in self.blocks:
            made[:, block] = self.x[self.rng.permutation(n_rows)][:, block]
        return made


def _unimodal(values: np.ndarray) -> np.ndarray:
    """Return N ascending values of the distribution of one mode that is nearest to that of some [N].

    It is the histogram whose density rises to a cell and falls from it on, by isotonic regression, that is nearest in
    its distribution function.
    """
    distinct, counts = np.unique(values, return_counts=True)
    n_rows, whole = len(values), len(distinct) <= min(CELLS, len(values) / 2)
    if len(distinct) <= 2:
        return np.sort(values)
    edges = np.unique(np.quantile(values, np.linspace(0, 1, min(n_rows, CELLS) + 1)))
    mass = counts / n_rows if whole else np.histogram(values, edges)[0] / n_rows  # [M], of values or of cells
    width = np.ones(len(mass)) if whole else np.diff(edges)
    nearest, least = mass, np.inf
    for mode in np.argsort(-mass / width)[:MODES]:
        rising = isotonic_regression((mass / width)[: mode + 1], sample_weight=width[: mode + 1])
        falling = isotonic_regression((mass / width)[mode:], sample_weight=width[mode:], increasing=False)
        made = width * np.concatenate([rising[:-1], [max(rising[-1], falling[0])], falling[1:]])
        distance = np.abs(np.cumsum(made / made.sum()) - np.cumsum(mass)).max()
        if distance < least:
            nearest, least = made / made.sum(), distance
    levels, below = (np.arange(n_rows) + 0.5) / n_rows, np.cumsum(nearest)
    if whole:
        return distinct[np.minimum(np.searchsorted(below, levels), len(distinct) - 1)]
    return np.interp(levels, np.concatenate([[0], below]), edges)

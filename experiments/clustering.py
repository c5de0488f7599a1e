"""Clustering over seeds, without labels: ``python -m experiments.clustering``.

Presets of VaDE and DMVAE beside what scikit-learn offers, on the test set: mean and standard deviation over seeds, the
worst, and the runs that a user without labels would keep: that of lowest validation loss, and that whose clusters
agree most with the other seeds'. Every cell is one record under ``results/clustering/``: a finished one is not run
again. Training sees no labels, but the recipes were chosen with them, by seeds 0 to 2: the table is of seeds 5 to 9,
which no choice has seen, where they have records. ``--components 5 8 10`` asks how many components there are: the
bound on validation data, and how alike the clusterings of the seeds are.
"""

import sys
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

from experiments import baselines, grids, recipes

FOLDER = Path("results/clustering")
DATASETS = ("mnist", "digits", "spiral")
BASELINES = {
    "k-means": "KMeans",
    "gmm": "GaussianMixture, diagonal",
    "gmm-pca": "GaussianMixture on PCA",
    "spectral": "SpectralClustering of 5000 rows",
}
MODELS = {model: recipes.TITLES[model] for model in recipes.CLUSTERINGS}
#: Data whose test rows are the same for all seeds, so that their clusters can be compared, of so many seeds at least.
ONE_TEST_SET, LEAST_TO_AGREE = ("mnist",), 3
#: Presets of the table by data set and model, where they are more than "default".
PRESETS = {("mnist", "dmvae"): ("default", "augment", "scratch")}
#: Accuracy in % on MNIST as published, K = 10; most are means over seeds, VaDE's is the best of ten runs. Those "of
#: 70000" are fitted to the rows they are scored on, test images too, which ours never see.
PUBLISHED = {
    "VaDE, best of 10 (Jiang et al. 2017)": 94.46,
    "DEC (Xie et al. 2016)": 84.3,
    "MFCVAE (Falck et al. 2021)": 92.0,
    "MoE-Sim-VAE (Kopf et al. 2021)": 97.5,
    "IMSAT (Hu et al. 2017)": 98.4,
    "IIC, augmented (Ji et al. 2019)": 98.4,
    "ADC, augmented (Haeusser et al. 2018)": 98.7,
    "N2D, of 70000 (McConville et al. 2021)": 97.9,
    "DynAE, augmented, of 70000 (Mrabah et al. 2020)": 98.7,
    "ASPC-DA, augmented, of 70000 (Guo et al. 2020)": 98.8,
    "SPC, 15 autoencoders, of 70000 (Mahon and Lukasiewicz 2021)": 99.2,
}
#: Seeds no choice has seen (docs/design.md, what chose what).
FRESH = range(5, 10)
#: A component of a test row as one character of the record.
_CODES = "0123456789abcdefghijklmnopqrstuvwxyz"


@dataclass(frozen=True)
class Cell:
    """One clustering.

    Attributes:
        dataset: of ``DATASETS``.
        method: of ``MODELS`` or ``BASELINES``.
        seed: of data and method.
        preset: of a model; None of a baseline.
        components: K; None: as many as there are classes.
    """

    dataset: str
    method: str
    seed: int
    preset: str | None = None
    components: int | None = None

    @property
    def name(self) -> str:
        """Of its record."""
        parts = [self.dataset, self.method, self.preset, self.components, f"seed{self.seed}"]
        return "-".join(str(part) for part in parts if part is not None)


def measure(cell: Cell, cache: Path, quick: bool = False) -> dict[str, Any]:
    """Cluster and score: the figures of a run, and the component of each test row, a character each.

    Args:
        cell: which.
        cache: folder of the warm starts, which cells share.
        quick: few rows, short training: to see that it runs.
    """
    data_seed = cell.seed if cell.components is None else 0  # numbers of components are compared on the same rows
    dataset = grids.load(cell.dataset, quick, data_seed)
    if cell.method in MODELS:
        assert cell.preset is not None
        name = f"{cell.dataset}-{cell.method}"
        recipe = recipes.get(name, cell.preset, seed=cell.seed, n_components=cell.components)
        figures, trained = grids.network(recipe, dataset, cache, quick)
        clusters = trained.model.cluster(dataset.test.x)
    else:
        n_components = cell.components or dataset.n_classes
        figures, clusters = baselines.clustering(cell.method, dataset, n_components, cell.seed)
        figures |= {"protocol": dataset.protocol, "n_components": n_components}
    return {**figures, "clusters": "".join(map(_CODES.__getitem__, clusters))}


def title(record: dict[str, Any]) -> str:
    """What a record's method is called."""
    if record["method"] in BASELINES:
        return BASELINES[record["method"]]
    return f"{MODELS[record['method']]}, {record['preset']}"


def groups(records: grids.Records) -> dict[tuple[str, str], grids.Records]:
    """Records by data set and method, models first, seeds in order."""
    order = [*MODELS, *BASELINES]
    found: dict[tuple[str, str], grids.Records] = {}
    for record in sorted(records, key=lambda r: (DATASETS.index(r["dataset"]), order.index(r["method"]), r["seed"])):
        found.setdefault((record["dataset"], title(record)), []).append(record)
    return found


def headline(records: grids.Records) -> grids.Records:
    """Of each method on a data set the records of fresh seeds; all of them where there are none yet."""
    shown: grids.Records = []
    for group in groups(records).values():
        shown += [record for record in group if record["seed"] in FRESH] or group
    return shown


def _caption(records: grids.Records) -> str:
    """What a table is of, and which of its rows contain seeds that chose their recipes."""
    stale = [
        f"{name} on {dataset}"
        for (dataset, name), group in groups(records).items()
        if group[0]["method"] in MODELS and not all(record["seed"] in FRESH for record in group)
    ]
    caption = (
        f"Accuracy over one-to-one maps of components to classes on the test set; {grids.CHOSEN}, seeds {FRESH[0]} to "
        f"{FRESH[-1]} were used in no choice"
    )
    if not stale:
        return caption
    return f"{caption}; these rows are not of them yet, and flatter: {', '.join(stale)}"


def table(records: grids.Records) -> str:
    """A Markdown table: a row a data set and method, of fresh seeds; MNIST's published figures below."""
    records = headline(records)
    names = ["data", "method", "accuracy, %", "worst", "of lowest loss", "most agreed with", "NMI", "minutes", "seeds"]
    lines = []
    for (dataset, name), group in groups(records).items():
        accuracies = [100 * record["clustering_accuracy"] for record in group]
        with_loss = [record for record in group if "val_loss" in record]
        chosen = min(with_loss, key=lambda record: record["val_loss"]) if with_loss else None
        cells = [
            dataset,
            name,
            grids.spread(accuracies, 2),
            f"{min(accuracies):.2f}",
            f"{100 * chosen['clustering_accuracy']:.2f}" if chosen else "",
            _most_agreed_with(group),
            grids.spread([record["nmi"] for record in group], 3),
            grids.spread([(record["seconds"] + record.get("shared_seconds", 0)) / 60 for record in group], 1),
            ", ".join(str(record["seed"]) for record in group),
        ]
        lines.append(cells)
    for name, accuracy in _published(records).items():
        lines.append(["mnist", f"published: {name}", f"{accuracy:g}", *[""] * 6])
    note = grids.footnote(records, _caption(records), "")
    return grids.markdown(names, lines, note)


def _most_agreed_with(group: grids.Records) -> str:
    """Accuracy of the run whose clusters agree most with those of the other seeds, which needs no labels either."""
    from vae_moe import metrics

    if group[0]["dataset"] not in ONE_TEST_SET or len(group) < LEAST_TO_AGREE:
        return ""
    agreed = metrics.agreement([list(record["clusters"]) for record in group])
    return f"{100 * group[agreed.argmax()]['clustering_accuracy']:.2f}"


def _published(records: grids.Records) -> dict[str, float]:
    """What others report, where there are records of MNIST to compare it with."""
    return PUBLISHED if any(record["dataset"] == "mnist" for record in records) else {}


def picture(records: grids.Records):
    """Accuracy of every seed, a panel a data set: a matplotlib Figure."""
    from vae_moe.plots import score_plots

    panels: dict[str, dict[str, list[float]]] = {}
    for (dataset, name), group in groups(headline(records)).items():
        panels.setdefault(dataset, {})[name] = [100 * record["clustering_accuracy"] for record in group]
    marks = {f"published: {name}": accuracy for name, accuracy in _published(records).items()}
    return score_plots.dots(panels, marks, x_name="clustering accuracy, %", best=100)


def stability(group: grids.Records) -> list[float]:
    """How alike the clusterings of the seeds are: the adjusted Rand index of each pair, on the same test rows."""
    from sklearn.metrics import adjusted_rand_score

    return [adjusted_rand_score(list(a["clusters"]), list(b["clusters"])) for a, b in combinations(group, 2)]


def _by_components(records: grids.Records) -> dict[tuple[str, str, int], grids.Records]:
    found: dict[tuple[str, str, int], grids.Records] = {}
    for (dataset, name), group in groups(records).items():
        for k in sorted({record["n_components"] for record in group}):
            found[dataset, name, k] = [record for record in group if record["n_components"] == k]
    return found


def components_table(records: grids.Records) -> str:
    """A Markdown table: a row a number of components; the first two figures need no labels."""
    names = ["data", "method", "K", "bound, nats", "stability", "used", "accuracy, %", "many-to-one, %", "NMI", "seeds"]
    lines = []
    for (dataset, name, k), group in _by_components(records).items():
        cells = [
            dataset,
            name,
            str(k),
            grids.spread([-record["val_loss"] for record in group], 2),
            grids.spread(stability(group), 3),
            grids.spread([record["components_used"] for record in group], 1),
            grids.spread([100 * record["clustering_accuracy"] for record in group], 2),
            grids.spread([100 * record["many_to_one_accuracy"] for record in group], 2),
            grids.spread([record["nmi"] for record in group], 3),
            ", ".join(str(record["seed"]) for record in group),
        ]
        lines.append(cells)
    what = "The bound is that of validation rows, stability the adjusted Rand index between seeds on the test rows"
    return grids.markdown(names, lines, grids.footnote(records, what, ""))


def components_picture(records: grids.Records):
    """The label-free criteria and the accuracy against K: a matplotlib Figure."""
    from vae_moe.plots import score_plots

    panels: dict[str, dict[str, dict[float, list[float]]]] = {}
    for (dataset, name, k), group in _by_components(records).items():
        curve = f"{name} on {dataset}"
        for panel, values in (
            ("bound of validation rows, nats", [-record["val_loss"] for record in group]),
            ("stability between seeds, ARI", stability(group)),
            ("many-to-one accuracy, %", [100 * record["many_to_one_accuracy"] for record in group]),
        ):
            panels.setdefault(panel, {}).setdefault(curve, {})[k] = values
    return score_plots.bands(panels, x_name="components K")


GRID = grids.Grid(
    "Clustering over seeds",
    FOLDER,
    measure,
    lambda record: f"accuracy {100 * record['clustering_accuracy']:.2f} %",
    table,
    picture,
    timed=True,
)
COMPONENTS_GRID = grids.Grid(
    "How many components",
    FOLDER / "components",
    measure,
    GRID.shown,
    components_table,
    components_picture,
    timed=True,
)


def _presets(dataset: str, method: str, options) -> tuple[str | None, ...]:
    if method not in MODELS:
        return (None,)
    table = PRESETS.get((dataset, method), ("default",)) if not options.components else ("default",)
    return tuple(options.presets or table)


def main(arguments: list[str] | None = None) -> int:
    """The command line. Returns the exit code."""
    parser = grids.parser("experiments.clustering", GRID, (*MODELS, *BASELINES))
    parser.set_defaults(seeds=list(FRESH))
    parser.add_argument("--data", nargs="+", choices=DATASETS, default=list(DATASETS), help="default: all")
    parser.add_argument("--presets", nargs="+", choices=recipes.PRESETS, help="default: those of the table")
    parser.add_argument("--components", type=int, nargs="+", help="numbers of components to compare")
    options = parser.parse_args(arguments)
    grid, folder, numbers = GRID, options.folder, [None]
    if options.components:
        if max(options.components) > len(_CODES) or min(options.components) < 2:
            parser.error(f"components must be from 2 to {len(_CODES)}, got {options.components}.")
        grid, folder, numbers = COMPONENTS_GRID, folder / "components", options.components
    wanted = [
        Cell(dataset, method, seed, preset, k)
        for dataset in options.data
        for seed in options.seeds
        for k in numbers
        for method in options.methods
        for preset in _presets(dataset, method, options)
        if method in MODELS or not options.components
    ]
    return grids.run(grid, wanted, folder, options.quick, options.jobs)


if __name__ == "__main__":
    sys.exit(main())

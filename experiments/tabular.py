"""Small tables with default settings: ``python -m experiments.tabular``.

Every estimator as it comes, on scikit-learn's diabetes and Friedman's first function (regression), breast cancer and
wine (classification), by 5-fold cross-validation: mean and standard deviation over the folds. The question is whether a
mixture of experts is ever worse than the linear model it contains. Every cell is one record under ``results/tabular/``:
a finished one is not run again.
"""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from experiments import grids, recipes

FOLDER = Path("results/tabular")
N_FOLDS, QUICK_FOLDS = 5, 2
#: Data sets by their key: what their scores are.
DATASETS = {
    "diabetes": "diabetes, RMSE",
    "friedman1": "friedman1, RMSE",
    "breast_cancer": "breast cancer, error in %",
    "wine": "wine, error in %",
}
CLASSIFICATIONS = ("breast_cancer", "wine")
#: Rows by their key: what they are called.
METHODS = {
    **{model: recipes.TITLES[model] for model in recipes.EXPERTS},
    "gmm-em": "GMM-EM",
    "softmax-em": "softmax-EM",
    "linear": "linear",
    "forest": "RandomForest",
    "boosting": "HistGradientBoosting",
    "mlp": "MLP",
}


@dataclass(frozen=True)
class Cell:
    """One method on one data set; the seed draws the folds, Friedman's rows and the method's own numbers."""

    dataset: str
    method: str
    seed: int

    @property
    def name(self) -> str:
        """Of its record."""
        return f"{self.dataset}-{self.method}-seed{self.seed}"


def load(dataset: str, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """X [N, D] and y [N] of a data set."""
    from sklearn import datasets

    if dataset == "friedman1":
        return datasets.make_friedman1(random_state=seed)
    return getattr(datasets, f"load_{dataset}")(return_X_y=True)


def estimator(method: str, classification: bool, seed: int) -> Any:
    """A method as it comes; what depends on the scale of the columns, or of y, and scales neither gets them scaled."""
    from sklearn import ensemble, linear_model, neural_network
    from sklearn.compose import TransformedTargetRegressor
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    from vae_moe import em, estimators

    task = "Classifier" if classification else "Regressor"
    made: dict[str, Callable[[], Any]] = {
        "dvmoe": lambda: getattr(estimators, f"DVMoE{task}")(random_state=seed),
        "vademoe": lambda: getattr(estimators, f"VaDEMoE{task}")(random_state=seed),
        "deepmoe": lambda: getattr(estimators, f"DeepMoE{task}")(random_state=seed),
        "gmm-em": lambda: getattr(em, f"GMMGated{task}")(random_state=seed),
        "softmax-em": lambda: getattr(em, f"SoftmaxGated{task}")(random_state=seed),
        "linear": lambda: linear_model.LogisticRegression() if classification else linear_model.LinearRegression(),
        "forest": lambda: getattr(ensemble, f"RandomForest{task}")(random_state=seed),
        "boosting": lambda: getattr(ensemble, f"HistGradientBoosting{task}")(random_state=seed),
        "mlp": lambda: getattr(neural_network, f"MLP{task}")(random_state=seed),
    }
    model = made[method]()
    if method == "mlp" and not classification:
        model = TransformedTargetRegressor(model, transformer=StandardScaler())
    return make_pipeline(StandardScaler(), model) if method in ("gmm-em", "softmax-em", "linear", "mlp") else model


def measure(cell: Cell, cache: Path, quick: bool = False) -> dict[str, Any]:
    """Cross-validate a cell's method: ``scores``, one a fold, and their mean, ``score``.

    Args:
        cell: which.
        cache: of warm starts; not used.
        quick: two folds in place of five.
    """
    import warnings

    from sklearn.exceptions import ConvergenceWarning
    from sklearn.model_selection import KFold, StratifiedKFold, cross_val_score

    X, y = load(cell.dataset, cell.seed)
    classification = cell.dataset in CLASSIFICATIONS
    folds = (StratifiedKFold if classification else KFold)(
        QUICK_FOLDS if quick else N_FOLDS, shuffle=True, random_state=cell.seed
    )
    model = estimator(cell.method, classification, cell.seed)
    scoring = "accuracy" if classification else "neg_root_mean_squared_error"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # as it comes
        found = cross_val_score(model, X, y, cv=folds, scoring=scoring, error_score="raise")
    scores = 100 * (1 - found) if classification else -found
    return {"scores": scores.tolist(), "score": float(scores.mean()), "estimator": str(model), "rows": len(X)}


def scores(records: grids.Records, dataset: str, method: str) -> list[float]:
    """The scores of a method on a data set, of each seed and fold."""
    found = [r for r in records if r["dataset"] == dataset and r["method"] == method]
    return [score for record in sorted(found, key=lambda record: record["seed"]) for score in record["scores"]]


def behind_linear(records: grids.Records, method: str) -> float | None:
    """By how many % a method is worse than the linear model where it is worst: of RMSE, or of accuracy."""
    losses = []
    for dataset in DATASETS:
        own, linear = (scores(records, dataset, name) for name in (method, "linear"))
        if own and linear:
            mean, reference = np.mean(own), np.mean(linear)
            classification = dataset in CLASSIFICATIONS
            loss = (mean - reference) / (100 - reference) if classification else mean / reference - 1
            losses.append(100 * float(loss))
    return max(losses) if losses else None


def table(records: grids.Records) -> str:
    """A Markdown table: a row a method, a column a data set, and how far the method is behind the linear model."""
    methods = [method for method in METHODS if any(record["method"] == method for record in records)]
    datasets = [dataset for dataset in DATASETS if any(record["dataset"] == dataset for record in records)]
    columns = [grids.row([scores(records, dataset, method) for method in methods]) for dataset in datasets]
    behind = [behind_linear(records, method) for method in methods]
    lines = [
        [METHODS[method], *cells, "" if loss is None else f"{loss:+.1f}"]
        for method, *cells, loss in zip(methods, *columns, behind, strict=True)
    ]
    names = ["method", *(DATASETS[dataset] for dataset in datasets), "worst behind linear, %"]
    what = (
        "Scores on held-out rows, mean ± standard deviation over the folds, the least of a column in bold; by how much "
        "a method is behind the linear model (least squares, logistic regression) where it is most, of RMSE or accuracy"
    )
    return grids.markdown(names, lines, grids.footnote(records, what, ""))


def picture(records: grids.Records):
    """The score of every fold, a panel a data set: a matplotlib Figure."""
    from vae_moe.plots import score_plots

    panels: dict[str, dict[str, list[float]]] = {}
    for dataset, title in DATASETS.items():
        found = {name: scores(records, dataset, method) for method, name in METHODS.items()}
        if any(found.values()):
            panels[title] = {name: values for name, values in found.items() if values}
    return score_plots.dots(panels, {}, x_name="on each fold")


GRID = grids.Grid(
    "Small tables, default settings",
    FOLDER,
    measure,
    lambda record: f"{record['score']:.3g}",
    table,
    picture,
)


def main(arguments: list[str] | None = None) -> int:
    """The command line. Returns the exit code."""
    parser = grids.parser("experiments.tabular", GRID, tuple(METHODS))
    parser.set_defaults(seeds=[0])
    parser.add_argument("--datasets", nargs="+", choices=list(DATASETS), default=list(DATASETS))
    options = parser.parse_args(arguments)
    wanted = [
        Cell(dataset, method, seed)
        for seed in options.seeds
        for dataset in options.datasets
        for method in options.methods
    ]
    return grids.run(GRID, wanted, options.folder, options.quick, options.jobs)


if __name__ == "__main__":
    sys.exit(main())

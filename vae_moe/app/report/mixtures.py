"""What was found of a mixture of experts: held-out scores beside a linear model, and what each expert does."""

import numpy as np
from sklearn.impute import SimpleImputer
from sklearn.inspection import permutation_importance
from sklearn.linear_model import LogisticRegression, RidgeCV
from sklearn.pipeline import make_pipeline

from vae_moe.app import inputs
from vae_moe.app.report import coefficients, groups, page
from vae_moe.app.report import findings as shared
from vae_moe.app.report.findings import Findings
from vae_moe.app.report.groups import Groups
from vae_moe.app.report.held_out import HeldOut
from vae_moe.app.report.page import Block
from vae_moe.app.report.scores import coverage
from vae_moe.app.report.traits import number
from vae_moe.app.targets import Target
from vae_moe.app.trained import Trained
from vae_moe.engine import threads
from vae_moe.estimators.intervals import Predictive

#: What a user of the command can do about experts that predict badly.
CURE = "ask for fewer --experts, --drop columns that say nothing of the target, give more rows, or take a linear model"
RIDGES = tuple(10.0**power for power in range(-3, 4))
ITERATIONS = 1000  # of logistic regression
TARGETS_SHOWN = 3
COLUMNS_SHOWN, MOST_COLUMNS = 30, 100  # whose importance is told, and looked at
MOST_SHUFFLED, SHUFFLES = 500, 3
MOST_FEATURES = 5000  # of which coefficients are looked at


class Linear:
    """The linear model beside the experts: ridge regression or logistic regression on the same x.

    Args:
        x: [N, D].
        y: [N, O], or [N] texts.
        task: "regression" or "classification".
        class_weight: of a classification, as scikit-learn has it.
    """

    def __init__(self, x: np.ndarray, y: np.ndarray, task: str, class_weight: str | None = None):
        self.task = task
        logistic = LogisticRegression(max_iter=ITERATIONS, class_weight=class_weight)
        linear = RidgeCV(RIDGES) if task == "regression" else logistic
        model = make_pipeline(SimpleImputer(keep_empty_features=True), linear)  # gaps become means
        with threads.one_if(threads.few_moments(*x.shape)):
            self.model = model.fit(x, y)

    def predict(self, x: np.ndarray) -> np.ndarray:
        """[N, O], or class probabilities [N, C], the classes in alphabetical order."""
        return self.model.predict(x).reshape(len(x), -1) if self.task == "regression" else self.model.predict_proba(x)


def findings(trained: Trained, target: Target) -> Findings:
    """Figures, lines and page of a mixture of experts.

    Args:
        trained: on the rows that have a target and were not held out.
        target: of all rows.
    """
    test = trained.held_out
    assert test is not None  # of a mixture of experts
    train = np.setdiff1d(np.flatnonzero(target.known), test)
    grouped = shared.grouped(trained, "expert", trained.estimator.gate_proba(trained.rows))
    linear = Linear(trained.x[train], target.y[train], target.task, trained.config.get("class_weight"))
    held_out = _held_out(trained, target, train, test, linear, grouped)
    compared, verdict = held_out.verdict()
    scores, blocks = held_out.scored()
    signs = shared.examined(trained)
    troubles = {name: f"{words}: {CURE}" for name, words in held_out.troubles(compared).items()}
    score, linear_score, what = _first_score(scores, target)
    names, notes = ", ".join(target.names), _notes(target)
    notes = [*filter(None, [trained.config.get("held_out")]), *notes]
    return shared.gather(
        trained,
        grouped,
        signs,
        troubles | shared.troubles_of(trained, signs),
        len(train),
        title=f"{names} in {trained.config['dataset']}",
        subtitle=f"{target.task.capitalize()} by {_counted(grouped.n_groups)},",
        use=("predictions.csv", f"the predicted {names} of each new row, and its expert"),
        tiles=[
            (f"{what} on held-out rows", score, ""),
            ("of a linear model", linear_score, "on the same rows"),
            ("rows", f"{len(train):,}", f"to train, {len(test):,} held out"),
            ("experts with rows", str(len(grouped.by_size)), f"of {grouped.n_groups}"),
        ],
        first=([verdict], [page.text(note, "soft") for note in notes]),
        sections={
            "Held-out rows": blocks,
            "Which columns matter": _importance(trained, target, test),
            "How many experts": _number(trained.estimator.untold_),
            "Which expert has which rows": groups.overview(grouped, *_by_expert(target, grouped)),
            "Expert by expert": groups.one_by_one(grouped, _coefficients(trained, held_out, linear, grouped)),
        },
        metrics={
            "task": target.task,
            "n_experts": grouped.n_groups,
            "experts_used": len(grouped.by_size),
            "n_train": len(train),
            "n_held_out": len(test),
            **scores,
            "gain_over_linear": compared.gain,
            "gain_over_linear_95": [compared.low, compared.high],
        },
        summary=[
            _counted(grouped.n_groups) + (", as many as rows held out ask for" if trained.estimator.untold_ else ""),
            f"held-out {what}: {score}; of a linear model: {linear_score}",
            verdict["text"],
            *notes,
        ],
    )


def _held_out(
    trained: Trained, target: Target, train: np.ndarray, test: np.ndarray, linear: Linear, grouped: Groups
) -> HeldOut:
    X, x, y = inputs.rows_at(trained.rows, test), trained.x[test], target.y[test]
    estimator = trained.estimator
    if target.task == "regression":
        predicted = np.asarray(estimator.predict(X)).reshape(len(x), -1)
        trivial = target.y[train].mean(0)
        covered = coverage(Predictive.of(estimator, X).cdf(y)[:, 0], estimator.ranks_[:, 0])
        of_rows = grouped.of_rows[test]
        return HeldOut(target.names, y, predicted, linear.predict(x), trivial, of_rows, covered=covered)
    classes, counts = np.unique(target.y[train], return_counts=True)
    codes, weights, shares = np.searchsorted(classes, y), None, counts / counts.sum()
    if trained.config.get("class_weight"):
        weights, shares = (1 / counts)[codes], np.full(len(counts), 1 / len(counts))
    return HeldOut(
        target.names,
        codes,
        estimator.predict_proba(X),
        linear.predict(x),
        shares,
        grouped.of_rows[test],
        classes.tolist(),
        weights=weights,
    )


def _importance(trained: Trained, target: Target, test: np.ndarray) -> list[Block]:
    """The columns of a table by what is lost where the cells of one are shuffled among some held-out rows."""
    if trained.preparation is None or not 1 < trained.rows.shape[1] <= MOST_COLUMNS:
        return []
    rows = test[:MOST_SHUFFLED]
    lost = "R²" if target.task == "regression" else "accuracy"
    with threads.one_if(threads.few_rows(len(rows))):
        found = permutation_importance(
            trained.estimator, inputs.rows_at(trained.rows, rows), target.y[rows], n_repeats=SHUFFLES, random_state=0
        )
    means, spread = found["importances_mean"], found["importances_std"]
    words = (
        f"How much {lost} is lost on {len(rows)} held-out rows where a column's cells are shuffled among them, "
        f"{SHUFFLES} times. Columns that say the same stand in for each other: each alone seems to matter little."
    )
    most = max(float(np.abs(means).max()), 1e-12)
    order = np.argsort(-means, kind="stable")[:COLUMNS_SHOWN]
    lines = [
        [trained.rows.columns[i], page.bar(f"{means[i]:.3f} ± {spread[i]:.3f}", means[i] / most)]
        for i in order.tolist()
    ]
    return [page.text(words), page.table(["column", f"{lost} lost"], lines)]


def _counted(n_experts: int) -> str:
    return f"{n_experts} expert" + ("s" if n_experts > 1 else "")


def _number(untold: dict[str, float]) -> list[Block]:
    """What mixtures of 1, 2, 4, ... experts leave untold of rows held out, if that chose the number."""
    if not untold:
        return []
    words = (
        "No number was asked for (--experts): mixtures of several numbers of experts, with a gate that is linear, were "
        "fitted to four fifths of the rows, and the number was taken that tells the others best. Less is better; one "
        "expert is a linear model."
    )
    rows = [[number, f"{value:.3f}"] for number, value in untold.items()]
    return [page.text(words), page.table(["experts", "-log p(y|x) a row, nats"], rows)]


def _first_score(scores: dict[str, float], target: Target) -> tuple[str, str, str]:
    """The model's score worth seeing first, the linear model's, and its name."""
    if target.task == "classification":
        return f"{scores['accuracy']:.1%}", f"{scores['linear_accuracy']:.1%}", "accuracy"
    key = "r2" if "r2" in scores else "r2_0"
    name = "R²" if key == "r2" else f"R² of {target.names[0]}"
    return f"{scores[key]:.3f}", f"{scores[f'linear_{key}']:.3f}", name


def _notes(target: Target) -> list[str]:
    without = int((~target.known).sum())
    notes = [target.note] if target.note else []
    names = " or ".join(target.names)
    gaps = f"{without} rows have no {names} (an empty cell, or NA, None and the like) and took no part."
    return [*notes, gaps] if without else notes


def _by_expert(target: Target, grouped: Groups) -> tuple[list[str], list[list[str]]]:
    """What the target is in each expert's rows: columns of the overview, and their cells for each expert."""
    cells = []
    for expert in range(grouped.n_groups):
        mine = target.y[(grouped.of_rows == expert) & target.known]
        if not len(mine):
            cells.append([""])
        elif target.task == "regression":
            cells.append([" / ".join(number(mean) for mean in mine.mean(0)[:TARGETS_SHOWN])])
        else:
            classes, counts = np.unique(mine, return_counts=True)
            cells.append([f"{classes[counts.argmax()]} ({counts.max() / len(mine):.0%})"])
    what = "mean" if target.task == "regression" else "mostly"
    return [f"{what} {' / '.join(target.names[:TARGETS_SHOWN])}"], cells


def _coefficients(trained: Trained, held_out: HeldOut, linear: Linear, grouped: Groups) -> dict[int, list[Block]]:
    """Each expert's coefficients, where it is an affine map of the table's columns."""
    if trained.preparation is None or trained.x.shape[1] > MOST_FEATURES:
        return {}
    classes, features, x, estimator = held_out.classes, trained.features, trained.x, trained.estimator
    kernels, beside = (  # [K, D, O] and [1, D, O]
        coefficients.slopes(coefficients.logits(predict, classes), x.shape[1])
        for predict in (estimator._expert_predictions, lambda x: linear.predict(x)[:, np.newaxis])
    )
    if kernels is None or beside is None:
        return {}
    blocks = {}
    for expert in grouped.by_size:
        output, what = 0, held_out.names[0]
        if classes is not None:
            mine = inputs.rows_at(trained.rows, grouped.of_rows == expert)
            output = int(estimator.predict_proba(mine).mean(0).argmax())
            what = f"the log-odds of {classes[output]}"
        blocks[expert] = [coefficients.table(kernels[expert, :, output], beside[0, :, output], features, x, what)]
    return blocks

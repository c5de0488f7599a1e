"""Figures, lines and page of a mixture of experts: held-out scores beside a linear model, and what each expert does."""

from collections.abc import Callable, Sequence

import numpy as np
from sklearn.linear_model import LogisticRegression, RidgeCV

from vae_moe.app.report import experts, groups, page
from vae_moe.app.report.experts import HeldOut
from vae_moe.app.report.page import Block, Page
from vae_moe.app.report.scene import Scene
from vae_moe.app.report.traits import number
from vae_moe.app.targets import Target
from vae_moe.app.trained import Findings, Trained, use
from vae_moe.engine import threads
from vae_moe.estimators.intervals import Predictive

#: What a user of the command can do about experts that predict badly.
CURE = "ask for fewer --experts, --drop columns that say nothing of the target, give more rows, or take a linear model"
RIDGES = tuple(10.0**power for power in range(-3, 4))
ITERATIONS = 1000  # of logistic regression
TARGETS_SHOWN = 3
TINY = 1e-30  # probability
MOST_FEATURES = 5000  # of which coefficients are looked at


class Linear:
    """The linear model beside the experts: ridge regression or logistic regression on the same x.

    Args:
        x: [N, D].
        y: [N, O], or [N] texts.
        task: "regression" or "classification".
    """

    def __init__(self, x: np.ndarray, y: np.ndarray, task: str):
        self.task = task
        model = RidgeCV(RIDGES) if task == "regression" else LogisticRegression(max_iter=ITERATIONS)
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
    scene = trained.scene("expert", trained.estimator.gate_proba(trained.x))
    linear = Linear(trained.x[train], target.y[train], target.task)
    held_out = _held_out(trained, target, train, test, linear, scene)
    compared, verdict = experts.verdict(held_out)
    scores, score_blocks, score_pictures = experts.scored(held_out)
    cards, card_pictures = groups.one_by_one(scene, _coefficients(trained, held_out, linear, scene))
    latents, latent_pictures = groups.latents(scene)
    curves, curve_pictures = trained.curves()
    signs = trained.health()
    troubles = {name: f"{words}: {CURE}" for name, words in experts.troubles(held_out, compared).items()}
    troubles |= trained.troubles(signs)
    score, linear_score, what = _first_score(scores, target)
    tiles = [
        (f"{what} on held-out rows", score, ""),
        ("of a linear model", linear_score, "on the same rows"),
        ("rows", f"{len(train):,}", f"to train, {len(test):,} held out"),
        ("experts with rows", str(len(scene.by_size)), f"of {scene.n_groups}"),
        ("troubles", str(len(troubles)), ", ".join(troubles) or "none found"),
    ]
    names, notes = ", ".join(target.names), [page.text(note, "soft") for note in _notes(target)]
    sections = {
        "At a glance": [page.tiles(tiles), verdict, *trained.first_warning, *notes],
        "Held-out rows": score_blocks,
        "Which expert has which rows": groups.overview(scene, *_by_expert(target, scene)),
        "Expert by expert": cards,
        "Latent space": latents,
        "Training": curves,
        "Data": trained.data(len(train)),
        "Health": trained.health_section(signs, troubles),
        "Use it": use(trained.config, "predictions.csv", f"the predicted {names} of each new row, and its expert"),
    }
    made = Page(
        f"{names} in {trained.config['dataset']}",
        f"{target.task.capitalize()} by {scene.n_groups} experts, {trained.title}, {trained.when}",
        sections,
        {**score_pictures, **card_pictures, **latent_pictures, **curve_pictures},
    )
    found = {
        "task": target.task,
        "n_experts": scene.n_groups,
        "experts_used": len(scene.by_size),
        "n_train": len(train),
        "n_held_out": len(test),
        **scores,
        "gain_over_linear": compared.gain,
        "gain_over_linear_95": [compared.low, compared.high],
        **({} if signs is None else signs.figures),
        "troubles": list(troubles),
    }
    summary = [f"held-out {what}: {score}; of a linear model: {linear_score}", verdict["text"], *_notes(target)]
    summary += [f"health: {name}: {words}" for name, words in troubles.items()] or ["health: no trouble found"]
    return Findings({**trained.figures, **found}, summary, made)


def _held_out(
    trained: Trained, target: Target, train: np.ndarray, test: np.ndarray, linear: Linear, scene: Scene
) -> HeldOut:
    x, y, estimator = trained.x[test], target.y[test], trained.estimator
    if target.task == "regression":
        predicted = np.asarray(estimator.predict(x)).reshape(len(x), -1)
        trivial = target.y[train].mean(0)
        cdf = Predictive.of(estimator, x).cdf(y)[:, 0]
        return HeldOut(target.names, y, predicted, linear.predict(x), trivial, scene.groups[test], cdf=cdf)
    classes, counts = np.unique(target.y[train], return_counts=True)
    return HeldOut(
        target.names,
        np.searchsorted(classes, y),
        estimator.predict_proba(x),
        linear.predict(x),
        counts / counts.sum(),
        scene.groups[test],
        classes.tolist(),
    )


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


def _by_expert(target: Target, scene: Scene) -> tuple[list[str], list[list[str]]]:
    """What the target is in each expert's rows: columns of the overview, and their cells for each expert."""
    cells = []
    for expert in range(scene.n_groups):
        mine = target.y[(scene.groups == expert) & target.known]
        if not len(mine):
            cells.append([""])
        elif target.task == "regression":
            cells.append([" / ".join(number(mean) for mean in mine.mean(0)[:TARGETS_SHOWN])])
        else:
            classes, counts = np.unique(mine, return_counts=True)
            cells.append([f"{classes[counts.argmax()]} ({counts.max() / len(mine):.0%})"])
    what = "mean" if target.task == "regression" else "mostly"
    return [f"{what} {' / '.join(target.names[:TARGETS_SHOWN])}"], cells


def _coefficients(trained: Trained, held_out: HeldOut, linear: Linear, scene: Scene) -> dict[int, list[Block]]:
    """Each expert's coefficients, where it is an affine map of the table's columns."""
    if trained.preparation is None or trained.x.shape[1] > MOST_FEATURES:
        return {}
    classes = held_out.classes
    n_features = trained.x.shape[1]
    kernels = experts.slopes(_logits(trained.estimator.expert_predictions, classes), n_features)  # [K, D, O]
    beside = experts.slopes(_logits(lambda x: linear.predict(x)[:, np.newaxis], classes), n_features)
    if kernels is None or beside is None:
        return {}
    blocks = {}
    for expert in scene.by_size:
        output, what = 0, held_out.names[0]
        if classes is not None:
            output = int(trained.estimator.predict_proba(trained.x[scene.groups == expert]).mean(0).argmax())
            what = f"the log-odds of {classes[output]}"
        kernel = kernels[expert, :, output]
        features = trained.preparation.features
        blocks[expert] = [experts.coefficients(kernel, beside[0, :, output], features, trained.x, what)]
    return blocks


def _logits(predict: Callable[[np.ndarray], np.ndarray], classes: Sequence[str] | None):
    """A function of predictions [N, K, O] as it is; of probabilities, the log-odds of each class, affine in x too.

    They are log p(class) less the mean of the other classes' log p.
    """
    if classes is None:
        return predict

    def log_odds(x):
        log_probs = np.log(np.maximum(np.asarray(predict(x), float), TINY))  # [N, K, C]
        others = (log_probs.sum(-1, keepdims=True) - log_probs) / (len(classes) - 1)
        return log_probs - others

    return log_odds

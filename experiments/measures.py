"""What a run is measured by on the test set, and how its summary reads: one pair of functions a kind of run."""

from typing import Any

from experiments.recipes import Recipe

#: Samples of each component that are judged, and rows by which the range of samples is measured.
SAMPLES, MOST_ROWS = 500, 5000
#: Test rows whose log-likelihood is estimated, by so many samples of z.
LIKELIHOOD_ROWS, LIKELIHOOD_SAMPLES = 1000, 1000


def scores(model, recipe: Recipe, dataset, y) -> dict[str, Any]:
    """The figures of the test set, which is read here and nowhere before.

    Args:
        model: trained.
        recipe: what it was trained by.
        dataset: whose test rows are scored; a judge of what is generated learns from its others.
        y: targets of a mixture of experts, [N, O] or [N], of the test rows; None of a clustering.
    """
    return _clustering(model, recipe, dataset) if recipe.task is None else _experts(model, recipe, dataset.test, y)


def summary(figures: dict) -> dict[str, str]:
    """The figures worth reading first, by name."""
    if "clustering_accuracy" in figures:
        return {
            "clustering accuracy": f"{figures['clustering_accuracy']:.4f}",
            "NMI / ARI": f"{figures['nmi']:.4f} / {figures['ari']:.4f}",
            "samples of their component's class": (
                f"{figures['generation_purity']:.4f}, of the worst component {figures['worst_generation_purity']:.4f}"
            ),
            "ELBO": f"{figures['elbo']:.2f} nats",
            "log p(x)": f"{figures['log_likelihood']:.2f} nats",
            "components used": f"{figures['components_used']} of {figures['n_components']}",
            "health": ", ".join(figures["troubles"]) or "no trouble found",
        }
    error = (
        {"test error": f"{figures['test_error']:.4g} (of {figures['y_variance']:.4g} without x)"}
        if "test_error" in figures
        else {"accuracy": f"{figures['accuracy']:.4f}"}
    )
    return {
        **error,
        "negative log-likelihood": f"{figures['nll']:.3f} nats",
        "gate accuracy": f"{figures['gate_accuracy']:.4f} (by class)",
        "experts used": f"{figures['experts_used']} of {figures['n_components']}",
    }


def _clustering(model, recipe: Recipe, dataset) -> dict[str, Any]:
    import numpy as np

    from vae_moe import metrics
    from vae_moe.training import health, hierarchy

    test = dataset.test
    signs = health.examine(model, test.x, seed=recipe.seed)
    log_probs = model.c_log_proba(test.x)
    tree = hierarchy.tree(log_probs, getattr(model.mixture, "branching", ()))
    return {
        **metrics.clustering_scores(test.y, np.exp(log_probs)),
        "dendrogram_purity": metrics.dendrogram_purity(test.y, log_probs.argmax(-1), tree),
        **_latent(model, recipe, test),
        **generated(model, recipe, dataset, log_probs.argmax(-1)),
        "log_likelihood": _log_likelihood(model, recipe, test),
        **signs.figures,
        "troubles": list(signs.troubles),
    }


def generated(model, recipe: Recipe, dataset, clusters) -> dict[str, float]:
    """How well samples of components are of their class, and cover the test rows, as a judge sees them."""
    import numpy as np

    from experiments import judges
    from vae_moe import metrics

    test, judge = dataset.test, judges.judge(dataset)
    components = range(model.mixture.n_components)
    judged = [judge.classes(_rows(model.generate(SAMPLES, k, recipe.seed))) for k in components]
    purities = metrics.generation_purities(test.y, clusters, judged)
    real = judge.features(test.x[:MOST_ROWS])
    made = judge.features(_rows(model.generate(len(real), seed=recipe.seed)))
    return {
        "judge_accuracy": float((judge.classes(test.x) == test.y).mean()),
        "generation_purity": float(np.mean(purities)),
        "worst_generation_purity": float(purities.min()),
        "generation_precision": metrics.share_near(made, real),
        "generation_recall": metrics.share_near(real, made),
    }


def _rows(images):
    return images.reshape(len(images), -1)


def _log_likelihood(model, recipe: Recipe, test) -> float:
    """Mean log p(x): the bound of all rows, and what it lacks on the first of them, whose spread is small."""
    bound = model.elbo(test.x, seed=recipe.seed)
    nearer = model.log_likelihood(test.x[:LIKELIHOOD_ROWS], LIKELIHOOD_SAMPLES, recipe.seed)
    return float(bound.mean() + (nearer - bound[: len(nearer)]).mean())


def _latent(model, recipe: Recipe, test) -> dict[str, float]:
    """The bound, and the share of the variance of x that the reconstruction leaves unexplained."""
    import numpy as np

    missed = np.square(model.reconstruct(test.x) - test.x).mean(0).sum()
    return {
        "elbo": float(model.elbo(test.x, seed=recipe.seed).mean()),
        "unexplained_variance": float(missed / test.x.var(0).sum()),
    }


def _experts(model, recipe: Recipe, test, y) -> dict[str, float]:
    import numpy as np

    from vae_moe import metrics

    predicted = model.predict_mean(test.x)  # [N, O]
    if recipe.task == "regression":
        figures = {
            "test_error": float(np.square(predicted - y).mean(0).sum()),  # the report's: summed over outputs
            "y_variance": float(y.var(0).sum()),
        }
    else:
        figures = {"accuracy": float((predicted.argmax(-1) == y).mean())}
    figures |= {"nll": float(model.nll(test.x, y).mean()), **metrics.gate_scores(test.y, model.gate_proba(test.x))}
    return figures | (_latent(model, recipe, test) if hasattr(model, "elbo") else {})

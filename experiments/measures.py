"""What a run is measured by on the test set, and how its summary reads: one pair of functions a kind of run."""

from typing import Any

from experiments.recipes import Recipe


def scores(model, recipe: Recipe, test, y) -> dict[str, Any]:
    """The figures of the test set, which is read here and nowhere before.

    Args:
        model: trained.
        recipe: what it was trained by.
        test: the split, x [N, D] and classes [N].
        y: targets of a mixture of experts, [N, O] or [N]; None of a clustering.
    """
    return _clustering(model, recipe, test) if recipe.task is None else _experts(model, recipe, test, y)


def summary(figures: dict) -> dict[str, str]:
    """The figures worth reading first, by name."""
    if "clustering_accuracy" in figures:
        return {
            "clustering accuracy": f"{figures['clustering_accuracy']:.4f}",
            "NMI / ARI": f"{figures['nmi']:.4f} / {figures['ari']:.4f}",
            "ELBO": f"{figures['elbo']:.2f} nats",
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


def _clustering(model, recipe: Recipe, test) -> dict[str, Any]:
    import numpy as np

    from vae_moe import metrics
    from vae_moe.training import health, hierarchy

    signs = health.examine(model, test.x, seed=recipe.seed)
    log_probs = model.c_log_proba(test.x)
    tree = hierarchy.tree(log_probs, getattr(model.mixture, "branching", ()))
    return {
        **metrics.clustering_scores(test.y, np.exp(log_probs)),
        "dendrogram_purity": metrics.dendrogram_purity(test.y, log_probs.argmax(-1), tree),
        **_latent(model, recipe, test),
        **signs.figures,
        "troubles": list(signs.troubles),
    }


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

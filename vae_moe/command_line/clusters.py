"""Figures, lines and page of a clustering."""

import numpy as np

from vae_moe.command_line.trained import Findings, Trained, use
from vae_moe.report import groups, page
from vae_moe.report.page import Page


def findings(trained: Trained, labels: np.ndarray | None) -> Findings:
    """Of a clustering, compared with known classes if there are any.

    Args:
        trained: a clustering.
        labels: [N], or None.
    """
    estimator, config = trained.estimator, trained.config
    scene = trained.scene("cluster", estimator.predict_proba(trained.x), labels)
    cards, card_pictures = groups.one_by_one(scene)
    latents, latent_pictures = groups.latents(scene)
    curves, curve_pictures = trained.curves()
    signs, health_blocks = trained.health()
    assert signs is not None  # a clustering has a latent mixture
    sure = float(scene.probs.max(-1).mean())
    counts = np.bincount(scene.groups, minlength=scene.n_groups)
    found = {
        "task": "clustering",
        "n_components": scene.n_groups,
        "components_used": signs.components_used,
        "mean_probability": sure,
        "elbo": float(np.mean(estimator.score_samples(trained.x))),
        **signs.figures,
        "troubles": list(signs.troubles),
    }
    if labels is not None:
        found |= groups.label_scores(scene)
    tiles = [
        ("rows", f"{len(scene.x):,}", f"{scene.x.shape[1]} numbers each"),
        ("clusters with rows", str(len(scene.by_size)), f"of {scene.n_groups}"),
        ("mean probability", f"{sure:.0%}", "of a row's own cluster"),
        ("troubles", str(len(signs.troubles)), ", ".join(signs.troubles) or "none found"),
    ]
    sections = {
        "At a glance": [page.tiles(tiles), *groups.overview(scene)],
        "Cluster by cluster": cards,
        "Beside known classes": groups.against_labels(scene),
        "Latent space": latents,
        "Training": curves,
        "Data": trained.data(len(scene.x)),
        "Health": health_blocks,
        "Use it": use(config, "clusters.csv", "the cluster of each new row, and how probable it is"),
    }
    subtitle = f"{scene.n_groups} components looked for by {trained.title}, {trained.when}"
    summary = [
        "clusters: " + ", ".join(f"{group}: {counts[group]}" for group in scene.by_size) + " rows",
        f"health: {', '.join(signs.troubles) or 'no trouble found'}",
    ]
    made = Page(
        f"Clusters of {config['dataset']}", subtitle, sections, {**card_pictures, **latent_pictures, **curve_pictures}
    )
    return Findings({**trained.figures, **found}, summary, made)

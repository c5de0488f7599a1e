"""Figures, lines and page of a clustering."""

import numpy as np

from vae_moe.app.report import groups, page
from vae_moe.app.report.page import Block, Page
from vae_moe.app.trained import Findings, Trained, use
from vae_moe.training.health import Health


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
    signs = trained.health()
    assert signs is not None  # a clustering has a latent mixture
    troubles = trained.troubles(signs)
    sure = float(scene.probs.max(-1).mean())
    counts = np.bincount(scene.groups, minlength=scene.n_groups)
    found = {
        "task": "clustering",
        "n_components": scene.n_groups,
        "components_used": signs.components_used,
        "mean_probability": sure,
        "elbo": float(np.mean(estimator.score_samples(trained.x))),
        **signs.figures,
        "troubles": list(troubles),
    }
    if labels is not None:
        found |= groups.label_scores(scene)
    tiles = [
        ("rows", f"{len(scene.x):,}", f"{scene.x.shape[1]} numbers each"),
        ("clusters with rows", str(len(scene.by_size)), f"of {scene.n_groups}"),
        ("the model's certainty", f"{sure:.0%}", "mean probability of a row's cluster"),
        ("troubles", str(len(troubles)), ", ".join(troubles) or "none found"),
    ]
    sections = {
        "At a glance": [page.tiles(tiles), *trained.first_warning, *groups.overview(scene)],
        "What this cannot tell": _limits(signs, estimator.model_.mixture.c_encoder is not None),
        "Cluster by cluster": cards,
        "Beside known classes": groups.against_labels(scene),
        "Latent space": latents,
        "Training": curves,
        "Data": trained.data(len(scene.x)),
        "Health": trained.health_section(signs, troubles),
        "Use it": use(config, "clusters.csv", "the cluster of each new row, and how probable it is"),
    }
    subtitle = f"{scene.n_groups} components looked for by {trained.title}, {trained.when}"
    summary = [
        "clusters: " + ", ".join(f"{group}: {counts[group]}" for group in scene.by_size) + " rows",
    ]
    summary += [f"health: {name}: {words}" for name, words in troubles.items()] or ["health: no trouble found"]
    made = Page(
        f"Clusters of {config['dataset']}", subtitle, sections, {**card_pictures, **latent_pictures, **curve_pictures}
    )
    return Findings({**trained.figures, **found}, summary, made)


def _limits(signs: Health, two_views: bool) -> list[Block]:
    """What a clustering cannot tell, in plain words.

    Args:
        signs: of its latent mixture.
        two_views: whether a network gives q(c|x), apart from Bayes' rule for p(c|z).
    """
    words = [
        "Any table is divided into as many clusters as were asked for, one without groups too, and the model is as "
        "sure of those. Its certainty, q(c|x), says how sharply it cuts, not whether groups are there.",
        "Signs of groups that are there: the same clusters come with another --seed, what sets them apart means "
        "something to you, and they differ in columns that were left out.",
    ]
    if two_views:
        agreement = (
            "Two parts of the model name a row's cluster: one by its columns, q(c|x), and one by its place in latent "
            f"space, p(c|z). They name the same one for {signs.bayes_agreement:.0%} of the rows; the clusters of the "
            "others are in doubt, however sure the first is."
        )
        words.insert(1, agreement)
    return [page.text(each) for each in words]

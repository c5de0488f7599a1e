"""What was found of a clustering."""

import numpy as np
import pandas as pd

from vae_moe.app.report import findings as shared
from vae_moe.app.report import groups, page, pictures
from vae_moe.app.report.findings import Findings
from vae_moe.app.report.groups import Groups
from vae_moe.app.report.page import Block
from vae_moe.app.trained import Trained
from vae_moe.training.health import Health
from vae_moe.training.separation import LIKELY, Separation, separation

#: Rows that are named on a page, at most.
MOST_NAMED = 30
#: What a user of the command can do where no groups are told.
CURE = "take the clusters for a division of rows that are of one kind, --drop columns that are noise, or give more rows"


def findings(trained: Trained, labels: np.ndarray | None) -> Findings:
    """Figures, lines and page of a clustering, compared with known classes if there are any.

    Args:
        trained: a clustering.
        labels: [N], or None.
    """
    estimator = trained.estimator
    found = shared.grouped(trained, "cluster", estimator.predict_proba(trained.rows), labels)
    signs = shared.examined(trained)
    assert signs is not None  # a clustering has a latent mixture
    sure = float(found.probs.max(-1).mean())
    again = estimator.resampled_numbers_ == found.n_groups
    n_rows, n_features = found.x.shape
    apart = _separation(trained)
    right = [] if labels is None else [found.label_scores["clustering_accuracy"]]
    return shared.gather(
        trained,
        found,
        signs,
        _unlike(apart, found.n_groups) | shared.troubles_of(trained, signs),
        n_rows,
        title=f"Clusters of {trained.config['dataset']}",
        subtitle=f"{found.n_groups} components looked for by",
        use=("clusters.csv", "the cluster of each new row, and how probable it is"),
        tiles=[
            ("rows", f"{n_rows:,}", f"{n_features} numbers each"),
            ("clusters with rows", str(len(found.by_size)), f"of {found.n_groups}"),
            ("groups beyond chance", apart.word if apart else "too few rows", "beside tables without groups"),
            ("the model's certainty", f"{sure:.0%}", "mean probability of a row's cluster"),
        ],
        first=(_apart(apart, found.n_groups), groups.overview(found)),
        sections={
            "What this cannot tell": _limits(signs, estimator.model_.mixture.c_encoder is not None),
            "How many clusters": _number(estimator.silhouettes_, estimator.resampled_numbers_),
            "Which clusters are near each other": _tree(found, estimator.tree_),
            "Cluster by cluster": groups.one_by_one(found),
            "Rows that belong nowhere": _outliers(found, estimator.outlier_),
            "Beside known classes": groups.against_labels(found),
        },
        metrics={
            "task": "clustering",
            "n_components": found.n_groups,
            "components_used": signs.components_used,
            "mean_probability": sure,
            "temperature": estimator.temperature_,
            **({"number_found_again": float(again.mean())} if again.size else {}),
            **({} if apart is None else apart.figures),
            "rows_that_belong_nowhere": int(estimator.outlier_.sum()),
            "elbo": float(np.mean(estimator.score_samples(trained.rows))),
            **({} if labels is None else found.label_scores),
        },
        summary=[
            "clusters: " + ", ".join(f"{group}: {found.counts[group]}" for group in found.by_size) + " rows",
            *([f"groups beyond chance: {apart.word}"] if apart else []),
            *(f"in the cluster of their class: {score:.1%} of rows" for score in right),
        ],
    )


def _separation(trained: Trained) -> Separation | None:
    """How the rows part into groups, by what the model sees of their cells, but for where these are missing."""
    x, features = trained.x, trained.features
    if not features:
        return separation(x, seed=trained.config["seed"])
    kept = [i for i, feature in enumerate(features) if feature.part != "missing"]
    categories = pd.Series([features[i].column if features[i].kind == "category" else None for i in kept])
    blocks = list(categories.groupby(categories).indices.values())
    return separation(x[:, kept], blocks, seed=trained.config["seed"])


def _compared(apart: Separation) -> str:
    """What a separation comes from, in words."""
    return (
        f"to part the rows into {apart.n_groups}, at least {apart.cut:.1%} of the links between neighbouring rows have "
        f"to be cut; in {len(apart.without)} tables of such columns, as correlated but without groups, "
        f"{apart.without.min():.1%} to {apart.without.max():.1%}"
    )


def _unlike(apart: Separation | None, n_components: int) -> dict[str, str]:
    """The trouble that no groups are told though some were looked for, or that they are though one was, if so."""
    if apart is not None and apart.excess >= LIKELY and n_components == 1:
        return {"groups joined": f"{_compared(apart)}: ask for --components {apart.n_groups}, or leave it out"}
    if apart is None or apart.excess >= LIKELY or n_components == 1:
        return {}
    return {"no groups told": f"{_compared(apart)}: {CURE}"}


def _apart(apart: Separation | None, n_components: int) -> list[Block]:
    """Whether there are groups, as one sentence."""
    if apart is None:
        return [page.text("Whether there are groups of rows cannot be told of so few.", "soft")]
    if apart.excess < LIKELY and n_components == 1:
        return [page.text(f"No groups are told beyond chance: {_compared(apart)}. One component is what fits.", "good")]
    if apart.excess < LIKELY:
        words = f"No groups are told beyond chance: {_compared(apart)}. However sure the model is, its clusters may be "
        return [page.text(f"{words}a division of rows that are of one kind.", "warn")]
    sure = "There are groups" if apart.word == "clear" else "There likely are groups"
    if n_components == 1:
        return [page.text(f"{sure}, and all rows are in one component: {_compared(apart)}.", "warn")]
    return [page.text(f"{sure}: {_compared(apart)}.", "good")]


def _number(silhouettes: np.ndarray, resampled: np.ndarray) -> list[Block]:
    """The silhouettes [M] of 2, 3, ... clusters, if they chose the number, and those found in parts of the rows [R]."""
    if not len(silhouettes):
        return []
    words = (
        "No number was asked for (--components): the one was taken at which k-means' clusters have the greatest mean "
        "silhouette, how much nearer a row is to the rows of its cluster than to those of the next. Numbers of nearly "
        "the same silhouette are as good, and a number that parts of the rows do not give again is a guess."
    )
    counts = np.bincount(resampled, minlength=len(silhouettes) + 2)[2:]
    rows = [
        [str(2 + i), page.bar(f"{value:.3f}", value), page.bar(f"{count} of {len(resampled)}", count / len(resampled))]
        for i, (value, count) in enumerate(zip(silhouettes, counts, strict=False))
    ]
    return [page.text(words), page.table(["clusters", "mean silhouette", "found in parts of the rows"], rows)]


def _tree(found: Groups, joined: np.ndarray) -> list[Block]:
    """The tree of components, [K - 1, 4], if it says more than a distance does."""
    if len(joined) < 2:
        return []
    words = (
        "Clusters that share the most rows are joined first. The distance is minus the log of how much their "
        "probabilities overlap: 0 where they are the same, and 5 where they overlap by less than 1 %. Two that are "
        "joined near 0 may be one."
    )
    branches, rows = [[k] for k in range(found.n_groups)], []
    for one, other, distance, _ in joined[:-1]:  # the last has all rows
        branches.append(branch := sorted(branches[int(one)] + branches[int(other)]))
        count = found.counts[branch].sum()
        row = [", ".join(map(str, branch)), page.bar(str(count), count / len(found.x)), f"{distance:.2f}"]
        rows.append([*row, found.told(*branch)] if found.features else row)
    head = ["clusters together", "rows", "distance", *(["what sets them apart"] if found.features else ())]
    images = None if found.pixels is None else found.samples
    if images is not None:
        words += " Images are means of some that the model generates of each cluster, and of those of a branch."
    return [
        page.figure("tree", pictures.tree(joined, "cluster", images), words, photos=images is not None),
        page.table(head, rows),
    ]


def _outliers(found: Groups, outlier: np.ndarray) -> list[Block]:
    """The rows of a mask [N] that no cluster explains, if any."""
    if not outlier.any():
        return []
    names = [name for name, far in zip(found.rows, outlier, strict=True) if far]
    shown = ", ".join(names[:MOST_NAMED]) + (", ..." if len(names) > MOST_NAMED else "")
    words = (
        f"{len(names)} of {len(outlier)} rows are far less probable than the others in any cluster (three "
        "interquartile ranges below the first quartile of log-probability). Each is in the cluster that is the least "
        f"wrong. Look at them before anything else is read off their clusters: {shown}"
    )
    return [page.text(words)]


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

"""What is drawn from components, as :mod:`experiments.judges` see it: a table of the clusterings' records."""

from experiments import clustering, grids

#: Figures of what is drawn: heads of columns, their factor and digits, by the name of the figure.
_DRAWN = {
    "generation_purity": ("of their component's class, %", 100, 1),
    "worst_generation_purity": ("worst component, %", 100, 1),
    "bayes_agreement": ("p(c\\|z) names q(c\\|x)'s, %", 100, 1),
    "generation_precision": ("precision", 1, 3),
    "generation_recall": ("recall", 1, 3),
    "elbo": ("bound, nats", 1, 2),
    "log_likelihood": ("log p(x), nats", 1, 2),
    "judge_accuracy": ("the judge, %", 100, 1),
}


def table(records: grids.Records) -> str:
    """A Markdown table of how well samples are of their component's class, and of log p(x), of fresh seeds."""
    measured = [record for record in clustering.headline(records) if "generation_purity" in record]
    lines = []
    for (dataset, name), group in clustering.groups(measured).items():
        figures = [
            grids.spread([factor * record[key] for record in group], digits)
            for key, (_, factor, digits) in _DRAWN.items()
        ]
        lines.append([dataset, name, *figures, ", ".join(str(record["seed"]) for record in group)])
    heads = ["data", "method", *(head for head, _, _ in _DRAWN.values()), "seeds"]
    what = (
        "500 samples of each component, by a classifier of the training labels; precision and recall in its features "
        "(Kynkäänniemi et al. 2019); log p(x) of 1000 test rows by 1000 samples of z (Burda et al. 2016)"
    )
    return grids.markdown(heads, lines, grids.footnote(measured, what, "")) if lines else "Not measured."

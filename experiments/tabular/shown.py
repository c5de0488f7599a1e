"""The records of the benchmark as tables of ranks and of figures, and as a picture of critical differences."""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from experiments import grids
from experiments.tabular.methods import METHODS
from experiments.tabular.named import HALVES, TABLES, Table

#: What is ranked, the less the better, by its key in a record.
SCORES = {"fold_error": "RMSE or error", "fold_nll": "NLL"}
TASKS = {"regressions": False, "classifications": True}


def mean(records: grids.Records, table: str, method: str, key: str) -> float | None:
    """A figure's mean over the folds and seeds of a method on a table; None without a record."""
    found = [record[key] for record in records if record["table"] == table and record["method"] == method]
    return float(np.mean(np.concatenate(found))) if found else None


def _names(classes: bool | None = None, half: str | None = None) -> list[str]:
    halves = HALVES.values() if half is None else [HALVES[half]]
    return [t.name for tables in halves for t in tables if classes is None or t.classes == classes]


def ranks(
    records: grids.Records, names: Sequence[str], key: str, methods: Iterable[str] = METHODS
) -> dict[str, np.ndarray]:
    """Ranks of the methods on tables, 1 the best, ties sharing theirs: {method: [tables]}.

    Of the tables that have records of the linear model, and of the methods that have records of all of these.
    """
    from scipy.stats import rankdata

    there = [name for name in names if mean(records, name, "linear", key) is not None]
    found = {method: [mean(records, name, method, key) for name in there] for method in methods}
    whole = {method: values for method, values in found.items() if there and None not in values}
    if not whole:
        return {}
    return dict(zip(whole, rankdata(np.array(list(whole.values()), float), axis=0), strict=True))


def critical_difference(n_methods: int, n_tables: int, level: float = 0.05) -> float:
    """How far apart mean ranks must be for two methods to differ, by Nemenyi's test (Demsar 2006, section 3.2.2)."""
    from scipy.stats import studentized_range

    quantile = studentized_range.ppf(1 - level, n_methods, np.inf) / np.sqrt(2)
    return float(quantile * np.sqrt(n_methods * (n_methods + 1) / (6 * n_tables)))


def behind_linear(records: grids.Records, method: str, names: Sequence[str], key: str) -> list[float]:
    """By how many % a method's figure is above the linear model's on each table where both have records."""
    pairs = [(mean(records, name, method, key), mean(records, name, "linear", key)) for name in names]
    known = [(own, linear) for own, linear in pairs if own is not None and linear is not None]
    return [100 * (own - linear) / max(abs(linear), 1e-9) for own, linear in known]


def _task(records: grids.Records, task: str) -> str:
    """A Markdown table of a task: a row a method."""
    classes = TASKS[task]
    methods = [m for m in METHODS if any(r["method"] == m and TABLES[r["table"]].classes == classes for r in records)]
    heads, columns = [task], []
    error = "error" if classes else "RMSE"
    for key, score in (("fold_error", error), ("fold_nll", "NLL")):
        for half in HALVES:
            among = ranks(records, _names(classes), key)  # the same in both halves
            found = ranks(records, _names(classes, half), key, among)
            heads.append(f"{half}: rank by {score}")
            columns.append(_ranks_shown(found, methods))
    found = ranks(records, _names(classes), "fold_error")
    heads.append(f"first by {error}")
    columns.append([str(int(np.sum(found[m] == 1))) if m in found else "" for m in methods])
    for key, score in (("fold_error", error), ("fold_nll", "NLL")):
        behind = [behind_linear(records, method, _names(classes), key) for method in methods]
        heads.append(f"{score} at most linear's, tables")
        columns.append([str(sum(value <= 0 for value in values)) for values in behind])
        if classes or key == "fold_error":  # a density's logarithm has no zero: no share of it can be told
            heads.append(f"{score} above linear's: worst, %")
            columns.append([f"{max(values):+.1f}" if values else "" for values in behind])
    if not classes:
        for head, key, factor, digits, reduce in (
            ("90 % intervals hold, %", "fold_coverage", 100, 1, np.mean),
            ("least of a table", "fold_coverage", 100, 1, np.min),
            ("width", "fold_width", 1, 2, np.mean),
        ):
            heads.append(head)
            columns.append([_over_tables(records, m, _names(classes), key, factor, digits, reduce) for m in methods])
    heads += ["s a fit", "tables"]
    columns.append([_over_tables(records, m, _names(classes), "fold_seconds", 1, 2) for m in methods])
    columns.append([str(sum(mean(records, n, m, "fold_error") is not None for n in _names(classes))) for m in methods])
    return grids.markdown(heads, [[METHODS[m], *cells] for m, *cells in zip(methods, *columns, strict=True)])


def _over_tables(
    records, method: str, names: Sequence[str], key: str, factor: float, digits: int, reduce=np.mean
) -> str:
    found = [value for name in names if (value := mean(records, name, method, key)) is not None]
    return f"{factor * float(reduce(found)):.{digits}f}" if found else ""


def _ranks_shown(found: Mapping[str, np.ndarray], methods: Sequence[str]) -> list[str]:
    """The mean rank of each method that has ranks, the lowest in bold."""
    values = [float(np.mean(found[m])) if m in found else None for m in methods]
    return grids.bold(["" if value is None else f"{value:.2f}" for value in values], values)


def means(records: grids.Records) -> str:
    """Markdown: mean ranks and the rest, a table a task."""
    what = (
        "Mean ranks over the tables of a half, 1 the best, of methods with records of all of them; widths in standard "
        "deviations of y, seconds of processor time"
    )
    parts = [_task(records, task) for task, classes in TASKS.items() if _of(records, classes)]
    parts = [overall(records), *parts] if len(parts) > 1 else parts
    return "\n\n".join([*parts, grids.footnote(records, what, "")])


def overall(records: grids.Records) -> str:
    """A Markdown table of the methods that have all tables of both tasks."""
    heads, columns, methods = ["all tables"], [], list(ranks(records, _names(), "fold_error"))
    for key, score in SCORES.items():
        for half in (*HALVES, None):
            found = ranks(records, _names(half=half), key, methods)
            heads.append(f"{half or 'both'}: rank by {score}")
            columns.append(_ranks_shown(found, methods))
    return grids.markdown(heads, [[METHODS[m], *cells] for m, *cells in zip(methods, *columns, strict=True)])


def gates(records: grids.Records, gate: str = "dvmoe", other: str = "deepmoe") -> str:
    """A Markdown table of two gates of the same experts, by the tables that have records of both: a row a task."""
    rows = []
    for task, classes in TASKS.items():
        cells = [task]
        for key in SCORES:
            pairs = [[mean(records, name, method, key) for method in (gate, other)] for name in _names(classes)]
            own, others = np.array([pair for pair in pairs if None not in pair], float).reshape(-1, 2).T
            if not len(own):
                return ""
            gain = own - others if key == "fold_nll" else 100 * (own / np.maximum(others, 1e-9) - 1)
            median, error = np.median(gain), gain.std(ddof=1) / np.sqrt(len(gain))
            digits = 3 if key == "fold_nll" else 1
            cells += [f"{(own < others).sum()} of {len(own)}", f"{median:+.{digits}f}"]
            cells += [f"{gain.mean():+.{digits}f} ± {error:.{digits}f}"] if key == "fold_nll" else []
        rows.append(cells)
    heads = ["", "error lower, tables", "median change, %", "NLL lower, tables", "median change, nats"]
    what = f"{METHODS[gate]} against {METHODS[other]}, with the same experts, start and EM"
    used = [record for record in records if record["method"] in (gate, other)]
    return grids.markdown([*heads, "mean ± standard error"], rows) + "\n\n" + grids.footnote(used, what, "")


def _of(records: grids.Records, classes: bool) -> grids.Records:
    return [record for record in records if TABLES[record["table"]].classes == classes]


def each(records: grids.Records) -> str:
    """Markdown: error and negative log-likelihood of every method on every table."""
    parts = []
    for task, classes in TASKS.items():
        own = _of(records, classes)
        methods = [method for method in METHODS if any(record["method"] == method for record in own)]
        for key, score in (("fold_error", "error in %" if classes else "RMSE"), ("fold_nll", "NLL in nats")):
            rows = [_row(own, table, half, methods, key) for half in HALVES for table in HALVES[half]]
            heads = ["table", "half", "rows", "columns", *(METHODS[method] for method in methods)]
            if own:
                parts.append(f"{task.capitalize()}, {score}:\n\n{grids.markdown(heads, [row for row in rows if row])}")
    return "\n\n".join(parts)


def _row(records: grids.Records, table: Table, half: str, methods: Sequence[str], key: str) -> list[str]:
    own = [record for record in records if record["table"] == table.name]
    if not own:
        return []
    values = [mean(own, table.name, method, key) for method in methods]
    texts = ["" if value is None else f"{value:.4g}" for value in values]
    return [table.name, half, str(own[0]["rows"]), str(own[0]["columns"]), *grids.bold(texts, values)]


def table(records: grids.Records) -> str:
    """Markdown: mean ranks, then every table."""
    return f"{means(records)}\n\n{each(records)}".strip()


def picture(records: grids.Records):
    """Mean ranks over all tables and what difference is critical, a panel a score: a matplotlib Figure."""
    from matplotlib.figure import Figure

    from vae_moe.plots import score_plots

    panels, differences = {}, {}
    for key, score in SCORES.items():
        for task, classes in (("all tables", None), *TASKS.items()):
            found = ranks(records, _names(classes), key)
            if len(found) > 1:
                title = f"{task}: {score}"
                panels[title] = {METHODS[method]: float(np.mean(values)) for method, values in found.items()}
                differences[title] = critical_difference(len(found), len(next(iter(found.values()))))
    if panels:
        return score_plots.mean_ranks(panels, differences)
    return Figure(figsize=(5, 1)).text(0.05, 0.5, "No two methods have records of the same tables yet.").figure

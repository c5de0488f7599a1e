"""The columns of a table: what each is, what was imputed, what the model sees of it, and what was left out."""

from collections.abc import Sequence

from vae_moe.app.features import Feature
from vae_moe.app.report import page
from vae_moe.app.report.page import Block
from vae_moe.data.preparation import Preparation

COLUMNS_SHOWN = 100


def described(preparation: Preparation, features: Sequence[Feature], n_rows: int) -> list[Block]:
    """The table of columns, and that of those left out.

    Args:
        preparation: of the table.
        features: that the model sees of it.
        n_rows: from which it was learned.
    """
    found = preparation.columns
    kinds = {"number": found.numbers, "date": found.dates, "category": found.categories}
    rows, told = [], any(feature.likelihood != "gaussian" for feature in features)
    for kind, name in ((kind, name) for kind, names in kinds.items() for name in names):
        missing = found.missing.get(name, 0)
        share = missing / n_rows
        gaps = page.bar(f"{missing} ({share:.1%})", -share) if missing else "none"
        what = f"{kind}: {found.read_as[name]}" if name in found.read_as else kind
        mine = [feature for feature in features if feature.column == name]
        likelihoods = dict.fromkeys(feature.likelihood for feature in mine if feature.part != "missing")
        rows.append([name, what, gaps, _becomes(kind, mine), *([", ".join(likelihoods)] if told else [])])
    names = ["column", "is a", "missing", "what the model sees", *(["likelihood"] if told else [])]
    blocks = [page.table(names, rows[:COLUMNS_SHOWN])]
    if len(rows) > COLUMNS_SHOWN:
        blocks.append(page.text(f"And {len(rows) - COLUMNS_SHOWN} columns more.", "soft"))
    if found.left_out:
        left_out = [[name or "(no name)", why] for name, why in found.left_out.items()]
        blocks.append(page.table(["left out", "why"], left_out[:COLUMNS_SHOWN]))
    return blocks


def _becomes(kind: str, features: Sequence[Feature]) -> str:
    parts = [feature.part for feature in features]
    indicator = ", and whether it is missing" if "missing" in parts else ""
    if kind == "category":
        return ", ".join(part for part in parts if part != "missing") + indicator
    if kind == "number":
        feature = features[0]
        number = {"count": "the logarithm of 1 + it", "share": "its log-odds"}.get(feature.kind, "the number")
        return f"{number} less {feature.mean:.4g}, over {feature.scale:.4g}{indicator}"
    names = {"seconds": "time", "weekday": "day of the week"}
    return ", ".join(names.get(part, part) for part in parts if part != "missing") + indicator

"""The section about the data: rows, columns, what was imputed, what was left out."""

from collections.abc import Sequence

from vae_moe.app.report import page
from vae_moe.app.report.page import Block
from vae_moe.data.columns import Columns
from vae_moe.data.preparation import Feature

COLUMNS_SHOWN = 100


def of_table(found: Columns, features: Sequence[Feature], n_rows: int) -> list[Block]:
    """Of a table.

    Args:
        found: what its columns are.
        features: made of them.
        n_rows: from which they were learned.
    """
    kinds = {"number": found.numbers, "date": found.dates, "category": found.categories}
    rows = []
    for kind, names in kinds.items():
        for name in names:
            mine = [feature for feature in features if feature.column == name]
            missing = found.missing.get(name, 0)
            share = missing / n_rows
            gaps = page.bar(f"{missing} ({share:.1%})", -share) if missing else "none"
            what = f"{kind}: {found.read_as[name]}" if name in found.read_as else kind
            rows.append([name, what, gaps, _becomes(kind, mine)])
    blocks = [page.table(["column", "is a", "missing", "what the model sees"], rows[:COLUMNS_SHOWN])]
    if len(rows) > COLUMNS_SHOWN:
        blocks.append(page.text(f"And {len(rows) - COLUMNS_SHOWN} columns more.", "soft"))
    if found.left_out:
        left_out = [[name or "(no name)", why] for name, why in found.left_out.items()]
        blocks.append(page.table(["left out", "why"], left_out[:COLUMNS_SHOWN]))
    return blocks


def of_images(
    n_images: int, image_shape: Sequence[int], n_classes: int | None, notes: Sequence[str] = ()
) -> list[Block]:
    """Of a folder of images, with a line on each kind of file that was left out or not read as it is."""
    height, width, *channels = image_shape
    words = f"{n_images} images, brought to {width} x {height} pixels, {'in colour' if channels else 'grey'}"
    folders = f", in {n_classes} sub-folders" if n_classes else ""
    described = page.text(f"{words}{folders}. A pixel is a number from 0 to 1.")
    return [described, *(page.text(note, "soft") for note in notes)]


def _becomes(kind: str, features: Sequence[Feature]) -> str:
    parts = [feature.part for feature in features]
    if kind == "category":
        return ", ".join(parts)
    indicator = ", and whether it was missing" if "missing" in parts else ""
    if kind == "number":
        feature = features[0]
        gaps = ", the median in gaps" if indicator else ""
        return f"the number less {feature.mean:.4g}, over {feature.scale:.4g}{gaps}{indicator}"
    names = {"seconds": "time since the first", "weekday": "day of the week"}
    return ", ".join(names.get(part, part) for part in parts if part != "missing") + indicator

"""What a command trained as a folder for programs without this package: the estimator, and what prepares its rows."""

import shutil
from pathlib import Path
from typing import Any

from vae_moe.app import folder, inputs, trained
from vae_moe.data.files import DatasetError
from vae_moe.data.preparation import PARTS, Preparation
from vae_moe.engine.files import whole_folder
from vae_moe.exported import prepare

DESCRIPTION = "preparation.json"


def write(source: Path, out: Path, form: str, overwrite: bool) -> None:
    """Write an export.

    Args:
        source: a folder that ``vae-moe cluster`` or ``experts`` wrote.
        out: where; whole or not at all.
        form: one of ``KerasEstimator.export``.
        overwrite: whether an earlier export there is replaced.

    Raises:
        DatasetError: something else is there, the folder is damaged, or has no such form.
    """
    if out.is_file() or (out.exists() and any(out.iterdir()) and not (overwrite and (out / DESCRIPTION).is_file())):
        raise DatasetError(f"{out} is there already. Give another folder, or --overwrite an earlier export.")
    config = folder.trained(source)
    preparation = inputs.preparation(source, config)
    estimator = trained.estimator(source, config)
    with whole_folder(out) as made:
        try:
            estimator.export(made, form)
        except ValueError as error:
            raise DatasetError(str(error)) from error
        folder.write_json(made / DESCRIPTION, description(config, preparation))
        if preparation is not None:
            shutil.copyfile(str(prepare.__file__), made / "prepare.py")


def description(config: dict[str, Any], preparation: Preparation | None) -> dict[str, Any]:
    """What ``preparation.json`` says: each column's kind, and of each number that a model takes how it is made."""
    told = {"kind": config["kind"], "target": config.get("target", [])}
    if preparation is None:
        return {**told, "image_shape": config["image_shape"], "white": 255}
    found, steps = preparation.columns, preparation.transformer.named_transformers_
    kinds = {"number": found.numbers, "date": found.dates, "category": found.categories}
    fills: dict[tuple[str, str], float] = {}
    if found.numbers:
        fills |= {(name, ""): fill for name, fill in zip(found.numbers, steps["number"][0].statistics_, strict=True)}
    if found.dates:
        dates, imputer, *_ = steps["date"]
        names = [(name, part) for name in found.dates for part in PARTS]
        fills |= dict(zip(names, imputer.statistics_, strict=True))
        for name, first in zip(found.dates, dates.first_, strict=True):
            fills[name, "seconds"] += first
    features = []
    for feature in preparation.features:
        made: dict[str, Any] = {"column": feature.column, "kind": feature.kind, "part": feature.part}
        if feature.kind == "category":
            made["part"] = "other" if feature.part == "(other)" else "category"
            features.append(made | {"category": feature.part})
        else:
            fill = float(fills.get((feature.column, feature.part), 0.0))
            features.append(made | {"fill": fill, "mean": feature.mean, "scale": feature.scale})
    return {**told, "columns": {name: kind for kind, names in kinds.items() for name in names}, "features": features}

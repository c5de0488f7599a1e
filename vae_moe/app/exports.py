"""What a command trained as a folder for programs without this package: the estimator, and what prepares its rows."""

import shutil
from dataclasses import asdict
from pathlib import Path
from typing import Any

from vae_moe.app import features, folder, inputs, trained
from vae_moe.data.files import DatasetError
from vae_moe.data.preparation import Preparation
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
        folder.write_json(made / DESCRIPTION, description(config, preparation, estimator))
        if preparation is not None:
            shutil.copyfile(str(prepare.__file__), made / "prepare.py")


def description(config: dict[str, Any], preparation: Preparation | None, estimator: Any) -> dict[str, Any]:
    """What ``preparation.json`` says: each column's kind, and of each number that a model takes how it is made."""
    told = {"kind": config["kind"], "target": config.get("target", [])}
    if preparation is None:
        return {**told, "image_shape": config["image_shape"], "white": 255}
    found = preparation.columns
    kinds = {"number": found.numbers, "date": found.dates, "category": found.categories}
    told |= {"columns": {name: kind for kind, names in kinds.items() for name in names}}
    if estimator.table_ is None:  # the model standardises
        made = [{"column": name, "kind": "number", "fill": preparation.medians[name]} for name in found.numbers]
        return {**told, "features": made}
    made = [asdict(feature) for feature in features.of_estimator(estimator, preparation)]
    return {**told, "limit": estimator.x_limit_, "features": made}

"""A table of several kinds of columns as numbers alone, for methods that take nothing else."""

from collections.abc import Sequence

import numpy as np
import pandas as pd


def prepared(frame: pd.DataFrame, rows: Sequence[int] | np.ndarray | None = None) -> np.ndarray:
    """Give standardised numbers, gaps as medians with an indicator, and a column a category.

    Args:
        frame: [N, C].
        rows: positions of those to learn medians, scales and categories from; None: all.

    Returns:
        x [N, D] float32. Rare categories share a column, and a gap is a category of its own.
    """
    from sklearn.compose import ColumnTransformer
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    from vae_moe.data import columns

    rows = np.arange(len(frame)) if rows is None else np.asarray(rows)
    found = columns.look_at(frame, (), rows)
    values = columns.typed(frame, found)
    numbers = make_pipeline(SimpleImputer(strategy="median", add_indicator=True), StandardScaler())
    categories = OneHotEncoder(
        handle_unknown="infrequent_if_exist",
        min_frequency=columns.rare_below(len(rows)),
        max_categories=columns.MAX_CATEGORIES + 1,
        sparse_output=False,
    )
    parts = [("number", numbers, [*found.numbers, *found.dates]), ("category", categories, found.categories)]
    transformer = ColumnTransformer([part for part in parts if part[2]], sparse_threshold=0)
    return transformer.fit(values.iloc[rows]).transform(values).astype(np.float32)

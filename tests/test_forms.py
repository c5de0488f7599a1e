"""Numbers as people write them, and words for a gap."""

import numpy as np
import pandas as pd
import pytest

from vae_moe.data import forms


@pytest.mark.parametrize(
    ("cells", "numbers"),
    [
        (["$5", "$-6", "-$7", "($8.5)"], [5, -6, -7, -8.5]),
        (["US$ 1,000", "US$ 5"], [1000, 5]),
        (["EUR 1.234,50", "EUR 5"], [1234.5, 5]),
        (["1,5e3", "2,5"], [1500, 2.5]),
        (["0,123", "1,230"], [0.123, 1.23]),
        (["12 km/h", "13 km/h"], [12, 13]),
        (["12:30", "1.2.3", "a", "1-2", "2020-01-01", "3rd", "", "12,34"], [np.nan] * 7 + [12.34]),
    ],
)
def test_forms(cells, numbers):
    form = forms.best(dict.fromkeys(cells, 1))
    np.testing.assert_array_equal(form.numbers(pd.Series(cells)), numbers)


def test_words_for_a_gap():
    words = ["", "-", "--", "N/A", "n.a.", "NaN", "none", "Unknown", "TBD", "#DIV/0!", "not reported"]
    others = ["0", "x", "no", "nothing", "unknown street", "-1", "....", "not"]
    assert forms.is_gap(pd.Series(words + others)).tolist() == [True] * len(words) + [False] * len(others)

"""Files of any bytes and commands of any words: each is refused by a typed error or rightly taken, and soon.

A test tries few examples, the same ones each time; ``python tests/stress fuzz`` tries as many as it is told. What that
has found is kept as explicit examples.
"""

from datetime import timedelta

import pytest
import short_plans
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from stress import fuzz

#: Examples of targets that take long; of the others a hundred.
TRIES = {
    "npy": 40,
    "tfrecord": 25,
    "tfrecord_examples": 25,
    "hhar": 10,
    "rcv1": 15,
    "estimator": 20,
    "predict": 10,
    "train": 20,
}


@pytest.mark.parametrize("name", list(fuzz.SHARES))
def test_what_is_damaged_is_refused_or_rightly_taken(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    short_plans.shorten(monkeypatch)
    target, outcomes = fuzz.make(name), []
    for example in target.examples:
        fuzz.tried(target, example)

    @settings(
        max_examples=TRIES.get(name, 100),
        deadline=timedelta(seconds=20),
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(st.data())
    def tried(data):
        outcomes.append(fuzz.tried(target, data.draw(target.inputs)))

    tried()
    assert any(outcomes)

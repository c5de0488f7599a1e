"""Batches: each row once an epoch, views that belong to their rows, the same sequence for the same seed."""

import logging

import keras
import numpy as np
import pytest
import tensorflow as tf

from vae_moe.engine import pipelines
from vae_moe.layers.batch_part import terms_of_part


def test_every_row_once_an_epoch_in_another_order():
    x = np.arange(12, dtype="f")[:, None]
    data = pipelines.batches(x, batch_size=4, seed=1)
    first, second = (np.concatenate([batch[0] for batch in data]).ravel() for _ in range(2))
    assert sorted(first) == sorted(second) == list(range(12)) and not np.array_equal(first, second)
    assert all(len(batch[0]) == 5 for batch in pipelines.batches(x, batch_size=5))


def test_views_are_neighbours_and_targets_stay_with_their_rows(rng):
    x = np.arange(20, dtype="f")[:, None]
    neighbors = rng.integers(0, 20, (20, 3))
    seen = set()
    data = pipelines.batches(x, x * 2, batch_size=10, neighbors=neighbors, augment=lambda v: v + 0.5)
    for _ in range(5):
        for inputs, y in data:
            rows, views = np.ravel(inputs["x"]).astype(int), np.ravel(inputs["view"])
            np.testing.assert_array_equal(np.ravel(y), 2 * rows)
            assert all(view - 0.5 in neighbors[row] for row, view in zip(rows, views, strict=True))
            seen |= set(zip(rows, views, strict=True))
    assert len(seen) > 30  # drawn anew, not one fixed neighbour


def test_radii_and_components_stay_with_their_rows():
    x = np.arange(12, dtype="f")[:, None]
    for (inputs,) in pipelines.batches(x, batch_size=4, radius=x[:, 0] / 2, components=np.arange(12) - 1):
        np.testing.assert_array_equal(inputs["radius"], np.ravel(inputs["x"]) / 2)
        np.testing.assert_array_equal(inputs["component"], np.ravel(inputs["x"]) - 1)


def test_same_seed_same_batches(rng):
    x, neighbors = rng.normal(size=(30, 2)).astype("f"), rng.integers(0, 30, (30, 4))

    def draw(seed):
        data = pipelines.batches(x, batch_size=7, seed=seed, neighbors=neighbors)
        return np.concatenate([np.hstack([b["x"], b["view"]]) for _ in range(2) for (b,) in data])

    np.testing.assert_array_equal(draw(3), draw(3))
    assert not np.array_equal(draw(3), draw(4))


def test_the_next_epoch_does_not_depend_on_how_far_the_last_one_was_read():
    x = np.arange(96, dtype="f")[:, None]

    def second_epoch(n_read):  # in all it has 12 batches, 2 passes; prefetching reads 2 ahead
        data = pipelines.batches(x, batch_size=16, seed=3, least_steps=10)
        assert len(data) == 12 and list(data.take(n_read))
        return np.ravel(list(data))

    order = second_epoch(n_read=13)  # to its end, which a thread may reach or not before Keras begins the next epoch
    assert [sorted(rows) for rows in order.reshape(2, 96)] == [list(range(96))] * 2
    np.testing.assert_array_equal(second_epoch(n_read=8), order)


def test_steps_per_execution_divides_the_epoch():
    assert [pipelines.steps_per_execution(n) for n in (1, 12, 127, 214, 275, 997)] == [1, 12, 127, 107, 55, 1]


def test_in_order_keeps_the_order():
    x = np.arange(7, dtype="f")[:, None]
    np.testing.assert_array_equal(np.concatenate([b[0] for b in pipelines.in_order(x, batch_size=3)]), x)


@pytest.mark.parametrize("kind", ["int64", "uint8", "float32"])
def test_labelled_rows_are_in_every_batch_and_have_their_target_there_alone(kind):
    x = np.arange(40, dtype="f")[:, None]
    y = (x if kind == "float32" else np.arange(40)).astype(kind)  # of rows that are not listed, it stays
    data = pipelines.batches(x, y, batch_size=10, seed=1, labelled=np.arange(3), n_labelled=4)
    assert len(data) == 4
    places, in_turn = [], []
    for inputs, given in data:
        rows, targets = np.ravel(inputs).astype(int), np.ravel(given)
        told = ~np.isnan(targets) if kind == "float32" else targets >= 0
        np.testing.assert_array_equal(targets[told], rows[told])
        drawn = told & (rows < 3)
        assert inputs.shape == (14, 1) and drawn.sum() == 4
        places += np.flatnonzero(drawn).tolist()
        in_turn += rows[~drawn].tolist()
    assert sorted(in_turn) == list(range(40))  # every row once an epoch
    assert min(places) < 10 and len(set(places)) > 8  # anywhere


def test_a_part_of_a_batch_has_its_share_of_labelled_rows():
    x = np.where(np.arange(64) < 8, 1.0, 0.0).astype("f")[:, None]  # the labelled rows' alone
    y = np.where(x[:, 0] > 0, 0, -1)
    data = pipelines.batches(x, y, batch_size=16, labelled=np.arange(8), n_labelled=16)
    whole, part = [], []
    for _ in range(25):
        for inputs, _ in data:
            terms = terms_of_part(lambda x: {"recon": x[:, 0]}, 0.25, inputs)
            whole.append(np.mean(inputs))
            part.append(np.mean(terms["recon"]))
    assert abs(np.mean(whole) - 9 / 16) < 0.01
    assert abs(np.mean(part) - np.mean(whole)) < 4 * np.std(part) / 10  # of 100 batches


def test_a_radius_stays_with_its_row():
    x = np.arange(12, dtype="f")[:, None]
    for (inputs,) in pipelines.batches(x, batch_size=4, radius=np.ravel(x) / 8):
        assert set(inputs) == {"x", "radius"}
        np.testing.assert_array_equal(inputs["radius"], np.ravel(inputs["x"]) / 8)


def test_xla_compiles_what_takes_many_steps():
    model = keras.Sequential([keras.layers.Input((4,)), keras.layers.Dense(5)])
    data = pipelines.batches(np.zeros([40, 4], "float32"), batch_size=20)  # 2 steps an epoch
    assert not pipelines.compile_options(model, data, pipelines.LEAST_XLA_STEPS // 2 - 1)["jit_compile"]
    assert pipelines.compile_options(model, data, pipelines.LEAST_XLA_STEPS // 2)["jit_compile"]


def test_readouts_come_in_batches_of_one_size(rng):
    x = rng.normal(size=(25, 3)).astype("f")
    shapes = []

    def twice(rows):
        shapes.append(tuple(rows.shape))
        return 2.0 * rows

    np.testing.assert_array_equal(pipelines.map_batches(twice, x, batch_size=10), 2.0 * x)
    assert shapes == [(10, 3)] * 3


def test_own_seeds_leave_tensorflows_global_seed_out_and_back():
    """Orders as where no global seed is set, which tf.data counts as 87654321; nested, and one context for all."""
    x, orders = np.arange(20, dtype="f")[:, None], []
    for seed in (1, 2):
        keras.utils.set_random_seed(seed)
        with pipelines.own_seeds, pipelines.own_seeds:
            own = pipelines.batches(x, batch_size=20, seed=3)
        orders += [np.ravel(next(iter(data))) for data in (own, pipelines.batches(x, batch_size=20, seed=3))]
    keras.utils.set_random_seed(87654321)
    orders.append(np.ravel(next(iter(pipelines.batches(x, batch_size=20, seed=3)))))
    np.testing.assert_array_equal(orders[0], orders[2])
    np.testing.assert_array_equal(orders[0], orders[4])
    assert (orders[1] != orders[3]).any() and (orders[1] != orders[0]).any()


def test_no_advice_to_trace_less_while_models_train(caplog):
    caplog.set_level(logging.WARNING, tf.get_logger().name)  # other tests may have set it
    advice = "5 out of the last 5 calls to <function f> triggered tf.function retracing. Tracing is expensive"
    with pipelines.repeatable(), pipelines.repeatable():
        tf.get_logger().warning(advice)
        tf.get_logger().warning("something else")
    assert caplog.messages == ["something else"]
    tf.get_logger().warning(advice)
    assert caplog.messages == ["something else", advice]

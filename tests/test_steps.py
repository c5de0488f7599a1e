"""Steps in XLA loops against Keras' own, one at a time."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from vae_moe import DMVAE, DeepMoE, DVMoE
from vae_moe.engine import pipelines, steps
from vae_moe.training.stop_on_nan import StopOnNaN

N_STEPS = 2 * steps.LoopingModel.steps_per_loop - 3  # two loops, the second not full


def _data(x, y=None, **options):
    return pipelines.batches(x, y, batch_size=20, seed=3, **options).take(N_STEPS)


def _model(model_class, *arguments, adversarial=0.0, **options):
    sizes = {"z_encoder_sizes": (12,), "c_encoder_sizes": (12,), "decoder_sizes": (12,)}
    regularization = {"balance": 1.0, "adversarial": adversarial, "start": 1.0}
    model = model_class(*arguments, seed=1, latent_dim=3, regularization=regularization, **sizes, **options)
    model.compile(keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(0.001, 2 * N_STEPS)), jit_compile=True)
    return model


def _clustering(x, y):
    weights = np.linspace(0.5, 1.5, len(x))
    return _model(DMVAE, 64, n_components=5, adversarial=0.5), _data(
        x, components=y, sample_weight=weights
    )  # y is None


def _experts(x, y):
    return _model(DVMoE, 64, 5, 10, "classification"), _data(x, y)


def _small(model_class=DeepMoE):
    model = model_class(64, 2, 10, "classification", hidden_sizes=())
    model.compile("sgd", jit_compile=True)
    return model


@pytest.mark.parametrize("make", [_clustering, _experts])
def test_a_loop_takes_keras_steps(make, digits):
    x, y = digits
    results = []
    for n_calls in (2, N_STEPS):
        model, data = make(x, y)
        if n_calls == N_STEPS:
            model.steps_per_loop = 1
        seen = _Batches()
        history = model.fit(data, epochs=2, shuffle=False, verbose=0, callbacks=[seen]).history
        assert seen.n_batches == 2 * n_calls
        assert int(model.optimizer.iterations) == 2 * N_STEPS
        results.append((history, model.get_weights(), [v.numpy() for v in model.optimizer.variables]))
    (looped, weights, moments), (plain, plain_weights, plain_moments) = results
    assert list(looped) == list(plain) and len(looped) > 3
    for name in plain:
        np.testing.assert_allclose(looped[name], plain[name], rtol=1e-5, atol=1e-6, err_msg=name)
    for values, plain_values in ((weights, plain_weights), (moments, plain_moments)):
        for value, plain_value in zip(values, plain_values, strict=True):
            np.testing.assert_allclose(value, plain_value, rtol=1e-3, atol=1e-5)


class _Batches(keras.callbacks.Callback):
    """Counts what Keras calls batches, which may be loops."""

    takes_loops = True
    n_batches = 0

    def on_train_batch_end(self, batch, logs=None):
        self.n_batches += 1


class _Steps(_Batches):
    takes_loops = False


class _Checkpoint(keras.callbacks.ModelCheckpoint):
    def on_train_batch_begin(self, batch, logs=None):
        pass


#: Callbacks -> whether they ask for each step.
CALLBACKS = {
    "none": (lambda folder: None, False),
    "by epoch": (lambda folder: keras.callbacks.EarlyStopping("loss"), False),
    "progress": (lambda folder: keras.callbacks.ProgbarLogger(), False),
    "saving by epoch": (lambda folder: keras.callbacks.ModelCheckpoint(folder / "m.keras"), False),
    "saving by step": (lambda folder: keras.callbacks.ModelCheckpoint(folder / "m.keras", save_freq=4), True),
    "backup by epoch": (lambda folder: [[keras.callbacks.BackupAndRestore(folder)]], False),
    "backup by step": (lambda folder: [[keras.callbacks.BackupAndRestore(folder, save_freq=4)]], True),
    "board by epoch": (keras.callbacks.TensorBoard, False),
    "board by step": (lambda folder: keras.callbacks.TensorBoard(folder, update_freq=2), True),
    "board of profiles": (lambda folder: keras.callbacks.TensorBoard(folder, profile_batch=2), True),
    "board of speed": (lambda folder: keras.callbacks.TensorBoard(folder, write_steps_per_second=True), True),
    "not a number": (lambda folder: keras.callbacks.TerminateOnNaN(), True),
    "ours": (lambda folder: StopOnNaN(), False),
    "a user's": (lambda folder: _Steps(), True),
    "a user's of Keras'": (lambda folder: _Checkpoint(folder / "m.keras"), True),
    "a lambda": (lambda folder: keras.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: None), True),
    "a lambda by epoch": (lambda folder: keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: None), False),
    "a list": (lambda folder: keras.callbacks.CallbackList([_Steps()]), True),
}


@pytest.fixture(scope="module")
def compiled():
    return _model(DMVAE, 64, n_components=5)


@pytest.mark.parametrize("name", CALLBACKS)
def test_no_loops_where_a_callback_asks_for_steps(name, tmp_path, digits, compiled):
    make, asks = CALLBACKS[name]
    assert compiled._takes_loops(_data(digits[0]), (), {"callbacks": make(tmp_path)}) is not asks


def test_a_checkpoint_by_step_writes_as_many_files_as_it_was_told(digits, tmp_path):
    model, data = _small(), _data(*digits).take(10)
    checkpoint = keras.callbacks.ModelCheckpoint(tmp_path / "{batch}.weights.h5", save_freq=4, save_weights_only=True)
    model.fit(data, epochs=2, shuffle=False, verbose=0, callbacks=[checkpoint])
    assert len(list(tmp_path.iterdir())) == 20 // 4


@pytest.mark.parametrize("n_batches", [2, 16, 17, 214])
def test_loops_have_every_batch_once_in_order(n_batches):
    data = tf.data.Dataset.range(3 * n_batches).batch(3, drop_remainder=True).map(lambda x: (x, None))
    elements = list(steps.loops(data, 16))
    assert {len(batches) for (batches, _), _ in elements} == {-(-n_batches // len(elements))}  # one shape
    assert len(elements) == -(-n_batches // 16) == len(steps.loops(data, 16))
    rows = [np.ravel(batches[:n]) for (batches, _), n in elements]
    np.testing.assert_array_equal(np.concatenate(rows), range(3 * n_batches))


def test_batches_of_several_shapes_are_keras_alone(digits):
    model = _small()
    rows = tf.data.Dataset.from_tensor_slices((digits[0][:50], digits[1][:50]))
    model.fit(rows.batch(20), shuffle=False, verbose=0)  # 20, 20, 10
    model.fit(_data(*digits).repeat(), steps_per_epoch=3, epochs=2, shuffle=False, verbose=0)
    assert int(model.optimizer.iterations) == 3 + 6


def test_a_step_of_a_subclass_gets_batches(digits):
    class Seeing(DeepMoE):
        def train_step(self, data):
            assert data[0].shape == (20, 64)
            return super().train_step(data)

    model = _small(Seeing)
    model.fit(_data(*digits).take(3), shuffle=False, verbose=0)
    assert int(model.optimizer.iterations) == 3

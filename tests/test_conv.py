"""Convolutional and other networks: scipy's correlation, the report's layout, and images as good as rows."""

import keras
import numpy as np
import pytest
import scipy.signal
import tensorflow as tf

from vae_moe import DMVAE, DeepMoE, VaDE
from vae_moe.engine import pipelines
from vae_moe.layers import ConvDecoder, ConvEncoder, NetworkMixture
from vae_moe.training import augmentation, graphs, initialization

CONV = {"encoder": "conv", "decoder": "conv", "filters": (8, 16), "trunk_sizes": (64,), "decoder_sizes": (64,)}
DIGITS = {**CONV, "image_shape": (8, 8, 1), "n_components": 10, "latent_dim": 5, "z_encoder_sizes": ()}


@pytest.fixture(scope="module")
def images(digits):
    return digits[0].reshape(-1, 8, 8, 1)


def test_a_block_is_scipys_correlation_and_a_maximum(rng):
    """5x3 pixels of two channels: both convolutions, ReLU, bias, and pooling over the odd edges."""
    encoder = ConvEncoder((5, 3, 2), filters=(4,), hidden_sizes=())
    encoder.build((None, 30))
    for weight in encoder.weights:
        weight.assign(rng.normal(size=weight.shape))
    image = rng.normal(size=(5, 3, 2))
    found = np.asarray(encoder(image.reshape(1, -1).astype("f")))
    for kernel, bias in zip(encoder.get_weights()[::2], encoder.get_weights()[1::2], strict=True):
        channels = [
            sum(scipy.signal.correlate2d(image[..., i], kernel[..., i, o], "same") for i in range(image.shape[-1]))
            for o in range(4)
        ]
        image = np.maximum(np.stack(channels, -1) + bias, 0)
    pooled = np.pad(image, [(0, 1), (0, 1), (0, 0)]).reshape(3, 2, 2, 2, 4).max((1, 3))
    np.testing.assert_allclose(found, pooled.reshape(1, -1), rtol=1e-4, atol=1e-5)


def test_the_default_is_the_layout_of_the_reports_code():
    encoder, decoder = ConvEncoder((28, 28)), ConvDecoder((28, 28))
    encoder.build((None, 784))
    decoder.build((None, 10))
    kernels = [weight.shape for weight in encoder.weights if len(weight.shape) > 1]
    assert [shape[-2:] for shape in kernels] == [
        (1, 32), (32, 32), (32, 64), (64, 64), (64, 128), (128, 128), (4 * 4 * 128, 500)
    ]  # fmt: skip
    assert all(shape[:2] == (3, 3) for shape in kernels[:-1])
    mirrored = [weight.shape for weight in decoder.weights if len(weight.shape) > 1]
    assert mirrored[:2] == [(10, 500), (500, 4 * 4 * 128)]
    assert [shape[-2:] for shape in mirrored[2:]] == [(128, 128), (128, 64), (64, 64), (64, 32), (32, 32), (32, 1)]


@pytest.mark.parametrize("image_shape", [(28, 28, 1), (8, 8), (32, 32, 3), (7, 5, 2), (1, 3)])
@pytest.mark.parametrize("n_maps", [1, 2])
def test_any_size_of_image_there_and_back(image_shape, n_maps, rng):
    size = int(np.prod(image_shape))
    encoder, decoder = ConvEncoder(image_shape, (2, 3, 4), (6,)), ConvDecoder(image_shape, (2, 3, 4), (6,), n_maps)
    hidden = encoder(rng.normal(size=(2, size)).astype("f"))
    assert hidden.shape == (2, 6) == encoder.compute_output_shape((2, size))
    assert decoder(hidden).shape == (2, n_maps * size) == decoder.compute_output_shape((2, 6))
    kernel, bias = decoder.weights[-2:]
    kernel.assign(tf.zeros_like(kernel))
    values = np.arange(bias.shape[0], dtype="f")
    bias.assign(values)
    maps = np.asarray(decoder(hidden)).reshape(2, n_maps, *image_shape[:2], -1)  # means, then log-variances
    np.testing.assert_array_equal(maps[:, :, 0, 0].reshape(2, -1), [values] * 2)
    assert np.ptp(maps, (2, 3)).max() == 0


def test_images_are_read_out_as_their_rows_are(images):
    model = VaDE(64, **DIGITS)
    x = images[:20]
    rows = x.reshape(20, -1)
    np.testing.assert_array_equal(model.predict_proba(x), model.predict_proba(rows))
    np.testing.assert_array_equal(model.encode(x), model.encode(rows))
    np.testing.assert_array_equal(model.elbo(x), model.elbo(rows))
    np.testing.assert_array_equal(model.reconstruct(x).reshape(20, -1), model.reconstruct(rows))
    assert model.reconstruct(x).shape == x.shape and model.reconstruct(rows).shape == rows.shape
    assert model.generate(3, component=1).shape == (3, 8, 8, 1)
    with pytest.raises(ValueError, match=r"x must be \[N, 64\] or \[N, 8, 8, 1\] with N >= 1, got shape \(20, 8, 8\)"):
        model.encode(x[..., 0])
    with pytest.raises(ValueError, match=r"flatten images to rows, or give the model their image_shape"):
        VaDE(64, n_components=10).encode(x)


def test_every_stage_takes_images(images, digits):
    """Real data, in seconds: autoencoder, neighbours, prior, c-network, then the bound with every training term."""
    x, y = images[:800], digits[1][:800]
    weights = {"adversarial": 1.0, "consistency": 1.0, "balance": 1.0, "entropy": 1.0}
    model = DMVAE(64, **DIGITS, c_encoder_sizes=(32,), regularization=weights)
    options = {"batch_size": 50, "verbose": 0, "learning_rate": 0.01}
    losses = initialization.pretrain_autoencoder(model.mixture, x, epochs=5, **options).history["loss"]
    assert losses[-1] < 0.85 * losses[0]
    neighbors = graphs.nearest_neighbors(x)
    np.testing.assert_array_equal(neighbors.rows, graphs.nearest_neighbors(x.reshape(len(x), -1)).rows)
    radius = graphs.neighbor_distances(x, neighbors)
    initialization.assign_prior(model.mixture.prior, model.encode(x), np.eye(10)[y])
    losses = initialization.distill(model.mixture, x, np.eye(10)[y], epochs=4, **options).history["loss"]
    assert losses[-1] < losses[0]
    data = pipelines.batches(
        x, batch_size=100, radius=0.25 * radius, augment=augmentation.small_affine((8, 8, 1)), neighbors=neighbors.rows
    )
    (inputs,) = next(iter(data))
    assert inputs["x"].shape == inputs["view"].shape == (100, 8, 8, 1)
    model.compile(keras.optimizers.Adam(1e-3), jit_compile=pipelines.use_xla(model))
    history = model.fit(data, epochs=1, shuffle=False, verbose=0).history
    assert np.isfinite([history[name] for name in ("recon", "kl_z", "kl_c", *weights)]).all()


def test_a_layer_learns_its_statistics_in_the_warm_start(images):
    parts = [keras.layers.Conv2D(4, 3, strides=2), keras.layers.BatchNormalization()]
    mixture = NetworkMixture(64, 3, 2, encoder=keras.Sequential(parts), decoder_sizes=(8,), image_shape=(8, 8, 1))
    mixture.build((None, 64))
    mean, _ = parts[1].non_trainable_variables
    initialization.pretrain_autoencoder(mixture, images[:200], epochs=2, batch_size=50, verbose=0)
    assert np.abs(mean).max() > 0


def test_a_gates_features_are_its_networks_output(images):
    gate = DeepMoE(64, 3, 1, hidden_sizes=(7,), encoder="conv", image_shape=(8, 8, 1), expert_input="features")
    assert gate.experts.kernels.shape == (3, 7, 1) and gate.predict_mean(images[:4]).shape == (4, 1)


def test_the_network_is_chosen_by_name_or_layer():
    with pytest.raises(ValueError, match="must be 'mlp' or 'conv' or a Keras layer, got 'cnn'"):
        DMVAE(64, n_components=3, encoder="cnn")
    with pytest.raises(ValueError, match="a convolutional network needs image_shape"):
        DMVAE(64, n_components=3, decoder="conv")
    with pytest.raises(ValueError, match=r"image_shape must be .* of input_dim=64 entries, got \(8, 9\)"):
        DMVAE(64, n_components=3, image_shape=(8, 9))
    with pytest.raises(ValueError, match="the decoder must give the 128 parameters of x's likelihood, got 64"):
        DMVAE(64, n_components=3, decoder=keras.layers.Dense(64), likelihood="heteroscedastic_gaussian")
    with pytest.raises(ValueError, match="filters must have the channels of one block"):
        ConvEncoder((8, 8), filters=())


def test_channels_come_last_whatever_keras_configuration(rng, tmp_path):
    """A model that is made and saved where images have channels last is read, and trains, where they come first."""
    x = rng.uniform(size=(10, 5, 4, 2)).astype("f")
    model = DMVAE(40, n_components=2, encoder="conv", decoder="conv", image_shape=(5, 4, 2), filters=(3,), latent_dim=2)
    model.save(tmp_path / "model.keras")
    keras.config.set_image_data_format("channels_first")
    try:
        loaded = keras.saving.load_model(tmp_path / "model.keras")
        np.testing.assert_array_equal(loaded.reconstruct(x), model.reconstruct(x))
        np.testing.assert_array_equal(loaded.predict_proba(x), model.predict_proba(x))
    finally:
        keras.config.set_image_data_format("channels_last")

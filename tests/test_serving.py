"""SavedModels: TensorFlow alone gives what the model gave, for any batch; a folder is whole or as it was."""

import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from vae_moe import DMVAE, DeepMoE, VaDEMoE
from vae_moe.models import serving

SIZES = {"latent_dim": 3, "z_encoder_sizes": (16,), "decoder_sizes": (16,), "seed": 2}
CONV = {"encoder": "conv", "decoder": "conv", "filters": (4,), "image_shape": (8, 8, 1), "trunk_sizes": (8,)}
MODELS = {
    "DMVAE": lambda: DMVAE(64, n_components=4, **SIZES, **CONV),
    "DeepMoE": lambda: DeepMoE(64, 3, 2, hidden_sizes=(8,), expert_input="features", learn_variance=True),
    "VaDEMoE": lambda: VaDEMoE(64, 3, 5, task="classification", **SIZES),
}
#: Loads each SavedModel where the package cannot be imported, and writes what its signatures give.
SERVE = """
import sys
import numpy as np, tensorflow as tf
class Forbidden:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("vae_moe", "experiments", "tensorflow_probability"):
            raise ImportError(f"{name} is not there")
sys.meta_path.insert(0, Forbidden())
for name in sys.argv[2:]:
    served = tf.saved_model.load(f"{sys.argv[1]}/{name}").signatures
    outputs = {}
    for part, x in np.load(f"{sys.argv[1]}/{name}.npz").items():
        for signature, function in served.items():
            for output, value in function(x=tf.constant(x)).items():
                outputs[f"{part}/{signature}/{output}"] = value.numpy()
    np.savez(f"{sys.argv[1]}/{name}-served.npz", **outputs)
assert "vae_moe" not in sys.modules
"""


@pytest.fixture(scope="module")
def served(digits, tmp_path_factory):
    """A model of each gate with weights at random, and the figures that TensorFlow alone gave for some rows."""
    folder = tmp_path_factory.mktemp("served")
    rng = np.random.default_rng(0)
    models = {}
    for name, make in MODELS.items():
        keras.utils.set_random_seed(0)
        models[name] = model = make()
        for weight in model.trainable_variables:
            weight.assign(weight + rng.normal(0, 0.2, weight.shape))
        model.export(folder / name, n_samples=5, seed=3)
        x = digits[0][:7].reshape(7, *(model.gate_layer().image_shape or [64]))
        np.savez(folder / f"{name}.npz", one=x[:1], seven=x)
    subprocess.run([sys.executable, "-c", SERVE, str(folder), *MODELS], check=True, cwd=folder)
    return {name: (model, dict(np.load(folder / f"{name}-served.npz"))) for name, model in models.items()}


@pytest.mark.parametrize("name", MODELS)
def test_tensorflow_alone_gives_the_models_figures(name, served, digits):
    model, found = served[name]
    x = digits[0][:7].reshape(7, *(model.gate_layer().image_shape or [64]))
    noise = {"n_samples": 5, "seed": 3}
    experts = hasattr(model, "experts")
    probabilities = model.gate_proba(x, **noise) if experts else model.predict_proba(x, **noise)
    expected = {"cluster/probabilities": probabilities, "cluster/component": probabilities.argmax(-1)}
    if experts:
        mean = "y_probabilities" if model.experts.task == "classification" else "y_mean"
        expected[f"predict/{mean}"] = model.predict_mean(x, **noise)
        expected["predict/gate_probabilities"] = probabilities
    if hasattr(model, "mixture"):
        expected |= {"encode/z_mean": model.encode(x), "reconstruct/x_mean": model.reconstruct(x)}
    default = "predict" if experts else "cluster"
    expected |= {key.replace(default, "serving_default"): expected[key] for key in list(expected) if default in key}
    assert {f"{part}/{key}" for part in ("one", "seven") for key in expected} == set(found)
    for key, value in expected.items():
        np.testing.assert_allclose(found[f"seven/{key}"], value, rtol=1e-5, atol=1e-5)
        np.testing.assert_allclose(found[f"one/{key}"], value[:1], rtol=1e-5, atol=1e-5)


def test_an_export_is_replaced_whole_and_nothing_else_is(tmp_path, monkeypatch):
    folder = tmp_path / "new" / "model"
    functions = {"cluster": lambda x: {"twice": 2 * x}}
    serving.write(folder, functions, (3,))
    serving.write(folder, functions, (3,))
    assert {path.name for path in folder.parent.iterdir()} == {"model"}
    before = sorted(path.name for path in folder.rglob("*"))

    def fail(module, path, **options):
        (Path(path) / "half").touch()
        raise OSError("the disk is full")

    monkeypatch.setattr(tf.saved_model, "save", fail)
    with pytest.raises(OSError, match="the disk is full"):
        serving.write(folder, functions, (3,))
    assert sorted(path.name for path in folder.rglob("*")) == before
    assert {path.name for path in folder.parent.iterdir()} == {"model"}
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "thesis.tex").write_text("all of it")
    with pytest.raises(FileExistsError, match="is no SavedModel: remove it, or export to another folder"):
        serving.write(tmp_path / "thesis", functions, (3,))
    assert (tmp_path / "thesis" / "thesis.tex").exists()

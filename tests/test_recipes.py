"""Every kind of recipe runs, at its shortest, and is what it says."""

import json
from dataclasses import asdict, replace
from pathlib import Path

import keras
import numpy as np
import pytest
import scipy.io
import short_plans
import small_files
from matplotlib.image import imread

from experiments import readme, recipes, runs, sizes, table1, train, training
from vae_moe import metrics
from vae_moe.data import datasets
from vae_moe.training import initialization

pytestmark = pytest.mark.usefixtures("no_graphs")
CLUSTERING = {"clustering_accuracy", "nmi", "ari", "elbo", "components_used"}


@pytest.fixture
def undrawn(monkeypatch):
    short_plans.undrawn(monkeypatch)


@pytest.mark.usefixtures("undrawn")
def test_restarts_keep_the_clustering_that_agrees_most_with_the_others(tmp_path):
    recipe = recipes.get("digits-vade", n_components=12)
    figures_ = train.run(recipe, tmp_path, restarts=3, smoke=True, verbose=0)
    folder = runs.folder(tmp_path, recipe)
    assert folder.parent.name == "digits-vade-12-components" and figures_["n_components"] == 12
    tried = [json.loads((folder / f"restart{i}" / "metrics.json").read_text())["val_loss"] for i in range(3)]
    assert len(set(tried)) == 3 and figures_["restart_val_losses"] == tried
    x = datasets.load("digits").head(64).validation.x
    models = [keras.saving.load_model(folder / f"restart{i}" / "model.keras") for i in range(3)]
    agreed = metrics.agreement([model.cluster(x) for model in models])
    assert figures_["restart_agreements"] == agreed.tolist() and figures_["restart"] == agreed.argmax()
    assert figures_["val_loss"] == tried[agreed.argmax()]
    assert {"model.keras", "history.csv", "figures", "config.json"} <= {path.name for path in folder.iterdir()}
    assert [run["folder"] for run in runs.finished(tmp_path)] == [str(folder)]


@pytest.mark.parametrize(
    ("name", "preset"),
    [
        ("digits-vade", "default"),
        ("digits-dmvae", "augment"),
        ("digits-dmvae", "scratch"),
        ("spiral-dmvae", "default"),
        ("spiral-vade", "default"),
        ("digits-dmvae", "paper"),
        ("spiral-vade", "paper"),
    ],
)
def test_recipes_run(name, preset, tmp_path, monkeypatch):
    if (name, preset) != ("spiral-dmvae", "default"):  # of points; test_experiments has the pictures of images
        short_plans.undrawn(monkeypatch)
    figures_ = train.run(recipes.get(name, preset), tmp_path, smoke=True, verbose=0)
    assert np.isfinite([figures_[key] for key in CLUSTERING]).all()


@pytest.mark.usefixtures("undrawn")
def test_a_convolutional_recipe_runs(tmp_path):
    assert train.main(["digits-dmvae", "--encoder", "conv", "--smoke", "--workdir", str(tmp_path)]) == 0
    (figures_,) = runs.finished(tmp_path)
    folder = Path(figures_["folder"])
    assert folder == tmp_path / "digits-dmvae-conv" / "seed0" and np.isfinite(figures_["val_loss"])
    assert figures_["command"].endswith("digits-dmvae --encoder conv --seed 0 --epochs 1")
    model, x = keras.saving.load_model(folder / "model.keras"), datasets.digits().test.x
    np.testing.assert_array_equal(model.reconstruct(x.reshape(-1, 8, 8)), model.reconstruct(x).reshape(-1, 8, 8))
    kernels = [weight.shape for weight in model.mixture.trunk.weights if len(weight.shape) == 4]
    assert [shape[-1] for shape in kernels] == [16, 16, 32, 32]


@pytest.mark.parametrize(
    ("name", "preset", "options"),
    [
        ("spiral-dvmoe", "default", {}),
        ("spiral-vademoe", "default", {"n_outputs": 5}),
        ("spiral-deepmoe", "default", {"n_outputs": 2}),
        ("digits-dvmoe", "default", {"task": "classification", "n_labels": 20}),
        ("digits-vademoe", "default", {"task": "classification"}),
        ("digits-deepmoe", "default", {"task": "classification"}),
        ("spiral-dvmoe", "paper", {}),
        ("spiral-deepmoe", "paper", {}),
    ],
)
def test_recipes_of_experts_run(name, preset, options, tmp_path, monkeypatch):
    draws = name.endswith("dvmoe") and preset == "default"  # of points and of images
    if not draws:
        short_plans.undrawn(monkeypatch)
    recipe = recipes.get(name, preset, **options)
    figures_ = train.run(recipe, tmp_path, smoke=True, verbose=0)
    assert set(figures_) >= {"nll", "gate_accuracy", "test_error" if recipe.task == "regression" else "accuracy"}
    assert np.isfinite([value for value in figures_.values() if isinstance(value, float)]).all()
    drawn = {path.stem for path in (runs.folder(tmp_path, recipe) / "figures").glob("*.png")}
    of_points = {"regions"} if recipe.dataset == "spiral" else set()
    assert drawn == ({"gate_use", "predictions", "training_curves"} | of_points if draws else set())
    header = (runs.folder(tmp_path, recipe) / "history.csv").read_text().splitlines()[0]
    assert {"nll", "val_nll", "val_gate_accuracy"} <= set(header.split(","))
    assert "experts used" in train.summary(figures_, tmp_path)


def test_a_run_of_experts_has_its_own_folder_and_command():
    recipe = recipes.get("mnist-dvmoe", "paper", task="classification", n_labels=100, seed=2)
    assert recipe.folder == "mnist-dvmoe-classification-100-labels-paper"
    assert recipes.get("mnist-dvmoe", n_outputs=5).folder == "mnist-dvmoe-5-outputs"
    assert runs.command(recipe).endswith(
        "mnist-dvmoe --preset paper --task classification --labels 100 --seed 2 --epochs 500"
    )


def test_a_warm_start_is_made_once(tmp_path):
    """The second run finds the first one's start, tells its seconds, and ends alike; another K finds it."""
    recipe, dataset = recipes.smoke(recipes.get("digits-dvmoe")), datasets.digits().head(64)
    y = training.targets(recipe, dataset)
    first, second = (training.train(recipe, dataset, y, cache=tmp_path, verbose=0) for _ in range(2))
    assert len(list(tmp_path.glob("*.npz"))) == 1
    assert first.history["loss"] == second.history["loss"]
    assert first.shared_seconds == 0.0 < second.shared_seconds < first.warm_start_seconds
    fewer = training.train(replace(recipe, n_components=5), dataset, y, cache=tmp_path, verbose=0)
    assert len(list(tmp_path.glob("*.npz"))) == 1 and fewer.model.mixture.n_components == 5
    other = recipes.smoke(recipes.get("digits-dvmoe", seed=1))
    training.train(other, dataset, y, cache=tmp_path, verbose=0)
    assert len(list(tmp_path.glob("*.npz"))) == 2


def test_the_preset_warm_is_a_dvmoe_without_the_generative_half_of_its_gate():
    of_the_gate = {"latent_dim", "z_encoder_sizes", "decoder_sizes", "c_encoder_sizes", "elbo_weight", "bound_share"}
    for dataset in ("mnist", "spiral"):
        dvmoe, warm = (
            asdict(table1.recipe_of(table1.Cell(dataset, 5, method, 1))) for method in ("dvmoe", table1.WARM)
        )
        assert {name for name in warm if warm[name] != dvmoe[name]} == {"model", "preset", "network", "start_network"}
        network, start_network = dvmoe.pop("network"), warm["start_network"]
        assert warm["network"] == {"hidden_sizes": network["c_encoder_sizes"]} | {
            name: value for name, value in network.items() if name not in of_the_gate
        }
        assert start_network == {name: network[name] for name in of_the_gate & set(start_network)}
        assert len(start_network) == 4


def test_a_warm_deepmoe_learns_the_start_of_its_dvmoe(tmp_path, monkeypatch):
    learned = []
    monkeypatch.setattr(initialization, "distill", lambda *args, **options: learned.append((*args, options)))
    dataset = datasets.digits().head(64)
    for name, preset, folder in (
        ("digits-dvmoe", "default", "shared"),
        ("digits-deepmoe", "warm", "shared"),
        ("digits-deepmoe", "warm", "alone"),
    ):
        recipe = recipes.smoke(recipes.get(name, preset))
        trained = training.train(recipe, dataset, training.targets(recipe, dataset), cache=tmp_path / folder, verbose=0)
        assert learned[-1][0] is trained.model.gate and (trained.shared_seconds > 0) == (len(learned) == 2)
    (_, x, resp, options), *others = learned
    for _, warm_x, warm_resp, warm_options in others:
        np.testing.assert_array_equal(x, warm_x)
        np.testing.assert_array_equal(resp, warm_resp)
        assert {**options, "backup": None} == {**warm_options, "backup": None}
    (shared,), (alone,) = (list((tmp_path / folder).glob("*.npz")) for folder in ("shared", "alone"))
    assert shared.name == alone.name
    with np.load(shared) as one, np.load(alone) as two:
        assert one.files == two.files
        for part in set(one.files) - {"seconds"}:
            np.testing.assert_array_equal(one[part], two[part])


@pytest.mark.usefixtures("undrawn")
@pytest.mark.parametrize("model", ["dmvae", "dvmoe"])
def test_mnist_recipes_run_on_own_files(model, tmp_path, rng):
    """A folder of IDX files in place of the download."""
    for name, n in (("train", 96), ("t10k", 20)):
        images, labels = rng.integers(0, 256, (n, 28, 28), np.uint8), np.arange(n, dtype=np.uint8) % 10
        for kind, array in (("images-idx3", images), ("labels-idx1", labels)):
            header = np.array([0x800 + array.ndim, *array.shape], ">i4").tobytes()
            (tmp_path / f"{name}-{kind}-ubyte").write_bytes(header + array.tobytes())
    figures_ = train.run(recipes.get(f"mnist-{model}"), tmp_path / "runs", data_dir=tmp_path, smoke=True, verbose=0)
    assert figures_["protocol"] == "train 64 / validation 8 / test 20"


def test_a_colour_recipe_runs_on_small_files(tmp_path):
    """CIFAR-10 by the command line, with its pictures in colour."""
    small_files.write_cifar(tmp_path / "data", "binary", small_files.cifar_rows(n_rows=24))
    arguments = ["cifar10-dmvae", "--smoke", "--data-dir", str(tmp_path / "data"), "--workdir", str(tmp_path)]
    assert train.main(arguments) == 0
    folder = runs.folder(tmp_path, recipes.get("cifar10-dmvae"))
    assert json.loads((folder / "metrics.json").read_text())["protocol"] == "train 64 / validation 12 / test 24"
    sprite = imread(folder / "tensorboard" / "test" / "thumbnails.png")
    assert sprite.shape == (5 * 32, 5 * 32, 3)
    expected = datasets.cifar10(data_dir=tmp_path / "data").test.x[6].reshape(32, 32, 3)
    np.testing.assert_allclose(sprite[32:64, 32:64], expected, atol=1e-6)


@pytest.mark.usefixtures("undrawn")
def test_a_recipe_of_a_table_runs_on_a_small_file(tmp_path):
    x, y = small_files.activities()
    scipy.io.savemat(tmp_path / "HAR.mat", {"X": x, "Y": y})
    recipe = recipes.get("hhar-deepmoe", task="classification")
    figures_ = train.run(recipe, tmp_path / "runs", data_dir=tmp_path, smoke=True, verbose=0)
    assert np.isfinite([value for value in figures_.values() if isinstance(value, float)]).all()


def test_every_data_set_of_a_recipe_can_be_loaded():
    assert set(recipes.DATASETS) == set(datasets._LOADERS) == set(sizes.SIZES)
    makefile = (readme.README.parent / "Makefile").read_text(encoding="utf-8")
    assert all(name in makefile for name in recipes.DATASETS)


def test_the_paper_preset_is_the_reports():
    dmvae, vade = recipes.get("mnist-dmvae", "paper"), recipes.get("mnist-vade", "paper")
    model = training.build(dmvae, datasets.digits())
    assert [layer.units for layer in model.mixture.z_encoder.layers] == [256, 256, 512, 20]
    assert [layer.units for layer in model.mixture.c_encoder.layers] == [256, 512, 10]
    assert [layer.units for layer in model.mixture.decoder.layers] == [512, 256, 64]
    assert model.mixture.config.relaxation == "gumbel" and float(
        model.mixture.gumbel_softmax.temperature
    ) == np.float32(0.2)
    for recipe in (dmvae, vade):
        assert (recipe.epochs, recipe.batch_size, recipe.learning_rate) == (500, 200, 0.002)
        assert recipe.warm_start is None and recipe.adversarial_reach is None and recipe.temperature_decay == 1
    vade_model = training.build(vade, datasets.digits())
    assert [layer.units for layer in vade_model.mixture.z_encoder.layers] == [512, 256, 20]
    assert 4 < np.std(vade_model.mixture.prior.means) < 6

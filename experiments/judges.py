"""The judge of generated rows: a classifier trained on a data set's labels, which no clustering has a part in.

It is trained once a data set, and kept in the cache folder of the data (``$VAE_MOE_DATA`` or ``~/.cache/vae_moe``).
"""

import hashlib
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

logger = logging.getLogger(__name__)

BATCH_SIZE, RATE = 100, 2e-3
#: Steps of a training, if they fit into so many epochs.
STEPS, LEAST_EPOCHS, MOST_EPOCHS = 600, 5, 50
#: The hidden layer whose outputs are the judge's features, by its name.
FEATURES = "features"


@dataclass(frozen=True)
class Judge:
    """A classifier.

    Attributes:
        network: the Keras model, rows [N, D] to logits [N, C].
    """

    network: Any

    def classes(self, x: np.ndarray) -> np.ndarray:
        """The class of each row, x [N, D] -> [N]."""
        from vae_moe.engine.pipelines import map_batches

        return map_batches(self.network, x).argmax(-1)

    def features(self, x: np.ndarray) -> np.ndarray:
        """What the last hidden layer makes of each row, x [N, D] -> [N, F]."""
        import keras

        from vae_moe.engine.pipelines import map_batches

        return map_batches(keras.Model(self.network.inputs, self.network.get_layer(FEATURES).output), x)


def folder() -> Path:
    """Where judges are kept."""
    from vae_moe.data import downloads

    return downloads.cache_folder() / "judges"


def judge(dataset) -> Judge:
    """Read the judge of a data set from its folder, or train it.

    Args:
        dataset: a ``vae_moe.data.datasets.Dataset``, whose training and validation rows it learns from.
    """
    import keras

    from vae_moe.engine.files import whole_file

    path = folder() / f"{dataset.name}-{_key(dataset)}.keras"
    if not path.exists():
        logger.info("training the judge of generated rows")
        path.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(path) as temporary:
            _trained(dataset.without_validation().train, dataset).save(temporary)
    return Judge(keras.saving.load_model(path))


def _key(dataset) -> str:
    """Of the rows it learns from, in whatever order a seed puts them."""
    rows = dataset.without_validation().train
    pairs = zip(rows.x, rows.y, strict=True)
    each = sorted(hashlib.sha256(x.tobytes() + y.tobytes()).digest() for x, y in pairs)
    return hashlib.sha256(b"".join(each)).hexdigest()[:16]


def _trained(rows, dataset):
    import keras
    from keras import layers

    keras.utils.set_random_seed(0)
    inputs = keras.Input([dataset.input_dim])
    if dataset.image_shape:
        height, width, *channels = dataset.image_shape
        hidden = layers.Reshape([height, width, *(channels or [1])])(inputs)
        for filters in (32, 64):
            hidden = layers.Conv2D(filters, 3, 2, "same", activation="relu")(hidden)
        hidden = layers.Flatten()(hidden)
    else:
        hidden = layers.BatchNormalization()(inputs)
        hidden = layers.Dense(128, "relu")(hidden)
    hidden = layers.Dense(128, "relu", name=FEATURES)(layers.Dropout(0.3)(hidden))
    network = keras.Model(inputs, layers.Dense(dataset.n_classes)(layers.Dropout(0.3)(hidden)))
    steps = -(-len(rows) // BATCH_SIZE)
    epochs = int(np.clip(STEPS // steps, LEAST_EPOCHS, MOST_EPOCHS))
    network.compile(
        keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(RATE, steps * epochs)),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        jit_compile=False,
        steps_per_execution=min(steps, 20),
    )
    network.fit(rows.x, rows.y, BATCH_SIZE, epochs, verbose=0)
    return network

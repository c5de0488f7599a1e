"""Keras"""

import keras
from sklearn.datasets import load_digits

from vae_moe import DMVAE, DVMoE
from vae_moe.layers import Experts, SoftmaxGate

pixels, digit = load_digits(return_X_y=True)
x = pixels.astype("float32") / 16  # [1797, 64] in [0, 1]

# A clustering: its loss is its own.
clustering = DMVAE(64, n_components=10)
clustering.compile("adam")
clustering.fit(x, epochs=2, verbose=2)
print(clustering.cluster(x[:5]), clustering.encode(x[:5]).shape)

# A mixture of experts that classifies.
mixture = DVMoE(64, 10, 10, task="classification")
mixture.compile("adam", metrics=["accuracy"])
mixture.fit(x, digit, epochs=2, verbose=2)
mixture.save("mixture.keras")
print(keras.models.load_model("mixture.keras").predict_proba(x[:2]).round(2))

# A gate and its experts as layers of a model of one's own.
inputs = keras.Input((64,))
gate = keras.ops.softmax(SoftmaxGate(64, 4)(inputs)["c_logits"])  # [B, K]
of_experts = keras.ops.softmax(Experts(4, 10, task="classification")(inputs))  # [B, K, C]
own = keras.Model(inputs, keras.ops.einsum("bk,bkc->bc", gate, of_experts))
own.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
own.fit(x, digit, epochs=2, verbose=2)

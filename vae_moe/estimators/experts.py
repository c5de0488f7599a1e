"""The mixtures of experts as scikit-learn's regressors and classifiers: each is a gate and a task."""

from vae_moe.estimators._gates import DVGated, SoftmaxGated, VaDEGated
from vae_moe.estimators._tasks import Classifier, Regressor


class DVMoERegressor(Regressor, DVGated):
    """Discrete variational mixture of experts for regression."""


class DVMoEClassifier(Classifier, DVGated):
    """Discrete variational mixture of experts for classification."""


class VaDEMoERegressor(Regressor, VaDEGated):
    """VaDE-gated mixture of experts for regression."""


class VaDEMoEClassifier(Classifier, VaDEGated):
    """VaDE-gated mixture of experts for classification."""


class DeepMoERegressor(Regressor, SoftmaxGated):
    """Softmax-network-gated mixture of experts for regression."""


class DeepMoEClassifier(Classifier, SoftmaxGated):
    """Softmax-network-gated mixture of experts for classification."""

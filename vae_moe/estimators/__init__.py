"""The Keras models as scikit-learn's estimators: clusterings, regressors and classifiers."""

from pathlib import Path
from typing import Any

from vae_moe.estimators import _persistence
from vae_moe.estimators._arrays import ExportError
from vae_moe.estimators._persistence import LoadError, SaveError, VersionWarning
from vae_moe.estimators.clusterings import DMVAEClustering, HDMVAEClustering, VaDEClustering
from vae_moe.estimators.ensembles import EnsembleClassifier, EnsembleRegressor
from vae_moe.estimators.experts import (
    DeepMoEClassifier,
    DeepMoERegressor,
    DVMoEClassifier,
    DVMoERegressor,
    HMoEClassifier,
    HMoERegressor,
    VaDEMoEClassifier,
    VaDEMoERegressor,
)

__all__ = [
    "ESTIMATORS",
    "DMVAEClustering",
    "DVMoEClassifier",
    "DVMoERegressor",
    "DeepMoEClassifier",
    "DeepMoERegressor",
    "EnsembleClassifier",
    "EnsembleRegressor",
    "ExportError",
    "HDMVAEClustering",
    "HMoEClassifier",
    "HMoERegressor",
    "LoadError",
    "SaveError",
    "VaDEClustering",
    "VaDEMoEClassifier",
    "VaDEMoERegressor",
    "VersionWarning",
    "load",
]

ESTIMATORS = (
    VaDEClustering,
    DMVAEClustering,
    HDMVAEClustering,
    DVMoERegressor,
    DVMoEClassifier,
    VaDEMoERegressor,
    VaDEMoEClassifier,
    DeepMoERegressor,
    DeepMoEClassifier,
    HMoERegressor,
    HMoEClassifier,
)


def load(folder: str | Path) -> Any:
    """Return the fitted estimator, or ensemble, that its `save` wrote to a folder; nothing that is read is run.

    It warns with a `VersionWarning` where other versions of this package, Keras, TensorFlow or scikit-learn saved it.

    Raises
    ------
    LoadError
        If the folder is no saved estimator, of another format version, or not whole.
    """
    known = (*ESTIMATORS, EnsembleRegressor, EnsembleClassifier)
    return _persistence.load(folder, {each.__name__: each for each in known})

"""The mixtures of experts as scikit-learn's regressors and classifiers: each is a gate and a task."""

from vae_moe.estimators._gates import LatentGated, SoftmaxGated, TreeGated
from vae_moe.estimators._tasks import Classifier, Regressor
from vae_moe.models import DVMoE, HMoE, VaDEMoE


class DVMoERegressor(Regressor, LatentGated):
    """Regression by affine experts, gated by a discrete mixture variational autoencoder.

    A `vae_moe.DVMoE` behind scikit-learn's interface: p(y | x) = sum_k q(c=k | x) N(y | x kernels_k + biases_k,
    variances_k). The experts are shrunk towards one affine map, by as much as the evidence asks for, and rows that are
    held out end the training: where one affine map is all that the rows can tell, the estimator is linear regression.

    Parameters
    ----------
    n_experts : int or 'auto', default='auto'
        'auto': of 1, 2, 4, ... 32 the number of which mixtures with a linear gate, by EM, tell most of rows held out.
    latent_dim : int, default=5
        Entries of z.
    hidden_layer_sizes : tuple of int, default=(64, 64)
        Of the encoder and of the gate; the decoder's are the same in reverse.
    likelihood : {'auto', 'bernoulli', 'gaussian', 'mixed'} or dict, default='auto'
        Of X. 'auto' takes 'mixed' where X has gaps or columns that are no numbers, else 'bernoulli' where it is in
        [0, 1], and 'gaussian' otherwise. With 'mixed' each column has a likelihood of its kind ('gaussian', 'student',
        'count', 'share', 'bernoulli', 'categorical', 'ordinal'), which a dictionary gives by the column's name; a gap
        is a missing value of a frame, or NaN, and the experts see it as the gate's model fills it. With 'gaussian'
        the columns are standardised inside, with 'bernoulli' each is stretched to from 0 to 1; the experts' ridge is in
        units of each column's variance either way. y is standardised always.
    missing : {'random', 'informative'}, default='random'
        What a gap says beside the row's other cells: nothing, or something of its own. With 'informative' a column
        with gaps has one of 0 and 1 beside it that tells of them, in the model of X and for the experts.
    start : {'spectral', 'gmm'} or None, default='spectral'
        Clusters to start from: spectral ones of a graph of nearest neighbours (in X up to 100 columns or 1000 rows,
        else among an autoencoder's latents), or Gaussian mixtures, as for `VaDEClustering`. EM with a linear gate moves
        them to where y asks for several maps. None begins with random weights.
    start_epochs : int, default=30
        Of the autoencoder, and of the gate when it learns the start.
    elbo_weight : float, default=0.01
        Of the evidence lower bound of x beside log p(y | x).
    regularization : float, default=0
        Weight of the terms that hold the gate together: against adversarial changes of x, sure, and of the start's
        shares. They smooth it, and on tables cost more than they gain.
    adversarial_reach : float, default=0.25
        How far these changes of a row go, as a share of its mean distance to its neighbours.
    epochs : int, default=100
        At most. An epoch of any stage has 20 steps at least: few rows are gone through several times.
    patience : int, default=10
        Epochs without a gain on the rows held out, after which training ends.
    validation_fraction : float, default=0.2
        Of the rows, held out to choose the epoch; in the end the experts are fitted to all rows. Where these were fewer
        than 10, none are held out and the gate is that of the start.
    batch_size : int, default=64
    learning_rate : float, default=2e-3
        Of Adam at first; it falls to 0 along a cosine.
    random_state : int, RandomState or None, default=None
        Of weights, samples, the order of rows and those held out.
    resume_dir : str or None, default=None
        A folder in which a fit keeps what it has done, as for `VaDEClustering`.
    verbose : int, default=0
        Of Keras' `fit`.

    Attributes
    ----------
    model_ : keras.Model
        The `vae_moe.DVMoE`, on scaled x and y.
    likelihood_ : str
        Of X, as chosen.
    table_ : dict or None
        What each column is, as of `VaDEClustering`.
    x_mean_, x_scale_ : array [D]
        x = (X - x_mean_) / x_scale_ is what the model sees.
    x_center_ : array [D]
        The mean of what the model sees of the rows, beside which `explain` sets a row.
    y_mean_, y_scale_ : array [O], or scalar
        As of x.
    history_ : dict of lists
        The terms of the loss and `val_nll`, one value an epoch, as Keras' history.
    n_iter_ : int
        Epochs.
    n_experts_ : int
        As given, or found.
    gate_ridge_ : float
        Of the linear gate that moved the start's clusters, in units of each column's variance. Where the number of
        experts is found, rows held out choose it, too.
    untold_ : dict of float
        The mean of -log p(y | x) of rows held out, y as scaled, by the numbers of experts that were compared.
    ranks_ : array [M] or [M, O]
        P(Y <= y | x) of the y of each row held out, ascending, before the experts are fitted to all rows: intervals are
        calibrated on it.
    best_epoch_ : int
        After which the gate is kept, from 1 on; 0: the start, also where no rows were held out.
    n_features_in_ : int
    feature_names_in_ : array [D]
        If X had names that are text.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from vae_moe.estimators import DVMoERegressor
    >>> X, y = load_diabetes(return_X_y=True)
    >>> prediction = DVMoERegressor(random_state=0).fit(X, y).predict(X)
    """

    _MODEL = DVMoE


class DVMoEClassifier(Classifier, LatentGated):
    """Classification by logistic experts, gated by a discrete mixture variational autoencoder.

    A `vae_moe.DVMoE`: p(y | x) = sum_k q(c=k | x) softmax(x kernels_k + biases_k)_y. The experts are shrunk towards one
    logistic regression. Parameters and attributes are those of `DVMoERegressor`, with `classes_` [C] in place of
    `y_mean_`, `y_scale_` and `ranks_`.
    """

    _MODEL = DVMoE


class VaDEMoERegressor(Regressor, LatentGated):
    """Regression by affine experts, gated by VaDE: q(c | x) is Bayes' rule on z.

    A `vae_moe.VaDEMoE`. Parameters and attributes are those of `DVMoERegressor`.
    """

    _MODEL = VaDEMoE


class VaDEMoEClassifier(Classifier, LatentGated):
    """Classification by logistic experts, gated by VaDE: q(c | x) is Bayes' rule on z.

    A `vae_moe.VaDEMoE`. Parameters and attributes are those of `DVMoEClassifier`.
    """

    _MODEL = VaDEMoE


class DeepMoERegressor(Regressor, SoftmaxGated):
    """Regression by affine experts, gated by a softmax network on x.

    A `vae_moe.DeepMoE`, which models no x. Parameters and attributes are those of `DVMoERegressor`, without
    `latent_dim`, `likelihood`, `missing` and `elbo_weight`; the start clusters X itself. Where X has gaps or columns
    that are no numbers, gaps are filled with the mean of their entries (`fill_` [D]), beside which there is a column of
    0 and 1 that tells of them.
    """


class DeepMoEClassifier(Classifier, SoftmaxGated):
    """Classification by logistic experts, gated by a softmax network on x.

    A `vae_moe.DeepMoE`. Parameters and attributes are those of `DeepMoERegressor`, with `classes_` [C] in place of
    `y_mean_` and `y_scale_`.
    """


class HMoERegressor(Regressor, TreeGated):
    """Regression by affine experts, the leaves of a tree, each as near its parent's as the evidence says.

    A `vae_moe.HMoE`; `vae_moe.em.HMoERegressor` is one with softmax gates of x, by EM alone. Parameters and attributes
    are those of `DVMoERegressor`, and one more.

    Parameters
    ----------
    branching : tuple of int or None, default=None
        Children of each node, the root's first, with `n_experts` leaves, or as many where that is 'auto'; the start
        puts near clusters in one branch.
        None: pairs, or, an odd number of experts, children of the root.
    """

    _MODEL = HMoE


class HMoEClassifier(Classifier, TreeGated):
    """Classification by logistic experts, the leaves of a tree, each shrunk to its parent's.

    A `vae_moe.HMoE`. Parameters and attributes are those of `DVMoEClassifier`, and `branching`, as of `HMoERegressor`.
    """

    _MODEL = HMoE

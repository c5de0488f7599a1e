"""VaDE, DMVAE and HDMVAE as scikit-learn's clusterings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from vae_moe.estimators._clustering import C_LAYERS, KerasClustering
from vae_moe.models import DMVAE, HDMVAE, VaDE


class VaDEClustering(KerasClustering):
    """Clustering by variational deep embedding (Jiang et al. 2017), where q(c | x) is Bayes' rule on z.

    A `vae_moe.VaDE` behind scikit-learn's interface: an autoencoder, clusters of the rows as a start, then the evidence
    lower bound with q(c | x) held against small adversarial changes of x.

    Parameters
    ----------
    n_components : int or 'auto', default=8
        Clusters, K. 'auto' takes the number, up to 15, at which k-means' clusters have the greatest mean silhouette.
    latent_dim : int, default=10
        Entries of z, L.
    hidden_layer_sizes : tuple of int or None, default=None
        Of the encoder; the decoder's are the same in reverse. None: (256, 512), and (512, 512, 512) of 20000 rows or
        more, or 5000 of more than 100 columns.
    likelihood : {'auto', 'bernoulli', 'gaussian', 'mixed'} or dict, default='auto'
        Of X. 'auto' takes 'mixed' where X has gaps or columns that are no numbers, else 'bernoulli' where it is in
        [0, 1], and 'gaussian' otherwise. With 'mixed' each column has a likelihood of its kind ('gaussian', 'student',
        'count', 'share', 'bernoulli', 'categorical', 'ordinal'), which a dictionary gives by the column's name; a gap
        is a missing value of a frame, or NaN. With 'gaussian' the columns are standardised inside, with 'bernoulli'
        they stay as they are: another model, whose scores compare with those of its kind alone (`score_samples`), and
        in which a column of small numbers counts for little.
    missing : {'random', 'informative'}, default='random'
        What a gap says beside the row's other cells: nothing, or something of its own. With 'informative' a column
        with gaps has one of 0 and 1 beside it that tells of them, in the model of X.
    covariance : {'auto', 'diag', 'full'}, default='auto'
        Of the components in z. With 'full' they are fitted to q(z | x) once more when the bound is trained, and a DMVAE
        then learns, in a quarter of the epochs more, to draw samples that are of their component's kind; what is in
        which cluster does not change. 'auto' is 'full' of images.
    image_shape : tuple of int or None, default=None
        (H, W) or (H, W, C) of the images that the rows of X are, which `encoder` and `augment` need.
    encoder : {'mlp', 'conv'}, default='mlp'
        Dense layers, or convolutions, which the decoder then has too.
    augment : bool, default=False
        Whether q(c | x) is held against small rotations, shifts and zooms of images, in twice as many epochs.
    start : {'spectral', 'gmm'} or None, default='spectral'
        Clusters to start from: spectral ones of a graph of nearest neighbours (in X up to 100 columns or 1000 rows,
        else among the latents), a Gaussian mixture of the latents, or none. Where X has up to 100 columns, k-means and
        Gaussian mixtures of X are tried too: clusters are taken that the graph tells apart, or that are found again in
        resamples and by others; elsewhere those that all ways agree on.
    start_epochs : int or None, default=None
        Of the autoencoder, and of the network of q(c | x). None: 30 and 30, and 15 and 3 of 20000 rows or more.
    regularization : float, default=100
        Weight of the terms that hold q(c | x) together: against adversarial changes of x, sure, of the start's shares,
        and at the start's component for rows deep inside of it. 0 leaves the bound alone.
    adversarial_reach : float, default=0.25
        How far the adversarial changes of a row go, as a share of its mean distance to its neighbours.
    epochs : int or None, default=None
        Of the bound. None: 60, and 16 of 20000 rows or more. An epoch of any stage has 20 steps at least: few rows are
        gone through several times.
    batch_size : int or None, default=None
        Rows a step. None: 100, and 256 of 20000 rows or more, of whose start 128.
    learning_rate : float, default=2e-3
        Of Adam at first; it falls to 0 along a cosine.
    random_state : int, RandomState or None, default=None
        Of weights, samples and the order of rows.
    resume_dir : str or None, default=None
        A folder in which a fit keeps what it has done: one that was killed goes on from there, when it is begun again
        with the same data and parameters. It leaves nothing there in the end.
    verbose : int, default=0
        Of Keras' `fit`.

    Attributes
    ----------
    labels_ : array [N]
        The component of each row of the fit.
    n_components_ : int
        K, as given or as found.
    silhouettes_ : array [M]
        Mean silhouettes of 2, 3, ... clusters, where K is found; else empty.
    resampled_numbers_ : array [R]
        K as found in each of ten parts of the rows, where it is found; else empty.
    tree_ : array [K - 1, 4]
        The components joined two at a time, by how much they share their rows, as `scipy.cluster.hierarchy.linkage`:
        `cut_tree(tree_, k)[labels_, 0]` is the branch of each row where k are left.
    temperature_ : float
        Of `predict_proba`, at least 1: how much less sure it is than the trained q(c | x), which training sharpens.
    x_center_ : array [D]
        Mean of the rows as the model sees them, beside which `explain` puts rows.
    outlier_ : array [N] of bool
        Rows of the fit that belong nowhere: their `score_samples` is below `outlier_threshold_`, three interquartile
        ranges below the first quartile.
    model_ : keras.Model
        The `vae_moe.VaDE`, on scaled x.
    likelihood_ : str
        Of X, as chosen.
    spread_ : float
        Of a mixed table: how much farther from their mean numbers are drawn than p(x | z) says. A twentieth of them,
        which training did not see, tells.
    table_ : dict or None
        What each column is, where the likelihood is 'mixed': its kind, type, levels, mean and scale.
    x_mean_, x_scale_ : array [D]
        x = (X - x_mean_) / x_scale_ is what the model sees.
    x_limit_ : float
        Of x: farther values count as this far. Inf with the likelihood 'bernoulli'.
    history_ : dict of lists
        The bound's terms, one value an epoch, as Keras' history.
    n_iter_ : int
        Epochs of the bound.
    n_features_in_ : int
    feature_names_in_ : array [D]
        If X had names that are text.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from vae_moe.estimators import VaDEClustering
    >>> X, _ = load_iris(return_X_y=True)
    >>> labels = VaDEClustering(3, random_state=0).fit_predict(X)
    """

    _MODEL = VaDE

    def _layers(self, n_rows: int) -> dict[str, Any]:
        return {**super()._layers(n_rows), "learn_weights": True}


class DMVAEClustering(KerasClustering):
    """Clustering by a discrete mixture variational autoencoder, where q(c | x) is a network of its own.

    A `vae_moe.DMVAE`. Parameters and attributes are those of `VaDEClustering`; the network of q(c | x) has hidden
    layers of its own, (512, 256) or as `hidden_layer_sizes` says.
    """

    _MODEL = DMVAE

    def _layers(self, n_rows: int) -> dict[str, Any]:
        sizes = C_LAYERS if self.hidden_layer_sizes is None else tuple(self.hidden_layer_sizes)
        return {**super()._layers(n_rows), "c_encoder_sizes": sizes}


@dataclass(eq=False, repr=False, kw_only=True)
class HDMVAEClustering(DMVAEClustering):
    """Clustering by a DMVAE whose components are the leaves of a tree, which `tree_` then is.

    A `vae_moe.HDMVAE`. Parameters and attributes are those of `DMVAEClustering`, and one more.

    Parameters
    ----------
    branching : tuple of int or None, default=None
        Children of each node, the root's first, with `n_components` leaves; the start puts near clusters in one branch.
        None: pairs, or, an odd number of components, children of the root.
    """

    branching: tuple[int, ...] | None = None

    _MODEL = HDMVAE

    def _layers(self, n_rows: int) -> dict[str, Any]:
        return {**super()._layers(n_rows), "branching": self.branching or ()}

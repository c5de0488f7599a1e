"""Points drawn by a seed: the spiral of the report."""

import numpy as np

from vae_moe.data.datasets.splits import Dataset, Split


def spiral(
    *,
    seed: int = 0,
    n_arms: int = 5,
    n_train: int = 5000,
    n_validation: int = 500,
    n_test: int = 1000,
    noise: float = 0.05,
) -> Dataset:
    """Draw points on the arms of a spiral in the plane, one class for each arm (the report, section 8.1.2).

    On arm j the radius r runs evenly from 2.5 to 10 while the angle a runs evenly from 1.25 j to 1.25 (j + 1) radians,
    plus Gaussian noise; the point is x = (r sin a, r cos a).

    Args:
        seed: seed of the noise and of the order of the rows; each split has a random stream of its own.
        n_arms: number of arms, K.
        n_train: training points of each arm.
        n_validation: validation points of each arm.
        n_test: test points of each arm.
        noise: standard deviation of the angle, in radians.

    Returns:
        The data set, x [K * points, 2] float32 and y the index of the arm.

    Raises:
        ValueError: a number below one, or negative noise.
    """
    if min(n_arms, n_train, n_validation, n_test) < 1 or noise < 0:
        raise ValueError(
            "A spiral needs at least one arm, one point an arm in each split, and noise >= 0; received "
            f"n_arms={n_arms}, n_train={n_train}, n_validation={n_validation}, n_test={n_test}, noise={noise}."
        )

    def draw(n_points: int, rng: np.random.Generator) -> Split:
        radius = np.tile(np.linspace(2.5, 10, n_points), n_arms)
        angle = np.concatenate([np.linspace(1.25 * arm, 1.25 * (arm + 1), n_points) for arm in range(n_arms)])
        angle += rng.normal(0, noise, angle.shape)
        x = np.stack([radius * np.sin(angle), radius * np.cos(angle)], axis=1)
        y = np.repeat(np.arange(n_arms), n_points)
        order = rng.permutation(len(y))
        return Split(x[order].astype(np.float32), y[order].astype(np.int64))

    sizes = (n_train, n_validation, n_test)
    train, validation, test = map(draw, sizes, np.random.default_rng(seed).spawn(len(sizes)))
    return Dataset("spiral", train, validation, test, likelihood="gaussian", image_shape=None)

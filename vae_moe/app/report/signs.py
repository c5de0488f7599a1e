"""The section about health: troubles with their cures, and the signs of a latent mixture."""

from collections.abc import Mapping

import numpy as np

from vae_moe.app.report import page
from vae_moe.app.report.page import Block
from vae_moe.training.health import Health


def section(troubles: Mapping[str, str], found: Health | None = None, latent_dim: int = 0) -> list[Block]:
    """Troubles with their cures, and the signs.

    Args:
        troubles: by name.
        found: what ``health.examine`` found; None without a latent mixture.
        latent_dim: L.
    """
    blocks = [page.text(f"{name.capitalize()}: {words}.", "warn") for name, words in troubles.items()]
    blocks = blocks or [page.text("No trouble found.", "good")]
    if found is None:
        return blocks
    n_components = len(found.shares)
    rows = [
        ["components with a tenth of the rows they began with, or more", f"{found.components_used} of {n_components}"],
        ["largest component", f"{found.shares.max():.0%} of the rows"],
        ["doubt about a row's component", f"{found.c_entropy:.2f} of {np.log(n_components):.2f} nats"],
        ["latent numbers in use", f"{found.active_units} of {latent_dim}"],
        ["rows whose component agrees with their latents", f"{found.bayes_agreement:.0%}"],
    ]
    return [*blocks, page.table(["sign", "found"], rows)]

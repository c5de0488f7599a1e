"""The section about a latent mixture's health."""

import numpy as np

from vae_moe.health import Health
from vae_moe.report import page
from vae_moe.report.page import Block


def section(found: Health, latent_dim: int) -> list[Block]:
    """Troubles with their cures, and the signs.

    Args:
        found: what ``health.examine`` found.
        latent_dim: L.
    """
    blocks = [page.text(f"{name.capitalize()}: {words}.", "warn") for name, words in found.troubles.items()]
    n_components = len(found.shares)
    rows = [
        ["components with a tenth of the rows they began with, or more", f"{found.components_used} of {n_components}"],
        ["largest component", f"{found.shares.max():.0%} of the rows"],
        ["doubt about a row's component", f"{found.c_entropy:.2f} of {np.log(n_components):.2f} nats"],
        ["latent numbers in use", f"{found.active_units} of {latent_dim}"],
        ["rows whose component agrees with their latents", f"{found.bayes_agreement:.0%}"],
    ]
    return [*(blocks or [page.text("No trouble found.", "good")]), page.table(["sign", "found"], rows)]

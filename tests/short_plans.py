"""Default plans whose epochs are over soon, for tests of what is around a training."""

from dataclasses import replace

from vae_moe.training import plan


def shorten(patch, steps=1):
    """Let an epoch of any stage have ``steps`` at least, and not 20; patch is a MonkeyPatch."""
    for name in ("FEW", "MANY", "EXPERTS"):
        usual = getattr(plan, name)
        stages = replace(usual.warm_start, least_steps=steps)
        patch.setattr(plan, name, replace(usual, least_steps=steps, warm_start=stages))

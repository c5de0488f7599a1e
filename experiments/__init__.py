"""The report's experiments, one file a table or figure, on top of :mod:`vae_moe`."""

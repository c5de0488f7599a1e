#!/usr/bin/env bash
# The report's experiments
set -euo pipefail

# A clustering of scikit-learn's digits by the recipe; `make digits-dmvae` does the same in a checkout.
python -m experiments.train digits-dmvae

# The report's figures of all runs, a page a data set.
python -m experiments.figures

# The page of one.
vae-moe report runs/digits-dmvae/seed0

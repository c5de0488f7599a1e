#!/usr/bin/env bash
# A table
set -euo pipefail

# 178 wines: 13 measurements of each, and which of three cultivars it is, called `target`.
python -c "from sklearn.datasets import load_wine; load_wine(as_frame=True).frame.to_csv('wine.csv', index=False)"

# Which groups are the rows in? The cultivars are compared with them, and take no part in training.
vae-moe cluster wine.csv --labels target

# The groups of rows, which may be new ones.
vae-moe predict wine-clusters wine.csv --out - | head -n 3

# Which columns make a row's cluster, and not the next one?
vae-moe explain wine-clusters wine.csv | head -n 4

# One column from the others.
vae-moe experts wine.csv --target alcohol --drop target

# What is predicted, and between what and what nine in ten lie.
vae-moe predict wine-experts wine.csv --out alcohol.csv

# Of the first rows.
head -n 3 alcohol.csv | cut -d , -f 1-4

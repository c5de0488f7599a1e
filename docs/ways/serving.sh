#!/usr/bin/env bash
# Serving
set -euo pipefail

# Something to serve: the alcohol of wines.
python -c "from sklearn.datasets import load_wine; load_wine(as_frame=True).frame.to_csv('wine.csv', index=False)"

# Its experts, two of them.
vae-moe experts wine.csv --target alcohol --drop target --experts 2 --quiet

# New rows.
head -n 3 wine.csv > new.csv

# A service on this machine, until it is ended.
vae-moe serve wine-experts --port 8035 --quiet &

# It is there soon.
until curl --silent --fail --output health.json http://127.0.0.1:8035/health; do sleep 0.2; done

# Rows in, predictions out; JSON is taken too.
curl --silent --fail --header "content-type: text/csv" --data-binary @new.csv http://127.0.0.1:8035/predict

# The same without this package and without TensorFlow: arrays, and a module of NumPy's.
vae-moe export wine-experts served --numpy

# The end of the service.
kill $!

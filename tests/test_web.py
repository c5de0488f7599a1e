"""``vae-moe serve``: the answers are those of ``predict``, and what cannot be answered is refused in words."""

import io
import json

import numpy as np
import own_files
import pandas as pd
import pytest

from vae_moe import estimators
from vae_moe.app import inputs, web
from vae_moe.app.measured import Measured
from vae_moe.app.trained import Trained

pytest.importorskip("fastapi")
testclient = pytest.importorskip("fastapi.testclient")


LACKING = "lacks 'malic_acid', 'ash', 'alcalinity_of_ash',"


@pytest.fixture(scope="module")
def client(data, tmp_path_factory):
    """Of a clustering of the wines, hardly trained."""
    source = inputs.read(data / "wine.csv")
    rows, preparation = inputs.prepare(source, np.arange(178), ["cultivar"], {})
    estimator = estimators.DMVAEClustering(3, epochs=1, start=None, random_state=0).fit(rows)
    ranges = Measured.of(source, preparation).ranges
    config = {"made_by": "vae-moe", "kind": "cluster", "image_shape": None, "ranges": ranges}
    path = tmp_path_factory.mktemp("served")
    Trained(config, source, rows, preparation, estimator, None).write(path)
    client = testclient.TestClient(web.application(path))
    client.expected = estimator.predict_proba(rows)
    return client


def test_rows_are_answered_as_predict_does(client):
    frame = own_files.wine()
    found = client.post("/cluster", json={"rows": json.loads(frame.to_json(orient="records"))})
    assert found.status_code == 200
    rows = pd.DataFrame(found.json()["rows"])
    probabilities = [f"probability_{cluster}" for cluster in range(3)]
    np.testing.assert_allclose(rows[probabilities], client.expected, atol=1e-6)
    assert (rows.outside == "").all()
    text = {"content-type": "text/csv; charset=utf-8"}
    found = client.post("/cluster", content=frame.to_csv(index=False), headers=text)
    pd.testing.assert_frame_equal(pd.read_csv(io.StringIO(found.text))[probabilities], rows[probabilities])
    health = client.get("/health").json()
    assert health["status"] == "ok" and "alcohol" in health["columns"]
    assert "/cluster" in client.get("/openapi.json").json()["paths"]
    found = client.post("/explain", content=frame[:2].to_csv(index=False), headers=text)
    reasons = pd.read_csv(io.StringIO(found.text))
    assert list(reasons) == ["row", "cluster", "next", "column", "cell", "effect"]
    assert (reasons.groupby("row").cluster.first() == client.expected[:2].argmax(1)).all()


@pytest.mark.parametrize(
    ("body", "kind", "status", "words"),
    [
        (b"{", "application/json", 400, "no JSON"),
        (b"[" * 100_000, "application/json", 400, "no JSON"),
        (b"3", "application/json", 422, "send {"),
        (b'{"rows": []}', "application/json", 422, "0 rows"),
        (b'[{"alcohol": [1]}]', "application/json", 422, "a list or an object"),
        (b'[{"alcohol": 1}]', "application/json", 422, LACKING),
        (b"alcohol\n1\n", "text/csv", 422, LACKING),
        (b"\xff\xfe", "text/csv", 422, "the body is not UTF-8"),
        (b"<rows/>", "text/xml", 415, "send application/json or text/csv"),
        (b" " * (web.MAX_BODY + 1), "application/json", 413, "fewer rows"),
    ],
)
def test_what_cannot_be_answered_is_refused_in_words(client, body, kind, status, words):
    found = client.post("/cluster", content=body, headers={"content-type": kind})
    assert found.status_code == status and words in found.json()["error"]


def test_another_address_is_told_what_there_is(client):
    for found, status in ((client.post("/predict", json={"rows": []}), 404), (client.get("/cluster"), 405)):
        assert found.status_code == status and "ask POST /cluster, POST /explain" in found.json()["error"]


def test_odd_values_are_refused_and_not_the_services_fault(client):
    rows = json.loads(own_files.wine().head(2).to_json(orient="records"))
    for value in ("much", 1e300, 10**400, True, "\x00", "\ud800", -(2**70)):
        found = client.post("/cluster", content=json.dumps([{**rows[0], "hue": value}, rows[1]]))
        assert found.status_code in (200, 422), value

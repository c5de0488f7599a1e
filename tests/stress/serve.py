"""Send damaged requests to ``vae-moe serve``, then many at once: typed answers, flat memory, and how long they take."""

import argparse
import contextlib
import http.client
import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from experiments.robustness import Figures

#: Clients that send damaged requests at once.
CLIENTS = 4
#: Share of the requests after which memory is taken to be as it stays, and by how much it may grow from there.
EARLY, GROWTH = 0.1, 0.1
#: Shares of the kinds of damage; the first are sound, and cost a prediction, the second cost nearly as much.
KINDS = (0.01, 0.05, 0.2, 0.2, 0.1, 0.14, 0.15, 0.15)
DAY, PATIENCE = "2024-01-31", 60  # seconds
HEADERS = {"content-type": "application/json"}
#: What stands in the place of a value.
ODD: tuple[Any, ...] = (
    None,
    True,
    -1e308,
    1e400,
    10**400,
    "",
    "x" * 5000,
    "\ud800",
    [1],
    {"a": 1},
    "1,5",
    DAY,
    "NaN",
    0,
)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Of this part."""
    parser.add_argument("--requests", type=int, default=100_000, help="damaged ones; default: 100000")
    parser.add_argument("--seconds", type=float, default=60, help="of many requests at once; default: 60")
    parser.add_argument("--at-once", type=int, default=50, help="of them; default: 50")
    parser.add_argument("--seed", type=int, default=0, help="of the damage; default: 0")


def measure(options: argparse.Namespace) -> Figures:
    """Train on the wines, serve, and ask."""
    with tempfile.TemporaryDirectory() as folder, served(Path(folder)) as (port, process, row):
        early = int(EARLY * options.requests)
        found = _damaged(port, row, early, options.seed)
        first = _memory(process.pid)
        found += _damaged(port, row, options.requests - early, options.seed + CLIENTS)
        last = _memory(process.pid)
        seconds = _many(port, row, options.at_once, options.seconds)
        alive = process.poll() is None
    statuses = Counter(status for status, _ in found.elements())
    untyped = sum(n for (status, typed), n in found.items() if not typed)
    return {
        "requests": options.requests,
        "statuses": {str(status): n for status, n in sorted(statuses.items())},
        "untyped": untyped,
        "early_mib": first,
        "late_mib": last,
        "at_once": options.at_once,
        "answered": len(seconds["answered"]),
        "failed": seconds["failed"],
        "p50_ms": 1000 * float(np.quantile(seconds["answered"], 0.5)),
        "p99_ms": 1000 * float(np.quantile(seconds["answered"], 0.99)),
        "passed": bool(
            alive
            and not untyped
            and max(statuses) < 500
            and last <= (1 + GROWTH) * first
            and not seconds["failed"]
            and sum(statuses.values()) == options.requests
        ),
    }


@contextlib.contextmanager
def served(folder: Path) -> Iterator[tuple[int, subprocess.Popen, dict[str, Any]]]:
    """A service of experts that were hardly trained: its port, its process, and a row that it takes."""
    from sklearn.datasets import load_wine

    frame = load_wine(as_frame=True).frame.assign(bottled=DAY, region="north")
    frame.loc[::2, ["bottled", "region"]] = ["2023-05-17", "south"]
    frame.to_csv(folder / "wine.csv", index=False)
    command = [sys.executable, "-c", "import vae_moe_command as it; it.main()"]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), "TF_CPP_MIN_LOG_LEVEL": "3"}
    train = [
        "experts",
        "wine.csv",
        "--target",
        "alcohol",
        "--experts",
        "2",
        "--epochs",
        "1",
        "--out",
        "made",
        "--quiet",
    ]
    subprocess.run([*command, *train], cwd=folder, env=environment, check=True)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    serve = [*command, "serve", "made", "--port", str(port), "--quiet"]
    row = json.loads(frame.drop(columns="alcohol").iloc[:1].to_json(orient="records"))[0]
    with subprocess.Popen(serve, cwd=folder, env=environment) as process:
        try:
            for _ in range(PATIENCE * 4):
                with contextlib.suppress(OSError):
                    if _asked(_connection(port), "GET", "/health", b"", {})[0] == 200:
                        break
                time.sleep(0.25)
            yield port, process, row
        finally:
            process.terminate()


def _connection(port: int) -> http.client.HTTPConnection:
    return http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)


def _asked(connection: http.client.HTTPConnection, method: str, path: str, body: bytes, headers) -> tuple[int, bytes]:
    connection.request(method, path, body, headers)
    answer = connection.getresponse()
    return answer.status, answer.read()


def _damaged(port: int, row: dict[str, Any], n_requests: int, seed: int) -> Counter[tuple[int, bool]]:
    """How many answers had each status, and whether they say in words what is wrong."""
    found: list[Counter[tuple[int, bool]]] = [Counter() for _ in range(CLIENTS)]

    def send(client: int) -> None:
        rng, connection = np.random.default_rng(seed + client), _connection(port)
        for _ in range(n_requests // CLIENTS + (client < n_requests % CLIENTS)):
            status, content = _asked(connection, *damaged(rng, row))
            found[client][status, status == 200 or _typed(content)] += 1

    _together([lambda client=client: send(client) for client in range(CLIENTS)])
    return sum(found, Counter())


def _typed(content: bytes) -> bool:
    """Whether an answer is JSON with the reason."""
    try:
        answer = json.loads(content)
    except ValueError:
        return False
    return isinstance(answer, dict) and bool(answer.get("error") or answer.get("detail"))


def damaged(rng: np.random.Generator, row: dict[str, Any]) -> tuple[str, str, bytes, dict[str, str]]:
    """A request, most often a damaged one: method, path, body and headers."""
    method, path, headers = "POST", "/predict" if rng.uniform() < 0.9 else "/explain", dict(HEADERS)
    body = json.dumps({"rows": [row]}).encode()
    kind = rng.choice(len(KINDS), p=KINDS)
    if kind == 2:  # bytes
        place = np.frombuffer(body, np.uint8).copy()
        place[rng.integers(len(place), size=rng.integers(1, 9))] = rng.integers(256)
        body = place.tobytes()
    elif kind == 3:
        body = body[: rng.integers(len(body))]
    elif kind == 1:  # without some columns, and others odd
        kept = {name: value for name, value in row.items() if rng.uniform() < 0.8}
        name = list(row)[rng.integers(len(row))]
        body = json.dumps([kept | {name: ODD[rng.integers(len(ODD))]}]).encode()
    elif kind == 4:
        body = json.dumps(ODD[rng.integers(len(ODD))]).encode()
    elif kind == 5:  # as CSV
        headers["content-type"] = "text/csv"
        lines = [",".join(row), ",".join(map(str, row.values()))]
        body = "\n".join(lines)[: rng.integers(1, 200)].encode() + bytes(rng.integers(256, size=5).tolist())
    elif kind == 6:
        headers["content-type"] = ("", "text/plain", "application/json; charset=x", "a/b/c")[rng.integers(4)]
        body = rng.bytes(int(rng.integers(200)))
    elif kind == 7:
        method = ("GET", "PUT", "DELETE", "POST")[rng.integers(4)]
        path = ("/predict", "/nothing", "/predict/../x", "/%00", "/?a=" + "b" * 500)[rng.integers(5)]
        body = b"{"
    return method, path, body, headers


def _many(port: int, row: dict[str, Any], at_once: int, seconds: float) -> dict[str, Any]:
    """How long sound requests take, so many at once, in seconds, and how many fail."""
    body, answered, failed, end = json.dumps({"rows": [row]}).encode(), [], [], time.monotonic() + seconds

    def send() -> None:
        connection = _connection(port)
        while (started := time.monotonic()) < end:
            try:
                status, _ = _asked(connection, "POST", "/predict", body, HEADERS)
            except OSError:
                status, connection = 0, _connection(port)
            (answered if status == 200 else failed).append(time.monotonic() - started)

    _together([send] * at_once)
    return {"answered": answered, "failed": len(failed)}


def _together(tasks: list[Callable[[], None]]) -> None:
    threads = [threading.Thread(target=task) for task in tasks]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _memory(process: int) -> float:
    """Resident memory of a process, MiB."""
    status = Path(f"/proc/{process}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0]) / 1024

"""Give damaged files and odd arguments to the readers and the command line: typed errors, or nothing."""

import argparse
import contextlib
import io
import multiprocessing
import os
import resource
import shutil
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from rich.progress import Progress

from experiments.robustness import Figures, commands, readers

#: What is tried, and its share of the inputs.
TARGETS: dict[str, tuple[Callable[[], readers.Target], int]] = {
    "idx": (readers.idx, 14),
    "pickles": (readers.pickles, 20),
    "cifar": (readers.cifar, 6),
    "archive": (readers.archive, 6),
    "mat": (readers.mat, 14),
    "stream": (readers.stream, 3),
    "csv": (readers.csv, 10),
    "arrays": (readers.arrays, 10),
    "parquet": (readers.parquet, 4),
    "images": (readers.images, 8),
    "records": (commands.records, 4),
    "estimator": (commands.estimator, 1),
    "predict": (commands.predict, 1),
    "arguments": (commands.arguments, 5),
    "train": (commands.train, 2),
}
#: Seconds that an input may take.
LIMIT = 5.0
#: Seconds after which a process that says nothing is ended.
PATIENCE = 120.0
#: What Python tells an audit hook before it changes the disk: event -> place of the path among its arguments.
_CHANGES = {"os.mkdir": 0, "os.remove": 0, "os.rmdir": 0, "os.rename": 1, "os.link": 1, "os.symlink": 1}


class Tried(NamedTuple):
    """What came of one input."""

    number: int
    refused: bool = False
    finding: str = ""
    outside: tuple[str, ...] = ()
    seconds: float = 0.0
    memory_mib: float = 0.0


def add_options(parser: argparse.ArgumentParser) -> None:
    """Of this part."""
    parser.add_argument("--inputs", type=int, default=100_000, help="in all; default: 100000")
    parser.add_argument("--seed", type=int, default=0, help="of the inputs; default: 0")
    parser.add_argument("--first", type=int, default=0, help="number of each target's first input; default: 0")
    parser.add_argument("--only", nargs="+", choices=list(TARGETS), default=list(TARGETS), metavar="TARGET")


def measure(options: argparse.Namespace) -> Figures:
    """Share the inputs among the targets, and count what comes of them."""
    shares = {name: TARGETS[name][1] for name in options.only}
    tried: dict[str, list[Tried]] = {}
    with Progress() as progress:
        for name, share in shares.items():
            count = -(-options.inputs * share // sum(shares.values()))
            numbers = range(options.first, options.first + count)
            tried[name] = list(progress.track(_tries(name, options.seed, numbers), count, description=name))
    every = [(name, each) for name, group in tried.items() for each in group]
    findings = [{"target": name, "input": each.number, "finding": each.finding} for name, each in every if each.finding]
    outside = sorted({path for _, each in every for path in each.outside})
    name, slowest = max(every, key=lambda pair: pair[1].seconds)
    return {
        "inputs": len(every),
        "seed": options.seed,
        "first": options.first,
        "targets": {
            name: {"inputs": len(group), "seconds": round(sum(each.seconds for each in group), 2)}
            for name, group in tried.items()
        },
        "taken": sum(not each.refused and not each.finding for _, each in every),
        "refused": sum(each.refused for _, each in every),
        "findings": findings,
        "outside": outside,
        "slowest": {"target": name, "input": slowest.number, "seconds": round(slowest.seconds, 3)},
        "peak_memory_mib": round(max(each.memory_mib for _, each in every)),
        "passed": not findings and not outside and slowest.seconds <= LIMIT,
    }


def _tries(name: str, seed: int, numbers: range) -> Iterator[Tried]:
    """Give a target its inputs in a process; where one ends it, or takes for ever, another process goes on after it."""
    context = multiprocessing.get_context("spawn")
    while numbers:
        with tempfile.TemporaryDirectory() as folder:
            ours, theirs = context.Pipe(duplex=False)
            process = context.Process(target=_work, args=(name, seed, numbers, theirs, Path(folder).resolve()))
            process.start()
            theirs.close()
            ended = ""
            while numbers and not ended:
                try:
                    if ours.poll(PATIENCE):
                        tried = ours.recv()
                    else:
                        ended = f"nothing for {PATIENCE:.0f} s"
                except EOFError:
                    process.join()
                    ended = f"the process ended with {process.exitcode}"
                yield Tried(numbers[0], finding=ended) if ended else tried
                numbers = numbers[1:]
            process.kill()
            process.join()


def _work(name: str, seed: int, numbers: range, pipe, root: Path) -> None:
    """The process: makes a target and gives it the inputs of these numbers, each in an empty folder."""
    from vae_moe.data.files import DatasetError
    from vae_moe.estimators._persistence import LoadError

    for place in ("made", "first", "tmp"):
        (root / place).mkdir()
    os.environ["TMPDIR"] = tempfile.tempdir = str(root / "tmp")
    os.chdir(root / "made")
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        target = TARGETS[name][0]()
        typed = (DatasetError, LoadError, commands.RefusedError, *([ValueError] if name == "records" else []))
        with contextlib.suppress(Exception):
            target(np.random.default_rng(seed), root / "first")  # imports and traces, whose time is no input's
        outside = _watched(root)
        for number in numbers:
            folder = root / f"input{number}"
            folder.mkdir()
            os.chdir(folder)
            refused, finding, started = False, "", time.perf_counter()
            try:
                target(np.random.default_rng([seed, number]), folder)
            except typed as error:
                refused = True
                if not 10 < len(str(error)) < 2000:
                    finding = f"a message of {len(str(error))} letters: {str(error)[:200]}"
            except BaseException as error:
                finding = _where(error)
            seconds = time.perf_counter() - started
            memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10
            pipe.send(Tried(number, refused, finding, tuple(outside), seconds, memory))
            outside.clear()
            os.chdir(root)
            shutil.rmtree(folder)
            said.truncate(said.seek(0))
    pipe.close()


def _where(error: BaseException) -> str:
    """An error and the last place in this project that it came through."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if "vae_moe" in frame.filename]
    place = f" at {Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
    return f"{type(error).__name__}{place}: {str(error)[:300]}"


def _watched(root: Path) -> list[str]:
    """A list to which each path outside the root is added that this process is about to change."""
    outside: list[str] = []

    def hook(event, arguments):
        if event == "open":
            path, _, flags = arguments
            if not isinstance(flags, int) or not flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
                return
        elif event in _CHANGES:
            path = arguments[_CHANGES[event]]
        else:
            return
        if isinstance(path, str | bytes | os.PathLike):
            full = os.path.abspath(os.fsdecode(path))
            if not full.startswith((f"{root}/", "/dev/")):
                outside.append(full)

    sys.addaudithook(hook)
    return outside

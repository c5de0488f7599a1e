"""Give damaged files and odd arguments to the readers and the command line: typed errors, or nothing."""

import argparse
import contextlib
import importlib
import io
import itertools
import multiprocessing
import os
import resource
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import hypothesis
import hypothesis.configuration
from rich.progress import Progress

from experiments.robustness import Figures

#: Modules of what is tried: its functions, and the share of the inputs of each.
TARGETS = {
    "readers": {
        **{"idx": 6, "packed_idx": 4, "mnist": 4, "pickles": 20, "cifar": 6, "archive": 6, "mat": 13, "hhar": 1},
        **{"rcv1": 1, "npy": 2, "tfrecord": 1, "tfrecord_examples": 1},
    },
    "own_readers": {"csv": 10, "arrays": 5, "archives": 5, "parquet": 4, "images": 5, "image_file": 3},
    "commands": {"records": 4, "estimator": 1, "predict": 1, "arguments": 5, "train": 2},
}
SHARES = {name: share for targets in TARGETS.values() for name, share in targets.items()}
#: Inputs that Hypothesis draws from one seed; an input is drawn again with those before it of its block.
BLOCK = 200
#: Seconds of the processor that an input may take: those of a clock are others' too where a machine is busy.
LIMIT = 5.0
#: Seconds after which a process that says nothing of an input is ended; and of its imports and traces, before them.
PATIENCE, PATIENCE_AT_FIRST = 120.0, 1800.0
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
    parser.add_argument("--only", nargs="+", choices=list(SHARES), default=list(SHARES), metavar="TARGET")


def measure(options: argparse.Namespace) -> Figures:
    """Share the inputs among the targets, and count what comes of them."""
    shares = {name: SHARES[name] for name in options.only}
    found: dict[str, list[Tried]] = {}
    with Progress() as progress:
        for name, share in shares.items():
            count = -(-options.inputs * share // sum(shares.values()))
            numbers = range(options.first, options.first + count)
            found[name] = list(progress.track(_tries(name, options.seed, numbers), count, description=name))
    every = [(name, each) for name, group in found.items() for each in group]
    findings = [{"target": name, "input": each.number, "finding": each.finding} for name, each in every if each.finding]
    outside = sorted({path for _, each in every for path in each.outside})
    name, slowest = max(every, key=lambda pair: pair[1].seconds)
    return {
        "inputs": len(every),
        "seed": options.seed,
        "first": options.first,
        "targets": {
            name: {"inputs": len(group), "seconds": round(sum(each.seconds for each in group), 2)}
            for name, group in found.items()
        },
        "taken": sum(not each.refused and not each.finding for _, each in every),
        "refused": sum(each.refused for _, each in every),
        "findings": findings,
        "outside": outside,
        "slowest": {"target": name, "input": slowest.number, "seconds": round(slowest.seconds, 3)},
        "peak_memory_mib": round(max(each.memory_mib for _, each in every)),
        "passed": not findings and not outside and slowest.seconds <= LIMIT,
    }


def make(name: str) -> Any:
    """Make a target, in the working folder; its module is imported only now, as commands need much."""
    (module,) = (module for module, targets in TARGETS.items() if name in targets)
    return getattr(importlib.import_module(f"stress.{module}"), name)()


def tried(target: Any, given: Any) -> bool:
    """Give a target an input, in a folder that goes; returns whether it was refused.

    Raises:
        Exception: what else than a refusal came of it, or a refusal in too few or too many words.
    """
    before = Path.cwd()
    with tempfile.TemporaryDirectory(prefix="input") as name:
        folder = Path(name).resolve()
        os.chdir(folder)
        try:
            target.run(given, folder)
        except target.typed as error:
            if not 10 < len(str(error)) < 2000:
                raise AssertionError(f"a message of {len(str(error))} letters: {str(error)[:200]}") from error
            return True
        finally:
            os.chdir(before)
        return False


def _tries(name: str, seed: int, numbers: range) -> Iterator[Tried]:
    """Give a target its inputs in a process; where one ends it, or takes for ever, another process goes on after it."""
    context = multiprocessing.get_context("spawn")
    while numbers:
        with tempfile.TemporaryDirectory() as folder:
            ours, theirs = context.Pipe(duplex=False)
            process = context.Process(target=_work, args=(name, seed, numbers, theirs, Path(folder).resolve()))
            process.start()
            theirs.close()
            ended, patience = "", PATIENCE_AT_FIRST
            while numbers and not ended:
                try:
                    if not ours.poll(patience):
                        ended = f"nothing for {patience:.0f} s"
                    elif (got := ours.recv()) is None:
                        patience = PATIENCE
                        continue
                except EOFError:
                    process.join()
                    if not process.exitcode:
                        return  # there are no more inputs
                    ended = f"the process ended with {process.exitcode}"
                yield Tried(numbers[0], finding=ended) if ended else got
                numbers = numbers[1:]
            process.kill()
            process.join()


def _work(name: str, seed: int, numbers: range, pipe, root: Path) -> None:
    """The process: makes a target and gives it the inputs of these numbers, each in an empty folder."""
    for place in ("made", "tmp"):
        (root / place).mkdir()
    os.environ["TMPDIR"] = tempfile.tempdir = str(root / "tmp")
    os.chdir(root / "made")
    hypothesis.configuration.set_hypothesis_home_dir(root / "hypothesis")
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        target, outside = make(name), None

        def give(number, given):
            nonlocal outside
            if outside is None:
                with contextlib.suppress(Exception):
                    tried(target, given)  # imports and traces, whose time is no input's
                outside = _watched(root)
                pipe.send(None)
            refused, finding, started = False, "", time.process_time()
            try:
                refused = tried(target, given)
            except BaseException as error:
                finding = _where(error)
            seconds = time.process_time() - started
            memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10
            pipe.send(Tried(number, refused, finding, tuple(outside), seconds, memory))
            outside.clear()
            said.truncate(said.seek(0))

        each_input(target.inputs, seed, numbers, give)
    pipe.close()


def each_input(strategy: Any, seed: int, numbers: range, give: Callable[[int, Any], None]) -> None:
    """Draw the inputs of these numbers, ``BLOCK`` of a seed, and give each away."""
    drawn: Iterator[int]

    @hypothesis.settings(
        max_examples=BLOCK,
        phases=[hypothesis.Phase.generate],
        database=None,
        deadline=None,
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    @hypothesis.given(strategy)
    def one(given):
        if (number := next(drawn)) in numbers:
            give(number, given)

    for block in range(numbers.start // BLOCK, -(-numbers.stop // BLOCK)):
        drawn = itertools.count(block * BLOCK)
        hypothesis.seed(seed * 1_000_003 + block)(one)()


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

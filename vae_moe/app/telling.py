"""What a command says while it works: lines to standard error and to a file, and one bar for the whole of it."""

import logging
import sys
from argparse import Namespace
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from vae_moe.data.files import DatasetError
from vae_moe.engine import watch

#: Stages of a training, in words, and where each begins and ends in hundredths of a command's usual time.
STAGES = {
    "reading": ("reads", 0, 2),
    "tensorflow": ("imports TensorFlow", 2, 12),
    "autoencoder": ("autoencoder", 12, 27),
    "distillation": ("learns the start", 32, 42),
    "gate": ("gate", 32, 42),
    "fit": ("model", 42, 82),
    "settle": ("samples", 82, 88),
    "page": ("page", 88, 100),
}
logger = logging.getLogger("vae_moe")


class _Lines(logging.Handler):
    """Writes to what standard error is now: a bar takes its place, and is drawn below the lines."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write a line."""
        sys.stderr.write(f"{self.format(record)}\n")


def check_log(options: Namespace) -> None:
    """Raise DatasetError if --log would write into what the command reads, or where it writes."""
    if options.log is None:
        return
    log = options.log.resolve()
    for name in ("data", "test", "out", "folder"):
        other = getattr(options, name, None)
        if other is None or str(other) == "-":
            continue
        argument, place = f"--{name}" if name in ("test", "out") else name, other.resolve()
        if log == place:
            raise DatasetError(f"--log {options.log} is {argument}, too. Give another file.")
        if name == "out" and place in log.parents:
            raise DatasetError(
                f"--log {options.log} is within --out {other}, which is made anew. Give a file outside of it."
            )


@contextmanager
def lines(quiet: bool, log: Path | None) -> Iterator[None]:
    """Within it, what the package logs goes to standard error, errors alone if quiet, and all of it to a file.

    Raises:
        DatasetError: the file cannot be written.
    """
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    shown = _Lines(logging.ERROR if quiet else logging.INFO)
    handlers: list[tuple[logging.Logger, logging.Handler]] = [(logging.getLogger(), shown)]
    if log is not None:
        try:
            kept = logging.FileHandler(log, encoding="utf-8")
        except OSError as error:
            raise DatasetError(f"--log {log} cannot be written: {error.strerror}. Give another file.") from error
        kept.setFormatter(logging.Formatter("%(asctime)s %(message)s"))
        handlers.append((logger, kept))
    with ExitStack() as after:
        after.callback(logger.setLevel, logger.level)
        logger.setLevel(logging.ERROR if quiet and log is None else logging.INFO)
        for of, handler in handlers:
            of.addHandler(handler)
            after.callback(handler.close)
            after.callback(of.removeHandler, handler)
        yield


def keep(words: str) -> None:
    """Write to the log file what was said without it."""
    for handler in logger.handlers:
        handler.handle(logger.makeRecord(logger.name, logging.INFO, "", 0, words, (), None))


@contextmanager
def bar(options: Namespace) -> Iterator[None]:
    """One bar for a whole command, with the time left, where standard error is a terminal.

    It goes by what ``engine.watch`` is told, and is gone when the page is done.
    """
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TimeElapsedColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = ("{task.description}", BarColumn(), TaskProgressColumn(), TimeElapsedColumn(), "left:")
    hidden = options.quiet or not console.is_terminal
    with Progress(
        *(*columns, TimeRemainingColumn()),
        console=console,
        disable=hidden,
        transient=True,
        redirect_stdout=False,
    ) as progress:
        task = progress.add_task(options.command, total=100)

        def advance(stage: str, done: int, total: int) -> None:
            words, first, last = STAGES.get(stage, (stage, 0, 0))
            place = max(first + (last - first) * done / total, progress.tasks[0].completed)
            progress.update(task, completed=place, description=f"{options.command}: {words}")
            if place >= 100:
                progress.stop()

        with watch.told_to(advance):
            yield

"""How a command ends that does not end well: an exit code and a line that says what was wrong and what to do."""

import shlex
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from vae_moe.data.files import DatasetError

FAILED = 1
WRONG_INPUT = 2
SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP")  # Windows has no SIGHUP


class Stopped(KeyboardInterrupt):
    """A signal asks the process to end.

    Args:
        number: of the signal.
    """

    def __init__(self, number: int):
        super().__init__(number)
        self.number = number


@contextmanager
def signals_raised() -> Iterator[None]:
    """Signals that end the process raise ``Stopped``, so that what is half-made is removed; no second one hinders that.

    A signal that is ignored, as SIGHUP under nohup, stays so. Outside of the main thread nothing is changed: Python
    handles signals there alone.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    numbers = [getattr(signal, name) for name in SIGNALS if hasattr(signal, name)]
    before = {number: signal.getsignal(number) for number in numbers}
    caught = [number for number in numbers if before[number] not in (signal.SIG_IGN, None)]

    def stop(number, frame):
        for other in caught:
            signal.signal(other, signal.SIG_IGN)
        raise Stopped(number)

    try:
        for number in caught:
            signal.signal(number, stop)
        yield
    finally:
        for number in caught:
            signal.signal(number, before[number])


def explain(error: BaseException, kept: Path | None, resumes: bool = False) -> tuple[str, int]:
    """What to say of an error, and the exit code.

    Args:
        error: that ended the command.
        kept: the folder of a training that had ended before, or None.
        resumes: whether the same command goes on from what was done.

    Returns:
        A line; and 2 for input that cannot be used, 128 and the number of a signal, 1 for everything else.
    """
    rest = f"What was trained is in {kept}: vae-moe report {shlex.quote(str(kept))} makes its page." if kept else ""
    if isinstance(error, KeyboardInterrupt):
        number = error.number if isinstance(error, Stopped) else signal.SIGINT
        rest = rest or (
            "the same command goes on after the last epoch that was kept; --overwrite begins anew."
            if resumes
            else "nothing is kept."
        )
        return f"interrupted: {rest}", 128 + number
    said = " ".join(_words(error).split()).rstrip(".")
    code = WRONG_INPUT if isinstance(error, DatasetError) and not kept else FAILED
    end = "" if said.endswith("?") else "."
    return f"error: {said}{end} {rest}".rstrip(), code


def _words(error: BaseException) -> str:
    if isinstance(error, DatasetError):
        return str(error)
    if isinstance(error, FloatingPointError):  # its cures are those of Python
        return f"{error} With this command: --drop columns of extreme values, or take another --seed or --model"
    if isinstance(error, OSError):
        return f"{error.filename}: {error.strerror}" if error.filename and error.strerror else str(error)
    if isinstance(error, MemoryError):
        return "there is not enough memory: give fewer rows or columns"
    return f"vae-moe itself is at fault, with {type(error).__name__}: {error}. Report it with what --debug shows"

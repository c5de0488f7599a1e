"""Processes forked from one where TensorFlow runs: its threads stay there, and a graph here would wait for them."""

import os

from tensorflow.python.eager import context

#: The numbers of such processes.
_cut_off: set[int] = set()


def check() -> None:
    """Make sure that TensorFlow's threads are in this process.

    Raises:
        RuntimeError: if they stayed in the one that this was forked from.
    """
    if os.getpid() in _cut_off:
        raise RuntimeError(
            "this process was forked from one where TensorFlow was running, and its threads are not here: start "
            "processes with multiprocessing.get_context('spawn'), or with joblib's default, loky."
        )


def _look() -> None:
    """Remember this process, if TensorFlow had begun to compute in the one it was forked from.

    Until then a fork is harmless; and what never computes here is never told of it.
    """
    runtime = context.context_safe()
    if runtime is not None and runtime._initialized:
        _cut_off.add(os.getpid())


os.register_at_fork(after_in_child=_look)

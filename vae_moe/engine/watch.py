"""What trainings tell who waits for them: the epochs of their stages."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

Watcher = Callable[[str, int, int], None]
_watcher: ContextVar[Watcher | None] = ContextVar("watcher", default=None)


@contextmanager
def told_to(watcher: Watcher) -> Iterator[None]:
    """Within it, trainings tell this function each stage, how many of its epochs are done, and of how many."""
    token = _watcher.set(watcher)
    try:
        yield
    finally:
        _watcher.reset(token)


def tell(stage: str, done: int, total: int) -> None:
    """Tell who watches, if anybody does."""
    if watcher := _watcher.get():
        watcher(stage, done, total)

"""Files and folders that are whole or absent at any moment, even if the process or the machine stops meanwhile."""

import contextlib
import os
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def whole_file(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Give a temporary path beside a file's, which becomes the file if all goes well, and is removed otherwise.

    Args:
        path: ``name.suffix``; an earlier file is replaced.

    Yields:
        ``.name.<random>.part.suffix``, to be written.

    Raises:
        OSError: it cannot be written; its ``filename`` is the path.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.stem}.{secrets.token_hex(4)}.part{path.suffix}")
    try:
        yield temporary
        with temporary.open("rb+") as stream:
            os.fsync(stream.fileno())
        temporary.replace(path)
    except OSError as error:
        if error.errno is not None and error.filename in (None, str(temporary)):
            error.filename = str(path)  # which a disk that is full does not say
        raise
    finally:
        temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def whole_folder(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Give an empty folder beside another's place, which becomes that if all goes well, and is removed otherwise.

    Args:
        path: of the folder; an earlier one is replaced, and is there again if that fails. Its parents are made.

    Raises:
        OSError: it cannot be written.
    """
    path = Path(os.path.abspath(path))
    parent = next(parent for parent in path.parents if parent.exists())
    made = parent / f".{path.name}-{secrets.token_hex(4)}"
    former = made.with_name(made.name + "-old")
    try:
        made.mkdir()
        yield made
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists():
            path.rename(former)
        made.rename(path)
    finally:
        if former.exists() and not path.exists():
            former.rename(path)
        for rest in (made, former):
            shutil.rmtree(rest, ignore_errors=True)

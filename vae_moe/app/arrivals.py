"""What comes from no file, standard input and databases, as a file while a command runs."""

import contextlib
import sys
import tempfile
from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path

from vae_moe.data import formats
from vae_moe.data.dialects import UTF8
from vae_moe.data.files import DatasetError
from vae_moe.data.reading import MAX_BYTES

STANDARD_INPUT = Path("-")
BEGINNING = 64  # bytes that tell the kind of a file


@contextlib.contextmanager
def arrived(options: Namespace) -> Iterator[None]:
    """Makes ``options.data`` a file that is there, of standard input or of a query, until the end.

    Raises:
        DatasetError: there is no such query, or more than ``MAX_BYTES``.
    """
    sql = getattr(options, "sql", None)
    if not sql and getattr(options, "data", None) != STANDARD_INPUT:
        yield
        return
    with tempfile.TemporaryDirectory() as folder:
        if sql:
            options.data, options.encoding = Path(folder) / "query.csv", UTF8
            formats.query(sql, options.query, options.data, MAX_BYTES)
        else:
            options.data = _standard_input(Path(folder))
        yield


def _standard_input(folder: Path) -> Path:
    """A file of standard input, its ending that of what it holds."""
    kept = folder / "stdin"
    with kept.open("wb") as file:
        formats.copy_at_most(sys.stdin.buffer, file, MAX_BYTES, "standard input")
    with kept.open("rb") as file:
        beginning = file.read(BEGINNING)
    if not beginning:
        raise DatasetError("standard input is empty. Pipe a table into it, or name a file in place of -.")
    return kept.rename(kept.with_name(f"stdin{formats.ending_of(beginning)}"))

"""Threads of BLAS and OpenMP: one where a problem is small.

Between small products threads wait for each other longer than they compute, by far where cores are busy: tenfold to a
thousandfold. What is small is told by a problem's size and never by the machine's load: the same seed has the same
numbers, also where they depend on the number of threads.
"""

from contextlib import AbstractContextManager, nullcontext

from threadpoolctl import get_cached_controller

#: Up to so many rows a step of k-means or of a search for neighbours is small.
FEW_ROWS = 20_000
#: Up to so many multiplications a product of matrices is small: some 10 ms on one core.
FEW_MULTIPLICATIONS = 2e8


def one_if(small: bool) -> AbstractContextManager:
    """Use one thread within, if ``small``."""
    return get_cached_controller().limit(limits=1) if small else nullcontext()


def few_rows(n_rows: int) -> bool:
    """Whether a step over so many rows is small."""
    return n_rows <= FEW_ROWS


def few_moments(n_rows: int, n_columns: int) -> bool:
    """Whether the product of a matrix [N, D] with itself is small."""
    return n_rows * n_columns**2 <= FEW_MULTIPLICATIONS

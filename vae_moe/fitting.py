"""Fits of the scikit-learn estimators: whole, or as if they had not begun."""

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

Fit = TypeVar("Fit", bound=Callable[..., Any])


def whole(fit: Fit) -> Fit:
    """Decorate a method so that an exception, Ctrl-C too, leaves the estimator's attributes as they were before.

    Otherwise one that was fitted would mix two fits, and one that was not would be taken for fitted.
    """

    @wraps(fit)
    def restoring(self, *args, **options):
        before = dict(vars(self))
        try:
            return fit(self, *args, **options)
        except BaseException:
            self.__dict__ = before
            raise

    return restoring  # type: ignore[return-value]

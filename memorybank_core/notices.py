"""Warnings that name the caller's line."""

from __future__ import annotations

import sys
import warnings


def warn_caller(message: str, category: type[Warning]) -> None:
    """Issue a warning that names the line outside this package that called it."""
    level, frame = 1, sys._getframe()
    package = f"{__name__.partition('.')[0]}."
    while frame.f_back and f"{frame.f_globals.get('__name__')}.".startswith(package):
        level, frame = level + 1, frame.f_back
    warnings.warn(message, category, stacklevel=level)

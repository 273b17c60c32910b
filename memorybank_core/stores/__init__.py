"""Where memories live."""

from .local import LocalStore

__all__ = ["LocalStore"]

"""Loading a model: what its files hold, what becomes of them, and whether they fit."""

from .models import load_model

__all__ = ["load_model"]

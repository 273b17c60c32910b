"""Loading a model: what its files hold, what becomes of them, and whether they fit."""

from .model_loader import load_model

__all__ = ["load_model"]

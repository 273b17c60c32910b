"""Load a language model: locate its files, convert them if needed, and check the memory."""

from .model_loader import load_model

__all__ = ["load_model"]

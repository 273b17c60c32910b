"""Tokenizers of ChatGLM, ChatGLM2, ChatGLM3 and LLaMA, and the loading of any tokenizer."""

from .tokenizer_loader import load_tokenizer

__all__ = ["load_tokenizer"]

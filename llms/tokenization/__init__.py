"""Tokenizers of ChatGLM, ChatGLM2, ChatGLM3 and LLaMA, and any other of transformers."""

from .tokenizer_loader import load_tokenizer

__all__ = ["load_tokenizer"]

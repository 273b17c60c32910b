"""Tokenizers for ChatGLM, ChatGLM2, ChatGLM3, LLaMA and whatever transformers knows."""

from .loading import load_tokenizer

__all__ = ["load_tokenizer"]

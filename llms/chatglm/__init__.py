"""ChatGLM-6B (first generation) as a transformers model.

Importing this package imports torch and transformers: do it only when a model is loaded.
"""

from .configuration import ChatGLMConfig
from .model import ChatGLMForCausalLM, ChatGLMModel

__all__ = ["ChatGLMConfig", "ChatGLMForCausalLM", "ChatGLMModel"]

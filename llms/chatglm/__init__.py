"""ChatGLM-6B (first generation) as a transformers model.

Importing this package imports torch and transformers, so import it only to load a model.
"""

from .configuration import ChatGLMConfig
from .model import ChatGLMForCausalLM, ChatGLMModel

__all__ = ["ChatGLMConfig", "ChatGLMForCausalLM", "ChatGLMModel"]

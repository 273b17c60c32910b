"""ChatGLM-6B (first generation) as a transformers model.

Imports torch and transformers at once: import this package only when a model is loaded.
"""

from .configuration import ChatGLMConfig
from .model import ChatGLMForCausalLM, ChatGLMModel

__all__ = ["ChatGLMConfig", "ChatGLMForCausalLM", "ChatGLMModel"]

"""ChatGLM-6B, the first generation, as a model of transformers' own kind.

Needs torch and transformers from its first line on: import it where a model is loaded.
"""

from .configuration import ChatGLMConfig
from .model import ChatGLMForCausalLM, ChatGLMModel

__all__ = ["ChatGLMConfig", "ChatGLMForCausalLM", "ChatGLMModel"]

"""Model hosts for MemoryBank: what answers, summarizes and tells a portrait.

from llms import OpenAIChat, as_llm
"""

from .bridge import as_llm
from .openai import OpenAIChat

__all__ = ["OpenAIChat", "as_llm"]

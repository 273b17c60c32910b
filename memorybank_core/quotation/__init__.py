"""Answers without a language model: the companion quotes what the user said, with the day."""

from .answer import Quotation, quote_answer
from .quoting_llm import RECALLED, QuotingLLM

__all__ = ["RECALLED", "Quotation", "QuotingLLM", "quote_answer"]

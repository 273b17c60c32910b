"""Evaluation of search: recall@k on questions with known evidence, through the public API."""

from .datasets import Format, read_conversations
from .questions import Conversation, Question
from .recall import BM25_ALONE, BUDGETS, DENSE_ALONE, evaluate, evaluate_files

__all__ = [
    "BM25_ALONE",
    "BUDGETS",
    "DENSE_ALONE",
    "Conversation",
    "Format",
    "Question",
    "evaluate",
    "evaluate_files",
    "read_conversations",
]

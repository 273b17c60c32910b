"""Evaluation of search: recall@k on questions with known evidence, through the public API."""

from .datasets import Conversation, Format, Question, read_conversations
from .recall import BM25_ALONE, DENSE_ALONE, evaluate, evaluate_files

__all__ = [
    "BM25_ALONE",
    "DENSE_ALONE",
    "Conversation",
    "Format",
    "Question",
    "evaluate",
    "evaluate_files",
    "read_conversations",
]

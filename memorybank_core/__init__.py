"""MemoryBank: long-term memory that remembers, recalls and fades like a person's.

from memorybank_core import MemoryBank, Turn
"""

from .bank import MemoryBank
from .dates import DayRange
from .embedders import HashingEmbedder, embedder_named
from .errors import (
    AnswerError,
    ConfigurationError,
    ConflictError,
    ContextOverflowError,
    EmbedderError,
    EmbedderMismatchError,
    FormatError,
    InvalidInputError,
    LLMError,
    MemoryBankError,
    MissingDependencyError,
    NotABankError,
    SchemaTooNewError,
    StoreBusyError,
    StoreClosedError,
    StoreError,
    StoreWriteError,
)
from .forgetting import FSRS, Ebbinghaus, ForgettingLaw, PowerLaw
from .protocols import LLM, Completion, Embedder, MemoryStore
from .ranking import Weights
from .records import (
    AddReceipt,
    DeletionReceipt,
    Digest,
    Fading,
    ForgetReport,
    Memory,
    Parts,
    Portrait,
    SearchResult,
    Stats,
    Summary,
    Turn,
)

__version__ = "0.1.0"
__all__ = [
    "FSRS",
    "LLM",
    "AddReceipt",
    "AnswerError",
    "Completion",
    "ConfigurationError",
    "ConflictError",
    "ContextOverflowError",
    "DayRange",
    "DeletionReceipt",
    "Digest",
    "Ebbinghaus",
    "Embedder",
    "EmbedderError",
    "EmbedderMismatchError",
    "Fading",
    "ForgetReport",
    "ForgettingLaw",
    "FormatError",
    "HashingEmbedder",
    "InvalidInputError",
    "LLMError",
    "Memory",
    "MemoryBank",
    "MemoryBankError",
    "MemoryStore",
    "MissingDependencyError",
    "NotABankError",
    "Parts",
    "Portrait",
    "PowerLaw",
    "SchemaTooNewError",
    "SearchResult",
    "Stats",
    "StoreBusyError",
    "StoreClosedError",
    "StoreError",
    "StoreWriteError",
    "Summary",
    "Turn",
    "Weights",
    "embedder_named",
]

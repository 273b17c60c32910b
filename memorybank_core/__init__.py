"""MemoryBank: long-term memory for language models that recalls and forgets like a person.

from memorybank_core import MemoryBank, Turn
"""

from .bank import MemoryBank
from .check_reports import CheckReport, Finding
from .context import Context
from .embedders import HashingEmbedder, embedder_named
from .errors import (
    AnswerError,
    ArgumentError,
    ConfigurationError,
    ConflictError,
    ContextOverflowError,
    EmbedderError,
    EmbedderMismatchError,
    EmbedderWarning,
    ForkedProcessError,
    FormatError,
    InvalidInputError,
    LLMError,
    MemoryBankError,
    MissingDependencyError,
    NotABankError,
    RerankerError,
    SchemaTooNewError,
    SchemaTooOldError,
    SettingsWarning,
    StoreBusyError,
    StoreClosedError,
    StoreError,
    StoreUnavailableError,
    StoreWriteError,
)
from .forgetting import FSRS, Ebbinghaus, ForgettingLaw, PowerLaw
from .llm.prompts import PROMPTS, Prompts
from .protocols import LLM, Completion, Embedder, MemoryStore, Reranker
from .quotation.phrases import Quotation
from .quotation.quoting_llm import QuotingLLM
from .records import (
    Change,
    Digest,
    Memory,
    Parts,
    Portrait,
    SearchResult,
    Summary,
    SupersededBy,
    Turn,
)
from .reports import (
    AddReceipt,
    ChangeReport,
    ConfigurationReport,
    DeletionReceipt,
    ExpiryReport,
    Fading,
    FailedDigest,
    FailedReading,
    ForgetReport,
    ImportReceipt,
    Stale,
    Stats,
    SummarizeReport,
)
from .rerankers import reranker_named
from .search.dates import DayRange
from .search.ranking import Weights
from .turns.pending_turn import PendingTurn

__version__ = "0.1.0"
__all__ = [
    "FSRS",
    "LLM",
    "PROMPTS",
    "AddReceipt",
    "AnswerError",
    "ArgumentError",
    "Change",
    "ChangeReport",
    "CheckReport",
    "Completion",
    "ConfigurationError",
    "ConfigurationReport",
    "ConflictError",
    "Context",
    "ContextOverflowError",
    "DayRange",
    "DeletionReceipt",
    "Digest",
    "Ebbinghaus",
    "Embedder",
    "EmbedderError",
    "EmbedderMismatchError",
    "EmbedderWarning",
    "ExpiryReport",
    "Fading",
    "FailedDigest",
    "FailedReading",
    "Finding",
    "ForgetReport",
    "ForgettingLaw",
    "ForkedProcessError",
    "FormatError",
    "HashingEmbedder",
    "ImportReceipt",
    "InvalidInputError",
    "LLMError",
    "Memory",
    "MemoryBank",
    "MemoryBankError",
    "MemoryStore",
    "MissingDependencyError",
    "NotABankError",
    "Parts",
    "PendingTurn",
    "Portrait",
    "PowerLaw",
    "Prompts",
    "Quotation",
    "QuotingLLM",
    "Reranker",
    "RerankerError",
    "SchemaTooNewError",
    "SchemaTooOldError",
    "SearchResult",
    "SettingsWarning",
    "Stale",
    "Stats",
    "StoreBusyError",
    "StoreClosedError",
    "StoreError",
    "StoreUnavailableError",
    "StoreWriteError",
    "SummarizeReport",
    "Summary",
    "SupersededBy",
    "Turn",
    "Weights",
    "embedder_named",
    "reranker_named",
]
